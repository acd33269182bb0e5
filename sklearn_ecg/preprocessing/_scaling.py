"""Scaling of signals: each record, lead or beat by its own values."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from ..parameters import COUNT, one_of, parameter
from ..signals._beat_records import beats_of_columns
from ..signals._output import beat_feature_names, lead_and_side_names
from ..signals._validation import RowLayout, _flatten_cube, _refuse_other_columns, column_names, signal_feature_names
from ._transformers import SignalTransformer


def _mean_and_std(signals, axis):
    return signals.mean(axis, keepdims=True), signals.std(axis, keepdims=True)


def _median_and_iqr(signals, axis):
    low, median, high = np.percentile(signals, (25, 50, 75), axis=axis, keepdims=True)
    return median, high - low


def _min_and_range(signals, axis):
    return signals.min(axis, keepdims=True), np.ptp(signals, axis=axis, keepdims=True)


def _zero_and_largest(signals, axis):
    largest = np.abs(signals).max(axis, keepdims=True)
    return np.zeros_like(largest), largest


_METHODS = {
    "zscore": _mean_and_std,
    "robust": _median_and_iqr,
    "minmax": _min_and_range,
    "max": _zero_and_largest,
}


class ECGScaler(SignalTransformer):
    """Scale each record, lead or beat by its own values.

    Nothing is learned from the training set but the layout of the rows, so that amplitudes of different patients and
    recorders become comparable without any leak between them.

    Attributes
    ----------
    by_, method_ : str
        The parameters as they were in ``fit``.
    layout_, layout_out_ : RowLayout
        How a row, or a beat with ``by="beat"``, is read.
    n_beats_ : int
        Number of beats in a row; 1 unless ``by="beat"``.
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where ``X`` has them.

    Examples
    --------
    >>> import numpy as np
    >>> ECGScaler(method="minmax").fit_transform([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]])
    array([[0. , 1. , 0.5],
           [0. , 0. , 0. ]])
    >>> ECGScaler(by="record", method="max", n_leads=2).fit_transform([[1.0, 2.0, -4.0, 0.0]])
    array([[ 0.25,  0.5 , -1.  ,  0.  ]])
    """

    by: str = parameter(
        'What shares one centre and one scale. "lead": each lead of a row by itself. "record": all leads of '
        'a row together, so that their relative amplitudes are kept. "beat": the rows hold ``n_beats`` '
        "beats, as :class:`~sklearn_ecg.segmentation.BeatSegmenter` returns them, and all leads of one beat "
        'are scaled together; beats of NaN ("no beat here") stay NaN. Where each row already is one beat, '
        '"lead" and "record" do it.',
        one_of("lead", "record", "beat"),
        default="lead",
    )
    method: str = parameter(
        '"zscore": (x - mean) / standard deviation. "robust": (x - median) / interquartile range. "minmax": '
        '(x - minimum) / range, from 0 to 1. "max": x / largest absolute value, which keeps the zero line. '
        "A scale of zero is taken as one, so that constant signals become zeros (and stay as they are with "
        '"max" if they are zero, else ±1).',
        [StrOptions(set(_METHODS))],
        default="zscore",
    )
    n_beats: int = parameter(
        'Number of beats in a 2-D row; with ``by="beat"`` only. A 3-D array is then (n_records, n_beats, '
        "row) and speaks for itself, and column names such as ``II_0000_beat000`` tell their number.",
        COUNT,
        default=1,
    )
    n_leads: int = parameter('Number of leads in a 2-D row, or in a beat with ``by="beat"``.')
    n_side_features: int = parameter(
        'Number of columns at the end of a row, or of a beat with ``by="beat"``, that are not signal; they '
        "pass through untouched.",
    )

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns of the (flattened) output.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input columns; by default those seen in ``fit``.

        Returns
        -------
        names : ndarray of str objects
            The input names. Where there are none, ``x0 …`` with one lead, ``lead0_0000 …`` with several, and
            ``lead0_0000_beat000 …`` with several beats.
        """
        check_is_fitted(self)
        if self.n_beats_ == 1 or input_features is not None or hasattr(self, "feature_names_in_"):
            return super().get_feature_names_out(input_features)
        leads, sides = lead_and_side_names(self)
        return beat_feature_names(signal_feature_names(leads, self.layout_.n_timepoints, sides), self.n_beats_)

    def _prepare(self, layout):
        return layout

    def _apply(self, signals):
        axis = 2 if self.by_ == "lead" else (1, 2)
        present = ~np.isnan(signals[:, 0, 0])
        if present.any():
            signals[present] = _scaled(signals[present], axis, _METHODS[self.method_])
        return signals

    def _read(self, X, *, reset):
        if reset:
            self.by_, self.method_, self.n_beats_ = self.by, self.method, 1
        return self._read_beats(X, reset=reset) if self.by_ == "beat" else super()._read(X, reset=reset)

    def _read_beats(self, X, *, reset):
        """The beats of all rows one below the other, and the layout of one beat."""
        X, cube = _flatten_cube(X)
        names = column_names(X) if reset else None
        rows = validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan")
        if reset:
            self.n_beats_, self.layout_ = self._beat_layout(rows.shape[1], cube, names)
        elif cube is not None and cube != (self.n_beats_, self.layout_.n_features):
            raise ValueError(
                f"X has records of shape {cube}, but {type(self).__name__} was fitted on {self.n_beats_} beat(s) of "
                f"{self.layout_.n_features} columns."
            )
        beats = rows.reshape(-1, self.layout_.n_features)
        missing = np.isnan(beats) if beats.dtype.kind == "f" else np.zeros((1, 1), dtype=bool)
        if not np.array_equal(missing.any(axis=1), missing.all(axis=1)):
            raise ValueError("X contains NaN within a beat: a beat is either free of NaN or NaN as a whole (no beat).")
        return beats, self.layout_

    def _beat_layout(self, width, cube, names):
        if cube is not None and self.n_beats not in (1, cube[0]):
            raise ValueError(f"X is 3-D with {cube[0]} beat(s), which contradicts n_beats={self.n_beats}.")
        n_beats, names = beats_of_columns(self.n_beats, names) if cube is None else (cube[0], None)
        if width % n_beats:
            raise ValueError(f"Rows of {width} columns cannot be read with n_beats={n_beats}: they do not divide.")
        layout = RowLayout.of_width(width // n_beats, self.n_leads, self.n_side_features)
        _refuse_other_columns(layout, names)
        return n_beats, layout


def _scaled(signals, axis, centre_and_scale):
    centre, scale = centre_and_scale(signals, axis)
    # A mean of equal values may differ from them in the last bit
    flat = np.ptp(signals, axis=axis, keepdims=True) == 0
    if centre_and_scale is not _zero_and_largest:
        centre = np.where(flat, signals.min(axis, keepdims=True), centre)
        scale = np.where(flat, 0.0, scale)
    return (signals - centre) / np.where(scale == 0, 1.0, scale)
