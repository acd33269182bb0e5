"""RR intervals of a record's beats, and the side features that follow from them."""

import numpy as np

from ..preprocessing._rpeaks_signal import across_dead

BEAT_FEATURES = (
    *("log_rr", "log_rr_previous_to_record", "log_rr_next_to_record", "log_rr_previous_to_next", "log_rr_spread"),
    *("amplitude", "log_amplitude_to_record"),
)
_MOST_AMPLITUDE = 100.0  # over the record's median, and its inverse the least


def rr_intervals(record, peaks, fs):
    """Intervals before and after each peak, and the median of the record, (n_peaks, 3), in samples; NaN if unknown.

    At the ends of the record, and beside a dead stretch, the interval on the other side stands for the one that is not
    known.
    """
    between = np.diff(peaks.astype(float))
    between[across_dead(record, peaks, fs)] = np.nan
    before, after = np.append(np.nan, between)[: len(peaks)], np.append(between, np.nan)[: len(peaks)]
    before, after = np.where(np.isnan(before), after, before), np.where(np.isnan(after), before, after)
    known = between[~np.isnan(between)]
    return np.stack([before, after, np.full(len(peaks), np.median(known) if len(known) else np.nan)], axis=1)


def segment_features(rr, before, after, typical, amplitude):
    """Name → function that gives the feature of every complete beat of a record."""
    return {
        "log_rr": lambda: np.log(rr),
        "log_rr_previous_to_record": lambda: np.log(before / typical),
        "log_rr_next_to_record": lambda: np.log(after / typical),
        "log_rr_previous_to_next": lambda: np.log(before / after),
        "log_rr_spread": lambda: np.full(len(rr), np.log(before / typical).std() if len(rr) else np.nan),
        "amplitude": lambda: amplitude,
        "log_amplitude_to_record": lambda: _log_to_median(amplitude),
    }


def _log_to_median(amplitude):
    """Logarithm of amplitudes over their median, within bounds; zero where that is flat."""
    usual = np.median(amplitude) if len(amplitude) else 0.0
    if usual <= 0:
        return np.zeros(len(amplitude))
    return np.log(np.clip(amplitude / usual, 1 / _MOST_AMPLITUDE, _MOST_AMPLITUDE))
