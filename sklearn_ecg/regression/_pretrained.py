"""Regressors that begin with the weights of others."""

from typing import Any

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from ..base._pretrained import load_part, named_arrays
from ..base._regressor import NeuralRegressor
from ..parameters import BOOLEAN, parameter

_SCALE = ("target_mean", "target_scale")


class PretrainedRegressor(NeuralRegressor):
    """A neural regressor whose module has a ``backbone`` and a ``head``, each of which may come trained."""

    pretrained: Any = parameter(
        "Weights to begin with: ``weights_`` of an IntervalRegressor, or one in a "
        ":class:`~sklearn.frozen.FrozenEstimator`. (A plain fitted estimator would lose its fit in "
        "``clone``.) The backbone is taken, and the head where it has the same sizes and as many targets; "
        "its outputs are then brought to the new scale, so that the training begins with the predictions of "
        "the pre-trained network.",
        default=None,
        kind="dict of ndarray, FrozenEstimator or None",
        training=True,
        kept=False,
    )
    freeze_backbone: bool = parameter(
        "Keep the backbone as it was pre-trained; the head alone is trained.", BOOLEAN, default=False, training=True
    )

    @property
    def weights_(self) -> Any:
        """The weights and the scale of the targets, as ``pretrained`` of another estimator takes them."""
        check_is_fitted(self, "module_")
        parts = {part: getattr(self.module_, part) for part in ("backbone", "head")}
        weights = {name: value for part, module in parts.items() for name, value in named_arrays(part, module).items()}
        return {**weights, "target_mean": self.target_mean_.copy(), "target_scale": self.target_scale_.copy()}

    def _begin_fit(self):
        super()._begin_fit()
        if not self._continues():
            self.__dict__.pop("pretrained_parts_", None)

    def _make_net(self, module, criterion, device):
        net = super()._make_net(module, criterion, device)
        return net.set_params(frozen=(*net.frozen, "backbone")) if self.freeze_backbone else net

    def _load_initial_weights(self, module):
        weights = _read_weights(self.pretrained)
        if weights is None:
            if self.freeze_backbone:
                raise ValueError("freeze_backbone=True wants a pre-trained backbone: pretrained=, or warm_start=True.")
            return
        load_part(module.backbone, weights, "backbone")
        self.pretrained_parts_ = ("backbone",)
        if _head_fits(module.head, weights):
            load_part(module.head, weights, "head")
            mean, scale = (np.asarray(weights[name]) for name in _SCALE)
            units = scale / self.target_scale_, (mean - self.target_mean_) / self.target_scale_
            module.head.change_units(*(torch.from_numpy(value).to(module.head.out.weight) for value in units))
            self.pretrained_parts_ = ("backbone", "head")


def _read_weights(pretrained):
    """Weights as a dict of arrays: given as such, or those of a frozen regressor; None where there are none."""
    if pretrained is None:
        return None
    if isinstance(pretrained, FrozenEstimator):
        estimator = pretrained.estimator
        if not isinstance(estimator, PretrainedRegressor) or not hasattr(estimator, "module_"):
            kind = type(estimator).__name__
            raise ValueError(f"pretrained must hold an IntervalRegressor after fit, got a FrozenEstimator of {kind}.")
        return estimator.weights_
    if not isinstance(pretrained, dict) or not any(str(name).startswith("backbone.") for name in pretrained):
        raise ValueError(
            "pretrained must be a dict of arrays (weights_ of an IntervalRegressor) or a FrozenEstimator, got "
            f"{type(pretrained).__name__}."
        )
    return pretrained


def _head_fits(head, weights):
    """Whether the weights are those of a head of these sizes, with the scale of its targets."""
    wanted = {name: tuple(value.shape) for name, value in head.state_dict().items()}
    seen = {name.removeprefix("head."): np.shape(value) for name, value in weights.items() if name.startswith("head.")}
    n_outputs = (len(head.out.bias),)
    return seen == wanted and all(np.shape(weights.get(name)) == n_outputs for name in _SCALE)
