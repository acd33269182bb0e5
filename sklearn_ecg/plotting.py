"""Figures, after scikit-learn's Display convention: computed by ``from_…``, drawn by ``plot``.

matplotlib is imported when something is drawn: ``pip install sklearn_ecg[plot]``. Confusion matrices are
:class:`sklearn.metrics.ConfusionMatrixDisplay`'s.
"""

import numpy as np

from ._annotations import AAMI_CLASSES
from ._validation import RowLayout, check_fs

__all__ = ["AttentionDisplay", "BeatClassDisplay", "HistoryDisplay"]

# Okabe and Ito's palette, which colour-blind readers can tell apart
_BLUE, _VERMILION, _GREEN, _PURPLE, _BLACK = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#333333"
_CLASS_COLOURS = dict(zip(AAMI_CLASSES, (_BLUE, _GREEN, _VERMILION, _PURPLE, _BLACK), strict=True))


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

    def __init__(self, *, time, beats):
        self.time = time
        self.beats = beats

    @classmethod
    def from_beats(
        cls, X, y, *, fs, n_leads=1, n_side_features=0, lead=0, r_sample=0, ax=None, percentiles=(10, 90), **params
    ):
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
        signals = _read_lead(X, n_leads, n_side_features, lead)
        y = np.asarray(y)
        if y.shape != (len(signals),):
            raise ValueError(f"y must be one-dimensional with {len(signals)} classes, got shape {y.shape}.")
        time = _time_ms(signals.shape[1], fs, r_sample)
        rank = {name: i for i, name in enumerate(AAMI_CLASSES)}
        ordered = sorted(np.unique(y).tolist(), key=lambda name: rank.get(name, len(rank)))
        display = cls(time=time, beats={name: signals[y == name] for name in ordered})
        return display.plot(ax, percentiles=percentiles, **params)

    def plot(self, ax=None, *, percentiles=(10, 90), max_beats=40, unit="mV", paper_grid=True):
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
        self.figure_, self.ax_ = _panels(ax, len(self.beats))
        for panel, (name, beats) in zip(self.ax_, self.beats.items(), strict=True):
            colour = _CLASS_COLOURS.get(name, _BLUE)
            shown = beats[np.linspace(0, len(beats) - 1, min(max_beats, len(beats)), dtype=int)]
            panel.plot(self.time, shown.T, color="0.35", linewidth=0.5, alpha=0.22)
            low, high = np.percentile(beats, percentiles, axis=0)
            label = f"{percentiles[0]}–{percentiles[1]} %"
            panel.fill_between(self.time, low, high, color=colour, alpha=0.28, linewidth=0, label=label)
            panel.plot(self.time, beats.mean(axis=0), color=colour, linewidth=2, label="mean")
            panel.set_title(f"{name} ({len(beats):,} beats)")
        _share_scales(self.ax_, self.time, unit)
        for panel in self.ax_ if paper_grid else ():
            _draw_paper(panel, unit)
        self.ax_[0].legend(loc="upper right", fontsize="small", frameon=True, framealpha=0.85, handlelength=1.2)
        return self


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

    def __init__(self, *, time, beats, attention, titles=None):
        self.time = time
        self.beats = beats
        self.attention = attention
        self.titles = titles

    @classmethod
    def from_estimator(
        cls, estimator, X, *, fs, n_leads=None, n_side_features=None, lead=0, r_sample=0, titles=None, ax=None, **params
    ):
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
        if np.ndim(X) == 2 and (n_leads is None or n_side_features is None):
            layout = _fitted_layout(estimator, np.shape(X)[1])
            n_leads = layout.n_leads if n_leads is None else n_leads
            n_side_features = layout.n_side_features if n_side_features is None else n_side_features
        signals = _read_lead(X, n_leads, n_side_features, lead)
        time = _time_ms(signals.shape[1], fs, r_sample)
        if titles is not None and len(titles) != len(signals):
            raise ValueError(f"titles must have {len(signals)} entries, one for each beat, got {len(titles)}.")
        last = _last_step(estimator)
        if not hasattr(last, "attention"):
            raise TypeError(f"{type(last).__name__} has no method attention.")
        seen = X if last is estimator or len(estimator) == 1 else estimator[:-1].transform(X)
        display = cls(time=time, beats=signals, attention=np.asarray(last.attention(seen)), titles=titles)
        return display.plot(ax, **params)

    def plot(self, ax=None, *, cmap="YlOrBr", unit="mV"):
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
        self.figure_, self.ax_ = _panels(ax, len(self.beats))
        relative = self.attention * self.attention.shape[1]
        half = np.diff(self.time[:2]).sum() / 2 or 0.5  # a single sample is drawn 1 ms wide
        edges = np.linspace(self.time[0] - half, self.time[-1] + half, relative.shape[1] + 1)
        colours = {"cmap": cmap, "vmin": 0, "vmax": relative.max(), "alpha": 0.75, "zorder": 0}
        titles = [""] * len(relative) if self.titles is None else self.titles
        for panel, beat, title in zip(self.ax_, self.beats, titles, strict=True):
            panel.plot(self.time, beat, color="black", linewidth=1.6)
            panel.set_title(title)
        _share_scales(self.ax_, self.time, unit)
        for panel, weights in zip(self.ax_, relative, strict=True):
            shading = panel.pcolormesh(edges, panel.get_ylim(), weights[np.newaxis], rasterized=True, **colours)
        label = "attention (1 = spread evenly)"
        self.colorbar_ = self.figure_.colorbar(shading, ax=list(self.ax_), label=label, pad=0.02)
        return self


class HistoryDisplay:
    """Losses of a training, and its validation score, over the epochs; made by :meth:`from_estimator`.

    Parameters
    ----------
    history : list of dict
        One for each epoch: ``epoch``, ``train_loss``, and ``valid_loss`` and ``valid_score`` where there was a
        validation set.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the losses.
    score_ax_ : matplotlib Axes or None
        Axes of the score, at the right; None without one.
    figure_ : matplotlib Figure
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **params):
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator or Pipeline
            Fitted, with the attribute ``history_``; in a Pipeline it is the last step.
        ax, **params
            As in :meth:`plot`.

        Returns
        -------
        display : HistoryDisplay

        Raises
        ------
        TypeError
            If the estimator keeps no history.
        """
        last = _last_step(estimator)
        if not hasattr(last, "history_"):
            raise TypeError(f"{type(last).__name__} has no history_: it is not fitted, or keeps none.")
        return cls(last.history_).plot(ax, **params)

    def plot(self, ax=None, *, score_name="validation score"):
        """Draw the losses at the left scale and the score at the right one.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw.
        score_name : str, default="validation score"
            Name of the score.

        Returns
        -------
        display : HistoryDisplay
        """
        ax = _pyplot().subplots(figsize=(6.4, 4), layout="constrained")[1] if ax is None else ax
        self.ax_, self.figure_, self.score_ax_ = ax, ax.figure, None
        lines = self._draw(ax, "train_loss", color=_BLUE, label="training loss")
        lines += self._draw(ax, "valid_loss", color=_VERMILION, linestyle="--", label="validation loss")
        ax.set(xlabel="epoch", ylabel="loss")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(color="0.9", linewidth=0.8)
        ax.set_axisbelow(True)
        if any("valid_score" in row for row in self.history):
            self.score_ax_ = ax.twinx()
            lines += self._draw(self.score_ax_, "valid_score", color=_GREEN, linestyle=":", label=score_name)
            self.score_ax_.set_ylabel(score_name, color=_GREEN)
            self.score_ax_.tick_params(axis="y", colors=_GREEN)
        ax.legend(handles=lines, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(lines), frameon=False)
        return self

    def _draw(self, ax, key, **style):
        points = [(row["epoch"], row[key]) for row in self.history if key in row]
        marker = "o" if len(points) == 1 else None
        return ax.plot(*zip(*points, strict=True), linewidth=2, marker=marker, **style) if points else []


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("Drawing needs matplotlib: pip install sklearn_ecg[plot]") from error
    return plt


def _last_step(estimator):
    return estimator[-1] if hasattr(estimator, "steps") else estimator


def _fitted_layout(estimator, width):
    """Layout of rows of ``width`` columns, as the first step fitted on such rows has it."""
    steps = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    layouts = [step.layout_ for step in steps if hasattr(step, "layout_")] or [RowLayout(1, width)]
    fitting = [layout for layout in layouts if layout.n_features == width]
    if not fitting:
        raise ValueError(f"X has {width} columns, which no step was fitted on: give n_leads and n_side_features.")
    return fitting[0]


def _read_lead(X, n_leads, n_side_features, lead):
    """Signals of one lead: (n_samples, n_timepoints)."""
    X = np.asarray(X)
    if X.ndim == 2:
        X = RowLayout.of_width(X.shape[1], n_leads, n_side_features).split(X)[0]
    if X.ndim != 3 or not len(X):
        raise ValueError(f"X must hold at least one beat, 2-D rows or 3-D records, got shape {X.shape}.")
    if not 0 <= lead < X.shape[1]:
        raise ValueError(f"lead must be in 0 … {X.shape[1] - 1}, a position among {X.shape[1]} lead(s), got {lead!r}.")
    return X[:, lead]


def _time_ms(n_timepoints, fs, r_sample):
    return (np.arange(n_timepoints) - r_sample) * (1000 / check_fs(fs))


def _panels(ax, n, max_columns=5):
    """The figure and a flat array of ``n`` Axes: given, made by dividing a given one, or new."""
    plt = _pyplot()
    if ax is not None and not hasattr(ax, "get_subplotspec"):
        axes = np.asarray(ax, dtype=object).ravel()
        if len(axes) != n:
            raise ValueError(f"ax must be one Axes or {n} of them, got {len(axes)}.")
        return axes[0].figure, axes
    n_columns = min(n, max_columns)
    n_rows = -(-n // n_columns)
    if ax is None:
        size = (0.8 + 2.6 * n_columns, 0.6 + 2.4 * n_rows)
        figure = plt.figure(figsize=size, layout="constrained")
        grid = figure.add_gridspec(n_rows, n_columns)
    else:
        if ax.get_subplotspec() is None:
            raise ValueError("ax lies on no grid that can be divided: make it with plt.subplots.")
        figure = ax.figure
        ax.set_axis_off()
        spaces = {} if figure.get_layout_engine() else {"wspace": 0.1, "hspace": 0.6}
        grid = ax.get_subplotspec().subgridspec(n_rows, n_columns, **spaces)
    return figure, np.array([figure.add_subplot(grid[divmod(i, n_columns)]) for i in range(n)], dtype=object)


def _share_scales(axes, time, unit):
    """One scale for all panels; the amplitude is labelled in the first column only."""
    lows, highs = zip(*(panel.get_ylim() for panel in axes), strict=True)
    room = 0.5 if len(time) == 1 else 0  # ms
    for panel in axes:
        for line in panel.lines if room else ():  # through a single point: nothing to see
            line.set_marker("o")
        panel.set(xlim=(time[0] - room, time[-1] + room), ylim=(min(lows), max(highs)), xlabel="time (ms)")
        spec = panel.get_subplotspec()
        if spec is None or spec.is_first_col():
            panel.set_ylabel(f"amplitude ({unit})")
        else:
            panel.tick_params(labelleft=False)


def _draw_paper(panel, unit):
    """Grid of ECG paper, 5 and 1 mm at 25 mm/s and 10 mm/mV, as far as its lines can be told apart."""
    from matplotlib.ticker import MultipleLocator

    width, height = np.ptp(panel.get_xlim()), np.ptp(panel.get_ylim())
    for axis, step, span, most in ((panel.xaxis, 200, width, 20), (panel.yaxis, 0.5, height, 20)):
        if span > most * step or (axis is panel.yaxis and unit != "mV"):
            continue
        axis.set_major_locator(MultipleLocator(step))
        axis.grid(which="major", color="#E8A0A0", linewidth=0.7, alpha=0.8)
        if span <= most / 3 * step:
            axis.set_minor_locator(MultipleLocator(step / 5))
            axis.grid(which="minor", color="#F3CFCF", linewidth=0.4, alpha=0.8)
    panel.tick_params(which="minor", length=0)
    panel.set_axisbelow(True)
