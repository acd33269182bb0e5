"""What the reports share: rows read, plain and printed values, quotients that may be undefined."""

from dataclasses import asdict

import numpy as np

from ..signals._validation import as_array


def as_rows(X, name):
    """Finite float64 rows; ValueError that names the array otherwise."""
    X = as_array(X, name).astype(np.float64, copy=False)
    if X.ndim != 2 or not X.size:
        raise ValueError(f"{name} must be 2-D (n_samples, n_features) and not empty, got shape {X.shape}.")
    if not np.isfinite(X).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity.")
    return X


def plain(report):
    """Fields of a dataclass of numbers and intervals as plain values; None stands for NaN."""
    return none_for_nan(asdict(report))


def none_for_nan(value):
    """Plain value, or dict of values; None stands for NaN."""
    if isinstance(value, dict):
        return {key: none_for_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value


def cell(value, form=".3f"):
    """A number as a table prints it."""
    return "-" if np.isnan(value) else format(value, form)


def mean(values):
    return float(np.mean(values)) if len(values) else np.nan


def ratio(part, whole):
    return float(part / whole) if whole else np.nan
