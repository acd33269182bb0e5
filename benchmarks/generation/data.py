"""Leads of LUDB and PTB-XL in windows, and the beats and RR intervals of windows."""

import warnings
from dataclasses import dataclass, fields

import numpy as np
from scipy.signal import resample_poly
from sklearn.model_selection import GroupShuffleSplit

from sklearn_ecg import ECGFilter, ECGScaler
from sklearn_ecg.datasets import fetch_ludb, fetch_ptbxl
from sklearn_ecg.preprocessing import detect_r_peaks, extract_beats

FS, SECONDS = 250, 4
WIDTH = FS * SECONDS
STARTS = (0, 1250, 625)  # of training windows; tests are on the first two, which do not overlap
LEAD = "II"
LARGEST = 4.0  # mV: what exceeds it is an artefact
BEAT = {"window": (0.25, 0.45), "n_timepoints": 84}  # at 120 Hz
TEST_SHARE = 0.3


@dataclass(frozen=True)
class Windows:
    """Windows of mean 0 and standard deviation 1, the R peaks found in the whole recording, and the patient of each."""

    X: np.ndarray
    peaks: np.ndarray  # of arrays: samples of the window
    patient: np.ndarray

    def __getitem__(self, index):
        return Windows(*(getattr(self, field.name)[index] for field in fields(self)))

    def __len__(self):
        return len(self.X)


def load_records(data_home):
    """Lead II of both databases at 250 Hz, 0.5 to 40 Hz, and the patient of each record."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a part of each database is here
        ludb = fetch_ludb(data_home=data_home, download_if_missing=False)
        ptbxl = fetch_ptbxl(data_home=data_home, download_if_missing=False, fs=500, leads=LEAD)
    signals = np.concatenate([ludb.data[:, ludb.lead_names.index(LEAD)], ptbxl.data])
    signals = resample_poly(signals.astype(np.float64), 1, 2, axis=1)
    patient = [f"{name}:{group}" for name, bunch in (("ludb", ludb), ("ptbxl", ptbxl)) for group in bunch.groups]
    return ECGFilter(fs=FS).fit_transform(signals), np.array(patient)


def load_windows(data_home, seed):
    """Training and test windows, of different patients; training windows overlap."""
    signals, patient = load_records(data_home)
    peaks = [detect_r_peaks(signal, fs=FS) for signal in signals]
    split = GroupShuffleSplit(1, test_size=TEST_SHARE, random_state=seed)
    return tuple(
        cut(signals[rows], [peaks[row] for row in rows], patient[rows], starts)
        for rows, starts in zip(next(split.split(signals, groups=patient)), (STARTS, STARTS[:2]), strict=True)
    )


def cut(signals, peaks, patient, starts):
    """Windows of the records, less those with an artefact or fewer than two beats."""
    X = np.concatenate([signals[:, start : start + WIDTH] for start in starts]).astype(np.float32)
    inside = [at[(at >= start) & (at < start + WIDTH)] - start for start in starts for at in peaks]
    of_windows = np.empty(len(inside), dtype=object)
    of_windows[:] = inside
    fit = (np.abs(X).max(axis=1) <= LARGEST) & (np.array([len(at) for at in inside]) > 1)
    return Windows(ECGScaler(by="record").fit_transform(X), of_windows, np.tile(patient, len(starts)))[fit]


def find_peaks(X):
    return [detect_r_peaks(signal, fs=FS) for signal in X]


def cut_beats(X, peaks):
    """Beats aligned at their R peaks, those cut by a border left out, and the window of each."""
    before, after = BEAT["window"]
    whole = [at[(at >= before * FS) & (at < WIDTH - after * FS)] for at in peaks]
    if not any(map(len, whole)):
        return np.empty((0, BEAT["n_timepoints"])), np.empty(0, dtype=int)
    beats = extract_beats([signal[None] for signal in X], whole, fs=FS, side_features=(), bandpass=None, **BEAT)
    return beats.data, beats.record


def rr_of(peaks):
    """RR intervals in ms, and the window of each."""
    intervals = [1000 * np.diff(at) / FS for at in peaks]
    return np.concatenate(intervals), np.repeat(np.arange(len(peaks)), [len(rr) for rr in intervals])
