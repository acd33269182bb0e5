"""The skorch net that every estimator owns."""

import signal
import threading
from contextlib import contextmanager, nullcontext

import torch
from skorch.callbacks import EpochTimer, PassthroughScoring

from ._user_callbacks import ScoredNet

OPTIMIZERS = {
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


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
        parts = [self.module_.get_submodule(name) for name in self.frozen]
        self._thawed = [weight for part in parts for weight in part.parameters() if weight.requires_grad]
        for weight in self._thawed:
            weight.requires_grad_(False)

    def thaw(self):
        """Forget what the training alone needed; what the network itself holds fixed stays so."""
        for weight in self.__dict__.pop("_thawed", ()):
            weight.requires_grad_(True)
        self.__dict__.pop("_start", None)

    def fit_loop(self, *args, **kwargs):
        with _noticing_interrupts() as interrupts:
            try:
                return super().fit_loop(*args, **kwargs)
            except KeyboardInterrupt as stop:  # otherwise a callback's own, which is skorch's way to stop early
                if interrupts:
                    self.interrupt_ = stop
                raise


@contextmanager
def _noticing_interrupts():
    """A list that an interrupt (Ctrl-C) is added to, before it is handled as it was."""
    interrupts, handler = [], signal.getsignal(signal.SIGINT)
    # other threads are never interrupted, and handlers that are no functions ignore it or end the process
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield interrupts
        return

    def note(number, frame):
        interrupts.append(number)
        return handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, handler)


def continue_optimizer(net, previous):
    """Take over the moments of the previous optimizer, not its learning rate."""
    if type(net.optimizer_) is type(previous.optimizer_):
        state = previous.optimizer_.state_dict()
        state["param_groups"] = net.optimizer_.state_dict()["param_groups"]
        net.optimizer_.load_state_dict(state)
