"""Records as the regressors see them: windows of 8 s in eight leads, and four intervals to each."""

from dataclasses import dataclass

import numpy as np

from sklearn_ecg import ECGFilter, ECGResampler

from . import data

FS = 250
SECONDS = 8
WIDTH = SECONDS * FS
N_LEADS = len(data.EIGHT)
_MOST_STRETCH = 0.2  # logarithm; a window then wants at most 9.8 s of the record
_MIX = 0.3
_TEST_STARTS = (0, FS, 2 * FS)


@dataclass(frozen=True)
class Records:
    """Records in mV between 0.5 and 40 Hz, and their intervals."""

    signal: np.ndarray  # (n_records, 8, n_timepoints)
    y: np.ndarray  # (n_records, 4): heart rate in bpm, PR, QRS, QT in ms, NaN where unknown
    mask: np.ndarray | None = None  # (n_records, n_timepoints): the wave at every sample, of synthetic records

    def __len__(self):
        return len(self.signal)

    def at(self, rows):
        return Records(self.signal[rows], self.y[rows], None if self.mask is None else self.mask[rows])


def load_ludb(data_home):
    """LUDB in eight leads, its global intervals and its patients."""
    ludb = data.load(data_home)
    return Records(prepare(ludb.leads(data.EIGHT), data.FS), ludb.intervals("global")), ludb.patient


def prepare(raw, fs):
    """Signals (n_records, n_leads, n_timepoints) between 0.5 and 40 Hz, at 250 Hz."""
    filtered = ECGFilter(fs=fs).fit_transform(raw)
    if fs != FS:
        filtered = ECGResampler(fs=fs, fs_out=FS).fit_transform(filtered)
    return filtered.astype(np.float32)


def stretched_windows(records, n_copies, seed):
    """Windows of the records, each from a random start and at a random pace, which changes the intervals alike.

    Their leads are mixed, as if the heart lay differently. Returns rows (n_copies * n_records, 8 * WIDTH), copy after
    copy, and their intervals.
    """
    rng = np.random.default_rng(seed)
    _, n_leads, n_timepoints = records.signal.shape
    X = np.empty((n_copies, len(records), n_leads, WIDTH), dtype=np.float32)
    pace = np.exp(rng.uniform(-_MOST_STRETCH, _MOST_STRETCH, size=X.shape[:2]))
    for place in np.ndindex(X.shape[:2]):
        step = 1 / pace[place]
        at = rng.uniform(0, n_timepoints - 1 - (WIDTH - 1) * step) + step * np.arange(WIDTH)
        left = at.astype(int)
        signal = records.signal[place[1]]
        window = signal[:, left] + (at - left).astype(np.float32) * (signal[:, left + 1] - signal[:, left])
        X[place] = mixing(n_leads, _MIX, rng) @ window
    y = records.y * np.stack([1 / pace, pace, pace, pace], axis=-1)
    return X.reshape(-1, n_leads * WIDTH), y.reshape(-1, y.shape[-1])


def mixing(n_leads, spread, rng):
    """Matrix that mixes leads: random heights, and random shares of the other leads in each."""
    heights = np.exp(spread * rng.normal(size=(n_leads, 1)))
    return (heights * (np.eye(n_leads) + spread * rng.normal(size=(n_leads, n_leads)))).astype(np.float32)


def predict_records(regressor, signal):
    """Intervals of whole records of ten seconds: means over three windows of each."""
    parts = [signal[:, :, start : start + WIDTH].reshape(len(signal), -1) for start in _TEST_STARTS]
    return np.mean([regressor.predict(part) for part in parts], axis=0)
