"""Mixtures of normal distributions that stand for the latents of the training rows, and draws from them."""

import warnings

import numpy as np
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

N_MOST = 8000  # rows that a mixture is fitted to
_ROWS_PER_LATENT = 4  # of a component at least: its covariance then is no portrait of single rows
_VARIANCE = 1e-3  # beside the prior's 1; added to that of each latent


def evenly_drawn(weight, n):
    """Indices of ``n`` rows, each as often as its weight says, to within one; each once where weights are equal."""
    shares = np.cumsum(weight)
    return np.searchsorted(shares, (np.arange(n) + 0.5) / n * shares[-1], side="right")


def fit_mixture(Z, n_components, seed):
    """Mixture of ``n_components`` normal distributions, fewer where rows are few, fitted to the latents ``Z``."""
    n_components = max(1, min(n_components, len(Z) // (_ROWS_PER_LATENT * Z.shape[1])))
    mixture = GaussianMixture(n_components, reg_covar=_VARIANCE, random_state=seed)
    with warnings.catch_warnings(), config_context(array_api_dispatch=False):  # k-means begins, which has no dispatch
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal rows, or the last small steps are not taken
        return mixture.fit(Z)


def draw_latents(mixtures, of_row, rng):
    """A latent for each row from that one of ``mixtures`` that ``of_row`` tells."""
    Z = np.empty((len(of_row), mixtures[0].means_.shape[1]))
    for k, mixture in enumerate(mixtures):
        rows = np.flatnonzero(of_row == k)
        component = rng.choice(len(mixture.weights_), size=len(rows), p=mixture.weights_)
        for c in np.unique(component):
            of_c = rows[component == c]
            spread = np.linalg.cholesky(mixture.covariances_[c])
            Z[of_c] = mixture.means_[c] + rng.normal(size=(len(of_c), Z.shape[1])) @ spread.T
    return Z
