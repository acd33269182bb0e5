"""The regressors' part of the neural base: targets of which some are unknown, and their scale."""

from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_sample_weight

from ..nn.losses import RegressionLoss
from ..parameters import one_of, parameter
from ._estimator import NeuralEstimator
from ._targets import r2_of_known, read_targets, scale_of_targets, validation_r2


class NeuralRegressor(RegressorMixin, NeuralEstimator):
    """A neural estimator of numbers: one or several targets, of which some may be unknown.

    The targets are standardised inside. A method gives ``_make_module``.
    """

    loss: str = parameter(
        'Absolute error, squared error, or "huber": squared up to one standard deviation of the target and '
        "absolute beyond.",
        one_of("l1", "huber", "mse"),
        default="l1",
        training=True,
    )

    _documented_attributes: ClassVar = {
        "history_": (
            "list of dict",
            "For each epoch: number, training and validation loss, validation score (R²), seconds.",
        ),
    }
    _validation_score = staticmethod(validation_r2)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads * n_timepoints + n_side_features) or \
                (n_samples, n_leads, n_timepoints)
            Signals in mV, or scaled otherwise to values of about one: the networks do not standardise them.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets in any units, NaN where unknown. Rows without any known target are left out.
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
            If ``X`` has NaN or infinite values or a shape that contradicts ``n_leads`` or ``n_side_features``, a value
            of ``y`` is infinite, a column of ``y`` has no known value in the training rows, or the weights that
            training begins with, where a method takes some, do not fit.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        self._begin_fit()
        X, _ = self._validate(X, reset=not self._continues())
        columns, one_target, names = read_targets(y)
        check_consistent_length(X, columns)
        self._refuse_another_form(columns, one_target)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        index = np.flatnonzero(weight * ~np.isnan(columns).all(axis=1))
        train, valid, seed = self._split_rows(index, None, groups, len(X))
        mean, scale, share_known = scale_of_targets(columns[train], weight[train], names)
        if not self._continues():
            self.target_mean_, self.target_scale_ = mean, scale
        self._target_factors, self._one_target = 1 / share_known, one_target
        target = (columns - self.target_mean_) / self.target_scale_
        return self._train(target.shape[1], X, target, weight, train, valid, seed)

    def _refuse_another_form(self, columns, one_target):
        if self._continues() and (columns.shape[1] != len(self.target_mean_) or one_target != self._one_target):
            raise ValueError(f"warm_start=True: y must have the form fitted, with {len(self.target_mean_)} target(s).")

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Targets of each record.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets), float64
            In the units and the form of the ``y`` of ``fit``.
        """
        return self._in_units(self._forward(X).astype(np.float64))

    def _in_units(self, values):
        """Standardised targets in the units and the form of ``y``."""
        y = values * self.target_scale_ + self.target_mean_
        return y[:, 0] if self._one_target else y

    def _answers(self):
        return {"kind": "regressor", "target": self._in_units, "predict": self._in_units, "score": _score_of_known}

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination R² over the known targets, averaged over the targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets, NaN where unknown. (scikit-learn's own scorers give an error or NaN for these; for mean absolute
            errors see :func:`~sklearn_ecg.metrics.intervals.interval_scorers`.)
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        score : float
            Targets with fewer than two known values are left out of the average; NaN, with a warning, where none is
            left.

        Raises
        ------
        ValueError
            If ``y`` has another form than the predictions or an infinite value, or ``sample_weight`` another length.
        """
        predicted = self.predict(X)
        columns, _, _ = read_targets(y)
        predicted = predicted.reshape(len(predicted), -1)
        if columns.shape != predicted.shape:
            raise ValueError(
                f"y must have {len(predicted)} rows and {predicted.shape[1]} target(s), got {np.shape(y)}."
            )
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, columns, dtype=np.float64)
        return r2_of_known(columns, predicted, sample_weight)

    def _make_criterion(self):
        return RegressionLoss(self.loss, self._target_factors)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _score_of_known(true, predicted):
    return r2_of_known(*(values.reshape(len(values), -1) for values in (true, predicted)))
