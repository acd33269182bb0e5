"""What both methods do with an estimator: find its network, prepare rows and classes, go back to the time axis."""

import copy
from contextlib import contextmanager
from numbers import Integral

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..signals._beat_records import validate_beats
from ..signals._validation import BeatLayout, _flatten_cube, validate_rows


def find_network(estimator):
    """The transformers before the network, and the fitted classifier that owns it."""
    steps = []
    while not hasattr(estimator, "module_"):
        if hasattr(estimator, "steps"):
            # a sampler has no transform, and changes training rows alone
            steps += [step for _, step in estimator.steps[:-1] if hasattr(step, "transform")]
            estimator = estimator.steps[-1][1]
            continue
        check_is_fitted(estimator, "module_" if hasattr(estimator, "_make_module") else None)
        inner = [name for name in ("best_estimator_", "estimator_") if hasattr(estimator, name)]
        if not inner or hasattr(estimator, "estimators_"):  # estimator_ of an ensemble is its unfitted pattern
            raise TypeError(
                f"{type(estimator).__name__} has no module_: it is not a neural classifier. One of sklearn_ecg is "
                "wanted, alone, last in a Pipeline, or found by a search."
            )
        estimator = getattr(estimator, inner[0])
    if not hasattr(estimator, "classes_"):
        raise TypeError(f"{type(estimator).__name__} has no classes_: it is not a classifier.")
    return steps, estimator


def rows_for_network(estimator, X):
    """Number of samples of a lead in ``X``, the network's owner, the checked rows it gets, and their layout."""
    steps, network = find_network(estimator)
    made_of_beats = isinstance(network.layout_, BeatLayout)
    rows, cube = _flatten_cube(X)
    if made_of_beats:
        n_input = network.layout_.n_timepoints
    elif cube is not None:
        n_input = cube[1]
    else:
        shape = np.shape(rows)
        layouts = [step.layout_ for step in (*steps, network) if hasattr(step, "layout_")]
        lengths = [layout.n_timepoints for layout in layouts if shape[1:] == (layout.n_features,)]
        if not lengths:
            raise ValueError(f"X has shape {shape}, which no step was fitted on: its time axis is unknown.")
        n_input = lengths[0]
    for step in steps:
        if hasattr(step, "n_beats_") and hasattr(step, "detector"):
            raise ValueError(
                f"estimator cuts records into beats ({type(step).__name__}), which have no place on the time axis of "
                "X: explain the steps behind it, with the beats as X."
            )
        X = step.transform(X)
    rows, layout = (validate_beats if made_of_beats else validate_rows)(network, X, reset=False)
    return n_input, network, rows, layout


def encode_target(network, target, n_rows):
    """Class index of every row, or None for the class predicted."""
    if target is None:
        return None
    labels = np.asarray(target)
    if labels.ndim and labels.shape != (n_rows,):
        raise ValueError(f"target must be one label or {n_rows}, one for each row, got shape {labels.shape}.")
    labels = np.broadcast_to(labels, n_rows)
    equal = labels[:, np.newaxis] == network.classes_
    unknown = np.unique(labels[~equal.any(axis=1)])
    if len(unknown):
        raise ValueError(f"target must be in classes_ {network.classes_.tolist()}, got {unknown.tolist()}.")
    return equal.argmax(axis=1)


@contextmanager
def gradients(network):
    """A copy of the module that can be differentiated at its input; the estimator's own stays untouched."""
    # cuDNN differentiates a recurrent layer in training mode only
    with torch.inference_mode(False), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        yield copy.deepcopy(network.module_).eval().requires_grad_(False)


def batches(network, module, rows, layout, codes):
    """Signals, side features and class indices (batch, 1) of ``batch_size`` rows, on the module's device."""
    parameter = next(module.parameters())
    dtype = np.float64 if parameter.dtype == torch.float64 else np.float32
    for start in range(0, len(rows), network.batch_size):
        piece = slice(start, start + network.batch_size)
        signals, side = layout.split(torch.from_numpy(rows[piece].astype(dtype)).to(parameter))
        signals, side = signals.clone(), side.clone()
        logits = _logits(network, module, signals, side)
        code = logits.argmax(dim=1) if codes is None else torch.as_tensor(codes[piece]).to(signals.device)
        yield signals, side, code[:, np.newaxis]


def _logits(network, module, signals, side):
    with torch.no_grad():
        output = module(signals, side)
    if output.ndim != 2 or output.shape[1] != len(network.classes_):
        raise TypeError(
            f"The module of {type(network).__name__} must give one logit for each of {len(network.classes_)} classes, "
            f"got output of shape {tuple(output.shape)}."
        )
    return output


def check_baseline(baseline, shape):
    """The signals where the way starts, broadcast to the shape of those explained."""
    baseline = np.asarray(baseline, dtype=np.float64)
    if not np.isfinite(baseline).all():
        raise ValueError("baseline must be finite, got NaN or infinity.")
    try:
        return np.broadcast_to(baseline, shape)
    except ValueError:
        raise ValueError(f"baseline must broadcast to {shape}, got shape {baseline.shape}.") from None


def pieces(n_steps):
    """(middle, length) of the pieces of the way from 0 to 1, whose ends are the squares of equal steps."""
    if not isinstance(n_steps, Integral) or isinstance(n_steps, bool) or n_steps < 1:
        raise ValueError(f"n_steps must be an integer of at least 1, got {n_steps!r}.")
    ends = np.linspace(0, 1, n_steps + 1) ** 2
    return list(zip(((ends[1:] + ends[:-1]) / 2).tolist(), np.diff(ends).tolist(), strict=True))


def interpolate(values, positions, n_out):
    """Values at ``n_out`` samples, linearly along the last axis.

    Without ``positions`` the values are samples at another rate, the first of which lies where the first one out does.
    """
    n_in = values.shape[-1]
    if positions is None:
        if n_in == n_out:
            return values
        positions = np.arange(n_in) * n_out / n_in
    samples = np.arange(n_out)
    flat = values.reshape(-1, n_in)
    return np.array([np.interp(samples, positions, row) for row in flat]).reshape(*values.shape[:-1], n_out)


def to_numpy(tensor):
    return tensor.detach().double().cpu().numpy()
