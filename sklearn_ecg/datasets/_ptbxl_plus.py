"""PTB-XL+: what the Marquette 12SL program measures in the records of PTB-XL."""

import csv

import numpy as np

from ..signals._annotations import INTERVALS
from ._download import get_data_home, provide_files

_DATABASE = "ptb-xl-plus/1.0.1"
_TABLE = "features/12sl_features.csv"
_KEY = "ecg_id"  # not the first column
FEATURES = ("RR_Mean_Global", "PR_Int_Global", "QRS_Dur_Global", "QT_Int_Global")
"""Columns of the table that are read, in ms."""

ABOUT = """
PTB-XL+ 1.0.1 (Strodthoff et al. 2023, doi:10.1038/s41597-023-02153-8; PhysioNet, doi:10.13026/g6h6-7g88; Creative
Commons Attribution 4.0): features of the same records, here those of the Marquette 12SL program of GE Healthcare, a
measurement by a machine and not by a cardiologist.
"""


def fetch_features(ecg_ids, data_home, download_if_missing):
    """Features of the records ``ecg_ids``: dict of column → float64 ndarray in ms, NaN where there is no value.

    Raises
    ------
    OSError
        If the table is missing and may not be downloaded, its download fails, or it is not the one of PTB-XL+.
    """
    folder = get_data_home(data_home) / "ptbxl_plus"
    provide_files(folder, _DATABASE, (_TABLE,), download_if_missing=download_if_missing)
    table = _read_table(folder / _TABLE)
    values = np.array([table.get(int(ecg_id), (np.nan,) * len(FEATURES)) for ecg_id in ecg_ids]).T
    return dict(zip(FEATURES, np.where(values > 0, values, np.nan), strict=True))


def intervals_of(features):
    """Heart rate (bpm), PR, QRS and QT (ms) as columns, the names of these columns beside."""
    rr, *others = (features[name] for name in FEATURES)
    return np.column_stack([60_000 / rr, *others]), INTERVALS


def _read_table(path):
    """Values of the columns by ``ecg_id``; of nearly 800 columns five are kept."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        if not {_KEY, *FEATURES} <= set(header):
            raise OSError(f"{path} is not the table of PTB-XL+: it wants the columns {_KEY}, {', '.join(FEATURES)}.")
        key, *places = (header.index(name) for name in (_KEY, *FEATURES))
        try:
            return {int(float(row[key])): [float(row[place] or "nan") for place in places] for row in rows if row}
        except (ValueError, IndexError) as error:
            raise OSError(f"{path} is damaged ({error}).") from error
