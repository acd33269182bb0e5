"""The callbacks that a user gives: which of them cannot work, how they are copied, and what they score."""

import copy

import torch
from sklearn.base import clone
from sklearn.metrics import get_scorer
from skorch import NeuralNet
from skorch.callbacks import Callback, InputShapeSetter, LRScheduler, PassthroughScoring, WandbLogger
from skorch.callbacks.scoring import ScoringBase, convert_sklearn_metric_function
from torch.optim.lr_scheduler import ReduceLROnPlateau

_PLATEAU = ("ReduceLROnPlateau", ReduceLROnPlateau)
_OF_VALIDATION = {
    "valid_loss": "monitor='train_loss'",
    "valid_loss_best": "monitor='train_loss_best'",
    "valid_score": "monitor='train_loss'",
}
"""What is recorded of validation rows, and what to watch where there are none."""


def check_callbacks(callbacks, *, validates, one_cycle, predicts, method):
    """Refuse what would fail, or do nothing without a word, in the middle of the training.

    ``validates``: there are validation rows; ``one_cycle``: the learning rate has a schedule; ``predicts``: the outputs
    in training can be read as predictions of the estimator of the name ``method``.
    """
    for item in callbacks or []:
        callback = item[1] if isinstance(item, (tuple, list)) and len(item) == 2 else item
        name = callback.__name__ if isinstance(callback, type) else type(callback).__name__
        callback = callback() if isinstance(callback, type) and issubclass(callback, Callback) else callback
        if callback is None and item is not None:  # skorch's way to leave one out
            continue
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks must hold skorch callbacks, or pairs (name, callback), got {item!r}.")
        if isinstance(callback, InputShapeSetter):
            raise ValueError(f"callbacks: {name} sets the size of the module, as {method} does itself: leave it out.")
        if one_cycle and isinstance(callback, LRScheduler):
            raise ValueError(
                f"callbacks: {name} and lr_schedule='one-cycle' both set the learning rate: set lr_schedule='constant'."
            )
        given, instead = _reads_validation(callback)
        if given and not validates:
            raise ValueError(
                f"callbacks: {name}({given}) reads validation rows, which early_stopping=False does not set aside: set "
                f"early_stopping=True, or {instead}."
            )
        if isinstance(callback, ScoringBase):
            _check_scoring(callback, name, predicts, method)


def _reads_validation(callback):
    """The argument by which a callback reads validation rows, and what it could be instead; empty if it does not."""
    if isinstance(callback, (ScoringBase, PassthroughScoring)):
        return ("", "") if callback.on_train else ("on_train=False", "on_train=True")
    if isinstance(callback, WandbLogger):
        return ("save_model=True", "save_model=False") if callback.save_model else ("", "")
    monitor = getattr(callback, "monitor", None)
    idle = isinstance(callback, LRScheduler) and callback.policy not in _PLATEAU
    if idle or not isinstance(monitor, str) or monitor not in _OF_VALIDATION:
        return "", ""
    return f"monitor={monitor!r}", _OF_VALIDATION[monitor]


def _check_scoring(callback, name, predicts, method):
    scoring = convert_sklearn_metric_function(callback.scoring)
    if callable(scoring) and not isinstance(scoring, type(get_scorer("accuracy"))):
        return
    if not predicts:
        raise ValueError(
            f"callbacks: {name}(scoring={callback.scoring!r}) scores predictions, which {method} does not make in the "
            "middle of its training: give scoring a function of (net, X, y)."
        )
    if not callback.use_caching:
        raise ValueError(
            f"callbacks: {name}(scoring={callback.scoring!r}, use_caching=False) would find no targets: set "
            "use_caching=True, or give scoring a function of (net, X, y)."
        )


def copy_callbacks(callbacks):
    """Copies of callbacks, or of pairs (name, callback), as ``clone`` makes them.

    A callback may set attributes that its constructor does not know, and is then copied as it is.
    """
    return [type(item)(map(_copy, item)) if isinstance(item, (tuple, list)) else _copy(item) for item in callbacks]


def _copy(callback):
    try:
        return clone(callback, safe=False)
    except (TypeError, RuntimeError):
        return copy.deepcopy(callback)


class ScoredNet(NeuralNet):
    """A net whose predictions callbacks can score as those of the estimator that owns it.

    ``answers_`` is None, or holds "kind" of the estimator, its "classes", "score" of targets and predictions, and what
    makes labels of targets ("target") and the results of "predict" and the like of outputs.
    """

    answers_ = None

    def notify(self, method_name, **told):
        """Tell the callbacks; those that score get the targets as the user gave them."""
        getattr(self, method_name)(self, **told)
        for _, callback in self.callbacks_:
            scores = method_name == "on_batch_end" and isinstance(callback, ScoringBase)
            getattr(callback, method_name)(self, **(self._in_labels(told) if scores else told))

    def _in_labels(self, told):
        if self.answers_ is None:
            return told
        X, target = told["batch"]
        return {**told, "batch": (X, self.answers_["target"](target.cpu().numpy()))}

    def _answer(self, method, X):
        if self.answers_ is None:
            raise AttributeError(f"{method} of this net is for callbacks that score: call that of the estimator.")
        parts = [part.detach().cpu().double() for part in self.forward_iter(X)]
        return self.answers_[method](torch.cat(parts).numpy())

    def predict(self, X):
        return self._answer("predict", X)

    def predict_proba(self, X):
        return self._answer("predict_proba", X)

    def decision_function(self, X):
        return self._answer("decision_function", X)

    def score(self, X, y):
        return self.answers_["score"](y, self.predict(X))

    @property
    def classes_(self):
        return (self.answers_ or {}).get("classes")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = self.answers_ and self.answers_["kind"]
        return tags
