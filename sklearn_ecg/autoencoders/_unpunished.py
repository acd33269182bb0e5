"""Samples whose error does not count."""

import numpy as np

_WANTED = "unpunished must be a boolean mask or intervals (start, stop) in samples, got {!r}."


def punished_samples(unpunished, n_leads, n_timepoints):
    """Mask (n_leads, n_timepoints), one where the error counts and zero where ``unpunished`` says so."""
    spared = np.zeros((n_leads, n_timepoints), dtype=bool)
    if unpunished is not None and len(unpunished):
        given = _as_array(unpunished)
        if given.dtype == bool:
            if given.shape not in {(n_timepoints,), spared.shape}:
                raise ValueError(
                    f"unpunished as a mask must be of shape {(n_timepoints,)} or {spared.shape}, got {given.shape}."
                )
            spared[:] = given
        else:
            for start, stop in _check_intervals(given, n_timepoints):
                spared[:, start:stop] = True
    if spared.all():
        raise ValueError("unpunished leaves no sample whose error counts.")
    return (~spared).astype(np.float64)


def _as_array(unpunished):
    try:
        return np.asarray(unpunished)
    except ValueError as error:  # ragged
        raise ValueError(_WANTED.format(unpunished)) from error


def _check_intervals(given, n_timepoints):
    if given.dtype.kind not in "iu" or given.ndim != 2 or given.shape[1] != 2:
        raise ValueError(_WANTED.format(given))
    if (given[:, 0] < 0).any() or (given[:, 0] >= given[:, 1]).any() or (given[:, 1] > n_timepoints).any():
        raise ValueError(
            f"unpunished must hold intervals with 0 <= start < stop <= {n_timepoints}, got {given.tolist()}."
        )
    return given
