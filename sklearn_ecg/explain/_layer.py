"""Which layer's output is explained, and which samples of the signal its steps read."""

import numpy as np
import torch

LOCAL_SHARE = 0.2
"""Share of the signal that a step may read to count as local; chosen on beats, inside the training records."""


def find_layer(module, layer, signals, side, *, local=False):
    """The layer whose output is the feature map, the centres of its steps, and how many samples a step reads.

    Parameters
    ----------
    module : torch.nn.Module
        Gives outputs for signals and side features.
    layer : str or None
        Name of the layer. None: ``blocks``, or the last convolution that runs in a module without such a part.
    signals, side : tensor
        One row.
    local : bool, default=False
        Where ``layer`` is None: instead, of the parts of ``blocks`` or of the convolutions, the last one whose steps
        read at most a fifth of the signal, or no more than those of the first.
    """
    layers = dict(module.named_modules())
    if layer is not None and (layer not in layers or layer == ""):
        raise ValueError(f"layer must be one of {[name for name in layers if name]}, got {layer!r}.")
    runs = _trace(module, signals, side)
    wanted = [i for i, run in enumerate(runs) if _is_candidate(module, run[0], layers.get(layer), local)]
    if layer is None and local:
        wanted = [i for i in wanted if _is_signals(runs[i][2])]
    name = "a convolution" if layer is None else repr(layer)
    if not wanted:
        raise ValueError(f"layer: {name} did not run in the forward pass; name another layer.")
    n_timepoints = signals.shape[2]
    chosen, reaches = wanted[-1], [_reach(runs[: i + 1], n_timepoints) for i in wanted]
    if layer is None and local:
        most = max(LOCAL_SHARE * n_timepoints, reaches[0])
        chosen = max(i for i, reach in zip(wanted, reaches, strict=True) if reach <= most)
    part, _, output = runs[chosen]
    if not _is_signals(output):
        seen = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ValueError(f"layer must give (batch, channels, steps), got {seen} from {name}.")
    return part, _step_centres(runs[: chosen + 1], n_timepoints, output.shape[2]), reaches[wanted.index(chosen)]


def spread_steps(centres, reach, n_timepoints):
    """Weights (steps, samples) that share what a step holds among the samples it reads, evenly; rows sum to one."""
    width = max(reach, n_timepoints / len(centres))
    first = np.clip(np.ceil(centres - width / 2), 0, n_timepoints - 1).astype(int)
    stop = np.maximum(np.minimum(np.ceil(centres + width / 2).astype(int), n_timepoints), first + 1)
    samples = np.arange(n_timepoints)
    read = (samples >= first[:, np.newaxis]) & (samples < stop[:, np.newaxis])
    return read / read.sum(axis=1, keepdims=True)


def _is_candidate(module, part, wanted, local):
    if wanted is not None:
        return part is wanted
    blocks = getattr(module, "blocks", None)
    if not isinstance(blocks, torch.nn.Module):
        return _is_convolution(part)
    inner = list(blocks.children()) if local else []
    return any(part is block for block in inner or [blocks])


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


def _is_signals(value):
    return isinstance(value, torch.Tensor) and value.ndim == 3


def _is_convolution(part):
    """Whether all weights of a layer are those of one convolution: Conv1d, or padding around it."""
    owners = [inner for inner in part.modules() if next(inner.parameters(recurse=False), None) is not None]
    return len(owners) == 1 and isinstance(owners[0], torch.nn.Conv1d)


def _reach(runs, n_timepoints):
    """Samples that a step reads through the convolutions and pooling layers; those of a parallel branch count, too."""
    lengths = {}  # of what a layer takes; padding around a convolution, which may run it too, finishes later
    for part, taken, _ in runs:
        if _is_convolution(part):
            lengths[next(inner for inner in part.modules() if isinstance(inner, torch.nn.Conv1d))] = taken.shape[2]
        elif isinstance(part, (torch.nn.MaxPool1d, torch.nn.AvgPool1d)):
            lengths[part] = taken.shape[2]
    reach = 1
    for part, length in lengths.items():
        size, dilation = (int(np.ravel(value)[0]) for value in (part.kernel_size, getattr(part, "dilation", 1)))
        reach += (size - 1) * dilation * round(n_timepoints / length)
    return reach


def _step_centres(runs, n_timepoints, n_steps):
    """Middle of every step in samples, followed through the layers that shorten the signal."""
    shorter = {}  # by the length of what they take; inner layers finish first, and parallel branches tell the same
    for part, taken, given in runs:
        if _is_signals(taken) and _is_signals(given) and given.shape[2] < taken.shape[2]:
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
