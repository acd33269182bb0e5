"""Targets of regression, some of which may be unknown: reading, scaling, scoring."""

import warnings

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import r2_score
from sklearn.utils import check_array

_FLAT = 1e-12  # of the largest absolute value: a smaller spread is rounding


def read_targets(y):
    """``y`` as float64 columns, whether it was 1-D, and the names of its columns for messages.

    Raises
    ------
    ValueError
        If there is no ``y``, it is neither 1-D nor 2-D, or a value is infinite.
    """
    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None.")
    names = getattr(y, "columns", None)
    values = check_array(y, dtype=np.float64, ensure_2d=False, ensure_all_finite=False, input_name="y")
    if values.ndim not in (1, 2):
        raise ValueError(f"y must be of shape (n_samples,) or (n_samples, n_targets), got {values.shape}.")
    columns = values.reshape(len(values), -1)
    names = list(range(columns.shape[1])) if names is None else list(names)
    infinite = np.isinf(columns).any(axis=0)
    if infinite.any():
        raise ValueError(
            "Input y contains infinity or a value too large for dtype('float64'): column "
            f"{names[np.argmax(infinite)]!r}. NaN stands for an unknown value."
        )
    return columns, values.ndim == 1, names


def scale_of_targets(columns, weight, names):
    """Weighted mean and standard deviation of the known values of each column, and the share of the weight they have.

    Raises
    ------
    ValueError
        If no value of a column is known.
    """
    known = ~np.isnan(columns)
    unknown = ~known.any(axis=0)
    if unknown.any():
        raise ValueError(
            f"Input y contains NaN alone in column {names[np.argmax(unknown)]!r} of the training rows: of each target "
            "at least one value must be known."
        )
    weights = weight[:, None] * known
    total, values = weights.sum(axis=0), np.where(known, columns, 0.0)
    largest = np.maximum(np.abs(values).max(axis=0), np.finfo(np.float64).tiny)  # squares shall not overflow
    values = values / largest
    mean = (weights * values).sum(axis=0) / total
    scale = np.sqrt((weights * (values - mean) ** 2).sum(axis=0) / total)
    scale[scale < _FLAT] = 1.0
    return mean * largest, scale * largest, total / weight.sum()


def r2_of_known(true, predicted, sample_weight=None):
    """Mean over the columns of R² over their known values; columns with fewer than two are left out.

    NaN, with scikit-learn's warning, where no column is left.
    """
    known = ~np.isnan(true)
    scores = []
    for column in np.flatnonzero(known.sum(axis=0) > 1):
        rows = known[:, column]
        weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
        scores.append(r2_score(true[rows, column], predicted[rows, column], sample_weight=weight))
    if not scores:
        warnings.warn("R² is not defined with less than two known values.", UndefinedMetricWarning, stacklevel=3)
        return float("nan")
    return float(np.mean(scores))


def validation_r2(target, output):
    """:func:`r2_of_known` of validation rows, which may be too few."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        return r2_of_known(target, output)
