"""The regressors' half of the neural base: targets of which some are unknown, their scale, pre-trained weights."""

import numpy as np
import torch
from sklearn.base import RegressorMixin, _fit_context
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from .._base import NeuralEstimator
from .._base_classifier import _check_groups
from .._pretrained import load_part, named_arrays
from ..nn.losses import RegressionLoss
from ._targets import r2_of_known, read_targets, scale_of_targets, validation_r2

_SCALE = ("target_mean", "target_scale")


class NeuralRegressor(RegressorMixin, NeuralEstimator):
    """A neural estimator of numbers, whose module has a ``backbone`` and a ``head``."""

    _transient_parameters = ("callbacks", "pretrained")
    _validation_score = staticmethod(validation_r2)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
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
            of ``y`` is infinite, a column of ``y`` has no known value in the training rows, or ``pretrained`` does not
            fit.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        self._begin_fit()
        X, _ = self._validate(X, reset=not self._continues())
        columns, one_target, names = read_targets(y)
        check_consistent_length(X, columns)
        if self._continues() and (columns.shape[1] != len(self.target_mean_) or one_target != self._one_target):
            raise ValueError(f"warm_start=True: y must have the form fitted, with {len(self.target_mean_)} target(s).")
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        index = np.flatnonzero(weight * ~np.isnan(columns).all(axis=1))
        groups = None if groups is None else _check_groups(groups, len(X))[index]
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        train, valid = (index, None) if not len(index) else self._split_validation(index, None, groups, seed)
        mean, scale, share_known = scale_of_targets(columns[train], weight[train], names)
        if not self._continues():
            self.target_mean_, self.target_scale_ = mean, scale
        self._target_factors, self._one_target = 1 / share_known, one_target
        target = (columns - self.target_mean_) / self.target_scale_
        return self._train(target.shape[1], X, target, weight, train, valid, seed)

    def predict(self, X):
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

    def score(self, X, y, sample_weight=None):
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

    @property
    def weights_(self):
        """The weights and the scale of the targets, as ``pretrained`` of another estimator takes them."""
        check_is_fitted(self, "module_")
        parts = {part: getattr(self.module_, part) for part in ("backbone", "head")}
        weights = {name: value for part, module in parts.items() for name, value in named_arrays(part, module).items()}
        return {**weights, "target_mean": self.target_mean_.copy(), "target_scale": self.target_scale_.copy()}

    def _begin_fit(self):
        super()._begin_fit()
        if not self._continues():
            vars(self).pop("pretrained_parts_", None)

    def _make_criterion(self):
        return RegressionLoss(self.loss, self._target_factors)

    def _make_net(self, module, criterion, device):
        net = super()._make_net(module, criterion, device)
        return net.set_params(frozen=(*net.frozen, "backbone")) if self.freeze_backbone else net

    def _load_initial_weights(self, module):
        weights = _read_weights(self.pretrained)
        if weights is None:
            if self.freeze_backbone:
                raise ValueError("freeze_backbone=True wants a pre-trained backbone: pretrained=, or warm_start=True.")
            return
        load_part(module.backbone, weights, "backbone")
        self.pretrained_parts_ = ("backbone",)
        if _head_fits(module.head, weights):
            load_part(module.head, weights, "head")
            mean, scale = (np.asarray(weights[name]) for name in _SCALE)
            units = scale / self.target_scale_, (mean - self.target_mean_) / self.target_scale_
            module.head.change_units(*(torch.from_numpy(value).to(module.head.out.weight) for value in units))
            self.pretrained_parts_ = ("backbone", "head")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _score_of_known(true, predicted):
    return r2_of_known(*(values.reshape(len(values), -1) for values in (true, predicted)))


def _read_weights(pretrained):
    """Weights as a dict of arrays: given as such, or those of a frozen regressor; None where there are none."""
    if pretrained is None:
        return None
    if isinstance(pretrained, FrozenEstimator):
        estimator = pretrained.estimator
        if not isinstance(estimator, NeuralRegressor) or not hasattr(estimator, "module_"):
            kind = type(estimator).__name__
            raise ValueError(f"pretrained must hold an IntervalRegressor after fit, got a FrozenEstimator of {kind}.")
        return estimator.weights_
    if not isinstance(pretrained, dict) or not any(str(name).startswith("backbone.") for name in pretrained):
        raise ValueError(
            "pretrained must be a dict of arrays (weights_ of an IntervalRegressor) or a FrozenEstimator, got "
            f"{type(pretrained).__name__}."
        )
    return pretrained


def _head_fits(head, weights):
    """Whether the weights are those of a head of these sizes, with the scale of its targets."""
    wanted = {name: tuple(value.shape) for name, value in head.state_dict().items()}
    seen = {name.removeprefix("head."): np.shape(value) for name, value in weights.items() if name.startswith("head.")}
    n_outputs = (len(head.out.bias),)
    return seen == wanted and all(np.shape(weights.get(name)) == n_outputs for name in _SCALE)
