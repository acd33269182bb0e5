"""Scores of one rung, and the ladder over all rungs."""

import json

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from sklearn_ecg.metrics import aami_report

from .._results import RESULTS, print_table, write_results
from . import models
from .protocols import ensemble, rung_of

SPREAD = ", spread"
"""End of the names of models whose probabilities spread among the beats of a new patient that are alike."""

CAPTIONS = {
    "intra": "Random split, every patient in training, validation and test: test rows; the networks see two leads, the "
    "forest one",
    "chronological": "First 70 % of every record train, the rest tests: test rows; the networks see two leads, the "
    "forest one",
}
PROTOCOLS = {
    "intra": "70/15/15 of the beats of all 48 records at random within each class; the networks see two leads; "
    "ensembles choose on the 15 % validation rows",
    "chronological": "within each of 48 records the first 70 % of the beats train, the rest tests; the networks see "
    "two leads; ensembles choose by fits on the first 50 %, scored on the 20 % after them",
    "inter": "DS1 trains, DS2 tests; ensembles choose on the pooled out-of-fold predictions of 5 folds of records of "
    "DS1",
}


def one_rung(args):
    """Fit all models of a rung that shares patients between training and test, over seeds, and report."""
    rung = rung_of(args.protocol, args.data_home)
    seeds = range(args.seed, args.seed + args.n_seeds)
    runs = {
        name: [rung.run(model, seed, args, choose=name in models.ARCHITECTURES) for seed in seeds]
        for name, model in chosen_models(args).items()
    }
    scores = {name: over_seeds([scores_of(rung, result) for result in results]) for name, results in runs.items()}
    mixed = [ensembles(rung, {name: results[i] for name, results in runs.items()}) for i in range(args.n_seeds)]
    scores |= {name: over_seeds([of_seed[name] for of_seed in mixed]) for name in mixed[0]}
    columns = ["model", "accuracy", *rung.classes, "macro-F1", "over seeds", "AUC", "parameters", "fit, CPU s"]
    rows = [table_row(name, row) for name, row in scores.items()]
    write_results(
        f"arrhythmia_{rung.name}",
        {
            "protocol": f"{PROTOCOLS[rung.name]}; mean over {args.n_seeds} seeds",
            "metrics": scores,
            "caption": CAPTIONS[rung.name],
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


def scores_of(rung, result):
    """Scores of one model, with its size and the time of its fit."""
    more = {"parameters": result.outcome.n_parameters, "fit_cpu_seconds": result.outcome.cpu_seconds}
    return score(rung, result.test.y, result.proba) | more


def over_seeds(runs):
    """What the table shows: means over the runs of a model, which stand beside them."""
    return {
        "accuracy": np.mean([run["accuracy"] for run in runs]),
        "macro_f1": [run["macro_f1"] for run in runs],
        "f1": {label: np.mean([run["f1"][label] for run in runs]) for label in runs[0]["f1"]},
        "macro_auc": np.mean([run["macro_auc"] for run in runs]),
        "parameters": runs[0].get("parameters"),
        "fit_cpu_seconds": np.median([run["fit_cpu_seconds"] for run in runs]),
        "runs": runs,
    }


def chosen_models(args):
    """Name → model, as the command line wants them; the dummy and the forest are in every table."""
    known = models.models_of(args.protocol)
    wanted = args.models or list(known)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise SystemExit(f"--models: {unknown} are not among {list(known)}")
    return {name: known[name] for name in known if name in wanted or name in ("dummy", "forest")}


def ensembles(rung, results):
    """Name → scores of each ensemble of the networks."""
    nets = {name: result for name, result in results.items() if name in models.ARCHITECTURES}
    scores = {}
    for name, settings in models.ENSEMBLES.items() if len(nets) > 1 else ():
        proba, voting = ensemble(rung, nets, **settings)
        scores[name] = score(rung, next(iter(nets.values())).test.y, proba) | {
            "held_out_scores": voting.scores_,
            "selected": list(voting.selected_),
            "fit_cpu_seconds": sum(result.outcome.cpu_seconds for result in nets.values()),
        }
    return scores


def score(rung, y, proba):
    """Accuracy, Se, +P and F1 of each class, macro-F1, AUC (one class against the others) and its curve."""
    classes = np.asarray(rung.classes)
    predicted = classes[proba.argmax(axis=1)]
    report = aami_report(y, predicted, labels=rung.classes)
    auc = {c: roc_auc_score(y == c, proba[:, i]) for i, c in enumerate(classes) if 0 < (y == c).mean() < 1}
    return {
        "accuracy": np.mean(predicted == y),
        "macro_f1": report.macro_f1,
        "f1": report.f1,
        "sensitivity": report.sensitivity,
        "ppv": report.ppv,
        "auc": auc,
        "macro_auc": np.mean(list(auc.values())),
        "roc": {c: thinned_roc(y == c, proba[:, i]) for i, c in enumerate(classes)},
    }


def thinned_roc(positive, probability, n_points=60):
    """At most so many points of the curve, evenly spaced along it."""
    false, true, _ = roc_curve(positive, probability)
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(false), np.diff(true)))])
    at = np.linspace(0, length[-1], n_points)
    return {"false_positive_rate": np.interp(at, length, false), "sensitivity": np.interp(at, length, true)}


def table_row(name, row):
    macro, parameters = row["macro_f1"], row["parameters"]
    return [
        name,
        f"{row['accuracy']:.4f}",
        *(f"{value:.3f}" for value in row["f1"].values()),
        f"{np.mean(macro):.3f}",
        f"{min(macro):.3f} to {max(macro):.3f}" if len(macro) > 1 else "–",
        f"{row['macro_auc']:.3f}",
        "–" if parameters is None else f"{parameters:,}",
        f"{row['fit_cpu_seconds']:.0f}",
    ]


def ladder(args):
    """One table over the rungs, from their results."""
    rungs = {name: json.loads((RESULTS / f"arrhythmia_{name}.json").read_text())["metrics"] for name in PROTOCOLS}
    names = [name for name in rungs["intra"] if name in rungs["inter"]]
    values = {name: {rung: _macro_f1(scores.get(name)) for rung, scores in rungs.items()} for name in names}
    columns = ["macro-F1", "random split", "chronological", "new patients"]
    rows = [[name, *("–" if value is None else f"{value:.3f}" for value in values[name].values())] for name in names]
    write_results(
        "arrhythmia_ladder",
        {
            "protocol": "; ".join(f"{name}: {text}" for name, text in PROTOCOLS.items()) + ". N S V F Q on the first "
            "two, N S V F on the third; means over seeds; the networks' settings are those of the rung; the "
            "forest and all side features are of the first lead",
            "metrics": values,
            "caption": "The same models, the less the test shares with training",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


def _macro_f1(scores):
    return None if scores is None else float(np.mean(scores["macro_f1"]))
