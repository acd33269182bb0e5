"""What watches a training: our own callbacks, and its history."""

import numpy as np
import torch
from skorch.callbacks import Callback

from ._batches import BatchIterator


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
