"""DS1 → DS2: intervals over records, operating points, rows without single records, rhythms never seen."""

import numpy as np
from sklearn.metrics import precision_recall_curve

from sklearn_ecg.adaptation import spread_labels
from sklearn_ecg.metrics import aami_report, bootstrap_interval, record_confusions

from .._results import print_table, write_results
from . import data, models
from .protocols import ensemble, rung_of
from .tables import PROTOCOLS, SPREAD, chosen_models, score

WITHOUT = ("202", "213", "232")
AF = ("202", "210", "219", "221", "222")
PACED = ("102", "104", "107", "217")
POINTS = {"S": 0.75, "V": 0.90}
"""Class → sensitivity at which its +P is read."""


def inter(args):
    """Fit all models on DS1, over seeds, and report what they do on DS2."""
    rung = rung_of("inter", args.data_home)
    probas, details, test = {}, {}, None
    seeds = range(args.seed, args.seed + args.n_seeds)
    wanted = chosen_models(args)
    nets = [name for name in wanted if name in models.ARCHITECTURES]
    runs = {
        name: [rung.run(model, seed, args, choose=name in nets) for seed in seeds] for name, model in wanted.items()
    }
    for name, results in runs.items():
        test = results[0].test
        probas[name] = [result.proba for result in results]
        details[name] = {
            "parameters": results[0].outcome.n_parameters,
            "fit_cpu_seconds": [result.outcome.cpu_seconds for result in results],
        }
    for name, settings in models.ENSEMBLES.items() if len(nets) > 1 else ():
        mixed = [ensemble(rung, {net: runs[net][i] for net in nets}, **settings) for i in range(args.n_seeds)]
        probas[name] = [proba for proba, _ in mixed]
        details[name] = {
            "held_out_scores": [voting.scores_ for _, voting in mixed],
            "selected": [list(voting.selected_) for _, voting in mixed],
        }
    if nets:
        net = wanted[nets[0]]  # all networks see the same rows
        test = rung.test(net)
        for name in [*nets, *(name for name in models.ENSEMBLES if name in probas)]:
            probas[name + SPREAD] = [spread_in_records(proba, test, net) for proba in probas[name]]
    report(args, rung, test, probas, details)
    paced(args, rung, runs)


def spread_in_records(proba, beats, model):
    """Probabilities spread among those beats of a record that are alike; no label is known."""
    spread = np.empty_like(proba)
    for record in np.unique(beats.record):
        here = beats.record == record
        layout = {"n_leads": model.n_leads, "n_side_features": len(model.features)}
        spread[here] = spread_labels(proba[here], beats.X[here], **models.SPREAD, **layout)
    return spread


def report(args, rung, test, probas, details, name="inter"):
    """Write the table of DS2."""
    stacks = {model: confusions(rung, test, runs) for model, runs in probas.items()}
    names = np.unique(test.record)
    metrics, rows = {}, []
    for model, stack in stacks.items():
        metrics[model] = {
            **scores_over_records(stack, stacks.get("forest"), names),
            **operating_points(rung, test, probas[model]),
            **details.get(model, {}),
            "runs": [score(rung, test.y, proba) for proba in probas[model]],
        }
        rows.append(table_row(model, metrics[model], stack))
    columns = ["model", *rung.classes, "macro-F1", "over seeds", "minus forest, paired", "jackknife"]
    columns += [*(f"without {record}" for record in WITHOUT), "AF, flutter", "S +P", "V +P", "fit, CPU s"]
    write_results(
        f"arrhythmia_{name}",
        {
            "protocol": f"{PROTOCOLS['inter']}; {args.n_seeds} seeds; 95 % intervals resample the 22 records of DS2; "
            "jackknife: least and largest macro-F1 without one record; S +P at Se .75, V +P at Se .90; 'spread': "
            f"probabilities spread among the beats of a record that are alike {models.SPREAD}, without any label",
            "metrics": metrics,
            "caption": "F1 on DS2, mean over seeds; in brackets 95 % over records",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


def confusions(rung, test, runs):
    """Confusions (records, seeds, true, predicted) of the scored classes."""
    n, classes = len(rung.classes), np.asarray(rung.classes)
    stack = [
        record_confusions(test.y, classes[proba.argmax(axis=1)], groups=test.record, labels=rung.classes)
        for proba in runs
    ]
    return np.stack(stack, axis=1)[..., :n, :n]


def scores_over_records(stack, theirs, names):
    minus = None
    if theirs is not None and theirs is not stack:
        minus = bootstrap_interval(
            lambda a, b: mean_macro_f1(a) - mean_macro_f1(b), stack, theirs, groups=names, random_state=0
        )
    left_out = {record: mean_macro_f1(stack[names != record]) for record in names}
    return {
        "macro_f1": class_f1(stack.sum(axis=0)).mean(axis=1),
        "macro_f1_mean": bootstrap_interval(mean_macro_f1, stack, groups=names, random_state=0),
        "minus_forest": minus,
        "macro_f1_without": left_out,
        "macro_f1_af": mean_macro_f1(stack[np.isin(names, AF)]),
    }


def operating_points(rung, test, runs):
    """+P at a given Se of S and V, mean over seeds."""
    points = {}
    for label, sensitivity in POINTS.items():
        column = rung.classes.index(label)
        points[label] = np.mean([ppv_at(test.y == label, proba[:, column], sensitivity) for proba in runs])
    return {"ppv_at_sensitivity": points}


def ppv_at(positive, probability, sensitivity):
    """Largest +P at which at least this share of the positive ones is found."""
    ppv, se, _ = precision_recall_curve(positive, probability)
    return ppv[se >= sensitivity].max()


def class_f1(confusion):
    """F1 of each class of confusion matrices (..., true, predicted)."""
    hits = np.einsum("...ii->...i", confusion)
    return 2 * hits / np.maximum(confusion.sum(-1) + confusion.sum(-2), 1)


def mean_macro_f1(stack):
    """Macro-F1 of confusions (records, seeds, true, predicted) summed over records, mean over seeds."""
    return class_f1(stack.sum(axis=0)).mean()


def table_row(model, row, stack):
    f1 = class_f1(stack.sum(axis=0)).mean(axis=0)
    left_out = row["macro_f1_without"]
    seconds = row.get("fit_cpu_seconds")
    return [
        model,
        *(f"{value:.3f}" for value in f1),
        str(row["macro_f1_mean"]),
        f"{min(row['macro_f1']):.3f} to {max(row['macro_f1']):.3f}",
        str(row["minus_forest"] or "–"),
        f"{min(left_out.values()):.3f} to {max(left_out.values()):.3f}",
        *(f"{left_out[record]:.3f}" for record in WITHOUT),
        f"{row['macro_f1_af']:.3f}",
        *(f"{value:.3f}" for value in row["ppv_at_sensitivity"].values()),
        "–" if seconds is None else f"{np.median(seconds):.0f}",
    ]


def paced(args, rung, runs):
    """What the models make of paced beats, a class that was not in training."""
    metrics, rows = {}, []
    classes = np.asarray(rung.classes)
    for name, results in runs.items():
        beats = data.load(PACED, results[0].model.features, args.data_home, True, results[0].model.scale)
        model = results[0].outcome.model()
        known = list(model.classes_)
        proba = model.predict_proba(beats.X)[:, [known.index(c) for c in classes]]
        predicted, is_q = classes[proba.argmax(axis=1)], beats.y == "Q"
        share = {c: np.mean(predicted[is_q] == c) for c in classes}
        confidence = proba.max(axis=1)[is_q].mean()
        others = aami_report(beats.y[~is_q], predicted[~is_q], labels=("N", "V"))
        metrics[name] = {
            "paced_beats_called": share,
            "mean_largest_probability": confidence,
            "f1_of_other_beats": others.f1,
        }
        rows.append([name, *(f"{value:.3f}" for value in [*share.values(), confidence, *others.f1.values()])])
    columns = ["model", *(f"paced called {c}" for c in classes), "largest probability", "N, F1", "V, F1"]
    write_results(
        "arrhythmia_paced",
        {
            "protocol": f"records {', '.join(PACED)}, which have no part in DS1 and DS2, by the models of seed "
            f"{args.seed} trained on DS1, which has no paced beats; F1 of N and V over the beats that are not paced",
            "metrics": metrics,
            "caption": "Paced records: beats of a class that was not in training",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)
