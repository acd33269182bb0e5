"""Figures of the paths: a decoded path beside one that moves its waves, and fading against moving."""

from pathlib import Path

import matplotlib
import numpy as np

from sklearn_ecg.interpolation import count_waves

from . import data

FOLDER = Path(__file__).parents[2] / "docs" / "figures"
SHOWN_STEPS = 13
SHIFT = 40  # samples
ZOOM = (-12, 80)  # samples around an R peak


def draw(paths, ends, signals, pairs, metrics):
    """Draw both figures into docs/figures."""
    matplotlib.use("Agg")
    FOLDER.mkdir(parents=True, exist_ok=True)
    decoded_path(paths, ends, pairs).savefig(FOLDER / "representation_paths.png", dpi=85)
    fading_wave(paths, signals, metrics).savefig(FOLDER / "representation_fading.png", dpi=85)


def decoded_path(paths, ends, pairs):
    """The paths between two held-out ECG with different numbers of beats, one panel for each kind."""
    import matplotlib.pyplot as plt

    counts = np.array([waves.n_qrs for waves in count_waves(ends, fs=data.FS)])
    a, b = ends[next(pair for pair in pairs if abs(np.diff(counts[pair])) == 1)]
    figure, axes = plt.subplots(1, len(paths), figsize=(13, 6.5), sharey=True, layout="constrained")
    time = np.arange(data.WINDOW) / data.FS
    height = 0.6 * max(np.ptp(a), np.ptp(b))
    for ax, (name, path) in zip(axes, paths.items(), strict=True):
        for step, row in enumerate(path(a, b, SHOWN_STEPS)):
            end = step in (0, SHOWN_STEPS - 1)
            ax.plot(time, row - step * height, color="C0" if end else "0.25", linewidth=1.1 if end else 0.7)
        ax.set(title=name, xlabel="time (s)", xlim=(0, time[-1]), yticks=[])
        ax.spines[["left", "right", "top"]].set_visible(False)
    axes[0].set_ylabel("from one ECG (top) to the other (bottom)")
    return figure


def fading_wave(paths, signals, metrics):
    """Above, a T wave on its way to a later place; below, the fading share against the way over the wave's width."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(paths), figsize=(13, 6.2), sharey="row", layout="constrained")
    a, b, peak = _example(signals)
    window = slice(peak + ZOOM[0] - SHIFT, peak + ZOOM[1])
    time = (np.arange(window.start, window.stop) - peak) / data.FS
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, 7))
    for column, (name, path) in zip(axes.T, paths.items(), strict=True):
        for colour, row in zip(colours, path(a, b, 7), strict=True):
            column[0].plot(time, row[window], color=colour, linewidth=1.1)
        column[0].set(title=name, xlabel="time from the first R peak (s)")
        for wave, found in metrics[name]["fading"].items():
            points = [(row["over_width"], row["fading"].estimate) for row in found if row["fading"]]
            column[1].plot(*np.transpose(points), "o-", markersize=4, label=wave)
        column[1].set(xlabel="way over width of the wave", ylim=(-0.05, 1.05))
        column[1].grid(color="0.92")
    axes[0, 0].set_ylabel("standard deviations")
    axes[1, 0].set_ylabel("fading share")
    axes[1, 0].legend()
    return figure


def _example(signals):
    """An ECG of clear T waves, cut twice, and the R peak of its second beat in the first cut."""
    from .interpolation import START

    cuts = signals[:, START : START + data.WINDOW]
    waves = count_waves(cuts, fs=data.FS)
    height = [
        np.median(cut[found.t]) if found.n_t >= found.n_qrs - 1 else 0 for cut, found in zip(cuts, waves, strict=True)
    ]
    chosen = int(np.argmax(height))
    later = signals[chosen, START + SHIFT : START + SHIFT + data.WINDOW]
    return cuts[chosen], later, int(waves[chosen].qrs[1])
