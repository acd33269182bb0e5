"""ConvAutoencoder: convolution blocks down to a few numbers, and the same blocks backwards."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

from .._base_classifier import _check_groups
from .._parameters import CLASSIFIER_CONSTRAINTS, METHOD_CONSTRAINTS
from .._validation import check_fs
from ..nn import autoencoders
from ..nn.losses import OwnLoss
from ._latent_transformer import LatentTransformer
from ._transport import path_targets
from ._unpunished import punished_samples


class ConvAutoencoder(LatentTransformer):
    """Convolutional autoencoder: signals to a few numbers, the latent, and back.

    The encoder's blocks convolve, normalise, apply the activation and pool; a dense layer leads to the latent. The
    decoder is the encoder backwards: a dense layer, then blocks that lengthen the signal and convolve; its last
    convolution is linear. The squared error is minimised. The default sizes are those of [1]_ (Table I), made for 4 s
    at 128 Hz, 512 samples; every length and every number of leads is accepted, the last window of a pooling may be
    incomplete, and the decoder cuts what it made too long.

    Side columns are not seen by the network and pass through ``transform`` and ``inverse_transform`` untouched.

    Parameters
    ----------
    channels : sequence of int, default=(30, 15, 15, 5)
        Filters of each block of the encoder.
    kernel_sizes : sequence of int, default=(100, 100, 30, 20)
        Samples in the filters of each block.
    pools : sequence of int, default=(2, 2, 2, 2)
        Factor by which each block shortens the signal.
    latent_size : int or None, default=30
        Numbers that a signal becomes. None leaves the dense layers out: the latent is the encoder's last feature map,
        channel after channel.
    activation : {"relu", "leaky_relu"}, default="relu"
        After each convolution but the last; "leaky_relu" has slope 0.2 below zero.
    upsampling : {"upsample", "transposed"}, default="upsample"
        How the decoder lengthens: "upsample" repeats samples and convolves, "transposed" is a transposed convolution.
    unpunished : array-like or None, default=None
        Samples whose squared error is multiplied by zero in the loss: a boolean mask of shape (n_timepoints,) or
        (n_leads, n_timepoints), or a sequence of intervals (start, stop) in samples, over all leads. The network still
        sees these samples, and may give back whatever it likes there.
    transport : float, default=0.0
        Weight of a regulariser that asks the decoded points of the line between the latents of two training signals to
        follow the transport path between the signals, on which waves move instead of fading
        (:func:`~sklearn_ecg.interpolation.transport_path`, each lead by itself; linear where one has no beat). Each
        batch then decodes as many points as it has rows, and a step takes about three times as long.
    transport_pairs : int, default=2000
        Pairs of training signals, drawn at random; two points on the path of each are asked for. They are made before
        training, in about 10 ms a pair and lead of 4 s, and held in memory.
    fs : float or None, default=None
        Sampling frequency in Hz; needed with ``transport`` alone.
    augment : callable or None, default=None
        Changes the signals of each training batch: a function from a tensor (n_samples, n_leads, n_timepoints) to one
        of the same shape, such as :class:`~sklearn_ecg.augmentation.BeatAugmentation`.
    n_leads : int, default=1
        Leads in a 2-D row. 3-D input speaks for itself.
    n_side_features : int, default=0
        Columns at the end of a 2-D row that are not signal (RR intervals, age).
    max_epochs : int, default=20
        Passes over the training rows at most.
    batch_size : int, default=128
        Rows in a batch, in training and in prediction.
    lr : float, default=1e-3
        Learning rate.
    lr_schedule : {"constant", "one-cycle"}, default="constant"
        "one-cycle" raises the learning rate to ``lr`` over the first fifth of the training and lowers it to nearly
        nothing by its end.
    weight_decay : float, default=1e-4
        Weight decay of the optimizer.
    optimizer : {"adagrad", "adam", "adamw", "nadam", "rmsprop", "sgd"}, default="adamw"
        Optimizer; "sgd" has momentum 0.9.
    early_stopping : bool, default=False
        Split off validation rows, stop when their loss no longer falls, and keep the best weights.
    validation_fraction : float, default=0.1
        Share of the rows that ``early_stopping`` splits off; with groups, the nearest fraction 1/k.
    patience : int, default=5
        Epochs without a better validation loss before ``early_stopping`` stops.
    device : str, default="auto"
        "auto" takes a GPU if there is one; otherwise a torch device.
    precision : {"float32", "float64", "bf16-mixed"}, default="float32"
        Numbers the network computes with.
    norm : {"batch", "group"} or None, default="batch"
        Normalisation after each convolution.
    dropout : float, default=0.0
        Share of units dropped in training.
    callbacks : list of skorch callbacks or None, default=None
        Further callbacks. These objects are called, and keep what they record; ``clone`` copies them.
    warm_start : bool, default=False
        Continue from the fitted weights, with the classes and the layout seen before.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, the batches and the dropout.
    verbose : int, default=0
        1 shows a progress bar with loss, validation score and time left.

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

    _parameter_constraints: dict = {
        **LatentTransformer._parameter_constraints,
        **METHOD_CONSTRAINTS["ConvAutoencoder"],
        "channels": ["array-like"],
        "kernel_sizes": ["array-like"],
        "pools": ["array-like"],
        "latent_size": [Interval(Integral, 1, None, closed="left"), None],
        "activation": [StrOptions(set(autoencoders.ACTIVATIONS))],
        "upsampling": [StrOptions({"upsample", "transposed"})],
        "unpunished": ["array-like", None],
        "transport": [Interval(Real, 0, None, closed="left")],
        "transport_pairs": [Interval(Integral, 1, None, closed="left")],
        "fs": [Interval(Real, 0, None, closed="neither"), None],
        "augment": CLASSIFIER_CONSTRAINTS["augment"],
    }
    _size_parameters = ("channels", "kernel_sizes", "pools")

    def __init__(
        self,
        *,
        channels=(30, 15, 15, 5),
        kernel_sizes=(100, 100, 30, 20),
        pools=(2, 2, 2, 2),
        latent_size=30,
        activation="relu",
        upsampling="upsample",
        unpunished=None,
        transport=0.0,
        transport_pairs=2000,
        fs=None,
        augment=None,
        n_leads=1,
        n_side_features=0,
        max_epochs=20,
        batch_size=128,
        lr=1e-3,
        lr_schedule="constant",
        weight_decay=1e-4,
        optimizer="adamw",
        early_stopping=False,
        validation_fraction=0.1,
        patience=5,
        device="auto",
        precision="float32",
        norm="batch",
        dropout=0.0,
        callbacks=None,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.channels = channels
        self.kernel_sizes = kernel_sizes
        self.pools = pools
        self.latent_size = latent_size
        self.activation = activation
        self.upsampling = upsampling
        self.unpunished = unpunished
        self.transport = transport
        self.transport_pairs = transport_pairs
        self.fs = fs
        self.augment = augment
        self.n_leads = n_leads
        self.n_side_features = n_side_features
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.precision = precision
        self.norm = norm
        self.dropout = dropout
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

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
        sizes = [tuple(getattr(self, name)) for name in self._size_parameters]
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
