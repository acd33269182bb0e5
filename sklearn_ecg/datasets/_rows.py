"""What the loaders of twelve-lead rows share: leads and side features asked for, signals read into rows."""

import warnings
from pathlib import PurePosixPath

import numpy as np

from ..signals._annotations import STANDARD_LEADS, lead_index
from ._wfdb import order_of_leads, read_plain_signal

SIDE_FEATURES = ("age", "sex")


def check_leads(leads, known=STANDARD_LEADS):
    """Standard leads by their usual names, in the order wanted; None is all of ``known``."""
    names = known if leads is None else (leads,) if isinstance(leads, str) else tuple(leads)
    places = [lead_index(known, name) if isinstance(name, str) else -1 for name in names]
    if not places or -1 in places or len(set(places)) < len(places):
        raise ValueError(f"leads must be different ones of {', '.join(known)}, got {leads!r}.")
    return tuple(known[place] for place in places)


def check_side_features(names):
    names = [names] if isinstance(names, str) else list(names or ())
    if not set(names) <= set(SIDE_FEATURES) or len(set(names)) < len(names):
        raise ValueError(f"side_features must be different ones of {', '.join(SIDE_FEATURES)}, got {names!r}.")
    return names


def warn_of_unknown(feature, values, side_features):
    """Warn the caller of ``fetch_*`` where a column of ``data`` has unknown values."""
    unknown = int(np.isnan(values).sum())
    if feature in side_features and unknown:
        message = f"The {feature} of {unknown} of the {len(values)} records is unknown and NaN in data."
        warnings.warn(message, UserWarning, stacklevel=3)


def read_rows(folder, paths, leads, *, fs, n_timepoints, n_more):
    """Signals as rows, with room for ``n_more`` columns, one record at a time in memory beside them.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the database.
    paths : sequence of str
        Records, relative to it.
    leads : sequence of str
        Leads, in the order of the row.
    fs : float
        Sampling frequency in Hz that every record must have.
    n_timepoints : int
        Samples that every record must have.
    n_more : int
        Columns after the signal.

    Returns
    -------
    data : ndarray of float32 of shape (n_records, n_leads * n_timepoints + n_more), mV
    comments : list of dict
        What the header of each record says in lines such as "#Age: 63", by its name.

    Raises
    ------
    OSError
        If a file is missing, cut short, or of other leads, frequency, length or unit.
    """
    data = np.empty((len(paths), len(leads) * n_timepoints + n_more), dtype=np.float32)
    comments = []
    for row, path in zip(data, map(PurePosixPath, paths), strict=True):
        signal, header = read_plain_signal(folder / path.parent, path.name)
        if signal.shape[1] != n_timepoints or header.fs != fs or set(header.units) != {"mV"}:
            seen = f"{signal.shape[1]} samples at {header.fs:g} Hz in {', '.join(sorted(set(header.units)))}"
            raise OSError(f"Record {path.name}: {n_timepoints} samples at {fs:g} Hz in mV are wanted, got {seen}.")
        row[: len(leads) * n_timepoints] = signal[order_of_leads(header.sig_name, leads, path.name)].ravel()
        comments.append(header.comments)
    return data, comments
