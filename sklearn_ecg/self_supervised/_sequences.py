"""What classifiers of heartbeat sequences share: the door for segments, pre-training, embeddings."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..base._classifier import NeuralClassifier
from ..base._device import DTYPES, present_device, seeded
from ..base._pretrained import load_part
from ..signals._beat_records import validate_beats
from ._pretraining import (
    check_stages,
    epochs_of_stages,
    pretrain_segments,
    read_pretrained,
    statistics_of_beats,
)
from ._reconstruction import reconstruct_beats

_SURE = 1e3
"""Logit of a class that the training rows never, or always, showed."""


class SegmentSequenceClassifier(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NeuralClassifier):
    """A classifier of heartbeat segments in their order, which may learn from unlabelled records first.

    A method gives ``_make_module`` (whose ``segments`` are what is pre-trained) and ``_make_decoder``.
    """

    __metadata_request__fit = {"X_unlabeled": True}

    def __sklearn_is_fitted__(self):
        return hasattr(self, "module_") or hasattr(self, "pretrained_")  # which is enough to embed

    def fit(
        self,
        X: ArrayLike,
        y: Any,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        X_unlabeled: ArrayLike | None = None,
    ) -> Self:
        """Train the network, after pre-training it where ``X_unlabeled`` is given.

        An earlier :meth:`pretrain` counts with ``warm_start=True`` only, and ``X_unlabeled`` then goes on from it;
        ``pretrained`` counts otherwise.

        Parameters
        ----------
        X : array-like of shape (n_records, n_beats, n_columns) or (n_records, n_beats * n_columns)
            Segments: each a row of ``n_leads * n_timepoints + n_side_features`` columns, or NaN where there is none.
        y : array-like of shape (n_records,), or indicator matrix of shape (n_records, n_labels)
            Labels of any kind; or 1 where a label holds and 0 where it does not, for labels that go together.
        sample_weight : array-like of shape (n_records,), default=None
            Non-negative weights; rows of weight zero are left out.
        groups : array-like of shape (n_records,), default=None
            Patients. The validation rows of ``early_stopping`` share no patient with the training rows.
        X_unlabeled : array-like of shape (n_unlabeled, n_beats, n_columns) or \
                (n_unlabeled, n_beats * n_columns), default=None
            Records to pre-train on. Only these count: ``X`` itself has to be among them to be learned from. With
            metadata routing on, ``Pipeline(..., transform_input=["X_unlabeled"])`` transforms them like ``X``, and
            cross-validation passes them on whole, unless there are exactly as many of them as rows in ``X``: then
            scikit-learn takes them for a property of the rows and cuts them.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a segment is NaN in part or a value is infinite, a shape contradicts the parameters, ``pretrained`` does
            not fit, or there is no segment at all.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        if X_unlabeled is not None and self._continues():
            raise ValueError(
                "warm_start=True continues a fitted network, which X_unlabeled cannot pre-train any more; use "
                "warm_start=False, or pretrained=."
            )
        self._unlabeled = X_unlabeled
        try:
            return super().fit(X, y, sample_weight=sample_weight, groups=groups)
        except Exception:
            if not self.warm_start:
                self.__dict__.pop("pretrained_", None)  # which would make a failed fit look like a fitted one
            raise
        finally:
            del self._unlabeled

    @_fit_context(prefer_skip_nested_validation=True)
    def pretrain(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn from unlabelled records, anew: an earlier fit is forgotten.

        Parameters
        ----------
        X : array-like of shape (n_records, n_beats, n_columns) or (n_records, n_beats * n_columns)
            Segments, as in :meth:`fit`.
        y : None
            Ignored.

        Returns
        -------
        self : object
            With ``pretrained_`` and ``history_``. :meth:`transform` and :meth:`reconstruct` work from here;
            :meth:`fit` goes on from here with ``warm_start=True``.

        Raises
        ------
        ValueError
            As :meth:`fit` does.
        """
        for name in ("module_", "net_", "pretrained_"):
            self.__dict__.pop(name, None)
        self._begin_fit()
        X, layout = self._validate(X, reset=True)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        self.history_ = []
        pretrain_segments(self, X, layout, read_pretrained(self.pretrained), seed)
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Embeddings of records, for models of tables.

        Parameters
        ----------
        X : array-like of shape (n_records, n_beats, n_columns) or (n_records, n_beats * n_columns)
            Segments, as in :meth:`fit`.

        Returns
        -------
        embeddings : ndarray of shape (n_records, embedding_size), float64
            What the dense layers get; after :meth:`pretrain` alone, the mean over the segments. NaN for a record
            without segments.
        """
        module = self._module_to_embed()
        X, layout = self._validate(X, reset=False)
        embeddings = self._outputs(X, layout, module, "embed").astype(np.float64)
        embeddings[~layout.present(X).any(axis=1)] = np.nan
        return embeddings

    def reconstruct(self, X: ArrayLike, hidden: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
        """What the pre-trained network fills in where segments are hidden from it.

        Parameters
        ----------
        X : array-like of shape (n_records, n_beats, n_columns) or (n_records, n_beats * n_columns)
            Segments, as in :meth:`fit`.
        hidden : array-like of bool of shape (n_records, n_beats), default=None
            Segments to hide. None draws them as the training does (``mask_ratio``, ``random_state``). After stage
            "autoencoder" alone nothing is hidden: the segments told here are decoded from their own embedding.

        Returns
        -------
        filled : ndarray of shape (n_records, n_beats, n_leads, n_timepoints), float64
            The signals, with those of the hidden segments as the network fills them in.
        hidden : ndarray of bool of shape (n_records, n_beats)
            Which were hidden.

        Raises
        ------
        ValueError
            If ``hidden`` has another shape, hides what is not there, or the pre-training has no decoder.
        """
        if not hasattr(self, "pretrained_"):
            raise NotFittedError("reconstruct wants a pre-trained network: call pretrain, or fit with X_unlabeled.")
        X, layout = self._validate(X, reset=False)
        return reconstruct_beats(self, X, layout, hidden)

    @available_if(lambda self: self.pooling == "attention")
    def beat_attention(self, X):
        """The weight of each segment in the embedding of its record; only with ``pooling="attention"``.

        Parameters
        ----------
        X : array-like of shape (n_records, n_beats, n_columns) or (n_records, n_beats * n_columns)
            Segments, as in :meth:`fit`.

        Returns
        -------
        weights : ndarray of shape (n_records, n_beats)
            Non-negative, of sum 1 in each record with segments; zero where there is none.
        """
        return self._forward(X, "beat_weights")

    def _load_initial_weights(self, module):
        learned = hasattr(self, "pretrained_")  # and warm_start: without it, the fit began by forgetting
        self.history_ = [row for row in self.history_ if row["stage"] != "classifier"] if learned else []
        if self._unlabeled is not None:
            X, layout = self._validate(self._unlabeled, reset=False)
            start = self.pretrained_ if learned else read_pretrained(self.pretrained)
            pretrain_segments(self, X, layout, start, int(torch.randint(np.iinfo(np.int32).max, ())))
        elif self.pretrained is not None and not learned:
            self.pretrained_ = dict(read_pretrained(self.pretrained))
        if hasattr(self, "pretrained_"):
            load_part(module.segments, self.pretrained_, "segments")
        elif self.freeze_encoder:
            raise ValueError(
                "freeze_encoder=True wants a pre-trained encoder: X_unlabeled, pretrained=, or pretrain and "
                "warm_start=True."
            )

    def _history_with(self, epochs, continues):
        n_before = sum(row["stage"] == "classifier" for row in self.history_)
        return [*self.history_, *({"stage": "classifier", **row, "epoch": n_before + row["epoch"]} for row in epochs)]

    def _module_to_embed(self):
        """The fitted module, or one that averages what was pre-trained alone."""
        check_is_fitted(self)
        if hasattr(self, "module_"):
            return self.module_
        device = present_device(self.device)
        with seeded(0, device):
            module = self._make_module(*self._sizes(1)).to(device, DTYPES[self.precision])
        load_part(module.segments, self.pretrained_, "segments")
        module.pooling = "mean"
        return module.eval()

    def _validate(self, X, *, reset, **check_params):
        return validate_beats(self, X, reset=reset, **check_params)

    def _begin_fit(self):
        super()._begin_fit()
        if not self.warm_start:
            self.__dict__.pop("pretrained_", None)
        check_stages(self.pretrain_stages)
        epochs_of_stages(self)
        if self.embedding_size % self.n_heads:
            raise ValueError(f"embedding_size must be a multiple of n_heads={self.n_heads}, got {self.embedding_size}.")
        self._n_features_out = self.embedding_size

    def _make_net(self, module, criterion, device):
        net = super()._make_net(module, criterion, device)
        return net.set_params(frozen=(*net.frozen, "segments")) if self.freeze_encoder else net

    def _side_statistics(self, X, weight, train):
        return statistics_of_beats(X, self.layout_, weight, train)[1]

    def _rows_to_learn_from(self, X, index, target, weight):
        if self._multi_label:
            total = weight[index] @ target[index]
        else:
            total = np.bincount(target[index], weights=weight[index], minlength=len(self.classes_))
        self.class_prior_ = total / weight[index].sum()
        index = index[self.layout_.present(X)[index].any(axis=1)]
        if not len(index):
            raise ValueError("There is no beat in any record with a positive weight: every row is NaN.")
        return index

    def _logits(self, X):
        check_is_fitted(self, "module_")
        X, layout = self._validate(X, reset=False)
        logits = self._outputs(X, layout, self.module_).astype(np.float64)
        with np.errstate(divide="ignore"):
            prior = np.log(self.class_prior_)
            if self._multi_label:
                prior -= np.log1p(-self.class_prior_)
        # finite, because scorers refuse infinite decisions; the probability is 0 or 1 all the same
        logits[~layout.present(X).any(axis=1)] = np.clip(prior, -_SURE, _SURE)
        return logits
