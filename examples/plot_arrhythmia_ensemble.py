"""
Four networks and their ensemble
================================

Four architectures are trained on the beats of synthetic patients. Other patients tell how good each is, and on a third
group, whom no network has seen, they are compared with two ensembles of them.

    python examples/plot_arrhythmia_ensemble.py [FIGURE]

The figure is saved as ``plot_arrhythmia_ensemble.png``, or as FIGURE.
"""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads are slower for networks this small

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay
from sklearn.pipeline import make_pipeline

from sklearn_ecg import (
    CNNClassifier,
    CNNLSTMAttention,
    CNNLSTMClassifier,
    ECGScaler,
    ResNetClassifier,
    TopKVotingClassifier,
)
from sklearn_ecg.datasets import make_beats
from sklearn_ecg.metrics import aami_report

BEATS = {"window": (0.3, 0.3), "n_timepoints": 36, "bandpass": (0.5, 25.0)}  # 0.6 s at 60 Hz

# %%
# Three groups of patients: to train on, to choose by, to test on.
train, valid, test = (make_beats(n, duration=40, random_state=n, **BEATS) for n in (30, 18, 24))
n_side = train.n_side_features

# %%
# Four small networks. Each sees the signal and four features of the RR intervals.
shared = {
    "n_side_features": n_side,
    "channels": (8, 16),
    "class_weight": {"N": 1, "S": 2, "V": 2, "F": 4},
    "max_epochs": 12,
    "lr": 5e-3,
    "lr_schedule": "one-cycle",
    "random_state": 0,
}
networks = {
    "CNN": CNNClassifier(**shared),
    "CNN-LSTM": CNNLSTMClassifier(lstm_size=16, **shared),
    "CNN-LSTM-attention": CNNLSTMAttention(lstm_size=16, **shared),
    "ResNet": ResNetClassifier(n_blocks=1, **shared),
}
models = {
    name: make_pipeline(ECGScaler(by="lead", n_side_features=n_side), network).fit(train.data, train.target)
    for name, network in networks.items()
}

# %%
# Two readings of "the best two": the two best networks, or the two most probable classes of each network.
members = list(models.items())
best_two = TopKVotingClassifier(members, by="model", prefit=True).fit(valid.data, valid.target)
two_classes = TopKVotingClassifier(members, by="prediction", weights="confidence", prefit=True)
models["best two networks"] = best_two
models["best two classes of each"] = two_classes.fit(valid.data, valid.target)

# %%
# All of them on the patients kept apart.
predicted = {name: model.predict(test.data) for name, model in models.items()}
print(f"{len(test.target)} beats of {len(set(test.groups))} unseen patients")
print(f"{'':26} {'macro-F1':>8} {'accuracy':>8}")
for name, labels in predicted.items():
    report = aami_report(test.target, labels)
    print(f"{name:26} {report.macro_f1:8.3f} {(labels == test.target).mean():8.3f}")
print(f"\nchosen by their macro-F1 on other patients: {' and '.join(best_two.selected_)}")
print(aami_report(test.target, predicted["best two networks"]))

# %%
# How well each class is told from all others where few of them are mistaken for it, and what the ensemble mistakes for
# what. An ensemble of the two best classes of each network gives the others a probability of zero: beats whose class is
# among them are all alike, which costs some of the area under the curve.
figure, axes = plt.subplots(2, 2, figsize=(10, 9), layout="constrained")
for ax, label, kind in zip(axes.flat, "SVF", ("supraventricular", "ventricular", "fusion"), strict=False):
    for name, model in models.items():
        proba = model.predict_proba(test.data)[:, list(model.classes_).index(label)]
        style = {"linewidth": 1} if name in networks else {"linewidth": 2, "linestyle": "--"}
        RocCurveDisplay.from_predictions(test.target == label, proba, name=name, ax=ax, curve_kwargs=style)
    ax.set(xlim=(-0.002, 0.15), aspect="auto", xlabel="false positive rate", ylabel="true positive rate")
    ax.set_title(f"{label} ({kind}) against all others", fontsize="medium")
    ax.legend(loc="lower right", fontsize="small")
ConfusionMatrixDisplay.from_predictions(
    test.target,
    predicted["best two networks"],
    labels=list("NSVF"),
    normalize="true",
    values_format=".2f",
    cmap="Blues",
    colorbar=False,
    ax=axes[1, 1],
)
axes[1, 1].set_title("best two networks: share of each class", fontsize="medium")
path = sys.argv[1] if len(sys.argv) > 1 else "plot_arrhythmia_ensemble.png"
figure.savefig(path, dpi=120)
print(f"figure saved as {path}")
