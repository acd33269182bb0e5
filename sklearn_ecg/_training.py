"""The skorch net that every estimator owns: its batches, its callbacks, and its state as plain arrays."""

import dis
import threading
from contextlib import contextmanager, nullcontext
from itertools import pairwise

import numpy as np
import torch
from skorch.callbacks import Callback, EpochTimer, PassthroughScoring
from torch.utils.data import Dataset

from ._callbacks import ScoredNet

OPTIMIZERS = {
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
_ROWS_AT_ONCE = 4096
DTYPES = {"float32": torch.float32, "float64": torch.float64, "bf16-mixed": torch.float32}


def resolve_device(device):
    """The torch device of ``"auto"`` (a GPU if there is one) or of a device string; an error if it is not there."""
    found = _named_device(device)
    if not _is_present(found):
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise ValueError(
            f"device={device!r} is not on this machine, which has {', '.join(there)}; 'auto' takes what is there."
        )
    return found


def present_device(device):
    """``device`` where this machine has it, the CPU otherwise: a model fitted on a GPU opens anywhere."""
    found = _named_device(device)
    return found if _is_present(found) else torch.device("cpu")


def _named_device(device):
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device must be 'auto' or a torch device ('cpu', 'cuda:0'), got {device!r}.") from error


def _is_present(device):
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):  # not compiled in, no driver, or fewer GPUs
        return False
    return True


_GENERATOR_LOCK = threading.RLock()


@contextmanager
def seeded(seed, device):
    """Seed torch inside the block and leave its global generators as they were.

    The generators belong to the process: one fit at a time draws from them, so that seeds hold in threads, too.
    """
    with _GENERATOR_LOCK, _forked(seed, device):
        yield


@contextmanager
def _forked(seed, device):
    devices = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.random.default_generator.manual_seed(seed)
        for index in devices:
            with torch.cuda.device(index):
                torch.cuda.manual_seed(seed)
        yield


def to_arrays(state):
    """Tensors of a nested state (dicts and lists) as NumPy arrays."""
    if isinstance(state, torch.Tensor):
        return state.detach().cpu().numpy().copy()
    if isinstance(state, dict):
        return {key: to_arrays(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return [to_arrays(value) for value in state]
    return state


def to_tensors(state):
    """The inverse of :func:`to_arrays`."""
    if isinstance(state, np.ndarray):
        return torch.from_numpy(state.copy())
    if isinstance(state, dict):
        return {key: to_tensors(value) for key, value in state.items()}
    if isinstance(state, list):
        return [to_tensors(value) for value in state]
    return state


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


class TrainingNet(ScoredNet):
    """skorch's net with weighted elementwise losses, autocast on request, and an interrupt that is not swallowed.

    The parts named in ``frozen`` keep their weights and their statistics; ``anchor`` times half the squared distance of
    the other weights from where the training began is added to the loss of every batch.
    """

    def __init__(self, *args, autocast=False, frozen=(), anchor=0.0, **kwargs):
        self.autocast = autocast
        self.frozen, self.anchor = frozen, anchor
        self.interrupt_ = None
        super().__init__(*args, **kwargs)

    @property
    def _default_callbacks(self):
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
        ]

    def infer(self, x, **fit_params):
        mixed = torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16) if self.autocast else nullcontext()
        for name in self.frozen:
            self.module_.get_submodule(name).eval()
        with mixed:
            return self.module_(**{name: value for name, value in x.items() if name != "weight"})

    def get_loss(self, y_pred, y_true, X=None, training=False):
        loss = (X["weight"] * self.criterion_(y_pred, y_true)).mean()
        if training and self.anchor:
            loss = loss + self.anchor / 2 * sum(((w - start) ** 2).sum() for w, start in self._moved_weights())
        return loss

    def _moved_weights(self):
        if not hasattr(self, "_start"):
            self._start = [(w, w.detach().clone()) for w in self.module_.parameters() if w.requires_grad]
        return self._start

    def freeze(self):
        """Exempt the frozen parts from gradients; the fitted module is thawed by ``thaw``."""
        for name in self.frozen:
            self.module_.get_submodule(name).requires_grad_(False)

    def thaw(self):
        """Forget what the training alone needed."""
        self.module_.requires_grad_(True)
        vars(self).pop("_start", None)

    def fit_loop(self, *args, **kwargs):
        try:
            return super().fit_loop(*args, **kwargs)
        except KeyboardInterrupt as stop:
            if not _asked_by_callback(stop):
                self.interrupt_ = stop
            raise


def _asked_by_callback(stop):
    """Whether a callback's ``raise KeyboardInterrupt`` ended the training: skorch's way to stop early.

    A signal arrives at any other instruction than a ``raise``.
    """
    trace = stop.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    instruction = dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]]
    return instruction == "RAISE_VARARGS" and isinstance(trace.tb_frame.f_locals.get("self"), Callback)


class FiniteLoss(Callback):
    """Stop with an error as soon as a batch has a NaN or infinite loss."""

    def on_batch_end(self, net, training=False, loss=None, **kwargs):
        if not np.isfinite(net.history[-1, "batches", -1, f"{'train' if training else 'valid'}_loss"]):
            raise FloatingPointError(
                f"The {'training' if training else 'validation'} loss became NaN or infinite in epoch "
                f"{len(net.history)}. Scale the signals (ECGScaler), or lower lr (now {net.lr:g})."
            )


class OneCycle(Callback):
    """Step torch's one-cycle schedule with every batch, up to the net's learning rate and down again."""

    def on_train_begin(self, net, X=None, **kwargs):
        n_steps = net.max_epochs * len(BatchIterator(X, net.batch_size))
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            net.optimizer_,
            net.lr,
            total_steps=n_steps,
            pct_start=0.2,
            cycle_momentum="betas" in net.optimizer_.defaults,
        )

    def on_batch_end(self, net, training=False, **kwargs):
        if training and self._schedule.last_epoch + 1 < self._schedule.total_steps:
            self._schedule.step()

    def on_train_end(self, net, **kwargs):
        del self._schedule


class ValidationScore(Callback):
    """Record ``valid_score`` each epoch: ``score(target, output)`` over the validation rows."""

    def __init__(self, score):
        self.score = score

    def on_epoch_begin(self, net, **kwargs):
        self._parts = []

    def on_batch_end(self, net, batch=None, training=False, y_pred=None, **kwargs):
        if not training:
            self._parts.append((batch[1].cpu(), y_pred.float().cpu()))

    def on_epoch_end(self, net, **kwargs):
        if self._parts:
            target, output = (torch.cat(part).numpy() for part in zip(*self._parts, strict=True))
            net.history.record("valid_score", float(self.score(target, output)))


class ProgressBar(Callback):
    """One bar over all batches of the training, with loss, validation score and time left."""

    def on_train_begin(self, net, X=None, **kwargs):
        from tqdm.auto import tqdm

        self._per_epoch = len(BatchIterator(X, net.batch_size))
        self._bar = tqdm(total=self._per_epoch * net.max_epochs, unit="batch", mininterval=1.0)
        self._shown = {}

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self._bar.update()

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        self._shown = {key: f"{row[key]:.4f}" for key in ("train_loss", "valid_loss", "valid_score") if key in row}
        self._bar.set_postfix(epoch=f"{row['epoch']}/{net.max_epochs}", **self._shown)

    def on_train_end(self, net, **kwargs):
        self._bar.close()


def plain_history(history):
    """Scalars of each finished epoch as plain rows."""
    rows = []
    for epoch in history:
        if "train_loss" not in epoch:  # interrupted
            continue
        scalars = {
            key: float(value)
            for key, value in epoch.items()
            if key != "epoch" and not key.endswith(("_best", "_batch_count")) and np.isscalar(value)
        }
        rows.append({"epoch": len(rows) + 1, **scalars})
    return rows


def side_statistics(X, layout, weight, train):
    """Weighted mean and standard deviation of the side features over the training rows."""
    n_signal, total = layout.n_signal_features, weight[train].sum()
    parts = [train[start : start + _ROWS_AT_ONCE] for start in range(0, len(train), _ROWS_AT_ONCE)]
    mean = sum(weight[part] @ X[part, n_signal:].astype(np.float64) for part in parts) / total
    variance = sum(weight[part] @ (X[part, n_signal:] - mean) ** 2 for part in parts) / total
    scale = np.sqrt(variance)
    scale[scale < 1e-8 * np.maximum(1, np.abs(mean))] = 1.0
    return torch.from_numpy(mean), torch.from_numpy(scale)


def continue_optimizer(net, previous):
    """Take over the moments of the previous optimizer, not its learning rate."""
    if type(net.optimizer_) is type(previous.optimizer_):
        state = previous.optimizer_.state_dict()
        state["param_groups"] = net.optimizer_.state_dict()["param_groups"]
        net.optimizer_.load_state_dict(state)
