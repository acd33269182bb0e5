"""Class activation maps weighted with gradients."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from ..signals._validation import BeatLayout
from ._layer import find_layer, spread_steps
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


def grad_cam(
    estimator: Any,
    X: ArrayLike,
    target: Any = None,
    layer: str | None = None,
    *,
    weights: str = "integrated",
    baseline: ArrayLike | None = None,
    n_steps: int = 16,
) -> np.ndarray:
    """Relevance of every moment for a class, by class activation maps weighted with gradients.

    The channels of a feature map are weighted with gradients of the class's logit and summed; what speaks against the
    class is cut off. Grad-CAM as published [1]_, ``weights="mean"``, does so at the last layer and with the mean
    gradient of each channel. On beats that map is often no better than chance: a step of the last layer reads most of
    the beat, the channels' means mix spans of time which the head reads apart, and what a channel holds for any signal
    counts as if it were found in this one. The default deviates in these three:

    * the layer is the last one whose steps read at most a fifth of the signal, which is the last one of all where the
      signal is long enough;
    * the map is that of integrated gradients [3]_ of the layer, on the way from the feature map of a signal without
      waves;
    * the relevance of a step is shared evenly among the samples that it reads. Before the cut its sum over a row is
      the logit at the row less the one at the baseline's feature map, but for an error that falls as ``n_steps`` grows.

    With ``norm="group"`` an event changes the scale of the whole feature map: the network may, and some do, read it
    far from where it stands.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted neural classifier, alone, as the last step of a Pipeline, in a FrozenEstimator or an AdaptedClassifier,
        or found by a search.
    X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
        Signals, as in ``predict``.
    target : label or array-like of shape (n_samples,), default=None
        Class to be explained, for all rows or for each. None: the class with the largest logit.
    layer : str, default=None
        Name of a layer, as in ``module_.named_modules()``, whose output is (batch, channels, steps). None: with
        "integrated" the last part of ``blocks`` whose steps read at most a fifth of the signal, or no more than those
        of the first part; otherwise ``blocks``. Where the module has no such part, the convolutions that run stand in
        for its parts, and the last of them for ``blocks``. What steps read is followed through convolutions, max
        pooling and average pooling.
    weights : {"integrated", "elementwise", "mean"}, default="integrated"
        "integrated" takes the mean gradient at each step on the way from the baseline's feature map; it is ``n_steps``
        times the work of the others. "mean" is Grad-CAM as published: a channel's weight is its mean gradient over
        time. "elementwise" takes the gradient at each step [2]_. With these two, the map is read at the centres of its
        steps and interpolated linearly between them.
    baseline : float or array-like, default=None
        Signal without waves, as the network sees it; broadcast to (n_samples, n_leads, n_timepoints). None: each
        lead's mean over the row. Read with "integrated" alone.
    n_steps : int, default=16
        Pieces of the way from the baseline's feature map.

    Returns
    -------
    relevance : ndarray of shape (n_samples, n_timepoints), float64
        Not negative, on the time axis of ``X``, not normalised: values of one row may be compared between classes.

    Raises
    ------
    TypeError
        If the estimator owns no neural classifier.
    ValueError
        If ``target`` is not in ``classes_``, ``layer`` is unknown, did not run or gives no (batch, channels, steps),
        ``weights``, ``baseline`` or ``n_steps`` is out of its range, ``X`` has another width than in ``fit``, or a step
        of the Pipeline cuts records into beats.

    Notes
    -----
    Layer, baseline and sharing were chosen inside DS1 of MIT-BIH, by how far the predicted class's probability falls
    when the fifth of a beat that is called most relevant is replaced by a straight line.

    References
    ----------
    .. [1] R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
       ICCV 2017.
    .. [2] R. L. Draelos and L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional
       neural networks", arXiv:2011.08891.
    .. [3] M. Sundararajan, A. Taly and Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.
    """
    if weights not in ("integrated", "elementwise", "mean"):
        raise ValueError(f'weights must be "integrated", "elementwise" or "mean", got {weights!r}.')
    integrated = weights == "integrated"
    way = pieces(n_steps) if integrated else [(1.0, 1.0)]
    n_input, network, rows, row_layout = rows_for_network(estimator, X)
    if isinstance(row_layout, BeatLayout):
        raise TypeError(
            f"{type(network).__name__} reads records of beats, which share no feature map: saliency explains them."
        )
    codes = encode_target(network, target, len(rows))
    n_timepoints = row_layout.n_timepoints
    origins = row_layout.split(rows)[0].mean(axis=2, keepdims=True, dtype=np.float64) if baseline is None else baseline
    origins = check_baseline(origins, (len(rows), row_layout.n_leads, n_timepoints))
    part, parts, done = None, [], 0
    with gradients(network) as module:
        for signals, side, code in batches(network, module, rows, row_layout, codes):
            if part is None:
                part, centres, reach = find_layer(module, layer, signals[:1], side[:1], local=integrated)
            given = _outputs(module, part, signals, side)
            features, empty = given[-1], torch.zeros_like(given[-1])
            if integrated:
                origin = torch.from_numpy(origins[done : done + len(signals)].copy()).to(signals)
                empty = _outputs(module, part, origin, side)[-1]
            gradient = torch.zeros_like(features)
            for middle, length in way:
                between = torch.lerp(empty, features, middle).requires_grad_()
                logits = _logits_from(module, part, between, len(given), signals, side)
                gradient += length * _gradient(logits.gather(1, code).sum(), between)
            if weights == "mean":
                gradient = gradient.mean(dim=2, keepdim=True)
            parts.append(to_numpy((gradient * (features - empty)).sum(dim=1)))
            done += len(signals)
    return interpolate(_on_samples(np.concatenate(parts), centres, reach, n_timepoints, integrated), None, n_input)


def _on_samples(relevance, centres, reach, n_timepoints, integrated):
    """Relevance of steps (n_rows, n_steps) on the samples of the signal."""
    if integrated:
        return np.maximum(relevance @ spread_steps(centres, reach, n_timepoints), 0)
    return interpolate(np.maximum(relevance, 0), centres, n_timepoints)


def _gradient(value, at):
    return torch.autograd.grad(value, at, allow_unused=True, materialize_grads=True)[0]


def _outputs(module, part, signals, side):
    """What a layer gives each time it runs."""
    given = []
    hook = part.register_forward_hook(lambda _part, _inputs, output: given.append(output.clone()))
    with torch.no_grad():
        module(signals, side)
    hook.remove()
    return given


def _logits_from(module, part, features, n_runs, signals, side):
    """Logits where a layer gives these features the last of the times it runs."""
    seen = []

    def replace(_part, _inputs, output):
        seen.append(output)
        return features.clone() if len(seen) == n_runs else output  # what follows may work in place

    hook = part.register_forward_hook(replace)
    logits = module(signals, side)
    hook.remove()
    return logits
