"""Peers' R-peak detectors, run in their own interpreter: ``python _rpeaks_peers.py FOLDER DETECTOR``.

Imports nothing of ours. Reads ``signals.npz`` (``fs`` and one array in mV for each recording) in the folder and writes
``<detector>.npz`` with the peaks of every recording, their CPU seconds and the package's version.
"""

import contextlib
import importlib.metadata
import io
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def gqrs(signal, fs):
    from wfdb.processing import gqrs_detect

    return gqrs_detect(signal, fs=fs)


def xqrs(signal, fs):
    from wfdb.processing import xqrs_detect

    return xqrs_detect(signal, fs=fs, verbose=False)


def neurokit(signal, fs, method="neurokit"):
    import neurokit2

    cleaned = neurokit2.ecg_clean(signal, sampling_rate=fs, method=method)
    return neurokit2.ecg_peaks(cleaned, sampling_rate=fs, method=method)[1]["ECG_R_Peaks"]


def pantompkins(signal, fs):
    return neurokit(signal, fs, method="pantompkins1985")


def sleepecg(signal, fs):
    from sleepecg import detect_heartbeats

    return detect_heartbeats(signal, fs)


DETECTORS = {
    "wfdb gqrs": (gqrs, "wfdb"),
    "wfdb xqrs": (xqrs, "wfdb"),
    "neurokit2 default": (neurokit, "neurokit2"),
    "neurokit2 pantompkins1985": (pantompkins, "neurokit2"),
    "sleepecg": (sleepecg, "sleepecg"),
}


def main(folder, name):
    detector, package = DETECTORS[name]
    with np.load(Path(folder) / "signals.npz") as signals:
        fs = int(signals["fs"])
        recordings = {key: signals[key].astype(np.float64) for key in signals.files if key != "fs"}
    detect = quietly(detector)
    detect(next(iter(recordings.values()))[: 30 * fs], fs)  # imports are not timed
    found = {"version": importlib.metadata.version(package)}
    for record, signal in recordings.items():
        start = time.process_time()
        found[f"peaks {record}"] = detect(signal, fs)
        found[f"cpu {record}"] = time.process_time() - start
    np.savez(Path(folder) / f"{name}.npz", **found)


def quietly(detector):
    """Run without output or warnings; a detector that gives up has found nothing."""

    def detect(signal, fs):
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                return np.asarray(detector(signal, fs), dtype=np.float64)
            except (ValueError, IndexError, ZeroDivisionError):
                return np.empty(0)

    return detect


if __name__ == "__main__":
    main(*sys.argv[1:])
