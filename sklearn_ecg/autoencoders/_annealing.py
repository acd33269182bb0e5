"""What accompanies the training of a variational autoencoder: how β grows, and what the latents hold."""

import torch
from skorch.callbacks import Callback

from ..base._batches import BatchIterator

_CYCLES = {"monotone": 1, "cyclical": 4}
_RISING = 0.5  # share of a cycle
_LEAST_VARIANCE = 0.01  # of the mean of an active latent


class BetaAnnealing(Callback):
    """Raise β from nothing to all of it over the first half of each cycle: of the one, or of four."""

    def __init__(self, kind):
        self.kind = kind

    def on_train_begin(self, net, X=None, **kwargs):
        self._step, self._n_steps = 0, net.max_epochs * len(BatchIterator(X, net.batch_size))

    def on_batch_begin(self, net, training=False, **kwargs):
        if training:
            place = self._step * _CYCLES[self.kind] / self._n_steps % 1
            net.criterion_.warmth = min(1.0, place / _RISING)
            self._step += 1

    def on_train_end(self, net, **kwargs):
        net.criterion_.warmth = 1.0


class LatentRecord(Callback):
    """Record for each epoch the squared error, the KL divergence in nats, and the number of active latents.

    A latent is active where its mean varies over the rows, by a variance above 0.01.
    """

    def on_epoch_begin(self, net, **kwargs):
        self._parts = {True: [], False: []}

    def on_batch_end(self, net, batch=None, training=False, y_pred=None, **kwargs):
        self._parts[training].append((y_pred.detach(), batch[0]["weight"]))

    def on_epoch_end(self, net, **kwargs):
        for training, parts in self._parts.items():
            if not parts:
                continue
            output, weight = (torch.cat(part).double() for part in zip(*parts, strict=True))
            n_latent = output.shape[1] // 2
            share = weight / weight.sum()
            prefix = "" if training else "valid_"
            net.history.record(f"{prefix}reconstruction", float(share @ output[:, 0]))
            net.history.record(f"{prefix}kl", float(share @ output[:, 1 : 1 + n_latent].sum(dim=1)))
            if training:
                active = output[:, 1 + n_latent :].var(dim=0, correction=0) > _LEAST_VARIANCE
                net.history.record("active_units", int(active.sum()))
        del self._parts
