"""Whether the waves on a path go from one end to the other without turning back, by their detected peaks."""

import numpy as np

from sklearn_ecg.interpolation import count_waves

from . import data

WAVES = {"P": "p", "QRS": "qrs", "T": "t"}
REACH = 0.1  # s from one step to the next
TOLERANCE = 1  # sample


def turning_back(path):
    """For each wave that is followed to the last step: its kind, whether it keeps its sign, farthest way back."""
    steps = [count_waves(row, fs=data.FS) for row in path]
    found = []
    for kind, name in WAVES.items():
        for track in _tracks([getattr(step, name) for step in steps]):
            forwards = track * np.sign(track[-1] - track[0] or 1)
            signs = [np.sign(row[at] - np.median(row)) for row, at in ((path[0], track[0]), (path[-1], track[-1]))]
            found.append((kind, signs[0] == signs[1], (np.maximum.accumulate(forwards) - forwards).max()))
    return found


def _tracks(peaks):
    """Places (n_steps,) of each wave of the first step, next to next, that is there on every step."""
    tracks = np.array(peaks[0])[:, None]
    for places in peaks[1:]:
        if not len(places):
            return []
        nearest = places[np.abs(places - tracks[:, -1:]).argmin(axis=1)]
        near = np.abs(nearest - tracks[:, -1]) <= REACH * data.FS
        tracks = np.column_stack([tracks, nearest])[near]
    return tracks


def shares(found):
    """By kind, and for P and T waves of one sign at both ends or not: number, and share that never turns back."""
    result = {}
    for kind in WAVES:
        for same in (True, False):
            back = [way for wave, sign, way in found if wave == kind and sign == same]
            if back:
                name = f"{kind}, {'same' if same else 'other'} sign"
                result[name] = {"n": len(back), "monotone": float(np.mean(np.array(back) <= TOLERANCE))}
    return result
