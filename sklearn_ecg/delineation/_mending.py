"""What is no ECG in a record: absurd samples are bridged, dead stretches filled so that they change no scale."""

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

_SHORTEST = 1.0  # s; shorter records are left as they are
_DEAD = 2.0  # s of one value: no heart rests that long between two waves
_FAINT = 0.1  # of the mean deviation of a lead: no wave could be seen
_GAP = 5.0  # times as far out as all the rest: absurd; of ECG, the farthest samples follow closely one after another
_FEW = 0.5, 0.001  # s, and part of the record: more samples than the longer of both are no few
_FEWEST_SOUND = 10  # for each absurd sample at most


def mend_rows(X, layout, fs):
    """Rows without what is no ECG, and where that is all there is.

    A few samples that lie absurdly far from all others (a marker of invalid values, a glitch) become a straight line
    between their neighbours. A dead stretch, of one value for two seconds or of deviations that no wave could be seen
    beside, becomes one slow wave of a sine with the mean and the mean deviation of the lead elsewhere: the scale of the
    lead is that of its live part.

    Parameters
    ----------
    X : ndarray of shape (n_records, n_features)
        Rows.
    layout : RowLayout
        How to read them.
    fs : float
        Their sampling frequency in Hz.

    Returns
    -------
    mended : ndarray of shape (n_records, n_features)
        ``X`` itself where there is nothing to mend.
    dead : ndarray of bool of shape (n_records, n_timepoints)
        Where every lead is dead.
    """
    mended, dead = X, np.zeros((len(X), layout.n_timepoints), dtype=bool)
    if layout.n_timepoints < _SHORTEST * fs:
        return mended, dead
    for record in range(len(X)):
        signals = layout.split(X[record : record + 1])[0][0].astype(np.float64)
        parts = [_mend_lead(lead, fs) for lead in signals]
        if any(changed for _, changed in parts):
            if mended is X:
                mended = X.astype(np.float32 if X.dtype in (np.float16, np.float32) else np.float64)
            layout.split(mended)[0][record] = signals
        dead[record] = np.all([of_lead for of_lead, _ in parts], axis=0)
    return mended, dead


def find_runs(inside):
    """First sample of and first after each run of True, (n_runs, 2)."""
    steps = np.diff(np.concatenate([[0], inside.astype(np.int8), [0]]))
    return np.column_stack([np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)])


def _mend_lead(lead, fs):
    """Mend one lead in place; where it is dead, and whether it was changed."""
    unusable = _of_one_value(lead, _DEAD * fs)
    unusable[_find_absurd(lead, np.flatnonzero(~unusable), fs)] = True
    sound = np.flatnonzero(~unusable)
    if not len(sound):
        return unusable, False
    dead = _long_runs(unusable, _SHORTEST * fs)
    gaps = np.flatnonzero(unusable & ~dead)
    lead[gaps] = np.interp(gaps, sound, lead[sound])
    deviation = np.abs(lead[sound] - lead[sound].mean()).mean()
    dead |= _faint(lead, _FAINT * deviation, _DEAD * fs)
    _fill(lead, dead)
    return dead, bool(len(gaps) or dead.any())


def _of_one_value(lead, least):
    """Where at least ``least`` samples in a row are the same."""
    same = _long_runs(lead[1:] == lead[:-1], least - 1)
    return np.append(same, False) | np.append(False, same)


def _long_runs(inside, least):
    kept, runs = np.zeros_like(inside), find_runs(inside)
    for start, stop in runs[runs[:, 1] - runs[:, 0] >= least]:
        kept[start:stop] = True
    return kept


def _find_absurd(lead, places, fs):
    """Those of the ``places`` that are few and far from the median around them, with a wide gap to all others."""
    n = len(places)
    most = min(int(max(_FEW[0] * fs, _FEW[1] * n)), n // _FEWEST_SOUND)
    if most < 1:
        return places[:0]
    values = lead[places]
    pieces = np.array_split(values, max(round(n / (_DEAD * fs)), 1))
    distance = np.concatenate([np.abs(piece - np.median(piece)) for piece in pieces])
    farthest = np.sort(np.partition(distance, n - most - 1)[n - most - 1 :])[::-1]
    gaps = np.flatnonzero((farthest[1:] > 0) & (farthest[:-1] > _GAP * farthest[1:]))
    return places[distance >= farthest[gaps[-1]]] if len(gaps) else places[:0]


def _faint(lead, most, least):
    """Where the lead stays within ``most`` for ``least`` samples."""
    width = int(np.ceil(least))
    if width > len(lead):
        return np.zeros(len(lead), dtype=bool)
    swing = maximum_filter1d(lead, width) - minimum_filter1d(lead, width)
    middle = slice(width // 2, width // 2 + len(lead) - width + 1)  # windows that lie in the record
    faint = np.zeros(len(lead) + 1, dtype=np.int64)
    starts = np.flatnonzero(swing[middle] <= most)
    np.add.at(faint, starts, 1)
    np.add.at(faint, starts + width, -1)
    return np.cumsum(faint[:-1]) > 0


def _fill(lead, dead):
    """Put one period of a sine in each dead run of a lead, in place."""
    live = lead[~dead]
    if not len(live):
        return
    centre = live.mean()
    deviation = np.abs(live - centre).mean()
    for start, stop in find_runs(dead):
        wave = np.sin(2 * np.pi * (np.arange(stop - start) + 0.5) / (stop - start))
        lead[start:stop] = centre + deviation / np.abs(wave).mean() * wave
