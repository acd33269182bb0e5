"""Batches: rows of one array as tensors, with their targets and weights."""

from itertools import pairwise

import numpy as np
import torch
from torch.utils.data import Dataset

_ROWS_AT_ONCE = 4096


class RowBatches:
    """Rows of one array as tensors, a batch at a time: nothing is copied but the batch, which is cast on the way.

    On a GPU the whole array moves once, piece by piece, where it takes at most a quarter of the free memory. ``beside``
    maps further arguments of the module to arrays with a value for each row; integers stay integers.
    """

    def __init__(self, X, layout, device, dtype, beside=None):
        self.X, self.layout, self.device, self.dtype = X, layout, device, dtype
        self.beside = beside or {}
        self._numpy_dtype = np.float64 if dtype == torch.float64 else np.float32
        self._on_device = None
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if X.size * torch.finfo(dtype).bits // 8 <= free // 4:
                self._on_device = torch.empty(X.shape, dtype=dtype, device=device)
                for start in range(0, len(X), _ROWS_AT_ONCE):
                    piece = slice(start, start + _ROWS_AT_ONCE)
                    self._on_device[piece] = self._cast(piece)

    def _cast(self, index):
        """A copy of some rows as a tensor; what overflows is told by the loss or the output."""
        with np.errstate(over="ignore"):
            rows = self.X[index] if isinstance(index, slice) else np.take(self.X, index, axis=0)
            # a slice is a view, maybe read-only, of which torch would warn
            return torch.from_numpy(rows.astype(self._numpy_dtype, copy=isinstance(index, slice)))

    def __getitem__(self, index):
        """The module's arguments for a slice or an index array of rows."""
        if self._on_device is not None:
            rows = self._on_device[index if isinstance(index, slice) else torch.as_tensor(index, device=self.device)]
        else:
            rows = self._cast(index).to(self.device)
        signals, side = self.layout.split(rows)
        return {"signals": signals, "side": side, **{name: self._beside(name, index) for name in self.beside}}

    def _beside(self, name, index):
        values = torch.as_tensor(self.beside[name][index], device=self.device)
        return values.to(self.dtype) if values.is_floating_point() else values


class WeightedRows(Dataset):
    """The rows of one split with their targets and weights; weights are divided by their mean.

    The mean of weight times loss over a batch is then Σwℓ / (rows in the batch × mean weight), whose expectation over
    batches is the loss over the split; dividing by the batch's own Σw would favour the frequent classes. ``augment``
    changes the signals of each batch. The weights are beside the signals, since skorch's callbacks want targets alone.
    """

    def __init__(self, batches, target, weight, index, *, augment=None):
        self.batches, self.index, self.augment = batches, index, augment
        self.target = torch.as_tensor(target[index], device=batches.device)
        weight = weight[index] / weight[index].mean()
        self.weight = torch.as_tensor(weight, dtype=batches.dtype, device=batches.device)

    def __len__(self):
        return len(self.index)

    def take(self, positions):
        X = self.batches[self.index[positions]]
        if self.augment is not None:
            X["signals"] = _augmented(X["signals"], self.augment)
        positions = torch.from_numpy(positions).to(self.batches.device)
        return {**X, "weight": self.weight[positions]}, self.target[positions]


def _augmented(signals, augment):
    """Signals changed by ``augment``; the beats of a record are signals of their own."""
    if signals.ndim == 4:
        present = ~torch.isnan(signals[:, :, 0, 0])
        changed = signals.clone()
        changed[present] = _augmented(signals[present], augment)
        return changed
    with torch.no_grad():
        changed = augment(signals)
    if not isinstance(changed, torch.Tensor) or changed.shape != signals.shape:
        got = tuple(changed.shape) if isinstance(changed, torch.Tensor) else type(changed).__name__
        raise ValueError(f"augment must return a tensor of shape {tuple(signals.shape)} as it was given, got {got}.")
    return changed.to(signals.dtype)


class BatchIterator:
    """Batches of a :class:`WeightedRows`, shuffled for training; a last batch of one row joins the one before."""

    def __init__(self, dataset, batch_size, shuffle=False):
        self.dataset, self.shuffle = dataset, shuffle
        bounds = [*range(0, len(dataset), batch_size), len(dataset)]
        if len(bounds) > 2 and bounds[-1] - bounds[-2] == 1:
            del bounds[-2]
        self._bounds = bounds

    def __len__(self):
        return len(self._bounds) - 1

    def __iter__(self):
        n = len(self.dataset)
        order = torch.randperm(n).numpy() if self.shuffle and len(self) > 1 else np.arange(n)
        for start, stop in pairwise(self._bounds):
            yield self.dataset.take(order[start:stop])


def side_statistics(X, layout, weight, train):
    """Weighted mean and standard deviation of the side features over the training rows."""
    n_signal, total = layout.n_signal_features, weight[train].sum()
    parts = [train[start : start + _ROWS_AT_ONCE] for start in range(0, len(train), _ROWS_AT_ONCE)]
    mean = sum(weight[part] @ X[part, n_signal:].astype(np.float64) for part in parts) / total
    variance = sum(weight[part] @ (X[part, n_signal:] - mean) ** 2 for part in parts) / total
    scale = np.sqrt(variance)
    scale[scale < 1e-8 * np.maximum(1, np.abs(mean))] = 1.0
    return torch.from_numpy(mean), torch.from_numpy(scale)
