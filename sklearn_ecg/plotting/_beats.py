"""Beats of each class."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..signals._annotations import AAMI_CLASSES
from ._axes import BLUE, CLASS_COLOURS, draw_paper, make_panels, read_lead, share_scales, time_ms


class BeatClassDisplay:
    """The beats of each class: some of them, their mean and a percentile band; made by :meth:`from_beats`.

    Parameters
    ----------
    time : ndarray of shape (n_timepoints,)
        Time of every sample in ms.
    beats : dict of ndarray of shape (n_beats, n_timepoints)
        Beats of each class in mV.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes, shape (n_classes,)
        One panel for each class.
    figure_ : matplotlib Figure
    """

    def __init__(self, *, time: Any, beats: Any) -> None:
        self.time = time
        self.beats = beats

    @classmethod
    def from_beats(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        *,
        fs: float,
        n_leads: int = 1,
        n_side_features: int = 0,
        lead: int = 0,
        r_sample: int = 0,
        ax: Any = None,
        percentiles: Any = (10, 90),
        **params: Any,
    ) -> Any:
        """Sort beats by class and draw them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Beats in mV.
        y : array-like of shape (n_samples,)
            Class of each beat. AAMI classes come in their usual order, others sorted.
        fs : float
            Sampling frequency in Hz.
        n_leads, n_side_features : int, default=1 and 0
            Number of leads in a 2-D row, and of columns at its end that are not signal.
        lead, r_sample : int, default=0
            Position of the lead to draw; sample of the R peak in a beat, from which time is counted.
        ax, percentiles, **params
            As in :meth:`plot`.

        Returns
        -------
        display : BeatClassDisplay

        Raises
        ------
        ValueError
            If ``X`` cannot be read so, ``lead`` is not in it or ``y`` has another length.
        """
        signals = read_lead(X, n_leads, n_side_features, lead)
        y = np.asarray(y)
        if y.shape != (len(signals),):
            raise ValueError(f"y must be one-dimensional with {len(signals)} classes, got shape {y.shape}.")
        time = time_ms(signals.shape[1], fs, r_sample)
        rank = {name: i for i, name in enumerate(AAMI_CLASSES)}
        ordered = sorted(np.unique(y).tolist(), key=lambda name: rank.get(name, len(rank)))
        display = cls(time=time, beats={name: signals[y == name] for name in ordered})
        return display.plot(ax, percentiles=percentiles, **params)

    def plot(
        self,
        ax: Any = None,
        *,
        percentiles: tuple = (10, 90),
        max_beats: int = 40,
        unit: str = "mV",
        paper_grid: bool = True,
    ) -> Any:
        """Draw a panel for each class.

        Parameters
        ----------
        ax : matplotlib Axes or array of Axes, default=None
            One Axes, which the panels will divide, or an Axes for each class.
        percentiles : pair of float, default=(10, 90)
            Band around the mean, at each sample.
        max_beats : int, default=40
            Largest number of single beats drawn in a panel, evenly spaced over those of its class.
        unit : str, default="mV"
            Unit of the amplitude.
        paper_grid : bool, default=True
            Whether to draw the grid of ECG paper: 200 (40) ms and, where the unit is mV, 0.5 (0.1) mV.

        Returns
        -------
        display : BeatClassDisplay
        """
        self.figure_, self.ax_ = make_panels(ax, len(self.beats))
        for panel, (name, beats) in zip(self.ax_, self.beats.items(), strict=True):
            colour = CLASS_COLOURS.get(name, BLUE)
            shown = beats[np.linspace(0, len(beats) - 1, min(max_beats, len(beats)), dtype=int)]
            panel.plot(self.time, shown.T, color="0.35", linewidth=0.5, alpha=0.22)
            low, high = np.percentile(beats, percentiles, axis=0)
            label = f"{percentiles[0]}–{percentiles[1]} %"
            panel.fill_between(self.time, low, high, color=colour, alpha=0.28, linewidth=0, label=label)
            panel.plot(self.time, beats.mean(axis=0), color=colour, linewidth=2, label="mean")
            panel.set_title(f"{name} ({len(beats):,} beats)")
        share_scales(self.ax_, self.time, unit)
        for panel in self.ax_ if paper_grid else ():
            draw_paper(panel, unit)
        self.ax_[0].legend(loc="upper right", fontsize="small", frameon=True, framealpha=0.85, handlelength=1.2)
        return self
