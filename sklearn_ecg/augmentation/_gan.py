"""Rows of the rare classes made by a class-conditional Wasserstein GAN, as an imbalanced-learn sampler."""

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_sampling_strategy
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from ..base._arrays import to_arrays, to_tensors
from ..base._device import DTYPES, present_device, resolve_device, seeded
from ..base._estimator import RowsOnDevice
from ..nn.gan import Critic, Generator
from ..parameters import BOOLEAN, COUNT, NOT_NEGATIVE, POSITIVE, SHARE, SIZES, RandomState, one_of, parameter
from ..signals._validation import validate_rows
from ._labels import read_labels
from ._wgan import ClassRows, WassersteinTraining, generate

_ROWS_AT_ONCE = 1024


class GANSampler(RowsOnDevice, BaseOverSampler):
    """Over-sample the rare classes with signals that a generative adversarial network makes.

    A generator makes rows of a given class from noise; a critic, which sees real and made rows of the class, estimates
    the Wasserstein distance between the two, and the generator learns to lessen it [1]_ [2]_. The critic's gradient is
    held near one by a penalty [3]_. Both networks are convolutional and know the class: the generator by an embedding
    and by a scale and a shift of every feature map for each class, the critic by an output for each class. Signals and
    side features are made together. All classes are learned, each with an equal share of every batch, so that the
    frequent ones lend their shape to the rare. Rows are standardised inside and come back in the units of ``X``. The
    sizes are our own; so are the running average of the generator's weights and the falling learning rate.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of rows to make of each class.
    classes_ : ndarray of shape (n_classes,)
        Labels, all of which ``sample`` can make.
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where ``X`` had them.
    layout_ : RowLayout
        How a row is read: leads, timepoints, side features.
    history_ : list of dict
        For each step of the generator: number, the critic's estimate of the Wasserstein distance, gradient penalty,
        generator's loss.
    generator_ : torch.nn.Module
        The averaged generator. It works in standardised units; ``sample`` gives rows.

    See Also
    --------
    imblearn.over_sampling.SMOTE : Rows between neighbours; quicker, and blind to what a signal is.

    Notes
    -----
    In an :class:`imblearn.pipeline.Pipeline` rows are made in ``fit`` alone; what is predicted or scored stays real.
    Two things of a classifier behind the sampler need care:

    * ``early_stopping=True`` splits its validation rows off the resampled ones. Generated rows are then validated on,
      and those for training were learned from rows that are validated on: the validation score is too good. Choose the
      number of epochs by cross-validation of the whole pipeline instead.
    * ``groups`` given for the rows of ``X`` do not fit the longer resampled data: the classifiers of this package
      raise a ValueError that names ``groups``.

    A generated row belongs to no patient. Where a class is of one patient, what is made of it is that patient's, too.

    References
    ----------
    .. [1] M. Arjovsky, S. Chintala, L. Bottou, "Wasserstein generative adversarial networks", ICML 2017.
    .. [2] M. Mirza, S. Osindero, "Conditional generative adversarial nets", arXiv:1411.1784.
    .. [3] I. Gulrajani, F. Ahmed, M. Arjovsky, V. Dumoulin, A. Courville, "Improved training of Wasserstein GANs",
       NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg.augmentation import GANSampler
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["N", "V"], [60, 6])
    >>> X = 0.1 * rng.normal(size=(66, 16)) + np.where(y == "V", 2.0, 1.0)[:, None] * np.hanning(16)
    >>> sampler = GANSampler(n_steps=30, random_state=0)
    >>> X_resampled, y_resampled = sampler.fit_resample(X, y)
    >>> X_resampled.shape, int((y_resampled == "V").sum())
    ((120, 16), 60)
    >>> sampler.sample(3, "V", random_state=0).shape
    (3, 16)
    """

    sampling_strategy: float | str | dict | Callable = parameter(
        'Classes to over-sample and how far, as everywhere in imbalanced-learn: "auto" or "not majority" '
        'bring every class up to the most frequent one, "minority" only the rarest, "all" takes the most '
        "frequent in, too (nothing is made of it). A float is the wanted ratio of the rarer class of two to "
        "the other. A dict gives the wanted number of rows of a class, a callable makes such a dict of "
        "``y``.",
        [
            Interval(Real, 0, 1, closed="right"),
            *one_of("all", "auto", "minority", "not majority", "not minority"),
            Mapping,
            callable,
        ],
        default="auto",
        kind="float, str, dict or callable",
    )
    latent_size: int = parameter("Numbers of noise that a row is made from.", COUNT, default=32)
    hidden_size: int = parameter("Units of the dense layers of both networks.", COUNT, default=64)
    channels: Sequence[int] = parameter(
        "Filters of each block of the generator, which doubles the number of samples. The critic has them "
        "in reverse order and halves it.",
        SIZES,
        default=(32, 16),
    )
    kernel_size: int = parameter("Samples in each filter of both networks.", COUNT, default=5)
    n_critic: int = parameter("Steps of the critic for each step of the generator.", COUNT, default=5)
    gradient_penalty: float = parameter("Weight of the gradient penalty.", NOT_NEGATIVE, default=10.0)
    averaging: float = parameter(
        "The generator that is kept follows the trained one by 1 - ``averaging`` of the way in every step; "
        "0 keeps the last one.",
        SHARE,
        default=0.99,
    )
    clip: bool = parameter(
        "Keep every column of a generated row within the range of its class; a class of one row is repeated as it is.",
        BOOLEAN,
        default=True,
    )
    n_steps: int = parameter("Steps of the generator.", COUNT, default=1500)
    batch_size: int = parameter(
        "Real rows in a batch, drawn with replacement, and as many generated ones.", COUNT, default=64
    )
    lr: float = parameter(
        "Learning rate of both networks at the first step; it falls linearly towards zero.",
        POSITIVE,
        default=2e-3,
    )
    precision: str = parameter("Numbers the networks compute with.", one_of("float32", "float64"), default="float32")
    random_state: int | np.random.RandomState | None = parameter(
        "Seed of the weights, the batches and the noise.", ["random_state"], default=None
    )
    verbose: int = parameter("1 shows a progress bar with the losses and time left.", ["verbose"], default=0)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train the networks and make no rows; ``sample`` does.

        Parameters
        ----------
        X, y
            As in :meth:`fit_resample`.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError, FloatingPointError
            As :meth:`fit_resample` does.
        """
        check_classification_targets(y)
        X, y, _ = self._check_X_y(X, y)
        self.sampling_strategy_ = check_sampling_strategy(self.sampling_strategy, y, self._sampling_type)
        self._train(_dense(X), y, _draw_seed(check_random_state(self.random_state)))
        return self

    def fit_resample(self, X: str | ArrayLike, y: ArrayLike) -> tuple[str | np.ndarray, ArrayLike]:
        """Train the networks and append the rows that ``sampling_strategy`` asks for.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_leads * n_timepoints + n_side_features) or \
                array-like of shape (n_samples, n_leads, n_timepoints)
            Signals in any one unit. A sparse matrix is made dense for the training.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels of any kind, of two classes at least; or a column of 0 and 1 for each class, one label in each row.

        Returns
        -------
        X_resampled : {ndarray, sparse matrix, dataframe} of shape (n_samples_new, n_features) or \
                ndarray of shape (n_samples_new, n_leads, n_timepoints)
            The rows of ``X``, unchanged and in their order, then the generated ones, in the form and the dtype of
            ``X``. Integers are rounded.
        y_resampled : array-like of shape (n_samples_new,) or (n_samples_new, n_classes)
            Their labels.

        Raises
        ------
        ValueError
            If ``X`` has NaN or infinite values or a shape that contradicts ``n_leads`` or ``n_side_features``, ``y``
            has one class, or rows with several labels or with none, or ``sampling_strategy`` asks for what cannot be.
        FloatingPointError
            If a loss becomes NaN or infinite.
        """
        X_resampled, y_resampled = super().fit_resample(X, y)
        if np.ndim(X) == 3:
            records = np.reshape(X_resampled, (-1, self.layout_.n_leads, self.layout_.n_timepoints))
            X_resampled = records.tolist() if isinstance(X, list) else records
        return X_resampled, y_resampled

    def sample(self, n: int, label: Any, *, random_state: RandomState | None = None) -> np.ndarray:
        """Generate rows of one class.

        Parameters
        ----------
        n : int
            Number of rows.
        label : object
            One of ``classes_``.
        random_state : int, RandomState instance or None, default=None
            Seed of the noise; None gives other rows at each call.

        Returns
        -------
        rows : ndarray of shape (n, n_features_in_)
            In the units and the dtype of the training rows.

        Raises
        ------
        ValueError
            If ``n`` is no positive integer or ``label`` was not in the training rows.
        """
        check_is_fitted(self, "generator_")
        if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
            raise ValueError(f"n must be an integer of at least 1, got {n!r}.")
        known = self.classes_.tolist()
        if label not in known:
            raise ValueError(f"label must be one of {known}, the classes seen in fit, got {label!r}.")
        return self._make(np.full(n, known.index(label)), _draw_seed(check_random_state(random_state)))

    def _check_X_y(self, X, y):
        y, binarize_y = read_labels(y)
        (X, y), _ = validate_rows(self, X, y=y, reset=True, accept_sparse=["csr", "csc"])
        return X, y, binarize_y

    def _fit_resample(self, X, y):
        random_state = check_random_state(self.random_state)
        rows = _dense(X)
        self._train(rows, y, _draw_seed(random_state))
        counts = [self.sampling_strategy_.get(label, 0) for label in self.classes_]
        codes = np.repeat(np.arange(len(counts)), counts)
        made = self._make(codes, _draw_seed(random_state))
        y = np.concatenate([y, self.classes_[codes]])
        if sparse.issparse(X):
            return sparse.vstack([X, type(X)(made)], format=X.format), y
        return np.concatenate([rows, made]), y

    def _train(self, X, y, seed):
        """Learn the rows; an interrupted training is kept, too, and the interrupt raised."""
        device, dtype = resolve_device(self.device), DTYPES[self.precision]
        self.__dict__.pop("generator_", None)
        self.classes_, codes = np.unique(y, return_inverse=True)
        rows = ClassRows(X, codes, self.layout_)
        sizes = self._network_sizes()
        with seeded(seed, device):
            generator = Generator(**sizes, latent_size=self.latent_size).to(device, dtype)
            critic = Critic(**{**sizes, "channels": sizes["channels"][::-1]}).to(device, dtype)
            training = WassersteinTraining(
                generator,
                critic,
                rows,
                np.random.default_rng(seed),
                n_critic=self.n_critic,
                penalty=self.gradient_penalty,
                averaging=self.averaging,
                batch_size=self.batch_size,
                lr=self.lr,
            )
            try:
                training.run(self.n_steps, self.verbose)
            except KeyboardInterrupt:
                self._keep(training)
                raise
        self._keep(training)

    def _network_sizes(self):
        return {
            "n_leads": self.layout_.n_leads,
            "n_timepoints": self.layout_.n_timepoints,
            "n_side_features": self.layout_.n_side_features,
            "n_classes": len(self.classes_),
            "hidden_size": int(self.hidden_size),
            "channels": [int(n) for n in self.channels],
            "kernel_size": int(self.kernel_size),
        }

    def _keep(self, training):
        """Keep the generator and what turns its rows into those of ``X``, without the data."""
        rows = training.rows
        self.history_, self.generator_ = training.history, training.average
        self._generator_arguments = {**self._network_sizes(), "latent_size": int(self.latent_size)}
        self._fitted_on, self._dtype = self.device, rows.X.dtype.str
        self._mean, self._scale = rows.mean, rows.scale
        self._range = (rows.low, rows.high) if self.clip else None

    def _make(self, codes, seed):
        """Rows of the classes ``codes`` in the units and the dtype of the training rows."""
        made = np.empty((len(codes), self.layout_.n_features), dtype=self._dtype)
        with seeded(seed, next(self.generator_.parameters()).device):
            for start in range(0, len(codes), _ROWS_AT_ONCE):
                part = slice(start, start + _ROWS_AT_ONCE)
                made[part] = self._in_units(generate(self.generator_, codes[part]), codes[part])
        return made

    def _in_units(self, rows, codes):
        rows = rows * self._scale + self._mean
        if self._range is not None:
            low, high = self._range
            rows = np.clip(rows, low[codes], high[codes])
        kind = np.dtype(self._dtype).kind
        if kind in "iu":
            limits = np.iinfo(self._dtype)
            return np.clip(np.rint(rows), limits.min, limits.max)
        return np.rint(rows) if kind == "b" else rows

    def __getstate__(self):
        state = dict(super().__getstate__())
        if "generator_" in state:
            state["_generator_weights"] = to_arrays(state.pop("generator_").state_dict())
        return state

    def __setstate__(self, state):
        state = dict(state)
        weights = state.pop("_generator_weights", None)
        super().__setstate__(state)
        if weights is not None:
            device = present_device(self._fitted_on)
            with seeded(0, device):
                generator = Generator(**self._generator_arguments)
            weights = to_tensors(weights)
            dtype = next(iter(weights.values())).dtype
            generator.to(dtype).load_state_dict(weights)
            self.generator_ = generator.to(device).requires_grad_(False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _dense(X):
    return X.toarray() if sparse.issparse(X) else X


def _draw_seed(random_state):
    return int(random_state.randint(np.iinfo(np.int32).max))
