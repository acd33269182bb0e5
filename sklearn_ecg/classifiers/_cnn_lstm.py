"""CNNLSTMClassifier: convolution blocks, a bidirectional LSTM, and side features at the head."""

from ..nn.convnets import ConvLSTM
from ._beat_classifier import BeatClassifier, PoolingBlocks, Recurrent


class CNNLSTMClassifier(PoolingBlocks, Recurrent, BeatClassifier):
    """Convolution blocks, a bidirectional LSTM, and side features at the head.

    The signal passes blocks of convolution, normalisation, ReLU and max pooling; a bidirectional LSTM reads what they
    leave; the last state of each direction, joined by the side features, feeds the head [1]_. The publication gives no
    sizes, windows or training details: those here are our own.

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

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        return ConvLSTM(
            n_leads,
            n_side_features,
            n_outputs,
            pool=self.pool,
            lstm_size=self.lstm_size,
            **self._block_and_head_sizes(),
        )
