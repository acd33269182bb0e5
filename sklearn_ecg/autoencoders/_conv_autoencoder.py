"""ConvAutoencoder: convolution blocks down to a few numbers, and the same blocks backwards."""

from collections.abc import Sequence
from typing import Any

from sklearn.utils._param_validation import StrOptions

from ..base._estimator import AugmentedTraining, NetworkLayers
from ..base._transformer import NeuralTransformer
from ..nn import autoencoders
from ..parameters import COUNT, NOT_NEGATIVE, POSITIVE, SIZES, one_of, parameter
from ..signals._validation import check_fs
from ._transport import path_targets
from ._unpunished import punished_samples


class ConvAutoencoder(NetworkLayers, AugmentedTraining, NeuralTransformer):
    """Convolutional autoencoder: signals to a few numbers, the latent, and back.

    The encoder's blocks convolve, normalise, apply the activation and pool; a dense layer leads to the latent. The
    decoder is the encoder backwards: a dense layer, then blocks that lengthen the signal and convolve; its last
    convolution is linear. The squared error is minimised. The default sizes are those of [1]_ (Table I), made for 4 s
    at 128 Hz, 512 samples; every length and every number of leads is accepted, the last window of a pooling may be
    incomplete, and the decoder cuts what it made too long.

    Side columns are not seen by the network and pass through ``transform`` and ``inverse_transform`` untouched.

    Attributes
    ----------
    history_ : list of dict
        For each epoch: number, training loss (with the regulariser), validation loss (without), seconds.
    module_ : torch.nn.Module
        Its module, with the methods ``encode`` and ``decode``; called, it gives the loss of each row.

    Notes
    -----
    Deviations: [1]_ normalises "after the first blocks" of unsaid number; here after every convolution but the last of
    the encoder and the last of the decoder. The fully convolutional networks of its second experiment, fitted to one
    signal of 5000 samples with an unpunished region, are ``channels=(10, 10, 5)``, ``kernel_sizes=(100, 80, 50)``,
    ``pools=(2, p, 2)``, ``latent_size=None``, ``activation="leaky_relu"``, ``upsampling="transposed"``, ``norm=None``,
    ``optimizer="adagrad"``, ``lr=0.01``, ``weight_decay=0`` with p = 3 (good) and p = 7 (bad); its network of single
    cycles has ``pools=(2, 7, 2, 2)`` on 560 samples and ``dropout=0.2``. The regulariser ``transport`` is our own.

    References
    ----------
    .. [1] "Problems of representation of electrocardiograms in convolutional neural networks", arXiv:2012.00493.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg import ConvAutoencoder
    >>> place = np.random.default_rng(0).uniform(8, 24, size=(60, 1))
    >>> X = np.exp(-(((np.arange(32) - place) / 3) ** 2))  # bumps in different places
    >>> settings = {"channels": (8, 4), "kernel_sizes": (9, 9), "pools": (2, 2), "lr": 1e-2}
    >>> autoencoder = ConvAutoencoder(latent_size=2, max_epochs=60, batch_size=20, random_state=0, **settings).fit(X)
    >>> autoencoder.transform(X).shape
    (60, 2)
    >>> bool(autoencoder.score(X) > 0.8)
    True
    """

    channels: Sequence[int] = parameter("Filters of each block of the encoder.", SIZES, default=(30, 15, 15, 5))
    kernel_sizes: Sequence[int] = parameter("Samples in the filters of each block.", SIZES, default=(100, 100, 30, 20))
    pools: Sequence[int] = parameter("Factor by which each block shortens the signal.", SIZES, default=(2, 2, 2, 2))
    latent_size: int | None = parameter(
        "Numbers that a signal becomes. None leaves the dense layers out: the latent is the encoder's last "
        "feature map, channel after channel.",
        [*COUNT, None],
        default=30,
    )
    activation: str = parameter(
        'After each convolution but the last; "leaky_relu" has slope 0.2 below zero.',
        [StrOptions(set(autoencoders.ACTIVATIONS))],
        default="relu",
    )
    upsampling: str = parameter(
        'How the decoder lengthens: "upsample" repeats samples and convolves, "transposed" is a transposed '
        "convolution.",
        one_of("upsample", "transposed"),
        default="upsample",
    )
    unpunished: Any = parameter(
        "Samples whose squared error is multiplied by zero in the loss: a boolean mask of shape "
        "(n_timepoints,) or (n_leads, n_timepoints), or a sequence of intervals (start, stop) in samples, "
        "over all leads. The network still sees these samples, and may give back whatever it likes there.",
        ["array-like", None],
        default=None,
        training=True,
    )
    transport: float = parameter(
        "Weight of a regulariser that asks the decoded points of the line between the latents of two "
        "training signals to follow the transport path between the signals, on which waves move instead of "
        "fading (:func:`~sklearn_ecg.interpolation.transport_path`, each lead by itself; linear where one "
        "has no beat). Each batch then decodes as many points as it has rows, and a step takes about three "
        "times as long.",
        NOT_NEGATIVE,
        default=0.0,
        training=True,
    )
    transport_pairs: int = parameter(
        "Pairs of training signals, drawn at random; two points on the path of each are asked for. They are "
        "made before training, in about 10 ms a pair and lead of 4 s, and held in memory.",
        COUNT,
        default=2000,
        training=True,
    )
    fs: float | None = parameter(
        "Sampling frequency in Hz; needed with ``transport`` alone.", [*POSITIVE, None], default=None
    )
    norm: str | None = parameter(constraint=[*one_of("batch", "group"), None])
    dropout: float = parameter(default=0.0)

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        names = ("channels", "kernel_sizes", "pools", "latent_size", "activation", "upsampling", "norm", "dropout")
        module = autoencoders.ConvAutoencoder(
            n_leads,
            n_timepoints,
            punished=punished_samples(self.unpunished, n_leads, n_timepoints),
            **{name: getattr(self, name) for name in names},
        )
        module.path = getattr(self, "_path", None)
        return module

    def _begin_fit(self):
        super()._begin_fit()
        sizes = [tuple(values) for values in (self.channels, self.kernel_sizes, self.pools)]
        if len({len(values) for values in sizes}) > 1:
            raise ValueError(f"channels, kernel_sizes and pools must be of one length, got {sizes}.")
        if self.transport:
            check_fs(self.fs)

    def _before_training(self, X, layout, train, seed):
        punished_samples(self.unpunished, layout.n_leads, layout.n_timepoints)
        if self.transport:
            settings = {"n_pairs": self.transport_pairs, "weight": self.transport, "fs": check_fs(self.fs)}
            self._path = path_targets(X, layout, train, seed=seed, **settings)

    def _train(self, *args, **kwargs):
        try:
            return super()._train(*args, **kwargs)
        finally:
            self.__dict__.pop("_path", None)
            if hasattr(self, "module_"):
                self.module_.path = None
