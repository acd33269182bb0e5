"""Whether the waves on a path move or fade."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array

from ..signals._validation import check_fs, refuse_short
from ._delineation import delineate
from ._paths import mix
from ._transport import match_beats_of

_FLOOR = 0.1  # of the largest deflection of a step: what is lower is baseline as well as wave
_WAVES = ("P", "QRS", "T")


@dataclass(frozen=True, eq=False)
class WaveDrift:
    """How the waves that both ends of a path have get from one place to the other.

    Attributes
    ----------
    wave : ndarray of str, shape (n_waves,)
        "P", "QRS" or "T".
    place : ndarray of shape (n_waves, n_steps)
        Centre of mass of each wave in s.
    displacement : ndarray of shape (n_waves,)
        From the first to the last step, in s.
    width : ndarray of shape (n_waves,)
        Mean width of the wave at both ends in s: 4 standard deviations of its mass.
    fading : ndarray of shape (n_waves,)
        Fading share: 0 where a wave moves as a whole, 1 where it fades in one place and grows in another; NaN where it
        hardly changes place.
    """

    wave: np.ndarray
    place: np.ndarray
    displacement: np.ndarray
    width: np.ndarray
    fading: np.ndarray

    @property
    def step(self) -> Any:
        """Displacement from each step to the next in s: ndarray of shape (n_waves, n_steps - 1)."""
        return np.diff(self.place, axis=1)


def wave_drift(path: ArrayLike, *, fs: float, least: float = 0.02) -> Any:
    """Follow the centre of mass of each wave on a path, and tell drift from cross-fade.

    Beats and waves of both ends are matched as in :func:`transport_path`. The mass of a wave at a step is the absolute
    deflection from the chord of the stretch that holds it at both ends, above a tenth of the largest one. Its centre
    moves in either case; its variance tells how. Of a wave that fades in one place while it grows in another, d away,
    the variance is (1 − t) v_0 + t v_1 + t (1 − t) d²; of one that moves, the last term is missing. The fading share is
    this excess, summed over the steps, over that of the linear path between the same ends, cut to 0 … 1.

    Parameters
    ----------
    path : array-like of shape (n_steps, n_timepoints)
        Signals of one lead, evenly spaced from one end of the path to the other.
    fs : float
        Sampling frequency in Hz, from 50 to 4000.
    least : float, default=0.02
        Displacement in s from which on the fading share is given.

    Returns
    -------
    drift : WaveDrift
        Without the waves whose stretch reaches into another wave or beyond the signal: there they cannot be told apart.

    Raises
    ------
    TypeError
        If ``fs`` is not a number.
    ValueError
        If ``path`` is not 2-D, is (n_timepoints, n_steps), has fewer than three steps, or holds NaN or infinity, or
        ``fs`` is out of range.

    Notes
    -----
    The centre is that of all that deflects in the stretch: of a wave on a sloping baseline, or one that is much wider
    than its way, it moves less than the wave.

    Examples
    --------
    >>> from functools import partial
    >>> import numpy as np
    >>> from sklearn_ecg.interpolation import linear_path, transport_path
    >>> time = np.arange(512) / 128
    >>> a, b = (np.exp(-0.5 * (((time - start) % 0.8 - 0.4) / 0.015) ** 2) for start in (0.0, 0.2))
    >>> moved, faded = (wave_drift(path(a, b), fs=128) for path in (partial(transport_path, fs=128), linear_path))
    >>> float(np.nanmedian(moved.fading).round(2)), float(np.nanmedian(faded.fading).round(2))
    (0.0, 1.0)
    """
    fs = check_fs(fs)
    path = check_array(path, dtype=np.float64, ensure_min_samples=3, input_name="path")
    refuse_short(path, "path", "(n_steps, n_timepoints)")
    stretches = list(_stretches(path, fs))
    t = np.linspace(0.0, 1.0, len(path))
    linear = mix(path[0], path[-1], t)
    place = np.empty((len(stretches), len(path)))
    width, fading = np.empty((2, len(stretches)))
    for row, (_, start, stop) in enumerate(stretches):
        place[row], variance = _moments(path[:, start:stop], start)
        _, of_linear = _moments(linear[:, start:stop], start)
        width[row] = 2 * (np.sqrt(variance[0]) + np.sqrt(variance[-1])) / fs
        excess, of_linear = (np.sum(v - (1 - t) * v[0] - t * v[-1]) for v in (variance, of_linear))
        fading[row] = np.clip(excess / of_linear, 0.0, 1.0) if of_linear > 0 else np.nan
    place /= fs
    way = place[:, -1] - place[:, 0] if stretches else np.empty(0)
    fading[np.abs(way) < least] = np.nan
    return WaveDrift(np.array([wave for wave, *_ in stretches], dtype="U3"), place, way, width, fading)


def _stretches(path, fs):
    """Name, start and stop in samples of each wave that both ends have, from where it is first to where it is last."""
    n = path.shape[1]
    first, last = delineate(path[0], fs), delineate(path[-1], fs)
    if not first.whole.any() or not last.whole.any():
        return
    for a, b in zip(*match_beats_of(first, last, n, fs), strict=True):
        present = (first.p[a] >= 0 and last.p[b] >= 0, True, first.t[a] >= 0 and last.t[b] >= 0)
        for wave, name in enumerate(_WAVES):
            start = min(first.spans[a, 2 * wave], last.spans[b, 2 * wave])
            stop = max(first.spans[a, 2 * wave + 1], last.spans[b, 2 * wave + 1])
            alone = all(_is_alone(beats, at, wave, start, stop) for beats, at in ((first, a), (last, b)))
            if present[wave] and alone and start >= 0 and stop <= n:
                yield name, start, stop


def _is_alone(beats, index, wave, start, stop):
    """Whether no other wave of a signal reaches into a stretch."""
    spans = np.delete(beats.spans.reshape(-1, 2), 3 * index + wave, axis=0)
    found = np.stack([beats.p >= 0, np.full(len(beats), True), beats.t >= 0], axis=1).ravel()
    found = np.delete(found, 3 * index + wave)
    return not (found & (spans[:, 0] < stop) & (spans[:, 1] > start)).any()


def _moments(signals, start):
    """Centre and variance of the mass of signals (n_steps, n_times), in samples."""
    slope = np.linspace(0.0, 1.0, signals.shape[1])
    mass = np.abs(signals - signals[:, :1] * (1 - slope) - signals[:, -1:] * slope)
    mass = np.maximum(mass - _FLOOR * mass.max(axis=1, keepdims=True), 0.0)
    mass /= np.maximum(mass.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    at = start + 0.5 + np.arange(signals.shape[1])
    centre = mass @ at
    return centre, np.maximum(mass @ at**2 - centre**2, 0.0)
