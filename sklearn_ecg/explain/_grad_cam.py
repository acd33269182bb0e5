"""Class activation maps weighted with gradients."""

import numpy as np
import torch

from ._network import batches, encode_target, gradients, interpolate, pieces, rows_for_network, to_numpy


def grad_cam(estimator, X, target=None, layer=None, *, weights="integrated", n_steps=16):
    """Relevance of every moment for a class, by class activation maps weighted with gradients.

    The channels of a feature map are weighted with gradients of the class's logit and summed; what speaks against the
    class is cut off. The map is read at the centres of its steps, and interpolated linearly between them. Centres are
    followed through max pooling, average pooling and strided convolutions with as much padding as keeps the first
    sample first; other steps are taken as windows of equal length.

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
        Name of a layer, as in ``module_.named_modules()``, whose output is (batch, channels, steps). None: ``blocks``,
        or the last convolution that runs where the module has no such part.
    weights : {"integrated", "elementwise", "mean"}, default="integrated"
        "mean" is Grad-CAM as published [1]_: a channel's weight is its mean gradient over time. That mixes spans of
        time which the head reads apart, as those of CNNClassifier and ResNetClassifier do. "elementwise" takes the
        gradient at each step [2]_, which is right for these, but vanishes where a recurrent layer is saturated.
        "integrated" takes its mean on the way from an empty feature map, integrated gradients [3]_ of the layer: right
        for both, and ``n_steps`` times the work.
    n_steps : int, default=16
        Pieces of the way from the empty feature map.

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
        ``weights`` or ``n_steps`` is out of its range, ``X`` has another width than in ``fit``, or a step of the
        Pipeline cuts records into beats.

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
    way = pieces(n_steps) if weights == "integrated" else [(1.0, 1.0)]
    n_input, network, rows = rows_for_network(estimator, X)
    codes = encode_target(network, target, len(rows))
    part, parts = None, []
    with gradients(network) as module:
        for signals, side, code in batches(network, module, rows, codes):
            if part is None:
                part, centres = _find_layer(module, layer, signals[:1], side[:1])
            features, gradient = _layer_gradient(module, part, signals, side, code, way)
            if weights == "mean":
                gradient = gradient.mean(dim=2, keepdim=True)
            parts.append(to_numpy(torch.relu((gradient * features).sum(dim=1))))
    seen = interpolate(np.concatenate(parts), centres, network.layout_.n_timepoints)
    return interpolate(seen, None, n_input)


def _find_layer(module, layer, signals, side):
    """The layer whose output is the feature map, and the centres of its steps in samples."""
    layers = dict(module.named_modules())
    if layer is not None and (layer not in layers or layer == ""):
        raise ValueError(f"layer must be one of {[name for name in layers if name]}, got {layer!r}.")
    if layer is None and isinstance(getattr(module, "blocks", None), torch.nn.Module):
        layer = "blocks"
    runs = _trace(module, signals, side)
    wanted = [
        i for i, run in enumerate(runs) if (_is_convolution(run[0]) if layer is None else run[0] is layers[layer])
    ]
    name = "a convolution" if layer is None else repr(layer)
    if not wanted:
        raise ValueError(f"layer: {name} did not run in the forward pass; name another layer.")
    part, _, output = runs[wanted[-1]]
    if not isinstance(output, torch.Tensor) or output.ndim != 3:
        seen = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ValueError(f"layer must give (batch, channels, steps), got {seen} from {name}.")
    return part, _step_centres(runs[: wanted[-1] + 1], signals.shape[2], output.shape[2])


def _trace(module, signals, side):
    """(layer, input, output) of every layer, in the order in which they finish."""
    runs = []

    def keep(part, inputs, output):
        runs.append((part, inputs[0] if inputs else None, output))

    hooks = [part.register_forward_hook(keep) for part in module.modules()]
    with torch.no_grad():
        module(signals, side)
    for hook in hooks:
        hook.remove()
    return runs


def _layer_gradient(module, part, signals, side, code, way):
    """The feature map a layer gives, and the mean gradient of the logit on a way through multiples of it."""
    with torch.no_grad():
        features = _run_with_share(module, part, signals, side, 1.0)[1]
    mean = torch.zeros_like(features)
    for share, length in way:
        logits, scaled = _run_with_share(module, part, signals, side, share)
        logit = logits.gather(1, code).sum()
        mean += length * torch.autograd.grad(logit, scaled, allow_unused=True, materialize_grads=True)[0]
    return features, mean


def _run_with_share(module, part, signals, side, share):
    """Logits where a layer gives a multiple of its output, and that multiple."""
    kept = []

    def scale(_part, _inputs, output):
        kept.append((share * output.detach()).requires_grad_())
        return kept[-1].clone()  # what follows may work in place

    hook = part.register_forward_hook(scale)
    logits = module(signals, side)
    hook.remove()
    return logits, kept[-1]


def _is_convolution(part):
    """Whether all weights of a layer are those of one convolution: Conv1d, or padding around it."""
    owners = [inner for inner in part.modules() if next(inner.parameters(recurse=False), None) is not None]
    return len(owners) == 1 and isinstance(owners[0], torch.nn.Conv1d)


def _step_centres(runs, n_timepoints, n_steps):
    """Middle of every step in samples, followed through the layers that shorten the signal."""
    shorter = {}  # by the length of what they take; inner layers finish first, and parallel branches tell the same
    for part, taken, given in runs:
        signals = all(isinstance(value, torch.Tensor) and value.ndim == 3 for value in (taken, given))
        if signals and given.shape[2] < taken.shape[2]:
            shorter.setdefault(taken.shape[2], part)
    centres = np.arange(n_timepoints, dtype=float)
    while len(centres) > n_steps:
        centres = _shorten(centres, shorter.get(len(centres)))
    if len(centres) == n_steps:
        return centres
    return (np.arange(n_steps) + 0.5) * n_timepoints / n_steps - 0.5


def _shorten(centres, part):
    """Centres behind pooling, whose last window may be incomplete, or a strided convolution; none behind others."""
    if isinstance(part, (torch.nn.MaxPool1d, torch.nn.AvgPool1d)):
        size, stride = (int(np.ravel(value)[0]) for value in (part.kernel_size, part.stride))
        return np.array([centres[first : first + size].mean() for first in range(0, len(centres), stride)])
    convolutions = [] if part is None else [inner for inner in part.modules() if isinstance(inner, torch.nn.Conv1d)]
    stride = max((inner.stride[0] for inner in convolutions), default=1)
    return centres[::stride] if stride > 1 else centres[:0]
