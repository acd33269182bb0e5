"""Noise of ambulatory ECG, each kind scaled to a root mean square in mV."""

import numpy as np
from scipy.signal import butter, sosfilt


def make_noise(rng, shape, fs, *, baseline, muscle, mains, motion, mains_frequency):
    """Sum of the noises asked for, of shape (n_leads, n_timepoints)."""
    noise = np.zeros(shape)
    for level, make in ((baseline, _baseline), (muscle, _muscle), (motion, _motion)):
        part = make(rng, shape, fs)  # drawn at any level, so that one kind does not change the others
        noise += level * _unit(part)
    return noise + mains * _unit(_mains(rng, shape, fs, mains_frequency))


def _unit(noise):
    power = np.sqrt(np.mean(noise**2, axis=-1, keepdims=True))
    return np.divide(noise, power, out=np.zeros_like(noise), where=power > 0)


def _baseline(rng, shape, fs):
    """Wander under 0.5 Hz."""
    settle = int(20 * fs)
    sos = butter(2, [0.05, 0.5], btype="bandpass", fs=fs, output="sos")
    return sosfilt(sos, rng.normal(size=(shape[0], shape[1] + settle)))[:, settle:]


def _muscle(rng, shape, fs):
    """Noise above 20 Hz, swelling and ebbing over seconds."""
    sos = butter(2, 20.0, btype="highpass", fs=fs, output="sos")
    time = np.arange(shape[1]) / fs
    swell = 1 + 0.7 * np.sin(2 * np.pi * (time * rng.uniform(0.05, 0.3) + rng.uniform()))
    return swell * sosfilt(sos, rng.normal(size=shape))


def _motion(rng, shape, fs):
    """Jumps of an electrode, one in ten seconds, each fading within a second."""
    jumps = rng.normal(size=shape) * (rng.uniform(size=shape) < 0.1 / fs)
    fade = np.exp(-1 / (0.3 * fs))
    return sosfilt([[1, 0, 0, 1, -fade, 0]], jumps)


def _mains(rng, shape, fs, mains_frequency):
    time = np.arange(shape[1]) / fs
    return np.sin(2 * np.pi * (mains_frequency * time + rng.uniform(size=(shape[0], 1))))
