"""Ten-second windows of MIT-BIH, whole and cut into heartbeat segments."""

import warnings
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from sklearn_ecg import ECGFilter, ECGScaler
from sklearn_ecg.datasets import fetch_mitdb

from . import models

FS, SECONDS = 360, 10
WIDTH = FS * SECONDS
N_BEATS = 26  # of a window: the fastest of DS1 and DS2 has no more
CLASSES = ("N", "S", "V")
AF_RECORDS = ("202", "210", "219", "221", "222")  # of DS2, flutter among them


@dataclass(frozen=True)
class Windows:
    """Filtered and scaled windows, their segments, labels and records.

    ``y`` is told by the beats whose segment is complete, ``y_all`` by all beats of the window.
    """

    raw: np.ndarray  # (n_windows, samples)
    beats: np.ndarray  # (n_windows, N_BEATS, columns)
    y: np.ndarray
    y_all: np.ndarray
    record: np.ndarray
    share_of_s: np.ndarray  # among all beats of the window

    def __getitem__(self, index):
        return Windows(*(getattr(self, f.name)[index] for f in fields(self)))

    def __len__(self):
        return len(self.y)


@lru_cache(maxsize=3)
def load_windows(records, data_home, step=SECONDS):
    """Labelled windows of records, one every ``step`` seconds; those with F, Q or flutter are left out."""
    raw, labels, names, shares = [], [], [], []
    for record in fetch_mitdb(data_home=data_home, download_if_missing=False, records=records).records:
        lead = select_lead(record)
        for first in range(0, len(lead) - WIDTH + 1, round(step * FS)):
            label = label_window(record, first)
            if label is not None:
                raw.append(lead[first : first + WIDTH])
                labels.append(label)
                names.append(record.name)
                inside = (record.peaks >= first) & (record.peaks < first + WIDTH)
                shares.append(np.mean(record.target[inside] == "S"))
    raw = by_thousands(prepare, np.array(raw, dtype=np.float32))
    y, y_all = np.array(labels).T
    return Windows(raw, segment(raw), y, y_all, np.array(names), np.array(shares))


def load_training(data_home):
    """Windows of DS1 that overlap."""
    return load_windows("ds1", data_home, models.STEP)


def by_thousands(function, rows):
    """``function`` of a thousand rows at a time, which it changes one by one, as float32."""
    return np.concatenate([function(rows[i : i + 1000]).astype(np.float32) for i in range(0, len(rows), 1000)])


@lru_cache(maxsize=2)
def load_unlabelled(records, data_home):
    """All windows of records, without their labels: filtered and scaled."""
    raw = []
    for record in fetch_mitdb(data_home=data_home, download_if_missing=False, records=records).records:
        lead = select_lead(record)
        n_windows = len(lead) // WIDTH
        raw.append(lead[: n_windows * WIDTH].reshape(n_windows, WIDTH))
    return prepare(np.concatenate(raw))


def select_lead(record):
    return record.select_leads(["MLII"]).signal[0] if "MLII" in record.lead_names else record.signal[0]


def prepare(raw, fs=FS):
    """Windows filtered and scaled, each by itself."""
    return ECGScaler(by="record", method="robust").fit_transform(ECGFilter(fs=fs).fit_transform(raw))


def cut(raw, fs=FS, detector="logistic"):
    """Heartbeat segments of prepared windows as they are; NaN where there is none."""
    return by_thousands(models.make_segmenter(fs, n_beats=N_BEATS, detector=detector).fit_transform, raw)


def segment(raw, fs=FS, detector="logistic", side_features=models.SIDE_FEATURES):
    """Heartbeat segments of prepared windows, and what sets each apart from the median one; NaN where there is none.

    Two channels, the segment and its difference from the median segment of the window, then the side features.
    """
    settings = {"deviation": "median", "side_features": side_features}
    segmenter = models.make_segmenter(fs, n_beats=N_BEATS, detector=detector, **settings)
    return by_thousands(segmenter.fit_transform, raw)


def label_window(record, first):
    """(label by the complete segments, label by all beats), V before S before N; None for windows left out."""
    last = first + WIDTH
    inside = (record.peaks >= first) & (record.peaks < last)
    target = record.target[inside]
    flutter = any(start < last and end >= first for start, end in record.episodes())
    if flutter or not len(target) or np.isin(target, ["F", "Q"]).any():
        return None
    rr = np.gradient(record.peaks.astype(float))[inside]
    peaks = record.peaks[inside]
    complete = (peaks - 0.35 * rr >= first) & (peaks + 0.65 * rr <= last - 1)
    return worst(target[complete]), worst(target)


def worst(target):
    return next((label for label in ("V", "S") if label in target), "N")


def rr_features(beats):
    """Hand features of windows: extremes, mean and spread of the segments' RR intervals, amplitude and unlikeness.

    Unlikeness is the distance of a segment from the median segment of its window. Windows without segments give zeros.
    """
    n_signal = models.N_CHANNELS * models.N_TIMEPOINTS
    deviation, side = beats[:, :, models.N_TIMEPOINTS : n_signal], beats[:, :, n_signal:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # windows without segments
        unlike = np.sqrt(np.mean(deviation**2, axis=2))
        sequences = [*np.moveaxis(side, 2, 0), unlike, np.diff(side[:, :, 1], axis=1)]
        statistics = [f(values, axis=1) for values in sequences for f in (np.nanmin, np.nanmax, np.nanmean, np.nanstd)]
    return np.nan_to_num(np.column_stack([*statistics, (~np.isnan(beats[:, :, 0])).sum(axis=1)]))
