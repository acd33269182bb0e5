"""Impulse trains of a periodic autoencoder: what those of the training tell, and trains of a model of the rhythm."""

import numpy as np

from ..preprocessing._rpeaks import MAX_FS, MIN_FS, detect_r_peaks
from ..segmentation._impulse_trains import place_pulses, train_maxima
from ..signals._rhythm import FASTEST, check_fastest, fibrillation_intervals, sinus_intervals

_REACH = 0.1  # s on both sides of an impulse
_VARIATION, _LF_HF_RATIO = 0.04, 0.5  # of the heart rate in sinus rhythm: standard deviation over mean; of the powers
_NO_RHYTHM = (60.0, 0.0)
_SLOWEST = 30.0  # bpm, of rates that are drawn
_FASTEST = {"sinus": FASTEST, "af": 180.0}
_RECORDS_AT_ONCE = 1024

STRETCHES = np.sqrt(np.geomspace(0.4, 1.6, 8))
"""Factors of the filter, for RR intervals between 0.4 and 1.6 s."""


def describe_trains(trains, weight, rows, fs):
    """Mean pulse of the trains ``rows``, root of the energy of a beat, and the heart rate of each in bpm, NaN if none.

    A soft train may have a pulse in a tall T wave, too: the rate is then twice that of the heart.
    """
    reach = round(_REACH * fs)
    around = np.arange(-reach, reach + 1)
    pulse, n_pulses, energy, n_beats = np.zeros(len(around)), 0.0, 0.0, 0.0
    rates = []
    for start in range(0, len(rows), _RECORDS_AT_ONCE):
        piece, w = (values[rows[start : start + _RECORDS_AT_ONCE]].astype(np.float64) for values in (trains, weight))
        record, at = np.nonzero(train_maxima(piece, fs))
        energy, n_beats = energy + w @ (piece**2).sum(axis=1), n_beats + w[record].sum()
        rates.append(_heart_rates(record, at, len(piece), fs))
        whole = (at >= reach) & (at < piece.shape[1] - reach)
        record, at = record[whole], at[whole]
        pulse += w[record] @ piece[record[:, None], at[:, None] + around]
        n_pulses += w[record].sum()
    pulse = pulse / n_pulses if n_pulses else np.where(around == 0, 1.0, 0.0)
    scale = np.sqrt(energy / n_beats) if n_beats else 1.0
    return pulse, float(scale), np.concatenate(rates)


def usual_rate(X, layout, rows, weight, rates, fs):
    """Mean and standard deviation of the heart rate of the given rows of ``X`` in bpm.

    By their R peaks, or, at an ``fs`` that the detector does not take, by ``rates``.
    """
    if MIN_FS <= fs <= MAX_FS:
        peaks = [detect_r_peaks(layout.split(X[row : row + 1])[0][0], fs=fs) for row in rows]
        record = np.repeat(np.arange(len(rows)), [len(at) for at in peaks])
        rates = _heart_rates(record, np.concatenate(peaks), len(rows), fs)
    return _mean_and_deviation(rates, weight[rows])


def _heart_rates(record, at, n_records, fs):
    """Heart rate of each record, NaN where it has fewer than two beats."""
    count = np.bincount(record, minlength=n_records)
    last = np.cumsum(count)
    rates = np.full(n_records, np.nan)
    told = count > 1
    rates[told] = 60 * fs * (count[told] - 1) / (at[last[told] - 1] - at[last[told] - count[told]])
    return rates


def _mean_and_deviation(values, weight):
    known = np.isfinite(values) & (weight > 0)
    if not known.any():
        return _NO_RHYTHM
    mean = np.average(values[known], weights=weight[known])
    return float(mean), float(np.sqrt(np.average((values[known] - mean) ** 2, weights=weight[known])))


def stretch_levels(trains, fs):
    """Which of the factors holds at each sample: that of the interval before the beat which is nearest."""
    levels = np.full(trains.shape, np.abs(np.log(STRETCHES)).argmin(), dtype=np.int8)
    for start in range(0, len(trains), _RECORDS_AT_ONCE):
        piece = levels[start : start + _RECORDS_AT_ONCE]
        maxima = train_maxima(np.array(trains[start : start + _RECORDS_AT_ONCE], dtype=np.float64), fs)
        for line, impulses in zip(piece, maxima, strict=True):
            beats = np.flatnonzero(impulses)
            if len(beats) < 2:
                continue
            intervals = np.diff(beats) / fs
            before = np.append(intervals[:1], intervals)
            nearest = np.abs(np.log(before)[:, None] / 2 - np.log(STRETCHES)).argmin(axis=1)
            line[:] = nearest[np.searchsorted((beats[1:] + beats[:-1]) / 2, np.arange(len(line)))]
    return levels


def steady_train(n_timepoints, fs, heart_rate, pulse):
    """Train of shape (1, n_timepoints) of a constant rate, its first impulse half an interval from the start.

    A record shorter than an interval has its one impulse in the middle.
    """
    interval, duration = 60 / heart_rate, n_timepoints / fs
    times = np.arange(min(interval, duration) / 2, duration, interval)
    return place_pulses(_impulses([times], n_timepoints, fs), pulse)


def draw_trains(rng, n, n_timepoints, fs, *, rr, heart_rate, usual_rate, pulse):
    """Trains of shape (n, n_timepoints): a pulse at each beat of a rhythm.

    ``rr`` and ``heart_rate`` are those of :meth:`PeriodicVAE.sample`; ``usual_rate`` is the mean and the standard
    deviation of the rates that are drawn where none is given.
    """
    duration = n_timepoints / fs
    if rr is not None and not isinstance(rr, str):
        if heart_rate is not None:
            raise ValueError("Give either heart_rate or the intervals themselves in rr, not both.")
        return place_pulses(_impulses(np.cumsum(_check_intervals(rr, n, duration), axis=1), n_timepoints, fs), pulse)
    if rr not in (None, "sinus", "af"):
        raise ValueError(f"rr must be 'sinus', 'af' or an array of RR intervals in seconds, got {rr!r}.")
    if heart_rate is None:
        rates = _draw_rates(rng, n, usual_rate, _FASTEST[rr or "sinus"])
    else:
        rates = _check_rates(heart_rate, n)
    times = []
    for rate in rates:
        span = 1.5 * duration + 10 * 60 / rate  # the intervals of atrial fibrillation may be short
        if rr == "af":
            intervals = fibrillation_intervals(rng, span, rate)
        else:
            intervals = sinus_intervals(rng, span, rate, _VARIATION * rate, _LF_HF_RATIO)
        times.append(np.cumsum(intervals) - rng.uniform() * intervals[0])
    return place_pulses(_impulses(times, n_timepoints, fs), pulse)


def _impulses(times, n_timepoints, fs):
    """Ones at the samples nearest to ``times`` in s, one sequence for each record."""
    trains = np.zeros((len(times), n_timepoints))
    for train, beats in zip(trains, times, strict=True):
        places = np.rint(np.asarray(beats) * fs).astype(np.int64)
        train[places[(places >= 0) & (places < n_timepoints)]] = 1.0
    return trains


def _numbers(name, values):
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers, got {values!r}.") from error


def _draw_rates(rng, n, usual_rate, fastest):
    """Heart rates as those of the training records are distributed, within what a rhythm is made at."""
    if not _SLOWEST <= usual_rate[0] <= fastest:
        raise ValueError(
            f"Heart rates are drawn from {_SLOWEST:g} to {fastest:g} bpm, but the mean of the training records is "
            f"{usual_rate[0]:.0f} bpm: give heart_rate, rr or impulse_trains."
        )
    return np.clip(rng.normal(*usual_rate, size=n), _SLOWEST, fastest)


def _check_rates(heart_rate, n):
    rates = _numbers("heart_rate", heart_rate)
    if rates.shape not in ((), (n,)) or not (np.isfinite(rates).all() and (rates > 0).all()):
        raise ValueError(f"heart_rate must be a positive number in bpm, or {n} of them, got {heart_rate!r}.")
    check_fastest(heart_rate, rates)
    return np.broadcast_to(rates, n)


def _check_intervals(rr, n, duration):
    intervals = _numbers("rr", rr)
    if intervals.ndim not in (1, 2) or intervals.shape[:-1] not in ((), (n,)) or not intervals.size:
        raise ValueError(f"rr must have shape (n_intervals,) or ({n}, n_intervals), got {intervals.shape}.")
    if not (np.isfinite(intervals).all() and (intervals > 0).all()):
        raise ValueError("rr must hold positive numbers of seconds.")
    if intervals[..., 0].max() > duration:
        raise ValueError(
            f"rr must hold seconds, each interval ending with a beat: one of {intervals[..., 0].max():g} s at the "
            f"beginning leaves a record of {duration:g} s without any."
        )
    if intervals.sum(axis=-1).min() < duration:
        raise ValueError(f"rr covers {intervals.sum(axis=-1).min():g} s of the {duration:g} s of a record.")
    return np.broadcast_to(intervals, (n, intervals.shape[-1]))


def check_trains(trains, n, n_timepoints):
    """Trains given by the user as (n, n_timepoints); one for all is allowed."""
    checked = np.atleast_2d(_numbers("impulse_trains", trains))
    if checked.ndim != 2 or len(checked) not in (1, n) or checked.shape[1] != n_timepoints:
        raise ValueError(
            f"impulse_trains must be of shape ({n_timepoints},) or ({n}, {n_timepoints}), as ImpulseTrainExtractor "
            f"makes them without side columns, got {np.shape(trains)}."
        )
    if not np.isfinite(checked).all():
        raise ValueError("impulse_trains must be finite.")
    return np.broadcast_to(checked, (n, n_timepoints))
