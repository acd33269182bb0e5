"""Scores of measured intervals: heart rate, PR, QRS and QT against a reference that may lack some of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import make_scorer

from ..signals._annotations import INTERVALS
from ._reports import cell, none_for_nan

__all__ = [
    "IEC_LIMITS",
    "INTERVALS",
    "INTERVAL_UNITS",
    "BlandAltman",
    "IntervalReport",
    "bland_altman",
    "interval_mae",
    "interval_report",
    "interval_scorers",
]

INTERVAL_UNITS = MappingProxyType({"heart_rate": "bpm"})
"""Units other than ms."""

IEC_LIMITS = MappingProxyType({"pr": (10.0, 10.0), "qrs": (10.0, 10.0), "qt": (25.0, 30.0)})
"""Largest absolute mean and largest SD of the differences in ms that IEC 60601-2-25 accepts."""

_AGREEMENT = 1.96
_HEADINGS = ("n", "missing", "MAE", "dummy", "bias", "SD", "within")


@dataclass(frozen=True, eq=False)
class IntervalReport:
    """Errors of measured intervals, and what is read from them; each property is a dict from target to value.

    Attributes
    ----------
    errors : dict of ndarray
        Prediction minus reference of each target, where both are known, in bpm or ms.
    n_missing : dict of int
        Number of records whose reference is known and whose prediction is not.
    dummy_mae : dict of float
        Mean absolute error of always predicting the training median; NaN where no training targets were given.
    """

    errors: dict
    n_missing: dict
    dummy_mae: dict

    @property
    def n(self) -> dict:
        """Number of records compared."""
        return {target: len(error) for target, error in self.errors.items()}

    @property
    def mae(self) -> dict:
        """Mean absolute error."""
        return self._each(lambda error: np.abs(error).mean())

    @property
    def bias(self) -> dict:
        """Mean of prediction minus reference."""
        return self._each(np.mean)

    @property
    def sd(self) -> dict:
        """Standard deviation of the differences (n - 1 in the denominator); NaN for fewer than two."""
        return self._each(lambda error: error.std(ddof=1), least=2)

    @property
    def within(self) -> dict:
        """Share of records whose error is no larger than the mean that :data:`IEC_LIMITS` accepts; NaN without one."""
        return {target: _share(error, IEC_LIMITS.get(target, [np.nan])[0]) for target, error in self.errors.items()}

    @property
    def meets_iec(self) -> dict:
        """Whether |bias| and SD are both within :data:`IEC_LIMITS`; targets without limits are left out.

        The standard prescribes its own records, so that on others this is a yardstick and no certificate.
        """
        bias, sd = self.bias, self.sd
        return {
            target: bool(abs(bias[target]) <= mean and sd[target] <= spread)
            for target, (mean, spread) in IEC_LIMITS.items()
            if target in self.errors
        }

    def to_dict(self) -> dict:
        """Plain Python values, ready for JSON: None stands for NaN."""
        rates = {name: getattr(self, name) for name in ("mae", "dummy_mae", "bias", "sd", "within")}
        plain = {name: {key: none_for_nan(value) for key, value in rate.items()} for name, rate in rates.items()}
        return {"n": self.n, "n_missing": dict(self.n_missing), **plain, "meets_iec": self.meets_iec}

    def __str__(self) -> str:
        width = max(8, *(len(target) + 6 for target in self.errors))
        lines = [" " * width + "".join(f"{heading:>9}" for heading in _HEADINGS)]
        columns = (self.mae, self.dummy_mae, self.bias, self.sd)
        for target in self.errors:
            name = f"{target} ({INTERVAL_UNITS.get(target, 'ms')})"
            cells = f"{self.n[target]:>9}{self.n_missing[target]:>9}"
            cells += "".join(f"{cell(column[target], '.2f'):>9}" for column in columns)
            lines.append(f"{name:<{width}}{cells}{cell(self.within[target], '.1%'):>9}")
        return "\n".join(lines)

    def _each(self, statistic, least=1):
        return {
            target: float(statistic(error)) if len(error) >= least else float("nan")
            for target, error in self.errors.items()
        }


@dataclass(frozen=True, eq=False)
class BlandAltman:
    """Agreement of two measurements of one quantity, after Bland and Altman.

    Attributes
    ----------
    mean, difference : ndarray of shape (n,)
        Mean of prediction and reference, and prediction minus reference, of each record that has both.
    bias, sd : float
        Mean and standard deviation of the differences.
    low, high : float
        Limits of agreement, bias ± 1.96 SD: where the differences are normal, 95 % of them lie between.
    """

    mean: np.ndarray
    difference: np.ndarray
    bias: float
    sd: float
    low: float
    high: float


def interval_mae(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    targets: Sequence[str] | None = None,
    target: str | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Mean absolute error over the records whose reference is known.

    Parameters
    ----------
    y_true : array-like of shape (n_records,) or (n_records, n_targets)
        Reference, NaN where unknown.
    y_pred : array-like of the same shape
        Predictions.
    targets : sequence of str, default=None
        Names of the columns. By default those of a data frame, else :data:`INTERVALS` for four columns.
    target : str, default=None
        The one target to score. By default the mean over all targets that have a known reference, each in its own
        unit.
    sample_weight : array-like of shape (n_records,), default=None
        Weights.

    Returns
    -------
    mae : float
        In bpm or ms; NaN where no reference is known.

    Raises
    ------
    ValueError
        If the shapes differ, data frames have the same columns in another order, a value is infinite, a weight negative
        or not finite, ``target`` is none of ``targets``, or a prediction is missing where the reference is known:
        leaving it out would reward a method for what it cannot measure.

    Examples
    --------
    >>> nan = float("nan")
    >>> interval_mae([[60, nan, 90, 400], [80, 160, 100, 380]], [[62, 150, 96, 390], [80, 152, 98, 390]], target="pr")
    8.0
    """
    true, pred, names = _read(y_true, y_pred, targets)
    if target is not None:
        if target not in names:
            raise ValueError(f"target must be one of {', '.join(names)}, got {target!r}.")
        at = [names.index(target)]
        true, pred = true[:, at], pred[:, at]
    known = ~np.isnan(true)
    n_missing = int(np.isnan(pred[known]).sum())
    if n_missing:
        raise ValueError(f"{n_missing} prediction(s) are NaN where the reference is known.")
    weight = np.ones(len(true)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (len(true),):
        raise ValueError(f"sample_weight must have shape ({len(true)},), got {weight.shape}.")
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise ValueError("sample_weight must hold finite numbers of 0 or more.")
    weight = weight[:, None] * known
    total = weight.sum(axis=0)
    defined = total > 0
    error = (weight * np.abs(np.where(known, pred - true, 0.0))).sum(axis=0)
    return float(np.mean(error[defined] / total[defined])) if defined.any() else float("nan")


def interval_scorers(targets: Sequence[str] = INTERVALS) -> dict:
    """Scorers of :func:`interval_mae` for cross-validation and searches.

    Parameters
    ----------
    targets : sequence of str, default=("heart_rate", "pr", "qrs", "qt")
        Names of the columns of ``y``.

    Returns
    -------
    scorers : dict of scorer
        ``"neg_mae_heart_rate"``, ``"neg_mae_pr"``, …, one for each target, and ``"neg_mae"``, their mean. The dict is
        what ``scoring`` takes, with ``refit="neg_mae_qt"`` say; scikit-learn's own scorers give NaN for targets with
        NaN.

    Examples
    --------
    >>> list(interval_scorers(["qrs", "qt"]))
    ['neg_mae_qrs', 'neg_mae_qt', 'neg_mae']
    """
    targets = _name_targets(targets, None)
    settings = {"greater_is_better": False, "targets": targets}
    scorers = {f"neg_mae_{target}": make_scorer(interval_mae, target=target, **settings) for target in targets}
    return scorers | {"neg_mae": make_scorer(interval_mae, **settings)}


def interval_report(
    y_true: ArrayLike, y_pred: ArrayLike, *, targets: Sequence[str] | None = None, y_train: ArrayLike | None = None
) -> Any:
    """Compare measured intervals with a reference, target by target.

    A record counts for a target if both its reference and its prediction are known; how many lack only the prediction
    is reported beside.

    Parameters
    ----------
    y_true : array-like of shape (n_records,) or (n_records, n_targets)
        Reference, NaN where unknown.
    y_pred : array-like of the same shape
        Predictions, NaN where the method gives none.
    targets : sequence of str, default=None
        Names of the columns. By default those of a data frame, else :data:`INTERVALS` for four columns.
    y_train : array-like of shape (n_training_records, n_targets), default=None
        Targets of the training records, NaN where unknown: gives the errors of always predicting their median, on all
        records with a reference.

    Returns
    -------
    report : IntervalReport
        MAE, bias, SD, shares within limits. It prints as a table; ``to_dict()`` gives plain values.

    Raises
    ------
    ValueError
        If the shapes differ, data frames have the same columns in another order, a value is infinite or the targets are
        not named.

    References
    ----------
    IEC 60601-2-25:2011, Particular requirements for the basic safety and essential performance of electrocardiographs.

    Examples
    --------
    >>> report = interval_report([90, 100, 110], [92, 96, 111], targets=["qrs"], y_train=[80, 100, 104])
    >>> report.bias["qrs"], round(report.mae["qrs"], 3), round(report.dummy_mae["qrs"], 3)
    (-0.3333333333333333, 2.333, 6.667)
    """
    true, pred, names = _read(y_true, y_pred, targets)
    train = None if y_train is None else _as_columns(y_train, "y_train")
    _refuse_another_order(y_true, y_train, "y_train")
    if train is not None and train.shape[1] != len(names):
        raise ValueError(f"y_train must have {len(names)} column(s), got {train.shape[1]}.")
    errors, n_missing, dummy = {}, {}, {}
    for place, name in enumerate(names):
        known, given = ~np.isnan(true[:, place]), ~np.isnan(pred[:, place])
        errors[name] = (pred - true)[known & given, place]
        n_missing[name] = int((known & ~given).sum())
        dummy[name] = float("nan") if train is None else _mae_of_median(true[known, place], train[:, place])
    return IntervalReport(errors=errors, n_missing=n_missing, dummy_mae=dummy)


def bland_altman(y_true: ArrayLike, y_pred: ArrayLike, *, targets: Any = None) -> dict:
    """Data of Bland–Altman plots, one for each target.

    Parameters
    ----------
    y_true, y_pred, targets
        As in :func:`interval_report`.

    Returns
    -------
    agreements : dict of BlandAltman

    Raises
    ------
    ValueError
        As :func:`interval_report`, or if a target has fewer than two records with both values.

    References
    ----------
    Bland and Altman (1986), Statistical methods for assessing agreement between two methods of clinical measurement,
    Lancet 327(8476).
    """
    true, pred, names = _read(y_true, y_pred, targets)
    agreements = {}
    for name, reference, measured in zip(names, true.T, pred.T, strict=True):
        both = ~np.isnan(reference + measured)
        if both.sum() < 2:
            raise ValueError(f"{name}: {int(both.sum())} record(s) have a reference and a prediction, two are wanted.")
        difference = (measured - reference)[both]
        bias, sd = float(difference.mean()), float(difference.std(ddof=1))
        mean = ((measured + reference) / 2)[both]
        agreements[name] = BlandAltman(mean, difference, bias, sd, bias - _AGREEMENT * sd, bias + _AGREEMENT * sd)
    return agreements


def _read(y_true, y_pred, targets):
    """Reference and predictions as float columns, and the names of the columns."""
    true, pred = _as_columns(y_true, "y_true"), _as_columns(y_pred, "y_pred")
    if true.shape != pred.shape:
        raise ValueError(f"y_true and y_pred must have the same shape, got {true.shape} and {pred.shape}.")
    _refuse_another_order(y_true, y_pred, "y_pred")
    if targets is None:
        targets = getattr(y_true, "columns", INTERVALS if true.shape[1] == len(INTERVALS) else None)
    return true, pred, _name_targets(targets, true.shape[1])


def _refuse_another_order(y_true, other, name):
    """Columns are compared place by place: frames that have the same ones in another order are a mistake."""
    wanted, given = (list(getattr(y, "columns", ())) for y in (y_true, other))
    if wanted != given and set(wanted) == set(given):
        raise ValueError(f"{name} must have its columns in the order of y_true, {wanted}, got {given}.")


def _name_targets(targets, n_columns):
    names = () if targets is None or isinstance(targets, str) else tuple(str(target) for target in targets)
    if not names or len(set(names)) < len(names) or n_columns not in (None, len(names)):
        wanted = "different names" if n_columns is None else f"{n_columns} different name(s), one for each column"
        raise ValueError(f"targets must hold {wanted}, got {targets!r}.")
    return names


def _as_columns(y, name):
    y = np.asarray(y, dtype=np.float64)
    if y.ndim not in (1, 2) or not y.size:
        raise ValueError(f"{name} must be 1-D or 2-D with at least one record, got shape {y.shape}.")
    if np.isinf(y).any():
        raise ValueError(f"{name} must not hold infinite values; NaN stands for an unknown one.")
    return y.reshape(len(y), -1)


def _mae_of_median(true, train):
    """Mean absolute error of the median of the known training targets."""
    train = train[~np.isnan(train)]
    return float(np.abs(true - np.median(train)).mean()) if len(true) and len(train) else float("nan")


def _share(error, limit):
    return float("nan") if np.isnan(limit) or not len(error) else float(np.mean(np.abs(error) <= limit))
