"""Figures of the paths: a decoded path beside one that moves its waves, and fading against moving."""

from pathlib import Path

import matplotlib
import numpy as np

from sklearn_ecg.interpolation import count_waves

from . import data
from ._moved import with_later_t

FOLDER = Path(__file__).parents[2] / "docs" / "figures"
SHOWN_STEPS = 11
SHIFT = 26  # samples
ZOOM = (-20, 100)  # samples around an R peak


def draw(paths, ends, pairs, metrics):
    """Draw both figures into docs/figures."""
    matplotlib.use("Agg")
    FOLDER.mkdir(parents=True, exist_ok=True)
    decoded_path(paths, ends, pairs).savefig(FOLDER / "representation_paths.png", dpi=62)
    fading_wave(paths, ends, metrics).savefig(FOLDER / "representation_fading.png", dpi=75)


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


def fading_wave(paths, ends, metrics):
    """Above, a T wave on its way to a later place; below, the fading share against the way over the wave's width."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(paths), figsize=(13, 6.2), sharey="row", layout="constrained")
    end, peak = _example(ends)
    window = slice(peak + ZOOM[0], peak + ZOOM[1])
    time = (np.arange(window.start, window.stop) - peak) / data.FS
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, 7))
    for column, (name, path) in zip(axes.T, paths.items(), strict=True):
        for colour, row in zip(colours, path(end, with_later_t(end, SHIFT), 7), strict=True):
            column[0].plot(time, row[window], color=colour, linewidth=1.1)
        column[0].set(title=name, xlabel="time from the R peak (s)")
        points = [(row["over_width"], row["fading"]) for row in metrics[name]["fading of T"] if row["fading"]]
        way = [point[0] for point in points]
        column[1].plot(way, [point[1].estimate for point in points], "o-", markersize=4)
        column[1].fill_between(way, [point[1].low for point in points], [point[1].high for point in points], alpha=0.2)
        column[1].set(xlabel="way of T over its width", ylim=(-0.05, 1.05))
        column[1].grid(color="0.92")
    axes[0, 0].set_ylabel("standard deviations")
    axes[1, 0].set_ylabel("fading share")
    return figure


def _example(ends):
    """The ECG with the highest T waves for its QRS, and the R peak of its second beat."""
    waves = count_waves(ends, fs=data.FS)
    ratio = [
        np.median(end[found.t]) / end[found.qrs].min()
        if found.n_t >= found.n_qrs > 2 and end[found.qrs].min() > 1
        else 0
        for end, found in zip(ends, waves, strict=True)
    ]
    chosen = int(np.argmax(ratio))
    return ends[chosen], int(waves[chosen].qrs[1])
