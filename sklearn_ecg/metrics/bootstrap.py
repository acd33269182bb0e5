"""Intervals of scores by resampling whole records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from ..parameters import RandomState
from .classification import (
    AAMI_SCORED,
    check_lengths,
    f1_and_macro,
    read_labels,
    record_codes,
    record_confusions,
)

__all__ = ["Interval", "bootstrap_interval", "bootstrap_macro_f1", "paired_bootstrap"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its bootstrap interval.

    Attributes
    ----------
    estimate : float
        The statistic on the data themselves.
    low, high : float
        Ends of the percentile interval.
    confidence : float
        Its nominal coverage.
    """

    estimate: float
    low: float
    high: float
    confidence: float

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap_interval(
    statistic: Callable,
    *arrays: Any,
    groups: ArrayLike,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    random_state: RandomState | None = None,
) -> Any:
    """Percentile interval of any statistic, whole records resampled.

    Beats of one record resemble each other, so the unit of resampling is the record: as many records as there are
    are drawn with replacement, each with all of its rows. Resamples on which the statistic is NaN are left out. The
    same seed draws the same records here, in :func:`bootstrap_macro_f1` and in :func:`paired_bootstrap`.

    Parameters
    ----------
    statistic : callable
        Takes as many arrays as are given here and returns a float.
    *arrays : array-like of shape (n_rows, ...)
        What the statistic is computed from.
    groups : array-like of shape (n_rows,)
        Record (or patient) of each row.
    n_resamples : int, default=1000
        Number of resamples.
    confidence : float, default=0.95
        Nominal coverage, between 0 and 1. The percentile interval falls short of it for few records.
    random_state : int, RandomState instance or None, default=None
        Seed of the resampling.

    Returns
    -------
    interval : Interval

    Raises
    ------
    ValueError
        If the arrays are absent, empty or of unequal length, there are fewer than two records, or a parameter is out
        of its range.

    References
    ----------
    Davison and Hinkley (1997), Bootstrap Methods and their Application, section 3.8 (hierarchical data).

    Examples
    --------
    >>> import numpy as np
    >>> error_ms = np.array([3.0, 5.0, -2.0, 8.0, 1.0, 0.0])
    >>> print(bootstrap_interval(np.mean, error_ms, groups=[1, 1, 2, 2, 3, 3], random_state=0))
    2.500 [0.500, 4.000]
    """
    if not arrays:
        raise ValueError("bootstrap_interval needs at least one array to resample.")
    arrays = [np.asarray(array) for array in arrays]
    check_lengths({f"array {i}": array for i, array in enumerate(arrays)} | {"groups": groups})
    record = record_codes(groups)
    draws = _draw_records(record.max() + 1, n_resamples, random_state)
    rows = np.arange(len(record))
    replicates = np.empty(n_resamples)
    for i, times_drawn in enumerate(draws):
        resample = np.repeat(rows, times_drawn[record])
        replicates[i] = statistic(*(array[resample] for array in arrays))
    return _interval(statistic(*arrays), replicates, confidence)


def bootstrap_macro_f1(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    groups: ArrayLike,
    labels: Sequence = AAMI_SCORED,
    n_resamples: Any = 1000,
    confidence: Any = 0.95,
    random_state: RandomState | None = None,
) -> dict:
    """Intervals of the macro-F1 and of the F1 of each class, whole records resampled.

    The macro interval is that of ``bootstrap_interval(macro_f1, y_true, y_pred, groups=groups)``, from sums of
    per-record confusion matrices instead of beats. A class interval leaves out resamples where its F1 is undefined.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_beats,)
        True and predicted classes.
    groups : array-like of shape (n_beats,)
        Record (or patient) of each beat.
    labels : sequence, default=("N", "S", "V", "F")
        The scored classes, as in :func:`aami_report`.
    n_resamples, confidence, random_state
        As in :func:`bootstrap_interval`.

    Returns
    -------
    intervals : dict of Interval
        The key ``"macro"`` and each label.

    Raises
    ------
    ValueError
        As :func:`aami_report` and :func:`bootstrap_interval`.
    """
    labels, _ = read_labels(labels)
    counts = record_confusions(y_true, y_pred, groups=groups, labels=labels)
    draws = _draw_records(len(counts), n_resamples, random_state)
    estimates, replicates = (f1_and_macro(c, len(labels)) for c in _pooled(counts, draws))
    return _f1_intervals(labels, estimates, replicates, confidence)


def paired_bootstrap(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    y_pred_reference: ArrayLike,
    *,
    groups: ArrayLike,
    labels: Any = AAMI_SCORED,
    n_resamples: Any = 1000,
    confidence: Any = 0.95,
    random_state: RandomState | None = None,
) -> dict:
    """Intervals of the difference in F1 of two classifiers, both scored on the same resampled records.

    Parameters
    ----------
    y_true, y_pred, y_pred_reference : array-like of shape (n_beats,)
        True classes, those predicted by the classifier and those predicted by the one it is compared with.
    groups, labels, n_resamples, confidence, random_state
        As in :func:`bootstrap_macro_f1`.

    Returns
    -------
    intervals : dict of Interval
        F1 of ``y_pred`` minus F1 of ``y_pred_reference``: the key ``"macro"`` and each label.

    Raises
    ------
    ValueError
        As :func:`aami_report` and :func:`bootstrap_interval`.
    """
    labels, _ = read_labels(labels)
    ours, theirs = (record_confusions(y_true, y, groups=groups, labels=labels) for y in (y_pred, y_pred_reference))
    draws = _draw_records(len(ours), n_resamples, random_state)
    pairs = zip(_pooled(ours, draws), _pooled(theirs, draws), strict=True)
    estimates, replicates = (f1_and_macro(a, len(labels)) - f1_and_macro(b, len(labels)) for a, b in pairs)
    return _f1_intervals(labels, estimates, replicates, confidence)


def _draw_records(n_records, n_resamples, random_state):
    """How often each record is drawn in each resample: (n_resamples, n_records)."""
    if n_records < 2:
        raise ValueError("Resampling records needs at least two of them: groups names one.")
    if not isinstance(n_resamples, Integral) or n_resamples < 1:
        raise ValueError(f"n_resamples must be a positive integer, got {n_resamples!r}.")
    rng = check_random_state(random_state)
    return rng.multinomial(n_records, np.full(n_records, 1 / n_records), size=n_resamples)


def _pooled(counts, draws):
    """Confusion matrix of all records, and those of the resamples (n_resamples, n_classes, n_classes)."""
    return counts.sum(axis=0), np.tensordot(draws, counts, axes=1)


def _f1_intervals(labels, estimates, replicates, confidence):
    intervals = [
        _interval(estimate, column, confidence) for estimate, column in zip(estimates, replicates.T, strict=True)
    ]
    return {"macro": intervals[-1], **dict(zip(labels, intervals[:-1], strict=True))}


def _interval(estimate, replicates, confidence):
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}.")
    defined = replicates[~np.isnan(replicates)]
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(defined, tails) if defined.size else (np.nan, np.nan)
    return Interval(float(estimate), float(low), float(high), float(confidence))
