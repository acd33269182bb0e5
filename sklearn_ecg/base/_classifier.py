"""The classifiers' half of the neural base: labels, class weights, probabilities."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score, f1_score
from sklearn.utils import check_array
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ..nn.losses import BinaryCrossEntropy, CrossEntropy, FocalLoss
from ..parameters import NOT_NEGATIVE, one_of, parameter
from ._estimator import AugmentedTraining, NeuralEstimator


class NeuralClassifier(AugmentedTraining, ClassifierMixin, NeuralEstimator):
    """A neural estimator that classifies: labels of any kind, or indicators of labels that go together."""

    loss: str = parameter(
        '"focal" weighs each row by how far its class was missed [2]_.',
        one_of("cross_entropy", "focal"),
        default="cross_entropy",
        training=True,
    )
    focal_gamma: float = parameter(
        "Exponent of the focal loss: how much less a row counts that is classified well.",
        NOT_NEGATIVE,
        default=2.0,
        training=True,
    )
    focal_alpha: dict | str | None = parameter(
        'Factors of the classes in the focal loss; "inverse_sqrt" makes them proportional to the inverse '
        "square root of their frequency.",
        [dict, *one_of("inverse_sqrt"), None],
        default="inverse_sqrt",
        training=True,
    )
    class_weight: dict | str | None = parameter(
        "Weights of the classes in the loss.", [dict, *one_of("balanced"), None], default=None, training=True
    )

    _documented_attributes: ClassVar = {
        "classes_": ("ndarray of shape (n_classes,)", "Labels."),
        "history_": (
            "list of dict",
            "For each epoch: number, training and validation loss, validation score (macro-F1), seconds.",
        ),
    }
    _multi_label = False

    def _make_criterion(self):
        if self._multi_label:
            return BinaryCrossEntropy(self._label_factors, self.focal_gamma if self.loss == "focal" else 0.0)
        return FocalLoss(self.focal_gamma) if self.loss == "focal" else CrossEntropy()

    @staticmethod
    def _validation_score(target, output):
        predicted = output > 0 if target.ndim == 2 else output.argmax(axis=1)
        return f1_score(target, predicted, average="macro", zero_division=0)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: Any, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads * n_timepoints + n_side_features) or \
                (n_samples, n_leads, n_timepoints)
            Signals; any one unit, usually scaled before.
        y : array-like of shape (n_samples,), or indicator matrix of shape (n_samples, n_labels)
            Labels of any kind; or 1 where a label holds and 0 where it does not, for labels that go together.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; rows of weight zero are left out.
        groups : array-like of shape (n_samples,), default=None
            Patients. The validation rows of ``early_stopping`` share no patient with the training rows.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If ``X`` has NaN or infinite values or a shape that contradicts ``n_leads`` or ``n_side_features``.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        self._begin_fit()
        y, multi_label = self._read_indicators(y)
        if self._continues() and multi_label != self._multi_label:
            raise ValueError("warm_start=True: y must be of the kind fitted, one label a row or an indicator matrix.")
        X, y, weight = self._rows_for_fit(X, y, sample_weight, **({"multi_output": True} if multi_label else {}))
        check_classification_targets(y)
        self._multi_label = multi_label
        weight = weight * self._class_weights(y, weight)
        index = np.flatnonzero(weight)
        if not len(index):
            raise ValueError("sample_weight and class_weight leave no row with a positive weight.")
        target = self._encode(y, index)
        index = self._rows_to_learn_from(X, index, target, weight)
        labels = None if multi_label else target[index]
        train, valid, seed = self._split_rows(index, labels, groups, len(X))
        return self._train(len(self.classes_), X, target, weight, train, valid, seed)

    def _read_indicators(self, y):
        """``y``, dense where it is a sparse indicator matrix, and whether it holds several labels a row."""
        if not hasattr(y, "__len__") and not issparse(y):
            return y, False
        y = y.toarray() if issparse(y) else y
        if np.ndim(y) != 2 or np.shape(y)[1] < 2:
            return y, False
        y = check_array(y, dtype=None, input_name="y")
        kind = type_of_target(y, input_name="y")
        if kind.startswith("multiclass") or (kind == "multilabel-indicator" and not np.isin(y, (0, 1)).all()):
            raise ValueError(
                "y with several columns must be an indicator matrix of 0 and 1, one column for each label."
            )
        return y, True

    def _rows_to_learn_from(self, X, index, target, weight):
        """Those of the rows ``index`` that tell the network something."""
        return index

    def _encode(self, y, index):
        """Class index of every row (0 for rows without weight, which are not used), or its indicators."""
        if self._multi_label:
            if self._continues() and y.shape[1] != len(self.classes_):
                raise ValueError(f"warm_start=True: y has {y.shape[1]} labels; fitted were {len(self.classes_)}.")
            self.classes_ = np.arange(y.shape[1])
            return y.astype(np.int64)
        classes, codes = np.unique(y[index], return_inverse=True)
        if self._continues():
            unknown = np.setdiff1d(classes, self.classes_)
            if len(unknown):
                raise ValueError(f"warm_start=True: y has new classes {unknown}; fitted were {self.classes_}.")
            codes = np.searchsorted(self.classes_, y[index])
        else:
            self.classes_ = classes
        target = np.zeros(len(y), dtype=np.int64)
        target[index] = codes
        return target

    def _class_weights(self, y, weight):
        """Factor of every row's weight by ``class_weight`` and the focal loss's α; only rows with weight count.

        Labels that go together have factors of their own, which the loss applies.
        """
        chosen = {"class_weight": self.class_weight}
        if self.loss == "focal":
            chosen["focal_alpha"] = self.focal_alpha
        if self._multi_label:
            total = weight @ y
            self._label_factors = np.ones(len(total))  # a label that never holds is learned, too
            if total.any():
                rows, codes = np.nonzero(y)
                factors = self._factors(chosen, np.arange(len(total)), total, codes, rows, weight)[total > 0]
                if not factors.any():
                    raise ValueError(f"class_weight={self.class_weight!r} leaves no label with a positive weight.")
                self._label_factors[total > 0] = factors / factors.mean()
            return 1.0
        classes, codes = np.unique(y, return_inverse=True)
        total = np.bincount(codes, weights=weight)
        return self._factors(chosen, classes, total, codes, np.arange(len(y)), weight)[codes]

    @staticmethod
    def _factors(chosen, classes, total, codes, rows, weight):
        """Product of the chosen factors of each class; ``codes`` of the ``rows`` are class indices."""
        factors = np.where(total > 0, 1.0, 0.0)
        counted = weight[rows] > 0
        for name, choice in chosen.items():
            if choice == "inverse_sqrt":
                factor = 1 / np.sqrt(total[total > 0])
            else:
                options = {"y": classes[codes[counted]], "sample_weight": weight[rows][counted]}
                factor = compute_class_weight(choice, classes=classes[total > 0], **options)
            if not (np.isfinite(factor).all() and (factor >= 0).all()):
                raise ValueError(f"{name} must hold finite weights of at least 0, got {choice!r}.")
            factors[total > 0] *= factor
        return factors

    def _answers(self):
        return {
            "kind": "classifier",
            "classes": self.classes_,
            "target": lambda target: target if self._multi_label else self.classes_[target],
            "predict": lambda logits: self._labels(self._probabilities(logits)),
            "predict_proba": self._probabilities,
            "decision_function": self._decisions,
            "score": accuracy_score,
        }

    def _logits(self, X):
        """Output of the network in float64, (n_samples, n_classes)."""
        return self._forward(X).astype(np.float64)

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Logits of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes), or (n_samples,) with two classes, float64
            In the order of ``classes_``; with two classes, how far the second is ahead of the first.
        """
        return self._decisions(self._logits(X))

    def _decisions(self, logits):
        if len(self.classes_) == 2 and not self._multi_label:
            return logits[:, 1] - logits[:, 0]
        return logits

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), float64
            In the order of ``classes_``; with labels that go together, the probability of each.
        """
        return self._probabilities(self._logits(X))

    def _probabilities(self, logits):
        return expit(logits) if self._multi_label else softmax(logits, axis=1)

    def predict(self, X: ArrayLike) -> Any:
        """The most probable class of every row, or the labels that are more probable than not.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        y : ndarray of shape (n_samples,), or indicator matrix of shape (n_samples, n_labels)
        """
        return self._labels(self.predict_proba(X))

    def _labels(self, proba):
        if self._multi_label:
            return (proba > 0.5).astype(np.int64)
        return self.classes_[proba.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
