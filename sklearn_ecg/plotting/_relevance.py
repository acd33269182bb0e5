"""What a classifier looks at, drawn on the beats."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..signals._validation import flatten_records
from ._axes import draw_paper, fitted_layout, last_step, make_panels, pyplot, read_lead, share_scales, time_ms


class AttentionDisplay:
    """Beats with the attention a classifier pays to them over time, as shading; made by :meth:`from_estimator`.

    Parameters
    ----------
    time : ndarray of shape (n_timepoints,)
        Time of every sample in ms.
    beats : ndarray of shape (n_beats, n_timepoints)
        Beats in mV.
    attention : ndarray of shape (n_beats, n_steps)
        Weights that sum to 1 over the steps, which divide the beat evenly.
    titles : sequence of str, default=None
        Title of each beat.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes, shape (n_beats,)
        One panel for each beat.
    figure_ : matplotlib Figure
    colorbar_ : matplotlib Colorbar
    """

    def __init__(self, *, time: Any, beats: Any, attention: Any, titles: Any = None) -> None:
        self.time = time
        self.beats = beats
        self.attention = attention
        self.titles = titles

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        fs: float,
        n_leads: int | None = None,
        n_side_features: int | None = None,
        lead: int = 0,
        r_sample: int = 0,
        titles: Sequence[str] | None = None,
        ax: Any = None,
        **params: Any,
    ) -> Any:
        """Ask a fitted estimator for its attention and draw it over the beats as given.

        Parameters
        ----------
        estimator : estimator or Pipeline
            Fitted, with a method ``attention(X)``. In a Pipeline it is the last step: it sees what the other steps
            make of ``X``.
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            The beats to draw, a panel for each, in mV.
        fs : float
            Sampling frequency of ``X`` in Hz.
        n_leads, n_side_features : int, default=None
            Number of leads in a 2-D row of ``X``, and of columns at its end that are not signal. None: as the first
            step of the estimator that was fitted on such rows reads them; where no step has a layout, 1 and 0.
        lead, r_sample : int, default=0
            As in :meth:`BeatClassDisplay.from_beats`.
        titles : sequence of str, default=None
            Title of each beat.
        ax, **params
            As in :meth:`plot`.

        Returns
        -------
        display : AttentionDisplay

        Raises
        ------
        TypeError
            If the estimator has no ``attention``.
        ValueError
            If ``X`` cannot be read so, ``lead`` is not in it or ``titles`` has another length.
        """
        rows, cube = flatten_records(X)
        if cube is None and (n_leads is None or n_side_features is None):
            layout = fitted_layout(estimator, np.shape(rows)[1])
            n_leads = layout.n_leads if n_leads is None else n_leads
            n_side_features = layout.n_side_features if n_side_features is None else n_side_features
        signals = read_lead(X, n_leads, n_side_features, lead)
        time = time_ms(signals.shape[1], fs, r_sample)
        if titles is not None and len(titles) != len(signals):
            raise ValueError(f"titles must have {len(signals)} entries, one for each beat, got {len(titles)}.")
        last = last_step(estimator)
        if not hasattr(last, "attention"):
            raise TypeError(f"{type(last).__name__} has no method attention, as CNNLSTMAttention has.")
        seen = X if last is estimator or len(estimator) == 1 else estimator[:-1].transform(X)
        display = cls(time=time, beats=signals, attention=np.asarray(last.attention(seen)), titles=titles)
        return display.plot(ax, **params)

    def plot(self, ax: Any = None, *, cmap: Any = "YlOrBr", unit: Any = "mV") -> Any:
        """Draw a panel for each beat; all share one scale of attention.

        Parameters
        ----------
        ax, unit
            As in :meth:`BeatClassDisplay.plot`, with an Axes for each beat.
        cmap : str or matplotlib Colormap, default="YlOrBr"
            Colours of the shading.

        Returns
        -------
        display : AttentionDisplay
        """
        self.figure_, self.ax_ = make_panels(ax, len(self.beats))
        relative = self.attention * self.attention.shape[1]
        half = np.diff(self.time[:2]).sum() / 2 or 0.5  # a single sample is drawn 1 ms wide
        edges = np.linspace(self.time[0] - half, self.time[-1] + half, relative.shape[1] + 1)
        colours = {"cmap": cmap, "vmin": 0, "vmax": relative.max(), "alpha": 0.75, "zorder": 0}
        titles = [""] * len(relative) if self.titles is None else self.titles
        for panel, beat, title in zip(self.ax_, self.beats, titles, strict=True):
            panel.plot(self.time, beat, color="black", linewidth=1.6)
            panel.set_title(title)
        share_scales(self.ax_, self.time, unit)
        for panel, weights in zip(self.ax_, relative, strict=True):
            shading = panel.pcolormesh(edges, panel.get_ylim(), weights[np.newaxis], rasterized=True, **colours)
        label = "attention (1 = spread evenly)"
        self.colorbar_ = self.figure_.colorbar(shading, ax=list(self.ax_), label=label, pad=0.02)
        return self


class SaliencyDisplay:
    """Beats whose trace is coloured by the relevance of its samples; made by :meth:`from_relevance`.

    Parameters
    ----------
    time : ndarray of shape (n_timepoints,)
        Time of every sample in ms.
    beats : ndarray of shape (n_beats, n_timepoints)
        Beats in mV.
    relevance : ndarray of shape (n_beats, n_timepoints)
        Relevance of every sample, signed or not.
    titles : sequence of str, default=None
        Title of each beat.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes, shape (n_beats,)
        One panel for each beat.
    figure_ : matplotlib Figure
    colorbar_ : matplotlib Colorbar
    """

    def __init__(self, *, time: Any, beats: Any, relevance: Any, titles: Any = None) -> None:
        self.time = time
        self.beats = beats
        self.relevance = relevance
        self.titles = titles

    @classmethod
    def from_relevance(
        cls,
        X: ArrayLike,
        relevance: ArrayLike,
        *,
        fs: float,
        n_leads: int = 1,
        n_side_features: int = 0,
        lead: int = 0,
        r_sample: int = 0,
        titles: Sequence[str] | None = None,
        ax: Any = None,
        **params: Any,
    ) -> Any:
        """Draw beats with what :func:`sklearn_ecg.explain.grad_cam` or ``saliency`` found in them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            The beats to draw, a panel for each, in mV.
        relevance : array-like of shape (n_samples, n_timepoints) or (n_samples, n_leads, n_timepoints)
            Relevance of every sample; of a 3-D array the lead drawn is shown.
        fs : float
            Sampling frequency of ``X`` in Hz.
        n_leads, n_side_features : int, default=1 and 0
            Number of leads in a 2-D row of ``X``, and of columns at its end that are not signal.
        lead, r_sample : int, default=0
            As in :meth:`BeatClassDisplay.from_beats`.
        titles : sequence of str, default=None
            Title of each beat.
        ax, **params
            As in :meth:`plot`.

        Returns
        -------
        display : SaliencyDisplay

        Raises
        ------
        ValueError
            If ``X`` cannot be read so, ``lead`` is not in it, or ``relevance`` or ``titles`` do not fit it or are not
            finite.
        """
        signals = read_lead(X, n_leads, n_side_features, lead)
        relevance = np.asarray(relevance, dtype=np.float64)
        if relevance.ndim == 3:
            relevance = read_lead(relevance, None, None, lead)
        if relevance.shape != signals.shape:
            raise ValueError(f"relevance must have shape {signals.shape}, as the beats, got {relevance.shape}.")
        if not np.isfinite(relevance).all():
            raise ValueError("relevance must be finite, got NaN or infinity.")
        if titles is not None and len(titles) != len(signals):
            raise ValueError(f"titles must have {len(signals)} entries, one for each beat, got {len(titles)}.")
        time = time_ms(signals.shape[1], fs, r_sample)
        return cls(time=time, beats=signals, relevance=relevance, titles=titles).plot(ax, **params)

    def plot(self, ax: Any = None, *, cmap: Any = None, unit: Any = "mV", paper_grid: Any = True) -> Any:
        """Draw a panel for each beat; each is coloured relative to its own largest absolute relevance.

        Parameters
        ----------
        ax, unit, paper_grid
            As in :meth:`BeatClassDisplay.plot`, with an Axes for each beat.
        cmap : str or matplotlib Colormap, default=None
            Colours of the trace. None: grey over orange to red, and to blue where any value is negative.

        Returns
        -------
        display : SaliencyDisplay
        """
        self.figure_, self.ax_ = make_panels(ax, len(self.beats))
        signed = bool((self.relevance < 0).any())
        cmap = _relevance_colours(signed) if cmap is None else cmap
        largest = np.abs(self.relevance).max(axis=1, keepdims=True)
        relative = np.divide(self.relevance, largest, out=np.zeros_like(self.relevance), where=largest > 0)
        titles = [""] * len(relative) if self.titles is None else self.titles
        for panel, beat, weights, title in zip(self.ax_, self.beats, relative, titles, strict=True):
            panel.plot(self.time, beat, color="0.75", linewidth=0.8)  # sets the scale, and is seen with a single sample
            trace = _coloured_trace(self.time, beat, weights, cmap=cmap, low=-1 if signed else 0)
            panel.add_collection(trace, autolim=False)
            panel.set_title(title)
        share_scales(self.ax_, self.time, unit)
        for panel in self.ax_ if paper_grid else ():
            draw_paper(panel, unit)
        label = "relevance (1 = the beat's largest)"
        self.colorbar_ = self.figure_.colorbar(trace, ax=list(self.ax_), label=label, pad=0.02)
        return self


def _coloured_trace(time, beat, weights, *, cmap, low):
    """The trace in a piece for each sample, from half-way to the one before to half-way to the next, in its colour."""
    pyplot()
    from matplotlib.collections import LineCollection

    points = np.column_stack([time, beat])
    between = np.concatenate([points[:1], (points[1:] + points[:-1]) / 2, points[-1:]])
    pieces = LineCollection(
        np.stack([between[:-1], points, between[1:]], axis=1),
        cmap=cmap,
        linewidths=1.2 + 4.3 * np.abs(weights),
        capstyle="round",
        joinstyle="round",
        zorder=3,
    )
    pieces.set_array(weights)
    pieces.set_clim(low, 1)
    return pieces


def _relevance_colours(signed):
    from matplotlib.colors import LinearSegmentedColormap

    colours = ["#0057D9", "#3D9BE9", "#8A8A8A", "#F08A24", "#C1121F"]
    return LinearSegmentedColormap.from_list("relevance", colours if signed else colours[2:])
