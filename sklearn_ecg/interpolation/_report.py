"""Whether a path keeps its waves."""

from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import find_peaks
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_array

from ..signals._validation import check_fs, refuse_short
from ._delineation import MARGIN, delineate, low_pass

_STRAY = 0.75  # of a T wave's height
_T_BEHIND, _P_AHEAD = 0.6, 0.35  # s around R, also of one beyond the border: where a beat may have its waves
_STRAY_LEAST = 0.1  # of a QRS's height
_STRAY_WIDTH = 0.5  # s: the base of a deflection; the trough between a T wave and the next QRS is wider, and none
_FADED = 0.5  # of the height of the lowest QRS at the ends


@dataclass(frozen=True, eq=False)
class PathReport:
    """What happens to the waves on a path.

    Attributes
    ----------
    n_p, n_qrs, n_t : ndarray of int64, shape (n_steps,)
        Waves at each step, as :func:`count_waves` counts them.
    within : ndarray of bool, shape (n_steps,)
        Whether the number of QRS complexes lies between those of the ends.
    monotone : ndarray of bool, shape (n_steps,)
        Whether that number, since the step before, stayed or moved towards that of the last step.
    continuous : ndarray of bool, shape (n_steps,)
        Whether every QRS is near to where it was at the step before, or entered or left at a border.
    full : ndarray of bool, shape (n_steps,)
        Whether every QRS is at least half as high as the lowest ones of the two ends, mixed linearly: one that has
        faded to a bump is none.
    owned : ndarray of bool, shape (n_steps,)
        Whether every T wave follows a QRS: outside of the beats, and away from the borders, behind which there may be
        more of them, no more deflections of half a second than at the ends reach three quarters of the height of the T
        waves, both those of the step and those of the ends, mixed linearly.
    """

    n_p: np.ndarray
    n_qrs: np.ndarray
    n_t: np.ndarray
    within: np.ndarray
    monotone: np.ndarray
    continuous: np.ndarray
    full: np.ndarray
    owned: np.ndarray

    @property
    def steps(self) -> Any:
        """Whether each step is admissible: ndarray of bool, shape (n_steps,)."""
        return self.within & self.monotone & self.continuous & self.full & self.owned

    @property
    def admissible(self) -> Any:
        """Whether all steps are."""
        return bool(self.steps.all())


def path_report(path: ArrayLike, *, fs: float, jump: float = 0.1) -> Any:
    """Judge by its waves whether a path leads through ECG.

    A step is admissible if its number of QRS complexes lies between those of the ends, has not moved away from that of
    the last step since the step before, every QRS has come at most ``jump`` since then unless it entered or left at a
    border, no QRS has faded, and every T wave has its QRS.

    Parameters
    ----------
    path : array-like of shape (n_steps, n_timepoints)
        Signals of one lead, from one end of the path to the other.
    fs : float
        Sampling frequency in Hz, from 50 to 4000.
    jump : float, default=0.1
        Farthest way of a QRS from one step to the next, in s: the path must be fine enough.

    Returns
    -------
    report : PathReport

    Raises
    ------
    TypeError
        If ``fs`` or ``jump`` is not a number.
    ValueError
        If ``path`` is not 2-D, is (n_timepoints, n_steps), has fewer than two steps, or holds NaN or infinity, or
        ``fs`` or ``jump`` is out of range.

    Examples
    --------
    >>> from sklearn_ecg.datasets import make_ecg
    >>> from sklearn_ecg.interpolation import linear_path, transport_path
    >>> a, b = (make_ecg(4, fs=128, heart_rate=rate, random_state=1).signal[0] for rate in (60, 75))
    >>> path_report(transport_path(a, b, fs=128), fs=128).admissible
    True
    >>> path_report(linear_path(a, b), fs=128).admissible
    False
    """
    fs = check_fs(fs)
    jump = check_scalar(jump, "jump", Real, min_val=0)
    path = check_array(path, dtype=np.float64, ensure_min_samples=2, input_name="path")
    refuse_short(path, "path", "(n_steps, n_timepoints)")
    beats = [delineate(row, fs) for row in path]
    n_qrs = np.array([step.whole.sum() for step in beats])
    low, high = sorted((n_qrs[0], n_qrs[-1]))
    change = np.diff(n_qrs, prepend=n_qrs[0])
    kept = [_keeps_its_beats(*pair, jump * fs) for pair in pairwise(beats)]
    stray = _count_stray(path, beats, fs)
    return PathReport(
        n_p=np.array([(step.p >= 0).sum() for step in beats]),
        n_qrs=n_qrs,
        n_t=np.array([(step.t >= 0).sum() for step in beats]),
        within=(low <= n_qrs) & (n_qrs <= high),
        monotone=change * np.sign(n_qrs[-1] - n_qrs[0]) >= np.abs(change),
        continuous=np.array([True, *kept]),
        full=_are_full(path, beats),
        owned=stray <= max(stray[0], stray[-1]),
    )


def _keeps_its_beats(before, after, reach):
    """Whether the beats of two steps in a row meet in order, but for some at the borders."""
    few, many = sorted((before.centre[before.whole], after.centre[after.whole]), key=len)
    ways = [np.abs(many[i : i + len(few)] - few) for i in range(len(many) - len(few) + 1)]
    return any((way <= reach).all() for way in ways)


def _are_full(path, beats):
    """Whether the lowest QRS of each step is high enough."""
    lowest = np.array([_lowest_qrs(row, step) for row, step in zip(path, beats, strict=True)])
    wanted = np.linspace(lowest[0], lowest[-1], len(path)) if np.isfinite(lowest[[0, -1]]).all() else 0.0
    return lowest >= _FADED * wanted


def _lowest_qrs(signal, beats):
    """Height of the lowest QRS that counts, infinite where there is none."""
    spans = np.clip(beats.spans[beats.whole, 2:4], 0, len(signal))
    return min((np.ptp(signal[start:stop]) for start, stop in spans if stop > start), default=np.inf)


def _count_stray(path, beats, fs):
    """Deflections nearly as high as T waves that lie where no beat has its waves, at each step."""
    smooth = low_pass(path, fs)
    least = np.array([_least_of_t(*step) for step in zip(smooth, beats, strict=True)])
    between = np.linspace(least[0], least[-1], len(path)) if np.isfinite(least[[0, -1]]).all() else np.inf
    least = np.maximum(np.where(np.isfinite(least), least, 0.0), between)
    before, behind, margin, width = (round(span * fs) for span in (_P_AHEAD, _T_BEHIND, MARGIN, _STRAY_WIDTH))
    counts = []
    for row, step, height in zip(smooth, beats, least, strict=True):
        free = np.ones(len(row), dtype=bool)
        free[: behind + margin] = free[-before - margin :] = False
        for r in step.r:
            free[max(r - before, 0) : r + behind] = False
        rules = {"prominence": height, "wlen": width, "plateau_size": (None, width // 2)}
        bumps = np.concatenate([find_peaks(side, **rules)[0] for side in (row, -row)])
        counts.append(free[bumps].sum())
    return np.array(counts)


def _least_of_t(smooth, beats):
    """Three quarters of the usual height of a T wave, infinite where there is none."""
    if not (beats.t >= 0).any():
        return np.inf
    spans = np.clip(beats.spans[beats.t >= 0, 4:], 0, len(smooth) - 1)
    height = np.median([np.ptp(smooth[start : stop + 1]) for start, stop in spans])
    return max(_STRAY * height, _STRAY_LEAST * np.ptp(smooth))
