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
    """Fit all models of a rung that shares patients between training and test, and report."""
    rung = rung_of(args.protocol, args.data_home)
    results = {
        name: rung.run(model, args.seed, args, choose=name in models.ARCHITECTURES)
        for name, model in chosen_models(args).items()
    }
    scores = {name: score(rung, result.test.y, result.proba) for name, result in results.items()}
    for name, result in results.items():
        scores[name] |= {"parameters": result.outcome.n_parameters, "fit_cpu_seconds": result.outcome.cpu_seconds}
    scores |= {name: row for name, row, _ in ensembles(rung, results)}
    columns = ["model", "accuracy", *rung.classes, "macro-F1", "AUC", "parameters", "fit, CPU s"]
    write_results(
        f"arrhythmia_{rung.name}",
        {
            "protocol": PROTOCOLS[rung.name],
            "metrics": scores,
            "caption": CAPTIONS[rung.name],
            "table": {"columns": columns, "rows": [table_row(name, row) for name, row in scores.items()]},
        },
        args=args,
    )
    print_table(columns, [table_row(name, row) for name, row in scores.items()])


def chosen_models(args):
    """Name → model, as the command line wants them; the dummy and the forest are in every table."""
    known = models.models_of(args.protocol)
    wanted = args.models or list(known)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise SystemExit(f"--models: {unknown} are not among {list(known)}")
    return {name: known[name] for name in known if name in wanted or name in ("dummy", "forest")}


def ensembles(rung, results):
    """Name, scores and probabilities of each ensemble of the networks."""
    nets = {name: result for name, result in results.items() if name in models.ARCHITECTURES}
    for name, settings in models.ENSEMBLES.items() if len(nets) > 1 else ():
        mixed = ensemble(rung, nets, **settings)
        if mixed is None:
            continue
        proba, voting = mixed
        row = score(rung, next(iter(nets.values())).test.y, proba)
        row["held_out_scores"], row["selected"] = voting.scores_, list(voting.selected_)
        row["fit_cpu_seconds"] = sum(result.outcome.cpu_seconds for result in nets.values())
        yield name, row, proba


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
    figures = [row["accuracy"], *row["f1"].values(), row["macro_f1"], row["macro_auc"]]
    parameters, seconds = row.get("parameters"), row.get("fit_cpu_seconds")
    return [
        name,
        f"{figures[0]:.4f}",
        *(f"{value:.3f}" for value in figures[1:]),
        "–" if parameters is None else f"{parameters:,}",
        "–" if seconds is None else f"{seconds:.0f}",
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
            "two, N S V F and the mean over seeds on the third; the networks' settings are those of the rung; the "
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
