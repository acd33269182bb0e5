"""Straight paths: between two signals, and between their latent representations."""

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array


def linear_path(a: ArrayLike, b: ArrayLike, n_steps: int = 100, *, t: ArrayLike | None = None) -> np.ndarray:
    """Mix two signals: (1 − t) a + t b.

    Parameters
    ----------
    a, b : array-like of shape (n_timepoints,)
        The two ends.
    n_steps : int, default=100
        Number of steps, both ends included.
    t : array-like of shape (n_steps,), default=None
        Places on the path, from 0 to 1, in any order; instead of ``n_steps``.

    Returns
    -------
    path : ndarray of shape (n_steps, n_timepoints)
        The first and last step of a path of ``n_steps`` are ``a`` and ``b`` exactly.

    Raises
    ------
    ValueError
        If the ends are not 1-D and of equal length, hold NaN or infinity, or a place is outside 0 to 1.

    Examples
    --------
    >>> linear_path([0.0, 4.0], [2.0, 0.0], 3)
    array([[0., 4.],
           [1., 2.],
           [2., 0.]])
    """
    a, b = check_ends(a, b)
    return mix(a, b, check_steps(n_steps, t))


def latent_path(
    autoencoder: Any, a: ArrayLike, b: ArrayLike, n_steps: int = 100, *, t: ArrayLike | None = None
) -> np.ndarray:
    """Decode the straight line between the latent representations of two signals.

    Parameters
    ----------
    autoencoder : transformer
        Fitted, with ``transform`` and ``inverse_transform``.
    a, b : array-like of shape (n_features,)
        The two ends, rows as the transformer takes them.
    n_steps : int, default=100
        Number of steps, both ends included.
    t : array-like of shape (n_steps,), default=None
        Places on the path, from 0 to 1, in any order; instead of ``n_steps``.

    Returns
    -------
    path : ndarray of shape (n_steps, n_features)
        The ends are the reconstructions of ``a`` and ``b``.

    Raises
    ------
    ValueError
        As :func:`linear_path`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> X = np.random.default_rng(0).normal(size=(20, 6))
    >>> latent_path(PCA(2).fit(X), X[0], X[1], 5).shape
    (5, 6)
    """
    a, b = check_ends(a, b)
    with warnings.catch_warnings():  # two rows have no column names, though those of fit may have had some
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        latent = np.asarray(autoencoder.transform(np.stack([a, b])))
    return np.asarray(autoencoder.inverse_transform(mix(latent[0], latent[1], check_steps(n_steps, t))))


def check_ends(a, b):
    """Both ends as float64 arrays (n_timepoints,)."""
    a = check_array(a, ensure_2d=False, dtype=np.float64, input_name="a")
    b = check_array(b, ensure_2d=False, dtype=np.float64, input_name="b")
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"a and b must be 1-D and of equal length, got shapes {a.shape} and {b.shape}.")
    return a, b


def check_steps(n_steps, t):
    """Places on the path (n_steps,), from 0 to 1."""
    if t is None:
        if not isinstance(n_steps, Integral) or isinstance(n_steps, bool) or n_steps < 2:
            raise ValueError(f"n_steps must be an integer of at least 2, got {n_steps!r}.")
        return np.linspace(0.0, 1.0, n_steps)
    t = check_array(t, ensure_2d=False, dtype=np.float64, input_name="t")
    if t.ndim != 1 or (t < 0).any() or (t > 1).any():
        raise ValueError("t must be 1-D with values from 0 to 1.")
    return t


def mix(a, b, t):
    """Rows (1 − t) a + t b, exact at both ends."""
    return (1 - t[:, None]) * a + t[:, None] * b
