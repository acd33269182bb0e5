"""Recipes compared inside the training rows: everything that the test must not decide."""

import numpy as np

from sklearn_ecg.metrics import aami_report

from .._results import print_table, write_results
from . import data, models
from .fits import run
from .new_patients import POINTS, ppv_at, spread_in_records
from .protocols import inside_training, rung_of
from .tables import SPREAD

CLASSES = tuple("NSVFQ")


def select(args):
    """Compare recipes inside the training rows of the rung ``args.on``."""
    {"inter": between_patients, "chronological": over_time}[args.on](args)


def between_patients(args):
    """Out-of-fold scores of the recipes, and of S on stretches where S is the majority."""
    rung = rung_of("inter", args.data_home)
    recipes = models.recipes()
    metrics = {}
    for name in args.models or recipes:
        metrics[name] = evaluate(rung, recipes[name], args)
        if name in models.ARCHITECTURES:
            metrics[name + SPREAD] = evaluate(rung, recipes[name], args, spread=True)
    columns = ["recipe", *next(iter(metrics.values()))]
    rows = [
        [name, *("–" if np.isnan(value) else f"{value:.3f}" for value in row.values())] for name, row in metrics.items()
    ]
    write_results(
        "arrhythmia_select",
        {
            "protocol": "DS1 alone: pooled out-of-fold predictions of 5 folds grouped by record; the last column on "
            "stretches of 64 beats, at least half of them S, read as if each were a recording of its own, by the fold "
            "that has not seen the record",
            "metrics": metrics,
            "caption": "Inside DS1, by recipe: F1, +P at fixed Se",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


def evaluate(rung, model, args, *, spread=False):
    """Scores of the pooled out-of-fold predictions, which may spread among the beats of a record."""
    classes = np.asarray(rung.classes)
    stretches = None
    if not spread:  # each is read as a recording of its own, too short for rare classes to spread
        stretches = data.load_stretches(model.features, args.data_home, data.mostly_s, model.scale)
        called = np.empty_like(stretches.y)
    probas, labels = [], []
    for fit in rung.fits[:-1]:
        outcome, held_out = run(fit, model, args.seed, resume=args.resume, verbose=args.verbose), fit.choose(model)
        proba = outcome.aligned(classes)
        probas.append(spread_in_records(proba, held_out, model) if spread else proba)
        labels.append(held_out.y)
        unseen = () if spread else np.isin(stretches.record, held_out.record)
        if np.any(unseen):
            called[unseen] = outcome.model().predict(stretches.X[unseen])
    y, proba = np.concatenate(labels), np.concatenate(probas)
    report = aami_report(y, classes[proba.argmax(axis=1)], labels=rung.classes)
    points = {
        f"{label} +P at Se {se:.2f}": ppv_at(y == label, proba[:, rung.classes.index(label)], se)
        for label, se in POINTS.items()
    }
    return {
        **report.f1,
        "mean N S V": np.mean([report.f1[label] for label in "NSV"]),
        **points,
        "S where S is the majority": np.nan if spread else _f1_of_s(stretches.y, called),
    }


def _f1_of_s(y, called):
    return aami_report(y, called, labels=tuple("NSVF")).f1["S"]


def over_time(args):
    """Scores of the ideas on the beats of each record that follow those trained on, all before the test."""
    fit, ideas = inside_training(args.data_home), models.ideas()
    seeds = range(args.seed, args.seed + args.n_seeds)
    metrics = {}
    for name in args.models or ideas:
        model = ideas[name]
        later = fit.choose(model)
        outcomes = [run(fit, model, seed, resume=args.resume, verbose=args.verbose) for seed in seeds]
        calls = [np.array(CLASSES)[outcome.aligned(CLASSES).argmax(axis=1)] for outcome in outcomes]
        reports = [aami_report(later.y, called, labels=CLASSES) for called in calls]
        metrics[name] = {
            "f1": {label: np.mean([report.f1[label] for report in reports]) for label in CLASSES},
            "macro_f1": [report.macro_f1 for report in reports],
            "accuracy": np.mean([np.mean(called == later.y) for called in calls]),
        }
    columns = ["idea", *CLASSES, "macro-F1", "accuracy"]
    rows = [
        [name, *(f"{value:.3f}" for value in [*row["f1"].values(), np.mean(row["macro_f1"])]), f"{row['accuracy']:.4f}"]
        for name, row in metrics.items()
    ]
    write_results(
        "arrhythmia_select_chronological" + "_some" * bool(args.models),  # the table of all stays
        {
            "protocol": "within each of 48 records the first 40 % of the beats train, of N and Q a third except in the "
            "two records with most F; the next 30 % are scored; the last 30 %, which test, are left alone. Mean over "
            f"{args.n_seeds} seed(s)",
            "metrics": metrics,
            "caption": "Inside the first 70 % of every record, by idea: F1",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)
