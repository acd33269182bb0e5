"""ECG whose T waves lie later."""

import numpy as np

from sklearn_ecg.interpolation import count_waves

from . import data

T_REACH = (13, 16)  # samples before and after the peak of a T wave that is moved


def with_later_t(signal, shift):
    """The signal with each T wave put later, but for those that would leave it."""
    moved = signal.copy()
    for peak in count_waves(signal, fs=data.FS).t:
        start, stop = peak - T_REACH[0], peak + T_REACH[1]
        if start >= 0 and stop + shift <= len(signal):
            wave = signal[start:stop] - np.linspace(signal[start], signal[stop - 1], stop - start)
            moved[start:stop] -= wave
            moved[start + shift : stop + shift] += wave
    return moved
