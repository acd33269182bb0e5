"""Cut heartbeats out of records: one row a beat, lead after lead, RR features last."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import map_coordinates
from scipy.signal import butter
from sklearn.utils import Bunch

from ..signals._annotations import lead_index
from ..signals._record import ECGRecord
from ..signals._validation import as_array, check_fs, is_record, refuse_swapped, signal_feature_names, signal_of
from ._beat_features import RR_FEATURES, SHAPE_FEATURES, SIDE_FEATURES, RecordBeats, beat_features, window_offsets
from ._transformers import filter_zero_phase, reflection_length

BEAT_WINDOW = (108 / 360, 148 / 360)
"""Seconds before and after the R peak: 256 samples at 360 Hz."""

BEAT_TIMEPOINTS = 256

_FALLBACK_RR = 1.0
_ON_GRID = 1e-6
_MOST_HEIGHTS = 4


def extract_beats(
    signals: ArrayLike | ECGRecord,
    peaks: ArrayLike,
    *,
    fs: float,
    window: tuple = BEAT_WINDOW,
    n_timepoints: int = BEAT_TIMEPOINTS,
    leads: list | int | None = None,
    lead_names: list | None = None,
    side_features: Any = RR_FEATURES,
    bandpass: tuple | None = (0.5, 40.0),
    scale: str | None = None,
    max_rr: float = 3.0,
) -> Bunch:
    """Cut a window around every R peak, with the rhythm around it as side features.

    Each record is band-passed as a whole, forwards and backwards (zero phase), and read on a grid of ``n_timepoints``
    points, ``before`` seconds ahead of the peak to ``after`` seconds behind it (end excluded). Where the grid falls
    between samples, because ``fs`` is another one, the signal is interpolated with cubic splines. Beats too near a
    border are not dropped: the first or last sample is repeated.

    Parameters
    ----------
    signals : array-like of shape (n_leads, n_timepoints) or ECGRecord, or list of such
        One record or several, in mV. Records may have any number of leads as long as the chosen ones exist. An
        ``ECGRecord`` tells its lead names, too.
    peaks : array-like of int of shape (n_beats,), or list of such arrays
        R peaks of each record in samples, strictly increasing.
    fs : float
        Sampling frequency in Hz.
    window : tuple of float, default=(0.3, 0.4111)
        Seconds before and after the peak. The default covers 256 samples at 360 Hz.
    n_timepoints : int, default=256
        Samples of a beat per lead, at any ``fs``.
    leads : list of str or int, int, or None, default=None
        Leads to cut, by name (needs ``lead_names``; "II" also finds "MLII") or by index; an integer takes that many
        first leads; None takes all.
    lead_names : list of str, or list of such lists, default=None
        Lead names of every record, or of each; by default those that an ``ECGRecord`` tells.
    side_features : iterable of str, default=RR_FEATURES
        :data:`RR_FEATURES`, :data:`PATIENT_FEATURES` or any names out of :data:`INTERVAL_FEATURES` and
        :data:`SHAPE_FEATURES`. By default "rr_previous" and "rr_next" (s); "rr_ratio", the interval before over the
        record's mean; "rr_local", the mean of the last ten intervals up to
        this beat (s). Only "rr_previous", "rr_local", "rr_ratio_causal", "rr_local_ratio", "log_rr_previous_to_recent",
        "log_rr_previous_to_last" and the shape features without "record" in their names leave later beats alone; all
        others are for offline analysis.
    bandpass : tuple of float or None, default=(0.5, 40.0)
        Band edges in Hz of a second-order Butterworth filter; None leaves the signal as it is, except that it is
        low-passed where the grid is coarser than the samples.
    scale : {None, "beat", "record", "late"}, default=None
        None keeps mV. "beat" and "record" bring every lead to mean 0 and standard deviation 1 over the beat or the
        record. "late" gives what sets a beat apart in its own record: each lead around its median, minus the median of
        the late beats, in units of that one's height, clipped at ±4. Late are the 30 % of the beats that follow the one
        before latest beside the rhythm around them: sinus rhythm even where premature beats are the majority. It reads
        the whole record. A flat stretch becomes zeros.
    max_rr : float, default=3.0
        RR intervals are clipped to this many seconds: gaps in the annotation (ventricular flutter) are no intervals.

    Returns
    -------
    beats : Bunch
        ``data``, float32 of shape (n_beats, n_leads * n_timepoints + n_side_features); ``record``, index of each beat's
        record, for grouped cross-validation; ``position``, the peak in samples; ``feature_names`` (None where the
        records' lead names are not known), ``side_feature_names``, ``n_leads``, ``n_side_features``.

    Raises
    ------
    ValueError
        If the signals hold NaN or infinite values, have no or different numbers of leads or are (n_timepoints,
        n_leads), an ``ECGRecord`` is of another ``fs``, a peak is outside its signal, peaks are not strictly
        increasing, or a lead, a side feature or a parameter makes no sense.

    Notes
    -----
    The first beat has no interval before it and the last none after it: both get the record's median interval, and
    1 s where a record has fewer than two beats. RR features relative to the patient's own rhythm are those of
    de Chazal et al. [1]_.

    References
    ----------
    .. [1] P. de Chazal, M. O'Dwyer, R. B. Reilly, "Automatic classification of heartbeats using ECG morphology and
       heartbeat interval features", IEEE Trans. Biomed. Eng. 51(7), 2004, doi:10.1109/TBME.2004.827359.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg.preprocessing import extract_beats
    >>> signal = np.random.default_rng(0).normal(size=(2, 3600))
    >>> beats = extract_beats(signal, [500, 860, 1220], fs=360, side_features=["rr_previous"])
    >>> beats.data.shape, beats.record.tolist()
    ((3, 513), [0, 0, 0])
    """
    fs = check_fs(fs)
    side_features = _check_side_features(side_features)
    grid = _window_grid(window, n_timepoints, fs)
    if scale not in (None, "beat", "record", "late"):
        raise ValueError(f"scale must be None, 'beat', 'record' or 'late', got {scale!r}.")
    if not max_rr > 0:
        raise ValueError(f"max_rr must be a positive number of seconds, got {max_rr!r}.")
    records = _as_records(signals, peaks, lead_names, fs)
    band = _band_filter(bandpass, fs, grid[1] - grid[0])

    blocks, chosen_names = [], []
    for index, (signal, beats_at, names) in enumerate(records):
        chosen = _choose_leads(leads, names, len(signal), index)
        signal, rhythm = _filtered(signal[chosen], band), _intervals(beats_at, fs, max_rr)
        side = _side_of_record(signal[0], beats_at, rhythm, side_features, fs)
        cut = _scaled_beats(signal, beats_at, rhythm, grid, fs, scale)
        blocks.append(np.hstack([cut.reshape(len(cut), cut.shape[1] * n_timepoints), side]))
        chosen_names.append(None if names is None else tuple(names[i] for i in chosen))
    widths = sorted({block.shape[1] for block in blocks})
    if len(widths) > 1:
        raise ValueError("The records have different numbers of leads: choose the same number with `leads`.")

    return Bunch(
        data=np.concatenate(blocks),
        record=np.repeat(np.arange(len(blocks)), [len(block) for block in blocks]),
        position=np.concatenate([beats_at for _, beats_at, _ in records]),
        feature_names=_feature_names(chosen_names, n_timepoints, side_features),
        side_feature_names=list(side_features),
        n_leads=(widths[0] - len(side_features)) // n_timepoints,
        n_side_features=len(side_features),
    )


def _scaled_beats(signal, beats_at, rhythm, grid, fs, scale):
    """Windows (n_beats, n_leads, n_timepoints) of one record, scaled as ``scale`` says."""
    cut = _cut_windows(_standardise(signal) if scale == "record" else signal, beats_at, grid)
    if scale == "beat":
        return _standardise(cut)
    if scale == "late" and len(cut):
        return _deviation(cut, RecordBeats(rhythm[0], rhythm[1], np.zeros((len(cut), 1)), fs).late)
    return cut


def _intervals(peaks, fs, max_rr):
    """Seconds from the beat before and to the beat after; the record's median where there is none."""
    intervals = np.minimum(np.diff(peaks) / fs, max_rr)
    typical = np.median(intervals) if len(intervals) else _FALLBACK_RR
    return np.concatenate([[typical], intervals]), np.concatenate([intervals, [typical]])


def _side_of_record(lead, peaks, rhythm, names, fs):
    """Side features (n_beats, len(names)) of the beats of one record whose first cut lead is ``lead``."""
    if len(peaks) == 0 or not names:
        return np.empty((len(peaks), len(names)), dtype=np.float32)
    windows = np.zeros((len(peaks), 1))
    if any(name in SHAPE_FEATURES for name in names):
        windows = _cut_windows(lead[None], peaks, window_offsets(fs))[:, 0].astype(np.float64)
    return beat_features(names, *rhythm, windows, fs).astype(np.float32)


def _check_side_features(names):
    if isinstance(names, str):
        raise TypeError(f"side_features must be a list of names, got the string {names!r}.")
    names = tuple(names or ())
    unknown = [name for name in names if name not in SIDE_FEATURES]
    if unknown:
        raise ValueError(f"Unknown side feature(s) {unknown}; known are {list(SIDE_FEATURES)}.")
    return names


def _window_grid(window, n_timepoints, fs):
    """Offsets from the peak, in samples of the signal; whole numbers where the grid falls on samples."""
    try:
        before, after = (float(edge) for edge in window)
    except (TypeError, ValueError):
        raise ValueError(f"window must be (seconds before, seconds after), got {window!r}.") from None
    if not (np.isfinite(before) and np.isfinite(after) and before + after > 0):
        raise ValueError(f"window must be finite and longer than 0 s, got {window!r}.")
    if not isinstance(n_timepoints, (int, np.integer)) or n_timepoints < 2:
        raise ValueError(f"n_timepoints must be an integer of at least 2, got {n_timepoints!r}.")
    grid = (-before + np.arange(n_timepoints) * ((before + after) / n_timepoints)) * fs
    rounded = np.rint(grid)
    return rounded.astype(np.int64) if np.abs(grid - rounded).max() < _ON_GRID * n_timepoints else grid


def _as_records(signals, peaks, lead_names, fs):
    """List of (signal, peaks, lead names or None), checked."""
    if _is_one_record(signals):
        signals, peaks = [signals], [peaks]
    if len(signals) == 0:
        raise ValueError("signals holds no record.")
    if len(signals) != len(peaks):
        raise ValueError(f"{len(signals)} record(s), but peaks of {len(peaks)}.")
    if lead_names is None:
        lead_names = [signal.lead_names if is_record(signal) else None for signal in signals]
    elif len(lead_names) and isinstance(lead_names[0], str):
        lead_names = [lead_names] * len(signals)
    if len(lead_names) != len(signals):
        raise ValueError(f"{len(signals)} record(s), but lead names of {len(lead_names)}.")
    signals = [signal_of(signal, fs=fs, name=f"Record {i}") for i, signal in enumerate(signals)]
    return [_check_record(*record, i) for i, record in enumerate(zip(signals, peaks, lead_names, strict=True))]


def _is_one_record(signals):
    """Whether it is one record, and no list of records."""
    if is_record(signals):
        return True
    if hasattr(signals, "shape"):
        return len(signals.shape) < 3
    return len(signals) > 0 and as_array(signals[0], "Record 0").ndim == 1


def _check_record(signal, peaks, names, index):
    signal = as_array(signal, f"Record {index}")
    if signal.ndim != 2 or 0 in signal.shape:
        raise ValueError(f"Record {index} must have shape (n_leads, n_timepoints), got {signal.shape}.")
    refuse_swapped(signal.shape, f"Record {index}")
    if not np.isfinite(signal).all():
        raise ValueError(f"Record {index} holds NaN or infinite samples.")
    if names is not None and len(names) != len(signal):
        raise ValueError(f"Record {index} has {len(signal)} lead(s), but {len(names)} lead name(s).")
    peaks = np.asarray(peaks)
    if peaks.ndim != 1 or (peaks.size and peaks.dtype.kind not in "iu"):
        raise ValueError(f"The peaks of record {index} must be a 1-D array of integers (samples).")
    peaks = peaks.astype(np.int64)
    if peaks.size and (np.diff(peaks) <= 0).any():
        raise ValueError(f"The peaks of record {index} must be strictly increasing.")
    if peaks.size and not (peaks[0] >= 0 and peaks[-1] < signal.shape[1]):
        raise ValueError(f"Record {index} has peaks outside its {signal.shape[1]} samples.")
    return signal, peaks, names


def _choose_leads(leads, names, n_leads, index):
    """Indices of the chosen leads of one record."""
    if leads is None:
        return list(range(n_leads))
    if isinstance(leads, (int, np.integer)):
        leads = range(leads)
    elif isinstance(leads, str):
        leads = [leads]
    if len(leads) == 0:
        raise ValueError("leads must name at least one lead.")
    if names is None and any(isinstance(lead, str) for lead in leads):
        raise ValueError("leads chosen by name need lead_names.")
    chosen = [lead_index(names, lead) if isinstance(lead, str) else lead for lead in leads]
    for lead, i in zip(leads, chosen, strict=True):
        if not 0 <= i < n_leads:
            known = f"{n_leads} lead(s)" if names is None else f"the leads {', '.join(names)}"
            raise ValueError(f"Record {index} has no lead {lead!r}; it has {known}.")
    return chosen


def _band_filter(bandpass, fs, step):
    """Sections and reflection of the band-pass, or of the low-pass that a coarser grid needs, or None."""
    if bandpass is None:
        high = 0.4 * fs / step
        return (butter(4, high, fs=fs, output="sos"), reflection_length(fs, high=high)) if step > 1 + _ON_GRID else None
    try:
        low, high = (float(edge) for edge in bandpass)
    except (TypeError, ValueError):
        raise ValueError(f"bandpass must be (low, high) in Hz or None, got {bandpass!r}.") from None
    limit = fs / 2 / max(step, 1.0)
    if not 0 < low < high < limit:
        raise ValueError(
            f"bandpass must be (low, high) in Hz with 0 < low < high < {limit:g}, half the lower of fs and the beats' "
            f"own rate; got {bandpass!r}."
        )
    return butter(2, [low, high], btype="bandpass", fs=fs, output="sos"), reflection_length(fs, low=low, high=high)


def _filtered(signal, band):
    """Zero-phase filtered copy, continued at the ends as ECGFilter does; the signal itself without a band."""
    if band is None:
        return signal
    sos, n_reflected = band
    return filter_zero_phase(sos, signal, n_reflected)


def _cut_windows(signal, peaks, grid):
    """Signal on the grid around every peak, (n_beats, n_leads, n_timepoints) float32, border samples repeated."""
    at = peaks[:, None] + grid  # (n_beats, n_timepoints)
    beats = np.empty((len(peaks), len(signal), len(grid)), dtype=np.float32)
    whole = np.issubdtype(grid.dtype, np.integer)
    for lead, samples in enumerate(signal):
        if whole:
            beats[:, lead] = samples[np.clip(at, 0, len(samples) - 1)]
        else:
            beats[:, lead] = map_coordinates(samples.astype(np.float64), [at], order=3, mode="nearest")
    return beats


def _standardise(signal):
    """Mean 0 and standard deviation 1 along the last axis; what does not vary becomes 0."""
    centred = signal - signal.mean(axis=-1, keepdims=True)
    spread = centred.std(axis=-1, keepdims=True)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-9)


def _deviation(beats, late):
    """Beats around their median, minus the median of the late ones, over its height; what is flat becomes 0."""
    centred = beats - np.median(beats, axis=-1, keepdims=True)
    usual = np.median(centred[late], axis=0)
    height = np.ptp(usual, axis=-1)[:, None]
    deviation = np.divide(centred - usual, height, out=np.zeros_like(centred), where=height > 1e-9)
    return np.clip(deviation, -_MOST_HEIGHTS, _MOST_HEIGHTS)


def _feature_names(chosen_names, n_timepoints, side_features):
    """Column names; a place where the records' leads differ is called lead1, lead2, …"""
    if any(names is None for names in chosen_names):
        return None
    places = [set(place) for place in zip(*chosen_names, strict=True)]
    leads = [place.pop() if len(place) == 1 else f"lead{i}" for i, place in enumerate(places, start=1)]
    return signal_feature_names(leads, n_timepoints, side_features)
