"""How many P waves, QRS complexes and T waves there are, and where."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array

from ..signals._record import ECGRecord
from ..signals._validation import as_array, check_fs, refuse_short, signal_of
from ._delineation import delineate


@dataclass(frozen=True, eq=False)
class WaveCount:
    """The waves of one signal.

    Attributes
    ----------
    qrs : ndarray of int64, shape (n_qrs,)
        R peaks in samples, of the QRS complexes that are not cut off.
    p, t : ndarray of int64, shape (n_p,) and (n_t,)
        Peaks of the P and T waves in samples.
    p_of, t_of : ndarray of int64, shape (n_p,) and (n_t,)
        Index in ``qrs`` of the complex that a wave belongs to, -1 where the complex is cut off.
    """

    qrs: np.ndarray
    p: np.ndarray
    t: np.ndarray
    p_of: np.ndarray
    t_of: np.ndarray

    @property
    def n_p(self) -> Any:
        """Number of P waves."""
        return len(self.p)

    @property
    def n_qrs(self) -> Any:
        """Number of QRS complexes."""
        return len(self.qrs)

    @property
    def n_t(self) -> Any:
        """Number of T waves."""
        return len(self.t)


def count_waves(signal: ArrayLike | ECGRecord, *, fs: float) -> Any:
    """Count the P waves, QRS complexes and T waves of one lead.

    QRS complexes are those of :func:`sklearn_ecg.preprocessing.detect_r_peaks` that are at least half as steep as the
    median one, since a T wave whose QRS is cut off by a border is not, and 0.2 s behind the one before. A complex
    counts if the centre of its energy is at least 100 ms away from both ends, which is where it is sure to be whole.
    The T wave is the largest deflection from the chord of the stretch that follows a QRS, if it reaches .03 of the
    height of the QRS. P waves are sought in the median of all beats, as the most prominent peak before the QRS, and
    then in each beat, at the same place, where it resembles the median: what is not locked to the QRS, as in atrial
    fibrillation, is no P wave.

    Parameters
    ----------
    signal : array-like of shape (n_timepoints,) or (n_signals, n_timepoints), or ECGRecord
        One lead, or several signals of one lead each; of a record, its leads. Neither unit nor offset matters.
    fs : float
        Sampling frequency in Hz, from 50 to 4000.

    Returns
    -------
    waves : WaveCount or list of WaveCount
        A list for 2-D input and for a record.

    Raises
    ------
    TypeError
        If ``fs`` is not a number.
    ValueError
        If ``signal`` is not 1-D or 2-D, is (n_timepoints, n_signals), holds NaN or infinity, or is a record of another
        ``fs``; if ``fs`` is out of range.

    Notes
    -----
    Accuracy on the marks of LUDB: ``python -m benchmarks.representation --experiment waves``. The numbers of this
    delineator were chosen on every other of its records.

    Examples
    --------
    >>> from sklearn_ecg.datasets import make_ecg
    >>> waves = count_waves(make_ecg(10, fs=250, random_state=0).signal[0], fs=250)
    >>> waves.n_p, waves.n_qrs, waves.n_t
    (9, 10, 10)
    """
    fs = check_fs(fs)
    signal = as_array(signal_of(signal, fs=fs), "signal")
    signals = check_array(signal, ensure_2d=False, dtype=np.float64, input_name="signal")
    refuse_short(signals, "signal", "(n_signals, n_timepoints)")
    if signals.ndim == 1:
        return _count(delineate(signals, fs))
    return [_count(delineate(row, fs)) for row in signals]


def _count(beats):
    rank = np.where(beats.whole, np.cumsum(beats.whole) - 1, -1)
    has_p, has_t = beats.p >= 0, beats.t >= 0
    return WaveCount(beats.r[beats.whole], beats.p[has_p], beats.t[has_t], rank[has_p], rank[has_t])
