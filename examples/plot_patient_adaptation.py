"""
A few labels of a new patient
=============================

A network is trained on many patients, then adapted to each of some others with 10, 20 and 50 labelled beats of their
own: beats taken at random, or those that the network is least sure of.

    python examples/plot_patient_adaptation.py [FIGURE]

The figure is saved as ``plot_patient_adaptation.png``, or as FIGURE.
"""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads are slower for networks this small

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline

from sklearn_ecg import AdaptedClassifier, CNNClassifier, ECGScaler
from sklearn_ecg.adaptation import most_uncertain
from sklearn_ecg.datasets import make_beats

BEATS = {"window": (0.3, 0.3), "n_timepoints": 36, "bandpass": (0.5, 25.0)}  # 0.6 s at 60 Hz
N_LABELS = (10, 20, 50)

# %%
# The base, trained on patients whom nobody adapts to.
others = make_beats(20, duration=40, random_state=0, **BEATS)
new = make_beats(12, duration=120, random_state=1, **BEATS)
n_side = others.n_side_features
network = CNNClassifier(n_side_features=n_side, channels=(8, 16), max_epochs=15, lr=5e-3, random_state=0)
base = make_pipeline(ECGScaler(by="lead", n_side_features=n_side), network).fit(others.data, others.target)

# %%
# Of each new patient, labels come from the first 60 % of the recording; the rest is for the test. Some of the beats of
# the others are trained on again, so that the network does not forget the classes which the few labels lack.
rng = np.random.default_rng(0)
again = rng.choice(len(others.data), 200, replace=False)
source = {"X_source": others.data[again], "y_source": others.target[again]}
settings = {"max_epochs": 10, "batch_size": 256, "lr": 3e-3, "random_state": 0}
true, predicted = [], {}
for patient in np.unique(new.groups):
    beats, labels = new.data[new.groups == patient], new.target[new.groups == patient]
    n_early = int(0.6 * len(beats))
    early, later = beats[:n_early], beats[n_early:]
    true.append(labels[n_early:])
    predicted.setdefault(("random", 0), []).append(base.predict(later))
    orders = {"random": rng.permutation(n_early), "least sure": most_uncertain(base, early, max(N_LABELS))}
    for way, order in orders.items():
        for n in N_LABELS:
            adapted = AdaptedClassifier(FrozenEstimator(base), **settings)
            adapted.fit(early[order[:n]], labels[order[:n]], **source)
            predicted.setdefault((way, n), []).append(adapted.predict(later))

# %%
# All beats of all patients are scored together: many patients lack a class.
true = np.concatenate(true)
scores = {
    key: f1_score(true, np.concatenate(parts), average="macro", labels=list("NSVF")) for key, parts in predicted.items()
}
scores["least sure", 0] = scores["random", 0]
print(f"macro-F1 over {len(true)} later beats of {len(set(new.groups))} new patients")
for way in ("random", "least sure"):
    print(f"{way:10}", *(f"{n:3d} labels: {scores[way, n]:.3f}" for n in (0, *N_LABELS)), sep="   ")

# %%
# In this run, labels of the beats that the base is least sure of are worth more than as many at random.
figure, ax = plt.subplots(figsize=(6.5, 4.5), layout="constrained")
for way, marker in (("random", "o"), ("least sure", "s")):
    ax.plot((0, *N_LABELS), [scores[way, n] for n in (0, *N_LABELS)], marker=marker, label=way)
ax.set(xlabel="labelled beats of each new patient", ylabel="macro-F1 on the patient's later beats")
ax.legend(title="which beats are labelled")
ax.grid(alpha=0.3)
path = sys.argv[1] if len(sys.argv) > 1 else "plot_patient_adaptation.png"
figure.savefig(path, dpi=120)
print(f"figure saved as {path}")
