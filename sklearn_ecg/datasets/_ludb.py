"""Lobachevsky University Database: twelve leads, diagnoses, and P, QRS and T boundaries in every lead."""

import csv
from os import PathLike

import numpy as np
from sklearn.utils import Bunch

from ..preprocessing import WAVE_DTYPE
from ..signals._annotations import STANDARD_LEADS
from ..signals._record import ECGRecord
from ._download import get_data_home, provide_records, record_names
from ._wfdb import order_of_leads, read_annotations, read_signal

_DATABASE = "ludb/1.0.1"
_RECORDS = tuple(str(number) for number in range(1, 201))
_FS = 500.0
_TABLE = "ludb.csv"
_MILLIVOLTS_PER_COUNT = 0.001
_WAVES = {"p": "P", "N": "QRS", "t": "T"}
_OLDEST = 90.0
_TEXT_COLUMNS = {"ID", "Sex", "Age"}

_ABOUT = """Lobachevsky University Electrocardiography Database 1.0.1 (Kalyakulina et al. 2020,
doi:10.1109/ACCESS.2020.3029211; PhysioNet, doi:10.13026/eegm-h675; Open Data Commons Attribution License 1.0).

200 recordings of 10 s, twelve standard leads at 500 Hz, with diagnoses, and with the onsets, peaks and offsets of P
waves, QRS complexes and T waves marked by cardiologists in every lead by itself. The first and last beats of a record
are mostly not marked: score within the marked span only. Every record counts as a patient of its own.

Amplitudes: the headers of 1.0.1 give every lead of every record a gain of its own, by which each spans exactly 1 mV.
The counts in the files obey Einthoven's law and Goldberger's definitions to the last digit (III = II - I without a
remainder), so that they have one unit in all leads; their size fits 1 µV. The loader reads them so.
"""


def fetch_ludb(
    *, data_home: str | PathLike | None = None, download_if_missing: bool = True, records: str | list = "all"
) -> Bunch:
    """Load the Lobachevsky University Database, downloading what is missing (25 MB in 2,800 files).

    Parameters
    ----------
    data_home : path-like, default=None
        Folder that holds ``ludb/``; see :func:`get_data_home`.
    download_if_missing : bool, default=True
        False serves the records on disk, with a warning that names the missing ones.
    records : "all" or list of int or str, default="all"
        Numbers of the records, 1 to 200.

    Returns
    -------
    ludb : Bunch
        ``data`` : float32 of shape (n_records, 12, 5000), mV: the counts in the files as µV. The gains of the headers
        are left aside, since they scale each lead to a span of 1; ``DESCR`` says more.
        ``target`` : rhythm of every record, such as "Sinus bradycardia" ("" where none is given).
        ``diagnoses`` : for every record, a dict of the columns of ``ludb.csv``, each a list of findings.
        ``boundaries`` : for every record, a dict of lead → waves, a structured array with the fields "wave" ("P",
        "QRS", "T"), "onset", "peak" and "offset" in samples, -1 where a boundary is not marked.
        ``groups`` : patient of every record. ``age`` : years; NaN where unknown, 90 for "over 89". ``sex`` : "M", "F".
        ``records`` : list of :class:`ECGRecord`; the peaks are those of the QRS marks of lead II, or of the first lead
        that has any.
        ``fs`` (Hz), ``lead_names``, ``DESCR``.

    Raises
    ------
    OSError
        If there is nothing to read, a download fails, or a file is missing, cut short or unreadable.
    ValueError
        If ``records`` is not a list of records of the database, or empty.
    """
    folder, names = _provide(data_home, download_if_missing, records)
    table = _read_table(folder / _TABLE, names)
    loaded = [_read_record(folder / "data", name) for name in names]
    return Bunch(
        data=np.stack([record.signal for record in loaded]),
        target=np.array(["; ".join(_findings(table[name]["Rhythms"])) for name in names]),
        diagnoses=[_diagnoses(table[name]) for name in names],
        boundaries=[record.fiducials for record in loaded],
        records=loaded,
        groups=np.array(names),
        age=np.array([_age(table[name]["Age"]) for name in names]),
        sex=np.array([table[name]["Sex"].strip() for name in names]),
        fs=_FS,
        lead_names=STANDARD_LEADS,
        DESCR=_ABOUT,
    )


def _provide(data_home, download_if_missing, records):
    wanted = record_names(records, {"all": _RECORDS}, _RECORDS, "LUDB")
    folder = get_data_home(data_home) / "ludb"
    allowed = {"shared": (_TABLE,), "download_if_missing": download_if_missing}
    return folder, provide_records(folder, _DATABASE, wanted, _files_of, **allowed)


def _files_of(record):
    return [f"data/{record}.{extension}" for extension in ("hea", "dat", *map(str.lower, STANDARD_LEADS))]


def _read_table(path, names):
    """Rows of the table by record; its cells hold stray line breaks."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = {(row.get("ID") or "").strip(): row for row in csv.DictReader(file)}
    absent = [name for name in names if name not in rows]
    if absent:
        raise OSError(f"{path} has no row for record(s) {', '.join(absent)}.")
    return rows


def _diagnoses(row):
    return {column: _findings(cell) for column, cell in row.items() if column not in _TEXT_COLUMNS}


def _findings(cell):
    return [line.strip() for line in (cell or "").splitlines() if line.strip()]


def _age(cell):
    text = cell.strip()
    if text.startswith(">"):
        return _OLDEST
    return float(text) if text.isdigit() else np.nan


def _read_record(folder, name):
    signal, header = read_signal(folder, name)
    gain, baseline = (np.asarray(scale)[:, None] for scale in (header.adc_gain, header.baseline))
    signal = np.rint(signal * gain + baseline) * _MILLIVOLTS_PER_COUNT
    waves = {lead: _waves(read_annotations(folder, name, lead.lower())) for lead in STANDARD_LEADS}
    if any(len(marks) and marks["peak"].max() >= signal.shape[1] for marks in waves.values()):
        raise OSError(f"Record {name}: annotations in {folder} lie beyond the signal's {signal.shape[1]} samples.")
    peaks = [marks["peak"][marks["wave"] == "QRS"] for marks in (waves["II"], *waves.values())]
    return ECGRecord(
        name=name,
        signal=signal[order_of_leads(header.sig_name, STANDARD_LEADS, name)],
        fs=header.fs,
        lead_names=STANDARD_LEADS,
        peaks=next((at for at in peaks if len(at)), ()),
        fiducials=waves,
    )


def _waves(marks):
    """Waves from a sequence of marks "(", peak, ")", of which brackets may be missing."""
    symbol = np.concatenate([[""], marks["symbol"], [""]])
    sample = np.concatenate([[-1], marks["sample"], [-1]])
    at = np.flatnonzero(np.isin(symbol, list(_WAVES)))
    waves = np.empty(len(at), dtype=WAVE_DTYPE)
    waves["wave"] = [_WAVES[mark] for mark in symbol[at]]
    waves["peak"] = sample[at]
    waves["onset"] = np.where(symbol[at - 1] == "(", sample[at - 1], -1)
    waves["offset"] = np.where(symbol[at + 1] == ")", sample[at + 1], -1)
    return waves
