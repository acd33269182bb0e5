"""Heart rate, PR, QRS and QT from the boundaries of the waves."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..signals._annotations import INTERVALS
from ..signals._validation import check_fs
from ._waves import WAVE_DTYPE, check_waves

_KINDS = ("P", "QRS", "T")
_SAME_WAVE = 0.15
_CORRECTIONS = {
    "bazett": lambda rr: rr**0.5,
    "fridericia": lambda rr: rr ** (1 / 3),
}


def wave_intervals(waves: Sequence[str], *, fs: float) -> np.ndarray:
    """Measure heart rate, PR, QRS and QT of records whose waves are delineated: medians over the beats.

    Each QRS goes with the last P wave since the QRS before it and with the first T wave until the next. PR is from the
    onset of P to that of QRS, QRS from its onset to its offset, QT from its onset to the offset of T, and the heart
    rate 60 over the median interval between the peaks of QRS. A beat that lacks a boundary is left out of the median of
    what needs it.

    Parameters
    ----------
    waves : sequence of structured ndarray
        One for each record, of one lead or of all together (:func:`merge_waves`): waves with the fields "wave" ("P",
        "QRS" or "T"), "onset", "peak" and "offset" in samples, -1 where there is none, as in ``ECGRecord.fiducials``.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    intervals : ndarray of float64 of shape (n_records, 4)
        Heart rate in bpm, PR, QRS and QT in ms; NaN where no beat gives a value, so PR in atrial fibrillation.

    Raises
    ------
    ValueError
        If ``fs`` is not positive or a record is no such array.

    Examples
    --------
    >>> from sklearn_ecg.datasets import make_ecg
    >>> record = make_ecg(10, fs=500, heart_rate=75, heart_rate_std=0, random_state=0)
    >>> wave_intervals([record.fiducials["II"]], fs=500).tolist()
    [[75.0, 170.0, 130.0, 414.0]]
    """
    fs = check_fs(fs)
    return np.array([_measure(check_waves(marks), fs) for marks in waves]).reshape(-1, len(INTERVALS))


def merge_waves(waves: Sequence[str] | dict, *, fs: float) -> np.ndarray:
    """Merge the waves of several leads: each from its earliest onset to its latest offset over the leads.

    Waves of one kind belong together where their peaks follow each other by 0.15 s at most, of each lead one. Lead by
    lead a wave is shorter, since where it runs at right angles to a lead it does not show.

    Parameters
    ----------
    waves : sequence of structured ndarray, or dict of them
        One for each lead, as :func:`wave_intervals` takes them; of a dict, as in ``ECGRecord.fiducials``, the values.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    merged : structured ndarray of dtype WAVE_DTYPE
        The peak is the median of the peaks; -1 stands where no lead has the boundary.

    Raises
    ------
    ValueError
        If there is no lead, ``fs`` is not positive or a lead is no such array.
    """
    fs = check_fs(fs)
    leads = [check_waves(marks) for marks in (waves.values() if hasattr(waves, "values") else waves)]
    if not leads:
        raise ValueError("waves must hold the waves of at least one lead.")
    merged = []
    for kind in _KINDS:
        of_kind = [_as_waves(marks[(marks["wave"] == kind) & (marks["peak"] >= 0)]) for marks in leads]
        every, lead = np.concatenate(of_kind), np.repeat(np.arange(len(leads)), list(map(len, of_kind)))
        merged += [_merged(every[group]) for group in _groups(every["peak"], lead, _SAME_WAVE * fs)]
    merged = np.array(merged, dtype=WAVE_DTYPE)
    return merged[np.argsort(merged["peak"], kind="stable")]


def corrected_qt(qt: ArrayLike, heart_rate: ArrayLike, *, formula: str = "bazett") -> np.ndarray:
    """QT interval corrected for the heart rate.

    Parameters
    ----------
    qt : array-like
        QT in ms.
    heart_rate : array-like
        Heart rate in bpm, NaN where unknown.
    formula : {"bazett", "fridericia"}, default="bazett"
        QT over the square root, or the cube root, of the RR interval in seconds.

    Returns
    -------
    qtc : ndarray
        In ms.

    Raises
    ------
    ValueError
        If the formula is unknown or a heart rate is not positive.

    References
    ----------
    Bazett (1920), An analysis of the time-relations of electrocardiograms, Heart 7. Fridericia (1920), Die
    Systolendauer im Elektrokardiogramm bei normalen Menschen und bei Herzkranken, Acta Medica Scandinavica 53.

    Examples
    --------
    >>> float(corrected_qt(400, 60)), float(corrected_qt(320, 93.75))
    (400.0, 400.0)
    """
    if formula not in _CORRECTIONS:
        raise ValueError(f"formula must be {' or '.join(map(repr, _CORRECTIONS))}, got {formula!r}.")
    heart_rate = np.asarray(heart_rate, dtype=np.float64)
    if (heart_rate <= 0).any():
        raise ValueError(f"heart_rate must be positive, in bpm, got {heart_rate[heart_rate <= 0][0]:g}.")
    return np.asarray(qt, dtype=np.float64) / _CORRECTIONS[formula](60.0 / heart_rate)


def _measure(marks, fs):
    """Heart rate in bpm, PR, QRS and QT in ms."""
    p, qrs, t = (np.sort(marks[(marks["wave"] == kind) & (marks["peak"] >= 0)], order="peak") for kind in _KINDS)
    bounds = np.concatenate([[-1], qrs["peak"], [np.iinfo(np.int64).max]])
    p_of = _beside(p["peak"], bounds[:-2], bounds[1:-1], last=True)
    t_of = _beside(t["peak"], bounds[1:-1], bounds[2:], last=False)
    rr = np.diff(qrs["peak"])
    spans = (
        _spans(_at(p["onset"], p_of), qrs["onset"]),
        _spans(qrs["onset"], qrs["offset"]),
        _spans(qrs["onset"], _at(t["offset"], t_of)),
    )
    heart_rate = 60 * fs / np.median(rr) if len(rr) else np.nan
    return [heart_rate, *(1000 / fs * np.median(span) if len(span) else np.nan for span in spans)]


def _beside(peaks, after, before, *, last):
    """Place of the last, or first, of the sorted ``peaks`` between each pair of times; -1 where there is none."""
    low, high = np.searchsorted(peaks, after, side="right"), np.searchsorted(peaks, before, side="left")
    return np.where(high > low, high - 1 if last else low, -1)


def _at(times, places):
    """Times at the places; -1 for the place -1."""
    return np.append(times, -1)[places]


def _spans(start, stop):
    known = (start >= 0) & (stop >= 0)
    return (stop - start)[known]


def _as_waves(marks):
    """The same with the fields of WAVE_DTYPE in its order: NumPy joins and fills structured arrays by place."""
    waves = np.empty(len(marks), dtype=WAVE_DTYPE)
    for name in WAVE_DTYPE.names:
        waves[name] = marks[name]
    return waves


def _groups(peaks, lead, reach):
    """Places of the waves that belong together, in time."""
    groups, seen = [], set()
    for place in np.argsort(peaks, kind="stable"):
        if not groups or peaks[place] - peaks[groups[-1][-1]] > reach or lead[place] in seen:
            groups.append([])
            seen = set()
        groups[-1].append(place)
        seen.add(lead[place])
    return groups


def _merged(waves):
    onsets, offsets = (waves[mark][waves[mark] >= 0] for mark in ("onset", "offset"))
    peak = int(np.rint(np.median(waves["peak"])))
    return waves["wave"][0], onsets.min() if len(onsets) else -1, peak, offsets.max() if len(offsets) else -1
