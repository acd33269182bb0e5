"""What the classifiers of beats and short strips share."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval

from .._base_classifier import NeuralClassifier


class BeatClassifier(NeuralClassifier):
    """A classifier whose module has convolution blocks, a summary of what they leave, and a head for side features."""

    _parameter_constraints: dict = {
        **NeuralClassifier._parameter_constraints,
        "channels": ["array-like"],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "side_sizes": ["array-like"],
        "side_noise": [Interval(Real, 0, None, closed="left")],
        "signal_dropout": [Interval(Real, 0, 1, closed="left")],
        "head_size": [Interval(Integral, 1, None, closed="left")],
    }

    _size_parameters = ("channels", "side_sizes")

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
