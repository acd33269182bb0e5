"""The one door for signals: 2-D rows or 3-D records in, checked 2-D rows and their layout out."""

import re
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_array, validate_data

_LEAD_COLUMN = re.compile(r"(?P<lead>.+)_(?P<index>\d{4,})")
_BEAT_COLUMN = re.compile(r"(?P<name>.+)_beat(?P<beat>\d{3,})")
_RECORDS_AT_ONCE = 1024


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

    def split(self, X):
        """Views (n_samples, n_leads, n_timepoints) and (n_samples, n_side_features) of the rows ``X``."""
        signals = X[:, : self.n_signal_features].reshape(len(X), self.n_leads, self.n_timepoints)
        return signals, X[:, self.n_signal_features :]

    @classmethod
    def of_width(cls, width, n_leads, n_side_features=0):
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

    def split(self, X):
        """Views (n_records, n_beats, n_leads, n_timepoints) and (n_records, n_beats, n_side_features) of the rows."""
        beats = X.reshape(len(X), self.n_beats, self.beat.n_features)
        signals = beats[:, :, : self.beat.n_signal_features]
        shape = len(X), self.n_beats, self.n_leads, self.n_timepoints
        return signals.reshape(shape), beats[:, :, self.beat.n_signal_features :]

    def present(self, X):
        """Whether there is a beat: boolean ndarray of shape (n_records, n_beats)."""
        return ~np.isnan(X[:, :: self.beat.n_features])


def flatten_leads(X, side=None):
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
        If ``X`` is not 3-D, or ``side`` not 2-D with as many rows.
    """
    X = np.asarray(X)
    if X.ndim != 3:
        raise ValueError(f"X must be 3-D (n_samples, n_leads, n_timepoints), got {X.ndim} dimension(s).")
    rows = X.reshape(len(X), X.shape[1] * X.shape[2])
    if side is None:
        return rows
    side = np.asarray(side)
    if side.ndim != 2 or len(side) != len(X):
        raise ValueError(f"side must be 2-D with {len(X)} rows, one for each record, got shape {side.shape}.")
    return np.hstack([rows, side])


def unflatten_leads(X, n_leads=1, n_side_features=0):
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
    X = np.asarray(X)
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
        If the shape, the number of leads or the column names contradict the estimator's parameters, the width differs
        from the one seen in ``fit``, or a value is NaN or infinite.
    """
    X, cube = _flatten_cube(X)
    if reset:
        _check_counts(estimator)
        _refuse_contradiction(estimator, cube)
        names = getattr(X, "columns", None)
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
    estimator.layout_ = layout
    return checked, layout


def validate_beats(estimator, X, *, reset, **check_params):
    """Check records made of beats and return them as 2-D rows with their layout.

    A whole beat of NaN is allowed: there is none. After fit, 3-D input may have any number of beats.

    Parameters
    ----------
    estimator : estimator
        Has the parameters ``n_beats``, ``n_leads`` and ``n_side_features``.
    X : array-like of shape (n_records, n_beats * n_columns) or (n_records, n_beats, n_columns)
        Beats, each a row as :func:`validate_rows` takes it.
    reset : bool
        True in ``fit``.
    **check_params
        Passed on to :func:`sklearn.utils.validation.validate_data`; with ``y``, a pair is returned for ``X``.

    Returns
    -------
    X : ndarray of shape (n_records, n_beats * n_columns), or (X, y) where ``y`` was given
    layout : BeatLayout
        Of this ``X``; that of ``fit`` is kept in ``layout_``.

    Raises
    ------
    ValueError
        If the shape or the column names contradict the estimator's parameters, a beat has another width than in
        ``fit``, or a beat is infinite or NaN in part.
    """
    X, cube = _flatten_cube(X)
    check_params = {"dtype": "numeric", "ensure_all_finite": False, **check_params}
    if not reset and cube is not None and cube[0] != estimator.layout_.n_beats:
        layout = BeatLayout(cube[0], estimator.layout_.beat)
        _refuse_other_beats(estimator, cube)
        if "y" in check_params:  # a fit that goes on
            raise ValueError(
                f"X has {cube[0]} beats in a record, but {type(estimator).__name__} was fitted on "
                f"{estimator.layout_.n_beats}, and a fit that goes on keeps the layout: fill up with beats of NaN."
            )
        checked = check_array(X, **check_params)
        _refuse_broken_beats(checked, layout)
        return checked, layout
    if reset:
        _check_counts(estimator, ("n_beats", 1))
        if cube is not None and estimator.n_beats not in (1, cube[0]):
            raise ValueError(f"X is 3-D with {cube[0]} beats, which contradicts n_beats={estimator.n_beats}.")
        names = None if cube is not None else getattr(X, "columns", None)
        names = _names_of_one_beat(estimator.n_beats, names)
    elif cube is not None:
        _refuse_other_beats(estimator, cube)
    checked = validate_data(estimator, X, reset=reset, **check_params)
    rows = checked[0] if isinstance(checked, tuple) else checked
    if reset:
        n_beats = estimator.n_beats if cube is None else cube[0]
        layout = _layout_of_beats(estimator, rows.shape[1], n_beats)
        _refuse_other_columns(layout.beat, names)
        estimator.layout_ = layout
    _refuse_broken_beats(rows, estimator.layout_)
    return checked, estimator.layout_


def _layout_of_beats(estimator, width, n_beats):
    if n_beats == 0 or width % n_beats:
        raise ValueError(f"Rows of {width} columns cannot be divided into n_beats={n_beats} beats of equal width.")
    beat = RowLayout.of_width(width // n_beats, estimator.n_leads, estimator.n_side_features)
    return BeatLayout(n_beats, beat)


def _refuse_other_beats(estimator, cube):
    wanted = estimator.layout_.beat.n_features
    if 0 in cube or cube[1] != wanted:
        raise ValueError(
            f"X has beats of {cube[1]} columns ({cube[0]} of them), but {type(estimator).__name__} was fitted on beats "
            f"of {wanted} columns."
        )


def _refuse_broken_beats(rows, layout):
    """Raise unless every beat is finite or NaN as a whole."""
    if rows.dtype.kind != "f":
        return
    for start in range(0, len(rows), _RECORDS_AT_ONCE):
        beats = rows[start : start + _RECORDS_AT_ONCE].reshape(-1, layout.n_beats, layout.beat.n_features)
        broken = ~np.isfinite(beats).all(axis=2)
        broken[broken] = ~np.isnan(beats[broken]).all(axis=1)
        if broken.any():
            record, beat = np.argwhere(broken)[0]
            value = "infinity" if np.isinf(beats[record, beat]).any() else "NaN"
            raise ValueError(
                f"X contains {value} in beat {beat} of record {start + record}: a beat must be finite, or NaN "
                "throughout where there is none."
            )


def _names_of_one_beat(n_beats, names):
    """Column names of the first beat, None where they tell nothing; an error where they tell of other beats."""
    matches = [] if names is None else [_BEAT_COLUMN.fullmatch(str(name)) for name in names]
    if not matches or None in matches:
        return names if n_beats == 1 else None
    seen = len({match["beat"] for match in matches})
    if seen != n_beats:
        raise ValueError(f"The column names tell {seen} beat(s), but X is read with n_beats={n_beats}.")
    return [match["name"] for match in matches if match["beat"] == matches[0]["beat"]]


def _flatten_cube(X):
    """``X`` as 2-D and the shape of one record where it was 3-D; anything else is left for the general check."""
    if isinstance(X, (list, tuple)):
        try:
            X = np.asarray(X)
        except ValueError:  # ragged
            return X, None
    if getattr(X, "ndim", None) != 3:
        return X, None
    X = np.asarray(X)
    return X.reshape(len(X), X.shape[1] * X.shape[2]), tuple(X.shape[1:])


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
    if estimator.n_side_features:
        raise ValueError(
            f"X is 3-D and holds no side features, which contradicts n_side_features={estimator.n_side_features}; "
            "use flatten_leads(X, side) to make 2-D rows."
        )


def _refuse_other_columns(layout, names):
    told = None if names is None else read_lead_columns(list(names))
    if told is not None and told[1] != layout:
        leads, seen = told
        raise ValueError(
            f"The column names tell {seen.n_leads} lead(s) ({', '.join(leads)}) of {seen.n_timepoints} samples and "
            f"{seen.n_side_features} side feature(s), but X is read with n_leads={layout.n_leads} and "
            f"n_side_features={layout.n_side_features}."
        )
