"""Agreement of detected wave boundaries and peaks with those that experts marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ..signals._validation import check_fs
from ._reports import cell, none_for_nan, ratio
from .beats import match_beats

__all__ = ["CSE_LIMITS", "FIDUCIALS", "FiducialReport", "fiducial_report"]

_WAVES = ("P", "QRS", "T")
_MARKS = ("onset", "peak", "offset")

FIDUCIALS: tuple[str, ...] = tuple(f"{wave}_{mark}" for wave in _WAVES for mark in _MARKS)
"""P_onset, P_peak, P_offset, QRS_onset … T_offset."""

CSE_LIMITS = MappingProxyType(
    {"P_onset": 10.2, "P_offset": 12.7, "QRS_onset": 6.5, "QRS_offset": 11.6, "T_offset": 30.6}
)
"""Two standard deviations of the CSE referees in ms."""


@dataclass(frozen=True, eq=False)
class FiducialReport:
    """Detections, misses, false detections and errors of each fiducial; each property is a dict from fiducial to value.

    Attributes
    ----------
    errors : dict of ndarray
        Detected minus marked time in ms, of every pair.
    n_missed, n_false : dict of int
        Marks without a detection; detections without a mark within the labelled span.
    """

    errors: dict
    n_missed: dict
    n_false: dict

    @property
    def n_found(self) -> dict:
        """Number of pairs."""
        return {name: len(error) for name, error in self.errors.items()}

    @property
    def sensitivity(self) -> dict:
        """Se = found / (found + missed); NaN without marks."""
        return {name: ratio(n, n + self.n_missed[name]) for name, n in self.n_found.items()}

    @property
    def ppv(self) -> dict:
        """Positive predictive value, +P = found / (found + false); NaN without detections."""
        return {name: ratio(n, n + self.n_false[name]) for name, n in self.n_found.items()}

    @property
    def mean(self) -> dict:
        """Mean error in ms; positive where the detection is late."""
        return {name: float(error.mean()) if len(error) else float("nan") for name, error in self.errors.items()}

    @property
    def sd(self) -> dict:
        """Standard deviation of the errors in ms (n - 1 in the denominator); NaN for fewer than two."""
        return {name: float(e.std(ddof=1)) if len(e) > 1 else float("nan") for name, e in self.errors.items()}

    @property
    def within_cse(self) -> dict:
        """Share of the marks that were found with an error within :data:`CSE_LIMITS`; NaN without marks.

        The committee's own use of the limits is another: an algorithm's SD should not exceed them.
        """
        return {
            name: ratio(int((np.abs(self.errors[name]) <= limit).sum()), self.n_found[name] + self.n_missed[name])
            for name, limit in CSE_LIMITS.items()
        }

    def to_dict(self) -> dict:
        """Plain Python values, ready for JSON: None stands for NaN."""
        counts = {name: dict(getattr(self, name)) for name in ("n_found", "n_missed", "n_false")}
        rates = {name: getattr(self, name) for name in ("sensitivity", "ppv", "mean", "sd", "within_cse")}
        return counts | {name: {key: none_for_nan(x) for key, x in rate.items()} for name, rate in rates.items()}

    def __str__(self) -> str:
        lines = [f"{'':<12}{'marks':>8}{'Se':>9}{'+P':>9}{'mean ms':>9}{'SD ms':>8}{'in CSE':>9}"]
        within = self.within_cse
        for name in FIDUCIALS:
            cells = [f"{self.n_found[name] + self.n_missed[name]:>8}"]
            cells += [f"{cell(rate[name], '.2%'):>9}" for rate in (self.sensitivity, self.ppv)]
            cells += [f"{cell(self.mean[name], '.1f'):>9}", f"{cell(self.sd[name], '.1f'):>8}"]
            lines.append(f"{name:<12}" + "".join(cells) + f"{cell(within.get(name, np.nan), '.1%'):>9}")
        return "\n".join(lines)


def fiducial_report(reference: Sequence[str], detected: Sequence[str], *, fs: float, tolerance: float = 0.15) -> Any:
    """Score delineations against marks: Se, +P, and mean and SD of the errors of each boundary and peak.

    Every fiducial is matched by itself, one to one and closest pairs first, as :func:`match_beats` does, and the errors
    of all records are pooled. What nobody labelled cannot be scored: a detection before the first or after the last
    mark of a record is no false one, nor is a boundary of a wave whose peak is marked but whose boundary is not::

        marks          (--P--) (QRS)   (--T--)                (QRS)
        detected       (--P--) (QRS)   (--T--)      (--P--)   (QRS)   (--T--)
                       |<------------- labelled span ------------>|
                       found   found   found        false     found   not scored

    Parameters
    ----------
    reference, detected : sequence of structured ndarray
        One for each record and lead: waves with the fields "wave" ("P", "QRS" or "T"), "onset", "peak" and "offset" in
        samples, -1 where there is none, as in ``ECGRecord.fiducials``.
    fs : float
        Sampling frequency in Hz.
    tolerance : float, default=0.15
        Largest distance of a pair in seconds.

    Returns
    -------
    report : FiducialReport
        It prints as a table; ``to_dict()`` gives plain values.

    Raises
    ------
    ValueError
        If the numbers of records differ, a wave is of another kind, ``fs`` is not positive or ``tolerance`` negative.

    References
    ----------
    The CSE Working Party (1985), Recommendations for measurement standards in quantitative electrocardiography,
    European Heart Journal 6(10). Kalyakulina et al. (2020), LUDB, IEEE Access 8, scores at 150 ms too.

    Examples
    --------
    >>> import numpy as np
    >>> dtype = [("wave", "U3"), ("onset", int), ("peak", int), ("offset", int)]
    >>> marks = np.array([("P", 50, 60, 70), ("QRS", 100, 120, 150)], dtype=dtype)
    >>> found = np.array([("P", 48, 60, 74), ("QRS", 101, 120, 150), ("T", 250, 270, 300)], dtype=dtype)
    >>> report = fiducial_report([marks], [found], fs=500)
    >>> report.mean["P_offset"], report.n_false["T_peak"]
    (8.0, 0)
    """
    fs = check_fs(fs)
    if len(reference) != len(detected):
        raise ValueError(f"reference has {len(reference)} record(s), but detected has {len(detected)}.")
    errors: dict[str, list] = {name: [] for name in FIDUCIALS}
    n_missed, n_false = dict.fromkeys(FIDUCIALS, 0), dict.fromkeys(FIDUCIALS, 0)
    for marks, found in zip(reference, detected, strict=True):
        marks, found = _check_waves(marks, "reference"), _check_waves(found, "detected")
        span = _labelled_span(marks)
        for wave in _WAVES:
            ours, theirs = found[found["wave"] == wave], marks[marks["wave"] == wave]
            of_same_wave = match_beats(*(_times(waves, "peak")[0] for waves in (theirs, ours)), fs=fs)
            for mark in _MARKS:
                name = f"{wave}_{mark}"
                error, missed, false = _score(theirs, ours, mark, of_same_wave, span, fs, tolerance)
                errors[name].append(error)
                n_missed[name] += missed
                n_false[name] += false
    pooled = {name: np.concatenate([*parts, []]) for name, parts in errors.items()}
    return FiducialReport(errors=pooled, n_missed=n_missed, n_false=n_false)


def _score(theirs, ours, mark, of_same_wave, span, fs, tolerance):
    """Errors in ms, misses and false detections of one kind of mark of one kind of wave in one record."""
    reference, _ = _times(theirs, mark)
    detected, of_wave = _times(ours, mark)
    peaks_of = [_times(waves, "peak")[1] for waves in (theirs, ours)]
    pairs = [(peaks_of[0][i], peaks_of[1][j]) for i, j in of_same_wave.pairs]
    unlabelled = [ours_at for theirs_at, ours_at in pairs if theirs[mark][theirs_at] < 0]
    detected = detected[~np.isin(of_wave, unlabelled)]
    match = match_beats(reference, detected, fs=fs, tolerance=tolerance)
    error = (detected[match.pairs[:, 1]] - reference[match.pairs[:, 0]]) * (1000 / fs)
    alone = np.delete(detected, match.pairs[:, 1])
    return error, match.fn, int(((alone >= span[0]) & (alone <= span[1])).sum())


def _times(waves, mark):
    """Times of the marks that there are, and the places of their waves."""
    places = np.flatnonzero(waves[mark] >= 0)
    return waves[mark][places], places


def _labelled_span(marks):
    """First and last marked sample; nothing lies in between where there are no marks."""
    times = np.concatenate([_times(marks, mark)[0] for mark in _MARKS])
    return (times.min(), times.max()) if len(times) else (np.inf, -np.inf)


def _check_waves(waves, name):
    waves = np.asarray(waves)
    if not {"wave", *_MARKS} <= set(waves.dtype.names or ()):
        raise ValueError(f"{name} must hold structured arrays with the fields wave, onset, peak and offset.")
    if waves.ndim != 1:
        raise ValueError(f"{name} must hold a 1-D array for each record: that of one record stands in a list, too.")
    unknown = sorted(set(waves["wave"].tolist()) - set(_WAVES))
    if unknown:
        raise ValueError(f"{name} must hold waves called P, QRS and T, got {unknown}.")
    return waves
