"""
Many records, few labels
========================

A network learns from many unlabelled records of heartbeats, then, from few labelled ones, which hold an atrial or a
ventricular beat; beside it, one that has the labels alone. The records are synthetic: they differ far less than those
of patients, so that whatever pre-training gains or loses here says little of what it does on recordings.

    python examples/plot_ecgsl_few_labels.py [FIGURE]

The figure is saved as ``plot_ecgsl_few_labels.png``, or as FIGURE.
"""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads are slower for networks this small

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import f1_score

from sklearn_ecg import BeatSegmenter, ECGSLClassifier
from sklearn_ecg.datasets import make_ecg
from sklearn_ecg.preprocessing import flatten_leads

FS, N_UNLABELLED, N_POOL, N_TEST = 100.0, 300, 120, 150
N_LABELS, N_DRAWS, N_STEPS, BATCH_SIZE = (6, 15, 45), 4, 64, 12

# %%
# Records of eight seconds: a third are normal, a third have atrial and a third ventricular premature beats.
rng = np.random.default_rng(0)
records = [
    make_ecg(
        8,
        fs=FS,
        heart_rate=rng.uniform(55, 95),
        amplitude=rng.uniform(0.7, 1.4),
        muscle=0.05,
        ectopic=(None, {"S": 0.25}, {"V": 0.25})[index % 3],
        random_state=index,
    )
    for index in range(N_UNLABELLED + N_POOL + N_TEST)
]
y = np.array([next((label for label in "VS" if label in record.target), "N") for record in records])
segmenter = BeatSegmenter(fs=FS, window="rr", n_timepoints=32, side_features=("log_rr", "amplitude"))
X = segmenter.fit_transform(flatten_leads(np.stack([record.signal for record in records])))
unlabelled, pool, test = np.split(np.arange(len(X)), [N_UNLABELLED, N_UNLABELLED + N_POOL])

# %%
# One pre-training serves all draws of labels.
settings = {"channels": (8, 16, 16), "embedding_size": 32, "n_layers": 1, "n_heads": 4, "feedforward_size": 64}
settings |= {"n_side_features": 2, "lr": 3e-3, "lr_schedule": "one-cycle"}
start = ECGSLClassifier(pretrain_epochs=(6, 18), pretrain_lr=3e-3, batch_size=32, random_state=0, **settings)
start.pretrain(X[unlabelled])


def score(pretrained, rows, seed):
    """Macro-F1 on the test records after the same number of steps, however few rows there are."""
    n_epochs = N_STEPS // -(-len(rows) // BATCH_SIZE)
    network = ECGSLClassifier(
        pretrained=pretrained, max_epochs=n_epochs, batch_size=BATCH_SIZE, random_state=seed, **settings
    )
    return f1_score(y[test], network.fit(X[rows], y[rows]).predict(X[test]), average="macro", labels=list("NSV"))


# %%
# As many labels of each class, drawn several times, the same for both.
scores = {"labels alone": [], "pre-trained": []}
for n in N_LABELS:
    rows = [
        np.concatenate([rng.permutation(pool[y[pool] == label])[: n // 3] for label in "NSV"]) for _ in range(N_DRAWS)
    ]
    for name, pretrained in (("labels alone", None), ("pre-trained", start.pretrained_)):
        scores[name].append([score(pretrained, drawn, seed) for seed, drawn in enumerate(rows)])
    print(f"{n:3d} labels: macro-F1", *(f"{name} {np.mean(of[-1]):.3f}" for name, of in scores.items()), sep="   ")

# %%
# Lines are means, dots single draws. In this run, what pre-training gains is less than what sets the draws apart.
figure, ax = plt.subplots(figsize=(6.5, 4.5), layout="constrained")
for name, colour in (("labels alone", "tab:orange"), ("pre-trained", "tab:blue")):
    ax.plot(N_LABELS, np.mean(scores[name], axis=1), color=colour, label=name)
    ax.plot(N_LABELS, scores[name], ".", color=colour, alpha=0.5)
ax.set_xscale("log", base=2)
ax.set_xticks(N_LABELS, [str(n) for n in N_LABELS])
ax.set(xlabel="labelled records", ylabel=f"macro-F1 on {N_TEST} test records")
ax.legend(title=f"{N_UNLABELLED} unlabelled records, synthetic;\nlines are means, dots single draws")
ax.grid(alpha=0.3)
path = sys.argv[1] if len(sys.argv) > 1 else "plot_ecgsl_few_labels.png"
figure.savefig(path, dpi=120)
print(f"figure saved as {path}")
