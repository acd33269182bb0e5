"""Chapman–Shaoxing: twelve-lead ECG of ten seconds with a rhythm and other statements, as rows."""

import csv
import re
import warnings
from collections.abc import Sequence
from os import PathLike

import numpy as np
from sklearn.utils import Bunch

from ._download import SUMS, download, get_data_home, other_home, parse_sums, provide_files, provide_records
from ._frame import as_requested
from ._rows import check_leads, check_side_features, read_rows, warn_of_unknown

_DATABASE = "ecg-arrhythmia/1.0.0"
_NAMES = "ConditionNames_SNOMED-CT.csv"
_HEADER = re.compile(r"(?P<path>WFDBRecords/\d+/\d+/(?P<name>JS(?P<number>\d{5})))\.hea")
_LAST_OF_SHAOXING = 10_646
_SETS = {"chapman": (0, _LAST_OF_SHAOXING), "ningbo": (_LAST_OF_SHAOXING + 1, 99_999), "all": (0, 99_999)}
_SIZES = {"chapman": 10_246, "ningbo": 34_904, "all": 45_150}
_MALFORMED = ("JS01052", "JS23074")
_FS, _SECONDS = 500, 10
_SEXES = {"male": "M", "female": "F"}

_RHYTHMS = {
    "426177001": ("SB", "SB"),
    "426783006": ("SR", "SR"),
    "164889003": ("AFIB", "AFIB"),
    "427084000": ("ST", "GSVT"),
    "426761007": ("SVT", "GSVT"),
    "164890007": ("AF", "AFIB"),
    "427393009": ("SA", "SR"),
    "713422000": ("AT", "GSVT"),
    "233896004": ("AVNRT", "GSVT"),
    "233897008": ("AVRT", "GSVT"),
    "195101003": ("SAAWR", "GSVT"),
}
"""SNOMED CT code → rhythm, and the group of rhythms that the authors of the database put it in."""

_ABOUT = """Chapman–Shaoxing twelve-lead ECG (Zheng et al. 2020, doi:10.1038/s41597-020-0386-x), in the form of the
large scale 12-lead electrocardiogram database for arrhythmia study 1.0.0 (Zheng, Guo and Chu 2022; PhysioNet,
doi:10.13026/wgex-er52; Creative Commons Attribution 4.0).

Recordings of 10 s, twelve standard leads at 500 Hz, one of each patient, with statements in SNOMED CT: rhythms and
other conditions. JS00001 to JS10646 are those of Shaoxing, 10,247 of the 10,646 of 2020; the 34,905 from JS10647 on
are of Ningbo. Rhythms: SB sinus bradycardia, SR sinus rhythm, AFIB atrial fibrillation, ST sinus tachycardia, SVT
supraventricular tachycardia, AF atrial *flutter*, SA sinus irregularity, AT atrial tachycardia, AVNRT and AVRT
atrioventricular (node) reentrant tachycardia, SAAWR wandering from sinus to atrium. The four groups of the authors:
SB; AFIB with AF; GSVT (ST, SVT, AT, AVNRT, AVRT, SAAWR); SR with SA. JS01052 and JS23074 were published with headers
that lack a line. A few recordings occur under two names, so that a split by patient is not quite one by recording.
"""


def fetch_chapman(
    *,
    data_home: str | PathLike | None = None,
    download_if_missing: bool = True,
    records: str | list = "chapman",
    leads: str | Sequence[str] | None = None,
    task: str = "rhythm",
    side_features: Sequence = (),
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch:
    """Load the Chapman–Shaoxing database as rows of signal with their rhythm, downloading what is missing.

    The database was published twice: in 2020 as archives of CSV files with tables for Excel, in 2022 by PhysioNet,
    together with recordings of Ningbo, as one pair of WFDB files a record. This loader reads the latter, which can be
    had file by file. The records of Shaoxing are 20,494 files of 1.3 GB, those of both hospitals 5.5 GB: PhysioNet's
    archive, unpacked as ``chapman/`` in the data home, is the quicker way. In memory, twelve leads of Shaoxing take
    2.5 GB, less in proportion for fewer leads.

    Parameters
    ----------
    data_home : path-like, default=None
        Folder that holds ``chapman/``; see :func:`get_data_home`.
    download_if_missing : bool, default=True
        False serves the records on disk, with a warning that names the missing ones.
    records : {"chapman", "ningbo", "all"} or list of str, default="chapman"
        The records of Shaoxing, of Ningbo, of both, or a list of names such as "JS00001" in the order wanted. Two
        records whose published headers are malformed, JS01052 and JS23074, are in none of the sets; naming one is an
        error as long as its header is that of PhysioNet.
    leads : str, sequence of str or None, default=None
        Standard leads in the order wanted; None is all twelve.
    task : {"rhythm", "group"}, default="rhythm"
        Labels: eleven rhythms, or the four groups into which the authors merge them; see ``DESCR``.
    side_features : sequence of {"age", "sex"}, default=()
        Columns after the signal: age in years, and sex, 0 male and 1 female. What is unknown stays NaN, with a
        warning.
    return_X_y : bool, default=False
        Return (data, target) only.
    as_frame : bool, default=False
        ``data`` as a pandas DataFrame with the columns ``feature_names`` and ``target`` as a Series; both together in
        ``frame``.

    Returns
    -------
    chapman : Bunch
        ``data`` : float32 of shape (n_records, n_leads * 5000 + n_side_features), lead after lead in mV; NaN, with a
        warning, where a sample is marked invalid.
        ``target`` : rhythm, or group, of every record; "" where none is stated, several joined by "; ".
        ``diagnoses`` : for every record, all its statements by the acronyms of the database; a code without one stays
        a code. ``codes`` : the same in SNOMED CT.
        ``groups`` : patient of every record, called by the record. ``age`` : years, NaN where unknown. ``sex`` : "M",
        "F", "" where unknown. ``record`` : name of every record.
        ``fs`` (Hz), ``lead_names``, ``n_leads``, ``n_side_features``, ``side_feature_names``, ``feature_names``,
        ``DESCR``.

    Raises
    ------
    OSError
        If there is nothing to read, a download fails, or a file is missing, cut short or unreadable.
    ValueError
        If a parameter is out of its range.
    """
    leads, side_features = check_leads(leads), check_side_features(side_features)
    if task not in ("rhythm", "group"):
        raise ValueError(f"task must be 'rhythm' or 'group', got {task!r}.")
    folder, path_of = _provide(data_home, download_if_missing, records)
    layout = {"fs": _FS, "n_timepoints": _SECONDS * _FS, "n_more": len(side_features)}
    data, comments = read_rows(folder, list(path_of.values()), leads, **layout)
    codes = [_codes(of_record, name) for of_record, name in zip(comments, path_of, strict=True)]
    acronyms = _read_names(folder / _NAMES)
    age = np.array([_age(of_record.get("Age", "")) for of_record in comments])
    sex = np.array([_SEXES.get(of_record.get("Sex", "").lower(), "") for of_record in comments], dtype="U1")
    for place, feature in enumerate(side_features, start=-len(side_features)):
        data[:, place] = age if feature == "age" else np.select([sex == "M", sex == "F"], [0, 1], np.nan)
        warn_of_unknown(feature, data[:, place], side_features)
    _warn_of_invalid(data[:, : len(leads) * _SECONDS * _FS])
    bunch = Bunch(
        data=data,
        target=np.array(["; ".join(_rhythms(of_record, task)) for of_record in codes]),
        diagnoses=[[acronyms.get(code, code) for code in of_record] for of_record in codes],
        codes=codes,
        groups=np.array(list(path_of)),
        record=np.array(list(path_of)),
        age=age,
        sex=sex,
        fs=float(_FS),
        lead_names=leads,
        n_leads=len(leads),
        n_side_features=len(side_features),
        side_feature_names=side_features,
        DESCR=_ABOUT,
    )
    return as_requested(bunch, _SECONDS * _FS, return_X_y=return_X_y, as_frame=as_frame)


def _provide(data_home, download_if_missing, records):
    """Folder of the database, and the paths of the records wanted that are there, by name."""
    folder = get_data_home(data_home) / "chapman"
    if download_if_missing and not (folder / SUMS).is_file():
        download(folder, _DATABASE, [SUMS], unlisted=(SUMS,))
    provide_files(folder, _DATABASE, (_NAMES,), download_if_missing=download_if_missing)
    path_of = _index(folder)
    wanted = _names(records, path_of)
    if isinstance(records, str) and len(wanted) < _SIZES[records]:
        message = f"{folder} lists {len(wanted)} of the {_SIZES[records]} records of this set; the others are left out."
        warnings.warn(message, UserWarning, stacklevel=3)
    complete = provide_records(
        folder,
        _DATABASE,
        wanted,
        lambda name: [f"{path_of[name]}.{extension}" for extension in ("hea", "mat")],
        download_if_missing=download_if_missing,
    )
    return folder, {name: path_of[name] for name in complete}


def _index(folder):
    """Path of every record by its name: in the list of sums, else on disk, since no rule tells the folders."""
    sums = folder / SUMS
    if sums.is_file():
        files = parse_sums(sums.read_text())
    else:
        files = (path.relative_to(folder).as_posix() for path in folder.glob("WFDBRecords/*/*/JS*.hea"))
    found = filter(None, map(_HEADER.fullmatch, sorted(files)))
    return {match["name"]: match["path"] for match in found}


def _names(records, path_of):
    if isinstance(records, str) and records in _SETS:
        first, last = _SETS[records]
        names = [name for name in path_of if first <= int(name[2:]) <= last and name not in _MALFORMED]
        if not names:
            raise OSError(f"The data folder holds no record of the set {records!r}: {other_home('chapman')}.")
        return names
    names = [] if isinstance(records, str) or np.ndim(records) != 1 else [str(name) for name in records]
    if not names or len(set(names)) < len(names):
        choices = ", ".join(map(repr, _SETS))
        raise ValueError(f"records must be {choices} or a list of different names such as 'JS00001', got {records!r}.")
    unknown = [name for name in names if name not in path_of]
    if unknown:
        raise ValueError(f"records must be listed in {SUMS} or, without that file, lie on disk; unknown: {unknown}.")
    return names


def _read_names(path):
    """SNOMED CT code → acronym; of two acronyms for one code the first."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [{(key or "").strip(): value for key, value in row.items()} for row in csv.DictReader(file)]
    if not rows or not {"Acronym Name", "Snomed_CT"} <= set(rows[0]):
        raise OSError(f"{path} is not the table of conditions: it wants the columns Acronym Name and Snomed_CT.")
    return {row["Snomed_CT"].strip(): row["Acronym Name"].strip() for row in reversed(rows)}


def _codes(comments, name):
    if "Dx" not in comments:
        raise OSError(f"Record {name}: the header has no line '#Dx:' with the statements.")
    return list(dict.fromkeys(code.strip() for code in comments["Dx"].split(",") if code.strip()))


def _rhythms(codes, task):
    stated = [_RHYTHMS[code][task == "group"] for code in codes if code in _RHYTHMS]
    return list(dict.fromkeys(stated))


def _age(text):
    return float(text) if text.isdigit() else np.nan


def _warn_of_invalid(signals):
    invalid = int(np.isnan(signals).any(axis=1).sum())
    if invalid:
        message = f"{invalid} of the {len(signals)} records have samples that are marked invalid and NaN in data."
        warnings.warn(message, UserWarning, stacklevel=3)
