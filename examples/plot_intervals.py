"""
Intervals of an ECG
===================

A network learns where P waves, QRS complexes and T waves begin and end; heart rate, PR, QRS and QT of records that it
has not seen follow from what it finds, and are compared with the reference.

    python examples/plot_intervals.py [FIGURE] [--data PATH]

The figure is saved as ``plot_intervals.png``, or as FIGURE. The records are synthetic; with ``--data``, those of LUDB
in that folder, with the cardiologists' marks of lead II.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads are slower for networks this small

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from sklearn_ecg import WaveDelineator
from sklearn_ecg.augmentation import BeatAugmentation
from sklearn_ecg.datasets import fetch_ludb, make_ecg, waves_of_intervals
from sklearn_ecg.metrics import fiducial_report, interval_report
from sklearn_ecg.plotting import IntervalAgreementDisplay
from sklearn_ecg.preprocessing import wave_intervals, wave_masks

COLOURS = {"P": "#009E73", "QRS": "#D55E00", "T": "#0072B2"}
parser = argparse.ArgumentParser()
parser.add_argument("figure", nargs="?", default="plot_intervals.png")
parser.add_argument("--data")
args = parser.parse_args()

# %%
# Synthetic records differ in their intervals, in the heights of their waves and in their noise.


def synthetic(n, rng):
    """Signals of lead II, (n, 10 s), and the boundaries of their waves."""
    records = []
    for _ in range(n):
        rate, qrs = rng.uniform(50, 90), rng.uniform(70, 120)
        waves = waves_of_intervals(heart_rate=rate, pr=rng.uniform(120, 200), qrs=qrs, qt=rng.uniform(340, 420))
        waves |= {name: (*(waves[name][:1]), waves[name][1] * rng.uniform(0.5, 2), waves[name][2]) for name in "PQST"}
        noise = {"baseline": 0.1, "muscle": rng.uniform(0, 0.02)}
        seed = int(rng.integers(2**31))
        records.append(make_ecg(10, fs=250, heart_rate=rate, waves=waves, random_state=seed, **noise))
    return np.stack([record.lead("II") for record in records]), [record.fiducials["II"] for record in records]


rng = np.random.default_rng(0)
if args.data:
    ludb = fetch_ludb(data_home=args.data, download_if_missing=False)
    X, marks, fs = ludb.data[:, 1], [waves["II"] for waves in ludb.boundaries], ludb.fs
else:
    (X, marks), fs = synthetic(64, rng), 250.0
order = rng.permutation(len(X))
test, train = np.split(order, [len(X) // 4])

# %%
# Every sample is labelled; what nobody labelled, before the first mark and after the last one, is not learned from.
masks = wave_masks([marks[place] for place in train], X.shape[1], ignore_label=-1)
settings = {"channels": (16, 16, 32, 32), "max_epochs": 60 if args.data else 30, "batch_size": 16}
augment = BeatAugmentation(fs=250, time=0.0, wander=0.3, noise=0.1)
model = WaveDelineator(fs=fs, ignore_label=-1, augment=augment, random_state=0, **settings)
model.fit(X[train], masks)

# %%
# Outside of the span that is marked, waves cannot be compared.
references = [marks[place] for place in test]
found = model.delineate(X[test])


def marked_span(waves, reference):
    """Those of the waves that lie between the first and the last mark."""
    times = np.concatenate([reference[mark][reference[mark] >= 0] for mark in ("onset", "peak", "offset")])
    return waves[(waves["peak"] >= times.min()) & (waves["peak"] <= times.max())]


true = wave_intervals(references, fs=fs)
measured = wave_intervals([marked_span(*pair) for pair in zip(found, references, strict=True)], fs=fs)
print(f"{len(test)} records that were not trained on")
print(fiducial_report(references, found, fs=fs))
print(interval_report(true, measured, y_train=wave_intervals([marks[place] for place in train], fs=fs)))

# %%
# One record with its waves and its intervals, and all of them against the reference.
figure = plt.figure(figsize=(11, 8), layout="constrained")
top, bottom = figure.add_gridspec(2, 1, height_ratios=(1, 2.2))
ax = figure.add_subplot(top)
record = X[test[0]]
time = np.arange(len(record)) / fs
labels = wave_masks(found[:1], len(record), ignore_label=0)[0]
ax.plot(time, record, color="#333333", linewidth=1)
for number, (wave, colour) in enumerate(COLOURS.items(), start=1):
    shaded = {"where": labels == number, "transform": ax.get_xaxis_transform(), "linewidth": 0}
    ax.fill_between(time, 0, 1, color=colour, alpha=0.3, label=wave, **shaded)
heart_rate, pr, qrs, qt, qtc = model.intervals(record[None])[0]
ax.set_title(f"{heart_rate:.0f} bpm, PR {pr:.0f} ms, QRS {qrs:.0f} ms, QT {qt:.0f} ms, QTc {qtc:.0f} ms", loc="left")
ax.set(xlabel="time (s)", ylabel="lead II (mV)", xlim=(0, time[-1]))
ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, borderaxespad=0.2)
IntervalAgreementDisplay.from_predictions(true, measured, ax=figure.add_subplot(bottom))
figure.savefig(args.figure, dpi=120)
print(f"figure saved as {args.figure}")
