"""
Between two ECG: waves that fade, and waves that move
=====================================================

A convolutional autoencoder turns an ECG into a few numbers. On the straight line between the numbers of two ECG one
would like to find ECG. One finds waves that fade in one place while others grow in another. The transport path between
the signals themselves moves each wave to its new place.

    python examples/plot_representation.py [FIGURE]

The figure is saved as ``plot_representation.png``, or as FIGURE.
"""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads are slower for networks this small

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from sklearn_ecg import ConvAutoencoder
from sklearn_ecg.datasets import make_ecg
from sklearn_ecg.interpolation import latent_path, linear_path, path_report, transport_path

FS = 128
N_RECORDS, N_TIMEPOINTS = 200, 2 * FS

# %%
# Two seconds of records between 50 and 100 bpm, from 0.3 s before a beat on; the last two are those we walk between.
rng = np.random.default_rng(0)
rows = []
for index in range(N_RECORDS):
    record = make_ecg(
        5,
        fs=FS,
        heart_rate=rng.uniform(50, 100),
        respiration=0.0,
        waves={"T": (rng.uniform(85, 115), rng.uniform(0.5, 1.2), 0.4)},
        random_state=index,
    )
    start = record.peaks[1] - round(0.3 * FS)
    rows.append(record.signal.ravel()[start : start + N_TIMEPOINTS])
X = np.stack(rows)
a, b = X[-2:]

# %%
# The autoencoder keeps ten numbers of each.
autoencoder = ConvAutoencoder(
    channels=(12, 12, 8),
    kernel_sizes=(32, 24, 16),
    pools=(2, 2, 2),
    latent_size=10,
    max_epochs=60,
    batch_size=16,
    lr=1e-2,
    lr_schedule="one-cycle",
    random_state=0,
).fit(X[:-2])
print(f"R² on the training records: {autoencoder.score(X[:-2]):.2f}")

# %%
# Three ways from one to the other. On an admissible step the number of beats is between those of the ends, none of
# them has faded, they enter and leave at the borders alone, and every T wave follows its QRS complex.
paths = {
    "signals mixed": linear_path(a, b),
    "latents mixed": latent_path(autoencoder, a, b),
    "transport of the waves": transport_path(a, b, fs=FS),
}
for name, path in paths.items():
    print(f"{name:22} {path_report(path, fs=FS).steps.mean():.0%} of the steps admissible")

# %%
figure, axes = plt.subplots(1, len(paths), figsize=(11, 5), sharey=True, layout="constrained")
time = np.arange(len(a)) / FS
for ax, (name, path) in zip(axes, paths.items(), strict=True):
    for place in np.linspace(0, len(path) - 1, 9).astype(int):
        share = place / (len(path) - 1)
        ax.plot(time, path[place] - 1.3 * 8 * share, color=plt.cm.viridis(0.9 * share), linewidth=1)
    ax.set(title=name, xlabel="time in seconds", yticks=[])
axes[0].set_ylabel("from one ECG (top) to the other (bottom)")
path = sys.argv[1] if len(sys.argv) > 1 else "plot_representation.png"
figure.savefig(path, dpi=110)
print(f"figure saved as {path}")
