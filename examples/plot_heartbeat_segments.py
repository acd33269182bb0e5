"""
Learning from heartbeats without labels
=======================================

Synthetic records are cut into heartbeat segments. A network learns to fill in segments that are hidden from it, then,
from a few labels, which records hold a ventricular beat; its attention shows the segments that weigh most.

    python examples/plot_heartbeat_segments.py [FIGURE]

The figure is saved as ``plot_heartbeat_segments.png``, or as FIGURE.
"""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads are slower for networks this small

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from sklearn_ecg import BeatSegmenter, ECGSLClassifier
from sklearn_ecg.datasets import make_ecg
from sklearn_ecg.preprocessing import detect_r_peaks, flatten_leads

FS, N_UNLABELLED, N_LABELLED, N_TEST = 100.0, 80, 24, 60

# %%
# Records of eight seconds. Every second one may have ventricular beats; whether it has one is the label.
rng = np.random.default_rng(0)
records = [
    make_ecg(
        8,
        fs=FS,
        heart_rate=rng.uniform(55, 95),
        amplitude=rng.uniform(0.7, 1.4),
        muscle=0.03,
        ectopic={"V": 0.25} if index % 2 else None,
        random_state=index,
    )
    for index in range(N_UNLABELLED + N_LABELLED + N_TEST)
]
X = flatten_leads(np.stack([record.signal for record in records]))
y = np.array(["V" in record.symbols for record in records])
unlabelled, labelled, test = np.split(np.arange(len(X)), [N_UNLABELLED, N_UNLABELLED + N_LABELLED])

# %%
# Each segment lasts one RR interval and has 48 samples, its RR interval and its amplitude. Records with fewer segments
# than others end in rows of NaN.
segmenter = BeatSegmenter(fs=FS, window="rr", n_timepoints=48, side_features=("log_rr", "amplitude")).fit(X)
print(f"{len(X)} records of {np.isfinite(segmenter.transform(X)[:, :, 0]).sum(axis=1).mean():.1f} segments on average")

# %%
# A small network, trained on the same few labels without pre-training and with it.
settings = {"channels": (8, 16, 16), "embedding_size": 32, "n_layers": 1, "n_heads": 4, "feedforward_size": 64}
settings |= {"n_side_features": 2, "batch_size": 32, "max_epochs": 20, "random_state": 0}
alone = make_pipeline(segmenter, ECGSLClassifier(**settings)).fit(X[labelled], y[labelled])
network = ECGSLClassifier(pretrain_epochs=(8, 30), pretrain_lr=3e-3, **settings)
network.fit(segmenter.transform(X[labelled]), y[labelled], X_unlabeled=segmenter.transform(X[unlabelled]))
beats = segmenter.transform(X[test])
for name, proba in (("without", alone.predict_proba(X[test])), ("with", network.predict_proba(beats))):
    area = roc_auc_score(y[test], proba[:, 1])
    print(f"{N_LABELLED} labels, {name:7} pre-training: area under the ROC curve {area:.3f}")

# %%
# A test record that has a ventricular beat and is found to have one. Every third segment is hidden and filled in from
# the others.
shown = np.flatnonzero(network.predict(beats) & y[test])[0]
present = ~np.isnan(beats[shown : shown + 1, :, 0])
hidden = present & (np.arange(present.shape[1]) % 3 == 1)
filled, _ = network.reconstruct(beats[shown : shown + 1], hidden=hidden)
error, variance = np.mean((filled[0, :, 0] - beats[shown, :, :48])[hidden[0]] ** 2), np.nanvar(beats[:, :, :48])
print(f"hidden segments of the record below: squared error {error / variance:.2f} of the signals' variance")


# %%
# Where the segments lie in the record: from 0.35 RR intervals before each R peak to 0.65 after it, as far as they are
# whole.
record = records[test[shown]]
peaks = detect_r_peaks(record.signal, fs=FS)
before, after = np.diff(peaks, prepend=2 * peaks[0] - peaks[1]), np.diff(peaks, append=2 * peaks[-1] - peaks[-2])
rr = (before + after) / 2
whole = (peaks - 0.35 * rr >= 0) & (peaks + 0.65 * rr < record.n_timepoints)
starts, lengths = ((peaks - 0.35 * rr) / FS)[whole], rr[whole] / FS

# %%
# The record and what each of its beats is; its segments, and what was filled in; the attention to them.
figure, axes = plt.subplots(3, 1, figsize=(9.5, 7.5), layout="constrained", sharex=True)
axes[0].plot(np.arange(record.n_timepoints) / FS, record.signal[0], color="0.3", linewidth=1)
for peak, symbol in zip(record.peaks, record.symbols, strict=True):
    place = (peak / FS, record.signal[0].max() + 0.1)
    axes[0].annotate(symbol, place, ha="center", color="tab:red" if symbol == "V" else "0.3")
axes[0].set(ylabel="mV", title="a record: N normal, V ventricular beats")
axes[0].margins(y=0.2)
for place, (start, length) in enumerate(zip(starts, lengths, strict=True)):
    time = start + np.arange(48) / 48 * length
    axes[1].plot(time, beats[shown, place, :48], color="0.3", linewidth=1)
    if hidden[0, place]:
        axes[1].plot(time, filled[0, place, 0], color="tab:red")
axes[1].set(ylabel="mV", title="its segments; in red, what was filled in where they were hidden")
weights = network.beat_attention(beats[shown : shown + 1])[0, : len(starts)]
axes[2].bar(peaks[whole] / FS, weights, width=0.3)
axes[2].set(xlabel="time in seconds", ylabel="attention", title="how much each segment weighs, at its R peak")
axes[2].set_xlim(0, record.n_timepoints / FS)
path = sys.argv[1] if len(sys.argv) > 1 else "plot_heartbeat_segments.png"
figure.savefig(path, dpi=120)
print(f"figure saved as {path}")
