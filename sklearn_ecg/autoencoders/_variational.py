"""What a variational autoencoder of signals does in and after its fit: rows to latents, latents to rows."""

from numbers import Integral
from typing import Any
from zlib import crc32

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import TransformerMixin
from sklearn.utils import check_array, check_consistent_length, column_or_1d, gen_batches
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_feature_names_in, _check_sample_weight, check_is_fitted

from ..base._estimator import NeuralEstimator
from ..base._pooled_r2 import pooled_r2
from ..nn.vae import N_NOISES, NegativeELBO, VariationalAutoencoder
from ..parameters import Sizes
from ..preprocessing._leads import check_lead_names, limb_places
from ..segmentation import ImpulseTrainExtractor
from ..signals._output import is_cube, output_dtype
from ..signals._validation import check_fs
from ._annealing import BetaAnnealing, LatentRecord
from ._impulses import STRETCHES, check_trains, describe_trains, draw_trains, steady_train, stretch_levels, usual_rate
from ._latent_mixture import N_MOST, draw_latents, evenly_drawn, fit_mixture

_ROWS_AT_ONCE = 1024
_TAPER = (0.08, 0.2)  # s, middle and standard deviation
_CORE = 0.06  # s on both sides of the impulse that are never stretched


class VariationalTransformer(TransformerMixin, NeuralEstimator):
    """Transformer from rows to the means of their latents and back, by impulse trains or without."""

    @property
    def n_latent_(self) -> Any:
        """Numbers that a signal becomes."""
        check_is_fitted(self, "module_")
        return self.module_.latent_size

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Mean of the latent of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_latent_)
            float32 if ``X`` is float32, else float64.
        """
        check_is_fitted(self, "module_")
        X, layout = self._validate(X, reset=False)
        return self._outputs(X, layout, self.module_, "encode").astype(output_dtype(X), copy=False)

    def inverse_transform(self, Z: ArrayLike, impulse_trains: ArrayLike | None = None, *, y: Any = None) -> np.ndarray:
        """Rows decoded from latents.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_latent_)
            Latents.
        impulse_trains : array-like of shape (n_timepoints,) or (n_samples, n_timepoints), default=None
            Where the beats are, as :class:`~sklearn_ecg.ImpulseTrainExtractor` marks them. None is a constant heart
            rate, the mean of the training records.
        y : label or array-like of shape (n_samples,), default=None
            Class of the rows; with ``conditional`` only. None gives the decoder the share of each class.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features_in_)
            Rows of signal and side features; float32 if ``Z`` is float32, else float64.

        Raises
        ------
        ValueError
            If ``Z`` or ``impulse_trains`` have another width or values that are not finite, or a class was not in the
            training rows, or no class was learned.
        """
        check_is_fitted(self, "module_")
        Z = check_array(Z, dtype="numeric", input_name="Z")
        if Z.shape[1] != self.n_latent_:
            raise ValueError(f"Z has {Z.shape[1]} columns, but {type(self).__name__} makes {self.n_latent_} of a row.")
        trains = self._given_trains(impulse_trains, len(Z))
        if trains is None and self._fitted["periodic"]:
            steady = steady_train(self.layout_.n_timepoints, self._fitted["fs"], self.heart_rate_[0], self.pulse_)
            trains = np.broadcast_to(steady, (len(Z), steady.shape[1]))
        return self._decode(Z, trains, self._labels(y, len(Z)), output_dtype(Z))

    def reconstruct(self, X: ArrayLike, y: Any = None) -> np.ndarray:
        """Signals encoded and decoded, by the impulse trains of these very signals where there are any.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.
        y : label or array-like of shape (n_samples,), default=None
            Class of the rows; with ``conditional`` only. None gives the decoder the share of each class.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            In the form that came in, 2-D or 3-D, with the side features decoded.

        Raises
        ------
        ValueError
            If ``X`` has NaN or infinite values or another width, or a class was not in the training rows, or no class
            was learned.
        """
        check_is_fitted(self, "module_")
        rows, _ = self._validate(X, reset=False)
        out = self._reconstruct(rows, self._labels(y, len(rows)), output_dtype(rows))
        return out.reshape(np.shape(X)) if is_cube(X) else out

    def score(self, X: ArrayLike, y: ArrayLike | None = None) -> float:
        """Share of the variance of all samples of all signals together that is reconstructed (pooled R²).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.
        y : array-like of shape (n_samples,), default=None
            Classes; ignored unless ``conditional``.

        Returns
        -------
        score : float
            One minus the squared error over the squared deviation from the mean of all samples. Signals without any
            deviation give 1 where they are reconstructed exactly, else 0.
        """
        check_is_fitted(self, "module_")
        rows, layout = self._validate(X, reset=False)
        label = self._labels(y if self._fitted["conditional"] else None, len(rows))
        n_signal = layout.n_signal_features

        def decoded(batch):
            return self._reconstruct(rows[batch], None if label is None else label[batch])[:, :n_signal]

        return pooled_r2(len(rows), lambda batch: rows[batch, :n_signal], decoded)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns of ``transform``: ``latent0 …``.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input columns; checked alone.

        Returns
        -------
        names : ndarray of str objects
        """
        check_is_fitted(self, "module_")
        _check_feature_names_in(self, input_features)
        return np.asarray([f"latent{i}" for i in range(self.n_latent_)], dtype=object)

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        n_blocks = len(self.channels)
        n_taps = taper = stretch = None
        if self.periodic:
            half = min(round(self.filter_length * self.fs / 2), n_timepoints - 1)  # those further out meet no sample
            n_taps = 2 * half + 1
            if self.stretch:
                stretch = STRETCHES, round(_CORE * self.fs)
            if self.taper:
                taper = np.exp(-0.5 * ((np.arange(-half, half + 1) / self.fs - _TAPER[0]) / _TAPER[1]) ** 2)
        return VariationalAutoencoder(
            n_leads,
            n_timepoints,
            n_side_features,
            n_outputs,
            latent_size=self.latent_size,
            filter_length=n_taps,
            taper=taper,
            stretch=stretch,
            limb=None if self.lead_names is None else limb_places(self.lead_names),
            channels=tuple(self.channels),
            kernel_sizes=_of_each_block("kernel_size", self.kernel_size, n_blocks),
            strides=_of_each_block("stride", self.stride, n_blocks),
            norm=self.norm,
            dropout=self.dropout,
        )

    def _make_criterion(self):
        return NegativeELBO(self.beta, self.free_bits)

    def _load_initial_weights(self, module):
        module.set_signal_statistics(*self._signal_statistics)

    def _net_callbacks(self, valid):
        annealing = [] if self.annealing is None else [BetaAnnealing(self.annealing)]
        return [*annealing, LatentRecord(), *super()._net_callbacks(valid)]

    def _read_rows(self, X, y, sample_weight):
        """Checked rows, weights, and the index of the class of each row (0 without classes)."""
        fs = check_fs(self.fs)
        if self.conditional and y is None:
            raise ValueError("conditional=True wants the classes y.")
        continues = self._continues()
        X, layout = self._validate(X, reset=not continues)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        for name in ("kernel_size", "stride"):
            _of_each_block(name, getattr(self, name), len(self.channels))
        if self.lead_names is not None:
            check_lead_names(self, layout)
        target = self._read_classes(y, X, weight, continues) if self.conditional else np.zeros(len(X), dtype=np.int64)
        if not continues:
            self._fitted = {"fs": fs, "periodic": self.periodic, "conditional": self.conditional}
            self._dtype = np.dtype(output_dtype(X)).str
        return X, weight, target

    def _read_classes(self, y, X, weight, continues):
        y = column_or_1d(y)
        check_consistent_length(X, y)
        check_classification_targets(y)
        if not continues:
            self.classes_ = np.unique(y[weight > 0])
        known = np.isin(y, self.classes_)
        if not known[weight > 0].all():
            raise ValueError(f"warm_start=True: y has new classes; fitted were {self.classes_}.")
        codes = np.where(known, np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1), 0)
        if not continues:
            total = np.bincount(codes, weights=weight, minlength=len(self.classes_))
            self.class_prior_ = total / total.sum()
        return codes

    def _describe(self, X, weight, train):
        """Impulse trains of all rows, or None; sets what the fitted estimator knows of the training rows."""
        trains = None
        continues = self._continues()
        if self.periodic:
            if not continues:
                settings = {"fs": self.fs, "method": self.impulse, "binary": self.binary}
                layout = {"n_leads": self.layout_.n_leads, "n_side_features": self.layout_.n_side_features}
                extractor = ImpulseTrainExtractor(**settings, **layout).set_output(transform="default")
                self._extractor = extractor.fit(X[:1])
            trains = self._trains_of(X)
        if continues:
            return trains
        train_scale = 1.0
        for name in ("pulse_", "heart_rate_"):
            self.__dict__.pop(name, None)
        if self.periodic:
            self.pulse_, train_scale, rates = describe_trains(trains, weight, train, self.fs)
            self.heart_rate_ = usual_rate(X, self.layout_, train, weight, rates, self.fs)
        self._signal_statistics = (*_centre_and_scale(X, self.layout_, weight, train), train_scale)
        return trains

    def _trains_of(self, X):
        return self._extractor.transform(X)[:, : self.layout_.n_timepoints]

    def _beside(self, X, trains, target):
        """What the module is given in training beside the rows."""
        with np.errstate(over="ignore"):  # the same numbers, of whatever type, have the same noise
            noise = [crc32(np.ascontiguousarray(row, dtype="<f4")) % N_NOISES for row in X]
        beside = {"noise": np.array(noise, dtype=np.int64)}
        if trains is not None:
            beside["train"] = trains
            if self.stretch:
                beside["level"] = stretch_levels(trains, self.fs)
        if self.conditional:
            beside["label"] = np.eye(len(self.classes_))[target]
        return beside

    def _mix(self, X, weight, target, train, seed):
        """Mixture of the latents of the training rows, one for each class; None without ``n_components``."""
        if self.n_components is None:
            return None
        mixtures = []
        for k in range(len(self.classes_) if self.conditional else 1):
            rows = train[target[train] == k]
            if not len(rows):  # the validation rows have all of this class
                rows = train
            taken = rows[evenly_drawn(weight[rows], min(max(2, len(rows)), N_MOST))]
            Z = self._outputs(X[taken], self.layout_, self.module_, "encode").astype(np.float64)
            mixtures.append(fit_mixture(Z, self.n_components, seed))
        return mixtures

    def _labels(self, y, n):
        """Indicators of the classes ``y``, or the share of each class; None without classes."""
        if not self._fitted["conditional"]:
            if y is not None:
                raise ValueError(f"conditional=False has not learned classes: y must be None, got {y!r}.")
            return None
        if y is None:
            return np.broadcast_to(self.class_prior_, (n, len(self.classes_)))
        y = np.asarray(y)
        if y.shape not in ((), (n,)):
            raise ValueError(f"y must be a label, or one for each of {n} rows, got shape {y.shape}.")
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y must hold classes seen in fit, {self.classes_.tolist()}, got {unknown.tolist()}.")
        return np.broadcast_to(np.eye(len(self.classes_))[np.searchsorted(self.classes_, y)], (n, len(self.classes_)))

    def _draw_labels(self, y, n, rng):
        if y is None and self._fitted["conditional"]:
            y = rng.choice(self.classes_, size=n, p=self.class_prior_)
        return self._labels(y, n)

    def _draw_latents(self, n, label, rng):
        if self.mixtures_ is None:
            return rng.normal(size=(n, self.n_latent_))
        return draw_latents(self.mixtures_, np.zeros(n, int) if label is None else label.argmax(axis=1), rng)

    def _given_trains(self, impulse_trains, n):
        if impulse_trains is None:
            return None
        if not self._fitted["periodic"]:
            raise ValueError("periodic=False has learned signals without impulse trains: it takes none.")
        return check_trains(impulse_trains, n, self.layout_.n_timepoints)

    def _draw_trains(self, rng, n, heart_rate, rr, impulse_trains):
        if impulse_trains is not None and not (heart_rate is None and rr is None):
            raise ValueError("Give either impulse_trains or heart_rate and rr, not both.")
        if not self._fitted["periodic"]:
            if not (heart_rate is None and rr is None):
                raise ValueError("periodic=False has learned signals without a rhythm: heart_rate and rr say nothing.")
            return self._given_trains(impulse_trains, n)
        if impulse_trains is not None:
            return self._given_trains(impulse_trains, n)
        rhythm = {"rr": rr, "heart_rate": heart_rate, "usual_rate": self.heart_rate_, "pulse": self.pulse_}
        return draw_trains(rng, n, self.layout_.n_timepoints, self._fitted["fs"], **rhythm)

    def _reconstruct(self, rows, label, dtype=np.float64):
        Z = self._outputs(rows, self.layout_, self.module_, "encode")
        return self._decode(Z, self._trains_of(rows) if self._fitted["periodic"] else None, label, dtype)

    def _decode(self, Z, trains, label, dtype=np.float64):
        """Rows; limb leads that follow from I and II are computed from the two as they are returned."""
        out = np.empty((len(Z), self.layout_.n_features), dtype=dtype)
        signals_out, side_out = self.layout_.split(out)
        level = None if self.module_.stretch is None else stretch_levels(trains, self._fitted["fs"])
        with torch.inference_mode():
            for batch in gen_batches(len(Z), self.batch_size):
                signals, side = self.module_.decode(*(self._tensor(v, batch) for v in (Z, trains, label, level)))
                signals_out[batch], side_out[batch] = signals.cpu().numpy(), side.cpu().numpy()
        if self.module_.limb is not None:
            one, two, followers = self.module_.limb
            for place, (of_one, of_two) in followers.items():
                signals_out[:, place] = of_one * signals_out[:, one] + of_two * signals_out[:, two]
        if not np.isfinite(out).all():
            raise FloatingPointError(
                f"The network's output is NaN or infinite: X has values too large for precision={self.precision!r}."
            )
        return out

    def _tensor(self, values, batch):
        if values is None:
            return None
        parameter = next(self.module_.parameters())
        tensor = torch.tensor(values[batch], device=parameter.device)
        return tensor.to(parameter.dtype) if tensor.is_floating_point() else tensor

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _of_each_block(name, value, n_blocks):
    """A positive integer for each block, from one for all or a sequence."""
    values = (value,) * n_blocks if isinstance(value, Integral) else tuple(value)
    if not Sizes().is_satisfied_by(values) or len(values) != n_blocks:
        raise ValueError(f"{name} must be a positive integer, or one for each of the {n_blocks} blocks, got {value!r}.")
    return values


def _centre_and_scale(X, layout, weight, train):
    """For each lead the mean of the rows' medians, and the root mean square deviation from it."""
    total, centre, square = weight[train].sum(), np.zeros(layout.n_leads), np.zeros(layout.n_leads)
    batches = [train[batch] for batch in gen_batches(len(train), _ROWS_AT_ONCE)]
    with np.errstate(over="ignore", invalid="ignore"):  # the loss tells of values too large
        for rows in batches:
            centre += weight[rows] @ np.median(layout.split(X[rows])[0].astype(np.float64), axis=2) / total
        for rows in batches:
            deviation = layout.split(X[rows])[0].astype(np.float64) - centre[:, None]
            square += weight[rows] @ (deviation**2).mean(axis=2) / total
    scale = np.sqrt(square)
    scale[scale < 1e-8 * np.maximum(1e-300, np.abs(centre))] = 1.0
    return centre, scale
