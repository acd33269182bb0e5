"""What transformers give back: which type, in which form, under which names."""

import numpy as np
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names_in

from ._validation import read_lead_columns


def output_dtype(rows):
    """The dtype of transformed ``rows``: single precision stays single, everything else is double."""
    return np.float32 if rows.dtype in (np.float16, np.float32) else np.float64


def is_cube(X):
    """Whether ``X`` is a 3-D array or nested list."""
    if not isinstance(X, (list, tuple)):
        return getattr(X, "ndim", None) == 3
    try:
        return np.ndim(X) == 3
    except ValueError:  # ragged: the door will say so
        return False


def wants_frame(estimator):
    """Whether a data frame, which holds no 3-D, was asked for with ``set_output`` or the global configuration."""
    return _get_output_config("transform", estimator)["dense"] != "default"


def lead_and_side_names(estimator, input_features=None):
    """Names of the leads and of the side columns: those the input names tell, else ``lead0 …`` and ``side0 …``."""
    layout = estimator.layout_
    names = _check_feature_names_in(estimator, input_features)
    told = read_lead_columns(names)
    leads = told[0] if told and told[1] == layout else [f"lead{i}" for i in range(layout.n_leads)]
    if input_features is not None or hasattr(estimator, "feature_names_in_"):
        return leads, list(names[layout.n_signal_features :])
    return leads, [f"side{i}" for i in range(layout.n_side_features)]


def beat_feature_names(names, n_beats):
    """Column names of flat rows of beats, from those of one beat: ``II_0000_beat000 …``, beat after beat."""
    return np.asarray([f"{name}_beat{i:03d}" for i in range(n_beats) for name in names], dtype=object)
