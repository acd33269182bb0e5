"""Adaptation of a fitted classifier to a patient of whom a few beats are labelled."""

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, _fit_context, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, _check_y, check_is_fitted

from ..base._classifier import NeuralClassifier
from ..parameters import COUNT, NOT_NEGATIVE, POSITIVE, SHARE, WithParameters, one_of, parameter


class AdaptedClassifier(WithParameters, MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """A fitted neural classifier, trained on with a few labelled beats of a new patient.

    The classifier handed over in a :class:`~sklearn.frozen.FrozenEstimator` stays as it is; a copy of its network goes
    on training with the rows given to ``fit``. Three means work against forgetting: ``anchor`` draws the weights back
    to where they began (L2-SP [1]_); rows of the training set, given as ``X_source``, are trained on besides, so that a
    class the new patient has not shown yet is not lost; ``shrinkage`` leaves the training alone and mixes the answers,
    so that a class keeps the more of the base's probability the fewer labels it has. The base's loss, optimizer and
    augmentation stay; its class weights, early stopping and schedule of the learning rate do not.

    Attributes
    ----------
    estimator_ : estimator
        The adapted classifier, or a Pipeline of the base's earlier steps and the adapted classifier.
    base_ : estimator
        A copy of the fitted base. Only with ``shrinkage``.
    trust_ : ndarray of shape (n_classes,)
        n / (n + k) of every class. Only with ``shrinkage``.
    classes_ : ndarray of shape (n_classes,)
        Labels of the base, of which the new patient's may be a part.
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the base was fitted on such.

    References
    ----------
    .. [1] X. Li et al., "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", ICML 2018.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn_ecg import AdaptedClassifier, CNNClassifier
    >>> from sklearn_ecg.datasets import make_beats
    >>> others, patient = make_beats(6, random_state=0), make_beats(1, random_state=1)
    >>> base = CNNClassifier(n_side_features=4, max_epochs=5, random_state=0).fit(others.data, others.target)
    >>> adapted = AdaptedClassifier(FrozenEstimator(base), random_state=0)
    >>> few = slice(0, 20)
    >>> proba = adapted.fit(patient.data[few], patient.target[few]).predict_proba(patient.data[20:])
    """

    estimator: Any = parameter(
        "A neural classifier, or a Pipeline that ends in one. In a FrozenEstimator it must be fitted, and "
        "its earlier steps transform the rows as they are; otherwise a clone of it is fitted to the rows "
        "given to ``fit`` first.",
        [HasMethods(["fit", "predict_proba"])],
        kind="estimator",
        kw_only=False,
    )
    layers: str = parameter(
        "What is trained: the head (the side features' layers and those behind the summary of the signal), "
        "or everything.",
        one_of("head", "all"),
        default="all",
    )
    anchor: float = parameter(
        "Factor of half the squared distance of the weights from the base's, which is added to the loss.",
        NOT_NEGATIVE,
        default=0.0,
    )
    source_share: float = parameter(
        "Share of the total weight that ``X_source`` gets, where it is given.", SHARE, default=0.5
    )
    max_epochs: int = parameter("Passes over the rows.", COUNT, default=20)
    batch_size: int = parameter("Rows in a batch.", COUNT, default=128)
    lr: float = parameter("Learning rate of the adaptation.", POSITIVE, default=1e-3)
    shrinkage: float = parameter(
        "Number k of labels: a class of which the patient has n labels gets the probability p_adapted^(n / "
        "(n + k)) · p_base^(k / (n + k)), over the sum of all; a probability below 1e-6 is taken as 1e-6. "
        "So a class without labels stays the base's, and one with many becomes the adapted network's; 0 "
        "takes the adapted network's throughout. Labels count by their ``sample_weight``; those of "
        "``X_source`` do not count.",
        NOT_NEGATIVE,
        default=0.0,
    )
    settings: dict | None = parameter(
        "Further parameters of the classifier that are changed for the adaptation and leave its weights' "
        'shapes alone: ``{"dropout": 0.0, "class_weight": "balanced"}``.',
        [dict, None],
        default=None,
    )
    random_state: int | np.random.RandomState | None = parameter(
        "Seed of the batches and the dropout.", ["random_state"], default=None
    )

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        X_source: ArrayLike | None = None,
        y_source: ArrayLike | None = None,
    ) -> Self:
        """Adapt a copy of the base.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Labelled rows of the new patient, as the base takes them.
        y : array-like of shape (n_samples,)
            Labels, each known to the base.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the patient's rows.
        X_source : array-like of shape (n_source, n_features) or (n_source, n_leads, n_timepoints), default=None
            Rows of the base's training set, or a part of them: they are copied, and a few thousand do. As metadata,
            they must not be as many as the rows that are cross-validated, or scikit-learn splits them, too.
        y_source : array-like of shape (n_source,), default=None
            Their labels.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError
            If the base is no neural classifier.
        ValueError
            If ``y`` has a label that the base does not know, or one of ``X_source`` and ``y_source`` is missing.
        """
        for name in ("estimator_", "base_", "trust_"):
            self.__dict__.pop(name, None)  # a fit that fails leaves no half-fitted classifier
        if (X_source is None) != (y_source is None):
            raise ValueError("X_source and y_source are wanted together, got one without the other.")
        y = _check_y(y, estimator=self)
        check_classification_targets(y)
        model = self._copy_of_base(X, y, sample_weight)
        steps, classifier = _split_last(model)
        rows, labels, weight = self._rows(steps, classifier, X, y, sample_weight)
        if self.shrinkage:
            base, n_labels = copy.deepcopy(model), [weight[labels == label].sum() for label in model.classes_]
        if X_source is not None:
            source, source_labels, ones = self._rows(steps, classifier, X_source, column_or_1d(y_source), None)
            share = self.source_share / (1 - self.source_share) * weight.sum() / len(source)
            rows, labels = np.concatenate([rows, source]), np.concatenate([labels, source_labels])
            weight = np.concatenate([weight, share * ones])
        _refuse_unknown(labels[weight > 0], model.classes_)
        self._train_on(classifier, rows, labels, weight)
        if self.shrinkage:
            self.base_, self.trust_ = base, np.array([n / (n + self.shrinkage) for n in n_labels])
        self._keep(model)
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")

    def _copy_of_base(self, X, y, sample_weight):
        """The base's copy, whose classifier is to be trained on."""
        if isinstance(self.estimator, FrozenEstimator):
            check_is_fitted(self.estimator)
            check_is_fitted(_split_last(self.estimator.estimator)[1], "module_")
            return copy.deepcopy(self.estimator.estimator)
        base = clone(self.estimator)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        _, classifier = _split_last(base)
        if classifier.random_state is None:
            classifier.set_params(random_state=int(seed))
        weights = {} if sample_weight is None else {_weight_name(base): sample_weight}
        with config_context(enable_metadata_routing=False):  # the name tells which step the weights are for
            return base.fit(X, y, **weights)

    def _rows(self, steps, classifier, X, y, sample_weight):
        """Rows as the base's classifier takes them, with their labels and weights."""
        check_consistent_length(X, y)
        rows, layout = classifier._validate(_transform(steps, X), reset=False)
        if layout != classifier.layout_:  # predict takes any number of beats
            raise ValueError(
                f"X and X_source must have records of {classifier.layout_.n_beats} beats, as the base was fitted on, "
                f"got {layout.n_beats}: fill up with beats of NaN."
            )
        return rows, y, _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)

    def _train_on(self, classifier, X, y, weight):
        classifier.set_params(
            warm_start=True,
            early_stopping=False,
            lr_schedule="constant",
            class_weight=None,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            random_state=self.random_state,
        )
        classifier.set_params(**(self.settings or {}))
        parts = [name for name, _ in classifier.module_.named_children()]
        classifier._frozen_parts = tuple(part for part in parts if self.layers == "head" and part != "head")
        classifier._anchor = self.anchor
        names = vars(classifier).pop("feature_names_in_", None)  # the rows were checked, and have no names any more
        classifier.fit(X, y, sample_weight=weight)
        if names is not None:
            classifier.feature_names_in_ = names

    def _keep(self, model):
        self.estimator_, self.classes_ = model, model.classes_
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Class probabilities of the adapted classifier, drawn to the base's by ``shrinkage``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Rows, as in ``fit``.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), float64
            In the order of ``classes_``.
        """
        check_is_fitted(self)
        proba = self.estimator_.predict_proba(X)
        if not hasattr(self, "trust_"):
            return proba
        adapted, base = (np.log(np.maximum(p, _LEAST)) for p in (proba, self.base_.predict_proba(X)))
        return softmax(self.trust_ * adapted + (1 - self.trust_) * base, axis=1)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The most probable class of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Rows, as in ``fit``.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def get_metadata_routing(self) -> Any:
        """Which metadata go where; see scikit-learn's user guide on metadata routing."""
        return MetadataRouter(owner=self).add_self_request(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        tags.input_tags.three_d_array = True  # a Pipeline does not tell it of its steps
        return tags


_LEAST = 1e-6
"""Least probability that is mixed: neither network alone rules a class out."""


def _split_last(base):
    """Earlier steps and the classifier of a Pipeline, or of a classifier alone."""
    steps = [step for _, step in base.steps if step not in (None, "passthrough")] if hasattr(base, "steps") else [base]
    if not isinstance(steps[-1], NeuralClassifier):
        raise TypeError(
            f"estimator must be a neural classifier of sklearn_ecg, or a Pipeline that ends in one, got "
            f"{type(steps[-1]).__name__}. A fitted one is handed over in a FrozenEstimator."
        )
    return steps[:-1], steps[-1]


def _transform(steps, X):
    for step in steps:
        if hasattr(step, "transform"):  # a sampler has none, and changes training rows alone
            X = step.transform(X)
    return X


def _refuse_unknown(labels, classes):
    unknown = sorted(set(labels.tolist()) - set(classes.tolist()), key=str)
    if unknown:
        raise ValueError(f"y and y_source must have labels that the base knows, {classes.tolist()}, got {unknown}.")


def _weight_name(base):
    return f"{base.steps[-1][0]}__sample_weight" if hasattr(base, "steps") else "sample_weight"
