"""What the decoded points between two latents shall look like: points on the transport path between the signals."""

import numpy as np
import torch

from ..interpolation import transport_path
from ..nn.autoencoders import PathTargets

_N_POINTS = 2  # asked for on one path; rather more pairs


def path_between(a, b, t, fs):
    """Signals (n_points, n_leads, n_timepoints) at ``t`` between ``a`` and ``b``, both (n_leads, n_timepoints)."""
    return np.stack([transport_path(*leads, fs=fs, t=t) for leads in zip(a, b, strict=True)], axis=1)


def path_targets(X, layout, rows, *, n_pairs, weight, fs, seed):
    """Points at random times on the transport paths of ``n_pairs`` pairs of the given rows of ``X``."""
    if len(rows) < 2:
        raise ValueError(f"transport wants at least 2 training rows, got {len(rows)}.")
    rng = np.random.default_rng(seed)
    pairs = np.array([rng.choice(rows, 2, replace=False) for _ in range(n_pairs)])
    times = rng.uniform(size=(n_pairs, _N_POINTS))
    ends, places = np.unique(pairs, return_inverse=True)
    signals = layout.split(np.take(X, ends, axis=0))[0].astype(np.float64)
    places = places.reshape(pairs.shape)
    targets = np.empty((n_pairs, _N_POINTS, layout.n_leads, layout.n_timepoints), dtype=np.float32)
    for pair, t, target in zip(places, times, targets, strict=True):
        target[:] = path_between(*signals[pair], t, fs)
    return PathTargets(
        torch.from_numpy(signals),
        torch.from_numpy(places).repeat_interleave(_N_POINTS, dim=0),
        torch.from_numpy(times).flatten(),
        torch.from_numpy(targets).flatten(0, 1),
        weight,
    )
