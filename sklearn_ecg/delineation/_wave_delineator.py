"""WaveDelineator: a U-Net that labels every sample, and the waves decoded from it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ..base._estimator import AugmentedTraining, NetworkLayers
from ..nn.unet import UNet
from ..parameters import COUNT, POSITIVE, SIZES, parameter
from ..preprocessing import corrected_qt, wave_intervals
from ..signals._validation import check_fs, read_lead_columns
from ._decoding import waves_of_records
from ._label_map_classifier import FS_RANGE, LabelMapClassifier
from ._mending import mend_rows

_SHORTEST = 1.0  # s; shorter records are too short for a scale of their own
_ROUNDING = 1e-6  # of the level: what deviates less is flat
_NO_WAVE = np.array([[0.0], *3 * [[-np.inf]]])  # scores of none, P, QRS and T
_WAVE_LABELS = {"P": 1, "QRS": 2, "T": 3, 1: 1, 2: 2, 3: 3}


class WaveDelineator(NetworkLayers, AugmentedTraining, LabelMapClassifier):
    """Label every sample of an ECG as P wave, QRS complex, T wave or none, and tell the waves and their intervals.

    A one-dimensional U-Net [1]_ reads all leads together and scores the classes at every sample; each lead is centred
    and scaled by its own record first, so that neither units nor gains matter (a record of less than a second by the
    training records). A few samples far beyond all others (-32768, the mark of an invalid one) are bridged before, and
    dead stretches, of one value for two seconds, have no say in the scale. What the network scores is decoded into
    waves that follow one another as a heart's do: one QRS at a time, between two of them at most one T and then one P
    wave, of those the likeliest. Boundaries lie between samples, where the log-odds cross zero.

    A model of one lead is used lead by lead; one of several leads reads them as one and gives one delineation, such as
    the global one of the earliest onset and the latest offset.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, those of all columns together; without ``ignore_label``.
    n_columns_ : int
        Columns of the label maps; 1 where each record had one label.
    fs_, rate_ : float
        Sampling frequency of the signals in fit and of the network in Hz.
    network_layout_ : RowLayout
        The same at the network's rate.
    history_ : list of dict
        For each epoch: number, training and validation loss, validation score (accuracy over samples), seconds.

    References
    ----------
    .. [1] V. Moskalenko, N. Zolotykh, G. Osipov, "Deep Learning for ECG Segmentation", Neuroinformatics 2019.

    Examples
    --------
    >>> from sklearn_ecg import WaveDelineator
    >>> from sklearn_ecg.datasets import make_ecg
    >>> from sklearn_ecg.preprocessing import wave_masks
    >>> records = [make_ecg(5, fs=125, heart_rate=60 + 5 * i, random_state=i) for i in range(8)]
    >>> X = [record.lead("II") for record in records]
    >>> y = wave_masks([record.fiducials["II"] for record in records], 625)
    >>> sizes = {"rate": 125, "channels": (8, 16), "batch_size": 4}
    >>> model = WaveDelineator(fs=125, ignore_label=-1, lr=1e-2, random_state=0, **sizes).fit(X, y)
    >>> model.delineate(X)[0]["wave"][:4].tolist()
    ['T', 'P', 'QRS', 'T']
    """

    fs: float = parameter("Sampling frequency of the signals in Hz, from 50 to 4000.", POSITIVE)
    rate: float = parameter(
        "Sampling frequency in Hz at which the network works; signals of another are resampled, and "
        "``augment`` sees them at this one.",
        POSITIVE,
        default=250.0,
    )
    channels: Sequence[int] = parameter(
        "Filters of each level of the network, each at half the rate of the one before.",
        SIZES,
        default=(16, 16, 32, 32, 64),
    )
    kernel_size: int = parameter("Samples in each filter of the U-Net.", COUNT, default=9)
    ignore_label: Any = parameter(
        "Label of samples that nobody labelled, which are not learned from; see "
        ":func:`~sklearn_ecg.preprocessing.wave_masks`. None takes all labels as they are.",
        default=None,
    )
    max_epochs: int = parameter(default=30)
    batch_size: int = parameter(default=32)
    lr: float = parameter(default=3e-3)
    lr_schedule: str = parameter(default="one-cycle")
    dropout: float = parameter(default=0.1)

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        return UNet(
            n_leads,
            n_side_features,
            n_outputs,
            channels=tuple(self.channels),
            kernel_size=self.kernel_size,
            norm=self.norm,
            dropout=self.dropout,
            shortest=_SHORTEST * self.rate,
        )

    def delineate(self, X: ArrayLike, *, fs: float | None = None) -> list:
        """Onset, peak and offset of every wave.

        Parameters
        ----------
        X : array-like of shape (n_records, n_features) or (n_records, n_leads, n_timepoints)
            Signals, as in ``fit``; with ``fs``, of any length.
        fs : float, default=None
            Sampling frequency in Hz, from 50 to 4000, where it is another than in ``fit``.

        Returns
        -------
        waves : list of structured ndarray of dtype WAVE_DTYPE
            One for each record: waves in time, with the fields "wave" ("P", "QRS" or "T"), "onset", "peak" and "offset"
            in samples of ``X``, the first and the last sample of the wave. Empty where there is no wave, as in a flat
            record; nor is there one where all leads of a record are flat for two seconds.

        Raises
        ------
        ValueError
            If the labels fitted are not those of waves, ``X`` has other leads or side features than in ``fit``, or
            ``fs`` is out of range.
        """
        check_is_fitted(self, "module_")
        places = self._places_of_waves()
        X, layout = self._validate(X, reset=False) if fs is None else self._read_other(X)
        fs = self.fs_ if fs is None else check_fs(fs, **FS_RANGE)
        X, dead = mend_rows(X, layout, fs)
        rows, network_layout = self._at_rate(X, layout, fs)
        scores = self._outputs(rows, network_layout, self.module_).astype(np.float64)
        four = np.full((len(scores), 4, scores.shape[2]), -np.inf)
        for place, wave in enumerate(places):
            four[:, wave] = np.logaddexp(four[:, wave], scores[:, place])
        signals = layout.split(X)[0]
        moments = np.rint(np.arange(scores.shape[2]) * (fs / self.rate_)).astype(np.int64)
        dead = dead[:, np.minimum(moments, layout.n_timepoints - 1)] | _are_flat(signals)[:, None]
        four = np.where(dead[:, None], _NO_WAVE, four)  # whatever the network makes of nothing
        return waves_of_records(four, signals, self.rate_, fs)

    def intervals(self, X: ArrayLike, *, fs: float | None = None) -> np.ndarray:
        """Heart rate and intervals of every record: medians over its beats.

        Parameters
        ----------
        X, fs
            As for :meth:`delineate`.

        Returns
        -------
        intervals : ndarray of float64 of shape (n_records, 5)
            Heart rate in bpm, PR, QRS, QT and QT corrected by Bazett's formula in ms; NaN where no beat gives a value,
            so PR where there are no P waves.
        """
        measured = wave_intervals(self.delineate(X, fs=fs), fs=self.fs_ if fs is None else fs)
        return np.column_stack([measured, corrected_qt(measured[:, 3], measured[:, 0])])

    def _places_of_waves(self):
        """Number of the wave of each class: 0 none, 1 P, 2 QRS, 3 T."""
        labels = self.classes_.tolist()
        others = [label for label in labels if label not in _WAVE_LABELS]
        if (2 not in labels and "QRS" not in labels) or len(others) > 1:
            raise ValueError(
                "To find waves the labels must be 1 P, 2 QRS, 3 T or their names, and one other for none; fitted were "
                f"{labels}. A label of what nobody labelled goes to ignore_label, which was {self.ignore_label!r}."
            )
        return [_WAVE_LABELS.get(label, 0) for label in labels]

    def _read_other(self, X):
        """Rows of another length than in ``fit``, with the same leads and side features, and their layout."""
        fitted = self.layout_
        reader = type(self)(fs=self.fs_, n_leads=fitted.n_leads, n_side_features=fitted.n_side_features)
        X, layout = reader._validate(X, reset=True)
        if layout.n_leads != fitted.n_leads:
            raise ValueError(f"X has records of {layout.n_leads} lead(s), but the fit was on {fitted.n_leads}.")
        told = [read_lead_columns(list(getattr(of, "feature_names_in_", ()))) for of in (self, reader)]
        if None not in told and told[0][0] != told[1][0]:
            seen, given = (", ".join(leads) for leads, _ in told)
            raise ValueError(f"The column names of X tell the leads {given}, but the fit was on {seen}.")
        return X, layout


def _are_flat(signals):
    """Whether all leads of a record are, each at its level."""
    return np.array([(np.ptp(of, axis=1) <= _ROUNDING * np.abs(of[:, 0])).all() for of in map(np.float64, signals)])
