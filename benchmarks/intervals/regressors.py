"""Regressors of the intervals side by side: from scratch, pre-trained and fine-tuned, each backbone."""

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from sklearn_ecg import IntervalRegressor
from sklearn_ecg.augmentation import BeatAugmentation
from sklearn_ecg.metrics import bootstrap_interval, interval_report
from sklearn_ecg.metrics.intervals import INTERVALS

from .._kept import kept
from .._results import cpu_timer, print_table, write_results
from . import data, synthetic, windows

MEDIAN = "median of the training patients"
SCRATCH, ZERO_SHOT = "real records alone", "make_ecg alone"
FINE_TUNED, GENERATED = "make_ecg, then real records", "Pulse2Pulse, then real records"
N_FEW = 32
FEW, FEW_TUNED = f"{N_FEW} real records alone", f"make_ecg, then {N_FEW} real records"
WITHOUT = {FINE_TUNED: SCRATCH, GENERATED: SCRATCH, FEW_TUNED: FEW}
COLUMNS = ["regressor", "trained on", "HR, bpm", "PR, ms", "QRS, ms", "QT, ms", "surely better than the median in"]
CHANGES = ["regressor", "trained on", "against", "HR, bpm", "PR, ms", "QRS, ms", "QT, ms"]
AUGMENT = BeatAugmentation(fs=windows.FS, time=0.0, amplitude=0.2, wander=0.1, noise=0.1, lead_dropout=0.05)
SHORT = dict(zip(INTERVALS, ("HR", "PR", "QRS", "QT"), strict=True))
SHARED = {"n_leads": windows.N_LEADS, "batch_size": 32, "weight_decay": 0.1, "augment": AUGMENT}
N_COPIES = 8
N_SYNTHETIC, N_TEST, N_GENERATED = 5000, 1000, 800
N_TEACHING, TEACHING_EPOCHS, GENERATED_COPIES = 1500, 4, 4  # of the delineator that measures generated records
COUNTS = N_COPIES, N_SYNTHETIC, N_GENERATED, N_TEACHING, TEACHING_EPOCHS, GENERATED_COPIES


@dataclass(frozen=True)
class Recipe:
    """A backbone and how it is trained: learning rate and epochs on real, on synthetic records, and in fine-tuning."""

    sizes: tuple
    real: tuple
    pre: tuple
    fine: tuple

    def make(self, stage, seed, **params):
        lr, max_epochs = getattr(self, stage)
        return IntervalRegressor(
            **dict(self.sizes), **SHARED, lr=lr, max_epochs=max_epochs, random_state=seed, **params
        )


RECIPES = {
    "mlp": Recipe((("backbone", "mlp"),), (1e-3, 15), (1e-3, 10), (5e-4, 8)),
    "resnet": Recipe((("backbone", "resnet"),), (3e-3, 15), (3e-3, 8), (1e-3, 10)),
    "vit": Recipe((("backbone", "vit"), ("patch_size", 25)), (1e-3, 15), (3e-3, 10), (5e-4, 8)),
}
"""Few were compared: for the residual network in three folds among 128 patients, for the others hardly any."""

PROTOCOL = (
    "LUDB, {n} records of 10 s, each a patient of its own; {folds} folds by patient; leads I, II, V1 to V6 at 250 Hz, "
    "0.5 to 40 Hz. Reference: the cardiologists' marks of all twelve leads merged, earliest onset to latest offset; "
    "medians over the beats of a record. Training rows: {copies} windows of 8 s of each training record, from a random "
    "start, at a random pace (0.82 to 1.22, the intervals changed alike), with mixed leads and noise; predictions are "
    "means over three windows. make_ecg: {n_synthetic} synthetic records with exact intervals. Pulse2Pulse: "
    "{n_generated} generated records, {generated_copies} windows of each, measured by a WaveDelineator of eight leads "
    "that was taught by {n_teaching} of those synthetic records. MAE over the records whose reference is known; 95 % "
    "intervals resample patients. No record of a test patient was trained on; the few settings that were compared "
    "for the residual network, in folds among 128 of the patients, had most of the test patients in that choice"
)


def regressors(args):
    """Every backbone from scratch, pre-trained on synthetic records, and the residual network on generated ones."""
    records, patient = windows.load_ludb(args.data_home)
    found = {("–", MEDIAN): median_of_training(records, patient, args.seed)}
    for name in RECIPES:
        found[name, SCRATCH] = out_of_fold(name, SCRATCH, records, patient, args)
        start = pretrained_on_synthetic(name, args)
        found[name, FINE_TUNED] = out_of_fold(name, FINE_TUNED, records, patient, args, start)
        if name == "resnet":
            found[name, FEW] = out_of_fold(name, FEW, records, patient, args, n_real=N_FEW)
            found[name, FEW_TUNED] = out_of_fold(name, FEW_TUNED, records, patient, args, start, n_real=N_FEW)
    start = pretrained_on_generated("resnet", args)
    found["resnet", GENERATED] = out_of_fold("resnet", GENERATED, records, patient, args, start)
    metrics = judge(found, records.y, patient, args.seed)
    rows = [[*names, *row["cells"], row["better"]] for names, row in metrics.items()]
    changes = compare(found, records.y, patient, args.seed)
    protocol = protocol_of(records)
    write(
        "regressors",
        protocol,
        {" | ".join(names): row for names, row in metrics.items()},
        "Mean absolute error of the intervals of held-out patients, LUDB, global reference; 95 % over patients",
        COLUMNS,
        rows,
        args,
    )
    write(
        "regressors_pretraining",
        f"{protocol}. Less is better: mean over records of the absolute error after pre-training minus that without",
        {" | ".join(names): row for names, row in changes.items()},
        "What pre-training changes in the mean absolute error, LUDB; 95 % over patients",
        CHANGES,
        [[*names, *row["cells"]] for names, row in changes.items()],
        args,
    )


def write(name, protocol, metrics, caption, columns, rows, args):
    payload = {"protocol": protocol, "metrics": metrics, "caption": caption}
    write_results(f"intervals_{name}", {**payload, "table": {"columns": columns, "rows": rows}}, args=args)
    print_table(columns, rows)


def protocol_of(records):
    counts = {
        "copies": N_COPIES,
        "n_synthetic": N_SYNTHETIC,
        "n_generated": N_GENERATED,
        "generated_copies": GENERATED_COPIES,
        "n_teaching": N_TEACHING,
    }
    return PROTOCOL.format(n=len(records), folds=data.N_FOLDS, **counts)


def median_of_training(records, patient, seed):
    predicted = np.empty_like(records.y)
    for train, test in data.folds(patient, seed):
        predicted[test] = np.nanmedian(records.y[train], axis=0)
    return predicted


def out_of_fold(name, how, records, patient, args, start=None, n_real=None):
    """Intervals of every record by the regressor that did not see its patient; each fold is kept.

    ``start`` is the regressor that is fine-tuned, None begins from scratch; ``n_real`` of the training records are
    taken, None takes all.
    """
    predicted = np.empty_like(records.y)
    for fold, (train, test) in enumerate(data.folds(patient, args.seed)):
        if n_real is not None:
            train = np.random.default_rng(args.seed).permutation(train)[:n_real]

        def make(fold=fold, train=train, test=test):
            with cpu_timer() as timer:
                rows = windows.stretched_windows(records.at(train), N_COPIES, args.seed)
                stage = {"stage": "real"} if start is None else {"stage": "fine", "pretrained": start.weights_}
                regressor = RECIPES[name].make(**stage, seed=args.seed).fit(*rows)
            print(f"{name}, {how}: fold {fold}, {timer.seconds:.0f} CPU s", flush=True)
            return windows.predict_records(regressor, records.signal[test])

        key = (RECIPES[name], SHARED, how, COUNTS, patient[train].tolist(), args.seed)
        predicted[test] = kept("intervals", f"regressor-{name}-{how}-{fold}", key, make, resume=args.resume)
    return predicted


def pretrained_on_synthetic(name, args):
    """The regressor of synthetic records; no real one is in it, so that all folds share it."""

    def make():
        made = synthetic_records(N_SYNTHETIC, args.seed)
        with cpu_timer() as timer:
            regressor = RECIPES[name].make("pre", args.seed).fit(made.signal.reshape(len(made), -1), made.y)
        print(f"{name}, make_ecg: {timer.seconds:.0f} CPU s", flush=True)
        return regressor

    key = (RECIPES[name], SHARED, N_SYNTHETIC, args.seed)
    return kept("intervals", f"regressor-{name}-synthetic", key, make, resume=args.resume)


@lru_cache(maxsize=2)
def synthetic_records(n_records, seed):
    return synthetic.make_synthetic(n_records, seed)


def pretrained_on_generated(name, args):
    """The regressor of generated records, which a delineator of synthetic ones measured."""

    def make():
        teaching = synthetic_records(N_SYNTHETIC, args.seed).at(slice(N_TEACHING))
        with cpu_timer() as timer:
            delineator = synthetic.fit_delineator(teaching, TEACHING_EPOCHS, args.seed)
            made = synthetic.make_generated(N_GENERATED, delineator, args.seed)
            print("Pulse2Pulse: medians", np.nanmedian(made.y, axis=0).round(1), flush=True)
            rows = windows.stretched_windows(made, GENERATED_COPIES, args.seed)
            regressor = RECIPES[name].make("pre", args.seed).fit(*rows)
        print(f"{name}, Pulse2Pulse: {timer.seconds:.0f} CPU s", flush=True)
        return regressor

    key = (RECIPES[name], SHARED, COUNTS, args.seed)
    return kept("intervals", f"regressor-{name}-generated", key, make, resume=args.resume)


def judge(found, true, patient, seed):
    """Errors of each, with intervals over patients, and the targets in which it is surely better than the median."""
    dummy = np.abs(next(iter(found.values())) - true)
    metrics = {}
    for names, predicted in found.items():
        error = np.abs(predicted - true)
        mae, gain = over_patients(error, patient, seed), over_patients(dummy - error, patient, seed)
        metrics[names] = {
            "report": interval_report(true, predicted),
            "mae": mae,
            "gain_over_median": gain,
            "cells": cells(mae),
            "better": " ".join(SHORT[target] for target, value in gain.items() if value.low > 0) or "–",
        }
    return metrics


def compare(found, true, patient, seed):
    """Absolute errors after pre-training minus those without, with intervals over patients."""
    changes = {}
    for (name, how), predicted in found.items():
        if how in WITHOUT:
            change = np.abs(predicted - true) - np.abs(found[name, WITHOUT[how]] - true)
            values = over_patients(change, patient, seed)
            changes[name, how, WITHOUT[how]] = {"change": values, "cells": cells(values, sign="+")}
    return changes


def over_patients(values, patient, seed):
    """Mean of each column over its known values, with its interval: dict of target → Interval."""
    means = {}
    for target, column in zip(INTERVALS, values.T, strict=True):
        known = ~np.isnan(column)
        estimate = partial(bootstrap_interval, groups=patient[known], random_state=seed)
        means[target] = estimate(np.mean, column[known])
    return means


def cells(values, sign=""):
    """Each mean with its interval, heart rates to a hundredth."""
    shown = []
    for target, value in values.items():
        form = f"{sign}.{2 if target == 'heart_rate' else 1}f"
        shown.append(f"{value.estimate:{form}} [{value.low:{form}}, {value.high:{form}}]")
    return shown
