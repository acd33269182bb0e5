"""Figures of the networks fitted to one signal."""

from pathlib import Path

import matplotlib
import numpy as np

FOLDER = Path(__file__).parents[2] / "docs" / "figures"


def save(name, draw, *args):
    """Draw a figure into docs/figures."""
    matplotlib.use("Agg")
    FOLDER.mkdir(parents=True, exist_ok=True)
    draw(*args).savefig(FOLDER / f"{name}.png", dpi=100, bbox_inches="tight")


def unpunished(examples, region, fs, scatter):
    """The two networks on an ECG and a Gaussian process, and the errors of all signals inside against outside.

    ``examples`` maps a name of signal → (signal, name of network → decoded); ``scatter`` name of network → name of
    signal → (inside, outside).
    """
    import matplotlib.pyplot as plt

    networks = list(scatter)
    figure = plt.figure(figsize=(11, 5.6), layout="constrained")
    axes = figure.subplot_mosaic(
        [[*(f"{kind} {name}" for kind in examples), name] for name in networks],
        width_ratios=[2] * len(examples) + [1.3],
    )
    shown = slice(max(region[0] - 700, 0), region[1] + 700)
    for kind, (signal, decoded) in examples.items():
        for name in networks:
            ax, time = axes[f"{kind} {name}"], np.arange(len(signal))[shown] / fs
            ax.axvspan(*(sample / fs for sample in region), color="0.93", label="not punished")
            ax.plot(time, signal[shown], color="0.55", linewidth=1.0, label="signal")
            ax.plot(time, decoded[name][shown], color="tab:red", linewidth=1.0, label="network")
            ax.set(title=f"{kind}, {name} network", xlabel="s", yticks=[], xlim=(time[0], time[-1]))
    for name in networks:
        for kind, (inside, outside) in scatter[name].items():
            axes[name].loglog(outside, inside, "o", markersize=4, alpha=0.8, label=kind)
        axes[name].set(title=f"{name} network", xlabel="error outside", ylabel="error inside")
        axes[name].grid(color="0.92")
        axes[name].legend(fontsize=7)
    named = axes[f"{next(iter(examples))} {networks[0]}"].get_legend_handles_labels()
    figure.legend(*named, loc="outside lower left", ncols=3, fontsize=8)  # inside, it covers beats
    same = [axes[name] for name in networks]
    for ax in same:
        ax.set_ylim(min(a.get_ylim()[0] for a in same), max(a.get_ylim()[1] for a in same))
    return figure


def size(cycles, inside, sizes, knee):
    """Error inside against the size of the region, and against what is left to see before it, both in RR intervals."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    for ax, x in zip(axes, (sizes, cycles), strict=True):
        ax.semilogy(x.T, inside.T, color="0.8", linewidth=0.7)
        log = np.log(inside)
        mean, spread = np.exp(log.mean(axis=0)), np.exp(log.std(axis=0))
        at = np.median(x, axis=0)
        ax.errorbar(at, mean, [mean - mean / spread, mean * spread - mean], fmt="o-", markersize=4, capsize=2)
        ax.grid(color="0.92")
    axes[0].set(xlabel="size of the region, RR intervals", ylabel="squared error inside / variance")
    axes[1].axvline(1, color="0.4", linestyle="--", label="one RR interval")
    axes[1].axvspan(*knee, color="tab:orange", alpha=0.25, label="knee, 95 %")
    axes[1].set(xlabel="visible before the region, RR intervals", xscale="log")
    axes[1].legend(fontsize=7)
    return figure
