"""Periods and RR intervals of generated records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import wasserstein_distance
from sklearn.utils import check_random_state

from ..parameters import RandomState
from ..signals._validation import check_fs
from ._reports import as_rows, mean, none_for_nan, plain, ratio
from .beats import match_beats
from .bootstrap import Interval
from .classification import check_lengths, record_codes
from .discrepancy import draw_halves, percentiles

__all__ = ["PeriodicityReport", "RRReport", "periodicity", "rr_distance"]

_GAP = 1.5


@dataclass(frozen=True)
class PeriodicityReport:
    """Outcome of :func:`periodicity`; NaN where nothing can be told.

    Attributes
    ----------
    complete : float
        Share of the records with an expected beat in which every expected beat is there.
    sensitivity, ppv : float
        Expected beats that are there, and beats that were expected, over all records.
    gap_free : float
        Share of the records without a gap of more than 1.5 median RR intervals (of an even number, the lower median),
        before the first and after the last beat included. A record of fewer than two beats has a gap.
    irregularity : float
        Median over the records of three beats or more of the standard deviation of their RR intervals over the mean.
    beats_per_record : float
        Mean number of beats.
    n_records : int
    """

    complete: float
    sensitivity: float
    ppv: float
    gap_free: float
    irregularity: float
    beats_per_record: float
    n_records: int

    def to_dict(self) -> dict:
        """Plain Python values, ready for JSON: None stands for NaN."""
        return plain(self)


def periodicity(
    peaks: Sequence,
    *,
    fs: float,
    n_timepoints: int,
    expected: Sequence | None = None,
    tolerance: float = 0.1,
    border: float = 0.1,
) -> Any:
    """Whether records have a beat in every period.

    Parameters
    ----------
    peaks : sequence of array-like of int
        Samples of the R peaks found in each record, as :func:`sklearn_ecg.preprocessing.detect_r_peaks` gives them.
    fs : float
        Sampling frequency in Hz.
    n_timepoints : int
        Samples of a record.
    expected : sequence of array-like of int, default=None
        Samples of the beats that should be there, such as the impulses a record was made from. Without it,
        ``complete``, ``sensitivity`` and ``ppv`` are NaN.
    tolerance : float, default=0.1
        Largest distance of a beat from the expected one in seconds. Beats are matched one to one.
    border : float, default=0.1
        Seconds at both ends of a record where an expected beat may be cut off and none is asked for; a beat found
        there counts neither way.

    Returns
    -------
    report : PeriodicityReport

    Raises
    ------
    ValueError
        If there is no record, ``expected`` is of another length, or a number is out of its range.

    Examples
    --------
    >>> found = [[100, 200, 300, 400], [100, 300, 400]]
    >>> report = periodicity(found, fs=100, n_timepoints=500, expected=[[100, 200, 300, 400]] * 2)
    >>> report.complete, report.sensitivity, report.gap_free
    (0.5, 0.875, 0.5)
    """
    fs = check_fs(fs)
    peaks = [np.sort(np.asarray(at, dtype=np.float64)) for at in peaks]
    if not peaks:
        raise ValueError("peaks must hold those of one record at least, got none.")
    if n_timepoints < 1:
        raise ValueError(f"n_timepoints must be at least 1, got {n_timepoints!r}.")
    if not border >= 0:
        raise ValueError(f"border must be at least 0, in seconds, got {border!r}.")
    complete = sensitivity = ppv = np.nan
    if expected is not None:
        check_lengths({"peaks": peaks, "expected": expected})
        inside = border * fs, n_timepoints - 1 - border * fs
        counts = np.array([_match(*pair, fs, tolerance, inside) for pair in zip(expected, peaks, strict=True)])
        hits, missed, extra = counts.T
        complete = mean((missed == 0)[hits + missed > 0])
        sensitivity, ppv = ratio(hits.sum(), (hits + missed).sum()), ratio(hits.sum(), (hits + extra).sum())
    spread = [np.std(np.diff(at)) / np.mean(np.diff(at)) for at in peaks if len(at) > 2]
    return PeriodicityReport(
        complete=complete,
        sensitivity=sensitivity,
        ppv=ppv,
        gap_free=mean([_is_gap_free(at, n_timepoints) for at in peaks]),
        irregularity=float(np.median(spread)) if spread else np.nan,
        beats_per_record=mean([len(at) for at in peaks]),
        n_records=len(peaks),
    )


def _match(expected, found, fs, tolerance, inside):
    """Hits, misses and extra beats; those matched with a beat at the border count nowhere."""
    expected = np.asarray(expected, dtype=np.float64)
    asked, sure = ((inside[0] <= at) & (at <= inside[1]) for at in (expected, found))
    pairs = match_beats(expected, found, fs=fs, tolerance=tolerance).pairs
    hits = asked[pairs[:, 0]].sum()
    sure[pairs[:, 1]] = False
    return hits, asked.sum() - hits, sure.sum()


def _is_gap_free(peaks, n_timepoints):
    if len(peaks) < 2:
        return False
    rr = np.sort(np.diff(peaks))
    longest = _GAP * rr[(len(rr) - 1) // 2]
    return bool(np.max(np.diff([0, *peaks, n_timepoints - 1])) <= longest)


@dataclass(frozen=True)
class RRReport:
    """Outcome of :func:`rr_distance`.

    Attributes
    ----------
    distance : Interval
        Wasserstein-1 distance in ms of the generated intervals and half of the real groups: mean over the splits, and
        percentiles.
    floor : Interval
        That of the two halves of the real groups.
    n_real, n_generated : int
        Intervals.
    """

    distance: Interval
    floor: Interval
    n_real: int
    n_generated: int

    @property
    def multiple(self) -> float:
        """``distance`` over ``floor``; NaN where that is 0, as between halves of equal intervals."""
        return ratio(self.distance.estimate, self.floor.estimate)

    def to_dict(self) -> dict:
        """Plain Python values, ready for JSON: None stands for NaN."""
        return plain(self) | none_for_nan({"multiple": self.multiple})


def rr_distance(
    real: ArrayLike,
    generated: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    n_splits: Any = 200,
    confidence: Any = 0.95,
    random_state: RandomState | None = None,
) -> Any:
    """Distance of the distributions of RR intervals, beside that of real and real.

    The Wasserstein-1 distance is the area between the two distribution functions: the mean shift in ms that turns one
    into the other. As in :func:`sklearn_ecg.metrics.mmd_report`, the groups of the real intervals are split into
    halves, of which one is compared with the other and with all generated intervals.

    Parameters
    ----------
    real, generated : array-like of shape (n_real,), (n_generated,)
        RR intervals in ms.
    groups : array-like of shape (n_real,), default=None
        Patient (or record) of each real interval; None takes every interval as a group of its own.
    n_splits, confidence, random_state
        As in :func:`sklearn_ecg.metrics.mmd_report`.

    Returns
    -------
    report : RRReport

    Raises
    ------
    ValueError
        If an array is not 1-D and finite or is empty, the lengths differ, or there are fewer than four groups.

    Examples
    --------
    >>> rr_distance([800.0] * 4, [900.0, 1000.0], random_state=0).distance.estimate
    150.0
    """
    real, generated = _intervals(real, "real"), _intervals(generated, "generated")
    codes = np.arange(len(real)) if groups is None else record_codes(groups)
    check_lengths({"real": real, "groups": codes})
    halves = draw_halves(codes, n_splits, check_random_state(random_state))[:, codes]
    return RRReport(
        distance=percentiles([wasserstein_distance(real[half], generated) for half in halves], confidence),
        floor=percentiles([wasserstein_distance(real[half], real[~half]) for half in halves], confidence),
        n_real=len(real),
        n_generated=len(generated),
    )


def _intervals(rr, name):
    rr = np.asarray(rr, dtype=np.float64)
    if rr.ndim != 1:
        raise ValueError(f"{name} must be 1-D (n_intervals,), got shape {rr.shape}.")
    return as_rows(rr[:, None], name)[:, 0]
