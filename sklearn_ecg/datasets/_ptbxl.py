"""PTB-XL: twelve-lead ECG of ten seconds with cardiologists' statements, as rows ready for a multi-label classifier."""

import csv
import warnings
from ast import literal_eval
from collections.abc import Sequence
from os import PathLike

import numpy as np
from sklearn.utils import Bunch

from ._download import get_data_home, provide_files, provide_records
from ._frame import as_requested
from ._ptbxl_plus import ABOUT, fetch_features, intervals_of
from ._rows import check_leads, check_side_features, read_rows, warn_of_unknown

_DATABASE = "ptb-xl/1.0.3"
_N_RECORDS = 21_799
_TABLE, _STATEMENTS = "ptbxl_database.csv", "scp_statements.csv"
_PATH_COLUMN = {100: "filename_lr", 500: "filename_hr"}
_COLUMNS = {"ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold", *_PATH_COLUMN.values()}
_SECONDS = 10
_SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
_TASKS = {"superclass": "diagnostic_class", "subclass": "diagnostic_subclass", "diagnostic": ""}
_FOLDS = tuple(range(1, 11))
_OLDEST_CODE, _OLDEST = 300.0, 90.0

_ABOUT = """PTB-XL 1.0.3 (Wagner et al. 2020, doi:10.1038/s41597-020-0495-6; PhysioNet, doi:10.13026/kfzx-aw45; Creative
Commons Attribution 4.0).

21,799 clinical recordings of 10 s, twelve standard leads at 100 and 500 Hz, with statements of the SCP-ECG standard.
Diagnostic statements fall into five superclasses: NORM (normal), MI (myocardial infarction), STTC (changes of ST and
T), CD (conduction disturbance) and HYP (hypertrophy); a record may have several or none. Ten folds that no patient
crosses come with the database; its authors train on 1 to 8, validate on 9 and test on 10, the two with the best
labels.
"""


def fetch_ptbxl(
    *,
    data_home: str | PathLike | None = None,
    download_if_missing: bool = True,
    records: str | list = "all",
    folds: int | Sequence[int] | None = None,
    fs: int = 100,
    leads: str | Sequence[str] | None = None,
    task: str = "superclass",
    min_likelihood: float = 0.0,
    side_features: Sequence = (),
    features: bool = False,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch:
    """Load PTB-XL as rows of signal and an indicator matrix of diagnoses, downloading what is missing.

    The whole database is 43,598 files for either sampling frequency, 0.6 GB at 100 Hz and 2.6 GB at 500 Hz. So many
    single downloads take long: PhysioNet's archive, unpacked as ``ptbxl/`` in the data home, is the quicker way. In
    memory the rows take 1.05 and 5.2 GB for twelve leads, less in proportion for fewer.

    Parameters
    ----------
    data_home : path-like, default=None
        Folder that holds ``ptbxl/``, and ``ptbxl_plus/`` for ``features``; see :func:`get_data_home`.
    download_if_missing : bool, default=True
        False serves the records on disk, with a warning that names the missing ones.
    records : "all" or list of int, default="all"
        ``ecg_id`` of the records, in the order wanted; "all" is the whole table, in its order.
    folds : int, sequence of int or None, default=None
        Only the records of these of the folds 1 to 10.
    fs : {100, 500}, default=100
        Sampling frequency in Hz.
    leads : str, sequence of str or None, default=None
        Standard leads in the order wanted; None is all twelve. PTB-XL's AVR, AVL and AVF go by aVR, aVL and aVF.
    task : {"superclass", "subclass", "diagnostic"}, default="superclass"
        Classes: the 5 diagnostic superclasses, their 23 subclasses or the 44 diagnostic statements themselves.
    min_likelihood : float, default=0.0
        Statements of a lower likelihood in percent do not count. The likelihood 0 means that none is known, and the
        default counts these too, as the example that comes with the database does.
    side_features : sequence of {"age", "sex"}, default=()
        Columns after the signal: age in years, and sex, 0 male and 1 female. An unknown age stays NaN, with a
        warning; see Notes.
    features : bool, default=False
        Whether to join the intervals that the 12SL program measured, from PTB-XL+: ``features/12sl_features.csv`` in
        the folder ``ptbxl_plus/`` of the data home, downloaded if missing.
    return_X_y : bool, default=False
        Return (data, target) only.
    as_frame : bool, default=False
        ``data`` and ``target`` as pandas DataFrames with the columns ``feature_names`` and ``target_names``; both
        together in ``frame``.

    Returns
    -------
    ptbxl : Bunch
        ``data`` : float32 of shape (n_records, n_leads * n_timepoints + n_side_features), lead after lead in mV.
        ``target`` : int of shape (n_records, n_classes), 1 where the record has the diagnosis. A record without any
        diagnostic statement has a row of zeros.
        ``target_names`` : classes, the columns of ``target``; superclasses are NORM, MI, STTC, CD, HYP.
        ``groups`` : patient of every record. ``fold`` : 1 to 10. ``ecg_id`` : name of every record.
        ``age`` : years; NaN where unknown, 90 for "over 89" (300 in the table). ``sex`` : "M", "F".
        ``features`` : where asked for, a dict of RR_Mean_Global, PR_Int_Global, QRS_Dur_Global and QT_Int_Global, each
        a float array of shape (n_records,) in ms. ``intervals`` : the same as a target of regression, of shape
        (n_records, 4): heart rate in bpm (60,000 / RR), PR, QRS and QT in ms; ``interval_names`` : names of its
        columns. NaN where the record or the value is not in the table, or the value is not positive.
        ``metadata`` : all columns of the table as they stand there, a dict of column → array of str.
        ``fs`` (Hz), ``lead_names``, ``n_leads``, ``n_side_features``, ``side_feature_names``, ``feature_names``,
        ``DESCR``.

    Raises
    ------
    OSError
        If there is nothing to read, a download fails, or a file is missing, cut short or unreadable.
    ValueError
        If a parameter is out of its range, or no record is left.

    Notes
    -----
    Our estimators refuse NaN. Where ages are unknown, leave those records out by ``records``, or fill the column
    inside the pipeline, so that the filling is learnt from training records alone: with ``side_features=["age"]`` by
    ``ColumnTransformer([("signal", "passthrough", slice(0, -1)), ("age", SimpleImputer(), [-1])])``.
    """
    leads, side_features = check_leads(leads), check_side_features(side_features)
    fs = _check_choices(fs, task, min_likelihood)
    folder, table = _provide(data_home, download_if_missing, records, _check_folds(folds), fs)
    names, class_of = _classes(folder / _STATEMENTS, task)
    people = {"age": np.array([_age(row["age"]) for row in table]), "sex": np.array([int(row["sex"]) for row in table])}
    data = _read_signals(folder, [row[_PATH_COLUMN[fs]] for row in table], leads, fs, side_features, people)
    warn_of_unknown("age", people["age"], side_features)
    bunch = Bunch(
        data=data,
        target=_indicator([row["scp_codes"] for row in table], names, class_of, min_likelihood),
        target_names=list(names),
        groups=np.array([int(float(row["patient_id"])) for row in table]),
        fold=np.array([int(row["strat_fold"]) for row in table]),
        ecg_id=np.array([int(row["ecg_id"]) for row in table]),
        age=people["age"],
        sex=np.array(["M", "F"])[people["sex"]],
        metadata={column: np.array([row[column] for row in table]) for column in table[0]},
        fs=float(fs),
        lead_names=leads,
        n_leads=len(leads),
        n_side_features=len(side_features),
        side_feature_names=side_features,
        DESCR=_ABOUT,
    )
    if features:
        bunch.features = fetch_features(bunch.ecg_id, data_home, download_if_missing)
        bunch.intervals, bunch.interval_names = intervals_of(bunch.features)
        bunch.DESCR += ABOUT
    return as_requested(bunch, _SECONDS * fs, return_X_y=return_X_y, as_frame=as_frame)


def _read_signals(folder, paths, leads, fs, side_features, people):
    """Rows of signals, with the side features behind them."""
    data, _ = read_rows(folder, paths, leads, fs=fs, n_timepoints=_SECONDS * fs, n_more=len(side_features))
    for place, feature in enumerate(side_features, start=-len(side_features)):
        data[:, place] = people[feature]
    return data


def _check_folds(folds):
    folds = _FOLDS if folds is None else np.ravel(folds).tolist()
    if not folds or not set(folds) <= set(_FOLDS):
        raise ValueError(f"folds must be at least one of 1 to 10, got {folds!r}.")
    return set(folds)


def _check_choices(fs, task, min_likelihood):
    if fs not in _PATH_COLUMN:
        raise ValueError(f"fs must be 100 or 500, the sampling frequencies of PTB-XL in Hz, got {fs!r}.")
    if task not in _TASKS:
        raise ValueError(f"task must be {', '.join(map(repr, _TASKS))}, got {task!r}.")
    if not 0 <= min_likelihood <= 100:
        raise ValueError(f"min_likelihood must be a percentage from 0 to 100, got {min_likelihood!r}.")
    return int(fs)


def _provide(data_home, download_if_missing, records, folds, fs):
    """Folder of the database, and the rows of its table whose records are wanted and there."""
    folder = get_data_home(data_home) / "ptbxl"
    provide_files(folder, _DATABASE, (_TABLE, _STATEMENTS), download_if_missing=download_if_missing)
    table = _read_table(folder / _TABLE)
    if isinstance(records, str) and records == "all" and len(table) < _N_RECORDS:
        message = (
            f"{folder / _TABLE} lists {len(table)} of the {_N_RECORDS} records of PTB-XL; the others are left out."
        )
        warnings.warn(message, UserWarning, stacklevel=3)
    wanted = [name for name in _names(records, table) if int(table[name]["strat_fold"]) in folds]
    if not wanted:
        raise ValueError(f"No record is left: those wanted are in none of the folds {sorted(folds)}.")
    column = _PATH_COLUMN[fs]
    complete = provide_records(
        folder,
        _DATABASE,
        wanted,
        lambda name: [f"{table[name][column]}.{extension}" for extension in ("hea", "dat")],
        download_if_missing=download_if_missing,
    )
    return folder, [table[name] for name in complete]


def _read_table(path):
    """Rows of the table by ``ecg_id``."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not set(rows[0]) >= _COLUMNS:
        raise OSError(
            f"{path} is not the table of PTB-XL: it wants rows with the columns {', '.join(sorted(_COLUMNS))}."
        )
    return {row["ecg_id"]: row for row in rows}


def _names(records, table):
    if isinstance(records, str) and records == "all":
        return list(table)
    names = [] if isinstance(records, str) or np.ndim(records) != 1 else [str(name) for name in records]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"records must be 'all' or a list of different records of PTB-XL, got {records!r}.")
    unknown = [name for name in names if name not in table]
    if unknown:
        raise ValueError(f"records must be an ecg_id of {_TABLE}; unknown: {', '.join(unknown)}.")
    return names


def _classes(path, task):
    """Names of the classes in order, superclass by superclass, and the class of every diagnostic statement."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["diagnostic"]]
    rows.sort(key=lambda row: _SUPERCLASSES.index(row["diagnostic_class"]))
    class_of = {row[""]: row[_TASKS[task]] for row in rows}
    return list(dict.fromkeys(class_of.values())), class_of


def _indicator(statements, names, class_of, min_likelihood):
    """Matrix (n_records, n_classes) of the classes of ``statements``, texts of a dict of statement → likelihood."""
    target = np.zeros((len(statements), len(names)), dtype=np.int64)
    column = {name: place for place, name in enumerate(names)}
    for row, text in zip(target, statements, strict=True):
        for statement, likelihood in literal_eval(text).items():
            if statement in class_of and likelihood >= min_likelihood:
                row[column[class_of[statement]]] = 1
    return target


def _age(cell):
    age = float(cell) if cell else np.nan
    return _OLDEST if age == _OLDEST_CODE else age
