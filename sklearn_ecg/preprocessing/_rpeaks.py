"""Detection of R peaks."""

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ..signals._record import ECGRecord
from ..signals._validation import check_fs, check_record
from ._rpeaks_features import find_candidates, locate_peaks
from ._rpeaks_signal import bridge, prepare_signal

MIN_FS, MAX_FS = 50.0, 4000.0  # Hz
REFRACTORY = 0.22  # s between two beats

WEIGHTS = {
    "height": 1.25,
    "quiet": -1.85,
    "busy": -3.82,
    "area": 0.745,
    "slope": 0.619,
    "rival_near": -0.601,
    "rival_before": -0.16,
    "rival_after": 0.161,
    "gap_before": 3.64,
    "gap_after": 4.65,
    "gap": -2.16,
    "interval": -2.52,
    "alike": 1.17,
}
BIAS = -7.52


def detect_r_peaks(signal: ArrayLike | ECGRecord, *, fs: float, method: str | Callable = "logistic") -> np.ndarray:
    """Find the R peaks of an ECG.

    The default method decides in four steps. (1) Stretches in which all leads are flat, missing or nothing but faint
    noise are left out, absurd samples are bridged, and the signal is brought below 25 Hz, to a rate of about 100 Hz;
    the local maxima of its rectified and smoothed 10–25 Hz band are the candidates. (2) Each candidate is described by
    its height over a running level (a median of block maxima, which neither an artefact nor a change of gain upsets
    for long), the rest between beats, its area and slope over those of beats, higher candidates close by (a T wave
    follows its QRS, a P wave precedes it), the gaps to the presumed beats on both sides, and the resemblance to
    presumed beats of the whole record. (3) A logistic function of these decides; of two beats closer than 220 ms
    the likelier one stays. (4) The peak is the strongest deflection from the baseline in the 3–25 Hz band, moved to
    the extremum of the signal itself. Where a QRS rises about as far as it falls, the beats around vote on the
    direction; of two humps about equally high, the first counts.

    Several leads are brought to a common level, weighted by the quiet between their beats and combined by their root
    sum of squares, so that neither the gain nor the polarity of a lead matters; the peaks are those of the lead that
    shows most of them best. The decision looks at the whole recording: it is not made for streams.

    Parameters
    ----------
    signal : array-like of shape (n_timepoints,) or (n_leads, n_timepoints), or ECGRecord
        One ECG recording. The amplitude scale, the polarity and an offset of up to 1e8 times the amplitude do not
        matter. Values that are not finite are bridged, and no peak is placed where every lead is missing. So are, by
        "logistic", flat lines of half a second and more, and samples that deviate from the second around by ten times
        the usual range, as markers of invalid values do.
    fs : float
        Sampling frequency in Hz, from 50 to 4000.
    method : {"logistic", "xqrs"} or callable, default="logistic"
        "xqrs" is the detector of the wfdb package on the first lead. A callable ``(signal, fs)`` is given the
        first lead, 1-D, without holes, and returns sample indices; those in holes are left out.

    Returns
    -------
    peaks : ndarray of int64, shape (n_peaks,)
        Sample indices, strictly increasing. Empty for a flat signal or one that is shorter than 1.5 s.

    Raises
    ------
    TypeError
        If ``fs`` is not a number.
    ValueError
        If ``signal`` is not one- or two-dimensional, has its axes swapped, or is a record of another ``fs``; if ``fs``
        is outside its range, ``method`` is unknown, or a callable returns anything but sample indices of the signal.
    ImportError
        If ``method="xqrs"`` and wfdb is not installed.

    Notes
    -----
    The weights of the logistic function were fitted on the 22 records of MIT-BIH's DS1 (de Chazal et al., 2004) by
    ``python -m benchmarks.rpeaks --fit``. The chain of band-pass, rectification and smoothing goes back to [1]_.

    References
    ----------
    .. [1] J. Pan and W. J. Tompkins, "A Real-Time QRS Detection Algorithm", IEEE Transactions on Biomedical
       Engineering 32(3), 1985.

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange(3600) / 360
    >>> ecg = np.exp(-0.5 * (((time + 0.4) % 0.8 - 0.4) / 0.012) ** 2)
    >>> detect_r_peaks(ecg, fs=360)[1:4]
    array([288, 576, 864])
    """
    fs = check_fs(fs, low=MIN_FS, high=MAX_FS)
    leads = check_record(signal, fs=fs)
    if method == "xqrs":
        return _with_callable(_xqrs, leads[0], fs)
    if callable(method):
        return _with_callable(method, leads[0], fs)
    if method != "logistic":
        raise ValueError(f"method must be 'logistic', 'xqrs' or a callable, got {method!r}.")
    signal = prepare_signal(leads, fs)
    candidates = None if signal is None else find_candidates(signal)
    if candidates is None:
        return np.empty(0, dtype=np.int64)
    return decide_peaks(candidates, score_candidates(candidates.features), fs)


def decide_peaks(candidates, score, fs):
    """Samples of the recording where the candidates of positive score have their peaks, no two too close."""
    chosen = separate(candidates.time, score)
    peaks = locate_peaks(candidates, chosen)
    order = np.argsort(peaks, kind="stable")
    peaks, score = peaks[order], score[chosen][order]
    peaks = peaks[separate(peaks / fs, score)]
    return candidates.signal.to_recording(peaks[candidates.signal.has(peaks)])


def score_candidates(features, weights=None, bias=None):
    """Log odds of being a beat, for each candidate."""
    weights, bias = (WEIGHTS, BIAS) if weights is None else (weights, bias)
    return bias + sum(weight * features[name] for name, weight in weights.items())


def separate(time, score):
    """Indices of candidates of positive score; the weaker of two that are too close is dropped."""
    chosen = np.flatnonzero(score > 0)
    while True:
        close = np.flatnonzero(np.diff(time[chosen]) < REFRACTORY)
        if close.size == 0:
            return chosen
        first_is_weaker = score[chosen[close]] < score[chosen[close + 1]]
        weaker = np.where(first_is_weaker, close, close + 1)
        stronger = np.where(first_is_weaker, close + 1, close)
        chosen = np.delete(chosen, weaker[~np.isin(stronger, weaker)])  # what falls itself fells no other


def _with_callable(detector, lead, fs):
    """Peaks of a foreign detector on a lead without holes, checked; none where the lead has holes."""
    known = np.isfinite(lead)
    if not known.all():
        lead = bridge(lead[None], ~known[None])[0]
    peaks = np.asarray(detector(lead, fs)) if known.any() else np.empty(0)
    last = lead.size - 1
    if peaks.size == 0:
        return np.empty(0, dtype=np.int64)
    numbers = peaks.ndim == 1 and peaks.dtype.kind in "iuf"
    if not numbers or not np.isin(peaks % 1, 0).all() or peaks.min() < 0 or peaks.max() > last:
        raise ValueError(
            f"method must return a 1-D array of sample indices from 0 to {last}, "
            f"got {peaks.dtype} values of shape {peaks.shape}: {peaks.ravel()[:5]} …"
        )
    peaks = np.unique(peaks.astype(np.int64))
    return peaks[known[peaks]]


def _xqrs(signal, fs):
    """wfdb's detector; shorter signals than a beat, which its filter refuses, have no peaks."""
    if signal.size < 0.5 * fs:
        return np.empty(0, dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb calls pandas in ways that newer versions warn of
        try:
            from wfdb.processing import xqrs_detect
        except ImportError as error:
            raise ImportError("method='xqrs' needs the wfdb package: pip install wfdb.") from error
        return xqrs_detect(signal, fs=fs, verbose=False)
