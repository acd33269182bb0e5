"""The parameters that every neural estimator shares: their constraints and their defaults."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

SHARED_CONSTRAINTS = {
    "n_leads": [Interval(Integral, 1, None, closed="left")],
    "n_side_features": [Interval(Integral, 0, None, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "lr_schedule": [StrOptions({"constant", "one-cycle"})],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "optimizer": [StrOptions({"adagrad", "adam", "adamw", "nadam", "rmsprop", "sgd"})],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "device": [str],
    "precision": [StrOptions({"float32", "float64", "bf16-mixed"})],
    "norm": [StrOptions({"batch", "group"})],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "callbacks": [list, None],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}
"""Constraints of the parameters that every neural estimator has, under the same names."""

SHARED_DEFAULTS = {
    "n_leads": 1,
    "n_side_features": 0,
    "max_epochs": 20,
    "batch_size": 128,
    "lr": 1e-3,
    "lr_schedule": "constant",
    "weight_decay": 1e-4,
    "optimizer": "adamw",
    "early_stopping": False,
    "validation_fraction": 0.1,
    "patience": 5,
    "device": "auto",
    "precision": "float32",
    "norm": "batch",
    "dropout": 0.2,
    "callbacks": None,
    "warm_start": False,
    "random_state": None,
    "verbose": 0,
}

CLASSIFIER_CONSTRAINTS = {
    "loss": [StrOptions({"cross_entropy", "focal"})],
    "focal_gamma": [Interval(Real, 0, None, closed="left")],
    "focal_alpha": [dict, StrOptions({"inverse_sqrt"}), None],
    "class_weight": [dict, StrOptions({"balanced"}), None],
    "augment": [callable, None],
}
"""Constraints of the parameters that every neural classifier has besides."""

CLASSIFIER_DEFAULTS = {
    "loss": "cross_entropy",
    "focal_gamma": 2.0,
    "focal_alpha": "inverse_sqrt",
    "class_weight": None,
    "augment": None,
}
METHOD_DEFAULTS = {
    "ConvAutoencoder": {"dropout": 0.0},
    "ECGSLClassifier": {"dropout": 0.1},
    "IntervalRegressor": {"dropout": 0.0, "max_epochs": 30, "batch_size": 32, "lr": 3e-3, "lr_schedule": "one-cycle"},
    "PeriodicVAE": {"dropout": 0.0, "max_epochs": 100, "batch_size": 32},
    "WaveDelineator": {"dropout": 0.1, "max_epochs": 30, "batch_size": 32, "lr": 3e-3, "lr_schedule": "one-cycle"},
}
"""Method → where its defaults differ from those above; the signatures must agree with the tables."""

METHOD_CONSTRAINTS = {"ConvAutoencoder": {"norm": [*SHARED_CONSTRAINTS["norm"], None]}}
"""Method → where its constraints differ from those above: the networks of one signal have no normalisation."""

TRAINING_PARAMETERS = (frozenset(SHARED_DEFAULTS | CLASSIFIER_DEFAULTS) - {"norm"}) | {
    *("side_noise", "signal_dropout", "n_beats", "pretrained", "freeze_encoder", "freeze_backbone"),
    *("pretrain_stages", "pretrain_epochs", "pretrain_lr", "mask_ratio"),
    *("unpunished", "transport", "transport_pairs", "beta", "annealing", "free_bits", "n_components"),
}
"""Parameters that may change between a fit and its continuation by ``warm_start``; all others shape the module."""


def check_sizes(name, values):
    """Raise an error that names the parameter unless ``values`` is a non-empty sequence of positive integers."""
    sizes = () if isinstance(values, str) else tuple(values)
    if not sizes or not all(isinstance(n, Integral) and not isinstance(n, bool) and n > 0 for n in sizes):
        raise ValueError(f"{name} must be a non-empty sequence of positive integers, got {values!r}.")
