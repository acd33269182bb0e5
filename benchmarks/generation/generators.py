"""Generators of beats of a class, each with its side features."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.mixture import GaussianMixture

from sklearn_ecg import PeriodicVAE
from sklearn_ecg.augmentation import GANSampler
from sklearn_ecg.preprocessing import PATIENT_FEATURES

from ..arrhythmia.data import FS

CLASSES = tuple("NSVF")
N_SIDE = len(PATIENT_FEATURES)
N_MOST = 4000  # rows of a class that the autoencoder learns from
N_MIXED = 8000  # rows of a class whose latents tell its mixture
ROWS_OF_A_COMPONENT = 60


def thinned(X, y, n_most, seed):
    """At most ``n_most`` rows of each class."""
    rng = np.random.default_rng(seed)
    rows = np.sort(np.concatenate([rng.permutation(np.flatnonzero(y == label))[:n_most] for label in np.unique(y)]))
    return X[rows], y[rows]


@dataclass(frozen=True)
class VAE:
    """A conditional variational autoencoder that decodes the signal itself, since one beat has one period.

    With ``mixture``, latents are drawn from at most so many normal distributions, fitted to those of the class, instead
    of the standard one; ``noise`` adds what the autoencoder leaves of the class, normally distributed with its
    covariance.
    """

    mixture: int = 0
    noise: bool = False
    settings: dict = field(
        default_factory=lambda: {
            "latent_size": 16,
            "channels": (16, 24, 32),
            "kernel_size": 7,
            "max_epochs": 25,
            "batch_size": 64,
            "lr": 2e-3,
            "lr_schedule": "one-cycle",
            "beta": 1e-2,
        }
    )
    kind = "PeriodicVAE"

    def fit(self, X, y, seed):
        layout = {"periodic": False, "conditional": True, "n_side_features": N_SIDE}
        return PeriodicVAE(fs=FS, **layout, **self.settings, random_state=seed).fit(*thinned(X, y, N_MOST, seed))

    def sample(self, vae, X, y, n, label, seed):
        if not self.mixture:
            return vae.sample(n, y=label, random_state=seed)
        real, _ = thinned(X[y == label], y[y == label], N_MIXED, seed)
        Z = vae.transform(real).astype(np.float64)
        n_components = max(2, min(self.mixture, len(Z) // ROWS_OF_A_COMPONENT))
        mixture = GaussianMixture(n_components, reg_covar=1e-3, init_params="k-means++", random_state=seed).fit(Z)
        rows = vae.inverse_transform(mixture.sample(n)[0], y=label)
        if self.noise:
            left = real - vae.inverse_transform(Z, y=label)
            covariance = LedoitWolf().fit(left).covariance_
            rng = np.random.default_rng(seed)
            rows = rows + rng.multivariate_normal(left.mean(axis=0), covariance, size=n, method="cholesky")
        return rows


@dataclass(frozen=True)
class GAN:
    """The library's sampler, which draws batches of all classes alike."""

    settings: dict = field(default_factory=dict)
    kind = "GANSampler"

    def fit(self, X, y, seed):
        return GANSampler(n_side_features=N_SIDE, **self.settings, random_state=seed).fit(X, y)

    def sample(self, gan, X, y, n, label, seed):
        return gan.sample(n, label, random_state=seed)
