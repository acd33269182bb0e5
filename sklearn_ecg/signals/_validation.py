"""The one door for signals: 2-D rows or 3-D records in, checked 2-D rows and their layout out."""

import re
from dataclasses import dataclass
from math import isclose
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import validate_data

from ._annotations import STANDARD_LEADS, lead_index

_LEAD_COLUMN = re.compile(r"(?P<lead>.+)_(?P<index>\d{4,})")
_BEAT_COLUMN = re.compile(r"(?P<name>.+)_beat(?P<beat>\d{3,})")
_MOST_LEADS = 12  # of a record whose axes may be in the wrong order
_MOST_SHAPES = 5
_ROWS = "2-D rows (n_samples, n_leads * n_timepoints + n_side_features) or 3-D (n_samples, n_leads, n_timepoints)"


@dataclass(frozen=True)
class RowLayout:
    """How a 2-D row is read: lead after lead, side features last."""

    n_leads: int
    n_timepoints: int
    n_side_features: int = 0

    @property
    def n_signal_features(self) -> int:
        return self.n_leads * self.n_timepoints

    @property
    def n_features(self) -> int:
        return self.n_signal_features + self.n_side_features

    def split(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Views (n_samples, n_leads, n_timepoints) and (n_samples, n_side_features) of the rows ``X``."""
        signals = X[:, : self.n_signal_features].reshape(len(X), self.n_leads, self.n_timepoints)
        return signals, X[:, self.n_signal_features :]

    @classmethod
    def of_width(cls, width: int, n_leads: int, n_side_features: int = 0) -> "RowLayout":
        """Layout of rows of ``width`` columns; ValueError where they do not divide into leads of equal length."""
        n_signal = width - n_side_features
        if n_signal < n_leads or n_signal % n_leads:
            raise ValueError(
                f"Rows of {width} columns cannot be read with n_leads={n_leads} and n_side_features={n_side_features}: "
                f"the {n_signal} signal columns must be a positive multiple of n_leads."
            )
        return cls(n_leads, n_signal // n_leads, n_side_features)


@dataclass(frozen=True)
class BeatLayout:
    """How a record made of beats is read: rows of one layout, one after another; a row of NaN is no beat."""

    n_beats: int
    beat: RowLayout

    @property
    def n_leads(self) -> int:
        return self.beat.n_leads

    @property
    def n_timepoints(self) -> int:
        return self.beat.n_timepoints

    @property
    def n_side_features(self) -> int:
        return self.beat.n_side_features

    @property
    def n_features(self) -> int:
        return self.n_beats * self.beat.n_features

    def split(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Views (n_records, n_beats, n_leads, n_timepoints) and (n_records, n_beats, n_side_features) of the rows."""
        beats = X.reshape(len(X), self.n_beats, self.beat.n_features)
        signals = beats[:, :, : self.beat.n_signal_features]
        shape = len(X), self.n_beats, self.n_leads, self.n_timepoints
        return signals.reshape(shape), beats[:, :, self.beat.n_signal_features :]

    def present(self, X: np.ndarray) -> np.ndarray:
        """Whether there is a beat: boolean ndarray of shape (n_records, n_beats)."""
        return ~np.isnan(X[:, :: self.beat.n_features])


def flatten_leads(X: ArrayLike, side: ArrayLike | None = None) -> np.ndarray:
    """Flatten records into 2-D rows: lead after lead, side features last.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_leads, n_timepoints)
        Signals.
    side : array-like of shape (n_samples, n_side_features), default=None
        Features that stand beside the signal (RR intervals, age).

    Returns
    -------
    rows : ndarray of shape (n_samples, n_leads * n_timepoints + n_side_features)

    Raises
    ------
    ValueError
        If ``X`` is not 3-D or is (n_samples, n_timepoints, n_leads), or ``side`` not 2-D with as many rows.
    """
    X = as_array(X, "X")
    if X.ndim != 3:
        raise ValueError(f"X must be 3-D (n_samples, n_leads, n_timepoints), got {X.ndim} dimension(s).")
    refuse_swapped(X.shape, "X")
    rows = X.reshape(len(X), X.shape[1] * X.shape[2])
    if side is None:
        return rows
    side = np.asarray(side)
    if side.ndim != 2 or len(side) != len(X):
        raise ValueError(f"side must be 2-D with {len(X)} rows, one for each record, got shape {side.shape}.")
    return np.hstack([rows, side])


def unflatten_leads(X: ArrayLike, n_leads: int = 1, n_side_features: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Read 2-D rows as records and side features; the inverse of :func:`flatten_leads`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_leads * n_timepoints + n_side_features)
        Rows.
    n_leads : int, default=1
        Number of leads in a row.
    n_side_features : int, default=0
        Number of columns at the end of a row that are not signal.

    Returns
    -------
    signals : ndarray of shape (n_samples, n_leads, n_timepoints)
    side : ndarray of shape (n_samples, n_side_features)

    Raises
    ------
    ValueError
        If ``X`` is not 2-D or its width does not divide into ``n_leads`` leads.
    """
    X = as_array(X, "X")
    if X.ndim != 2:
        raise ValueError(f"X must be 2-D (n_samples, n_features), got {X.ndim} dimension(s).")
    return RowLayout.of_width(X.shape[1], n_leads, n_side_features).split(X)


def signal_feature_names(lead_names, n_timepoints, side_names=()):
    """Column names of 2-D rows: ``II_0000 … II_0255, V1_0000 …``, then the names of the side features."""
    names = [f"{lead}_{index:04d}" for lead in lead_names for index in range(n_timepoints)]
    return np.asarray([*names, *side_names], dtype=object)


def read_lead_columns(names):
    """Lead names and layout told by column names, or None where the names tell no leads."""
    matches = [_LEAD_COLUMN.fullmatch(str(name)) for name in names]
    n_signal = next((i for i, match in enumerate(matches) if match is None), len(matches))
    leads = list(dict.fromkeys(match["lead"] for match in matches[:n_signal]))
    if not leads or n_signal % len(leads):
        return None
    n_timepoints = n_signal // len(leads)
    if list(signal_feature_names(leads, n_timepoints)) != [str(name) for name in names[:n_signal]]:
        return None
    return leads, RowLayout(len(leads), n_timepoints, len(names) - n_signal)


def check_fs(fs, *, name="fs", low=0.0, high=np.inf):
    """``fs`` as a float; a clear error unless it is a finite number of hertz in (low, high]."""
    if not isinstance(fs, Real) or isinstance(fs, bool):
        raise TypeError(f"{name} must be a number, the sampling frequency in Hz, got {fs!r}.")
    if not (np.isfinite(fs) and fs > 0 and low <= fs <= high):
        wanted = "positive and finite" if (low, high) == (0.0, np.inf) else f"between {low:g} and {high:g}"
        raise ValueError(f"{name} must be {wanted}, the sampling frequency in Hz, got {fs!r}.")
    return float(fs)


def validate_rows(estimator, X, *, reset, **check_params):
    """Check signals at the door and return them as 2-D rows with their layout.

    3-D input is flattened first, so ``n_features_in_`` is the row width and 2-D and 3-D are interchangeable. With
    ``reset`` the layout is read from the estimator's ``n_leads`` and ``n_side_features`` and kept in ``layout_``;
    otherwise the fitted one holds. Memory-mapped and in-memory arrays are not copied.

    Parameters
    ----------
    estimator : estimator
        Has the parameters ``n_leads`` and ``n_side_features``.
    X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
        Signals.
    reset : bool
        True in ``fit``.
    **check_params
        Passed on to :func:`sklearn.utils.validation.validate_data`; with ``y``, a pair is returned for ``X``.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features), or (X, y) where ``y`` was given
    layout : RowLayout

    Raises
    ------
    ValueError
        If the shape, the number of leads or the column names contradict the estimator's parameters, the axes are in
        the order (n_samples, n_timepoints, n_leads) or the columns are leads, the width differs from the one seen in
        ``fit``, or a value is NaN or infinite.
    """
    X, cube = _flatten_cube(X)
    if reset:
        _check_counts(estimator)
        _refuse_contradiction(estimator, cube)
        names = column_names(X)
    elif cube is not None and cube != (estimator.layout_.n_leads, estimator.layout_.n_timepoints):
        layout = estimator.layout_
        raise ValueError(
            f"X has records of shape {cube}, but {type(estimator).__name__} was fitted on records of shape "
            f"{(layout.n_leads, layout.n_timepoints)} with {layout.n_side_features} side features."
        )
    check_params = {"dtype": "numeric", **check_params}
    checked = validate_data(estimator, X, reset=reset, **check_params)
    if not reset:
        return checked, estimator.layout_
    rows = checked[0] if isinstance(checked, tuple) else checked
    if cube is not None:
        layout = RowLayout(*cube)
    else:
        layout = RowLayout.of_width(rows.shape[1], estimator.n_leads, estimator.n_side_features)
        _refuse_other_columns(layout, names)
        _refuse_beats(names)
    estimator.layout_ = layout
    return checked, layout


def check_record(signal, *, fs=None, name="signal"):
    """Check one raw recording and return its leads.

    Parameters
    ----------
    signal : array-like of shape (n_timepoints,) or (n_leads, n_timepoints), or ECGRecord
        The recording.
    fs : float, default=None
        Sampling frequency in Hz that an ``ECGRecord`` must have; None takes any.
    name : str, default="signal"
        What errors call it.

    Returns
    -------
    leads : ndarray of shape (n_leads, n_timepoints)
        Single precision stays single, everything else is double.

    Raises
    ------
    ValueError
        If it is neither 1-D nor 2-D, has no lead, is (n_timepoints, n_leads), or ``fs`` is not that of the record.
    """
    leads = as_array(signal_of(signal, fs=fs, name=name), name)
    if leads.ndim not in (1, 2) or leads.dtype == object or (leads.ndim == 2 and len(leads) == 0):
        raise ValueError(
            f"{name} must have shape (n_timepoints,) or (n_leads, n_timepoints), or be one ECGRecord, got shape "
            f"{leads.shape} of {leads.dtype}."
        )
    leads = np.atleast_2d(leads)
    refuse_swapped(leads.shape, name)
    return leads if leads.dtype in (np.float32, np.float64) else leads.astype(np.float64)


def signal_of(record, *, fs=None, name="signal"):
    """The signal of an ``ECGRecord``, which must be of ``fs`` Hz where that is given; all else as it is."""
    if not is_record(record):
        return record
    if fs is not None and not isclose(fs, record.fs):
        raise ValueError(f"{name} is a record of {record.fs:g} Hz ({record.name}), which contradicts fs={fs:g}.")
    return record.signal


def is_record(value):
    """Whether it is an ``ECGRecord``, told by its attributes."""
    return all(hasattr(value, attribute) for attribute in ("signal", "fs", "lead_names"))


def refuse_swapped(shape, name, wanted="(n_leads, n_timepoints)", *, otherwise=""):
    """Raise unless the last two axes may be ``wanted``: more than 12 leads, and more than samples, are samples."""
    n_leads, n_timepoints = shape[-2:]
    if n_leads > _MOST_LEADS and 0 < n_timepoints < n_leads:
        raise ValueError(
            f"{name} has shape {tuple(shape)}, where {wanted} is wanted last: {n_leads} would be the leads and "
            f"{n_timepoints} the samples. Swap the two axes, as np.swapaxes(X, -1, -2) does{otherwise}."
        )


def refuse_short(signals, name, wanted):
    """Raise where many signals of at most 12 samples each can only be (time, leads); many longer ones may be right."""
    if signals.ndim == 2 and signals.shape[1] <= _MOST_LEADS:
        refuse_swapped(signals.shape, name, wanted)


def as_array(values, name):
    """``np.asarray``, with an error that tells the lengths where the parts of a list differ in shape."""
    try:
        return np.asarray(values)
    except ValueError:
        shapes = dict.fromkeys(np.shape(part) for part in values if not _is_ragged(part))
        told = f" {', '.join(map(str, list(shapes)[:_MOST_SHAPES]))}" if len(shapes) > 1 else ""
        raise ValueError(
            f"{name} is a list of {len(values)} parts of different shapes{told}: cut or pad them to one shape first."
        ) from None


def _is_ragged(part):
    try:
        np.shape(part)
    except ValueError:
        return True
    return False


def column_names(X):
    """Column names of a data frame, None where there are none; an error where each column is a lead."""
    names = getattr(X, "columns", None)
    if names is None:
        return None
    leads = [name for name in names if isinstance(name, str) and lead_index(STANDARD_LEADS, name) >= 0]
    if leads and len(names) - len(leads) <= 1:  # beside them perhaps the time
        raise ValueError(
            f"X has a column for each lead ({', '.join(leads)}), but a row must be a whole signal, lead after lead: "
            "a frame (time, leads) of one record is X.to_numpy().T[np.newaxis], of shape (1, n_leads, n_timepoints)."
        )
    return list(names)


def _flatten_cube(X, wanted=_ROWS):
    """``X`` as 2-D and the shape of one record where it was 3-D; an error where it is neither."""
    if isinstance(X, (list, tuple)) and not any(map(is_record, X)):
        X = as_array(X, "X")
    if is_record(X) or isinstance(X, (list, tuple)):
        raise ValueError(f"X must be {wanted}, got ECGRecord: give its signal, as np.stack([record.signal]) does.")
    n_dimensions = getattr(X, "ndim", 2)
    if n_dimensions == 1 and X.dtype == object and len(X) and all(map(np.ndim, X)):
        as_array(list(X), "X")
    if n_dimensions not in (2, 3):
        way = " Reshape your data: one signal alone is X[np.newaxis]." if n_dimensions == 1 else ""
        raise ValueError(f"X must be {wanted}, got {n_dimensions}-D of shape {tuple(X.shape)}.{way}")
    if n_dimensions == 2:
        return X, None
    X = np.asarray(X)
    return X.reshape(len(X), X.shape[1] * X.shape[2]), tuple(X.shape[1:])


def flatten_records(X: ArrayLike) -> Any:
    """Rows and the shape (n_leads, n_timepoints) of one record, None where ``X`` is 2-D; swapped axes are an error."""
    rows, cube = _flatten_cube(X)
    if cube is not None:
        refuse_swapped(cube, "Each record of X")
    return rows, cube


def _check_counts(estimator, *more):
    for name, low in (("n_leads", 1), ("n_side_features", 0), *more):
        value = getattr(estimator, name)
        if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
            raise ValueError(f"{name} must be an integer of at least {low}, got {value!r}.")


def _refuse_contradiction(estimator, cube):
    if cube is None:
        return
    if 0 in cube:
        raise ValueError(f"X has records of shape {cube}: at least one lead and one sample are wanted.")
    if estimator.n_leads not in (1, cube[0]):
        raise ValueError(f"X is 3-D with {cube[0]} lead(s), which contradicts n_leads={estimator.n_leads}.")
    if estimator.n_leads == 1:
        refuse_swapped(cube, "Each record of X", otherwise=f", or confirm n_leads={cube[0]}")
    if estimator.n_side_features:
        raise ValueError(
            f"X is 3-D and holds no side features, which contradicts n_side_features={estimator.n_side_features}; "
            "use flatten_leads(X, side) to make 2-D rows."
        )


def _refuse_other_columns(layout, names):
    told = None if names is None else read_lead_columns(names)
    if told is not None and told[1] != layout:
        leads, seen = told
        raise ValueError(
            f"The column names tell {seen.n_leads} lead(s) ({', '.join(leads)}) of {seen.n_timepoints} samples and "
            f"{seen.n_side_features} side feature(s), but X is read with n_leads={layout.n_leads} and "
            f"n_side_features={layout.n_side_features}."
        )


def _refuse_beats(names):
    beats = {match["beat"] for match in map(_BEAT_COLUMN.fullmatch, map(str, names or ())) if match}
    if len(beats) > 1:
        raise ValueError(
            f"The column names tell {len(beats)} beats in a row, but a row is read as one signal: give one beat a row, "
            "as BeatSegmenter(aggregate='median') does."
        )
