"""RR intervals of a heart: sinus rhythm with its variability, atrial fibrillation."""

import numpy as np

SHORTEST_RR = 0.3
"""Seconds that any two beats are apart at least."""

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
    tachogram = np.maximum(tachogram, SHORTEST_RR)
    intervals, now = [], 0.0
    while now < span:
        intervals.append(tachogram[int(now * _GRID)])
        now += intervals[-1]
    return np.array(intervals)


def fibrillation_intervals(rng, span, heart_rate, variation=0.22):
    """Independent RR intervals (s), gamma distributed above the shortest that the node conducts."""
    excess = 60.0 / heart_rate - SHORTEST_RR
    if excess <= 0:
        raise ValueError(f"heart_rate must be under {60 / SHORTEST_RR:g} bpm in atrial fibrillation.")
    shape = (excess * heart_rate / (60.0 * variation)) ** 2
    return SHORTEST_RR + rng.gamma(shape, excess / shape, size=int(np.ceil(span * heart_rate / 60.0)) + 1)
