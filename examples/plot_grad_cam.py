"""
Which part of a beat decides?
=============================

A network is trained on synthetic beats; Grad-CAM and integrated gradients show where it finds the class of three beats
of patients it has not seen.

    python examples/plot_grad_cam.py [FIGURE]

The figure is saved as ``plot_grad_cam.png``, or as FIGURE.
"""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads are slower for networks this small

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sklearn_ecg import CNNLSTMAttention, ECGScaler
from sklearn_ecg.datasets import make_beats
from sklearn_ecg.explain import grad_cam, saliency
from sklearn_ecg.plotting import SaliencyDisplay

BEATS = {"window": (0.3, 0.3), "n_timepoints": 72}  # 0.6 s at 120 Hz, the R peak at sample 36

# %%
# A small network: the signal and four features of the RR intervals.
train, test = make_beats(24, random_state=0, **BEATS), make_beats(12, random_state=1, **BEATS)
n_side = train.n_side_features
classifier = CNNLSTMAttention(
    n_side_features=n_side, channels=(8, 16), lstm_size=16, max_epochs=8, lr=5e-3, random_state=0
)
model = make_pipeline(ECGScaler(by="lead", n_side_features=n_side), classifier).fit(train.data, train.target)
predicted = model.predict(test.data)
print(f"{np.mean(predicted == test.target):.3f} of {len(predicted)} beats of unseen patients are classified rightly")

# %%
# The first beat of each class that is classified rightly.
classes = [name for name in "NSV" if ((test.target == name) & (predicted == name)).any()]
beats = test.data[[np.flatnonzero((test.target == name) & (predicted == name))[0] for name in classes]]
found = {
    "Grad-CAM": grad_cam(model, beats),
    "integrated gradients": saliency(model, beats, method="integrated_gradients"),
}

# %%
# Grad-CAM is smooth and shows what speaks for the class; integrated gradients are fine and have a sign.
figure, axes = plt.subplots(2, len(classes), figsize=(9.5, 6.5), layout="constrained", squeeze=False)
for row, (method, relevance) in zip(axes, found.items(), strict=True):
    SaliencyDisplay.from_relevance(
        beats,
        relevance,
        fs=test.fs,
        n_side_features=n_side,
        r_sample=36,
        titles=[f"{name}, {method}" for name in classes],
        ax=row,
    )
path = sys.argv[1] if len(sys.argv) > 1 else "plot_grad_cam.png"
figure.savefig(path, dpi=120)
print(f"figure saved as {path}")
