"""The door for records made of beats: rows of beats, or beats in a third dimension; a beat of NaN is none."""

import warnings

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from ._validation import (
    _BEAT_COLUMN,
    BeatLayout,
    RowLayout,
    _check_counts,
    _flatten_cube,
    _refuse_other_columns,
    column_names,
)

_RECORDS_AT_ONCE = 1024
_BEATS = "2-D rows (n_records, n_beats * n_columns) or 3-D (n_records, n_beats, n_columns)"
_LONG, _FEW = 1000, 12  # more samples are a record rather than a beat, and so many columns its leads


def validate_beats(estimator, X, *, reset, **check_params):
    """Check records made of beats and return them as 2-D rows with their layout.

    A whole beat of NaN is allowed: there is none. After fit, 3-D input may have any number of beats. Column names such
    as ``II_0000_beat000`` tell the number of beats; ``n_beats=1``, the default, leaves it to them.

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

    Warns
    -----
    UserWarning
        If the beats have 1,000 samples a lead or more, as whole records do, or there are 1,000 beats or more of at
        most 12 columns, as in records of shape (n_timepoints, n_leads).
    """
    X, cube = _flatten_cube(X, _BEATS)
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
        n_beats, names = beats_of_columns(estimator.n_beats, column_names(X)) if cube is None else (cube[0], None)
    elif cube is not None:
        _refuse_other_beats(estimator, cube)
    checked = validate_data(estimator, X, reset=reset, **check_params)
    rows = checked[0] if isinstance(checked, tuple) else checked
    if reset:
        layout = _layout_of_beats(estimator, rows.shape[1], n_beats)
        _refuse_other_columns(layout.beat, names)
        _warn_of_records(layout)
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


def beats_of_columns(n_beats, names):
    """Number of beats, and the column names of one, None where these tell nothing.

    ``n_beats=1``, the default, leaves the number to the names; another one must be theirs.
    """
    matches = [] if names is None else [_BEAT_COLUMN.fullmatch(str(name)) for name in names]
    if not matches or None in matches:
        return n_beats, names if n_beats == 1 else None
    beats = list(dict.fromkeys(match["beat"] for match in matches))
    of_one = [match["name"] for match in matches if match["beat"] == beats[0]]
    if n_beats not in (1, len(beats)):
        raise ValueError(f"The column names tell {len(beats)} beat(s), but X is read with n_beats={n_beats}.")
    if [match.groups() for match in matches] != [(name, beat) for beat in beats for name in of_one]:
        raise ValueError(f"The column names must repeat those of beat {beats[0]}, {len(of_one)} of them, in each beat.")
    return len(beats), of_one


def _warn_of_records(layout):
    """Whole records, (n_leads, n_timepoints) or the other way round, are easily taken for beats, and it goes well."""
    n_beats, beat = layout.n_beats, layout.beat
    if beat.n_timepoints >= _LONG or (n_beats >= _LONG and beat.n_features <= _FEW):
        warnings.warn(
            f"X is read as records of {n_beats} beat(s) of {beat.n_features} columns, {beat.n_timepoints} samples in "
            f"each of {beat.n_leads} lead(s). Whole records are cut into beats first (BeatSegmenter); n_beats, n_leads "
            "and n_side_features say how rows of beats are read.",
            UserWarning,
            stacklevel=2,
        )
