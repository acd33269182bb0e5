"""ResNetClassifier: residual convolution blocks and side features at the head."""

from collections.abc import Sequence

from ..nn.convnets import ResNet
from ..parameters import COUNT, parameter
from ._beat_classifier import BeatClassifier, SummarySteps


class ResNetClassifier(SummarySteps, BeatClassifier):
    """Residual convolution blocks and side features at the head.

    The signal passes a convolution and stages of residual blocks [3]_, each stage after the first at half the rate of
    the one before; the last feature map, averaged in a few spans of time and joined by the side features, feeds the
    head [1]_. The publication gives no sizes, windows or training details: those here are our own.

    References
    ----------
    .. [1] "Deep Neural Network Architectures for Electrocardiogram Classification", arXiv:2602.17701.
    .. [2] T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.
    .. [3] K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg import ResNetClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["N", "V"], 40)
    >>> X = rng.normal(size=(80, 1, 32)) + np.where(y == "V", 2.0, 0.0)[:, None, None] * np.hanning(32)
    >>> clf = ResNetClassifier(channels=(8,), max_epochs=10, lr=1e-2, random_state=0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.9)
    True
    """

    channels: Sequence[int] = parameter("Filters of each stage.")
    n_blocks: int = parameter("Residual blocks of two convolutions in each stage.", COUNT, default=2)

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        return ResNet(
            n_leads,
            n_side_features,
            n_outputs,
            n_blocks=self.n_blocks,
            summary_steps=self.summary_steps,
            **self._block_and_head_sizes(),
        )
