"""Small delineator: QRS complexes, and the P and T waves between them."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt

from ..preprocessing import detect_r_peaks

MARGIN = 0.1  # s; a QRS whose centre is closer to an end is not counted: it may be cut off
_STEEP = 0.5  # of the beats' usual steepness; less is the T wave of a beat that a border cuts off, or a giant T wave
_SHORTEST_RR = 0.2  # s
_HALF_QRS = 0.06  # s
_SMOOTH = 15.0  # Hz; P and T waves have little above
_QRS_REACH = (0.12, 0.16)  # s before and after the R peak: the farthest ends of a QRS
_QRS_LEVEL = 0.12  # of the steepest slope: where a QRS begins and ends
_SLOPE_OVER = 0.02  # s
_QUIET = 0.02  # s that the slope stays below that level
_T_FROM, _T_TO, _T_LAST = 0.04, 0.65, 0.56  # s after the QRS, share of the RR interval and s after R
_P_FROM, _P_LAST = 0.28, 0.45  # s before R and share of the RR interval
_P_ALIKE, _P_SHARE = 0.8, 0.7  # correlation with the median beat, and share of the beats that reach it
_P_ROOM = 0.08  # s at least
_P_NEAREST = 0.065  # s before R
_LEAST = {"P": 0.006, "T": 0.03}  # of the QRS's height
_EDGE = 0.15  # of a wave's height: where it begins and ends
_ROOM = 8  # samples between two QRS complexes, at least


@dataclass(frozen=True)
class Beats:
    """The beats of one signal, in order.

    Attributes
    ----------
    r : ndarray of int64, shape (n_beats,)
        R peaks in samples.
    p, t : ndarray of int64, shape (n_beats,)
        Peaks of the P and T waves in samples, -1 where there is none.
    spans : ndarray of int64, shape (n_beats, 6)
        First sample of and first sample after P, QRS and T; the usual place where there is none, and beyond the
        signal where the beat is cut off.
    whole : ndarray of bool, shape (n_beats,)
        Whether the centre of the QRS is at least 100 ms away from both ends of the signal.
    centre : ndarray of shape (n_beats,)
        Centres of energy of the QRS complexes, in samples.
    """

    r: np.ndarray
    p: np.ndarray
    t: np.ndarray
    spans: np.ndarray
    whole: np.ndarray
    centre: np.ndarray

    def __len__(self):
        return len(self.r)


def delineate(signal, fs):
    """The :class:`Beats` of a finite signal (n_timepoints,)."""
    peaks, slope = _find_qrs(signal, fs)
    n = len(peaks)
    centre, margin = _centres(slope, peaks, fs), MARGIN * fs
    whole = (centre >= margin) & (centre <= len(signal) - 1 - margin)
    found = Beats(peaks, np.full(n, -1), np.full(n, -1), np.zeros((n, 6), dtype=np.int64), whole, centre)
    if n == 0:
        return found
    smooth = low_pass(signal, fs)
    intervals = np.diff(peaks)
    usual = float(np.median(intervals)) if n > 1 else 0.8 * fs
    before, after = np.append(usual, intervals), np.append(intervals, usual)
    for beat, peak in enumerate(peaks):
        found.spans[beat, 2:4] = _qrs_span(slope, peak, fs)
    _part_qrs(found.spans, peaks)
    height = np.array([np.ptp(signal[max(lo, 0) : hi]) for lo, hi in found.spans[:, 2:4]])
    height = float(np.median(height))
    for beat, peak in enumerate(peaks):
        off = found.spans[beat, 3]
        last = peak + min(_T_TO * after[beat], _T_LAST * fs + 0.15 * after[beat])
        window = off + round(_T_FROM * fs), min(int(last), int(peak + after[beat] - 0.1 * fs))
        found.t[beat], found.spans[beat, 4:] = _wave(smooth, *window, _LEAST["T"] * height, fs)
    _find_p(found, smooth, before, _LEAST["P"] * height, fs)
    _put_in_order(found.spans)
    return found


def _find_p(found, smooth, before, least, fs):
    """Fill in the P waves: sought in the median beat, then near there in each beat that resembles it.

    What is not locked to the QRS (fibrillation, noise) leaves little in the median, and an ectopic beat's P wave is not
    where the others' are.
    """
    stops = found.spans[:, 2]
    found.spans[:, 0], found.spans[:, 1] = stops - round(0.12 * fs), stops - 1
    starts, windows = _before_qrs(found, smooth, before, fs)
    known = np.flatnonzero(np.isfinite(windows).sum(axis=0) >= max(1, len(found) // 2))
    if len(known) < _P_ROOM * fs:
        return
    usual = np.nanmedian(windows[:, known], axis=0)
    peak, (start, stop) = _bump(usual, least)
    if peak < 0:
        return
    low, high = known[0] + start, known[0] + stop
    found.spans[:, 0], found.spans[:, 1] = starts + low, starts + high
    near = windows[:, low:high]
    seen = np.isfinite(near).all(axis=1)
    shape = _above_chord(usual[start:stop])
    deflection = _above_chord(np.where(seen[:, None], near, 0.0))
    size = np.linalg.norm(deflection, axis=1) * np.linalg.norm(shape)
    alike = seen & (deflection @ shape > _P_ALIKE * size) & (np.ptp(deflection, axis=1) > least)
    if alike.sum() >= _P_SHARE * seen.sum():
        at = np.argmax(np.sign(shape[peak - start]) * deflection, axis=1)
        found.p[alike] = (starts + low + at)[alike]


def _before_qrs(found, smooth, before, fs):
    """First samples and windows (n_beats, n_times) from the end of the previous T wave to the QRS; NaN elsewhere."""
    n_before = round(_P_FROM * fs)
    gap = max(int(np.median(found.r - found.spans[:, 2])), round(_P_NEAREST * fs))
    starts, index = found.r - n_before, np.arange(n_before - gap)
    at = starts[:, None] + index
    first = starts + n_before - np.minimum(_P_LAST * before, n_before).astype(int)
    first[1:] = np.maximum(first[1:], found.spans[:-1, 5])
    seen = (at >= np.maximum(first, 0)[:, None]) & (at < len(smooth))
    return starts, np.where(seen, smooth[np.clip(at, 0, len(smooth) - 1)], np.nan)


def _above_chord(signals):
    """Signals (…, n_times) without the straight line from their first to their last value."""
    slope = np.linspace(0.0, 1.0, signals.shape[-1])
    return signals - signals[..., :1] * (1 - slope) - signals[..., -1:] * slope


def _bump(signal, least):
    """Most prominent maximum or minimum of a signal, -1 if less prominent than ``least``, and its span."""
    best, result = least, (-1, (0, 0))
    for side in (signal, -signal):
        peaks, found = find_peaks(side, prominence=best)
        if peaks.size:
            k = int(np.argmax(found["prominences"]))
            best = found["prominences"][k]
            low = side < side[peaks[k]] - (1 - _EDGE) * best
            left, right = np.flatnonzero(low[: peaks[k]]), np.flatnonzero(low[peaks[k] :])
            start, stop = left[-1] if left.size else 0, peaks[k] + (right[0] if right.size else len(low) - peaks[k])
            result = int(peaks[k]), (int(start), int(stop))
    return result


def _find_qrs(signal, fs):
    """R peaks, and the slope of the signal; what is much less steep than the other beats is none.

    Nor is what follows a beat at once, as the detector may tell it of noise and at borders.
    """
    peaks = detect_r_peaks(signal, fs=fs)
    slope = _slope(signal, fs)
    if len(peaks) == 0:
        return peaks, slope
    steepest = maximum_filter1d(slope, 2 * round(_HALF_QRS * fs) + 1)[peaks]
    peaks = peaks[steepest >= _STEEP * np.median(steepest)]
    return peaks[np.diff(peaks, prepend=-np.inf) >= _SHORTEST_RR * fs], slope


def _centres(slope, peaks, fs):
    """Centres of the energy of the QRS complexes, in samples: unlike the peak, it cannot jump from R to S."""
    reach = np.arange(-round(_QRS_REACH[0] * fs), round(_QRS_REACH[0] * fs) + 1)
    energy, centre = slope**2, peaks.astype(float)
    for _ in range(2):
        index = np.rint(centre).astype(int)[:, None] + reach
        inside = (index >= 0) & (index < len(slope))
        weight = np.where(inside, energy[np.clip(index, 0, len(slope) - 1)], 0.0)
        centre = np.sum(weight * index, axis=1) / np.maximum(np.sum(weight, axis=1), np.finfo(float).tiny)
    return centre


def low_pass(signal, fs):
    """Signals (…, n_timepoints) below 15 Hz: P and T waves."""
    padlen = min(round(0.3 * fs), signal.shape[-1] - 1)
    return sosfiltfilt(_sections(fs), signal, padtype="even", padlen=padlen)


@lru_cache(maxsize=8)
def _sections(fs):
    return butter(2, _SMOOTH, fs=fs, output="sos")


def _slope(signal, fs):
    """Steepness, smoothed."""
    if len(signal) < 2:
        return np.zeros(len(signal))
    width = max(round(_SLOPE_OVER * fs), 1)
    return np.convolve(np.abs(np.gradient(signal)), np.ones(width) / width, mode="same")


def _qrs_span(slope, peak, fs):
    """First sample of and first after the QRS: where the slope comes to rest on both sides of its steepest places."""
    low, high = peak - round(_QRS_REACH[0] * fs), peak + round(_QRS_REACH[1] * fs) + 1
    inside = slope[max(low, 0) : high]
    steep = inside > _QRS_LEVEL * inside.max()
    quiet = max(round(_QUIET * fs), 1)
    at = peak - max(low, 0)
    ends = []
    for side in (steep[at::-1], steep[at:]):
        core = min(round(0.03 * fs), len(side) - 1)
        rests = np.flatnonzero(~_any_steep(side[core:], quiet))
        ends.append(core + (rests[0] if rests.size else len(side) - core))
    return peak - ends[0] + 1 if ends[0] <= at else low, peak + ends[1]


def _part_qrs(spans, peaks):
    """Shorten QRS complexes that leave no room for a T and a P wave between them, in place."""
    close = spans[1:, 2] - spans[:-1, 3] < _ROOM
    middle = (peaks[1:] + peaks[:-1]) // 2
    spans[:-1, 3] = np.where(close, np.minimum(spans[:-1, 3], middle - _ROOM // 2), spans[:-1, 3])
    spans[1:, 2] = np.where(close, np.maximum(spans[1:, 2], middle + _ROOM // 2), spans[1:, 2])


def _any_steep(steep, quiet):
    """Whether any of the next ``quiet`` samples is steep."""
    total = np.concatenate([[0], np.cumsum(steep), np.full(quiet, np.sum(steep))])
    return total[quiet : quiet + len(steep)] > total[: len(steep)]


def _wave(smooth, low, high, least, fs):
    """Peak of the largest deflection from the chord of a window, -1 if below ``least``, and its span."""
    usual = low, max(high, low + 1)
    lo, hi = max(low, 0), min(high, len(smooth))
    if hi - lo < 0.06 * fs:
        return -1, usual
    inside = smooth[lo:hi]
    deflection = _above_chord(inside)
    at = int(np.argmax(np.abs(deflection)))
    if np.abs(deflection[at]) < least:
        return -1, usual
    shape = deflection * np.sign(deflection[at])
    low_enough = shape < _EDGE * shape[at]
    left, right = np.flatnonzero(low_enough[:at]), np.flatnonzero(low_enough[at:])
    start = lo + (left[-1] if left.size else 0)
    stop = lo + at + (right[0] + 1 if right.size else hi - lo - at)
    return lo + at, (start, stop)


def _put_in_order(spans):
    """Make all edges strictly increasing from wave to wave and beat to beat, in place; a QRS keeps its place."""
    n = len(spans)
    for beat in range(n):
        ceiling = spans[beat, 2] - 1
        spans[beat, 1] = min(spans[beat, 1], ceiling)
        spans[beat, 0] = min(spans[beat, 0], spans[beat, 1] - 2)
        spans[beat, 4] = max(spans[beat, 4], spans[beat, 3] + 1)
        spans[beat, 5] = max(spans[beat, 5], spans[beat, 4] + 2)
    for beat in range(n - 1):
        if spans[beat, 5] >= spans[beat + 1, 0]:
            _divide(spans, beat)


def _divide(spans, beat):
    """Share the room between two QRS complexes whose T and P waves overlap."""
    start, stop = spans[beat, 3], spans[beat + 1, 2]
    room = stop - start
    middle = np.clip((spans[beat, 5] + spans[beat + 1, 0]) // 2, start + 0.4 * room, stop - max(0.3 * room, _ROOM / 2))
    spans[beat, 5], spans[beat + 1, 0] = int(middle), int(middle) + 1
    spans[beat, 4] = min(spans[beat, 4], spans[beat, 5] - 2)
    spans[beat + 1, 1] = max(spans[beat + 1, 1], spans[beat + 1, 0] + 2)
