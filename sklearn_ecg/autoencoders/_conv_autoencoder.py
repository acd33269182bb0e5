"""ConvAutoencoder: convolution blocks down to a few numbers, and the same blocks backwards."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_sample_weight

from ..base._classifier import _check_groups
from ..base._estimator import AugmentedTraining
from ..nn import autoencoders
from ..nn.losses import OwnLoss
from ..parameters import COUNT, NOT_NEGATIVE, POSITIVE, SIZES, one_of, parameter
from ..signals._validation import check_fs
from ._latent_transformer import LatentTransformer
from ._transport import path_targets
from ._unpunished import punished_samples


class ConvAutoencoder(AugmentedTraining, LatentTransformer):
    """Convolutional autoencoder: signals to a few numbers, the latent, and back.

    The encoder's blocks convolve, normalise, apply the activation and pool; a dense layer leads to the latent. The
    decoder is the encoder backwards: a dense layer, then blocks that lengthen the signal and convolve; its last
    convolution is linear. The squared error is minimised. The default sizes are those of [1]_ (Table I), made for 4 s
    at 128 Hz, 512 samples; every length and every number of leads is accepted, the last window of a pooling may be
    incomplete, and the decoder cuts what it made too long.

    Side columns are not seen by the network and pass through ``transform`` and ``inverse_transform`` untouched.

    Attributes
    ----------
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where ``X`` had them.
    layout_ : RowLayout
        How a row is read: leads, timepoints, side features.
    n_latent_ : int
        Numbers that a signal becomes.
    history_ : list of dict
        For each epoch: number, training loss (with the regulariser), validation loss (without), seconds.
    n_iter_ : int
        Epochs trained.
    net_ : skorch.NeuralNet
        The net that was trained.
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

    def _make_criterion(self):
        return OwnLoss()

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None, groups=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads * n_timepoints + n_side_features) or \
                (n_samples, n_leads, n_timepoints)
            Signals; any one unit, usually scaled before, so that every record counts alike.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; rows of weight zero are left out.
        groups : array-like of shape (n_samples,), default=None
            Patients. The validation rows of ``early_stopping`` share no patient with the training rows.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If ``X`` has NaN or infinite values or a shape that contradicts ``n_leads`` or ``n_side_features``, the
            sizes of the blocks do not go together, or ``unpunished`` does not fit the signals or spares all of them.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        self._begin_fit()
        sizes = [tuple(values) for values in (self.channels, self.kernel_sizes, self.pools)]
        if len({len(values) for values in sizes}) > 1:
            raise ValueError(f"channels, kernel_sizes and pools must be of one length, got {sizes}.")
        fs = check_fs(self.fs) if self.transport else None
        X, layout = self._validate(X, reset=not self._continues())
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        punished_samples(self.unpunished, layout.n_leads, layout.n_timepoints)
        index = np.flatnonzero(weight)
        groups = None if groups is None else _check_groups(groups, len(X))[index]
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        train, valid = self._split_validation(index, None, groups, seed)
        if self.transport:
            settings = {"n_pairs": self.transport_pairs, "weight": self.transport, "fs": fs, "seed": seed}
            self._path = path_targets(X, layout, train, **settings)
        try:
            self._train(1, X, np.zeros(len(X), dtype=np.int64), weight, train, valid, seed)
        finally:
            vars(self).pop("_path", None)
            if hasattr(self, "module_"):
                self.module_.path = None
        return self
