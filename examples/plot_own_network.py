"""
A network of one's own
======================

An InceptionTime network, written in forty lines of torch that know nothing of this library, becomes an estimator: it
goes into ``GridSearchCV`` with patients held out, and Grad-CAM shows what it looks at.

    python examples/plot_own_network.py [FIGURE] [--data PATH]

The figure is saved as ``plot_own_network.png``, or as FIGURE. The beats are synthetic, normal or ventricular; with
``--data``, ten-second records of PTB-XL in that folder, of twelve leads, normal or not.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads are slower for networks this small

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from torch import nn

from sklearn_ecg import ECGScaler, TorchClassifier
from sklearn_ecg.datasets import fetch_ptbxl, make_beats
from sklearn_ecg.explain import grad_cam

parser = argparse.ArgumentParser()
parser.add_argument("figure", nargs="?", default="plot_own_network.png")
parser.add_argument("--data")
args = parser.parse_args()

# %%
# The network, after H. Ismail Fawaz et al., "InceptionTime", Data Mining and Knowledge Discovery 34, 2020. It takes
# (batch, leads, samples) and gives (batch, n_outputs); ``n_leads`` and ``n_outputs`` are passed to it by name.


class Inception(nn.Module):
    """Filters of three lengths side by side, and what is left of a maximum."""

    def __init__(self, n_in, width, lengths=(9, 19, 39)):
        super().__init__()
        self.narrow = nn.Conv1d(n_in, width, 1, bias=False) if n_in > 1 else nn.Identity()
        n_narrow = width if n_in > 1 else 1
        self.filters = nn.ModuleList(nn.Conv1d(n_narrow, width, k, padding=k // 2, bias=False) for k in lengths)
        self.peak = nn.Sequential(nn.MaxPool1d(3, stride=1, padding=1), nn.Conv1d(n_in, width, 1, bias=False))
        self.norm = nn.BatchNorm1d(4 * width)

    def forward(self, x):
        narrow = self.narrow(x)
        return torch.relu(self.norm(torch.cat([*(layer(narrow) for layer in self.filters), self.peak(x)], dim=1)))


class InceptionTime(nn.Module):
    """Inception blocks, each three with a way around them, and the average over time."""

    def __init__(self, n_leads, n_outputs, width=8, depth=3):
        super().__init__()
        n_between = [n_leads] + [4 * width] * depth
        self.blocks = nn.Sequential(*(Inception(n, width) for n in n_between[:-1]))
        self.around = nn.Sequential(nn.Conv1d(n_leads, 4 * width, 1, bias=False), nn.BatchNorm1d(4 * width))
        self.out = nn.Linear(4 * width, n_outputs)

    def forward(self, signals):
        return self.out(torch.relu(self.blocks(signals) + self.around(signals)).mean(dim=2))


# %%
# Patients are held out in every fold; ``groups`` go to the cross-validation.
if args.data:
    records = fetch_ptbxl(data_home=args.data, download_if_missing=False)
    normal = records.target[:, records.target_names.index("NORM")] == 1
    X, y, groups, n_leads = records.data, np.where(normal, "normal", "other"), records.groups, records.n_leads
else:
    beats = make_beats(8, side_features=(), random_state=0)
    told = np.isin(beats.target, ["N", "V"])  # without RR intervals beside it, S looks like N
    X, y, groups, n_leads = beats.data[told], beats.target[told], beats.groups[told], 1
training = {"max_epochs": 8, "batch_size": 32, "lr": 1e-2, "lr_schedule": "one-cycle", "class_weight": "balanced"}
net = TorchClassifier(InceptionTime, n_leads=n_leads, random_state=0, **training)
model = make_pipeline(ECGScaler(by="lead", n_leads=n_leads), net)
widths = {"torchclassifier__module_params": [{"width": width} for width in (2, 8)]}
search = GridSearchCV(model, widths, cv=GroupKFold(3), scoring="balanced_accuracy").fit(X, y, groups=groups)
scores = dict(zip((2, 8), search.cv_results_["mean_test_score"], strict=True))
for width, score in scores.items():
    print(f"width {width}: balanced accuracy {score:.3f} on patients held out")

# %%
# Grad-CAM finds the last convolution by itself.
rare = np.unique(y, return_counts=True)
label = rare[0][rare[1].argmin()]
row = X[y == label][:1]
relevance = grad_cam(search.best_estimator_, row)[0]
signal = row.reshape(n_leads, -1)[0]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(1, 2), layout="constrained")
left.bar([str(width) for width in scores], list(scores.values()), color="#0072B2")
left.set(xlabel="width of the network", ylabel="balanced accuracy", ylim=(0, 1), title="patients held out")
right.plot(signal, color="0.2")
right.set(xlabel="sample", ylabel="mV", title=f"one row of class {label}, first lead; shaded: what decided")
shade = right.twinx()
shade.fill_between(np.arange(len(relevance)), relevance, color="#D55E00", alpha=0.3, linewidth=0)
shade.set(ylim=(0, 3 * max(relevance.max(), 1e-9)), yticks=[])
figure.savefig(args.figure, dpi=100)
print(f"figure saved as {args.figure}")
