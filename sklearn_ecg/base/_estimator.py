"""The one neural base: scikit-learn parameters in, a skorch net in ``net_`` out."""

import copy
import pickle
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import ClassVar

import joblib
import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_sample_weight, check_is_fitted
from skorch.callbacks import EarlyStopping
from skorch.helper import predefined_split
from skorch.utils import noop

from ..parameters import BOOLEAN, COUNT, NOT_NEGATIVE, POSITIVE, SHARE, WithParameters, one_of, parameter
from ..signals._validation import validate_rows
from ._arrays import to_arrays, to_tensors
from ._batches import BatchIterator, RowBatches, WeightedRows, side_statistics
from ._callbacks import FiniteLoss, OneCycle, ProgressBar, ValidationScore, plain_history
from ._device import DTYPES, present_device, resolve_device, seeded
from ._net import OPTIMIZERS, TrainingNet, continue_optimizer
from ._splitting import check_groups, validation_split
from ._user_callbacks import check_callbacks, copy_callbacks


def _same(value, other):
    """Whether two values of a parameter are the same, whatever they are."""
    try:
        return value is other or joblib.hash(value) == joblib.hash(other)
    except (pickle.PicklingError, AttributeError, TypeError):  # a function without a name, an object of C
        return repr(value) == repr(other)


class RowsOnDevice(WithParameters):
    """How 2-D rows are read, and where the networks compute."""

    n_leads: int = parameter("Leads in a 2-D row. 3-D input speaks for itself.", COUNT, default=1, training=True)
    n_side_features: int = parameter(
        "Columns at the end of a 2-D row that are not signal (RR intervals, age).",
        [Interval(Integral, 0, None, closed="left")],
        default=0,
        training=True,
    )
    device: str = parameter(
        '"auto" takes a GPU if there is one; otherwise a torch device.', [str], default="auto", training=True
    )


class NeuralEstimator(RowsOnDevice, BaseEstimator, metaclass=ABCMeta):
    """A scikit-learn estimator that owns a skorch net.

    A method gives ``_make_module`` and ``_make_criterion`` and calls ``_train`` in its ``fit``; everything else
    (seeds, devices, batches, weights, early stopping, plain pickled state) is here.
    """

    max_epochs: int = parameter("Passes over the training rows at most.", COUNT, default=20, training=True)
    batch_size: int = parameter("Rows in a batch, in training and in prediction.", COUNT, default=128, training=True)
    lr: float = parameter("Learning rate.", POSITIVE, default=0.001, training=True)
    lr_schedule: str = parameter(
        '"one-cycle" raises the learning rate to ``lr`` over the first fifth of the training and lowers it '
        "to nearly nothing by its end.",
        one_of("constant", "one-cycle"),
        default="constant",
        training=True,
    )
    weight_decay: float = parameter("Weight decay of the optimizer.", NOT_NEGATIVE, default=0.0001, training=True)
    optimizer: str = parameter(
        'Optimizer; "sgd" has momentum 0.9.',
        one_of("adagrad", "adam", "adamw", "nadam", "rmsprop", "sgd"),
        default="adamw",
        training=True,
    )
    early_stopping: bool = parameter(
        "Split off validation rows, stop when their loss no longer falls, and keep the best weights.",
        BOOLEAN,
        default=False,
        training=True,
    )
    validation_fraction: float = parameter(
        "Share of the rows that ``early_stopping`` splits off; with groups, the nearest fraction 1/k.",
        [Interval(Real, 0, 1, closed="neither")],
        default=0.1,
        training=True,
    )
    patience: int = parameter(
        "Epochs without a better validation loss before ``early_stopping`` stops.", COUNT, default=5, training=True
    )
    precision: str = parameter(
        "Numbers the network computes with.",
        one_of("float32", "float64", "bf16-mixed"),
        default="float32",
        training=True,
    )
    callbacks: list | None = parameter(
        "Further callbacks. These objects are called, and keep what they record; ``clone`` copies them.",
        [list, None],
        default=None,
        kind="list of skorch callbacks or None",
        training=True,
        kept=False,
    )
    warm_start: bool = parameter(
        "Continue from the fitted weights, with the classes and the layout seen before.",
        BOOLEAN,
        default=False,
        training=True,
    )
    random_state: int | np.random.RandomState | None = parameter(
        "Seed of the weights, the batches and the dropout.", ["random_state"], default=None, training=True
    )
    verbose: int = parameter(
        "1 shows a progress bar with loss, validation score and time left.", ["verbose"], default=0, training=True
    )

    _documented_attributes: ClassVar = {
        "layout_": ("RowLayout", "How a row is read: leads, timepoints, side features."),
        "n_features_in_": ("int", "Width of a row."),
        "feature_names_in_": ("ndarray of shape (n_features_in_,)", "Column names, where ``X`` had them."),
        "n_iter_": ("int", "Epochs trained."),
        "net_": ("skorch.NeuralNet", "The net that was trained."),
        "module_": ("torch.nn.Module", "Its module."),
    }
    __metadata_request__fit = {"groups": True}
    _validation_score: ClassVar[Callable | None] = None
    _answers = None  # a method with the dict ``TrainingNet.answers_``, where outputs can be read as predictions
    _frozen_parts: tuple = ()
    _anchor = 0.0

    @abstractmethod
    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        """The torch module for rows of this layout, with freshly drawn weights."""

    @abstractmethod
    def _make_criterion(self):
        """The loss: a module from (output, target) to one value for each row."""

    def _validate(self, X, *, reset, **check_params):
        """Checked 2-D rows (or rows and ``y``) and their layout."""
        return validate_rows(self, X, reset=reset, **check_params)

    def _side_statistics(self, X, weight, train):
        """Mean and standard deviation of the side features over the training rows."""
        return side_statistics(X, self._network_layout, weight, train)

    @property
    def _network_layout(self):
        """How the rows are read that the network is given."""
        return self.layout_

    def _load_initial_weights(self, module):
        """Replace freshly drawn weights by others, where a method has them."""

    def __sklearn_is_fitted__(self):
        return hasattr(self, "module_")

    def _continues(self):
        return self.warm_start and hasattr(self, "module_")

    def _begin_fit(self):
        """Check what must be right before the data are looked at; a fit that fails leaves no half-fitted estimator."""
        resolve_device(self.device)
        check_callbacks(
            self.callbacks,
            validates=self.early_stopping,
            one_cycle=self.lr_schedule == "one-cycle",
            predicts=self._answers is not None,
            method=type(self).__name__,
        )
        if not self._continues():
            for name in ("net_", "module_"):
                self.__dict__.pop(name, None)
            return
        frozen = self._module_arguments["params"]
        for name, declared in self._declared_parameters.items():
            if not declared.training and not _same(getattr(self, name), frozen[name]):
                raise ValueError(
                    f"warm_start=True continues a module fitted with {name}={frozen[name]!r}, got "
                    f"{name}={getattr(self, name)!r}. Set warm_start=False to begin anew."
                )

    def _rows_for_fit(self, X, y, sample_weight, **check_params):
        """Checked rows and target, and weights in float64."""
        (X, y), _ = self._validate(X, y=y, reset=not self._continues(), **check_params)
        return X, y, _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)

    def _split_rows(self, index, labels, groups, n_rows):
        """Training rows and validation rows of ``index``, and the seed of this fit; no group is on both sides."""
        groups = None if groups is None else check_groups(groups, n_rows)[index]
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return *self._split_validation(index, labels, groups, seed), seed

    def _split_validation(self, index, labels, groups, seed):
        if not self.early_stopping or not len(index):
            return index, None
        if groups is None:
            warnings.warn(
                "early_stopping=True splits off validation rows without groups: rows of one patient may be on both "
                "sides. Pass groups (with metadata routing on, meta-estimators pass them along).",
                UserWarning,
                stacklevel=5,
            )
        train, valid = validation_split(len(index), labels, groups, self.validation_fraction, seed)
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
            verbose=self.verbose,
            device=device,
            autocast=self.precision == "bf16-mixed",
            frozen=self._frozen_parts,
            anchor=self._anchor,
            **torch_params,
        )

    def _net_callbacks(self, valid):
        callbacks = [FiniteLoss()]
        if self.lr_schedule == "one-cycle":
            callbacks.append(OneCycle())
        if valid is not None and self._validation_score is not None:
            callbacks.append(ValidationScore(self._validation_score))
        if self.verbose:
            callbacks.append(ProgressBar())
        callbacks += self.callbacks or []
        if valid is not None:  # last, because it cuts off the callbacks behind it
            callbacks.append(EarlyStopping(patience=self.patience, threshold=0, load_best=True, sink=noop))
        return callbacks

    def _train(self, n_outputs, X, target, weight, train, valid, seed, beside=None):
        """Train a module on the rows ``train`` of ``X``; sets the fitted attributes of every neural estimator.

        ``beside`` holds what the module is given in training besides the rows.
        """
        device, continues = resolve_device(self.device), self._continues()
        with seeded(seed, device):
            batches = RowBatches(X, self._network_layout, device, DTYPES[self.precision], beside)
            module = self._make_module(*self._sizes(n_outputs)).to(device, DTYPES[self.precision])
            if continues:
                module.load_state_dict(self.module_.state_dict())
            else:
                if self._network_layout.n_side_features:
                    module.set_side_statistics(*self._side_statistics(X, weight, train))
                self._load_initial_weights(module)
            net = self._make_net(module, self._make_criterion(), device)
            net.set_params(callbacks=self._net_callbacks(valid))
            if valid is not None:
                net.set_params(train_split=predefined_split(WeightedRows(batches, target, weight, valid)))
            net.initialize()
            net.answers_ = None if self._answers is None else self._answers()
            if continues:
                continue_optimizer(net, self.net_)
            net.freeze()
            net.partial_fit(WeightedRows(batches, target, weight, train, augment=getattr(self, "augment", None)))
            net.thaw()
        epochs = plain_history(net.history)
        self.n_iter_ = len(epochs) + (self.n_iter_ if continues else 0)
        self.history_ = self._history_with(epochs, continues)
        self._keep(net, n_outputs)
        return self

    def _history_with(self, epochs, continues):
        """``history_`` after more epochs, numbered on."""
        previous = self.history_ if continues else []
        return [*previous, *({**row, "epoch": len(previous) + row["epoch"]} for row in epochs)]

    def _sizes(self, n_outputs):
        layout = self._network_layout
        return (layout.n_leads, layout.n_timepoints, layout.n_side_features, n_outputs)

    def _keep(self, net, n_outputs):
        """Keep what was trained, without the data; an interrupted training is kept, too, and the interrupt raised."""
        left_out = {name for name, declared in self._declared_parameters.items() if declared.kept is False}
        kept = [name for name in self._get_param_names() if name not in left_out]
        params = {name: copy.deepcopy(getattr(self, name)) for name in kept}
        self._module_arguments = {"params": params, "sizes": self._sizes(n_outputs)}
        net.train_split = net.answers_ = None
        interrupt, net.interrupt_ = net.interrupt_, None
        self.net_, self.module_ = net, net.module_.eval()
        if interrupt is not None:
            raise interrupt

    def _forward(self, X, method=None):
        """Output of the module (or of one of its methods) for every row, as an ndarray; no gradients, no dropout."""
        check_is_fitted(self, "module_")
        X, layout = self._validate(X, reset=False)
        return self._outputs(X, layout, self.module_, method)

    def _outputs(self, X, layout, module, method=None):
        """Output of ``module`` (or of one of its methods) for checked rows."""
        call = module if method is None else getattr(module, method)
        parameter = next(module.parameters())
        batches = RowBatches(X, layout, parameter.device, parameter.dtype)
        with torch.inference_mode():
            parts = [
                call(**batches[slice(start, start + self.batch_size)]) for start in range(0, len(X), self.batch_size)
            ]
            output = torch.cat(parts).cpu().numpy()
        if not np.isfinite(output).all():
            raise FloatingPointError(
                f"The network's output is NaN or infinite: X has values too large for precision={self.precision!r}."
            )
        return output

    def __sklearn_clone__(self):
        bare = object.__new__(type(self))
        vars(bare).update(vars(self), callbacks=None)
        copied = super(NeuralEstimator, bare).__sklearn_clone__()
        return copied if self.callbacks is None else copied.set_params(callbacks=copy_callbacks(self.callbacks))

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
        fitted = object.__new__(type(self))  # a subclass may have a constructor of its own
        vars(fitted).update(vars(self), **arguments["params"])
        device = present_device(fitted.device)
        with seeded(0, device):
            module = fitted._make_module(*arguments["sizes"]).to(DTYPES[fitted.precision])
            module.load_state_dict(to_tensors(weights))
            net = fitted._make_net(module.to(device), self._make_criterion(), device).initialize()
        net.optimizer_.load_state_dict(to_tensors(optimizer_state))
        self.net_, self.module_ = net, module.eval()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class AugmentedTraining(WithParameters):
    """Training signals that are changed at random, for estimators that can do with it."""

    augment: Callable | None = parameter(
        "Changes the signals of each training batch: a function from a tensor (n_samples, n_leads, "
        "n_timepoints) to one of the same shape, such as "
        ":class:`~sklearn_ecg.augmentation.BeatAugmentation`.",
        [callable, None],
        default=None,
        training=True,
    )


class NetworkLayers(WithParameters):
    """What the layers of our own networks share."""

    norm: str | None = parameter("Normalisation after each convolution.", one_of("batch", "group"), default="batch")
    dropout: float = parameter("Share of units dropped in training.", SHARE, default=0.2, training=True)
