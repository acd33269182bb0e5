"""Loaders of public ECG databases, and synthetic ECG."""

from ..signals._record import ECGRecord
from ._apnea import fetch_apnea_ecg
from ._chapman import fetch_chapman
from ._deepfake import fetch_deepfake
from ._download import get_data_home
from ._ludb import fetch_ludb
from ._make_beats import make_beats
from ._mitdb import fetch_mitdb, fetch_mitdb_beats
from ._noise import make_noise
from ._ptbxl import fetch_ptbxl
from ._pulse2pulse import make_pulse2pulse
from ._synthetic import make_ecg
from ._waves import waves_of_intervals

__all__ = [
    "ECGRecord",
    "fetch_apnea_ecg",
    "fetch_chapman",
    "fetch_deepfake",
    "fetch_ludb",
    "fetch_mitdb",
    "fetch_mitdb_beats",
    "fetch_ptbxl",
    "get_data_home",
    "make_beats",
    "make_ecg",
    "make_noise",
    "make_pulse2pulse",
    "waves_of_intervals",
]
