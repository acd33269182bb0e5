"""From probabilities at every sample to waves that a heart can make."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax

from ..preprocessing import WAVE_DTYPE
from ..signals._validation import RowLayout, as_array, check_fs
from ._mending import find_runs, mend_rows
from ._spans import find_between

_HOLE = 0.04  # s; runs of QRS that are closer belong together
_SHORTEST = 0.03  # s
_REFRACTORY = 0.2  # s between the middles of two QRS
_CERTAIN = 12.0  # what one sample can say for or against a wave, in nats
_IMPOSSIBLE = -50.0  # log-probability; none is smaller
_LEAST_R = 1 / 8  # of the depth of Q or S; what is lower is no R wave


def waves_from_proba(proba: ArrayLike, X: ArrayLike, *, fs: float) -> list:
    """Decode the probabilities of none, P, QRS and T at every sample into waves.

    This is the second half of :meth:`~sklearn_ecg.WaveDelineator.delineate`, for probabilities from elsewhere: the mean
    of ``predict_wave_proba`` over several models, say, which may read different leads.

    Parameters
    ----------
    proba : array-like of shape (n_records, n_timepoints, 4)
        Probabilities of none, P, QRS and T.
    X : array-like of shape (n_records, n_timepoints) or (n_records, n_leads, n_timepoints)
        Signals, in which the peaks are looked for.
    fs : float
        Sampling frequency of both in Hz.

    Returns
    -------
    waves : list of structured ndarray of dtype WAVE_DTYPE
        As from ``delineate``.

    Raises
    ------
    ValueError
        If the shapes contradict each other, a probability lies outside of 0 to 1, or all four are 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg.delineation import waves_from_proba
    >>> X, proba = np.zeros((1, 100)), np.full((1, 100, 4), 0.01)
    >>> X[0, 50], proba[0, :, 0], proba[0, 45:55, 2] = 1.0, 0.5, 0.9
    >>> waves_from_proba(proba, X, fs=100)[0].tolist()
    [('QRS', 45, 50, 54)]
    """
    fs, X, proba = check_fs(fs), as_array(X, "X").astype(np.float64), as_array(proba, "proba").astype(np.float64)
    signals = X[:, None] if X.ndim == 2 else X
    if signals.ndim != 3 or proba.shape != (len(signals), signals.shape[2], 4):
        raise ValueError(
            "proba must have the shape (n_records, n_timepoints, 4) and X (n_records, n_timepoints) or (n_records, "
            f"n_leads, n_timepoints), got {proba.shape} and {X.shape}."
        )
    if not (np.isfinite(X).all() and ((proba >= 0) & (proba <= 1)).all()):
        raise ValueError("X must be finite, and proba between 0 and 1.")
    if not proba.any(axis=2).all():
        record, sample = np.argwhere(~proba.any(axis=2))[0]
        raise ValueError(f"proba must not be 0 for all four classes, as at sample {sample} of record {record}.")
    layout = RowLayout(*signals.shape[1:])
    signals = layout.split(mend_rows(signals.reshape(len(signals), -1), layout, fs)[0])[0]
    with np.errstate(divide="ignore"):
        return waves_of_records(np.moveaxis(np.log(proba), 2, 1), signals, fs, fs)


def waves_of_records(scores, signals, rate, fs):
    """Waves of records from logits (n_records, 4, ...) at ``rate``, told at the rate of the signals."""
    return [
        waves_of_record(*decode_waves(of_record, rate), leads, fs / rate)
        for of_record, leads in zip(scores, signals, strict=True)
    ]


def decode_waves(scores, rate):
    """Waves of one record, in time.

    QRS complexes come first: runs of samples where QRS is likelier than all else, holes bridged, specks removed, of two
    within the refractory time the surer one. :func:`find_between` gives the waves between them. A boundary lies where
    the log-odds, interpolated, cross zero.

    Parameters
    ----------
    scores : ndarray of shape (4, n_timepoints)
        Logits of none, P, QRS and T; -inf where a class is unknown.
    rate : float
        Samples per second.

    Returns
    -------
    kinds : list of str
        "P", "QRS" or "T".
    bounds : ndarray of shape (n_waves, 2)
        Where the first sample of each wave begins and where its last one ends, in samples: sample k covers
        [k - 0.5, k + 0.5].
    """
    log_p = np.maximum(log_softmax(scores, axis=0), _IMPOSSIBLE)
    others = np.logaddexp(np.logaddexp(log_p[0], log_p[1]), log_p[3])
    odds = np.clip(log_p[2] - others, -_CERTAIN, _CERTAIN)
    against = np.logaddexp(log_p[0], log_p[2])
    gains = {kind: np.clip(log_p[row] - against, -_CERTAIN, _CERTAIN) for kind, row in (("P", 1), ("T", 3))}
    complexes = _find_complexes(odds, rate)
    kinds, bounds = [], []
    for beat, spans in enumerate(find_between(gains, complexes, rate)):
        for kind, *span in spans:
            kinds.append(kind)
            bounds.append(_crossings(gains[kind], span))
        if beat < len(complexes):
            kinds.append("QRS")
            bounds.append(_crossings(odds, complexes[beat]))
    return kinds, np.array(bounds).reshape(-1, 2)


def waves_of_record(kinds, bounds, signals, factor):
    """The waves as they are told: whole samples of the caller's signals, with the peaks.

    Parameters
    ----------
    kinds, bounds
        As from :func:`decode_waves`.
    signals : ndarray of shape (n_leads, n_timepoints)
        The caller's signals.
    factor : float
        Samples of the caller per sample of the bounds.

    Returns
    -------
    waves : structured ndarray of dtype WAVE_DTYPE
        The peak of a wave is where the signal is farthest from the line between its boundaries, upwards or downwards as
        most waves of its kind in this record; that of QRS is the R wave, wherever there is one. Of several leads, the
        median of those that are not flat.
    """
    signals, last = signals.astype(np.float64), signals.shape[1] - 1
    alive = np.ptp(signals, axis=1) > 0
    signals = signals[alive] if alive.any() else signals
    waves = np.empty(len(kinds), dtype=WAVE_DTYPE)
    waves["wave"] = kinds
    ends = bounds * factor + np.array([0.5, -0.5])
    ends = np.clip(np.rint(ends), 0, last).astype(np.int64)
    waves["onset"], waves["offset"] = ends[:, 0], np.maximum(ends[:, 0], ends[:, 1])
    for kind in ("P", "QRS", "T"):
        places = np.flatnonzero(waves["wave"] == kind)
        if len(places):
            of_leads = _peaks(signals, waves[places], _LEAST_R if kind == "QRS" else 1.0)
            waves["peak"][places] = np.rint(np.median(of_leads, axis=1))
    return waves


def _find_complexes(odds, rate):
    """First sample and the one after the last of each QRS, (n, 2)."""
    runs = find_runs(odds > 0)
    if not len(runs):
        return runs
    apart = runs[1:, 0] - runs[:-1, 1] > _HOLE * rate
    runs = np.column_stack([runs[np.append(True, apart), 0], runs[np.append(apart, True), 1]])
    runs = runs[runs[:, 1] - runs[:, 0] >= _SHORTEST * rate]
    total = np.append(0, np.cumsum(odds))
    evidence, middle = total[runs[:, 1]] - total[runs[:, 0]], runs.mean(axis=1)
    kept = np.zeros(len(runs), dtype=bool)
    for place in np.argsort(-evidence):  # the surest first: one that goes itself drives out no other
        kept[place] = (np.abs(middle[kept] - middle[place]) >= _REFRACTORY * rate).all()
    return runs[kept]


def _crossings(odds, span):
    """Where the interpolated log-odds cross zero on both sides of a span; its border where they do not."""
    start, stop = span
    bounds = np.array([start - 0.5, stop - 0.5])
    for side, (inner, outer) in enumerate(((start, start - 1), (stop - 1, stop))):
        if 0 <= outer < len(odds) and odds[inner] > 0 >= odds[outer]:
            bounds[side] = inner + (outer - inner) * odds[inner] / (odds[inner] - odds[outer])
    return bounds


def _peaks(signals, waves, least):
    """Sample of the peak of each wave of one kind in each lead; upwards from ``least`` times as high as deep."""
    highest, lowest, heights = [], [], []
    for onset, offset in zip(waves["onset"].tolist(), waves["offset"].tolist(), strict=True):
        pieces = signals[:, onset : offset + 1]
        pieces = pieces - pieces[:, :1] + (pieces[:, -1:] - pieces[:, :1]) * np.linspace(0, 1, pieces.shape[1])
        highest.append(onset + pieces.argmax(axis=1))
        lowest.append(onset + pieces.argmin(axis=1))
        heights.append((pieces.max(axis=1), -pieces.min(axis=1)))
    up, down = np.median(heights, axis=0)
    return np.where(up >= least * down, highest, lowest)
