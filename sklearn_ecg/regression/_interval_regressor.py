"""IntervalRegressor: heart rate, PR, QRS and QT of a record as the outputs of one network."""

from numbers import Integral

from sklearn.utils._param_validation import Interval, StrOptions

from .._parameters import CLASSIFIER_CONSTRAINTS, SHARED_CONSTRAINTS
from ..nn.regression import DenseBackbone, Regressor, ResidualBackbone
from ..nn.transformer import PatchTransformer
from ._regressor import NeuralRegressor

_RESNET = (
    *("channels", "n_blocks", "kernel_size", "expansion", "stem_kernel_sizes", "stem_stride", "stem_pool"),
    *("pooling", "norm", "dropout"),
)
_VIT = ("patch_size", "embedding_size", "n_layers", "n_heads", "feedforward_size", "dropout")


class IntervalRegressor(NeuralRegressor):
    """Intervals of the ECG, or any other numbers, from whole records [1]_.

    A backbone sums up the signals of all leads in one vector, from which the head, with the side features beside it,
    tells the targets: heart rate in bpm, PR, QRS and QT in ms. The targets are standardised inside, so that predictions
    have the units of ``y``. A target may be unknown (NaN) in some records, which then train the others alone; each
    target counts alike, however many of its values are known.

    "resnet" is a stem of convolutions, stages of residual blocks [2]_, each stage after the first at half the rate of
    the one before, and an average over time. "vit" cuts the signal into patches, which pass a transformer with learned
    positions; a class token sums them up [3]_. "mlp" is dense layers over all samples.

    Parameters
    ----------
    backbone : {"resnet", "vit", "mlp"}, default="resnet"
        Network that reads the signals; each reads the sizes below that are named for it.
    channels : sequence of int, default=(24, 32, 48)
        "resnet": filters of each stage.
    n_blocks : int, default=2
        "resnet": residual blocks of two convolutions in each stage.
    kernel_size : int, default=7
        "resnet": samples in the filters of the blocks.
    expansion : int, default=1
        "resnet": factor by which a block has more filters inside than at its end.
    stem_kernel_sizes : sequence of int, default=(15,)
        "resnet": samples in the filters of each convolution of the stem.
    stem_stride : int, default=4
        "resnet": samples by which the first filter of the stem moves on; the default suits 250 to 500 Hz.
    stem_pool : int, default=1
        "resnet": samples that are averaged behind the stem.
    pooling : {"attention", "mean"}, default="attention"
        "resnet": "mean" averages the last feature map over time; "attention" adds averages of local values with learned
        weights, so that what is measured at each heartbeat is averaged over heartbeats alone.
    patch_size : int, default=50
        "vit": samples in a patch.
    embedding_size : int, default=64
        "vit": size of the embedding of a patch, a multiple of ``n_heads``.
    n_layers : int, default=4
        "vit": layers of the transformer.
    n_heads : int, default=4
        "vit": heads of each layer.
    feedforward_size : int, default=128
        "vit": hidden units of each layer.
    hidden_sizes : sequence of int, default=(128, 64)
        "mlp": hidden units of each layer.
    head_size : int or None, default=None
        Hidden units of the head; None makes it linear.
    loss : {"l1", "huber", "mse"}, default="l1"
        Absolute error, squared error, or "huber": squared up to one standard deviation of the target and absolute
        beyond.
    pretrained : dict of ndarray, FrozenEstimator or None, default=None
        Weights to begin with: ``weights_`` of an IntervalRegressor, or one in a
        :class:`~sklearn.frozen.FrozenEstimator`. (A plain fitted estimator would lose its fit in ``clone``.) The
        backbone is taken, and the head where it has the same sizes and as many targets; its outputs are then brought to
        the new scale, so that the training begins with the predictions of the pre-trained network.
    freeze_backbone : bool, default=False
        Keep the backbone as it was pre-trained; the head alone is trained.
    augment : callable or None, default=None
        Changes the signals of each training batch: a function from a tensor (n_samples, n_leads, n_timepoints) to one
        of the same shape, such as :class:`~sklearn_ecg.augmentation.BeatAugmentation`.
    n_leads : int, default=1
        Leads in a 2-D row. 3-D input speaks for itself.
    n_side_features : int, default=0
        Columns at the end of a 2-D row that are not signal (RR intervals, age).
    max_epochs : int, default=30
        Passes over the training rows at most.
    batch_size : int, default=32
        Rows in a batch, in training and in prediction.
    lr : float, default=3e-3
        Learning rate.
    lr_schedule : {"constant", "one-cycle"}, default="one-cycle"
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
    norm : {"batch", "group"}, default="batch"
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
    target_mean_, target_scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of the known targets of the training rows.
    pretrained_parts_ : tuple of str
        What was taken of ``pretrained``: "backbone", "head".
    weights_ : dict of ndarray
        The weights, for ``pretrained`` of another IntervalRegressor.
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where ``X`` had them.
    layout_ : RowLayout
        How a row is read: leads, timepoints, side features.
    history_ : list of dict
        For each epoch: number, training and validation loss, validation score (R²), seconds.
    n_iter_ : int
        Epochs trained.
    net_ : skorch.NeuralNet
        The net that was trained.
    module_ : torch.nn.Module
        Its module, with the parts ``backbone`` and ``head``.

    Notes
    -----
    The networks of [1]_ read 8 leads of 5000 samples. Its ResNet is ``channels=(32,)``, ``n_blocks=8``,
    ``kernel_size=50``, ``expansion=2``, ``stem_kernel_sizes=(8, 3)``, ``stem_stride=1``, ``stem_pool=2``,
    ``pooling="mean"``; its transformer ``patch_size=50``, ``embedding_size=768``, ``n_layers=12``, ``n_heads=12``,
    ``feedforward_size=3072``; its dense network ``hidden_sizes=(1000, 1000, 500)``; all trained with
    ``optimizer="nadam"``, ``lr=5e-4``, ``batch_size=16``, ``early_stopping=True``. Deviations: a block's last ReLU
    stands behind its sum, as in [2]_; where the learning rate falls by steps in [1]_, there is "one-cycle"; missing
    targets, "attention", L1 and Huber loss are ours. In the blocks, filters of 16 samples and more without stride are
    computed by their spectra.

    References
    ----------
    .. [1] "Comprehensive ECG analysis with deep learning": ResNet and ViT for heart rate, PR, QRS and QT.
    .. [2] K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    .. [3] A. Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg import IntervalRegressor
    >>> width = np.random.default_rng(0).uniform(60, 120, size=80)
    >>> X = np.exp(-(((np.arange(64) - 32) / width[:, None] * 8) ** 2))  # waves of different durations
    >>> settings = {"channels": (8,), "kernel_size": 5, "stem_kernel_sizes": (5,), "stem_stride": 1}
    >>> reg = IntervalRegressor(**settings, random_state=0).fit(X, width)
    >>> bool(reg.score(X, width) > 0.9)
    True
    """

    _size_parameters = ("channels", "stem_kernel_sizes", "hidden_sizes")
    _parameter_constraints: dict = {
        **SHARED_CONSTRAINTS,
        "backbone": [StrOptions({"resnet", "vit", "mlp"})],
        "channels": ["array-like"],
        "stem_kernel_sizes": ["array-like"],
        "hidden_sizes": ["array-like"],
        **{
            name: [Interval(Integral, 1, None, closed="left")]
            for name in (
                *("n_blocks", "kernel_size", "expansion", "stem_stride", "stem_pool"),
                *("patch_size", "embedding_size", "n_layers", "n_heads", "feedforward_size"),
            )
        },
        "pooling": [StrOptions({"attention", "mean"})],
        "head_size": [Interval(Integral, 1, None, closed="left"), None],
        "loss": [StrOptions({"l1", "huber", "mse"})],
        "pretrained": "no_validation",
        "freeze_backbone": ["boolean"],
        "augment": CLASSIFIER_CONSTRAINTS["augment"],
    }

    def __init__(
        self,
        *,
        backbone="resnet",
        channels=(24, 32, 48),
        n_blocks=2,
        kernel_size=7,
        expansion=1,
        stem_kernel_sizes=(15,),
        stem_stride=4,
        stem_pool=1,
        pooling="attention",
        patch_size=50,
        embedding_size=64,
        n_layers=4,
        n_heads=4,
        feedforward_size=128,
        hidden_sizes=(128, 64),
        head_size=None,
        loss="l1",
        pretrained=None,
        freeze_backbone=False,
        augment=None,
        n_leads=1,
        n_side_features=0,
        max_epochs=30,
        batch_size=32,
        lr=3e-3,
        lr_schedule="one-cycle",
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
        self.backbone = backbone
        self.channels = channels
        self.n_blocks = n_blocks
        self.kernel_size = kernel_size
        self.expansion = expansion
        self.stem_kernel_sizes = stem_kernel_sizes
        self.stem_stride = stem_stride
        self.stem_pool = stem_pool
        self.pooling = pooling
        self.patch_size = patch_size
        self.embedding_size = embedding_size
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.feedforward_size = feedforward_size
        self.hidden_sizes = hidden_sizes
        self.head_size = head_size
        self.loss = loss
        self.pretrained = pretrained
        self.freeze_backbone = freeze_backbone
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

    def _begin_fit(self):
        super()._begin_fit()
        if self.backbone == "vit" and self.embedding_size % self.n_heads:
            raise ValueError(f"embedding_size must be a multiple of n_heads={self.n_heads}, got {self.embedding_size}.")

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        if self.backbone == "resnet":
            backbone = ResidualBackbone(n_leads, **{name: getattr(self, name) for name in _RESNET})
        elif self.backbone == "vit":
            backbone = PatchTransformer(n_leads, n_timepoints, **{name: getattr(self, name) for name in _VIT})
        else:
            sizes = {"hidden_sizes": self.hidden_sizes, "dropout": self.dropout}
            backbone = DenseBackbone(n_leads, n_timepoints, **sizes)
        return Regressor(backbone, n_side_features, n_outputs, head_size=self.head_size, dropout=self.dropout)
