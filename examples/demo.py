"""Train and test an arrhythmia classifier on patients it has not seen, and show what it does.

    python examples/demo.py                 synthetic ECG
    python examples/demo.py --data PATH     MIT-BIH records in PATH/mitdb, trained on DS1, tested on DS2

Prints a report and saves four figures in ``demo_output``.
"""

import argparse
import os
import time
from pathlib import Path

import matplotlib
import numpy as np
import torch
from sklearn.dummy import DummyClassifier
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline

from sklearn_ecg import CNNLSTMAttention, ECGScaler
from sklearn_ecg.datasets import fetch_mitdb_beats, make_beats
from sklearn_ecg.metrics import aami_report, bootstrap_macro_f1
from sklearn_ecg.plotting import AttentionDisplay, BeatClassDisplay, HistoryDisplay
from sklearn_ecg.preprocessing import PATIENT_FEATURES

matplotlib.use("Agg")
import matplotlib.pyplot as plt

CLASSES = ("N", "S", "V", "F")
BEATS = {"window": (0.3, 0.3), "n_timepoints": 72, "side_features": PATIENT_FEATURES}  # 0.6 s at 120 Hz


def load_beats(args):
    """Training and test beats of different patients."""
    if args.data is not None:
        home = {"data_home": args.data, "download_if_missing": False}
        return fetch_mitdb_beats(records="ds1", **home, **BEATS), fetch_mitdb_beats(records="ds2", **home, **BEATS)
    n_train = 2 * args.patients // 3
    train = make_beats(n_train, random_state=0, **BEATS)
    return train, make_beats(args.patients - n_train, random_state=1, **BEATS)


def make_model(n_side_features, max_epochs):
    """A net with the settings of ``python -m benchmarks.arrhythmia``, but each beat scaled by itself."""
    return make_pipeline(
        ECGScaler(by="lead", n_side_features=n_side_features),
        CNNLSTMAttention(
            n_side_features=n_side_features,
            channels=(8, 16, 32),
            side_sizes=(128, 128),
            side_noise=0.3,
            signal_dropout=0.5,
            max_epochs=max_epochs,
            batch_size=256,
            lr=5e-3,
            lr_schedule="one-cycle",
            weight_decay=1e-2,
            random_state=0,
            verbose=1,
        ),
    )


def save_figures(folder, model, test, report):
    folder.mkdir(parents=True, exist_ok=True)
    layout = {"fs": test.fs, "n_side_features": test.n_side_features, "r_sample": 36}
    scored = np.isin(test.target, CLASSES)
    examples = [np.flatnonzero(test.target == name)[0] for name in CLASSES if (test.target == name).any()]
    shares = report.confusion / np.maximum(report.confusion.sum(axis=1, keepdims=True), 1)  # of each true class
    displays = {
        "beats": BeatClassDisplay.from_beats(test.data[scored], test.target[scored], **layout),
        "attention": AttentionDisplay.from_estimator(
            model, test.data[examples], titles=test.target[examples], **layout
        ),
        "history": HistoryDisplay.from_estimator(model),
        "confusion": ConfusionMatrixDisplay(shares, display_labels=report.classes).plot(
            cmap="Blues", values_format=".2f", im_kw={"vmin": 0, "vmax": 1}
        ),
    }
    for name, display in displays.items():
        display.figure_.savefig(folder / f"{name}.png", dpi=120, bbox_inches="tight")
    plt.close("all")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="data home that holds mitdb/; synthetic ECG without it")
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    parser.add_argument("--patients", type=int, default=96, help="synthetic patients")
    parser.add_argument("--epochs", type=int, help="passes over the training beats")
    args = parser.parse_args()
    torch.set_num_threads(min(2, os.cpu_count()))
    start = time.perf_counter()

    train, test = load_beats(args)
    known = train.target != "Q"  # 8 of 51,021 in DS1: nothing to learn from
    print(
        f"{known.sum()} beats of {len(set(train.groups))} patients to train on, {len(test.target)} of "
        f"{len(set(test.groups))} others to test on, read in {time.perf_counter() - start:.0f} s"
    )
    model = make_model(train.n_side_features, args.epochs or (5 if args.data else 25))
    model.fit(train.data[known], train.target[known])

    predicted = model.predict(test.data)
    report = aami_report(test.target, predicted)
    macro = bootstrap_macro_f1(test.target, predicted, groups=test.record, random_state=0)["macro"]
    dummy = DummyClassifier().fit(train.data, train.target).predict(test.data)
    print(report)
    print(f"macro-F1 over N, S, V, F on unseen patients, 95 % interval over records: {macro}")
    print(f"always the commonest class: {aami_report(test.target, dummy).macro_f1:.3f}")
    save_figures(args.output, model, test, report)
    print(f"figures in {args.output}, {time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
