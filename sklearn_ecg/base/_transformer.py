"""The transformers' part of the neural base: signals to latents, latents to signals, and how well."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import TransformerMixin, _fit_context
from sklearn.utils import check_array
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ..nn.losses import OwnLoss
from ..signals._output import is_cube, lead_and_side_names, output_dtype
from ..signals._validation import RowLayout
from ._estimator import NeuralEstimator
from ._pooled_r2 import pooled_r2


class NeuralTransformer(TransformerMixin, NeuralEstimator):
    """A neural transformer from signals to latents and back.

    A method gives ``_make_module``. Its module has the methods ``transform``, ``reconstruct`` and
    ``inverse_transform``, the number ``n_latent``, and the mask ``punished`` (leads, time) of the samples whose error
    counts; called, it gives the loss of each row.
    """

    _documented_attributes: ClassVar = {"n_latent_": ("int", "Numbers that a signal becomes.")}

    def _make_criterion(self):
        return OwnLoss()

    def _before_training(self, X, layout, train, seed):
        """What must be checked or made of the signals before the training on the rows ``train``."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads * n_timepoints + n_side_features) or \
                (n_samples, n_leads, n_timepoints)
            Signals; any one unit, usually scaled before, so that every record counts alike.
        y : None
            Ignored.
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
            If ``X`` has NaN or infinite values or a shape that contradicts ``n_leads`` or ``n_side_features``, or a
            parameter does not fit the signals or another parameter.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        self._begin_fit()
        X, layout = self._validate(X, reset=not self._continues())
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        train, valid, seed = self._split_rows(np.flatnonzero(weight), None, groups, len(X))
        self._before_training(X, layout, train, seed)
        return self._train(1, X, np.zeros(len(X), dtype=np.int64), weight, train, valid, seed)

    @property
    def n_latent_(self) -> Any:
        """Numbers that a signal becomes."""
        check_is_fitted(self, "module_")
        return self.module_.n_latent

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Latent of each signal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_latent + n_side_features)
            Latent, then the side columns of ``X``; float32 if ``X`` is float32, else float64.
        """
        rows, latent = self._apply(X, "transform")
        return self._with_side(latent, rows)

    def reconstruct(self, X: ArrayLike) -> np.ndarray:
        """Signals encoded and decoded; the error of each sample is the difference from ``X``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            In the form that came in, 2-D or 3-D, with the side columns of ``X``.
        """
        rows, decoded = self._apply(X, "reconstruct")
        out = self._with_side(decoded.reshape(len(rows), -1), rows)
        return out.reshape(decoded.shape) if is_cube(X) else out

    def inverse_transform(self, Z: ArrayLike) -> np.ndarray:
        """Signals decoded from latents.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_latent + n_side_features)
            Latents, then side columns, as ``transform`` gives them.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Rows of signal, then the side columns of ``Z``.

        Raises
        ------
        ValueError
            If ``Z`` has another width, or NaN or infinite values.
        """
        check_is_fitted(self, "module_")
        Z = check_array(Z, dtype="numeric", input_name="Z")
        n_side, n_latent = self.layout_.n_side_features, self.n_latent_
        if Z.shape[1] != n_latent + n_side:
            raise ValueError(
                f"Z has {Z.shape[1]} columns, but {type(self).__name__} was fitted with {n_latent} for the latent and "
                f"{n_side} side features."
            )
        decoded = self._outputs(Z, RowLayout(1, n_latent, n_side), self.module_, "inverse_transform")
        rows = np.hstack([decoded.reshape(len(Z), -1), Z[:, n_latent:]])
        return rows.astype(output_dtype(Z), copy=False)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Share of the variance of all samples of all signals together that is reconstructed (pooled R²).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals, as in ``fit``.
        y : None
            Ignored.

        Returns
        -------
        score : float
            One minus the squared error over the squared deviation from the mean of all samples; those unpunished in
            ``fit`` do not count. Signals without any deviation give 1 where they are reconstructed exactly, else 0.
        """
        check_is_fitted(self, "module_")
        rows, layout = self._validate(X, reset=False)
        punished = self.module_.punished.cpu().numpy() > 0
        signals, _ = layout.split(rows)

        def decoded(batch):
            return self._outputs(rows[batch], layout, self.module_, "reconstruct")[:, punished]

        return pooled_r2(len(rows), lambda batch: signals[batch][:, punished], decoded)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns of ``transform``: ``latent0 …``, then the names of the side columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input columns; by default those seen in ``fit``.

        Returns
        -------
        names : ndarray of str objects
        """
        check_is_fitted(self, "module_")
        _, sides = lead_and_side_names(self, input_features)
        return np.asarray([*(f"latent{i}" for i in range(self.n_latent_)), *sides], dtype=object)

    def _apply(self, X, method):
        """Checked rows, and what a method of the module makes of them."""
        check_is_fitted(self, "module_")
        rows, layout = self._validate(X, reset=False)
        return rows, self._outputs(rows, layout, self.module_, method)

    def _with_side(self, values, rows):
        """Columns beside the side columns of ``rows``."""
        side = self.layout_.split(rows)[1]
        return np.hstack([values, side]).astype(output_dtype(rows), copy=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
