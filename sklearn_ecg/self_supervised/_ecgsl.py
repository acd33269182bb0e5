"""ECGSLClassifier: heartbeat segments, self-supervised pre-training in stages, transformer, attention."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval

from ..base._estimator import NetworkLayers
from ..nn.segments import SegmentClassifier, SegmentDecoder
from ..parameters import BOOLEAN, COUNT, NOT_NEGATIVE, POSITIVE, SHARE, SIZES, one_of, parameter
from ._sequences import SegmentSequenceClassifier


class ECGSLClassifier(NetworkLayers, SegmentSequenceClassifier):
    """Heartbeat segments in their order: convolutional encoder, transformer, attention [1]_.

    A record is a sequence of heartbeat segments, as :class:`~sklearn_ecg.BeatSegmenter` cuts them. Each passes a
    convolutional encoder; the embeddings, with their side features and their places in the order, pass a transformer;
    attention pools them into one vector of the record, from which dense layers tell the class.

    Encoder and transformer can learn from unlabelled records first (:meth:`pretrain`, or ``X_unlabeled`` in
    :meth:`fit`), in stages: each segment is reconstructed from its embedding ("autoencoder"); then hidden segments are
    reconstructed from those around them, and the others from themselves ("masked"; reconstructing the others, too, is
    ours: without it their states forget them). "contrastive" is there for comparison: two segments of one record shall
    be more alike than segments of two.

    The publication gives neither the detector, the length of a segment, the sizes, the share of hidden segments nor the
    settings of the training: those here are our own. Several leads and side features are ours, too.

    A segment of NaN is none: however many there are, and wherever, the result is the same. A record without any segment
    trains nothing; its prediction is the share of each class in the training, its embedding NaN.

    Attributes
    ----------
    class_prior_ : ndarray of shape (n_classes,)
        Weighted share of each class in the training rows; with labels that go together, how often each holds.
    layout_ : BeatLayout
        How a row is read: segments, and the leads, timepoints and side features of each.
    pretrained_ : dict of ndarray
        Weights after pre-training, where there was any.
    history_ : list of dict
        For each epoch: stage, number, training and validation loss, validation score (macro-F1), seconds. The loss of
        the stages "autoencoder" and "masked" is the error as a share of the signals' variance; in "masked" that of the
        hidden segments plus that of the others, each with the error of the side features.
    n_iter_ : int
        Epochs trained with labels.

    References
    ----------
    .. [1] "ECG-SL: Electrocardiogram Segment Learning", arXiv:2310.00818.
    .. [2] T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg import ECGSLClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["N", "V"], 20)
    >>> X = rng.normal(size=(40, 5, 16))  # 40 records of five segments
    >>> X[20:, 2] += 3 * np.hanning(16)  # the third is another kind of beat
    >>> X[:, 4] = np.nan  # there is no fifth
    >>> clf = ECGSLClassifier(
    ...     channels=(8,), embedding_size=8, n_layers=1, n_heads=2, feedforward_size=16, lr=1e-2, random_state=0
    ... )
    >>> bool(clf.fit(X, y).score(X, y) > 0.9)
    True
    >>> clf.beat_attention(X).shape
    (40, 5)
    """

    channels: Sequence[int] = parameter(
        "Filters of each convolution block of the segment encoder.", SIZES, default=(16, 32, 64, 64, 128, 128)
    )
    kernel_size: int = parameter("Samples in each filter of the segment encoder.", COUNT, default=7)
    embedding_size: int = parameter(
        "Size of the embedding of a segment, and of a record; a multiple of ``n_heads``.", COUNT, default=128
    )
    n_layers: int = parameter("Layers of the transformer.", COUNT, default=4)
    n_heads: int = parameter("Heads of each layer of the transformer.", COUNT, default=8)
    feedforward_size: int = parameter("Hidden units of each layer of the transformer.", COUNT, default=512)
    pooling: str = parameter(
        "How the segments of a record are pooled.", one_of("attention", "mean", "max"), default="attention"
    )
    attention_size: int = parameter("Hidden units of the attention.", COUNT, default=64)
    head_size: int = parameter("Hidden units of the dense layers.", COUNT, default=64)
    side_noise: float = parameter(
        "Standard deviation of the noise added to the standardised side features in training, not in pre-training.",
        NOT_NEGATIVE,
        default=0.0,
        training=True,
    )
    signal_dropout: float = parameter(
        "Share of the training records whose signals are withheld, so that the side features learn to "
        "decide alone; not in pre-training.",
        SHARE,
        default=0.0,
        training=True,
    )
    pretrain_stages: Any = parameter(
        "Stages of the pre-training, one after the other.",
        ["array-like"],
        default=("autoencoder", "masked"),
        kind='sequence of {"autoencoder", "masked", "contrastive"}',
        training=True,
    )
    pretrain_epochs: int | Sequence[int] = parameter(
        "Passes over the unlabelled records in each stage, or in all of them.",
        [*COUNT, "array-like"],
        default=20,
        kind="int or sequence of int",
        training=True,
    )
    pretrain_lr: float = parameter("Learning rate of the pre-training.", POSITIVE, default=1e-3, training=True)
    mask_ratio: float = parameter(
        'Share of the segments of a record that stage "masked" hides; at least one, never all.',
        [Interval(Real, 0, 1, closed="neither")],
        default=0.3,
        training=True,
    )
    pretrained: Any = parameter(
        "Weights of encoder and transformer to begin with: ``pretrained_`` of an ECGSLClassifier, or one in "
        "a :class:`~sklearn.frozen.FrozenEstimator`, as its last ``pretrain`` or ``fit`` left them. (A "
        "plain fitted estimator would lose its fit in ``clone``.)",
        default=None,
        kind="dict of ndarray, FrozenEstimator or None",
        training=True,
        kept=False,
    )
    freeze_encoder: bool = parameter(
        "Keep encoder and transformer as they were pre-trained; attention and dense layers alone are trained.",
        BOOLEAN,
        default=False,
        training=True,
    )
    augment: Callable | None = parameter(
        "Changes the segments of each training batch: a function from a tensor (n_segments, n_leads, "
        "n_timepoints) to one of the same shape, such as "
        ":class:`~sklearn_ecg.augmentation.BeatAugmentation`."
    )
    n_beats: int = parameter(
        "Segments in a 2-D row. 3-D input speaks for itself, and so do column names such as ``II_0000_beat000``.",
        COUNT,
        default=1,
        training=True,
    )
    n_leads: int = parameter("Leads of a segment.")
    n_side_features: int = parameter(
        "Columns at the end of each segment that are not signal (``side_features`` of the segmenter)."
    )
    dropout: float = parameter(default=0.1)

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        names = (
            *("pooling", "attention_size", "head_size", "side_noise", "signal_dropout"),
            *("n_layers", "n_heads", "feedforward_size", "dropout"),
        )
        sizes = {name: getattr(self, name) for name in names}
        return SegmentClassifier(n_leads, n_side_features, n_outputs, **sizes, **self._encoder_sizes())

    def _make_decoder(self, n_leads, n_timepoints):
        return SegmentDecoder(n_leads, n_timepoints, **self._encoder_sizes())

    def _encoder_sizes(self):
        return {name: getattr(self, name) for name in ("channels", "kernel_size", "embedding_size", "norm")}
