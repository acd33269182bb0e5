"""IntervalRegressor: heart rate, PR, QRS and QT of a record as the outputs of one network."""

from collections.abc import Sequence

from ..base._estimator import AugmentedTraining, NetworkLayers
from ..nn.regression import DenseBackbone, Regressor, ResidualBackbone
from ..nn.transformer import PatchTransformer
from ..parameters import COUNT, SIZES, one_of, parameter
from ._pretrained import PretrainedRegressor

_RESNET = (
    *("channels", "n_blocks", "kernel_size", "expansion", "stem_kernel_sizes", "stem_stride", "stem_pool"),
    *("pooling", "norm", "dropout"),
)
_VIT = ("patch_size", "embedding_size", "n_layers", "n_heads", "feedforward_size", "dropout")


class IntervalRegressor(NetworkLayers, AugmentedTraining, PretrainedRegressor):
    """Intervals of the ECG, or any other numbers, from whole records [1]_.

    A backbone sums up the signals of all leads in one vector, from which the head, with the side features beside it,
    tells the targets: heart rate in bpm, PR, QRS and QT in ms. The targets are standardised inside, so that predictions
    have the units of ``y``. A target may be unknown (NaN) in some records, which then train the others alone; each
    target counts alike, however many of its values are known.

    "resnet" is a stem of convolutions, stages of residual blocks [2]_, each stage after the first at half the rate of
    the one before, and an average over time. "vit" cuts the signal into patches, which pass a transformer with learned
    positions; a class token sums them up [3]_. "mlp" is dense layers over all samples.

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of the known targets of the training rows.
    pretrained_parts_ : tuple of str
        What was taken of ``pretrained``: "backbone", "head".
    weights_ : dict of ndarray
        The weights, for ``pretrained`` of another IntervalRegressor.
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

    backbone: str = parameter(
        "Network that reads the signals; each reads the sizes below that are named for it.",
        one_of("resnet", "vit", "mlp"),
        default="resnet",
    )
    channels: Sequence[int] = parameter('"resnet": filters of each stage.', SIZES, default=(24, 32, 48))
    n_blocks: int = parameter('"resnet": residual blocks of two convolutions in each stage.', COUNT, default=2)
    kernel_size: int = parameter('"resnet": samples in the filters of the blocks.', COUNT, default=7)
    expansion: int = parameter(
        '"resnet": factor by which a block has more filters inside than at its end.', COUNT, default=1
    )
    stem_kernel_sizes: Sequence[int] = parameter(
        '"resnet": samples in the filters of each convolution of the stem.', SIZES, default=(15,)
    )
    stem_stride: int = parameter(
        '"resnet": samples by which the first filter of the stem moves on; the default suits 250 to 500 Hz.',
        COUNT,
        default=4,
    )
    stem_pool: int = parameter('"resnet": samples that are averaged behind the stem.', COUNT, default=1)
    pooling: str = parameter(
        '"resnet": "mean" averages the last feature map over time; "attention" adds averages of local '
        "values with learned weights, so that what is measured at each heartbeat is averaged over "
        "heartbeats alone.",
        one_of("attention", "mean"),
        default="attention",
    )
    patch_size: int = parameter('"vit": samples in a patch.', COUNT, default=50)
    embedding_size: int = parameter(
        '"vit": size of the embedding of a patch, a multiple of ``n_heads``.', COUNT, default=64
    )
    n_layers: int = parameter('"vit": layers of the transformer.', COUNT, default=4)
    n_heads: int = parameter('"vit": heads of each layer.', COUNT, default=4)
    feedforward_size: int = parameter('"vit": hidden units of each layer.', COUNT, default=128)
    hidden_sizes: Sequence[int] = parameter('"mlp": hidden units of each layer.', SIZES, default=(128, 64))
    head_size: int | None = parameter("Hidden units of the head; None makes it linear.", [*COUNT, None], default=None)
    max_epochs: int = parameter(default=30)
    batch_size: int = parameter(default=32)
    lr: float = parameter(default=3e-3)
    lr_schedule: str = parameter(default="one-cycle")
    dropout: float = parameter(default=0.0)

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
