"""One table of tiny instances of every public estimator; conformance and contract tests read it.

An instance may set ``precision="float64"``, ``dropout=0``, ``norm="group"``, a batch that holds a whole toy data set,
``fs``, sub-estimators, small sizes and few epochs: with these everything a network computes is exact. Nothing else may
be set.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from sklearn_ecg import (
    AdaptedClassifier,
    BeatSegmenter,
    CNNClassifier,
    CNNLSTMAttention,
    CNNLSTMClassifier,
    ConvAutoencoder,
    ECGFilter,
    ECGResampler,
    ECGScaler,
    ECGSLClassifier,
    GANSampler,
    ImpulseTrainExtractor,
    IntervalRegressor,
    LeadConverter,
    PeriodicVAE,
    ResNetClassifier,
    TopKVotingClassifier,
    TorchClassifier,
    TorchRegressor,
    TorchTransformer,
    WaveDelineator,
)


def find_inner_samples(signal, fs):
    """Stands in for a detector on toy data, whose rows are too short for a heartbeat."""
    return np.flatnonzero(signal[1:-1] > np.median(signal)) + 1


class ToyNetwork(nn.Module):
    """A foreign network, as a user may write it: it knows nothing of this library."""

    def __init__(self, n_leads, n_outputs, width=16):
        super().__init__()
        self.convolve = nn.Sequential(nn.Conv1d(n_leads, width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(4))
        self.out = nn.Linear(4 * width, n_outputs)

    def forward(self, x):
        return self.out(self.convolve(x).flatten(1))


EXACT = {"precision": "float64", "dropout": 0, "norm": "group", "batch_size": 64}
SEGMENTS = {"fs": 100, "window": (0.01, 0.01), "detector": find_inner_samples}

SMALL = {"channels": (16,), "kernel_size": 3, "side_sizes": (4,), "head_size": 16, "max_epochs": 40}


CLASSIFIERS = {
    "CNNClassifier": CNNClassifier(**SMALL, **EXACT),
    "CNNClassifier-focal": CNNClassifier(loss="focal", **SMALL, **EXACT),
    "CNNLSTMClassifier": CNNLSTMClassifier(lstm_size=8, **SMALL, **EXACT),
    "CNNLSTMAttention": CNNLSTMAttention(lstm_size=8, attention_size=4, **SMALL, **EXACT),
    "ResNetClassifier": ResNetClassifier(n_blocks=1, **SMALL, **EXACT),
}
FOREIGN = {"max_epochs": 40, "precision": "float64", "batch_size": 64}
FOREIGN_NETWORKS = {
    "TorchClassifier": TorchClassifier(ToyNetwork, **FOREIGN),
    "TorchClassifier-focal": TorchClassifier(ToyNetwork, module_params={"width": 8}, loss="focal", **FOREIGN),
    "TorchRegressor": TorchRegressor(ToyNetwork, lr=0.01, **FOREIGN),
    "TorchTransformer": TorchTransformer(ToyNetwork, n_components=3, **FOREIGN),
}
"""Estimators whose network is the user's."""
BEAT_SEQUENCES = {
    f"ECGSLClassifier{suffix}": ECGSLClassifier(
        channels=(16,),
        kernel_size=3,
        embedding_size=16,
        n_layers=1,
        n_heads=2,
        feedforward_size=16,
        attention_size=4,
        head_size=16,
        pretrain_epochs=2,
        max_epochs=40,
        **settings,
        **EXACT,
    )
    for suffix, settings in {"": {}, "-mean": {"pooling": "mean"}, "-max": {"pooling": "max"}}.items()
}
"""Classifiers whose 3-D input is records of beats, not of leads."""
DELINEATORS = {
    f"WaveDelineator{suffix}": WaveDelineator(fs=fs, channels=(32, 32), kernel_size=3, max_epochs=40, **EXACT)
    for suffix, fs in {"": 250, "-resampled": 100}.items()
}
"""Classifiers of every sample, or of as many equally spaced columns as there are labels."""
REGRESSORS = {
    f"IntervalRegressor-{backbone}": IntervalRegressor(backbone=backbone, **sizes, max_epochs=60, **EXACT)
    for backbone, sizes in {
        "resnet": {"channels": (16,), "n_blocks": 1, "stem_stride": 1},
        "vit": {"patch_size": 2, "embedding_size": 16, "n_layers": 1, "n_heads": 2, "feedforward_size": 16},
        "mlp": {"hidden_sizes": (32,)},
    }.items()
}
TRANSFORMERS = {
    "ECGFilter": ECGFilter(fs=360),
    "ECGFilter-notch-and-median-baseline": ECGFilter(fs=500, low=None, notch=50, baseline="median"),
    "ECGResampler-to-fs": ECGResampler(fs=360, fs_out=128),
    "ECGResampler-to-length": ECGResampler(n_timepoints_out=7),
    **{f"ECGScaler-{by}": ECGScaler(by=by) for by in ("lead", "record", "beat")},
    **{f"ECGScaler-{method}": ECGScaler(method=method) for method in ("robust", "minmax", "max")},
    "LeadConverter": LeadConverter(),
    "LeadConverter-named": LeadConverter(lead_names="MLII", leads_out="II"),
    "BeatSegmenter": BeatSegmenter(fs=360),
    "BeatSegmenter-toy-detector": BeatSegmenter(**SEGMENTS),
    "BeatSegmenter-flat": BeatSegmenter(**SEGMENTS, flatten=True),
    "BeatSegmenter-median": BeatSegmenter(**SEGMENTS, aggregate="median"),
    "BeatSegmenter-rr": BeatSegmenter(
        **{**SEGMENTS, "window": "rr"}, n_timepoints=4, side_features=("log_rr", "amplitude"), flatten=True
    ),
    "BeatSegmenter-deviation": BeatSegmenter(**SEGMENTS, deviation="late", side_features=("amplitude",), flatten=True),
    **{
        f"ImpulseTrainExtractor-{method}": ImpulseTrainExtractor(fs=360, method=method)
        for method in ("energy", "peaks", "fixed_period")
    },
    "ImpulseTrainExtractor-binary": ImpulseTrainExtractor(fs=360, binary=True),
}
AUTOENCODERS = {
    f"PeriodicVAE{suffix}": PeriodicVAE(
        fs=360, channels=(8, 8), kernel_size=3, latent_size=3, max_epochs=5, **settings, **EXACT
    )
    for suffix, settings in {
        "": {},
        "-plain": {"periodic": False},
        "-binary": {"binary": True, "free_bits": 0.1, "annealing": "cyclical"},
        "-fixed_period": {"impulse": "fixed_period", "annealing": None, "stretch": True},
    }.items()
} | {
    f"ConvAutoencoder{suffix}": ConvAutoencoder(
        **{"channels": (8, 4), "kernel_sizes": (5, 3), "pools": (2, 2), "latent_size": 3, "max_epochs": 20, **settings},
        **{**EXACT, **exact},
    )
    for suffix, settings, exact in [
        ("", {}, {}),
        ("-spectral", {"kernel_sizes": (20, 16)}, {}),
        (
            "-convolutional",
            {"latent_size": None, "activation": "leaky_relu", "upsampling": "transposed"},
            {"norm": None},
        ),
    ]
}
"""Transformers with a network inside."""
TRANSFORMERS |= {**AUTOENCODERS, "TorchTransformer": FOREIGN_NETWORKS["TorchTransformer"]}
THREE_D_OUTPUT = {"BeatSegmenter", "BeatSegmenter-toy-detector"}
"""Transformers whose plain output is 3-D. Four checks outside ``check_estimator`` build a frame from the plain output
or compare its second axis with the names, which no 3-D output can pass; the same class runs them with flat output."""

META = {
    "AdaptedClassifier": AdaptedClassifier(CNNClassifier(**SMALL, **EXACT), max_epochs=5, batch_size=64),
    "TopKVotingClassifier": TopKVotingClassifier(
        estimators=[
            ("linear", LogisticRegression()),
            ("stiff", LogisticRegression(C=0.01)),
            ("tree", DecisionTreeClassifier(random_state=0)),
        ],
        cv=2,
    ),
}
"""Classifiers made of other classifiers."""
SAMPLERS = {
    "GANSampler": GANSampler(
        latent_size=4,
        hidden_size=8,
        channels=(8,),
        kernel_size=3,
        n_critic=1,
        n_steps=3,
        batch_size=32,
        precision="float64",
    ),
}

INSTANCES = {
    **CLASSIFIERS,
    **FOREIGN_NETWORKS,
    **BEAT_SEQUENCES,
    **DELINEATORS,
    **REGRESSORS,
    **META,
    **TRANSFORMERS,
    **SAMPLERS,
}
"""Name of the instance → instance. The part of a name before a dash is its class."""

QUICK = {"max_epochs": 3, "lr": 0.03, "batch_size": 256, "random_state": 0}
"""What our own tests set on top: they look at other things than scikit-learn's, and many of them train twice."""


def set_everywhere(estimator, **params):
    """Set parameters on an estimator and on those that it is made of, wherever they have them."""
    known = {name: name.rpartition("__")[2] for name in estimator.get_params()}
    return estimator.set_params(**{name: params[last] for name, last in known.items() if last in params})
