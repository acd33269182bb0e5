"""What a classifier of label maps needs: encoding, rates, columns, probabilities."""

from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ..base._estimator import NeuralEstimator
from ..preprocessing import ECGResampler
from ..signals._validation import check_fs
from ._label_maps import UNKNOWN, LabelMapLoss, at_columns, column_moments, lead_statistics
from ._mending import mend_rows

FS_RANGE = {"low": 50.0, "high": 4000.0}
"""What sampling frequencies of ECG there are, in Hz."""
_TINY = 20  # samples; of so few, any number of columns is a grid of its own


class LabelMapClassifier(ClassifierMixin, NeuralEstimator):
    """A neural estimator that labels every sample, or as many equally spaced columns as its label maps have.

    A subclass has the parameters ``fs``, ``rate`` and ``ignore_label``, and a module whose scores have the shape
    (n_records, n_classes, n_timepoints) and whose part ``standardize`` takes the statistics of the leads.
    """

    def _make_criterion(self):
        return LabelMapLoss(self._moments(self.n_columns_))

    def _validation_score(self, target, output):
        """Accuracy over the labelled columns."""
        scores = at_columns(torch.from_numpy(output), target.shape[1], self._moments(target.shape[1]))
        labelled = target != UNKNOWN
        return (scores.argmax(dim=1).numpy() == target)[labelled].mean()

    def _load_initial_weights(self, module):
        module.standardize.set_statistics(*(torch.from_numpy(values) for values in self._lead_statistics))

    @property
    def _network_layout(self):
        return self.network_layout_

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_records, n_leads * n_timepoints + n_side_features) or \
                (n_records, n_leads, n_timepoints)
            Signals; any one unit.
        y : array-like of shape (n_records, n_timepoints), (n_records, n_columns) or (n_records,)
            Label of every sample, or of columns equally spaced in time, at most half as many as there are samples or
            at least twice as many; 1-D, one for each record. Labels are of any kind, but :meth:`delineate` wants those
            of :func:`~sklearn_ecg.preprocessing.wave_masks`, 0 none, 1 P, 2 QRS, 3 T, or the names of the waves.
        sample_weight : array-like of shape (n_records,), default=None
            Non-negative weights; records of weight zero are left out.
        groups : array-like of shape (n_records,), default=None
            Patients. The validation rows of ``early_stopping`` share no patient with the training rows.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If ``X`` has NaN or infinite values or a shape that contradicts ``n_leads`` or ``n_side_features``, ``y``
            has about as many columns as there are samples, but not as many, a label map lacks ``ignore_label``, or no
            label is left to learn from.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        self._begin_fit()
        X, y, weight = self._rows_for_fit(X, y, sample_weight, multi_output=True)
        check_classification_targets(y)
        _check_columns(y, self.layout_.n_timepoints)
        target = self._encode(y.reshape(len(y), -1), weight)
        weight = weight * (target != UNKNOWN).any(axis=1)
        index = np.flatnonzero(weight)
        labels = target[index, 0] if target.shape[1] == 1 else None
        train, valid, seed = self._split_rows(index, labels, groups, len(X))
        self.fs_, self.rate_, self.n_columns_ = check_fs(self.fs, **FS_RANGE), check_fs(self.rate), target.shape[1]
        X, _ = mend_rows(X, self.layout_, self.fs_)
        X, self.network_layout_ = self._at_rate(X, self.layout_, self.fs_)
        if not self._continues():
            self._lead_statistics = lead_statistics(X, self.network_layout_, _only(weight, train))
        return self._train(len(self.classes_), X, target, weight, train, valid, seed)

    def _encode(self, y, weight):
        """Class index of every column; those of ``ignore_label`` and of records without weight are unknown."""
        labelled = np.broadcast_to(weight[:, None] > 0, y.shape)
        if self.ignore_label is not None:
            known = y != self.ignore_label
            self._refuse_relabelled(y, known)
            labelled = labelled & known
        if not labelled.any():
            raise ValueError("sample_weight and ignore_label leave no label of any class to learn from.")
        classes, codes = np.unique(y[labelled], return_inverse=True)
        if self._continues():
            unknown = np.setdiff1d(classes, self.classes_)
            if len(unknown):
                raise ValueError(f"warm_start=True: y has new classes {unknown}; fitted were {self.classes_}.")
            codes = np.searchsorted(self.classes_, y[labelled])
        else:
            self.classes_ = classes
        target = np.full(y.shape, UNKNOWN, dtype=np.int64)
        target[labelled] = codes
        return target

    def _refuse_relabelled(self, y, known):
        """Raise where a label map has none of the label that stands for what nobody labelled."""
        if y.shape[1] > 1 and np.all(known) and not self._continues():
            labels = ", ".join(map(repr, np.unique(y).tolist()[:10]))
            raise ValueError(
                f"No label of y is ignore_label={self.ignore_label!r}; they are {labels}. Where all is labelled, set "
                "ignore_label=None. scikit-learn's cross_val_predict numbers the labels of each column anew for "
                'method="predict_proba", which no label map survives: use delineation.cross_val_wave_proba.'
            )

    def _at_rate(self, X, layout, fs):
        """Rows resampled to the network's rate, and their layout."""
        if fs == self.rate_:
            return X, layout
        sizes = {"n_leads": layout.n_leads, "n_side_features": layout.n_side_features}
        resampler = ECGResampler(fs=fs, fs_out=self.rate_, **sizes)
        return resampler.fit_transform(np.ascontiguousarray(X)), resampler.layout_out_

    def _moments(self, n_columns):
        factor = self.rate_ / self.fs_
        return column_moments(n_columns, self.layout_.n_timepoints, self.network_layout_.n_timepoints, factor)

    def _scores(self, X, n_columns=None):
        """Scores at the columns in float64, (n_records, n_classes, n_columns); by default the columns of ``fit``."""
        check_is_fitted(self, "module_")
        n_columns = self.n_columns_ if n_columns is None else n_columns
        X, layout = self._validate(X, reset=False)
        rows, layout = self._at_rate(mend_rows(X, layout, self.fs_)[0], layout, self.fs_)
        scores = torch.from_numpy(self._outputs(rows, layout, self.module_).astype(np.float64))
        return at_columns(scores, n_columns, self._moments(n_columns)).numpy()

    def predict_proba(self, X: ArrayLike) -> list:
        """Class probabilities at every column of the label maps.

        Parameters
        ----------
        X : array-like of shape (n_records, n_features) or (n_records, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        proba : list of n_columns ndarrays of shape (n_records, n_classes), float64, or one such array
            One for each column, as scikit-learn has it for several outputs; a single array where each record has one
            label. :meth:`predict_wave_proba` gives one array with the same numbers.

        Notes
        -----
        scikit-learn's ``cross_val_predict`` cannot use this method with label maps: for ``method="predict_proba"`` it
        numbers the labels of each column anew, so that one number means another wave from column to column. With
        ``ignore_label`` the fit then says so; without, ``cross_val_predict`` itself fails with an IndexError.
        ``method="predict"`` is given the labels as they are; probabilities are what
        :func:`~sklearn_ecg.delineation.cross_val_wave_proba` is for.
        """
        proba = softmax(self._scores(X), axis=1)
        return proba[:, :, 0] if self.n_columns_ == 1 else list(np.moveaxis(proba, 2, 0))

    def predict_wave_proba(self, X: ArrayLike) -> np.ndarray:
        """Class probabilities at every sample of the signals.

        Parameters
        ----------
        X : array-like of shape (n_records, n_features) or (n_records, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        proba : ndarray of shape (n_records, n_timepoints, n_classes), float64
            In the order of ``classes_``.
        """
        check_is_fitted(self, "module_")
        return np.moveaxis(softmax(self._scores(X, self.layout_.n_timepoints), axis=1), 1, 2)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The most probable label at every column.

        Parameters
        ----------
        X : array-like of shape (n_records, n_features) or (n_records, n_leads, n_timepoints)
            Signals, as in ``fit``.

        Returns
        -------
        y : ndarray of shape (n_records, n_columns), or (n_records,) where each record has one label
        """
        scores = self._scores(X)
        labels = self.classes_[scores.argmax(axis=1)]
        return labels[:, 0] if self.n_columns_ == 1 else labels

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy over all columns that are labelled.

        Parameters
        ----------
        X : array-like of shape (n_records, n_features) or (n_records, n_leads, n_timepoints)
            Signals, as in ``fit``.
        y : array-like of shape (n_records, n_columns) or (n_records,)
            True labels.
        sample_weight : array-like of shape (n_records,), default=None
            Weights of the records.

        Returns
        -------
        score : float

        Raises
        ------
        ValueError
            If ``y`` has another shape than the predictions, or nothing is labelled or has weight.
        """
        predicted, y = self.predict(X), np.asarray(y)
        columns = predicted.reshape(len(predicted), -1)
        if y.ndim not in (1, 2) or y.reshape(len(y), -1).shape != columns.shape:
            raise ValueError(f"y must have the shape {predicted.shape}, got {y.shape}.")
        right = columns == y.reshape(columns.shape)
        weight = _check_sample_weight(sample_weight, columns, dtype=np.float64)[:, None] * np.ones_like(right)
        if self.ignore_label is not None:
            weight = weight * (y.reshape(columns.shape) != self.ignore_label)
        if not weight.any():
            raise ValueError("sample_weight and ignore_label leave no label of y to score.")
        return float(np.average(right, weights=weight))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _only(weight, index):
    """The weights at ``index``, 0 elsewhere."""
    chosen = np.zeros_like(weight)
    chosen[index] = weight[index]
    return chosen


def _check_columns(y, n_timepoints):
    """Raise where a label map is neither one of the samples nor clearly of another grid."""
    n_columns = y.shape[1] if y.ndim == 2 else 1
    if n_timepoints >= _TINY and n_columns != n_timepoints and n_timepoints / 2 < n_columns < 2 * n_timepoints:
        raise ValueError(
            f"y has {n_columns} columns, but X has {n_timepoints} samples: a label for each sample is wanted, or, "
            "equally spaced, at most half as many or at least twice as many."
        )
