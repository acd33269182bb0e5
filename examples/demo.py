"""Train and test an arrhythmia classifier on patients it has not seen, and show what it does.

    python examples/demo.py                 synthetic ECG
    python examples/demo.py --data PATH     MIT-BIH records in PATH/mitdb, trained on DS1, tested on DS2

Prints a report and saves four figures in ``demo_output``, in which beats are drawn as the network sees them: as they
differ from the usual beat of their record.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads are slower for networks this small

import matplotlib
import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.metrics import ConfusionMatrixDisplay

from sklearn_ecg import CNNLSTMAttention
from sklearn_ecg.datasets import fetch_mitdb, fetch_mitdb_beats, make_beats
from sklearn_ecg.metrics import aami_report, bootstrap_macro_f1
from sklearn_ecg.plotting import AttentionDisplay, BeatClassDisplay, HistoryDisplay
from sklearn_ecg.preprocessing import PATIENT_FEATURES, extract_beats

matplotlib.use("Agg")
import matplotlib.pyplot as plt

CLASSES = ("N", "S", "V", "F")
BEATS = {  # 0.6 s at 120 Hz, as what sets a beat apart in its own record
    "window": (0.3, 0.3),
    "n_timepoints": 72,
    "side_features": PATIENT_FEATURES,
    "scale": "late",
}


def load_beats(args):
    """Rows, labels and number of patients to train on, and test beats of other patients."""
    if args.data is None:
        n_train = 2 * args.patients // 3
        train = make_beats(n_train, random_state=0, **BEATS)
        test = make_beats(args.patients - n_train, random_state=1, **BEATS)
        return train.data, train.target, n_train, test
    home = {"data_home": args.data, "download_if_missing": False}
    train, test = (fetch_mitdb_beats(records=records, **home, **BEATS) for records in ("ds1", "ds2"))
    more, labels = cut_stretches(fetch_mitdb(records="ds1", **home).records)
    X, y = np.concatenate([train.data, more]), np.concatenate([train.target, labels])
    known = y != "Q"  # 8 of 51,021 in DS1: nothing to learn from
    return X[known], y[known], len(set(train.groups)), test


def cut_stretches(records, seed=0):
    """The beats once more, each in a stretch of 32 to 512 beats that is read as if it were a whole recording."""
    rng = np.random.default_rng(seed)
    signals, peaks, labels = [], [], []
    for record in records:
        lead = record.select_leads(["MLII"]).signal if "MLII" in record.lead_names else record.signal[:1]
        second, start = round(record.fs), 0
        while start < len(record.peaks):
            stop = min(start + int(2 ** rng.uniform(5, 9)), len(record.peaks))
            first = max(record.peaks[start] - second, 0)
            signals.append(lead[:, first : record.peaks[stop - 1] + second])
            peaks.append(record.peaks[start:stop] - first)
            labels.append(record.target[start:stop])
            start = stop
    return extract_beats(signals, peaks, fs=records[0].fs, **BEATS).data, np.concatenate(labels)


def make_model(n_side_features, max_epochs):
    """A net with the settings of ``python -m benchmarks.arrhythmia``."""
    return CNNLSTMAttention(
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
    )


def save_figures(folder, model, test, report):
    """Save the figures; what ``scale="late"`` makes of a beat is how it differs from the usual one."""
    folder.mkdir(parents=True, exist_ok=True)
    layout = {"fs": test.fs, "n_side_features": test.n_side_features, "r_sample": 36, "unit": "of the usual beat"}
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
    for name in ("beats", "attention"):
        displays[name].figure_.suptitle("Beats as the network sees them: a flat line is the usual beat of the record")
        displays[name].ax_[0].set_ylabel("deviation from the usual beat\n(1 = its height)")
    displays["confusion"].ax_.set_title("Share of the beats of each class")
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
    start = time.perf_counter()

    X, y, n_patients, test = load_beats(args)
    print(
        f"{len(y)} beats of {n_patients} patients to train on, {len(test.target)} of {len(set(test.groups))} others to "
        f"test on, read in {time.perf_counter() - start:.0f} s"
    )
    model = make_model(test.n_side_features, args.epochs or (5 if args.data else 25)).fit(X, y)

    predicted = model.predict(test.data)
    report = aami_report(test.target, predicted)
    macro = bootstrap_macro_f1(test.target, predicted, groups=test.record, random_state=0)["macro"]
    dummy = DummyClassifier().fit(X, y).predict(test.data)
    print(report)
    print(f"macro-F1 over N, S, V, F on unseen patients, 95 % interval over records: {macro}")
    print(f"always the commonest class: {aami_report(test.target, dummy).macro_f1:.3f}")
    save_figures(args.output, model, test, report)
    print(f"figures in {args.output}, {time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
