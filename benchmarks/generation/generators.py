"""Generators of beats of a class, each with its side features."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.covariance import LedoitWolf

from sklearn_ecg import PeriodicVAE
from sklearn_ecg.augmentation import GANSampler
from sklearn_ecg.preprocessing import PATIENT_FEATURES

from ..arrhythmia.data import FS

CLASSES = tuple("NSVF")
N_SIDE = len(PATIENT_FEATURES)
N_MOST = 4000  # rows of a class that the autoencoder learns from
SETTINGS = {
    "latent_size": 16,
    "channels": (16, 24, 32),
    "kernel_size": 7,
    "max_epochs": 25,
    "batch_size": 64,
    "lr": 2e-3,
    "lr_schedule": "one-cycle",
    "beta": 1e-2,
    "n_components": 40,
}
"""Settings of the autoencoder."""


def thinned(X, y, n_most, seed):
    """At most ``n_most`` rows of each class."""
    rng = np.random.default_rng(seed)
    rows = np.sort(np.concatenate([rng.permutation(np.flatnonzero(y == label))[:n_most] for label in np.unique(y)]))
    return X[rows], y[rows]


@dataclass(frozen=True)
class VAE:
    """A conditional variational autoencoder that decodes the signal itself, since one beat has one period.

    Latents are drawn from the mixture of the class, or, with ``prior``, from the standard normal distribution;
    ``noise`` adds what the autoencoder leaves of the class, normally distributed with its covariance.
    """

    prior: bool = False
    noise: bool = False
    settings: dict = field(default_factory=lambda: SETTINGS)
    kind = "PeriodicVAE"

    def fit(self, X, y, seed):
        layout = {"periodic": False, "conditional": True, "n_side_features": N_SIDE}
        return PeriodicVAE(fs=FS, **layout, **self.settings, random_state=seed).fit(*thinned(X, y, N_MOST, seed))

    def sample(self, vae, X, y, n, label, seed):
        rng = np.random.default_rng(seed)
        if self.prior:
            return vae.inverse_transform(rng.normal(size=(n, vae.n_latent_)), y=label)
        rows = vae.sample(n, y=label, random_state=seed)
        if self.noise:
            real, _ = thinned(X[y == label], y[y == label], N_MOST, seed)
            left = real - vae.reconstruct(real, y=label)
            covariance = LedoitWolf().fit(left).covariance_
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
