"""Features of the beats of one record: RR intervals, P wave and QRS complex beside the record's own."""

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

_LOCAL = 33  # beats around this one
_RECENT = 10  # intervals up to this beat
_HALF_WINDOW = 0.3  # s on either side of R
_HALF_QRS = 0.1
_P_WAVE = (-0.24, -0.06)  # s from R
_LATE = 0.3  # share of the beats
_TINY = 1e-9


@dataclass(frozen=True)
class RecordBeats:
    """What the features are made of.

    Attributes
    ----------
    previous, following : ndarray of shape (n_beats,)
        Seconds to the beat before and to the beat after.
    windows : ndarray of shape (n_beats, n_timepoints)
        One lead from 0.3 s before to 0.3 s after each R peak, at ``fs``.
    fs : float
        Sampling frequency in Hz.
    """

    previous: np.ndarray
    following: np.ndarray
    windows: np.ndarray
    fs: float

    @cached_property
    def log_previous(self):
        return np.log(self.previous)

    @cached_property
    def log_next(self):
        return np.log(self.following)

    @cached_property
    def mean_interval(self):
        # the first value is a fill-in, not an interval
        return self.previous[1:].mean() if len(self.previous) > 1 else self.previous[0]

    @cached_property
    def around(self):
        """Log intervals before the beats around each one, (n_beats, _LOCAL)."""
        half = _LOCAL // 2
        mode = "reflect" if len(self.previous) > half else "edge"
        return sliding_window_view(np.pad(self.log_previous, half, mode=mode), _LOCAL)

    @cached_property
    def local(self):
        return np.median(self.around, axis=1)

    @cached_property
    def spread(self):
        low, high = np.percentile(self.around, [25, 75], axis=1)
        return high - low

    @cached_property
    def jitter(self):
        return np.median(np.abs(np.diff(self.around, axis=1)), axis=1)

    @cached_property
    def centred(self):
        return self.windows - np.median(self.windows, axis=1, keepdims=True)

    def reach(self, seconds):
        return max(1, int(seconds * self.fs))

    @cached_property
    def qrs(self):
        """Slice of the QRS complex in a window."""
        centre, half = self.windows.shape[1] // 2, self.reach(_HALF_QRS)
        return slice(max(centre - half, 0), centre + half + 1)

    @cached_property
    def height(self):
        return np.ptp(self.windows[:, self.qrs], axis=1)

    @cached_property
    def late(self):
        """Mask of the beats that come latest after the one before, beside the rhythm around them.

        Premature beats are not among them, even where they are the majority of the record.
        """
        lateness = self.log_previous - np.percentile(self.around, 90, axis=1)
        return lateness >= np.quantile(lateness, 1 - _LATE)

    @cached_property
    def slopes(self):
        """Absolute differences from 0.16 s before to 0.2 s after R."""
        centre = self.windows.shape[1] // 2
        inner = self.windows[:, max(centre - self.reach(0.16), 0) : centre + self.reach(0.2)]
        return np.abs(np.diff(inner, axis=1))


def mean_of_last(values, width):
    """Mean of the last ``width`` values up to each one, of fewer at the start."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _shifted(values, offset):
    """Values of the beat ``offset`` places on, of the last one at the ends."""
    return values[np.clip(np.arange(len(values)) + offset, 0, len(values) - 1)]


def _width(beats, fraction):
    """Seconds around the largest deflection at which it stays above ``fraction`` of itself."""
    size = np.abs(beats.centred)
    centre, half = size.shape[1] // 2, beats.reach(0.08)
    first = max(centre - half, 0)
    peak = first + size[:, first : centre + half + 1].argmax(axis=1)[:, None]
    below = size < fraction * np.take_along_axis(size, peak, axis=1)
    time = np.arange(size.shape[1])
    left = np.where(below & (time < peak), time, -1).max(axis=1)
    right = np.where(below & (time > peak), time, size.shape[1]).min(axis=1)
    return (right - left - 1) / beats.fs


def _steep_span(beats):
    """Seconds from the first to the last slope above 15 % of the steepest."""
    steep = beats.slopes >= 0.15 * beats.slopes.max(axis=1, keepdims=True)
    return (steep.shape[1] - 1 - steep[:, ::-1].argmax(axis=1) - steep.argmax(axis=1)) / beats.fs


def _slope_spread(beats):
    """Standard deviation in time of the absolute slope, in seconds."""
    share = beats.slopes / (beats.slopes.sum(axis=1, keepdims=True) + _TINY)
    time = np.arange(share.shape[1]) / beats.fs
    mean = share @ time
    return np.sqrt(np.maximum(share @ time**2 - mean**2, 0.0))


def _relative(values, least):
    """Log ratio to the record's median; ``least`` keeps the logarithm finite."""
    return np.log((values + least) / (np.median(values) + least))


def _correlation_with_median(beats):
    """Largest correlation of the QRS with that of the record's median beat over shifts of ±40 ms."""
    median = np.median(beats.windows, axis=0)[beats.qrs]
    median = median - median.mean()
    best = np.full(len(beats.windows), -1.0)
    first, last = beats.qrs.start, min(beats.qrs.stop, beats.windows.shape[1])
    for shift in np.unique(np.linspace(-0.04, 0.04, 15) * beats.fs // 1).astype(int):
        low, high = max(first + shift, 0), min(last + shift, beats.windows.shape[1])
        part, reference = beats.windows[:, low:high], median[low - first - shift : high - first - shift]
        part = part - part.mean(axis=1, keepdims=True)
        reference = reference - reference.mean()
        scale = np.linalg.norm(part, axis=1) * np.linalg.norm(reference)
        np.maximum(best, part @ reference / (scale + _TINY), out=best)
    return best


def _residual(beats):
    """Log of the QRS's root mean square distance from the record's median beat, over the median height."""
    distance = beats.windows[:, beats.qrs] - np.median(beats.windows, axis=0)[beats.qrs]
    return np.log(np.sqrt((distance**2).mean(axis=1)) / (np.median(beats.height) + _TINY) + 0.01)


def _log_distance_to_late(beats, part, *, centre=False):
    """Log root mean square distance from the median late beat, over the median QRS height."""
    distance = part - np.median(part[beats.late], axis=0)
    if centre:
        distance = distance - distance.mean(axis=1, keepdims=True)
    return np.log(np.sqrt((distance**2).mean(axis=1)) / (np.median(beats.height) + _TINY) + 0.01)


def _p_distance(beats):
    """Distance of the P wave from that of the late beats, in units of how the late beats differ among themselves.

    So noise, and the f waves of atrial fibrillation, do not look like premature atrial beats.
    """
    centre = beats.windows.shape[1] // 2
    first, last = (max(centre + round(edge * beats.fs), 0) for edge in _P_WAVE)
    distance = _log_distance_to_late(beats, beats.windows[:, first : last + 1], centre=True)
    low, middle, high = np.percentile(distance[beats.late], [25, 50, 75])
    return np.clip((distance - middle) / (high - low + 0.1), -4, 8)


def _qrs_distance_to_late(beats):
    distance = _log_distance_to_late(beats, beats.windows[:, beats.qrs])
    return distance - np.median(distance[beats.late])


def _log_ratio(beats, interval):
    return np.log(interval / np.median(beats.previous))


INTERVAL_FEATURES = MappingProxyType(
    {
        "rr_previous": lambda b: b.previous,
        "rr_next": lambda b: b.following,
        "rr_ratio": lambda b: b.previous / b.mean_interval,
        "rr_local": lambda b: mean_of_last(b.previous, _RECENT),
        "rr_next_ratio": lambda b: b.following / b.mean_interval,
        "rr_ratio_causal": lambda b: b.previous / mean_of_last(b.previous, len(b.previous)),
        "rr_local_ratio": lambda b: b.previous / mean_of_last(b.previous, _RECENT),
        "log_rr_previous_to_next": lambda b: b.log_previous - b.log_next,
        "log_rr_previous_to_record": lambda b: _log_ratio(b, b.previous),
        "log_rr_next_to_record": lambda b: _log_ratio(b, b.following),
        "log_rr_previous_to_local": lambda b: b.log_previous - b.local,
        "log_rr_next_to_local": lambda b: b.log_next - b.local,
        "log_rr_previous_to_recent": lambda b: np.log(b.previous / mean_of_last(b.previous, _RECENT)),
        "log_rr_previous_to_last": lambda b: b.log_previous - _shifted(b.log_previous, -1),
        "log_rr_last_to_local": lambda b: _shifted(b.log_previous, -1) - b.local,
        "log_rr_second_next_to_local": lambda b: _shifted(b.log_next, 1) - b.local,
        "log_rr_previous_to_record_q90": lambda b: b.log_previous - np.percentile(b.log_previous, 90),
        "log_rr_next_to_record_q90": lambda b: b.log_next - np.percentile(b.log_previous, 90),
        "log_rr_previous_to_local_q90": lambda b: b.log_previous - np.percentile(b.around, 90, axis=1),
        "log_rr_next_to_local_q90": lambda b: b.log_next - np.percentile(b.around, 90, axis=1),
        "rr_previous_z": lambda b: (b.log_previous - b.local) / (b.spread + 0.05),
        "rr_next_z": lambda b: (b.log_next - b.local) / (b.spread + 0.05),
        "log_rr_spread": lambda b: np.log(b.spread + 0.01),
        "log_rr_jitter": lambda b: np.log(b.jitter + 0.01),
    }
)
"""Features of the intervals around a beat: name → function of the beats of one record.

Where premature beats are the majority, the median interval is theirs; the 90th percentile still tells the sinus rhythm.
"""

SHAPE_FEATURES = MappingProxyType(
    {
        "qrs_r": lambda b: b.centred[:, b.centred.shape[1] // 2],
        "qrs_max": lambda b: b.centred[:, b.qrs].max(axis=1),
        "qrs_min": lambda b: b.centred[:, b.qrs].min(axis=1),
        "qrs_height": lambda b: b.height,
        "qrs_area": lambda b: np.abs(b.centred[:, b.qrs]).mean(axis=1),
        "qrs_slope": lambda b: b.slopes.max(axis=1),
        "qrs_width": _steep_span,
        "qrs_width_25": lambda b: _width(b, 0.25),
        "qrs_width_50": lambda b: _width(b, 0.5),
        "log_qrs_height_to_record": lambda b: np.log(b.height / (np.median(b.height) + _TINY) + 0.02),
        "log_qrs_width_to_record": lambda b: _relative(_steep_span(b), 1 / b.fs),
        "log_qrs_width_25_to_record": lambda b: _relative(_width(b, 0.25), 1 / b.fs),
        "log_qrs_width_50_to_record": lambda b: _relative(_width(b, 0.5), 1 / b.fs),
        "log_qrs_slope_spread_to_record": lambda b: _relative(_slope_spread(b), 1 / b.fs),
        "qrs_correlation_to_record": _correlation_with_median,
        "log_qrs_residual_to_record": _residual,
        "log_qrs_distance_to_late": _qrs_distance_to_late,
        "p_distance_to_late": _p_distance,
    }
)
"""Features of the beat's shape in the first lead cut.

Those "to_record" compare with the record's median beat, those "to_late" with the median of its late beats, which is
sinus rhythm even where premature beats are the majority.
"""

SIDE_FEATURES = MappingProxyType({**INTERVAL_FEATURES, **SHAPE_FEATURES})


RR_FEATURES = ("rr_previous", "rr_next", "rr_ratio", "rr_local")
"""The usual four: the intervals around a beat, over the record's mean, and the mean of the last ten."""

PATIENT_FEATURES = (
    "rr_ratio",
    "log_rr_previous_to_next",
    "log_rr_previous_to_recent",
    "log_rr_previous_to_last",
    "log_rr_jitter",
    "log_rr_previous_to_record_q90",
    "log_rr_next_to_record_q90",
    "log_rr_previous_to_local_q90",
    "log_rr_next_to_local_q90",
    "log_qrs_height_to_record",
    "log_qrs_width_to_record",
    "log_qrs_width_25_to_record",
    "log_qrs_width_50_to_record",
    "log_qrs_slope_spread_to_record",
    "qrs_correlation_to_record",
    "log_qrs_residual_to_record",
    "log_qrs_distance_to_late",
    "p_distance_to_late",
)
"""Rhythm, P wave and QRS complex of a beat beside the patient's own: what tells S and V from N on unseen patients.

They read the whole record, later beats too.
"""


def window_offsets(fs):
    """Sample offsets of ``RecordBeats.windows`` from the R peak."""
    half = int(_HALF_WINDOW * fs)
    return np.arange(-half, half + 1)


def beat_features(names, previous, following, windows, fs):
    """Matrix (n_beats, len(names)) of the features called ``names``, float64, always finite."""
    beats = RecordBeats(previous, following, windows, fs)
    return np.column_stack([SIDE_FEATURES[name](beats) for name in names])
