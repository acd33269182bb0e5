"""Gradients at the input, and their integral on the way from a baseline."""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning

from ._network import (
    batches,
    check_baseline,
    encode_target,
    gradients,
    interpolate,
    pieces,
    rows_for_network,
    to_numpy,
)


def saliency(
    estimator: Any,
    X: ArrayLike,
    target: Any = None,
    method: str = "gradient",
    *,
    baseline: ArrayLike = 0.0,
    n_steps: int = 64,
    return_side: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of a class's logit at every sample of the signal, or integrated gradients [1]_.

    Integrated gradients are the difference from the baseline times the mean gradient on the straight way from there,
    by the midpoint rule on ``n_steps`` pieces, which are the shorter the nearer they lie to the baseline. Their sum
    over a row, side features included where these move, is the logit at the row less the one at the baseline, but for
    an error that falls as ``n_steps`` grows; where it is more than 5 % of the largest such difference, a warning says
    so. With ``norm="group"`` the zero signal, which has no scale, lies at the edge of a steep change, which even
    many steps may miss: take another baseline, such as the mean of the training signals.

    Parameters
    ----------
    estimator, X, target
        As in :func:`grad_cam`.
    method : {"gradient", "integrated_gradients"}, default="gradient"
        What is computed.
    baseline : float or array-like, default=0.0
        Signal without information, as the network sees it; broadcast to the shape of ``attribution``. Zero is the mean
        after scaling.
    n_steps : int, default=64
        Pieces of the way from the baseline.
    return_side : bool, default=False
        Whether the attributions of the side features are returned, too. With integrated gradients side features then
        move from their means over the training rows; otherwise they keep their values all the way.

    Returns
    -------
    attribution : ndarray of shape (n_samples, n_leads, n_timepoints), float64
        Signed, for the signal as the network sees it, behind the other steps of a Pipeline. Where these change the
        number of samples, it is interpolated on the time axis of ``X`` and multiplied by the ratio of the lengths,
        which about keeps the sum. For a classifier of records of beats, such as
        :class:`~sklearn_ecg.ECGSLClassifier`, (n_records, n_beats, n_leads, n_timepoints), with NaN where there is no
        beat.
    side_attribution : ndarray of shape (n_samples, n_side_features), float64
        (n_records, n_beats, n_side_features) for records of beats. Only with ``return_side``.

    Raises
    ------
    TypeError
        If the estimator owns no neural classifier, or ``return_side`` needs means of the side features that the module
        does not keep.
    ValueError
        If ``target`` is not in ``classes_``, another argument is out of its range, ``X`` has another width than in
        ``fit``, or a step of the Pipeline cuts records into beats.

    Warns
    -----
    ConvergenceWarning
        If integrated gradients miss the difference of the logits.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly and Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.
    """
    if method not in ("gradient", "integrated_gradients"):
        raise ValueError(f'method must be "gradient" or "integrated_gradients", got {method!r}.')
    way = pieces(n_steps)
    n_input, network, rows, layout = rows_for_network(estimator, X)
    codes = encode_target(network, target, len(rows))
    start = check_baseline(baseline, layout.split(rows)[0].shape)
    parts, side_parts, gaps, changes, done = [], [], [], [], 0
    with gradients(network) as module:
        for signals, side, code in batches(network, module, rows, layout, codes):
            origin = torch.from_numpy(start[done : done + len(signals)].copy()).to(signals)
            origin = torch.where(signals.isnan(), signals, origin)  # a beat that is not there is none on the way, too
            done += len(signals)
            if method == "gradient":
                found = _input_gradient(module, signals, side, code)
            else:
                side_origin = _side_means(module, side) if return_side else side
                found, gap, change = _integrate(module, (origin, side_origin), (signals, side), code, way)
                gaps.append(to_numpy(gap))
                changes.append(to_numpy(change))
            parts.append(to_numpy(found[0].masked_fill(signals.isnan(), torch.nan)))
            side_parts.append(to_numpy(found[1].masked_fill(side.isnan(), torch.nan)))
    if method == "integrated_gradients":
        _warn_of_gaps(np.concatenate(gaps), np.concatenate(changes), n_steps)
    seen = np.concatenate(parts)
    attribution = interpolate(seen, None, n_input) * (seen.shape[-1] / n_input)
    return (attribution, np.concatenate(side_parts)) if return_side else attribution


def _input_gradient(module, signals, side, code):
    """Gradient of the logit with respect to signals and side features."""
    signals, side = signals.detach().requires_grad_(), side.detach().requires_grad_()
    logit = module(signals, side).gather(1, code)
    return torch.autograd.grad(logit.sum(), (signals, side), allow_unused=True, materialize_grads=True)


def _integrate(module, origins, ends, code, way):
    """Attributions of signals and side features, what their sum lacks, and the difference of the logits."""
    moves = [end - origin for origin, end in zip(origins, ends, strict=True)]
    mean = [torch.zeros_like(move) for move in moves]
    for middle, length in way:
        points = [origin + middle * move for origin, move in zip(origins, moves, strict=True)]
        for total, gradient in zip(mean, _input_gradient(module, *points, code), strict=True):
            total += length * gradient
    found = [move * gradient for move, gradient in zip(moves, mean, strict=True)]
    with torch.no_grad():
        change = (module(*ends) - module(*origins)).gather(1, code)[:, 0]
    gap = change - sum(part.flatten(1).nansum(dim=1) for part in found)
    return found, gap, change


def _side_means(module, side):
    owners = [getattr(module, name, None) for name in ("head", "segments")]
    standardize = next((owner.standardize for owner in owners if hasattr(owner, "standardize")), None)
    if standardize is None:
        raise TypeError(
            "return_side needs the means of the side features in head.standardize.mean or segments.standardize.mean, "
            f"which {type(module).__name__} does not keep."
        )
    return standardize.mean.expand_as(side)


def _warn_of_gaps(gaps, changes, n_steps):
    most = 0.05 * np.abs(changes).max(initial=0)
    n_missed = int((np.abs(gaps) > most).sum())
    if n_missed:
        warnings.warn(
            f"The integrated gradients of {n_missed} of {len(gaps)} rows miss the difference of the logits by more "
            f"than 5 % of the largest one: raise n_steps={n_steps}, or choose another baseline.",
            ConvergenceWarning,
            stacklevel=3,
        )
