"""Probabilities of waves in records that were held out."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, check_cv
from sklearn.utils import _safe_indexing, check_consistent_length


def cross_val_wave_proba(
    estimator: Any, X: ArrayLike, y: ArrayLike, *, groups: ArrayLike | None = None, cv: Any = 5
) -> np.ndarray:
    """Class probabilities at every sample of every record, each from a fit on other records.

    This is what ``cross_val_predict(..., method="predict_proba")`` would be for label maps: scikit-learn's function
    numbers the labels of each column anew, which no label map survives.

    Parameters
    ----------
    estimator : WaveDelineator
        Cloned for each fold.
    X : array-like of shape (n_records, n_features) or (n_records, n_leads, n_timepoints)
        Signals.
    y : array-like of shape (n_records, n_columns)
        Label maps, with the same labels throughout.
    groups : array-like of shape (n_records,), default=None
        Patients, whose records stay in one fold; passed to each fit, too, for its ``early_stopping``.
    cv : int or cross-validation splitter, default=5
        Folds. An integer is that many folds of records, or of patients where ``groups`` are given.

    Returns
    -------
    proba : ndarray of shape (n_records, n_timepoints, n_classes), float64
        In the order of the sorted labels of ``y``, without ``ignore_label``. :func:`waves_from_proba` decodes it.

    Raises
    ------
    ValueError
        If a record is in no test fold or in several, or a fold's training records lack a label that others have.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg import WaveDelineator
    >>> from sklearn_ecg.datasets import make_ecg
    >>> from sklearn_ecg.delineation import cross_val_wave_proba
    >>> from sklearn_ecg.preprocessing import wave_masks
    >>> records = [make_ecg(2, fs=100, random_state=seed) for seed in range(4)]
    >>> y = wave_masks([record.fiducials["II"] for record in records], 200)
    >>> delineator = WaveDelineator(fs=100, rate=100, channels=(4, 4), ignore_label=-1, max_epochs=1, random_state=0)
    >>> cross_val_wave_proba(delineator, [record.lead("II") for record in records], y, cv=2).shape
    (4, 200, 4)
    """
    check_consistent_length(X, y, groups)
    splitter = GroupKFold(cv) if isinstance(cv, Integral) and groups is not None else check_cv(cv)
    proba, y = None, np.asarray(y)
    times = np.zeros(len(y), dtype=int)
    for train, test in splitter.split(np.zeros(len(y)), None, groups):
        told = {} if groups is None else {"groups": np.asarray(groups)[train]}
        fitted = clone(estimator).fit(_safe_indexing(X, train), y[train], **told)
        found = fitted.predict_wave_proba(_safe_indexing(X, test))
        if proba is None:
            classes, proba = fitted.classes_, np.full((len(y), *found.shape[1:]), np.nan)
        if not np.array_equal(classes, fitted.classes_):
            raise ValueError(
                f"The training records of one fold have the labels {classes}, of another {fitted.classes_}."
            )
        proba[test] = found
        times[test] += 1
    if proba is None or (times != 1).any():
        raise ValueError("cv must put each record in one test fold, as KFold and GroupKFold do.")
    return proba
