"""
ECG of nobody: periods by construction
======================================

A plain variational autoencoder makes the signal from its latent, and loses periods. A periodic one makes a filter and
convolves it with impulses: where there is an impulse there is a beat. The impulses may come from a model of the rhythm,
so that heart rate and rhythm are free to choose, and no real ECG takes part in what is sampled.

    python examples/plot_periodic_vae.py [FIGURE]

The figure is saved as ``plot_periodic_vae.png``, or as FIGURE.
"""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads are slower for networks this small

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from sklearn_ecg import PeriodicVAE
from sklearn_ecg.datasets import make_ecg
from sklearn_ecg.preprocessing import detect_r_peaks

FS, SECONDS, N_TRAIN = 100, 4, 120

# %%
# Synthetic records of sinus rhythm between 55 and 100 bpm; the hearts differ in amplitude and in their T wave.
rng = np.random.default_rng(0)
X = np.vstack(
    [
        make_ecg(
            SECONDS,
            fs=FS,
            heart_rate=rng.uniform(55, 100),
            heart_rate_std=3.0,
            amplitude=rng.uniform(0.7, 1.4),
            waves={"T": (rng.uniform(90, 110), rng.uniform(0.3, 1.4), 0.4)},
            respiration=0.03,
            muscle=0.01,
            random_state=index,
        ).signal
        for index in range(N_TRAIN)
    ]
)

# %%
# The plain network and the periodic one, of the same size. The impulses stand on the R peaks here.
sizes = {"fs": FS, "latent_size": 8, "channels": (8, 16, 32), "lr": 3e-3, "batch_size": 16, "random_state": 0}
plain = PeriodicVAE(periodic=False, max_epochs=25, **sizes).fit(X)
periodic = PeriodicVAE(impulse="peaks", binary=True, max_epochs=25, **sizes).fit(X)
for name, vae in (("plain", plain), ("periodic", periodic)):
    last = vae.history_[-1]
    print(
        f"{name:8}: reconstructed {vae.score(X):.2f} of the variance, KL divergence {last['kl']:.1f} nats, "
        f"{last['active_units']:.0f} of {vae.n_latent_} latents active"
    )


# %%
# In sinus rhythm no interval is much longer than the others: where one is, a beat is missing.
def share_with_all_periods(samples):
    """Share of rows with three R peaks or more, in which no interval is over 1.5 times the median of the row."""
    intervals = [np.diff(detect_r_peaks(row, fs=FS)) for row in samples]
    return np.mean([len(rr) > 1 and rr.max() < 1.5 * np.median(rr) for rr in intervals])


samples = {
    "training record": X[[3, 8]],
    "plain": plain.sample(80, random_state=1),
    "periodic, 50 bpm": periodic.sample(80, heart_rate=50, random_state=1),
    "periodic, 75 bpm": periodic.sample(80, heart_rate=75, random_state=1),
    "periodic, 110 bpm": periodic.sample(80, heart_rate=110, random_state=1),
    "periodic, atrial fibrillation": periodic.sample(80, heart_rate=90, rr="af", random_state=1),
}
for name in ("plain", "periodic, 50 bpm", "periodic, 75 bpm", "periodic, 110 bpm"):
    print(f"{name:17}: every period is there in {share_with_all_periods(samples[name]):.0%} of the samples")

# %%
# Two of each. The periodic ones share two latents: the same two hearts, at other rates and in another rhythm.
figure, axes = plt.subplots(len(samples), 2, figsize=(10, 9), sharex=True, sharey=True, layout="constrained")
time = np.arange(X.shape[1]) / FS
for row, (name, signals) in zip(axes, samples.items(), strict=True):
    for ax, signal in zip(row, signals, strict=False):
        color = "0.3" if name == "training record" else "tab:red" if name == "plain" else "tab:blue"
        ax.plot(time, signal, color=color, linewidth=1)
    row[0].set_title(name, loc="left", fontsize=10)
    row[0].set_ylabel("mV")
for ax in axes[-1]:
    ax.set_xlabel("time in seconds")
path = sys.argv[1] if len(sys.argv) > 1 else "plot_periodic_vae.png"
figure.savefig(path, dpi=120)
print(f"figure saved as {path}")
