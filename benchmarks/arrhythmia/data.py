"""Beats of MIT-BIH, and of stretches of its records, as the models see them."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_ecg.datasets import fetch_mitdb, fetch_mitdb_beats
from sklearn_ecg.preprocessing import extract_beats

WINDOW, N_TIMEPOINTS = (0.3, 0.3), 72  # 0.6 s around R at 120 Hz
R_SAMPLE = 36
FS = 120
SECOND = 360  # samples of the records


@dataclass(frozen=True)
class Beats:
    """Rows (signal, then side features), labels, records, and the sample of each R peak."""

    X: np.ndarray
    y: np.ndarray
    record: np.ndarray
    position: np.ndarray

    def __getitem__(self, index):
        return Beats(self.X[index], self.y[index], self.record[index], self.position[index])

    def __add__(self, other):
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Beats(*(np.concatenate(pair) for pair in pairs))


@lru_cache(maxsize=3)
def load(records, features, data_home, with_q=False, scale=None, n_leads=1):
    """Beats of 0.6 s around R at 120 Hz with these side features; Q on request; ``scale`` as in extract_beats.

    The first lead is MLII where there is one, and the side features are of the first lead.
    """
    beats = fetch_mitdb_beats(
        data_home=data_home,
        download_if_missing=False,
        records=records,
        leads=n_leads,
        window=WINDOW,
        n_timepoints=N_TIMEPOINTS,
        side_features=features,
        scale=scale,
    )
    scored = np.full(len(beats.target), True) if with_q else beats.target != "Q"
    return Beats(beats.data, beats.target, beats.record, beats.position)[scored]


def random_split(beats, seed=0):
    """Training, validation and test rows: 70/15/15 at random within each class; every patient is in all three."""
    train, rest = train_test_split(np.arange(len(beats.y)), test_size=0.3, stratify=beats.y, random_state=seed)
    valid, test = train_test_split(rest, test_size=0.5, stratify=beats.y[rest], random_state=seed)
    return train, valid, test


def share_of_record(beats):
    """Of each beat, the share of its record's beats that come before it."""
    share = np.empty(len(beats.y))
    for record in np.unique(beats.record):
        rows = np.flatnonzero(beats.record == record)
        order = np.argsort(beats.position[rows], kind="stable")
        share[rows[order]] = np.arange(len(rows)) / len(rows)
    return share


def thinned(beats, share=1 / 3, n_fusions=100, seed=0):
    """Fewer N and Q, at random; every other beat, and every beat of the records with so many F, is kept."""
    many = [record for record in np.unique(beats.record) if (beats.y[beats.record == record] == "F").sum() >= n_fusions]
    kept = ~np.isin(beats.y, ["N", "Q"]) | np.isin(beats.record, many)
    return beats[kept | (np.random.default_rng(seed).random(len(beats.y)) < share)]


def cut_stretches(record, bounds, features, scale, n_leads=1):
    """Beats of stretches of a record, each read as if it were the whole recording."""
    names = sorted(record.lead_names, key=lambda name: name != "MLII")[:n_leads]
    signal = record.select_leads(names).signal
    rows = []
    for start, stop in bounds:
        peaks = record.peaks[start:stop]
        first, last = max(peaks[0] - SECOND, 0), peaks[-1] + SECOND
        options = {"window": WINDOW, "n_timepoints": N_TIMEPOINTS, "side_features": features, "scale": scale}
        rows.append(extract_beats(signal[:, first:last], peaks - first, fs=record.fs, **options).data)
    target = np.concatenate([record.target[start:stop] for start, stop in bounds])
    position = np.concatenate([record.peaks[start:stop] for start, stop in bounds])
    beats = Beats(np.concatenate(rows), target, np.full(len(target), record.name), position)
    return beats[target != "Q"]


def load_stretches(features, data_home, choose, scale=None, n_leads=1):
    """Stretches of DS1 that ``choose(target)`` bounds in each record."""
    bunch = fetch_mitdb(data_home=data_home, download_if_missing=False, records="ds1")
    parts = []
    for record in bunch.records:
        bounds = choose(record.target)
        if bounds:
            parts.append(cut_stretches(record, bounds, features, scale, n_leads))
    return Beats(*(np.concatenate(column) for column in zip(*(vars(part).values() for part in parts), strict=True)))


@lru_cache(maxsize=2)
def random_stretches(features, data_home, seed, scale=None, n_leads=1):
    """Stretches of 32 to 512 beats that cover DS1."""
    return load_stretches(features, data_home, random_lengths(seed), scale, n_leads)


def mostly_s(target, n_beats=64):
    """Stretches in which at least half of the beats are S.

    A recipe that compares beats with the patient's median rhythm takes such a patient's S for the normal rhythm. Record
    232 of DS2 is one; here DS1's own stretches stand for it.
    """
    bounds, start = [], 0
    while start + n_beats <= len(target):
        if np.mean(target[start : start + n_beats] == "S") >= 0.5:
            bounds.append((start, start + n_beats))
            start += n_beats
        else:
            start += 4
    return bounds


def random_lengths(seed):
    """Chooses stretches of 32 to 512 beats, evenly in the logarithm, that cover a record."""
    rng = np.random.default_rng(seed)

    def choose(target):
        cuts = [0]
        while cuts[-1] < len(target):
            cuts.append(min(cuts[-1] + int(2 ** rng.uniform(5, 9)), len(target)))
        return list(pairwise(cuts))

    return choose


def with_stretches(train, stretches):
    """Training rows, and those of stretches of the same records."""
    return train + stretches[np.isin(stretches.record, train.record)]
