"""What a classifier learns from generated rows: trained on them, tested on real ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from ..parameters import RandomState
from ._reports import plain
from .bootstrap import bootstrap_macro_f1, paired_bootstrap
from .classification import AAMI_SCORED, check_lengths

__all__ = ["SyntheticTrainingReport", "train_on_synthetic"]


@dataclass(frozen=True)
class SyntheticTrainingReport:
    """Outcome of :func:`train_on_synthetic`.

    Attributes
    ----------
    real, synthetic, both : dict of Interval
        F1 on the test rows after training on real rows, on generated ones, and on both together: the key "macro" and
        each label.
    synthetic_less_real, both_less_real : dict of Interval
        Differences, both sides scored on the same resampled records.
    """

    real: dict
    synthetic: dict
    both: dict
    synthetic_less_real: dict
    both_less_real: dict

    @property
    def share(self) -> float:
        """Macro-F1 after training on generated rows over that after training on real ones."""
        whole = self.real["macro"].estimate
        return self.synthetic["macro"].estimate / whole if whole else float("nan")

    @classmethod
    def from_predictions(
        cls,
        y_test: ArrayLike,
        *,
        real: ArrayLike,
        synthetic: ArrayLike,
        both: ArrayLike,
        groups: ArrayLike,
        **options: Any,
    ) -> Any:
        """The report on predictions that are there, such as those of several seeds, one after another.

        Parameters
        ----------
        y_test, groups : array-like of shape (n_test,)
            True classes and records.
        real, synthetic, both : array-like of shape (n_test,)
            Classes predicted after training on real rows, on generated ones and on both.
        **options
            As in :func:`sklearn_ecg.metrics.bootstrap_macro_f1`.

        Returns
        -------
        report : SyntheticTrainingReport
        """
        options["groups"] = groups
        alone = {"real": real, "synthetic": synthetic, "both": both}
        return cls(
            **{name: bootstrap_macro_f1(y_test, predicted, **options) for name, predicted in alone.items()},
            synthetic_less_real=paired_bootstrap(y_test, synthetic, real, **options),
            both_less_real=paired_bootstrap(y_test, both, real, **options),
        )

    def to_dict(self) -> dict:
        """Plain Python values, ready for JSON: None stands for NaN."""
        return plain(self) | {"share": None if np.isnan(self.share) else self.share}


def train_on_synthetic(
    classifier: Any,
    X: ArrayLike,
    y: ArrayLike,
    X_synthetic: ArrayLike,
    y_synthetic: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    groups: ArrayLike,
    labels: Sequence = AAMI_SCORED,
    n_resamples: Any = 1000,
    confidence: Any = 0.95,
    random_state: RandomState | None = None,
) -> Any:
    """Train a classifier on real rows, on generated ones and on both, and test it on other real rows.

    Three clones of the classifier are fitted. The generator must not have seen the test rows, nor have been chosen by
    them.

    Parameters
    ----------
    classifier : estimator
        Any classifier of scikit-learn's kind, with ``random_state`` set where the comparison shall repeat.
    X, y : array-like of shape (n_real, n_features), (n_real,)
        Real training rows: those that the generator learned from.
    X_synthetic, y_synthetic : array-like of shape (n_synthetic, n_features), (n_synthetic,)
        Generated rows. Their classes need not be as frequent as the real ones. Generators make arrays without names, so
        that data frames are read as arrays, here and in ``X`` and ``X_test``; those that are frames have one order of
        columns.
    X_test, y_test : array-like of shape (n_test, n_features), (n_test,)
        Real rows of other patients.
    groups : array-like of shape (n_test,)
        Record (or patient) of each test row, the unit of resampling.
    labels : sequence, default=("N", "S", "V", "F")
        The scored classes, as in :func:`sklearn_ecg.metrics.aami_report`.
    n_resamples, confidence, random_state
        As in :func:`sklearn_ecg.metrics.bootstrap_interval`.

    Returns
    -------
    report : SyntheticTrainingReport

    Raises
    ------
    ValueError
        If lengths or the columns of frames differ, or as the classifier and
        :func:`sklearn_ecg.metrics.bootstrap_macro_f1` raise.
    """
    check_lengths({"X": X, "y": y})
    check_lengths({"X_synthetic": X_synthetic, "y_synthetic": y_synthetic})
    check_lengths({"X_test": X_test, "y_test": y_test, "groups": groups})
    X, X_synthetic, X_test = _as_arrays({"X": X, "X_synthetic": X_synthetic, "X_test": X_test})
    together = np.concatenate([X, X_synthetic]), np.concatenate([y, y_synthetic])
    training = {"real": (X, y), "synthetic": (X_synthetic, y_synthetic), "both": together}
    predicted = {name: clone(classifier).fit(*rows).predict(X_test) for name, rows in training.items()}
    return SyntheticTrainingReport.from_predictions(
        y_test,
        **predicted,
        groups=groups,
        labels=labels,
        n_resamples=n_resamples,
        confidence=confidence,
        random_state=random_state,
    )


def _as_arrays(rows):
    """Arrays of the named rows; ValueError where two of them are frames whose columns differ."""
    frames = [(name, list(X.columns)) for name, X in rows.items() if hasattr(X, "columns")]
    for (one, columns), (other, its_columns) in pairwise(frames):
        if columns != its_columns:
            raise ValueError(f"The columns of {one} and {other} differ, in their names or their order.")
    return [np.asarray(X) for X in rows.values()]
