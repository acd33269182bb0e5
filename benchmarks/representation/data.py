"""Records of LUDB and PTB-XL as the autoencoders see them: windows of 4 s and single cycles."""

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sklearn_ecg import ECGFilter, ECGResampler, ECGScaler
from sklearn_ecg.datasets import fetch_ludb, fetch_ptbxl
from sklearn_ecg.preprocessing import detect_r_peaks

FS_RAW, FS = 500, 128
WINDOW, CYCLE = 4 * FS, FS  # samples
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
V6 = ("V6",)
EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")  # the others follow from them
SHARE = 0.2  # of the patients of LUDB are held out, and of the others again for validation


@dataclass(frozen=True)
class Records:
    """Records without baseline wander, each lead with mean zero and standard deviation one."""

    signal: np.ndarray  # (n_records, 12, n_timepoints)
    patient: np.ndarray
    peaks: list  # of every record, the R peaks in samples

    def of(self, patients):
        rows = np.flatnonzero(np.isin(self.patient, patients))
        return Records(self.signal[rows], self.patient[rows], [self.peaks[row] for row in rows])


@lru_cache(maxsize=1)
def load(data_home):
    """Records of LUDB and of PTB-XL, whose patients are others; everything here is done record by record."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of records that are not there; the counts are printed
        ludb = fetch_ludb(data_home=data_home, download_if_missing=False)
        ptbxl = fetch_ptbxl(data_home=data_home, download_if_missing=False, fs=FS_RAW)
    rows = ptbxl.data.reshape(len(ptbxl.data), len(LEADS), -1)
    return prepare(ludb.data, ludb.groups), prepare(rows, ptbxl.groups)


def prepare(raw, patient):
    """Records of shape (n_records, 12, samples) in mV at 500 Hz, prepared."""
    peaks = [np.rint(detect_r_peaks(record, fs=FS_RAW) * FS / FS_RAW).astype(int) for record in raw]
    leads = raw.reshape(-1, raw.shape[2])
    leads = ECGFilter(fs=FS_RAW, low=None, high=None, baseline="median").fit_transform(leads)
    leads = ECGScaler(by="record").fit_transform(ECGResampler(fs=FS_RAW, fs_out=FS).fit_transform(leads))
    return Records(leads.reshape(*raw.shape[:2], -1).astype(np.float32), patient, peaks)


def split_patients(patient, seed):
    """Patients to learn from, to validate on, and held out."""
    order = np.random.default_rng(seed).permutation(np.unique(patient))
    held_out, others = np.split(order, [round(SHARE * len(order))])
    valid, train = np.split(others, [round(SHARE * len(others))])
    return train, valid, held_out


def windows(records, leads, step):
    """Windows of 4 s, one every ``step`` samples, of each of the leads by itself; and their patients."""
    signal = records.signal[:, [LEADS.index(lead) for lead in leads]]
    cut = np.lib.stride_tricks.sliding_window_view(signal, WINDOW, axis=2)[:, :, ::step]
    return cut.reshape(-1, WINDOW), np.repeat(records.patient, cut.shape[1] * cut.shape[2])


def cycles(records, leads):
    """One second around every R peak that lies half a second within the record, of each lead; and their patients."""
    places, cut, patient = [LEADS.index(lead) for lead in leads], [], []
    for signal, peaks, name in zip(records.signal, records.peaks, records.patient, strict=True):
        first = peaks - CYCLE // 2
        first = first[(first >= 0) & (first + CYCLE <= signal.shape[1])]
        rows = signal[places][:, first[:, None] + np.arange(CYCLE)].reshape(-1, CYCLE)
        cut.append(rows)
        patient += [name] * len(rows)
    return np.concatenate(cut), np.array(patient)
