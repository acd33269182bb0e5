"""Signals that are no ECG although they share something with one: what a measure of generated ECG must reject."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from ..parameters import RandomState
from ..signals._validation import RowLayout
from ._reports import as_rows

__all__ = ["phase_randomised", "white_noise_like"]


def white_noise_like(
    X: ArrayLike, *, n_leads: int = 1, n_side_features: int = 0, random_state: RandomState | None = None
) -> np.ndarray:
    """Rows of Gaussian noise with the mean and the standard deviation of each lead of each row of ``X``.

    Meant for rows of aligned beats. On whole leads the noise tells nothing: beats lie at other places in every row,
    which keeps all rows about equally far apart. A maximum mean discrepancy whose Gaussian kernel has the median
    distance as its bandwidth gave noise 1.07 times the value of real against real at n = 80, and
    :func:`sklearn_ecg.metrics.mmd_report` does not reject it on 160 leads II of LUDB; on their beats it is at 16 times
    the floor.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_leads * n_timepoints + n_side_features)
        Rows, lead after lead.
    n_leads : int, default=1
        Leads in a row.
    n_side_features : int, default=0
        Columns at the end of a row that are no signal; they are handed on as they are.
    random_state : int, RandomState instance or None, default=None
        Seed of the noise.

    Returns
    -------
    rows : ndarray of float64 of the shape of ``X``

    Raises
    ------
    ValueError
        If ``X`` is not 2-D and finite, or its width does not fit ``n_leads``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg.metrics import white_noise_like
    >>> noise = white_noise_like(np.full((2, 5), 0.5), random_state=0)  # without spread, the noise has none
    >>> noise.tolist()[0]
    [0.5, 0.5, 0.5, 0.5, 0.5]
    """
    rows, layout = _read(X, n_leads, n_side_features)
    signals, _ = layout.split(rows)
    noise = check_random_state(random_state).standard_normal(signals.shape)
    signals[:] = signals.mean(axis=2, keepdims=True) + signals.std(axis=2, keepdims=True) * noise
    return rows


def phase_randomised(
    X: ArrayLike, *, n_leads: Any = 1, n_side_features: Any = 0, random_state: RandomState | None = None
) -> np.ndarray:
    """Rows with the spectrum of those of ``X`` and random phases: the right frequencies, and no P, QRS and T.

    Every lead of every row keeps its mean and the modulus of each Fourier coefficient; the phases are drawn anew, each
    lead's by themselves. As with :func:`white_noise_like`, compare aligned beats with them, not whole leads.

    Parameters
    ----------
    X, n_leads, n_side_features
        As in :func:`white_noise_like`.
    random_state : int, RandomState instance or None, default=None
        Seed of the phases.

    Returns
    -------
    rows : ndarray of float64 of the shape of ``X``

    Raises
    ------
    ValueError
        As :func:`white_noise_like`.

    References
    ----------
    Theiler, Eubank, Longtin, Galdrikian and Farmer (1992), Testing for nonlinearity in time series: the method of
    surrogate data, Physica D 58.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg.metrics import phase_randomised
    >>> beat = np.exp(-0.5 * ((np.arange(64) - 32) / 3) ** 2)[None]
    >>> other = phase_randomised(beat, random_state=0)
    >>> bool(np.allclose(np.abs(np.fft.fft(other)), np.abs(np.fft.fft(beat)))), bool(np.allclose(other, beat))
    (True, False)
    """
    rows, layout = _read(X, n_leads, n_side_features)
    signals, _ = layout.split(rows)
    n_timepoints = layout.n_timepoints
    spectrum = np.fft.rfft(signals, axis=2)
    phases = check_random_state(random_state).uniform(0, 2 * np.pi, spectrum.shape)
    phases[..., 0] = 0  # the mean
    if n_timepoints % 2 == 0:
        phases[..., -1] = np.pi * (phases[..., -1] > np.pi)  # real, of either sign
    signals[:] = np.fft.irfft(spectrum * np.exp(1j * phases), n=n_timepoints, axis=2)
    return rows


def _read(X, n_leads, n_side_features):
    rows = as_rows(X, "X").copy()
    return rows, RowLayout.of_width(rows.shape[1], n_leads, n_side_features)
