"""The one door for signals: 2-D rows or 3-D records in, checked 2-D rows and their layout out."""

import re
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import validate_data

_LEAD_COLUMN = re.compile(r"(?P<lead>.+)_(?P<index>\d{4,})")


@dataclass(frozen=True)
class RowLayout:
    """How a 2-D row is read: lead after lead, side features last."""

    n_leads: int
    n_timepoints: int
    n_side_features: int = 0

    @property
    def n_signal_features(self) -> int:
        return self.n_leads * self.n_timepoints

    @property
    def n_features(self) -> int:
        return self.n_signal_features + self.n_side_features

    def split(self, X):
        """Views (n_samples, n_leads, n_timepoints) and (n_samples, n_side_features) of the rows ``X``."""
        signals = X[:, : self.n_signal_features].reshape(len(X), self.n_leads, self.n_timepoints)
        return signals, X[:, self.n_signal_features :]

    @classmethod
    def of_width(cls, width, n_leads, n_side_features=0):
        """Layout of rows of ``width`` columns; ValueError where they do not divide into leads of equal length."""
        n_signal = width - n_side_features
        if n_signal < n_leads or n_signal % n_leads:
            raise ValueError(
                f"Rows of {width} columns cannot be read with n_leads={n_leads} and n_side_features={n_side_features}: "
                f"the {n_signal} signal columns must be a positive multiple of n_leads."
            )
        return cls(n_leads, n_signal // n_leads, n_side_features)


def flatten_leads(X, side=None):
    """Flatten records into 2-D rows: lead after lead, side features last.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_leads, n_timepoints)
        Signals.
    side : array-like of shape (n_samples, n_side_features), default=None
        Features that stand beside the signal (RR intervals, age).

    Returns
    -------
    rows : ndarray of shape (n_samples, n_leads * n_timepoints + n_side_features)

    Raises
    ------
    ValueError
        If ``X`` is not 3-D, or ``side`` not 2-D with as many rows.
    """
    X = np.asarray(X)
    if X.ndim != 3:
        raise ValueError(f"X must be 3-D (n_samples, n_leads, n_timepoints), got {X.ndim} dimension(s).")
    rows = X.reshape(len(X), X.shape[1] * X.shape[2])
    if side is None:
        return rows
    side = np.asarray(side)
    if side.ndim != 2 or len(side) != len(X):
        raise ValueError(f"side must be 2-D with {len(X)} rows, one for each record, got shape {side.shape}.")
    return np.hstack([rows, side])


def unflatten_leads(X, n_leads=1, n_side_features=0):
    """Read 2-D rows as records and side features; the inverse of :func:`flatten_leads`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_leads * n_timepoints + n_side_features)
        Rows.
    n_leads : int, default=1
        Number of leads in a row.
    n_side_features : int, default=0
        Number of columns at the end of a row that are not signal.

    Returns
    -------
    signals : ndarray of shape (n_samples, n_leads, n_timepoints)
    side : ndarray of shape (n_samples, n_side_features)

    Raises
    ------
    ValueError
        If ``X`` is not 2-D or its width does not divide into ``n_leads`` leads.
    """
    X = np.asarray(X)
    if X.ndim != 2:
        raise ValueError(f"X must be 2-D (n_samples, n_features), got {X.ndim} dimension(s).")
    return RowLayout.of_width(X.shape[1], n_leads, n_side_features).split(X)


def signal_feature_names(lead_names, n_timepoints, side_names=()):
    """Column names of 2-D rows: ``II_0000 … II_0255, V1_0000 …``, then the names of the side features."""
    names = [f"{lead}_{index:04d}" for lead in lead_names for index in range(n_timepoints)]
    return np.asarray([*names, *side_names], dtype=object)


def read_lead_columns(names):
    """Lead names and layout told by column names, or None where the names tell no leads."""
    matches = [_LEAD_COLUMN.fullmatch(str(name)) for name in names]
    n_signal = next((i for i, match in enumerate(matches) if match is None), len(matches))
    leads = list(dict.fromkeys(match["lead"] for match in matches[:n_signal]))
    if not leads or n_signal % len(leads):
        return None
    n_timepoints = n_signal // len(leads)
    if list(signal_feature_names(leads, n_timepoints)) != [str(name) for name in names[:n_signal]]:
        return None
    return leads, RowLayout(len(leads), n_timepoints, len(names) - n_signal)


def check_fs(fs, *, name="fs", low=0.0, high=np.inf):
    """``fs`` as a float; a clear error unless it is a finite number of hertz in (low, high]."""
    if not isinstance(fs, Real) or isinstance(fs, bool):
        raise TypeError(f"{name} must be a number, the sampling frequency in Hz, got {fs!r}.")
    if not (np.isfinite(fs) and fs > 0 and low <= fs <= high):
        wanted = "positive and finite" if (low, high) == (0.0, np.inf) else f"between {low:g} and {high:g}"
        raise ValueError(f"{name} must be {wanted}, the sampling frequency in Hz, got {fs!r}.")
    return float(fs)


def validate_rows(estimator, X, *, reset, **check_params):
    """Check signals at the door and return them as 2-D rows with their layout.

    3-D input is flattened first, so ``n_features_in_`` is the row width and 2-D and 3-D are interchangeable. With
    ``reset`` the layout is read from the estimator's ``n_leads`` and ``n_side_features`` and kept in ``layout_``;
    otherwise the fitted one holds. Memory-mapped and in-memory arrays are not copied.

    Parameters
    ----------
    estimator : estimator
        Has the parameters ``n_leads`` and ``n_side_features``.
    X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
        Signals.
    reset : bool
        True in ``fit``.
    **check_params
        Passed on to :func:`sklearn.utils.validation.validate_data`; with ``y``, a pair is returned for ``X``.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features), or (X, y) where ``y`` was given
    layout : RowLayout

    Raises
    ------
    ValueError
        If the shape, the number of leads or the column names contradict the estimator's parameters, the width differs
        from the one seen in ``fit``, or a value is NaN or infinite.
    """
    X, cube = _flatten_cube(X)
    if reset:
        _check_counts(estimator)
        _refuse_contradiction(estimator, cube)
        names = getattr(X, "columns", None)
    elif cube is not None and cube != (estimator.layout_.n_leads, estimator.layout_.n_timepoints):
        layout = estimator.layout_
        raise ValueError(
            f"X has records of shape {cube}, but {type(estimator).__name__} was fitted on records of shape "
            f"{(layout.n_leads, layout.n_timepoints)} with {layout.n_side_features} side features."
        )
    check_params = {"dtype": "numeric", **check_params}
    checked = validate_data(estimator, X, reset=reset, **check_params)
    if not reset:
        return checked, estimator.layout_
    rows = checked[0] if isinstance(checked, tuple) else checked
    if cube is not None:
        layout = RowLayout(*cube)
    else:
        layout = RowLayout.of_width(rows.shape[1], estimator.n_leads, estimator.n_side_features)
        _refuse_other_columns(layout, names)
    estimator.layout_ = layout
    return checked, layout


def _flatten_cube(X):
    """``X`` as 2-D and the shape of one record where it was 3-D; anything else is left for the general check."""
    if isinstance(X, (list, tuple)):
        try:
            X = np.asarray(X)
        except ValueError:  # ragged
            return X, None
    if getattr(X, "ndim", None) != 3:
        return X, None
    X = np.asarray(X)
    return X.reshape(len(X), X.shape[1] * X.shape[2]), tuple(X.shape[1:])


def _check_counts(estimator):
    for name, low in (("n_leads", 1), ("n_side_features", 0)):
        value = getattr(estimator, name)
        if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
            raise ValueError(f"{name} must be an integer of at least {low}, got {value!r}.")


def _refuse_contradiction(estimator, cube):
    if cube is None:
        return
    if 0 in cube:
        raise ValueError(f"X has records of shape {cube}: at least one lead and one sample are wanted.")
    if estimator.n_leads not in (1, cube[0]):
        raise ValueError(f"X is 3-D with {cube[0]} lead(s), which contradicts n_leads={estimator.n_leads}.")
    if estimator.n_side_features:
        raise ValueError(
            f"X is 3-D and holds no side features, which contradicts n_side_features={estimator.n_side_features}; "
            "use flatten_leads(X, side) to make 2-D rows."
        )


def _refuse_other_columns(layout, names):
    told = None if names is None else read_lead_columns(list(names))
    if told is not None and told[1] != layout:
        leads, seen = told
        raise ValueError(
            f"The column names tell {seen.n_leads} lead(s) ({', '.join(leads)}) of {seen.n_timepoints} samples and "
            f"{seen.n_side_features} side feature(s), but X is read with n_leads={layout.n_leads} and "
            f"n_side_features={layout.n_side_features}."
        )
