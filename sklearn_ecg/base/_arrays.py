"""Nested states of modules and optimizers as arrays, and back."""

import numpy as np
import torch


def to_arrays(state):
    """Tensors of a nested state (dicts, lists and tuples) as NumPy arrays."""
    if isinstance(state, torch.Tensor):
        return state.detach().cpu().numpy().copy()
    if isinstance(state, dict):
        return {key: to_arrays(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)([to_arrays(value) for value in state])
    return state


def to_tensors(state):
    """The inverse of :func:`to_arrays`."""
    if isinstance(state, np.ndarray):
        return torch.from_numpy(state.copy())
    if isinstance(state, dict):
        return {key: to_tensors(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)([to_tensors(value) for value in state])
    return state
