"""Labels of a new patient: which rows are worth one, and what a few tell of the others."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy
from sklearn.neighbors import kneighbors_graph
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from ..signals._validation import RowLayout, flatten_records


def most_uncertain(estimator: Any, X: ArrayLike, n_labels: int, *, measure: str = "margin") -> np.ndarray:
    """Rows that a classifier is least sure of: the ones worth a label.

    Parameters
    ----------
    estimator : estimator
        Fitted classifier with ``predict_proba``.
    X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
        Rows without labels.
    n_labels : int
        Number of rows wanted, from 1 to n_samples.
    measure : {"margin", "entropy", "confidence"}, default="margin"
        "margin": the two most probable classes are close; "entropy": the probabilities are spread; "confidence": the
        most probable class is not probable.

    Returns
    -------
    index : ndarray of shape (n_labels,)
        Positions in ``X``, the most uncertain first.

    Raises
    ------
    ValueError
        If ``n_labels`` or ``measure`` is out of its range.
    """
    if measure not in _CERTAINTY:
        raise ValueError(f"measure must be one of {sorted(_CERTAINTY)}, got {measure!r}.")
    proba = np.sort(estimator.predict_proba(X), axis=1)
    if not isinstance(n_labels, Integral) or isinstance(n_labels, bool) or not 1 <= n_labels <= len(proba):
        raise ValueError(f"n_labels must be an integer from 1 to {len(proba)}, the number of rows, got {n_labels!r}.")
    return np.argsort(_CERTAINTY[measure](proba), kind="stable")[:n_labels]


_CERTAINTY = {
    "margin": lambda proba: proba[:, -1] - (proba[:, -2] if proba.shape[1] > 1 else 0),
    "entropy": lambda proba: xlogy(proba, proba).sum(axis=1),
    "confidence": lambda proba: proba[:, -1],
}
"""Certainty from probabilities sorted within each row."""


def spread_labels(
    proba: ArrayLike,
    X: ArrayLike,
    known: ArrayLike | None = None,
    *,
    n_neighbors: int = 10,
    alpha: float = 0.9,
    n_iter: int = 10,
    n_leads: int = 1,
    n_side_features: int = 0,
) -> np.ndarray:
    """Let rows that are alike answer alike: class probabilities, and known labels, spread among neighbours.

    The beats of one patient form tight groups, and a classifier that gets most of a group right gets the rest right
    from their neighbours. This is label spreading [1]_ over the nearest neighbours: each row keeps 1 - ``alpha`` of its
    own probabilities and takes ``alpha`` of its neighbours' mean, ``n_iter`` times; rows of known label stay as they
    are. Begun with a classifier's probabilities, where [1]_ begins with nothing on unlabelled rows, and averaged over
    as many neighbours for every row. It reads all rows, later beats too: for offline analysis.

    Signals are compared in units of each lead's standard deviation, side features in units of each column's; signals
    and side features weigh the same.

    Parameters
    ----------
    proba : array-like of shape (n_samples, n_classes)
        Class probabilities, as ``predict_proba`` gives them.
    X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
        Rows of one patient.
    known : array-like of int of shape (n_samples,), default=None
        Column of ``proba`` that is the row's label, -1 where it is not known. None: no label is known.
    n_neighbors : int, default=10
        Neighbours of a row; all others where there are fewer. A class of fewer rows than that is outvoted by its
        neighbours: the default is for recordings of half an hour; take 3, and ``alpha`` 0.5, for a minute or two.
    alpha : float, default=0.9
        Share taken from the neighbours, from 0 to 1.
    n_iter : int, default=10
        Times that rows hear their neighbours.
    n_leads : int, default=1
        Number of leads in a 2-D row.
    n_side_features : int, default=0
        Number of columns at the end of a 2-D row that are not signal.

    Returns
    -------
    spread : ndarray of shape (n_samples, n_classes), float64
        Probabilities; each row sums to one.

    Raises
    ------
    ValueError
        If ``proba`` is not 2-D or has a row that is negative or zero throughout, lengths differ, ``known`` names a
        column that is not there, the rows do not divide into leads, 3-D ``X`` contradicts ``n_leads`` or
        ``n_side_features``, or a number is out of its range.

    References
    ----------
    .. [1] D. Zhou et al., "Learning with Local and Global Consistency", NIPS 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg.adaptation import spread_labels
    >>> X = np.array([[0.0, 1.0], [0.1, 1.0], [0.0, 1.1], [5.0, 0.0], [5.1, 0.0], [5.0, 0.1]])
    >>> proba = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]])
    >>> spread = spread_labels(proba, X, known=[-1, -1, -1, 1, -1, -1], n_neighbors=2)
    >>> spread.argmax(axis=1)
    array([0, 0, 0, 1, 1, 1])
    """
    start = check_array(proba, dtype=np.float64, input_name="proba")
    if (start < 0).any() or not start.sum(axis=1).all():
        raise ValueError("proba must hold probabilities, none negative and no row zero throughout.")
    for name, value, least in (("n_neighbors", n_neighbors, 1), ("n_iter", n_iter, 0)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be from 0 to 1, got {alpha!r}.")
    rows = _comparable(X, n_leads, n_side_features)
    check_consistent_length(start, rows)
    start = start / start.sum(axis=1, keepdims=True)
    labelled, labels = _known_labels(known, start)
    start[labelled] = np.eye(start.shape[1])[labels]
    n_neighbors = min(n_neighbors, len(rows) - 1)
    if n_neighbors == 0:
        return start
    neighbours = kneighbors_graph(rows, n_neighbors, include_self=False) / n_neighbors
    spread = start
    for _ in range(n_iter):
        spread = (1 - alpha) * start + alpha * (neighbours @ spread)
        spread[labelled] = start[labelled]
    return spread


def _comparable(X, n_leads, n_side_features):
    """Rows whose Euclidean distances weigh leads alike, side features alike, and the two parts alike."""
    X, cube = flatten_records(X)
    if cube is not None:
        if n_leads not in (1, cube[0]) or n_side_features:
            raise ValueError(
                f"X is 3-D with {cube[0]} lead(s) and no side features, which contradicts n_leads={n_leads} and "
                f"n_side_features={n_side_features}."
            )
        n_leads = cube[0]
    X = check_array(X, dtype=np.float64)
    layout = RowLayout.of_width(X.shape[1], n_leads, n_side_features)
    signals, side = layout.split(X)
    parts = [
        _in_deviations(signals, (0, 2)).reshape(len(X), layout.n_signal_features),
        _in_deviations(side - side.mean(axis=0), 0),
    ]
    return np.hstack([part / np.sqrt(max(part.shape[1], 1)) for part in parts])


def _in_deviations(values, axis):
    """Values in units of their standard deviation; zero where they do not vary."""
    spread = values.std(axis=axis, keepdims=True)
    return np.divide(values, spread, out=np.zeros_like(values), where=spread > 1e-12 * np.abs(values).max(initial=0))


def _known_labels(known, proba):
    """Rows whose label is known, and the columns of these labels."""
    if known is None:
        return np.empty(0, dtype=int), np.empty(0, dtype=int)
    known = column_or_1d(known)
    check_consistent_length(proba, known)
    if known.dtype.kind not in "iu" or known.min(initial=0) < -1 or known.max(initial=0) >= proba.shape[1]:
        raise ValueError(
            f"known must hold integers from -1 (not known) to {proba.shape[1] - 1}, columns of proba, got "
            f"{np.unique(known).tolist()[:10]}."
        )
    labelled = np.flatnonzero(known >= 0)
    return labelled, known[labelled]
