"""Colours, panels, scales and paper, and how rows become traces over time."""

import numpy as np

from ..signals._annotations import AAMI_CLASSES
from ..signals._validation import RowLayout, check_fs, flatten_records

# Okabe and Ito's palette, which colour-blind readers can tell apart
BLUE, VERMILION, GREEN, PURPLE, BLACK = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#333333"
CLASS_COLOURS = dict(zip(AAMI_CLASSES, (BLUE, GREEN, VERMILION, PURPLE, BLACK), strict=True))


def pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("Drawing needs matplotlib: pip install sklearn_ecg[plot]") from error
    return plt


def last_step(estimator):
    return estimator[-1] if hasattr(estimator, "steps") else estimator


def fitted_layout(estimator, width):
    """Layout of rows of ``width`` columns, as the first step fitted on such rows has it."""
    steps = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    layouts = [step.layout_ for step in steps if hasattr(step, "layout_")] or [RowLayout(1, width)]
    fitting = [layout for layout in layouts if layout.n_features == width]
    if not fitting:
        raise ValueError(f"X has {width} columns, which no step was fitted on: give n_leads and n_side_features.")
    return fitting[0]


def read_lead(X, n_leads, n_side_features, lead):
    """Signals of one lead: (n_samples, n_timepoints)."""
    rows, cube = flatten_records(X)
    rows = np.asarray(rows)
    if not len(rows):
        raise ValueError(f"X must hold at least one beat, got shape {np.shape(X)}.")
    layout = RowLayout.of_width(rows.shape[1], n_leads, n_side_features) if cube is None else RowLayout(*cube)
    X = layout.split(rows)[0]
    if not 0 <= lead < X.shape[1]:
        raise ValueError(f"lead must be in 0 … {X.shape[1] - 1}, a position among {X.shape[1]} lead(s), got {lead!r}.")
    return X[:, lead].astype(np.float64)


def time_ms(n_timepoints, fs, r_sample):
    return (np.arange(n_timepoints) - r_sample) * (1000 / check_fs(fs))


def make_panels(ax, n, max_columns=5):
    """The figure and a flat array of ``n`` Axes: given, made by dividing a given one, or new."""
    plt = pyplot()
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


def share_scales(axes, time, unit):
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


def draw_paper(panel, unit):
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
