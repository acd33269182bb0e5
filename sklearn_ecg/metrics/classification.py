"""Scores of beat classifiers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..signals._annotations import AAMI_CLASSES
from ._reports import cell, none_for_nan

__all__ = ["AAMIReport", "aami_report", "macro_f1", "record_confusions"]

AAMI_SCORED = ("N", "S", "V", "F")


@dataclass(frozen=True, eq=False)
class AAMIReport:
    """Scores of a beat classifier, all of them read from its confusion matrix.

    The rates are dicts from label to float, NaN where undefined: Se of a class without beats, +P of a class never
    predicted, F1 of a class with neither.

    Attributes
    ----------
    labels : tuple
        The scored classes.
    classes : tuple
        The classes of the confusion matrix: the labels, then the AAMI classes that are not scored.
    confusion : ndarray of int64, shape (n_classes, n_classes)
        Number of beats; rows are true classes, columns predicted ones. ``ConfusionMatrixDisplay(report.confusion,
        display_labels=report.classes)`` of scikit-learn draws it.
    """

    labels: tuple
    classes: tuple
    confusion: np.ndarray

    @property
    def support(self) -> dict:
        """Number of true beats of each label."""
        return self._by_label(self.confusion.sum(axis=1))

    @property
    def sensitivity(self) -> dict:
        """Se (recall) = tp / (tp + fn) of each label."""
        return self._by_label(_ratio(np.diagonal(self.confusion), self.confusion.sum(axis=1)))

    @property
    def ppv(self) -> dict:
        """Positive predictive value, +P (precision) = tp / (tp + fp), of each label."""
        return self._by_label(_ratio(np.diagonal(self.confusion), self.confusion.sum(axis=0)))

    @property
    def f1(self) -> dict:
        """F1 = 2 tp / (2 tp + fp + fn) of each label."""
        return self._by_label(_f1(self.confusion))

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the labels; an undefined F1 counts as 0, as in :func:`macro_f1`."""
        return float(f1_and_macro(self.confusion, len(self.labels))[-1])

    @property
    def accuracy(self) -> float:
        """Fraction of all beats, those of unscored classes included, given their own class."""
        return float(_ratio(np.trace(self.confusion), self.confusion.sum()))

    @property
    def kappa(self) -> float:
        """Cohen's kappa over all classes; NaN where truth and prediction are one and the same single class."""
        n = self.confusion.sum()
        chance = self.confusion.sum(axis=1) @ self.confusion.sum(axis=0)
        return float(_ratio(n * np.trace(self.confusion) - chance, n * n - chance))

    def to_dict(self) -> dict:
        """Plain Python values, ready for JSON: None stands for NaN, the confusion matrix is a list of rows."""
        rates = {"sensitivity": self.sensitivity, "ppv": self.ppv, "f1": self.f1}
        return {
            "labels": list(self.labels),
            "support": self.support,
            **{name: {label: none_for_nan(x) for label, x in rate.items()} for name, rate in rates.items()},
            **{name: none_for_nan(getattr(self, name)) for name in ("macro_f1", "accuracy", "kappa")},
            "classes": list(self.classes),
            "confusion": self.confusion.tolist(),
        }

    def __str__(self) -> str:
        width = max(8, *(len(str(name)) for name in self.classes))
        columns = [self.sensitivity, self.ppv, self.f1]
        lines = [f"{'class':<{width}}{'beats':>9}{'Se':>8}{'+P':>8}{'F1':>8}"]
        for label, count in self.support.items():
            lines.append(
                f"{label!s:<{width}}{count:>9}" + "".join(f"{cell(column[label], '.3f'):>8}" for column in columns)
            )
        lines.append("")
        for name in ("macro_f1", "accuracy", "kappa"):
            lines.append(f"{name:<{width + 25}}{cell(getattr(self, name), '.3f'):>8}")
        lines += ["", f"{'true':<{width}}" + "".join(f"{f'as {name}':>{width + 1}}" for name in self.classes)]
        for name, row in zip(self.classes, self.confusion, strict=True):
            lines.append(f"{name!s:<{width}}" + "".join(f"{count:>{width + 1}}" for count in row))
        return "\n".join(lines)

    def _by_label(self, values):
        return dict(zip(self.labels, values[: len(self.labels)].tolist(), strict=True))


def aami_report(y_true: ArrayLike, y_pred: ArrayLike, *, labels: Sequence = AAMI_SCORED) -> Any:
    """Score a beat classifier class by class, in the terms of ANSI/AAMI EC57.

    Every beat counts. A beat of a scored class predicted as an unscored one (Q, by default) is a miss of its class; a
    beat of an unscored class predicted as a scored one is a false positive of that class. This is what scikit-learn's
    scores do with ``labels``.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_beats,)
        True and predicted classes.
    labels : sequence, default=("N", "S", "V", "F")
        The scored classes. If these are AAMI classes, ``y_true`` and ``y_pred`` may hold the remaining ones too; any
        other value is an error.

    Returns
    -------
    report : AAMIReport
        Support, Se, +P and F1 of each label, macro-F1, accuracy, Cohen's kappa, confusion matrix. It prints as a
        table; ``to_dict()`` gives plain values.

    Raises
    ------
    ValueError
        If the arrays are empty, not one-dimensional, of unequal length or hold an unknown class, or ``labels`` is
        empty or repeats a class.

    References
    ----------
    ANSI/AAMI EC57:2012, Testing and reporting performance results of cardiac rhythm and ST segment measurement
    algorithms.

    Examples
    --------
    >>> report = aami_report(list("NNNNSSVV"), list("NNNSSNVV"), labels="NSV")
    >>> report.sensitivity
    {'N': 0.75, 'S': 0.5, 'V': 1.0}
    >>> round(report.macro_f1, 4)
    0.75
    """
    labels, classes = read_labels(labels)
    return AAMIReport(labels, classes, _confusions(y_true, y_pred, classes)[0])


def macro_f1(y_true: ArrayLike, y_pred: ArrayLike, *, labels: Any = AAMI_SCORED) -> float:
    """Mean over ``labels`` of the F1 of each class; an undefined F1 counts as 0.

    It is ``sklearn.metrics.f1_score(labels=labels, average="macro", zero_division=0)``, save that unknown classes are
    refused. Parameters and errors are those of :func:`aami_report`.

    Returns
    -------
    score : float
    """
    return aami_report(y_true, y_pred, labels=labels).macro_f1


def record_confusions(
    y_true: ArrayLike, y_pred: ArrayLike, *, groups: ArrayLike, labels: Sequence = AAMI_SCORED
) -> np.ndarray:
    """Confusion matrix of each record; their sum is that of all beats.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_beats,)
        True and predicted classes.
    groups : array-like of shape (n_beats,)
        Record (or patient) of each beat.
    labels : sequence, default=("N", "S", "V", "F")
        The scored classes, as in :func:`aami_report`.

    Returns
    -------
    confusions : ndarray of int64, shape (n_records, n_classes, n_classes)
        Records in the order of ``np.unique(groups)``; rows are true classes, columns predicted ones; classes in the
        order of ``AAMIReport.classes``.

    Raises
    ------
    ValueError
        As :func:`aami_report`, and if ``groups`` has another length.
    """
    return _confusions(y_true, y_pred, read_labels(labels)[1], groups)


def read_labels(labels):
    """Scored classes, and all classes of the confusion matrix."""
    labels = tuple(labels)
    if not labels or len(set(labels)) != len(labels):
        raise ValueError(f"labels must name at least one class, each once, got {labels!r}.")
    others = AAMI_CLASSES if set(labels) <= set(AAMI_CLASSES) else ()
    return labels, labels + tuple(name for name in others if name not in labels)


def check_lengths(arrays):
    """ValueError unless the named arrays have one positive length."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"The lengths differ: {', '.join(f'{name} has {n}' for name, n in lengths.items())}.")
    if 0 in lengths.values():
        raise ValueError(f"{', '.join(lengths)} must not be empty.")


def record_codes(groups):
    """Position of every row's record among the sorted records."""
    groups = np.asarray(groups)
    if groups.ndim != 1:
        raise ValueError(f"groups must be one-dimensional, the record of every row, got shape {groups.shape}.")
    return np.unique(groups, return_inverse=True)[1]


def _codes(y, name, classes):
    """Position in ``classes`` of every value."""
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {y.shape}.")
    codes = np.full(len(y), -1)
    for code, value in enumerate(classes):
        codes[y == value] = code
    if (codes < 0).any():
        unknown = sorted({repr(value) for value in y[codes < 0].tolist()})
        raise ValueError(f"{name} holds {', '.join(unknown[:5])}: the known classes are {list(classes)}.")
    return codes


def _confusions(y_true, y_pred, classes, groups=None):
    """Confusion matrices (n_records, n_classes, n_classes); without groups, all beats are one record."""
    named = {"y_true": y_true, "y_pred": y_pred} | ({} if groups is None else {"groups": groups})
    check_lengths(named)
    true, predicted = _codes(y_true, "y_true", classes), _codes(y_pred, "y_pred", classes)
    record = np.zeros_like(true) if groups is None else record_codes(groups)
    shape = (record.max() + 1, len(classes), len(classes))
    cell = np.ravel_multi_index((record, true, predicted), shape)
    return np.bincount(cell, minlength=np.prod(shape)).reshape(shape)


def _ratio(numerator, denominator):
    """Quotient, NaN where the denominator is zero."""
    numerator, denominator = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    return np.divide(numerator, denominator, out=np.full(denominator.shape, np.nan), where=denominator > 0)


def _f1(confusion):
    """F1 of every class: (..., n_classes, n_classes) -> (..., n_classes)."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return _ratio(2 * hits, confusion.sum(axis=-1) + confusion.sum(axis=-2))


def f1_and_macro(confusion, n_labels):
    """F1 of the labels, then their mean with 0 for undefined ones: (..., n_labels + 1)."""
    scores = _f1(confusion)[..., :n_labels]
    return np.concatenate([scores, np.nan_to_num(scores).mean(axis=-1, keepdims=True)], axis=-1)
