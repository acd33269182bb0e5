"""Label maps from the marks of waves."""

from collections.abc import Sequence
from numbers import Integral

import numpy as np

WAVE_DTYPE = np.dtype([("wave", "U3"), ("onset", np.int64), ("peak", np.int64), ("offset", np.int64)])
"""A wave ("P", "QRS" or "T") and its boundaries in samples; -1 where a boundary is not marked."""

_LABELS = {"P": 1, "QRS": 2, "T": 3}
MARKS = ("onset", "peak", "offset")


def wave_masks(waves: Sequence[str], n_timepoints: int, *, ignore_label: int = -1) -> np.ndarray:
    """Label every sample with the wave it belongs to: 0 none, 1 P, 2 QRS, 3 T.

    A wave covers the samples from its onset to its offset, both included. What nobody labelled gets ``ignore_label``:
    all before the first mark and after the last one, where waves may be that were not marked, and of a wave whose
    boundary is not marked the side from its peak (or, without one, from its other boundary) to the next mark::

        marks   (--P--) (QRS) (--T--)        QRS)  (--T--)
        mask  ..1111111 22222 333333300000...2222  3333333.......    . = ignore_label; elsewhere between waves 0

    Parameters
    ----------
    waves : sequence of structured ndarray
        One for each record: waves with the fields "wave" ("P", "QRS" or "T"), "onset", "peak" and "offset" in samples,
        -1 where there is none, as in ``ECGRecord.fiducials``.
    n_timepoints : int
        Length of the records in samples.
    ignore_label : int, default=-1
        Label of what nobody labelled, not that of a wave; :class:`~sklearn_ecg.WaveDelineator` takes the same one. 0
        says that there is nothing.

    Returns
    -------
    masks : ndarray of int64 of shape (n_records, n_timepoints)

    Raises
    ------
    ValueError
        If a record is no such array, a wave is of another kind, a mark lies beyond the record, or ``ignore_label`` is
        no integer or that of a wave.

    Examples
    --------
    >>> import numpy as np
    >>> marks = np.array([("P", 2, 3, 4), ("QRS", 6, 7, 8)], dtype=WAVE_DTYPE)
    >>> wave_masks([marks], 12).tolist()
    [[-1, -1, 1, 1, 1, 0, 2, 2, 2, -1, -1, -1]]
    """
    if not isinstance(ignore_label, Integral) or ignore_label in _LABELS.values():
        raise ValueError(f"ignore_label must be an integer other than 1, 2 and 3, the waves, got {ignore_label!r}.")
    return np.array([_mask(check_waves(marks), n_timepoints, ignore_label) for marks in waves]).reshape(
        -1, n_timepoints
    )


def _mask(marks, n_timepoints, ignore_label):
    unknown = sorted(set(marks["wave"].tolist()) - set(_LABELS))
    if unknown:
        raise ValueError(f"waves must be called P, QRS and T, got {unknown}.")
    marks = marks[np.any([marks[mark] >= 0 for mark in MARKS], axis=0)]
    mask = np.full(n_timepoints, ignore_label, dtype=np.int64)
    if not len(marks):
        return mask
    times = np.column_stack([marks[mark] for mark in MARKS])  # (n_waves, 3)
    times[:, 1] = np.where(times[:, 1] >= 0, times[:, 1], np.where(times[:, 0] >= 0, times[:, 0], times[:, 2]))
    if times.max() >= n_timepoints:
        raise ValueError(f"A mark lies at sample {times.max()}, but the records have {n_timepoints} samples.")
    known = np.sort(times[times >= 0])
    mask[known[0] : known[-1] + 1] = 0
    for onset, peak, offset in times:
        if onset < 0:
            mask[known[max(np.searchsorted(known, peak) - 1, 0)] + 1 : peak] = ignore_label
        if offset < 0:
            mask[peak + 1 : known[min(np.searchsorted(known, peak, side="right"), len(known) - 1)]] = ignore_label
    for wave, (onset, peak, offset) in zip(marks["wave"].tolist(), times, strict=True):
        mask[onset if onset >= 0 else peak : (offset if offset >= 0 else peak) + 1] = _LABELS[wave]
    return mask


def check_waves(marks):
    """The marks of one record as a structured array; a clear error where they are none."""
    marks = np.asarray(marks)
    if not {"wave", *MARKS} <= set(marks.dtype.names or ()):
        raise ValueError("waves must hold structured arrays with the fields wave, onset, peak and offset.")
    if marks.ndim != 1:
        raise ValueError(
            f"waves must hold a 1-D array for each record or lead, got one with {marks.ndim} dimension(s): the array "
            "of a single one stands in a list, too."
        )
    return marks
