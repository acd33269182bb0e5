"""Estimators of any torch network: the user's own module, and everything of the neural base with it."""

from collections.abc import Callable
from typing import Any

from torch import nn

from ..nn.foreign import EncoderDecoder, ForeignNetwork, build_network
from ..parameters import COUNT, WithParameters, parameter
from ._classifier import NeuralClassifier
from ._estimator import AugmentedTraining
from ._regressor import NeuralRegressor
from ._transformer import NeuralTransformer


class TorchModule(WithParameters):
    """A network that is a parameter."""

    module: Callable = parameter(
        "Network: a class of ``torch.nn.Module``, or a callable that makes one, from signals (batch, leads, samples) "
        "to (batch, n_outputs). Those of ``n_leads``, ``n_timepoints``, ``n_side_features`` and ``n_outputs`` that its "
        "signature names are passed to it. Side features go to ``forward`` as its second argument, standardised and "
        "clipped at five standard deviations; a network without one cannot have any.",
        [callable],
        kind="torch.nn.Module class or callable",
        kw_only=False,
    )
    module_params: dict[str, Any] | None = parameter(
        "Further arguments of ``module``, by name.", [dict, None], default=None
    )

    def _make_network(self, n_leads, n_timepoints, n_side_features, n_outputs):
        sizes = {"n_leads": n_leads, "n_timepoints": n_timepoints, "n_side_features": n_side_features}
        network = build_network(self.module, self.module_params or {}, {**sizes, "n_outputs": n_outputs})
        return ForeignNetwork(network, n_side_features, n_outputs)

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        return self._make_network(n_leads, n_timepoints, n_side_features, n_outputs)


class TorchClassifier(TorchModule, NeuralClassifier):
    """Any torch network as a classifier.

    Batches, weights of rows and classes, groups, early stopping, focal loss, several labels, devices, seeds, pickling
    and Grad-CAM are those of this library's own classifiers; the network gives a logit for each class, or for each of
    several labels.

    Attributes
    ----------
    module_ : torch.nn.Module
        Its module; ``module_.network`` is the user's.

    References
    ----------
    .. [2] T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sklearn_ecg import TorchClassifier
    >>> class Net(nn.Sequential):
    ...     def __init__(self, n_leads, n_outputs, width=8):
    ...         summary = nn.Conv1d(n_leads, width, 5), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten()
    ...         super().__init__(*summary, nn.Linear(width, n_outputs))
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["N", "V"], 40)
    >>> X = rng.normal(size=(80, 1, 32)) + np.where(y == "V", 2.0, 0.0)[:, None, None] * np.hanning(32)
    >>> clf = TorchClassifier(Net, module_params={"width": 16}, max_epochs=10, lr=1e-2, random_state=0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.9)
    True
    """


class TorchRegressor(TorchModule, AugmentedTraining, NeuralRegressor):
    """Any torch network as a regressor, of one target or several, which may be unknown (NaN) in some rows.

    The targets are standardised inside; the network gives a number for each.

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of the targets in the training rows.
    module_ : torch.nn.Module
        Its module; ``module_.network`` is the user's.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sklearn_ecg import TorchRegressor
    >>> class Net(nn.Sequential):
    ...     def __init__(self, n_timepoints, n_outputs):
    ...         super().__init__(nn.Flatten(), nn.Linear(n_timepoints, 16), nn.ReLU(), nn.Linear(16, n_outputs))
    >>> width = np.linspace(2, 8, 60)
    >>> X = np.exp(-(((np.arange(32) - 16) / width[:, None]) ** 2))
    >>> reg = TorchRegressor(Net, max_epochs=40, lr=1e-2, batch_size=20, random_state=0).fit(X, width)
    >>> bool(reg.score(X, width) > 0.9)
    True
    """


class TorchTransformer(TorchModule, AugmentedTraining, NeuralTransformer):
    """Any torch network as a transformer from signals to embeddings, trained by decoding the signals from them.

    The network is the encoder. Without labels it learns what the decoder needs to make the signals again; the squared
    error is minimised. Side columns are not seen by the network and pass through ``transform`` untouched.

    Attributes
    ----------
    history_ : list of dict
        For each epoch: number, training and validation loss, seconds.
    module_ : torch.nn.Module
        Its module; ``module_.encoder.network`` and ``module_.decoder`` are the user's.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sklearn_ecg import TorchTransformer
    >>> class Encoder(nn.Sequential):
    ...     def __init__(self, n_timepoints, n_outputs):
    ...         super().__init__(nn.Flatten(), nn.Linear(n_timepoints, 32), nn.ReLU(), nn.Linear(32, n_outputs))
    >>> place = np.random.default_rng(0).uniform(8, 24, size=(60, 1))
    >>> X = np.exp(-(((np.arange(32) - place) / 3) ** 2))
    >>> embedder = TorchTransformer(Encoder, n_components=3, max_epochs=40, lr=1e-2, batch_size=20, random_state=0)
    >>> embedder.fit_transform(X).shape
    (60, 3)
    """

    n_components: int = parameter("Numbers that a signal becomes: ``n_outputs`` of ``module``.", COUNT, default=16)
    decoder: Callable | None = parameter(
        "The way back, made like ``module``, from embeddings (batch, n_components) to signals; of ``n_leads``, "
        "``n_timepoints`` and ``n_components`` it is passed those its signature names. None is one linear layer.",
        [callable, None],
        default=None,
        kind="torch.nn.Module class, callable or None",
    )

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        encoder = self._make_network(n_leads, n_timepoints, 0, self.n_components)
        if self.decoder is None:
            decoder = nn.Linear(self.n_components, n_leads * n_timepoints)
        else:
            sizes = {"n_leads": n_leads, "n_timepoints": n_timepoints, "n_components": self.n_components}
            decoder = build_network(self.decoder, {}, sizes)
        return EncoderDecoder(encoder, decoder, n_leads, n_timepoints)
