"""RR intervals of a heart: sinus rhythm with its variability, atrial fibrillation."""

import numpy as np

SHORTEST_RR = 0.3
"""Seconds from an ectopic beat, or one of atrial fibrillation, back to the beat before, at least."""

FASTEST = 300.0
"""Heart rate in bpm, at most."""

_SHORTEST_SINUS = 0.15  # s
_GRID = 16.0  # Hz, of the tachogram
_SHORTEST_TACHOGRAM = 300.0  # s, resolves spectral peaks 0.01 Hz wide


def sinus_intervals(rng, span, heart_rate, heart_rate_std, lf_hf_ratio):
    """RR intervals (s) of a tachogram with a low- and a high-frequency peak in its spectrum, random phases."""
    n = int(_GRID * max(span, _SHORTEST_TACHOGRAM)) + 1
    frequency = np.fft.rfftfreq(n, 1 / _GRID)
    low, high = (np.exp(-((frequency - centre) ** 2) / (2 * 0.01**2)) for centre in (0.1, 0.25))
    phase = np.exp(2j * np.pi * rng.uniform(size=len(frequency)))
    wave = np.fft.irfft(np.sqrt(lf_hf_ratio * low + high) * phase, n)
    mean = 60.0 / heart_rate
    tachogram = mean + wave / wave.std() * (heart_rate_std * mean / heart_rate)
    intervals, now = [], 0.0
    while now < span:
        intervals.append(tachogram[int(now * _GRID)])
        if intervals[-1] < _SHORTEST_SINUS:
            raise ValueError(
                f"heart_rate_std={heart_rate_std:g} bpm is too large for heart_rate={heart_rate:g} bpm: an RR interval "
                f"became {intervals[-1]:.2f} s, and {_SHORTEST_SINUS:g} s is the shortest."
            )
        now += intervals[-1]
    return np.array(intervals)


def check_fastest(heart_rate, rates):
    """Refuse a heart rate that no model of the rhythm makes; ``rates`` holds the numbers of ``heart_rate``."""
    if np.max(rates) > FASTEST:
        raise ValueError(f"heart_rate must be at most {FASTEST:g} bpm, got {heart_rate!r}.")


def fibrillation_intervals(rng, span, heart_rate, variation=0.22):
    """Independent RR intervals (s), gamma distributed above the shortest that the node conducts."""
    excess = 60.0 / heart_rate - SHORTEST_RR
    if excess <= 0:
        raise ValueError(
            f"heart_rate must be under {60 / SHORTEST_RR:g} bpm in atrial fibrillation, got {heart_rate:g}."
        )
    shape = (excess * heart_rate / (60.0 * variation)) ** 2
    return SHORTEST_RR + rng.gamma(shape, excess / shape, size=int(np.ceil(span * heart_rate / 60.0)) + 1)
