"""Records of LUDB with their marks, intervals and folds."""

import warnings
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from sklearn_ecg.datasets import fetch_ludb
from sklearn_ecg.preprocessing import merge_waves, wave_intervals

FS = 500.0  # Hz
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")  # the others follow from them
N_FOLDS = 5


@dataclass(frozen=True)
class Ludb:
    """Records (n_records, 12, 5000) in mV, their marks by lead, and their patients."""

    signal: np.ndarray
    marks: list
    patient: np.ndarray

    def leads(self, names):
        """Signals of some leads, (n_records, n_leads, 5000)."""
        return self.signal[:, [LEADS.index(lead) for lead in names]]

    def waves(self, lead):
        """Marks of one lead of every record, or with "global" those of all leads merged."""
        return self.merged if lead == "global" else [marks[lead] for marks in self.marks]

    @cached_property
    def merged(self):
        return [merge_waves(marks, fs=FS) for marks in self.marks]

    def intervals(self, lead):
        """Heart rate, PR, QRS and QT of every record by the marks of one lead, or "global"."""
        return wave_intervals(self.waves(lead), fs=FS)


@lru_cache(maxsize=1)
def load(data_home):
    """All records of LUDB that are on disk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of records that are not there; the counts are printed
        ludb = fetch_ludb(data_home=data_home, download_if_missing=False)
    return Ludb(ludb.data, ludb.boundaries, ludb.groups)


def folds(patient, seed, n_folds=N_FOLDS):
    """Training and test places of each fold; no patient is in both, and each is tested once."""
    order = np.random.default_rng(seed).permutation(np.unique(patient))
    for held_out in np.array_split(order, n_folds):
        test = np.isin(patient, held_out)
        yield np.flatnonzero(~test), np.flatnonzero(test)


def looked_at(patient):
    """Whether a record is one of the fifth that was looked at, as a held-out part, when the network was designed."""
    place = np.random.default_rng(0).permutation(len(patient))[: len(patient) // N_FOLDS]
    return np.isin(np.arange(len(patient)), place)


def within(waves, marks):
    """Those of the found ``waves`` whose peak lies in the labelled span, between the first and the last mark."""
    times = np.concatenate([marks[mark] for mark in ("onset", "peak", "offset")])
    times = times[times >= 0]
    if not len(times):
        return waves[:0]
    return waves[(waves["peak"] >= times.min()) & (waves["peak"] <= times.max())]
