"""DeepFake ECG: the published records of the Pulse2Pulse generator, with the intervals that MUSE measured in them."""

import csv
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
from sklearn.utils import Bunch

from ..signals._annotations import INDEPENDENT_LEADS, INTERVALS
from ._download import get_data_home, other_home
from ._frame import as_requested
from ._rows import check_leads

FS, N_TIMEPOINTS = 500, 5000
MICROVOLT = 1e-3
"""In mV."""

_SPLITS = ("train", "validation", "test")
_COLUMNS = ("avgrrinterval", "pr", "qrs", "qt")
_NORMAL = "Normal ECG"


@dataclass(frozen=True)
class _Layout:
    """Where a published set keeps what: split → table (the first of some names that there is) and folder of signals."""

    folder: str
    tables: dict
    signals: dict


def _in_three(folder, *places):
    names = {"train": ("train",), "validation": ("validate", "validation"), "test": ("test",)}
    tables = {split: [f"{place}{name}.csv" for place in places for name in names[split]] for split in _SPLITS}
    return _Layout(folder, tables, dict(zip(_SPLITS, _SPLITS, strict=True)))


def _whole(table, folder):
    return _Layout("", {"all": [table]}, {"all": folder})


_LAYOUTS = {
    "small": _in_three("deepfake-ecg-small", ""),
    "full": _in_three("deepfake_ecg_full_train_validation_test", "", "clean/"),
    "normals": _whole(
        "filtered_all_normals_121977_ground_truth.csv", "from_006_chck_2500_150k_filtered_all_normals_121977"
    ),
    "150k": _whole("pulse2pulse_150k_ground_truth.csv", "from_006_chkp_2500_150k"),
}

_ABOUT = """DeepFake ECG (Thambawita et al. 2021, doi:10.1038/s41598-021-01295-2; Creative Commons Attribution 4.0).

Ten seconds of the eight independent leads at 500 Hz, drawn by the generative network Pulse2Pulse that was trained on
7,233 normal recordings; nobody's ECG. RR, PR, QRS and QT are those that the program MUSE 12SL of GE Healthcare measured
in the generated signals. 150,000 records were made; MUSE called 121,977 of them normal.
"""


def fetch_deepfake(
    *,
    data_home: str | PathLike | None = None,
    subset: str = "small",
    split: str = "train",
    normal_only: bool = True,
    leads: str | Sequence[str] | None = None,
    max_records: int | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch:
    """Load the published DeepFake ECG sets from disk, as rows of signal with the intervals that MUSE measured.

    Nothing is downloaded: the sets are archives of up to 16.5 GB. Get one from Hugging Face (deepsynthbody) or OSF
    (6hved) and unpack it in ``deepfake/`` of the data home, so that there are, with ``N.asc`` a text file of 5000 lines
    with 8 whole numbers in µV, and N the table's column ``patid``:

    * "small", Hugging Face ``deepfake-ecg-small``, 10,000 / 2,500 / 2,500 normal records:
      ``deepfake-ecg-small/train.csv``, ``validate.csv``, ``test.csv`` and ``deepfake-ecg-small/train/N.asc``,
      ``validation/``, ``test/``.
    * "full", Hugging Face ``deepfake_ecg_full_train_validation_test``, 97,581 / 12,198 / 12,198 normal records: the
      same in a folder of that name, its archives unpacked; the tables may lie in ``clean/``.
    * "normals", OSF, 121,977 records: ``filtered_all_normals_121977_ground_truth.csv`` and
      ``from_006_chck_2500_150k_filtered_all_normals_121977/N.asc``.
    * "150k", OSF, all 150,000 records: ``pulse2pulse_150k_ground_truth.csv`` and ``from_006_chkp_2500_150k/N.asc``.

    The layouts are those that programs using the sets read; no set was at hand when this loader was written. A row of
    eight leads takes 160 kB: 1.6 GB for the 10,000 of "small", 15.6 GB for the training records of "full".

    Parameters
    ----------
    data_home : path-like, default=None
        Folder that holds ``deepfake/``; see :func:`get_data_home`.
    subset : {"small", "full", "normals", "150k"}, default="small"
        Which of the sets.
    split : {"train", "validation", "test", "all"}, default="train"
        Which part of "small" or "full"; "all" is the three of them one after another, and all that the OSF sets
        have, which are not divided.
    normal_only : bool, default=True
        Leave out the records that MUSE does not call "Normal ECG" in the column ``ecgcategory``. A table without that
        column is of normal records alone, except that of "150k".
    leads : str, sequence of str or None, default=None
        Leads in the order wanted, of I, II and V1 to V6; None is all eight. :class:`sklearn_ecg.LeadConverter` derives
        the other four.
    max_records : int, default=None
        Read the first so many only.
    return_X_y : bool, default=False
        Return (data, target) only.
    as_frame : bool, default=False
        ``data`` and ``target`` as pandas DataFrames with the columns ``feature_names`` and ``target_names``; both
        together in ``frame``.

    Returns
    -------
    deepfake : Bunch
        ``data`` : float32 of shape (n_records, n_leads * 5000), lead after lead in mV.
        ``target`` : float64 of shape (n_records, 4), heart rate in bpm (60,000 / ``avgrrinterval``), PR, QRS and QT in
        ms; NaN where MUSE gives none. ``target_names`` : names of its columns.
        ``record`` : ``patid`` of every record. ``split`` : its part; "all" where there are none.
        ``fs`` (Hz), ``lead_names``, ``n_leads``, ``n_side_features``, ``side_feature_names``, ``feature_names``,
        ``DESCR``.

    Raises
    ------
    OSError
        If there is nothing to read, or a file is damaged.
    ValueError
        If a parameter is out of its range.
    """
    layout, parts = _check_choices(subset, split, max_records)
    leads = check_leads(leads, INDEPENDENT_LEADS)
    home = get_data_home(data_home) / "deepfake" / layout.folder
    rows: list = []
    absent = 0
    for part in parts:
        wanted = _read_table(_find(home, layout.tables[part], subset), subset, normal_only)
        wanted = wanted[: None if max_records is None else max_records - len(rows)]
        folder = home / layout.signals[part]
        there = {path.name for path in folder.glob("*.asc")}
        complete = [(part, folder / f"{name}.asc", values) for name, values in wanted if f"{name}.asc" in there]
        rows, absent = rows + complete, absent + len(wanted) - len(complete)
    _warn_of_absent(home, rows, absent, subset)
    bunch = Bunch(
        data=_read_signals([path for _, path, _ in rows], leads),
        target=np.array([values for *_, values in rows]),
        target_names=list(INTERVALS),
        record=np.array([int(path.stem) for _, path, _ in rows]),
        split=np.array([part for part, *_ in rows]),
        fs=float(FS),
        lead_names=leads,
        n_leads=len(leads),
        n_side_features=0,
        side_feature_names=[],
        DESCR=_ABOUT,
    )
    return as_requested(bunch, N_TIMEPOINTS, return_X_y=return_X_y, as_frame=as_frame)


def _check_choices(subset, split, max_records):
    """Layout of the set, and the parts of it that are wanted."""
    if subset not in _LAYOUTS:
        raise ValueError(f"subset must be {', '.join(map(repr, _LAYOUTS))}, got {subset!r}.")
    if split not in (*_SPLITS, "all"):
        raise ValueError(f"split must be 'train', 'validation', 'test' or 'all', got {split!r}.")
    if max_records is not None and (not isinstance(max_records, (int, np.integer)) or max_records < 1):
        raise ValueError(f"max_records must be a positive integer or None, got {max_records!r}.")
    layout = _LAYOUTS[subset]
    if split != "all" and split not in layout.tables:
        raise ValueError(f"The set {subset!r} is not divided: split must be 'all', got {split!r}.")
    return layout, list(layout.tables) if split == "all" else [split]


def _find(home, names, subset):
    for name in names:
        if (home / name).is_file():
            return home / name
    raise FileNotFoundError(
        f"{home} holds no {' or '.join(names)}, the table of the set {subset!r}. Nothing is downloaded: see "
        f"fetch_deepfake for where to get the set, or {other_home('deepfake')}."
    )


def _read_table(path, subset, normal_only):
    """Pairs of the name and the intervals of every record wanted; cells are divided by commas or semicolons."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        head = file.readline()
        file.seek(0)
        delimiter = ";" if head.count(";") > head.count(",") else ","
        rows = csv.DictReader(file, delimiter=delimiter)
        needed = {"patid", *_COLUMNS} | ({"ecgcategory"} if normal_only and subset == "150k" else set())
        lacking = sorted(needed - set(rows.fieldnames or ()))
        if lacking:
            raise OSError(f"{path} is not a table of DeepFake ECG: it lacks the column(s) {', '.join(lacking)}.")
        try:
            return [
                (int(row["patid"]), _intervals(row, delimiter))
                for row in rows
                if not normal_only or row.get("ecgcategory", _NORMAL) == _NORMAL
            ]
        except (ValueError, TypeError, AttributeError) as error:
            raise OSError(f"{path} is damaged ({error}).") from error


def _intervals(row, delimiter):
    """Heart rate, PR, QRS and QT; NaN for empty cells and values that are not positive."""
    cells = [row[column].strip() for column in _COLUMNS]
    if delimiter == ";":
        cells = [cell.replace(",", ".") for cell in cells]
    rr, *others = (float(cell) if cell else np.nan for cell in cells)
    return [value if value > 0 else np.nan for value in (60_000 / rr if rr else np.nan, *others)]


def _warn_of_absent(home, rows, absent, subset):
    if not rows:
        raise FileNotFoundError(
            f"{home} holds none of the {absent} signal(s) wanted of the set {subset!r}: {other_home('deepfake')}."
        )
    if absent:
        warnings.warn(
            f"{home} holds {len(rows)} of the {len(rows) + absent} records wanted; the others are left out.",
            UserWarning,
            stacklevel=3,
        )


def _read_signals(paths, leads):
    places = [INDEPENDENT_LEADS.index(lead) for lead in leads]
    data = np.empty((len(paths), len(leads) * N_TIMEPOINTS), dtype=np.float32)
    for row, path in zip(data, paths, strict=True):
        try:
            counts = np.loadtxt(path, dtype=np.float32, ndmin=2)
        except ValueError as error:
            raise OSError(f"{path} is damaged ({error}).") from error
        if counts.shape != (N_TIMEPOINTS, len(INDEPENDENT_LEADS)):
            raise OSError(f"{path} is damaged: 5000 lines of 8 numbers are wanted, got shape {counts.shape}.")
        row[:] = counts[:, places].T.ravel() * MICROVOLT
    return data
