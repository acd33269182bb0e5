"""The neural base: estimators that own a torch network, for methods of one's own and for any network.

A method subclasses :class:`NeuralClassifier`, :class:`NeuralRegressor` or :class:`NeuralTransformer`, declares its
parameters with :func:`~sklearn_ecg.parameters.parameter`, and gives ``_make_module(n_leads, n_timepoints,
n_side_features, n_outputs)``: a module from ``signals`` (batch, leads, samples) and ``side`` (batch, side features) to
(batch, n_outputs), with ``set_side_statistics`` where it reads side features. :class:`NeuralEstimator` is for what is
none of the three: its ``fit`` ends in ``_train``. A network alone needs no class: :class:`TorchClassifier`,
:class:`TorchRegressor` and :class:`TorchTransformer` take it as a parameter.
"""

from ..parameters import WithParameters, parameter
from ._classifier import NeuralClassifier
from ._estimator import AugmentedTraining, NetworkLayers, NeuralEstimator
from ._regressor import NeuralRegressor
from ._torch import TorchClassifier, TorchRegressor, TorchTransformer
from ._transformer import NeuralTransformer

__all__ = [
    "AugmentedTraining",
    "NetworkLayers",
    "NeuralClassifier",
    "NeuralEstimator",
    "NeuralRegressor",
    "NeuralTransformer",
    "TorchClassifier",
    "TorchRegressor",
    "TorchTransformer",
    "WithParameters",
    "parameter",
]
