"""ECGSLClassifier: heartbeat segments, self-supervised pre-training in stages, transformer, attention."""

from ..nn.segments import SegmentClassifier, SegmentDecoder
from ._sequences import SegmentSequenceClassifier


class ECGSLClassifier(SegmentSequenceClassifier):
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

    Parameters
    ----------
    channels : sequence of int, default=(16, 32, 64, 64, 128, 128)
        Filters of each convolution block of the segment encoder.
    kernel_size : int, default=7
        Samples in each filter.
    embedding_size : int, default=128
        Size of the embedding of a segment, and of a record; a multiple of ``n_heads``.
    n_layers : int, default=4
        Layers of the transformer.
    n_heads : int, default=8
        Heads of each layer of the transformer.
    feedforward_size : int, default=512
        Hidden units of each layer of the transformer.
    pooling : {"attention", "mean", "max"}, default="attention"
        How the segments of a record are pooled.
    attention_size : int, default=64
        Hidden units of the attention.
    head_size : int, default=64
        Hidden units of the dense layers.
    side_noise : float, default=0.0
        Standard deviation of the noise added to the standardised side features in training, not in pre-training.
    signal_dropout : float, default=0.0
        Share of the training records whose signals are withheld, so that the side features learn to decide alone; not
        in pre-training.
    pretrain_stages : sequence of {"autoencoder", "masked", "contrastive"}, default=("autoencoder", "masked")
        Stages of the pre-training, one after the other.
    pretrain_epochs : int or sequence of int, default=20
        Passes over the unlabelled records in each stage, or in all of them.
    pretrain_lr : float, default=1e-3
        Learning rate of the pre-training.
    mask_ratio : float, default=0.3
        Share of the segments of a record that stage "masked" hides; at least one, never all.
    pretrained : dict of ndarray, FrozenEstimator or None, default=None
        Weights of encoder and transformer to begin with: ``pretrained_`` of an ECGSLClassifier, or one in a
        :class:`~sklearn.frozen.FrozenEstimator`, as its last ``pretrain`` or ``fit`` left them. (A plain fitted
        estimator would lose its fit in ``clone``.)
    freeze_encoder : bool, default=False
        Keep encoder and transformer as they were pre-trained; attention and dense layers alone are trained.
    loss : {"cross_entropy", "focal"}, default="cross_entropy"
        "focal" weighs each row by how far its class was missed [2]_.
    focal_gamma : float, default=2.0
        Exponent of the focal loss: how much less a row counts that is classified well.
    focal_alpha : dict, "inverse_sqrt" or None, default="inverse_sqrt"
        Factors of the classes in the focal loss; "inverse_sqrt" makes them proportional to the inverse square root of
        their frequency.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss.
    augment : callable or None, default=None
        Changes the segments of each training batch: a function from a tensor (n_segments, n_leads, n_timepoints) to one
        of the same shape, such as :class:`~sklearn_ecg.augmentation.BeatAugmentation`.
    n_beats : int, default=1
        Segments in a 2-D row. 3-D input speaks for itself, and so do column names such as ``II_0000_beat000``.
    n_leads : int, default=1
        Leads of a segment.
    n_side_features : int, default=0
        Columns at the end of each segment that are not signal (``side_features`` of the segmenter).
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
    norm : {"batch", "group"}, default="batch"
        Normalisation after each convolution.
    dropout : float, default=0.1
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
    classes_ : ndarray of shape (n_classes,)
        Labels.
    class_prior_ : ndarray of shape (n_classes,)
        Weighted share of each class in the training rows; with labels that go together, how often each holds.
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where ``X`` had them.
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
    net_ : skorch.NeuralNet
        The net that was trained.
    module_ : torch.nn.Module
        Its module.

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

    def __init__(
        self,
        *,
        channels=(16, 32, 64, 64, 128, 128),
        kernel_size=7,
        embedding_size=128,
        n_layers=4,
        n_heads=8,
        feedforward_size=512,
        pooling="attention",
        attention_size=64,
        head_size=64,
        side_noise=0.0,
        signal_dropout=0.0,
        pretrain_stages=("autoencoder", "masked"),
        pretrain_epochs=20,
        pretrain_lr=1e-3,
        mask_ratio=0.3,
        pretrained=None,
        freeze_encoder=False,
        loss="cross_entropy",
        focal_gamma=2.0,
        focal_alpha="inverse_sqrt",
        class_weight=None,
        augment=None,
        n_beats=1,
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
        dropout=0.1,
        callbacks=None,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.channels = channels
        self.kernel_size = kernel_size
        self.embedding_size = embedding_size
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.feedforward_size = feedforward_size
        self.pooling = pooling
        self.attention_size = attention_size
        self.head_size = head_size
        self.side_noise = side_noise
        self.signal_dropout = signal_dropout
        self.pretrain_stages = pretrain_stages
        self.pretrain_epochs = pretrain_epochs
        self.pretrain_lr = pretrain_lr
        self.mask_ratio = mask_ratio
        self.pretrained = pretrained
        self.freeze_encoder = freeze_encoder
        self.loss = loss
        self.focal_gamma = focal_gamma
        self.focal_alpha = focal_alpha
        self.class_weight = class_weight
        self.augment = augment
        self.n_beats = n_beats
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
