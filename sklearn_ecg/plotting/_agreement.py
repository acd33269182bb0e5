"""Agreement of measured intervals with a reference."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from ..metrics import INTERVAL_UNITS, bland_altman
from ._axes import BLACK, BLUE, VERMILION, make_panels

_LINES = {"bias": "-", "low": "--", "high": "--"}


class IntervalAgreementDisplay:
    """Bland–Altman plot of each interval: difference over mean, with the bias and the limits of agreement.

    Made by :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    agreements : dict of BlandAltman
        One for each target, as :func:`sklearn_ecg.metrics.bland_altman` gives them.
    units : dict of str, default=None
        Unit of each target; by default "bpm" for the heart rate and "ms" for all else.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes, shape (n_targets,)
        One panel for each target.
    figure_ : matplotlib Figure

    References
    ----------
    Bland and Altman (1986), Statistical methods for assessing agreement between two methods of clinical measurement,
    Lancet 327(8476).
    """

    def __init__(self, *, agreements: Any, units: Any = None) -> None:
        self.agreements = agreements
        self.units = units

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        targets: Any = None,
        units: Any = None,
        ax: Any = None,
        **params: Any,
    ) -> Any:
        """Predict and draw.

        Parameters
        ----------
        estimator : estimator or Pipeline
            Fitted regressor of intervals.
        X : array-like
            What it predicts from.
        y : array-like of shape (n_records,) or (n_records, n_targets)
            Reference, NaN where unknown.
        targets, units, ax, **params
            As in :meth:`from_predictions`.

        Returns
        -------
        display : IntervalAgreementDisplay
        """
        return cls.from_predictions(y, estimator.predict(X), targets=targets, units=units, ax=ax, **params)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        targets: Sequence[str] | None = None,
        units: dict | None = None,
        ax: Any = None,
        **params: Any,
    ) -> Any:
        """Compare and draw.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_records,) or (n_records, n_targets)
            Reference and predictions; a record counts for a target where neither is NaN.
        targets : sequence of str, default=None
            Names of the columns, as in :func:`sklearn_ecg.metrics.interval_report`.
        units : dict of str, default=None
            Unit of each target.
        ax, **params
            As in :meth:`plot`.

        Returns
        -------
        display : IntervalAgreementDisplay

        Raises
        ------
        ValueError
            As :func:`sklearn_ecg.metrics.bland_altman`.
        """
        return cls(agreements=bland_altman(y_true, y_pred, targets=targets), units=units).plot(ax, **params)

    def plot(self, ax: Any = None, *, scatter_kw: dict | None = None) -> Any:
        """Draw a panel for each target.

        Parameters
        ----------
        ax : matplotlib Axes or array of Axes, default=None
            One Axes, which the panels will divide, or an Axes for each target.
        scatter_kw : dict, default=None
            Passed on to ``Axes.scatter``.

        Returns
        -------
        display : IntervalAgreementDisplay
        """
        self.figure_, self.ax_ = make_panels(ax, len(self.agreements), max_columns=2)
        style = {"s": 14, "color": BLUE, "alpha": 0.5, "linewidths": 0} | (scatter_kw or {})
        for panel, (target, agreement) in zip(self.ax_, self.agreements.items(), strict=True):
            unit = (self.units or {}).get(target, INTERVAL_UNITS.get(target, "ms"))
            panel.scatter(agreement.mean, agreement.difference, **style)
            panel.axhline(0, color=BLACK, linewidth=0.8)
            for name, line in _LINES.items():
                self._mark(panel, getattr(agreement, name), line)
            name = target.upper() if len(target) <= 3 else target.replace("_", " ")
            panel.set_title(f"{name} (n = {len(agreement.mean)})")
            panel.set(xlabel=f"mean of both ({unit})", ylabel=f"predicted - reference ({unit})")
            panel.grid(color="0.92", linewidth=0.8)
            panel.set_axisbelow(True)
        return self

    def _mark(self, panel, value, line):
        """A line across the panel with its value beside the right end, where no other line or dot is."""
        panel.axhline(value, color=VERMILION, linestyle=line, linewidth=1.4)
        panel.annotate(
            f"{round(value, 1) + 0.0:.1f}",  # no -0.0
            (1, value),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize="small",
            color=VERMILION,
        )
