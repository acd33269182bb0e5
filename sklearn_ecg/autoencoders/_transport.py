"""What the decoded points between two latents shall look like: points on the transport path between the signals."""

import numpy as np
import torch

from ..interpolation import transport_path
from ..nn.autoencoders import PathTargets

_N_STEPS = 9  # of one path; its ends are learned anyway


def path_between(a, b, n_steps, fs):
    """Signals (n_steps, n_leads, n_timepoints) from ``a`` to ``b``, both (n_leads, n_timepoints), lead by lead."""
    return np.stack([transport_path(*leads, n_steps, fs=fs) for leads in zip(a, b, strict=True)], axis=1)


def path_targets(X, layout, rows, *, n_pairs, weight, fs, seed):
    """Transport paths between ``n_pairs`` pairs of the given rows of ``X``, drawn by ``seed``."""
    if len(rows) < 2:
        raise ValueError(f"transport wants at least 2 training rows, got {len(rows)}.")
    rng = np.random.default_rng(seed)
    pairs = np.array([rng.choice(rows, 2, replace=False) for _ in range(n_pairs)])
    ends, places = np.unique(pairs, return_inverse=True)
    signals = layout.split(np.take(X, ends, axis=0))[0].astype(np.float64)
    places = places.reshape(pairs.shape)
    targets = np.empty((n_pairs, _N_STEPS - 2, layout.n_leads, layout.n_timepoints), dtype=np.float32)
    for pair, target in zip(places, targets, strict=True):
        target[:] = path_between(*signals[pair], _N_STEPS, fs)[1:-1]
    return PathTargets(
        torch.from_numpy(signals),
        torch.from_numpy(places).repeat_interleave(_N_STEPS - 2, dim=0),
        torch.linspace(0, 1, _N_STEPS, dtype=torch.float64)[1:-1].repeat(n_pairs),
        torch.from_numpy(targets).flatten(0, 1),
        weight,
    )
