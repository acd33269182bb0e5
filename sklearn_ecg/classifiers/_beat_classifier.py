"""What the classifiers of beats and short strips share."""

from collections.abc import Sequence

from ..base._classifier import NeuralClassifier
from ..base._estimator import NetworkLayers
from ..parameters import COUNT, NOT_NEGATIVE, SHARE, SIZES, WithParameters, parameter


class BeatClassifier(NetworkLayers, NeuralClassifier):
    """A classifier whose module has convolution blocks, a summary of what they leave, and a head for side features."""

    channels: Sequence[int] = parameter("Filters of each convolution block.", SIZES, default=(16, 32, 64))
    kernel_size: int = parameter("Samples in each filter.", COUNT, default=7)
    side_sizes: Sequence[int] = parameter(
        "Hidden units of the layers that read the side features, which are standardised first and clipped "
        "at five standard deviations.",
        SIZES,
        default=(64,),
    )
    side_noise: float = parameter(
        "Standard deviation of the noise added to the standardised side features in training.",
        NOT_NEGATIVE,
        default=0.0,
        training=True,
    )
    signal_dropout: float = parameter(
        "Share of the training rows whose signal is withheld from the head, so that the side features learn "
        "to decide alone.",
        SHARE,
        default=0.0,
        training=True,
    )
    head_size: int = parameter("Hidden units of the head.", COUNT, default=64)

    def _block_and_head_sizes(self):
        names = (
            "channels",
            "kernel_size",
            "side_sizes",
            "side_noise",
            "signal_dropout",
            "head_size",
            "dropout",
            "norm",
        )
        return {name: getattr(self, name) for name in names}


class PoolingBlocks(WithParameters):
    """Convolution blocks that each shorten the signal by one factor."""

    pool: int = parameter("Each block shortens the signal by this factor.", COUNT, default=2)


class SummarySteps(WithParameters):
    """A feature map that is averaged in spans of time."""

    summary_steps: int = parameter(
        "Spans of time, of equal length, in which the last feature map is averaged; 1 forgets where in the signal "
        "something stood.",
        COUNT,
        default=4,
    )


class Recurrent(WithParameters):
    """A feature map that an LSTM reads."""

    lstm_size: int = parameter("Hidden units of the LSTM in each direction.", COUNT, default=32)
