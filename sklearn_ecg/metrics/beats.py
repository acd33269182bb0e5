"""Agreement of detected beats with reference beats."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..signals._validation import check_fs
from ._reports import ratio

__all__ = ["BeatMatch", "match_beats"]


@dataclass(frozen=True, eq=False)
class BeatMatch:
    """Outcome of `match_beats`: counts, rates and the matched pairs.

    Attributes
    ----------
    tp, fp, fn : int
        Matched pairs, detections without a reference beat, reference beats without a detection.
    pairs : ndarray of int64, shape (tp, 2)
        Positions in ``reference`` and in ``detected`` of each pair, in the order of ``reference``'s times.
    """

    tp: int
    fp: int
    fn: int
    pairs: np.ndarray

    @property
    def sensitivity(self) -> float:
        """Se = tp / (tp + fn); NaN without reference beats."""
        return ratio(self.tp, self.tp + self.fn)

    @property
    def ppv(self) -> float:
        """Positive predictive value, +P = tp / (tp + fp); NaN without detections."""
        return ratio(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> float:
        """F1 = 2 tp / (2 tp + fp + fn); NaN when both sides are empty."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def n_errors(self) -> int:
        """Misses and false detections together."""
        return self.fp + self.fn


def match_beats(reference: ArrayLike, detected: ArrayLike, *, fs: float, tolerance: float = 0.15) -> Any:
    """Match detected beats to reference beats, one to one, closest pairs first.

    Of all pairs no further apart than the tolerance, the closest is taken, both its beats leave the
    game, and so on until no pair is left. This order defines the matching: equally close pairs are
    taken by the earlier reference beat, then by the earlier detection. A detection never counts for
    two beats, nor a beat for two detections::

        tolerance          |<--->|<--->|            |<--->|<--->|
        reference     -----------R------------------------R---------
        detected      --------d---D---------------d-----------------
        (D is closer)         FP  TP              FP      FN

        reference     -----R--r-----     both references can reach D: the closer one gets it,
        detected      ------D-------     and the other is missed (TP 1, FN 1)

    Parameters
    ----------
    reference : array-like of shape (n_reference,)
        Sample indices of the true beats, in any order.
    detected : array-like of shape (n_detected,)
        Sample indices of the detections, in any order.
    fs : float
        Sampling frequency in Hz.
    tolerance : float, default=0.15
        Largest distance of a pair in seconds, itself included; 0.15 is the window of ANSI/AAMI EC57.

    Returns
    -------
    match : BeatMatch
        ``tp``, ``fp``, ``fn``, ``pairs`` and the rates ``sensitivity``, ``ppv``, ``f1`` (NaN where undefined).

    Raises
    ------
    ValueError
        If an argument is not one-dimensional and finite, ``fs`` is not positive or ``tolerance`` is negative.

    References
    ----------
    ANSI/AAMI EC57:2012, Testing and reporting performance results of cardiac rhythm and ST segment
    measurement algorithms. The standard walks through the beats in time; the closest pair first is our
    choice, since it does not depend on the direction of time.

    Examples
    --------
    >>> match = match_beats([100, 460, 820], [102, 470, 640], fs=360)
    >>> match.tp, match.fp, match.fn
    (2, 1, 1)
    >>> match.pairs.tolist()
    [[0, 0], [1, 1]]
    """
    reference, detected = _as_times(reference, "reference"), _as_times(detected, "detected")
    fs = check_fs(fs)
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance must be a number of seconds >= 0, got {tolerance!r}.")

    by_time, by_time_detected = np.argsort(reference, kind="stable"), np.argsort(detected, kind="stable")
    rows, columns = _closest_first(reference[by_time], detected[by_time_detected], tolerance * fs)
    pairs = np.column_stack([by_time[rows], by_time_detected[columns]]).astype(np.int64, copy=False)
    return BeatMatch(tp=len(pairs), fp=detected.size - len(pairs), fn=reference.size - len(pairs), pairs=pairs)


def _closest_first(reference, detected, limit):
    """Greedy matching of two sorted arrays: row and column of each pair, sorted by row.

    A pair that ranks first among all pairs of both its beats is taken by the greedy order whatever
    happens elsewhere, so each round takes all such pairs at once: a few rounds instead of a loop.
    """
    slack = limit * (1 + 1e-12)  # 0.15 s * fs must not lose the boundary to rounding
    first = np.searchsorted(detected, reference - slack, side="left")
    n_reachable = np.searchsorted(detected, reference + slack, side="right") - first
    rows = np.repeat(np.arange(reference.size), n_reachable)
    within = np.arange(rows.size) - np.repeat(np.cumsum(n_reachable) - n_reachable, n_reachable)
    columns = first[rows] + within
    order = np.lexsort((columns, rows, np.abs(reference[rows] - detected[columns])))
    rows, columns = rows[order], columns[order]

    taken = []
    while rows.size:
        rank = np.arange(rows.size)
        best_of_row = np.full(reference.size, rows.size)
        best_of_column = np.full(detected.size, rows.size)
        np.minimum.at(best_of_row, rows, rank)
        np.minimum.at(best_of_column, columns, rank)
        mutual = (best_of_row[rows] == rank) & (best_of_column[columns] == rank)
        taken.append(np.column_stack([rows[mutual], columns[mutual]]))
        free = ~(np.isin(rows, rows[mutual]) | np.isin(columns, columns[mutual]))
        rows, columns = rows[free], columns[free]
    pairs = np.concatenate(taken) if taken else np.empty((0, 2), dtype=np.intp)
    pairs = pairs[np.argsort(pairs[:, 0])]
    return pairs[:, 0], pairs[:, 1]


def _as_times(values, name):
    """One-dimensional finite float array of sample indices."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional (sample indices), got shape {values.shape}.")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must hold finite sample indices, got NaN or infinity.")
    return values
