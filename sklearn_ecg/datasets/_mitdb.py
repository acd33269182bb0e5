"""MIT-BIH Arrhythmia Database: records, and beats ready for a classifier."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from ..preprocessing._beat_features import RR_FEATURES
from ..preprocessing._beats import BEAT_TIMEPOINTS, BEAT_WINDOW, extract_beats
from ..signals._annotations import AAMI_OF_SYMBOL, MITDB_DS1, MITDB_DS2, MITDB_RECORDS, lead_index, mitdb_patient
from ..signals._record import ECGRecord
from ._download import get_data_home, provide_records, record_names
from ._frame import as_requested
from ._wfdb import read_annotations, read_signal

_DATABASE = "mitdb/1.0.0"
_FS = 360.0
_LEADS = ("MLII", "V1", "V2", "V4", "V5")
_SETS = {"all": MITDB_RECORDS, "ds1": MITDB_DS1, "ds2": MITDB_DS2}

_ABOUT = """MIT-BIH Arrhythmia Database 1.0.0 (Moody and Mark 2001, doi:10.1109/51.932724; PhysioNet,
doi:10.13026/C2F305; Open Data Commons Attribution License 1.0).

48 half-hour excerpts of two-lead ambulatory ECG of 47 patients at 360 Hz, with every beat annotated. Records 201 and
202 are of one patient. Classes after ANSI/AAMI EC57: N (N L R e j), S (A a J S), V (V E), F (F), Q (/ f Q). "ds1" and
"ds2" are the inter-patient training and test sets of de Chazal et al. (2004, doi:10.1109/TBME.2004.827359), without
the paced records 102, 104, 107 and 217.
"""


def fetch_mitdb(
    *, data_home: str | PathLike | None = None, download_if_missing: bool = True, records: str | list = "all"
) -> Bunch:
    """Load records of the MIT-BIH Arrhythmia Database, downloading what is missing (94 MB in all).

    Parameters
    ----------
    data_home : path-like, default=None
        Folder that holds ``mitdb/``; see :func:`get_data_home`.
    download_if_missing : bool, default=True
        False serves the records on disk, with a warning that names the missing ones.
    records : {"all", "ds1", "ds2"} or list of str, default="all"
        Which records.

    Returns
    -------
    mitdb : Bunch
        Lists with one entry a record: ``records`` (:class:`ECGRecord`, with peaks, symbols and all annotations),
        ``data`` (float32 of shape (2, 650000), mV), ``target`` (AAMI class of every beat), ``groups`` (patient, an
        array), ``lead_names``, ``flutter`` (first and last sample of every episode of ventricular flutter, which has
        no beat annotations: record 207). Besides, ``fs`` (Hz) and ``DESCR``.

    Raises
    ------
    OSError
        If there is nothing to read, a download fails, or a file is missing, cut short or unreadable.
    ValueError
        If ``records`` is not a list of records of the database, or empty.
    """
    folder, names = _provide(data_home, download_if_missing, records)
    loaded = [_read_record(folder, name) for name in names]
    return Bunch(
        data=[record.signal for record in loaded],
        records=loaded,
        target=[record.target for record in loaded],
        groups=np.array([record.patient for record in loaded]),
        fs=_FS,
        lead_names=[record.lead_names for record in loaded],
        flutter=[record.episodes() for record in loaded],
        DESCR=_ABOUT,
    )


def fetch_mitdb_beats(
    *,
    data_home: Any = None,
    download_if_missing: Any = True,
    records: Any = "all",
    leads: Sequence[str] | int = ("MLII",),
    window: Any = BEAT_WINDOW,
    n_timepoints: Any = BEAT_TIMEPOINTS,
    side_features: Any = RR_FEATURES,
    bandpass: Any = (0.5, 40.0),
    scale: Any = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch:
    """Load the beats of the MIT-BIH Arrhythmia Database as rows, one for each of the 109,494 beats.

    Parameters
    ----------
    data_home, download_if_missing, records
        As in :func:`fetch_mitdb`.
    leads : sequence of str, or int, default=("MLII",)
        Leads of a row, out of MLII, V1, V2, V4 and V5. A record without a lead named here gives, in its place, its
        first lead not yet taken: V5 in 102 and 104 for "MLII". An integer n takes n leads, MLII first where there is
        one: in record 114 the first signal is V5.
    window, n_timepoints, side_features, bandpass, scale
        As in :func:`sklearn_ecg.preprocessing.extract_beats`.
    return_X_y : bool, default=False
        Return (data, target) only.
    as_frame : bool, default=False
        ``data`` as a pandas DataFrame with the columns ``feature_names`` and ``target`` as a Series; both together in
        ``frame``.

    Returns
    -------
    beats : Bunch
        ``data`` (float32 of shape (n_beats, n_leads * n_timepoints + n_side_features): lead after lead in mV, side
        features last), ``target`` (AAMI letters), and for every beat ``groups`` (patient), ``record`` (name),
        ``position`` (sample) and ``symbol``. Besides, ``fs`` of a row (Hz), ``lead_names``, ``record_lead_names``
        (record → the leads taken), ``n_leads``, ``n_side_features``, ``side_feature_names``, ``feature_names`` and
        ``DESCR``.

    Raises
    ------
    OSError, ValueError
        As :func:`fetch_mitdb` and :func:`sklearn_ecg.preprocessing.extract_beats` do; ValueError, too, if a lead is
        one that no record has, or is named twice.

    Notes
    -----
    Side features other than "rr_previous", "rr_local" and the causal ratios use the record's future.
    """
    _check_leads(leads)
    folder, names = _provide(data_home, download_if_missing, records)
    window, side_features = tuple(window), list(side_features or ())
    cut, taken, symbols, patients = [], {}, [], []
    for name in names:  # one record in memory at a time
        record = _read_record(folder, name)
        chosen = pick_leads(record, leads)
        taken[name] = tuple(record.lead_names[i] for i in chosen)
        options = {"n_timepoints": n_timepoints, "side_features": side_features, "bandpass": bandpass, "scale": scale}
        cut.append(extract_beats(record.signal[chosen], record.peaks, fs=_FS, window=window, **options))
        symbols.append(record.symbols)
        patients.append(record.patient)
    counts = [len(beats.position) for beats in cut]
    symbol = np.concatenate(symbols)
    bunch = Bunch(
        data=np.concatenate([beats.data for beats in cut]),
        target=np.array([AAMI_OF_SYMBOL[mark] for mark in symbol], dtype="U1"),
        groups=np.repeat(patients, counts),
        record=np.repeat(names, counts),
        position=np.concatenate([beats.position for beats in cut]),
        symbol=symbol,
        fs=round(n_timepoints / sum(window), 9),
        lead_names=lead_places(leads, taken.values()),
        record_lead_names=taken,
        n_leads=cut[0].n_leads,
        n_side_features=len(side_features),
        side_feature_names=side_features,
        DESCR=_ABOUT,
    )
    return as_requested(bunch, n_timepoints, return_X_y=return_X_y, as_frame=as_frame)


def _check_leads(leads):
    """Refuse names that would be served as another lead, in all records or in a second column of the row."""
    if isinstance(leads, (int, np.integer)):
        return
    names = [leads] if np.ndim(leads) == 0 else list(leads)
    known = [lead_index(_LEADS, name) if isinstance(name, str) else -1 for name in names]
    if not names or -1 in known:
        raise ValueError(f"leads must be a number or out of {', '.join(_LEADS)}, the leads of MIT-BIH; got {leads!r}.")
    if len(set(known)) < len(known):
        raise ValueError(f"leads must name each lead once, got {leads!r}.")


def pick_leads(record, leads):
    """Indices of the leads of ``record`` that stand for ``leads``; MLII goes first where a number is wanted."""
    if isinstance(leads, (int, np.integer)):
        if not 1 <= leads <= record.n_leads:
            raise ValueError(f"leads={leads}, but record {record.name} has {record.n_leads} leads.")
        leads = ("MLII", *[None] * (leads - 1))
    elif isinstance(leads, str):
        leads = (leads,)
    if not 1 <= len(leads) <= record.n_leads:
        raise ValueError(f"leads={tuple(leads)}, but record {record.name} has {record.n_leads} leads.")
    chosen = [lead_index(record.lead_names, lead) if lead else -1 for lead in leads]
    spare = (i for i in range(record.n_leads) if i not in chosen)
    return [i if i >= 0 else next(spare) for i in chosen]


def lead_places(leads, taken):
    """One name for each lead of a row: the one asked for, or lead2, lead3 … where the records differ."""
    if isinstance(leads, (int, np.integer)):
        return ("MLII", *(f"lead{i}" for i in range(2, leads + 1)))
    return (leads,) if isinstance(leads, str) else tuple(leads)


def _provide(data_home, download_if_missing, records):
    names = record_names(records, _SETS, MITDB_RECORDS, "the MIT-BIH Arrhythmia Database")
    folder = get_data_home(data_home) / "mitdb"
    return folder, provide_records(
        folder,
        _DATABASE,
        names,
        lambda name: [f"{name}.{extension}" for extension in ("hea", "dat", "atr")],
        download_if_missing=download_if_missing,
    )


def _read_record(folder, name):
    signal, header = read_signal(folder, name)
    annotations = read_annotations(folder, name, "atr")
    beats = annotations[np.isin(annotations["symbol"], list(AAMI_OF_SYMBOL))]
    if len(beats) and beats["sample"].max() >= signal.shape[1]:
        raise OSError(f"Record {name}: annotations in {folder} lie beyond the signal's {signal.shape[1]} samples.")
    return ECGRecord(
        name=name,
        signal=signal,
        fs=header.fs,
        lead_names=tuple(header.sig_name),
        peaks=beats["sample"],
        symbols=beats["symbol"],
        patient=mitdb_patient(name),
        annotations=annotations,
    )
