"""Records to pre-train on: synthetic ones whose intervals are known, generated ones that have to be measured first."""

import numpy as np

from sklearn_ecg import WaveDelineator
from sklearn_ecg.augmentation import BeatAugmentation
from sklearn_ecg.datasets import make_ecg, make_pulse2pulse, waves_of_intervals
from sklearn_ecg.preprocessing import wave_intervals, wave_masks

from . import data
from .windows import FS, N_LEADS, SECONDS, WIDTH, Records, mixing, prepare

_MARGIN = 1  # s at each end that the filter may spoil
_AT_ONCE = 500
_HEIGHTS = {"P": (0.3, 2.5), "Q": (0.1, 2.0), "R": (0.4, 1.5), "S": (0.1, 2.0), "T": (0.3, 2.5)}  # of ECGSYN's


def make_synthetic(n_records, seed):
    """Windows of ECGSYN with their intervals; rates, intervals, shapes, axes, rhythms and noise differ in each."""
    rng = np.random.default_rng(seed)
    parts = [_make_some(min(_AT_ONCE, n_records - start), rng) for start in range(0, n_records, _AT_ONCE)]
    return Records(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def make_generated(n_records, delineator, seed):
    """Records of Pulse2Pulse, with the intervals that ``delineator`` measures in them."""
    made = make_pulse2pulse(n_records, random_state=seed)
    signal = prepare(made.data.reshape(n_records, N_LEADS, -1), made.fs)
    return Records(signal, delineator.intervals(signal, fs=FS)[:, :-1])


def fit_delineator(records, max_epochs, seed):
    """A delineator of eight leads, taught by synthetic records alone."""
    augment = BeatAugmentation(fs=FS, time=0.0, wander=0.3, noise=0.1, lead_dropout=0.1)
    delineator = WaveDelineator(fs=FS, ignore_label=-1, augment=augment, max_epochs=max_epochs, random_state=seed)
    return delineator.fit(records.signal, records.mask)


def _make_some(n_records, rng):
    """Signals (n_records, 8, WIDTH), intervals and masks."""
    records = [_make_record(rng) for _ in range(n_records)]
    inside = slice(_MARGIN * FS, _MARGIN * FS + WIDTH)
    signal = prepare(np.array([record.signal for record in records], dtype=np.float32), FS)[:, :, inside]
    waves = [record.fiducials["II"] for record in records]
    mask = wave_masks(waves, (SECONDS + 2 * _MARGIN) * FS)[:, inside].astype(np.int8)
    return np.array([mixing(N_LEADS, 0.4, rng) @ leads for leads in signal]), wave_intervals(waves, fs=FS), mask


def _make_record(rng):
    intervals = _draw_intervals(rng)
    waves = waves_of_intervals(**intervals)
    for name, heights in _HEIGHTS.items():
        angle, strength, width = waves[name]
        sign = -1 if name == "T" and rng.uniform() < 0.2 else 1
        waves[name] = angle, sign * strength * np.exp(rng.uniform(*np.log(heights))), width
    return make_ecg(
        SECONDS + 2 * _MARGIN,
        fs=FS,
        heart_rate=intervals["heart_rate"],
        heart_rate_std=rng.uniform(0.2, 4),
        rhythm="af" if rng.uniform() < 0.08 else "sinus",
        ectopic={"V": 0.1} if rng.uniform() < 0.15 else None,
        waves=waves,
        leads=data.EIGHT,
        muscle=rng.uniform(0, 0.03),
        baseline=rng.uniform(0, 0.1),
        random_state=int(rng.integers(2**31)),
    )


def _draw_intervals(rng):
    """Intervals and durations of waves that follow one another."""
    while True:
        heart_rate = rng.uniform(40, 125)
        drawn = {
            "heart_rate": heart_rate,
            "pr": rng.uniform(100, 260),
            "qrs": np.exp(rng.uniform(np.log(65), np.log(200))),
            "qt": rng.uniform(340, 500) * (60 / heart_rate) ** 0.4,
            "p_duration": rng.uniform(80, 140),
            "t_duration": rng.uniform(120, 260),
        }
        try:
            waves_of_intervals(**drawn)
        except ValueError:  # they overlap
            continue
        return drawn
