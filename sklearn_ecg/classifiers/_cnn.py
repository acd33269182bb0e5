"""CNNClassifier: convolution blocks, averages of their feature map, and side features at the head."""

from ..nn.convnets import ConvNet
from ._beat_classifier import BeatClassifier, PoolingBlocks, SummarySteps


class CNNClassifier(PoolingBlocks, SummarySteps, BeatClassifier):
    """Convolution blocks, averages of their feature map, and side features at the head.

    The signal passes blocks of convolution, normalisation, ReLU and max pooling; the last feature map, averaged in a
    few spans of time and joined by the side features, feeds the head [1]_. The publication gives no sizes, windows or
    training details: those here are our own.

    References
    ----------
    .. [1] "Deep Neural Network Architectures for Electrocardiogram Classification", arXiv:2602.17701.
    .. [2] T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg import CNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["N", "V"], 40)
    >>> X = rng.normal(size=(80, 1, 32)) + np.where(y == "V", 2.0, 0.0)[:, None, None] * np.hanning(32)
    >>> clf = CNNClassifier(channels=(8,), max_epochs=10, lr=1e-2, random_state=0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.9)
    True
    """

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        return ConvNet(
            n_leads,
            n_side_features,
            n_outputs,
            pool=self.pool,
            summary_steps=self.summary_steps,
            **self._block_and_head_sizes(),
        )
