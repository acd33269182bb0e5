"""Scikit-learn compatible estimators for the electrocardiogram."""

import importlib

__version__ = "0.2.0"

_HOMES = {
    "AdaptedClassifier": "adaptation",
    "BeatSegmenter": "segmentation",
    "CNNClassifier": "classifiers",
    "CNNLSTMAttention": "classifiers",
    "CNNLSTMClassifier": "classifiers",
    "ConvAutoencoder": "autoencoders",
    "ECGFilter": "preprocessing",
    "ECGResampler": "preprocessing",
    "ECGSLClassifier": "self_supervised",
    "ECGScaler": "preprocessing",
    "GANSampler": "augmentation",
    "ImpulseTrainExtractor": "segmentation",
    "IntervalRegressor": "regression",
    "LeadConverter": "preprocessing",
    "PeriodicVAE": "autoencoders",
    "ResNetClassifier": "classifiers",
    "TopKVotingClassifier": "ensemble",
    "TorchClassifier": "base",
    "TorchRegressor": "base",
    "TorchTransformer": "base",
    "WaveDelineator": "delineation",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
