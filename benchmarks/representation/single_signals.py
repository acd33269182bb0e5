"""Networks fitted to one signal, of which a region is not punished: what they put there tells what they know.

A network that has seen a full cycle outside may go on periodically inside; of a Gaussian process there is nothing to go
on with. The network with little pooling in its middle is the good one, that with much the bad one.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from sklearn.gaussian_process.kernels import RBF, ExpSineSquared, Matern, RationalQuadratic

from sklearn_ecg import ConvAutoencoder, ECGFilter
from sklearn_ecg.datasets import fetch_ludb

from .._kept import kept

FS = 500
GOOD, BAD = 3, 7
"""Pooling in the middle of the two networks."""

SETTINGS = {
    "channels": (10, 10, 5),
    "kernel_sizes": (100, 80, 50),
    "latent_size": None,
    "activation": "leaky_relu",
    "upsampling": "transposed",
    "norm": None,
    "optimizer": "adagrad",
    "lr": 0.01,
    "weight_decay": 0.0,
    "max_epochs": 500,
}
"""The network of the publication but for the pooling; 500 steps, its authors take up to 4000."""

WIDTH = 18
"""Length scale of the Gaussian processes in samples."""

KERNELS = {
    "squared exponential": RBF(WIDTH),
    "squared exponential, half as long": RBF(WIDTH / 2),
    "squared exponential, twice as long": RBF(2 * WIDTH),
    "Matérn 3/2": Matern(WIDTH, nu=1.5),
    "rational quadratic": RationalQuadratic(WIDTH, alpha=1.0),
}
PERIODIC = "periodic"


@dataclass(frozen=True)
class Signals:
    """Rows (n_signals, 5000) of zero mean and unit variance, with the record and the RR interval in samples of each."""

    rows: np.ndarray
    records: np.ndarray
    rr: np.ndarray


def ecgs(data_home, n_signals, seed=0):
    """Lead V6 of LUDB records drawn at random, without baseline wander."""
    ludb = fetch_ludb(data_home=data_home, download_if_missing=False)
    rr = np.array([np.median(np.diff(record.peaks)) for record in ludb.records])
    drawn = np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(np.isfinite(rr)))[:n_signals])
    lead = ludb.data[drawn, list(ludb.lead_names).index("V6")]
    rows = ECGFilter(fs=FS, low=None, high=None, baseline="median").fit_transform(lead.astype(float))
    return Signals(_standardised(rows), ludb.groups[drawn], rr[drawn])


def gaussian_processes(kernel, like, seed=0):
    """A trajectory beside each of the signals ``like``, of the same length, mean and variance."""
    rng = np.random.default_rng([seed, sorted([*KERNELS, PERIODIC]).index(kernel)])
    n = like.rows.shape[1]
    if kernel == PERIODIC:
        rows = np.stack([_periodic_trajectory(n, round(rr), rng) for rr in like.rr])
    else:
        distance = np.arange(4 * n)
        rows = _circulant_draw(KERNELS[kernel], np.minimum(distance, 4 * n - distance), len(like.rows), rng)[:, :n]
    return Signals(_standardised(rows), like.records, like.rr)


def _periodic_trajectory(n_timepoints, period, rng):
    kernel = ExpSineSquared(2 * np.pi * WIDTH / period, period)
    cycle = _circulant_draw(kernel, np.arange(period), 1, rng)[0]
    return np.resize(cycle, n_timepoints)


def _circulant_draw(kernel, distances, n_draws, rng):
    """Gaussian trajectories on a circle of so many samples; ``distances`` are those from its first sample."""
    covariance = kernel(np.zeros((1, 1)), distances[:, None].astype(float))[0]
    power = np.fft.rfft(covariance).real.clip(min=0)
    noise = np.fft.rfft(rng.normal(size=(n_draws, len(distances))), axis=1)
    return np.fft.irfft(np.sqrt(power) * noise, len(distances), axis=1)


def _standardised(rows):
    rows = rows - rows.mean(axis=1, keepdims=True)
    return (rows / rows.std(axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Fitted:
    """A signal as a network gives it back, and its squared error a sample inside and outside the region."""

    decoded: np.ndarray
    inside: float
    outside: float


def fitted(signal, region, pool, seed, resume, steps=SETTINGS["max_epochs"]):
    """Fit one network to one signal with the unpunished ``region`` (start, stop); kept, and read with ``resume``."""
    settings = SETTINGS | {"max_epochs": steps}

    def make():
        network = ConvAutoencoder(pools=(2, pool, 2), unpunished=[region], random_state=seed, **settings)
        return network.fit(signal[None]).reconstruct(signal[None])[0]

    key = hashlib.sha256(signal.tobytes()).hexdigest(), region, pool, seed, settings
    decoded = kept("representation", "single", key, make, resume=resume)
    error = (decoded.astype(float) - signal) ** 2
    here = np.zeros(len(signal), dtype=bool)
    here[slice(*region)] = True
    return Fitted(decoded, error[here].mean(), error[~here].mean())


def errors(signals, region, pool, seeds, args, name, **settings):
    """Errors inside and outside, (2, n_signals, n_seeds)."""
    out = np.empty((2, len(signals.rows), len(seeds)))
    for i, signal in enumerate(signals.rows):
        for j, seed in enumerate(seeds):
            network = fitted(signal, region, pool, seed, args.resume, **settings)
            out[:, i, j] = network.inside, network.outside
    inside, outside = out.mean(axis=2)
    print(f"{name}, region {region}, pool {pool}: {np.median(inside):.3f} inside, {np.median(outside):.3f}", flush=True)
    return out
