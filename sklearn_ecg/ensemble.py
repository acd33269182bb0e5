"""Ensembles of classifiers, mixed by held-out score or by confidence."""

from collections.abc import Callable
from inspect import signature
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.ensemble._base import _BaseHeterogeneousEnsemble, _fit_single_estimator
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import StratifiedGroupKFold, check_cv
from sklearn.utils import Bunch, _safe_indexing, get_tags, indexable
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping, _raise_for_params, process_routing
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params, _check_y, check_is_fitted

from .parameters import BOOLEAN, COUNT, WithParameters, one_of, parameter
from .signals._validation import _flatten_cube, flatten_records


class TopKVotingClassifier(WithParameters, ClassifierMixin, _BaseHeterogeneousEnsemble):
    """Soft voting among the k best models, or among the k most probable classes of each model.

    The "Top2-Weighted" ensemble [1]_ can be read in two ways, and both are here:

    * ``by="model"`` mixes the probabilities of the k models with the best scores on held-out rows. With
      ``weights="score"``, in proportion to their scores, it is the usual reading.
    * ``by="prediction"`` mixes all models, but of each only the k most probable classes of a row (and those tied with
      the k-th); the others become zero. With ``weights="confidence"`` it is the reading "the top two predictions of
      each model, weighted, prioritising confidence". Every row is divided by its total in the end.

    A model is scored once, on all its held-out probabilities together: a macro-averaged score of single folds misleads
    where a rare class is absent. To the scorer, the most probable class is the prediction (a threshold that a model
    tunes for itself has no part in the mixture), and the probabilities (of two, the difference) the decision function.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels in ``y``; with ``prefit=True`` all that any of the estimators knows.
    scores_ : dict of str to float, or None
        Held-out score of every model; None where nothing needs scores, and so nothing was cross-validated.
    selected_ : list of str
        Names of the models used, best first; all of them, in the order given, without scores.
    weights_ : ndarray of shape (n_selected,)
        Their weights, which add up to one; equal with ``weights="confidence"``, which multiplies them row by row.
    estimators_ : list of estimators
        The models used, in the order of ``selected_``, fitted on all rows (with ``prefit=True``, as they came).
    named_estimators_ : Bunch
        Name → fitted model; "drop" for those not used.
    n_features_in_, feature_names_in_ : int, ndarray of shape (n_features_in_,)
        Width of a row and column names, where the models tell.

    References
    ----------
    .. [1] "Deep Neural Network Architectures for Electrocardiogram Classification", arXiv:2602.17701. It names the
       ensemble and gives no formula; how ties, scores below zero and absent classes are treated is ours.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = load_iris(return_X_y=True)
    >>> models = [("linear", LogisticRegression(C=0.1)), ("wide", GaussianNB(var_smoothing=1)), ("bayes", GaussianNB())]
    >>> TopKVotingClassifier(models, k=2).fit(X, y).selected_
    ['bayes', 'linear']
    """

    estimators: Any = parameter(
        'Classifiers with ``predict_proba``, as in :class:`~sklearn.ensemble.VotingClassifier`; "drop" '
        "leaves one out. They see the labels as given, and 3-D signals as 2-D rows unless they, or a part "
        "of them, take 3-D.",
        [list],
        kind="list of (str, estimator) tuples",
        kw_only=False,
    )
    k: int = parameter(
        "Number of models (at most as many as there are), or of classes of each model (more than there are is all).",
        COUNT,
        default=2,
    )
    by: str = parameter("What the k best are chosen among.", one_of("model", "prediction"), default="model")
    scoring: str | Callable = parameter(
        "Name of a scikit-learn scorer, or ``scorer(estimator, X, y)`` that returns one number, greater is better.",
        [StrOptions(set(get_scorer_names())), callable],
        default="f1_macro",
        kind="str or callable",
    )
    cv: Any = parameter(
        "Folds on which the models are scored; they need not cover every row. None is 5 folds. With None or "
        "an int they are stratified and not shuffled, and share no group where ``fit`` gets ``groups``.",
        ["cv_object"],
        default=None,
        kind="int, cross-validation splitter or iterable",
    )
    weights: str = parameter(
        "Weights of the models: their scores (zero if negative), their largest probability in the row, or all alike.",
        one_of("score", "confidence", "uniform"),
        default="score",
    )
    prefit: bool = parameter(
        "The estimators are fitted already, and ``fit`` only scores them on its rows, which should be held "
        "out. Where the ensemble may be cloned, wrap them in :class:`~sklearn.frozen.FrozenEstimator`, or "
        "they lose their fit.",
        BOOLEAN,
        default=False,
    )
    n_jobs: int | None = parameter(
        "Processes that fit models and folds side by side; None is one.", [Integral, None], default=None, kind="int"
    )
    verbose: int = parameter("1 prints the time of every fit.", ["verbose"], default=0, training=True)

    # they go to the splitter, the scorer and the estimators, each of which says what it wants
    __metadata_request__fit = {"groups": UNUSED, "sample_weight": UNUSED}

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Score the models on held-out rows, choose among them, and fit those used on all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals or features. With ``prefit=True``, rows that the estimators have not seen.
        y : array-like of shape (n_samples,)
            Labels of any kind.
        groups : array-like of shape (n_samples,), default=None
            Patients: they go to the splitter. With metadata routing on, also to the estimators that request them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights for every estimator, and the scorer if it takes them; with metadata routing on, for those that ask.
        **fit_params : dict
            More metadata, with metadata routing on.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If an estimator has no ``predict_proba``, knows other classes than ``y`` or is not fitted though ``prefit``,
            ``k`` models are not there, 3-D ``X`` has its leads last, or a score is not finite, or no weight positive.
        """
        self.__dict__.pop("estimators_", None)  # a fit that fails leaves no half-fitted ensemble
        models = self._checked_models()
        X, y, *_ = indexable(X, y, groups, sample_weight)
        y = _check_y(y, estimator=self)
        check_classification_targets(y)
        params = self._route(models, {"groups": groups, "sample_weight": sample_weight}, fit_params)
        self.classes_ = _classes_of_fitted(models, y) if self.prefit else np.unique(y)
        self._record_shape = _flatten_cube(X)[1]
        choose = self.by == "model" and self.k < len(models)
        self.scores_ = self._score(models, X, y, params) if choose or self.weights == "score" else None
        ranking = sorted(models, key=lambda name: 0 if self.scores_ is None else -self.scores_[name])
        self.selected_ = ranking[: self.k] if self.by == "model" else ranking
        self.weights_ = self._mixing_weights()
        self._mixing = (self.weights == "confidence", self.k if self.by == "prediction" else None)
        self._keep(self._fit_selected(models, X, y, params))
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimators_")

    @property
    def named_estimators_(self) -> Any:
        """Name → fitted model; "drop" for those not used."""
        used = dict(zip(self.selected_, self.estimators_, strict=True))
        return Bunch(**{name: used.get(name, "drop") for name, _ in self.estimators})

    def _checked_models(self):
        """Name → estimator, without those dropped; an error unless they can do what is wanted of them."""
        models = {name: model for name, model in zip(*self._validate_estimators(), strict=True) if model != "drop"}
        for name, model in models.items():
            if not hasattr(model, "predict_proba"):
                raise ValueError(f"estimators must have predict_proba, but {name!r} ({type(model).__name__}) has none.")
        if self.by == "model" and self.k > len(models):
            raise ValueError(f"k={self.k} models are wanted with by='model', but estimators has {len(models)}.")
        return models

    def _route(self, models, given, fit_params):
        """Who gets which metadata: ``cv`` in split, ``scoring`` in score, every model by its name in fit."""
        given = {name: value for name, value in given.items() if value is not None}
        if get_config()["enable_metadata_routing"]:
            return process_routing(self, "fit", **given, **fit_params)
        _raise_for_params(fit_params, self, "fit")
        split = {"groups": given.pop("groups")} if "groups" in given else {}
        scorer = get_scorer(self.scoring)
        score = given if "sample_weight" in signature(getattr(scorer, "_score_func", scorer)).parameters else {}
        return Bunch(cv={"split": split}, scoring={"score": score}, **{name: {"fit": given} for name in models})

    def _score(self, models, X, y, params):
        """Name → score of all held-out probabilities at once; rows of weight zero do not count."""
        score_params = params["scoring"]["score"]
        if self.prefit:
            tested = np.arange(len(y))
            probas = {name: _probabilities(model, X, self.classes_, name) for name, model in models.items()}
        else:
            folds = self._folds(X, y, params["cv"]["split"])
            tested = np.concatenate([test for _, test in folds])
            probas = self._held_out(models, X, y, folds, params)
        weight = np.asarray(score_params.get("sample_weight", np.ones(len(y))))
        order = np.argsort(tested, kind="stable")
        order = order[weight[tested[order]] != 0]
        if not np.array_equal(tested[order], np.arange(len(y))):  # else X itself, without a copy
            score_params = _check_method_params(X, score_params, indices=tested[order])
            X, y = _safe_indexing(X, tested[order]), y[tested[order]]
        scorer, scores = get_scorer(self.scoring), {}
        for name, proba in probas.items():
            score = scorer(_HeldOut(self.classes_, proba[order]), X, y, **score_params)
            if not isinstance(score, Real) or not np.isfinite(score):
                raise ValueError(f"scoring={self.scoring!r} must give a finite number, got {score!r} for {name!r}.")
            scores[name] = float(score)
        return scores

    def _folds(self, X, y, split_params):
        if len(y) < 2:
            raise ValueError(f"Cross-validation wants at least 2 samples, got n_samples={len(y)}.")
        cv = check_cv(self.cv, y, classifier=True)
        if isinstance(self.cv, Integral | None) and "groups" in split_params:
            cv = StratifiedGroupKFold(cv.get_n_splits())
        return [(train, test) for train, test in cv.split(X, y, **split_params) if len(test)]

    def _held_out(self, models, X, y, folds, params):
        """Name → probabilities of the rows tested, fold after fold."""
        parts = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_and_predict)(model, X, y, *fold, params[name]["fit"], self.classes_, name, self.verbose)
            for name, model in models.items()
            for fold in folds
        )
        return {name: np.vstack(parts[i * len(folds) : (i + 1) * len(folds)]) for i, name in enumerate(models)}

    def _fit_selected(self, models, X, y, params):
        if self.prefit:
            return [models[name] for name in self.selected_]
        return Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_clone)(models[name], X, y, params[name]["fit"], name, self.verbose) for name in self.selected_
        )

    def _mixing_weights(self):
        if self.weights != "score":
            return np.full(len(self.selected_), 1 / len(self.selected_))
        scores = {name: self.scores_[name] for name in self.selected_}
        weights = np.maximum(list(scores.values()), 0.0)
        if not weights.any():
            raise ValueError(f"weights='score' wants a positive score, got {scores}; weights='uniform' does not.")
        return weights / weights.sum()

    def _keep(self, fitted):
        for attribute in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(attribute, None)
            for model in reversed(fitted):
                if hasattr(model, attribute):
                    setattr(self, attribute, getattr(model, attribute))
        self.estimators_ = fitted

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            As in ``fit``.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), float64
            In the order of ``classes_``.
        """
        check_is_fitted(self)
        shape, seen = _flatten_cube(X)[1], self._record_shape
        if seen and shape not in (None, seen) and not all(map(_takes_cubes, self.estimators_)):
            raise ValueError(f"X has records of shape {shape}, but fit saw records of shape {seen}.")
        models = zip(self.estimators_, self.selected_, strict=True)
        probas = [_probabilities(model, X, self.classes_, name) for model, name in models]
        return _mix(np.stack(probas), self.weights_, *self._mixing)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The most probable class of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            As in ``fit``.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def get_metadata_routing(self) -> Any:
        """Router of the metadata of ``fit`` to the splitter, the scorer and, unless ``prefit=True``, the estimators."""
        router = MetadataRouter(owner=self).add_self_request(self)
        splitter = StratifiedGroupKFold() if isinstance(self.cv, Integral | None) else self.cv
        router.add(cv=splitter, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        router.add(scoring=get_scorer(self.scoring), method_mapping=MethodMapping().add(caller="fit", callee="score"))
        for name, model in () if self.prefit else self.estimators:
            router.add(**{name: model}, method_mapping=MethodMapping().add(caller="fit", callee="fit"))
        return router

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class _HeldOut(ClassifierMixin, BaseEstimator):
    """Answers with probabilities made beforehand, so that any scorer can judge all held-out rows in one call."""

    def __init__(self, classes_, proba):
        self.classes_ = classes_
        self.proba = proba

    def predict_proba(self, X):
        n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
        if n_samples != len(self.proba):
            raise ValueError(f"scoring must predict all {len(self.proba)} held-out rows at once, got {n_samples} rows.")
        return self.proba

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def decision_function(self, X):
        proba = self.predict_proba(X)
        return proba[:, 1] - proba[:, 0] if len(self.classes_) == 2 else proba


def _mix(probas, weights, by_confidence, n_kept):
    """Mixture (n_samples, n_classes) of ``probas`` (n_models, n_samples, n_classes) with ``weights`` (n_models,)."""
    weights = weights[:, None, None]
    if by_confidence:
        weights = weights * probas.max(axis=2, keepdims=True)
    if n_kept is not None and n_kept < probas.shape[2]:
        least = np.partition(probas, -n_kept, axis=2)[:, :, -n_kept, None]
        probas = np.where(probas >= least, probas, 0.0)
    mixture = (weights * probas).sum(axis=0)
    return mixture / mixture.sum(axis=1, keepdims=True)


def _fit_clone(model, X, y, fit_params, name, verbose):
    message = f"{name} on {len(y)} rows" if verbose else None
    return _fit_single_estimator(clone(model), _as_taken(model, X), y, fit_params, "TopKVotingClassifier", message)


def _fit_and_predict(model, X, y, train, test, fit_params, classes, name, verbose):
    """Probabilities of the rows ``test`` by a clone fitted on the rows ``train``."""
    fit_params = _check_method_params(X, fit_params, indices=train)
    fitted = _fit_clone(model, _safe_indexing(X, train), y[train], fit_params, name, verbose)
    return _probabilities(fitted, _safe_indexing(X, test), classes, name)


def _probabilities(model, X, classes, name):
    """The model's probabilities in the order of ``classes``, zero for those it was not fitted on."""
    proba = np.asarray(model.predict_proba(_as_taken(model, X)), dtype=np.float64)
    own = np.asarray(model.classes_)
    unknown = sorted(set(own.tolist()) - set(classes.tolist()))
    if unknown:
        raise ValueError(f"Estimator {name!r} was fitted on other classes: y has no {unknown}.")
    aligned = np.zeros((len(proba), len(classes)))
    aligned[:, np.searchsorted(classes, own)] = proba
    return aligned


def _as_taken(model, X):
    return X if _takes_cubes(model) else flatten_records(X)[0]


def _takes_cubes(model):
    """Whether the estimator, or any part of it, takes 3-D signals: it may tell the leads apart."""
    parts = [part for part in model.get_params().values() if isinstance(part, BaseEstimator)]
    return get_tags(model).input_tags.three_d_array or any(map(_takes_cubes, parts))


def _classes_of_fitted(models, y):
    """Union of the classes of the fitted ``models``; an error unless each can be scored on the labels ``y``."""
    labels = set(y.tolist())
    for name, model in models.items():
        check_is_fitted(model, msg=f"prefit=True wants fitted estimators, but {name!r} is not fitted.")
        if not labels & set(model.classes_.tolist()):
            raise ValueError(f"Estimator {name!r} was fitted on other classes: {model.classes_}, y has {set(labels)}.")
    classes = unique_labels(*(model.classes_ for model in models.values()))
    unknown = sorted(labels - set(classes.tolist()))
    if unknown:
        raise ValueError(f"y has labels that none of the fitted estimators knows: {unknown}.")
    return classes
