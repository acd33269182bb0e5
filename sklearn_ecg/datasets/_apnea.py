"""Apnea-ECG: nights of single-lead ECG with a label for every minute, as rows of that minute and those around it."""

import re
from os import PathLike

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.utils import Bunch

from ..signals._validation import signal_feature_names
from ._download import get_data_home, provide_records, record_names
from ._wfdb import read_annotations, read_signal

_DATABASE = "apnea-ecg/1.0.0"
_FS = 100.0
_MINUTE = 6000
_LABELS = ("A", "N")
_LEADS = ("ECG",)
_PEOPLE, _ANSWERS = "additional-information.txt", "event-2-answers"
_RELEASED = tuple(
    f"{letter}{number:02d}" for letter, last in (("a", 20), ("b", 5), ("c", 10)) for number in range(1, last + 1)
)
_WITHHELD = tuple(f"x{number:02d}" for number in range(1, 36))
_SETS = {"released": _RELEASED, "withheld": _WITHHELD, "all": _RELEASED + _WITHHELD}
_SAME_RECORDING = (("c05", "c06"), ("x22", "x35"))
_N_FIELDS = 12
_NAME_LINE = re.compile(r"\s*[abcx]\d\d\s*")
_HOUR_LINE = re.compile(r"\s*(?P<hour>\d+)\s+(?P<letters>[AN]{1,60})\s*")

_ABOUT = """Apnea-ECG Database 1.0.0 (Penzel et al. 2000, doi:10.1109/CIC.2000.898505; PhysioNet, doi:10.13026/C23W2R;
Open Data Commons Attribution License 1.0).

70 nights of 7 to 10 hours, one lead at 100 Hz, made for the Computing in Cardiology Challenge 2000: 35 released
records with labels (a: apnea, b: borderline, c: control) and 35 withheld ones (x). Experts labelled every minute
from the respiratory signals: A where apnea was in progress at the beginning of the minute, N where it was not.
The database does not say which records are of one subject. Records of the same age, sex, height and weight count as
one here, as do c05 and c06, and x22 and x35, which are reported to be shifted copies of one recording. By this count
subjects have records in both sets: scores on the withheld set after training on the released one are not scores
on unseen subjects; cross-validation over all records, grouped by subject, gives those.
"""


def fetch_apnea_ecg(
    *,
    data_home: str | PathLike | None = None,
    download_if_missing: bool = True,
    records: str | list = "released",
    context: int = 2,
    stack: bool = True,
    return_X_y: bool = False,
) -> Bunch:
    """Load the Apnea-ECG Database as rows, one for every labelled minute, downloading what is missing (0.2 GB a set).

    Parameters
    ----------
    data_home : path-like, default=None
        Folder that holds ``apnea-ecg/``; see :func:`get_data_home`.
    download_if_missing : bool, default=True
        False serves the records on disk, with a warning that names the missing ones.
    records : {"released", "withheld", "all"} or list of str, default="released"
        The 35 records a01 to a20, b01 to b05 and c01 to c10; the 35 records x01 to x35; both; or a list of names.
    context : int, default=2
        Minutes of signal before and after the labelled one in a row, which is 2 * context + 1 minutes long. Minutes
        nearer to an end of the signal than that are left out.
    stack : bool, default=True
        True gives one array, of about 2 GB for the released records with ``context=2`` and 0.4 GB with 0. False gives
        a list with one array a record whose rows overlap in memory and are read-only: 0.4 GB for any context.
    return_X_y : bool, default=False
        Return (data, target) only.

    Returns
    -------
    minutes : Bunch
        ``data`` : float32 of shape (n_minutes, (2 * context + 1) * 6000), mV; with ``stack=False`` a list of such
        arrays, record after record.
        For every row ``target`` ("A" or "N"), ``groups`` (subject, called by the first of his records: see
        ``DESCR``), ``record`` (name) and ``minute`` (number of the labelled minute in its record, from 0).
        ``n_dropped`` : number of labelled minutes left out for want of context.
        ``fs`` (Hz), ``lead_names``, ``n_leads``, ``n_side_features``, ``feature_names``, ``DESCR``.

    Raises
    ------
    OSError
        If there is nothing to read, a download fails, or a file is missing, cut short or unreadable.
    ValueError
        If ``records`` is not a list of records of the database, ``context`` is no integer of at least 0, or no minute
        is left.

    Notes
    -----
    Labels of withheld records come from ``x01.apn`` to ``x35.apn``, which PhysioNet added without publishing sums:
    they are downloaded unverified. Where the folder holds the challenge's text of all labels, ``event-2-answers``,
    it serves for records without such a file.
    """
    if not isinstance(context, (int, np.integer)) or isinstance(context, bool) or context < 0:
        raise ValueError(f"context must be an integer of at least 0, got {context!r}.")
    folder, names = _provide(data_home, download_if_missing, records)
    subject_of = _subjects(folder / _PEOPLE, names)
    answers = _read_answers(folder / _ANSWERS) if (folder / _ANSWERS).is_file() else {}
    labelled = {name: _labels(folder, name, answers) for name in names}
    data, minutes, targets = _cut(folder, labelled, context, stack)
    counts = [len(minute) for minute in minutes]
    if not sum(counts):
        raise ValueError(f"No row is left: no labelled minute of {len(names)} record(s) has {context} on either side.")
    bunch = Bunch(
        data=data,
        target=np.concatenate(targets),
        groups=np.repeat([subject_of[name] for name in labelled], counts),
        record=np.repeat(list(labelled), counts),
        minute=np.concatenate(minutes),
        n_dropped=sum(len(minute) for minute, _ in labelled.values()) - sum(counts),
        fs=_FS,
        lead_names=_LEADS,
        n_leads=1,
        n_side_features=0,
        feature_names=signal_feature_names(_LEADS, (2 * context + 1) * _MINUTE),
        DESCR=_ABOUT,
    )
    return (bunch.data, bunch.target) if return_X_y else bunch


def _provide(data_home, download_if_missing, records):
    names = record_names(records, _SETS, _SETS["all"], "Apnea-ECG")
    folder = get_data_home(data_home) / "apnea-ecg"

    def files_of(name):
        answered = name in _WITHHELD and not (folder / f"{name}.apn").is_file() and (folder / _ANSWERS).is_file()
        return [f"{name}.{extension}" for extension in ("hea", "dat", *(() if answered else ("apn",)))]

    return folder, provide_records(
        folder,
        _DATABASE,
        names,
        files_of,
        shared=(_PEOPLE,),
        unlisted=[f"{name}.apn" for name in _WITHHELD],
        download_if_missing=download_if_missing,
    )


def _subjects(path, names):
    """Subject of every record, called by the first record of the same age, sex, height and weight."""
    subject_of, first_of = {}, {}
    for fields in map(str.split, path.read_text(encoding="latin-1").splitlines()):
        if len(fields) == _N_FIELDS and fields[0] in _SETS["all"]:
            subject_of[fields[0]] = first_of.setdefault(tuple(fields[8:]), fields[0])
    absent = [name for name in names if name not in subject_of]
    if absent:
        raise OSError(f"{path} has no row for record(s) {', '.join(absent)}.")
    for pair in _SAME_RECORDING:
        first, second = sorted(subject_of.get(name, name) for name in pair)
        subject_of = {name: first if subject == second else subject for name, subject in subject_of.items()}
    return subject_of


def _labels(folder, name, answers):
    """Numbers of the labelled minutes of a record, and their labels."""
    if not (folder / f"{name}.apn").is_file():
        if name not in answers:
            raise OSError(f"Record {name}: {folder / _ANSWERS} has no labels for it.")
        return answers[name]
    marks = read_annotations(folder, name, "apn")
    minute, beyond = np.divmod(marks["sample"], _MINUTE)
    if not np.isin(marks["symbol"], _LABELS).all() or beyond.any() or (np.diff(minute) <= 0).any():
        raise OSError(f"Record {name}: {folder / name}.apn has marks other than one A or N at the start of a minute.")
    return minute, marks["symbol"]


def _read_answers(path):
    """Minutes and labels by record, from a text of blocks: the record's name, then a line of letters an hour."""
    letters_of, name = {}, None
    for number, line in enumerate(path.read_text(encoding="ascii", errors="replace").splitlines(), start=1):
        if _NAME_LINE.fullmatch(line):
            name = line.strip()
            letters_of[name] = {}
        elif line.strip():
            hour = _HOUR_LINE.fullmatch(line)
            if hour is None or name is None:
                raise OSError(f"{path} is damaged at line {number}: {line!r}.")
            start = 60 * int(hour["hour"])
            letters_of[name].update(enumerate(hour["letters"], start=start))
    return {
        name: (np.array(sorted(found)), np.array([found[at] for at in sorted(found)]))
        for name, found in letters_of.items()
    }


def _cut(folder, labelled, context, stack):
    """Rows, and for every record the minutes and labels that have them; one record in memory beside the rows."""
    width = (2 * context + 1) * _MINUTE
    n_labelled = sum(len(minute) for minute, _ in labelled.values())
    data = np.empty((n_labelled, width), dtype=np.float32) if stack else []
    minutes, targets, n_rows = [], [], 0
    for name, (minute, label) in labelled.items():
        windows = _windows(_read_ecg(folder, name), width)
        kept = (minute >= context) & (minute < context + len(windows))
        minutes.append(minute[kept])
        targets.append(label[kept])
        rows = _rows(windows, minute[kept] - context)
        if stack:
            data[n_rows : n_rows + len(rows)] = rows
        else:
            data.append(rows)
        n_rows += len(rows)
    return data[:n_rows] if stack else data, minutes, targets


def _read_ecg(folder, name):
    """ECG of a record, of shape (n_timepoints,)."""
    signal, header = read_signal(folder, name)
    if header.fs != _FS or len(signal) != 1:
        raise OSError(f"Record {name}: one lead at {_FS:g} Hz is wanted, got {len(signal)} at {header.fs:g} Hz.")
    return signal[0]


def _windows(ecg, width):
    """Read-only view (n_windows, width) of the stretches of ``ecg`` that start with a minute."""
    return sliding_window_view(ecg, width)[::_MINUTE] if len(ecg) >= width else np.empty((0, width), dtype=ecg.dtype)


def _rows(windows, wanted):
    """Windows of the numbers ``wanted``, read-only, and in the memory of ``windows`` unless there are gaps."""
    if len(wanted) and wanted[-1] - wanted[0] == len(wanted) - 1:
        return windows[wanted[0] : wanted[-1] + 1]
    rows = windows[wanted]
    rows.setflags(write=False)
    return rows
