"""neurokit2's delineators, run in their own interpreter: ``python _intervals_peers.py FOLDER``.

Imports nothing of ours. Reads ``signals.npz`` (``fs`` and one array in mV for each recording) in the folder and writes
``found.npz``: for each method and recording the waves, rows of (kind, onset, peak, offset) with the kinds 1 P, 2 QRS,
3 T and -1 where there is none, the CPU seconds, and the package's version.
"""

import importlib.metadata
import sys
import time
import warnings
from pathlib import Path

import neurokit2
import numpy as np

METHODS = ("dwt", "cwt", "peak")
REACH = 0.3  # s between a peak and its boundaries


def main(folder):
    with np.load(Path(folder) / "signals.npz") as signals:
        fs = int(signals["fs"])
        recordings = {key: signals[key].astype(np.float64) for key in signals.files if key != "fs"}
    found = {"version": importlib.metadata.version("neurokit2")}
    for method in METHODS:
        delineate(next(iter(recordings.values())), fs, method)  # imports are not timed
        for record, signal in recordings.items():
            start = time.process_time()
            waves = delineate(signal, fs, method)
            found[f"cpu {method} {record}"] = time.process_time() - start
            found[f"waves {method} {record}"] = waves
    np.savez(Path(folder) / "found.npz", **found)


def delineate(signal, fs, method):
    """Waves of one recording; a delineator that gives up has found nothing but the R peaks."""
    peaks = np.empty(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cleaned = neurokit2.ecg_clean(signal, sampling_rate=fs)
            peaks = np.asarray(neurokit2.ecg_peaks(cleaned, sampling_rate=fs)[1]["ECG_R_Peaks"], dtype=float)
            marks = neurokit2.ecg_delineate(cleaned, peaks.astype(int), sampling_rate=fs, method=method)[1]
        except (ValueError, IndexError, ZeroDivisionError, TypeError, KeyError):
            marks = {}
    times = {key.removeprefix("ECG_"): _known(marks[key]) for key in marks}
    if method == "peak":  # it has no boundaries of QRS: the peaks of Q and S stand in
        times |= {"R_Onsets": times.get("Q_Peaks", ()), "R_Offsets": times.get("S_Peaks", ())}
    waves = []
    for kind, name in ((1, "P"), (2, "R"), (3, "T")):
        middle = peaks if name == "R" else times.get(f"{name}_Peaks", ())
        onsets, offsets = (np.asarray(times.get(f"{name}_{mark}s", ())) for mark in ("Onset", "Offset"))
        waves += [(kind, _last(onsets, at, REACH * fs), at, -_last(-offsets, -at, REACH * fs, 1)) for at in middle]
    return np.array(waves, dtype=np.int64).reshape(-1, 4)


def _known(values):
    values = np.asarray(values, dtype=float)
    return np.sort(values[~np.isnan(values)])


def _last(times, at, reach, none=-1):
    """The last of ``times`` until ``at``, no farther away than ``reach``."""
    near = times[(times <= at) & (times >= at - reach)]
    return near.max() if len(near) else none


if __name__ == "__main__":
    main(*sys.argv[1:])
