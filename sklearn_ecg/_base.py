"""The one neural base: scikit-learn parameters in, a skorch net in ``net_`` out."""

import copy
import warnings
from abc import ABCMeta, abstractmethod
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedGroupKFold, StratifiedShuffleSplit
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted
from skorch.callbacks import EarlyStopping
from skorch.helper import predefined_split
from skorch.utils import noop

from ._training import (
    DTYPES,
    OPTIMIZERS,
    BatchIterator,
    FiniteLoss,
    ProgressBar,
    RowBatches,
    TrainingNet,
    ValidationScore,
    WeightedRows,
    continue_optimizer,
    plain_history,
    resolve_device,
    seeded,
    side_statistics,
    to_arrays,
    to_tensors,
)
from ._validation import validate_rows
from .nn.losses import CrossEntropy

SHARED_CONSTRAINTS = {
    "n_leads": [Interval(Integral, 1, None, closed="left")],
    "n_side_features": [Interval(Integral, 0, None, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "optimizer": [StrOptions(set(OPTIMIZERS))],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "device": [str],
    "precision": [StrOptions(set(DTYPES))],
    "norm": [StrOptions({"batch", "group"})],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "callbacks": [list, None],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}
"""Constraints of the parameters that every neural estimator has, under the same names."""

SHARED_DEFAULTS = {
    "n_leads": 1,
    "n_side_features": 0,
    "max_epochs": 20,
    "batch_size": 128,
    "lr": 1e-3,
    "weight_decay": 1e-4,
    "optimizer": "adamw",
    "early_stopping": False,
    "validation_fraction": 0.1,
    "patience": 5,
    "class_weight": None,
    "device": "auto",
    "precision": "float32",
    "norm": "batch",
    "dropout": 0.2,
    "callbacks": None,
    "warm_start": False,
    "random_state": None,
    "verbose": 0,
}
METHOD_DEFAULTS = {"CNNLSTMAttention": {}}
"""Where a method's default differs from ``SHARED_DEFAULTS``; the signatures must agree with both tables."""


class NeuralEstimator(BaseEstimator, metaclass=ABCMeta):
    """A scikit-learn estimator that owns a skorch net.

    A method gives ``_make_module`` and ``_make_criterion`` and calls ``_train`` in its ``fit``; everything else
    (seeds, devices, batches, weights, early stopping, plain pickled state) is here.
    """

    __metadata_request__fit = {"groups": True}
    _parameter_constraints: dict = {**SHARED_CONSTRAINTS}

    @abstractmethod
    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        """The torch module for rows of this layout, with freshly drawn weights."""

    @abstractmethod
    def _make_criterion(self):
        """The loss: a module from (output, target) to one value for each row."""

    def _more_callbacks(self):
        """Callbacks of the method's own, after the base's and before the user's."""
        return []

    def _continues(self):
        return self.warm_start and hasattr(self, "net_")

    def _rows_for_fit(self, X, y, sample_weight):
        """Checked rows and target, positive weights in float64, and the indices of the rows that count."""
        (X, y), _ = validate_rows(self, X, y=y, reset=not self._continues())
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        index = np.flatnonzero(weight)
        if not len(index):
            raise ValueError("sample_weight is zero for every sample: at least one positive weight is wanted.")
        return X, y, weight, index

    def _split_validation(self, index, labels, groups, seed):
        """Training and validation rows of ``index``; no group is on both sides."""
        if not self.early_stopping:
            return index, None
        if groups is None:
            warnings.warn(
                "early_stopping=True splits off validation rows without groups: rows of one patient may be on both "
                "sides. Pass groups (with metadata routing on, meta-estimators pass them along).",
                UserWarning,
                stacklevel=4,
            )
        train, valid = _validation_split(len(index), labels, groups, self.validation_fraction, seed)
        return index[train], index[valid]

    def _make_net(self, module, criterion, device):
        torch_params = {"optimizer__weight_decay": self.weight_decay}
        if self.optimizer == "sgd":
            torch_params["optimizer__momentum"] = 0.9
        return TrainingNet(
            module,
            criterion=criterion,
            optimizer=OPTIMIZERS[self.optimizer],
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            iterator_train=BatchIterator,
            iterator_train__shuffle=True,
            iterator_valid=BatchIterator,
            train_split=None,
            verbose=0,
            device=device,
            autocast=self.precision == "bf16-mixed",
            **torch_params,
        )

    def _net_callbacks(self, valid):
        callbacks = [FiniteLoss(), *self._more_callbacks()]
        if valid is not None:
            if self._validation_score is not None:
                callbacks.append(ValidationScore(self._validation_score))
            callbacks.append(EarlyStopping(patience=self.patience, load_best=True, sink=noop))
        if self.verbose:
            callbacks.append(ProgressBar())
        return [*callbacks, *copy.deepcopy(self.callbacks or [])]

    _validation_score = None

    def _train(self, n_outputs, X, target, weight, train, valid, seed):
        """Train a module on the rows ``train`` of ``X``; sets the fitted attributes of every neural estimator."""
        device, continues = resolve_device(self.device), self._continues()
        previous = self.history_ if continues else []
        with seeded(seed, device):
            module = self.module_ if continues else self._new_module(n_outputs)
            batches = RowBatches(X, self.layout_, device, DTYPES[self.precision])
            if not continues and self.layout_.n_side_features:
                module.set_side_statistics(*side_statistics(X, self.layout_, weight, train))
            net = self._make_net(module.to(device), self._make_criterion(), device)
            net.set_params(callbacks=self._net_callbacks(valid))
            if valid is not None:
                net.set_params(train_split=predefined_split(WeightedRows(batches, target, weight, valid)))
            net.initialize()
            if continues:
                continue_optimizer(net, self.net_)
            net.partial_fit(WeightedRows(batches, target, weight, train))
        module.eval()
        self.net_, self.module_ = net, module
        self.history_ = plain_history(net.history, previous=previous)
        self.n_iter_ = len(self.history_)
        if net.interrupt_ is not None:
            raise net.interrupt_
        return self

    def _new_module(self, n_outputs):
        layout = self.layout_
        sizes = (layout.n_leads, layout.n_timepoints, layout.n_side_features, n_outputs)
        params = {name: getattr(self, name) for name in self._get_param_names() if name != "callbacks"}
        self._module_arguments = {"params": params, "sizes": sizes}
        return self._make_module(*sizes).to(DTYPES[self.precision])

    def _forward(self, X, method=None):
        """Output of the module (or of one of its methods) for every row, as an ndarray; no gradients, no dropout."""
        check_is_fitted(self)
        X, layout = validate_rows(self, X, reset=False)
        call = self.module_ if method is None else getattr(self.module_, method)
        parameter = next(self.module_.parameters())
        batches = RowBatches(X, layout, parameter.device, parameter.dtype)
        with torch.inference_mode():
            parts = [
                call(**batches[slice(start, start + self.batch_size)]) for start in range(0, len(X), self.batch_size)
            ]
        return torch.cat(parts).cpu().numpy()

    def __getstate__(self):
        state = dict(super().__getstate__())
        if "net_" in state:
            net, module = state.pop("net_"), state.pop("module_")
            state["_module_weights"] = to_arrays(module.state_dict())
            state["_optimizer_state"] = to_arrays(net.optimizer_.state_dict())
        return state

    def __setstate__(self, state):
        state = dict(state)
        weights, optimizer_state = state.pop("_module_weights", None), state.pop("_optimizer_state", None)
        super().__setstate__(state)
        if weights is not None:
            self._restore(weights, optimizer_state)

    def _restore(self, weights, optimizer_state):
        """Build the module from the arguments frozen at fit time, on the device at hand, and load its weights."""
        arguments = self._module_arguments
        fitted = type(self)(**arguments["params"])
        device = resolve_device(fitted.device)
        if device.type == "cuda" and not torch.cuda.is_available():
            device = torch.device("cpu")
        with seeded(0, device):
            module = fitted._make_module(*arguments["sizes"]).to(DTYPES[fitted.precision])
            module.load_state_dict(to_tensors(weights))
            net = fitted._make_net(module.to(device), fitted._make_criterion(), device).initialize()
        net.optimizer_.load_state_dict(to_tensors(optimizer_state))
        self.net_, self.module_ = net, module.eval()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class NeuralClassifier(ClassifierMixin, NeuralEstimator):
    """The classifiers' half of the base: labels, class weights, probabilities."""

    _parameter_constraints: dict = {
        **SHARED_CONSTRAINTS,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def _make_criterion(self):
        return CrossEntropy()

    @staticmethod
    def _validation_score(target, output):
        return f1_score(target, output.argmax(axis=1), average="macro", zero_division=0)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads * n_timepoints + n_side_features) or \
                (n_samples, n_leads, n_timepoints)
            Signals; any one unit, usually scaled before.
        y : array-like of shape (n_samples,)
            Labels of any kind.
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
        X, y, weight, index = self._rows_for_fit(X, y, sample_weight)
        check_classification_targets(y)
        target = self._encode(y, index)
        weight = weight * self._class_weights(y, weight, index)[target]
        groups = None if groups is None else _check_groups(groups, len(X))[index]
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        train, valid = self._split_validation(index, target[index], groups, seed)
        return self._train(len(self.classes_), X, target, weight, train, valid, seed)

    def _encode(self, y, index):
        """Class index of every row (0 for rows without weight, which are not used)."""
        encoder = LabelEncoder()
        codes = encoder.fit_transform(y[index])
        if self._continues():
            unknown = np.setdiff1d(encoder.classes_, self.classes_)
            if len(unknown):
                raise ValueError(f"warm_start=True: y has new classes {unknown}; fitted were {self.classes_}.")
            codes = np.searchsorted(self.classes_, y[index])
        else:
            self.classes_ = encoder.classes_
        target = np.zeros(len(y), dtype=np.int64)
        target[index] = codes
        return target

    def _class_weights(self, y, weight, index):
        if self.class_weight is None:
            return np.ones(len(self.classes_))
        present = np.isin(self.classes_, y[index])
        weights = np.ones(len(self.classes_))
        weights[present] = compute_class_weight(
            self.class_weight, classes=self.classes_[present], y=y[index], sample_weight=weight[index]
        )
        return weights

    def predict_proba(self, X):
        """Class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), float64
            In the order of ``classes_``.
        """
        logits = self._forward(X).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        return logits / logits.sum(axis=1, keepdims=True)

    def predict(self, X):
        """The most probable class of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]


def check_sizes(name, values):
    """``values`` as a tuple of positive integers, or an error that names the parameter."""
    sizes = tuple(values) if not isinstance(values, str) else ()
    if not sizes or not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(f"{name} must be a non-empty sequence of positive integers, got {values!r}.")
    return tuple(int(size) for size in sizes)


def _check_groups(groups, n_samples):
    groups = np.asarray(groups)
    if groups.shape != (n_samples,):
        raise ValueError(f"groups must be of shape ({n_samples},), one patient for each row, got {groups.shape}.")
    return groups


def _validation_split(n_samples, labels, groups, fraction, seed):
    """Positions of the training and the validation rows: stratified where that is possible, plain otherwise."""
    rows = np.zeros(n_samples)
    if groups is not None:
        if len(np.unique(groups)) < 2:
            raise ValueError("early_stopping=True with groups wants at least 2 groups, got 1.")
        n_splits = min(max(2, round(1 / fraction)), len(np.unique(groups)))
        stratified = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
        plain = GroupShuffleSplit(1, test_size=fraction, random_state=seed)
    else:
        stratified = StratifiedShuffleSplit(1, test_size=fraction, random_state=seed)
        plain = ShuffleSplit(1, test_size=fraction, random_state=seed)
    if labels is not None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a class with few members: still split as well as it goes
                train, valid = next(stratified.split(rows, labels, groups))
            if len(train) and len(valid):
                return train, valid
        except ValueError:
            pass
    return next(plain.split(rows, labels, groups))
