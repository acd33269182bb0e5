"""CNNLSTMClassifier: convolution blocks, a bidirectional LSTM, and side features at the head."""

from numbers import Integral

from sklearn.utils._param_validation import Interval

from ..nn.convnets import ConvLSTM
from ._beat_classifier import BeatClassifier


class CNNLSTMClassifier(BeatClassifier):
    """Convolution blocks, a bidirectional LSTM, and side features at the head.

    The signal passes blocks of convolution, normalisation, ReLU and max pooling; a bidirectional LSTM reads what they
    leave; the last state of each direction, joined by the side features, feeds the head [1]_. The publication gives no
    sizes, windows or training details: those here are our own.

    Parameters
    ----------
    channels : sequence of int, default=(16, 32, 64)
        Filters of each convolution block.
    kernel_size : int, default=7
        Samples in each filter.
    pool : int, default=2
        Each block shortens the signal by this factor.
    lstm_size : int, default=32
        Hidden units of the LSTM in each direction.
    side_sizes : sequence of int, default=(64,)
        Hidden units of the layers that read the side features, which are standardised first and clipped at five
        standard deviations.
    side_noise : float, default=0.0
        Standard deviation of the noise added to the standardised side features in training.
    signal_dropout : float, default=0.0
        Share of the training rows whose signal is withheld from the head, so that the side features learn to decide
        alone.
    head_size : int, default=64
        Hidden units of the head.
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
    norm : {"batch", "group"}, default="batch"
        Normalisation after each convolution.
    dropout : float, default=0.2
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
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where ``X`` had them.
    layout_ : RowLayout
        How a row is read: leads, timepoints, side features.
    history_ : list of dict
        For each epoch: number, training and validation loss, validation score (macro-F1), seconds.
    n_iter_ : int
        Epochs trained.
    net_ : skorch.NeuralNet
        The net that was trained.
    module_ : torch.nn.Module
        Its module.

    References
    ----------
    .. [1] "Deep Neural Network Architectures for Electrocardiogram Classification", arXiv:2602.17701.
    .. [2] T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg import CNNLSTMClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["N", "V"], 40)
    >>> X = rng.normal(size=(80, 1, 32)) + np.where(y == "V", 2.0, 0.0)[:, None, None] * np.hanning(32)
    >>> clf = CNNLSTMClassifier(channels=(8,), max_epochs=20, lr=1e-2, random_state=0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.9)
    True
    """

    def __init__(
        self,
        *,
        channels=(16, 32, 64),
        kernel_size=7,
        pool=2,
        lstm_size=32,
        side_sizes=(64,),
        side_noise=0.0,
        signal_dropout=0.0,
        head_size=64,
        loss="cross_entropy",
        focal_gamma=2.0,
        focal_alpha="inverse_sqrt",
        class_weight=None,
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
        dropout=0.2,
        callbacks=None,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.channels = channels
        self.kernel_size = kernel_size
        self.pool = pool
        self.lstm_size = lstm_size
        self.side_sizes = side_sizes
        self.side_noise = side_noise
        self.signal_dropout = signal_dropout
        self.head_size = head_size
        self.loss = loss
        self.focal_gamma = focal_gamma
        self.focal_alpha = focal_alpha
        self.class_weight = class_weight
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

    _parameter_constraints: dict = {
        **BeatClassifier._parameter_constraints,
        "pool": [Interval(Integral, 1, None, closed="left")],
        "lstm_size": [Interval(Integral, 1, None, closed="left")],
    }

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        return ConvLSTM(
            n_leads,
            n_side_features,
            n_outputs,
            pool=self.pool,
            lstm_size=self.lstm_size,
            **self._block_and_head_sizes(),
        )
