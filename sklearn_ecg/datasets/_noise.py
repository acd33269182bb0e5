"""Noise of ambulatory ECG, each kind scaled to a root mean square in mV."""

from numbers import Real

import numpy as np
from scipy.signal import butter, sosfilt
from sklearn.utils import check_random_state

from ..parameters import RandomState
from ..signals._validation import check_fs


def make_noise(
    shape: tuple,
    *,
    fs: float,
    white: float = 0.0,
    baseline: float = 0.0,
    muscle: float = 0.0,
    mains: float = 0.0,
    motion: float = 0.0,
    mains_frequency: float = 50.0,
    random_state: RandomState | None = None,
) -> np.ndarray:
    """Make noise of ambulatory ECG, to be added to records.

    Parameters
    ----------
    shape : tuple (n_signals, n_timepoints)
        Signals, each with noise of its own.
    fs : float
        Sampling frequency in Hz, at least 50.
    white, baseline, muscle, mains, motion : float, default=0.0
        Root mean square of each kind in mV: all frequencies alike; wander under 0.5 Hz; noise above 20 Hz that swells
        and ebbs; a sine of the mains; jumps of an electrode that fade within a second, one in ten seconds on average. A
        signal in which no jump falls has no ``motion``.
    mains_frequency : float, default=50.0
        In Hz; from ``fs / 2`` on it is seen folded, as by a recorder without a filter.
    random_state : int, RandomState instance or None, default=None
        Seed. One kind does not change the others.

    Returns
    -------
    noise : ndarray of shape (n_signals, n_timepoints)
        Their sum in mV.

    Raises
    ------
    ValueError
        If ``shape`` is not two positive integers, a level is no number or negative, or a frequency is out of its range.

    Examples
    --------
    >>> from sklearn_ecg.datasets import make_ecg, make_noise
    >>> record = make_ecg(10, fs=250, random_state=0)
    >>> noisy = record.signal + make_noise(record.signal.shape, fs=250, muscle=0.1, random_state=0)
    """
    fs = check_fs(fs, low=50.0)
    levels = {"baseline": baseline, "muscle": muscle, "mains": mains, "motion": motion}
    check_numbers({"mains_frequency": mains_frequency}, {"white": white, **levels})
    if np.ndim(shape) != 1 or len(shape) != 2 or not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
        raise ValueError(f"shape must be (n_signals, n_timepoints), two positive integers, got {shape!r}.")
    seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=2)
    noise = draw_noise(np.random.default_rng(seeds[0]), shape, fs, **levels, mains_frequency=mains_frequency)
    return noise + white * np.random.default_rng(seeds[1]).normal(size=shape)


def draw_noise(rng, shape, fs, *, baseline, muscle, mains, motion, mains_frequency):
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


def check_numbers(positive, not_negative):
    """Refuse what is no finite number, or too small."""
    for name, value in {**positive, **not_negative}.items():
        if not isinstance(value, Real) or not np.isfinite(value) or value < 0 or (name in positive and value == 0):
            wanted = "positive" if name in positive else "0 or more"
            raise ValueError(f"{name} must be a finite number, {wanted}, got {value!r}.")
