"""CNNLSTMAttention: convolution blocks, a bidirectional LSTM, and additive attention over its states."""

import numpy as np
from numpy.typing import ArrayLike

from ..nn.convnets import ConvLSTMAttention
from ..parameters import COUNT, parameter
from ._beat_classifier import BeatClassifier, PoolingBlocks, Recurrent


class CNNLSTMAttention(PoolingBlocks, Recurrent, BeatClassifier):
    """Convolution blocks, a bidirectional LSTM, additive attention over its states, and side features at the head.

    The signal passes blocks of convolution, normalisation, ReLU and max pooling; a bidirectional LSTM reads what they
    leave; each of its states is scored by its alignment with a learned context vector, and the softmax-weighted mean of
    the states, joined by the side features, feeds the head [1]_. The publication gives no sizes, windows or training
    details: those here are our own.

    References
    ----------
    .. [1] "Deep Neural Network Architectures for Electrocardiogram Classification", arXiv:2602.17701.
    .. [2] T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg import CNNLSTMAttention
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["N", "V"], 40)
    >>> X = rng.normal(size=(80, 1, 32)) + np.where(y == "V", 2.0, 0.0)[:, None, None] * np.hanning(32)
    >>> clf = CNNLSTMAttention(channels=(8,), max_epochs=10, lr=1e-2, random_state=0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.9)
    True
    >>> clf.attention(X).shape
    (80, 32)
    """

    attention_size: int = parameter("Hidden units of the attention score.", COUNT, default=32)

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        return ConvLSTMAttention(
            n_leads,
            n_side_features,
            n_outputs,
            pool=self.pool,
            lstm_size=self.lstm_size,
            attention_size=self.attention_size,
            **self._block_and_head_sizes(),
        )

    def attention(self, X: ArrayLike) -> np.ndarray:
        """Attention over the signal: where the network looked.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        weights : ndarray of shape (n_samples, n_timepoints), float64
            The weight of each LSTM state, spread evenly over the samples that its pooling windows cover. Each row sums
            to one.
        """
        steps = self._forward(X, method="attention_weights").astype(np.float64)
        step_of_sample = np.arange(self.layout_.n_timepoints) // self.module_.n_samples_per_step
        return (steps / np.bincount(step_of_sample))[:, step_of_sample]
