"""R-peak detection by sampling frequency, with mains hum, and in records with dead stretches and absurd samples.

    python -m benchmarks.rpeaks_conditions [--data-home PATH]

Every row is the detector's run on all 48 records of MIT-BIH, first lead.
"""

import argparse
import os

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
for variable in THREAD_VARIABLES:  # before NumPy is imported
    os.environ.setdefault(variable, "1")

from fractions import Fraction  # noqa: E402

import numpy as np  # noqa: E402
from scipy.signal import resample_poly  # noqa: E402

from sklearn_ecg.metrics import match_beats  # noqa: E402
from sklearn_ecg.preprocessing import detect_r_peaks  # noqa: E402

from ._results import cpu_timer, write_results  # noqa: E402
from .rpeaks import f1_of, load_mitdb, outside  # noqa: E402

RATES = (50, 64, 100, 125, 128, 200, 250, 256, 257, 300, 350, 360, 500, 512, 1000, 1024, 2000, 2048, 4000)
DEAD = 1800  # s
PROTOCOL = {
    "mitdb": "48 records, 30 min, 360 Hz, the first signal of the file; one-to-one matching within 150 ms; detections "
    "inside the ventricular flutter of record 207 are not counted",
    "sampling frequency": "polyphase resampling from 360 Hz; peaks are compared in time",
    "hum": "a sine of 1 mV added at the sampling frequency; at 50 and 64 Hz it lies in the band of the QRS or below "
    "it, and no filter can tell it from an ECG",
    "dead stretches": "30 min of zeros (or NaN) after the record; ten minutes of zeros before it and between its "
    "halves; peaks there count as false",
    "absurd samples": "one sample of -32768 mV (or -2**31) in every half minute",
    "cpu": "process time of the detection alone, one thread, per hour of signal",
}


def peaks_at(recordings, fs, change=None):
    """Peaks of every recording at 360 Hz from signals at ``fs``, and CPU seconds per hour."""
    ratio = Fraction(fs, recordings.fs)
    peaks, seconds, samples = {}, 0.0, 0
    for name, signal in recordings.signals.items():
        signal = np.asarray(signal, dtype=np.float64)
        if ratio != 1:
            signal = resample_poly(signal, ratio.numerator, ratio.denominator, padtype="line")
        signal, places = (signal, None) if change is None else change(signal, fs)
        with cpu_timer() as timer:
            found = detect_r_peaks(signal, fs=fs)
        seconds, samples = seconds + timer.seconds, samples + signal.size
        found = found if places is None else places[found]
        peaks[name] = np.unique(np.rint(found * recordings.fs / fs).astype(int))
    return peaks, seconds / (samples / fs / 3600)


def score(recordings, peaks):
    """F1, the record of the least, its F1, and the peaks in dead stretches, which are told by negative places."""
    counts = {}
    for name, reference in recordings.reference.items():
        found = outside(peaks[name], recordings.spans[name])
        match = match_beats(reference, found[found >= 0], fs=recordings.fs, tolerance=0.15)
        counts[name] = [match.tp, match.fp + int((found < 0).sum()), match.fn]
    each = {name: f1_of([count]) for name, count in counts.items()}
    worst = min(each, key=each.get)
    return {"F1": f1_of(list(counts.values())), "least F1": each[worst], "record": worst}


def with_hum(mains):
    return lambda signal, fs: (signal + np.sin(2 * np.pi * mains * np.arange(signal.size) / fs), None)


def dead_after(value):
    def change(signal, fs):
        dead = np.full(DEAD * fs, value)
        return np.append(signal, dead), np.append(np.arange(signal.size), np.full(dead.size, -1000))

    return change


def dead_within(signal, fs):
    half, dead = signal.size // 2, np.zeros(600 * fs)
    places, nowhere = np.arange(signal.size), np.full(dead.size, -1000)
    parts = [dead, signal[:half], dead, signal[half:]]
    return np.concatenate(parts), np.concatenate([nowhere, places[:half], nowhere, places[half:]])


def absurd(value):
    def change(signal, fs):
        signal = signal.copy()
        signal[:: 30 * fs] = value
        return signal, None

    return change


CONDITIONS = {
    "as they are": None,
    "30 min of zeros after the record": dead_after(0.0),
    "30 min of NaN after the record": dead_after(np.nan),
    "10 min of zeros before it and between its halves": dead_within,
    "-32768 mV every 30 s": absurd(-32768.0),
    "-2**31 mV every 30 s": absurd(-(2.0**31)),
}


def run_rates(recordings):
    metrics, rows = {}, []
    for fs in RATES:
        entry = {}
        for label, change in {"clean": None, "50 Hz": with_hum(50), "60 Hz": with_hum(60)}.items():
            peaks, cpu = peaks_at(recordings, fs, change)
            entry[label] = {**score(recordings, peaks), "cpu s per hour": cpu}
        cells = [_cells(entry[label]) for label in ("clean", "50 Hz", "60 Hz")]
        rows.append([str(fs), *cells, f"{max(row['cpu s per hour'] for row in entry.values()):.3f}"])
        metrics[str(fs)] = entry
        print(" | ".join(rows[-1]), flush=True)
    return metrics, rows


def run_conditions(recordings):
    metrics, rows = {}, []
    for label, change in CONDITIONS.items():
        peaks, cpu = peaks_at(recordings, recordings.fs, change)
        metrics[label] = {**score(recordings, peaks), "cpu s per hour": cpu}
        rows.append([label, _cells(metrics[label]), f"{cpu:.3f}"])
        print(" | ".join(rows[-1]), flush=True)
    return metrics, rows


def _cells(entry):
    return f"{entry['F1']:.4f} ({entry['least F1']:.4f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-home", default=None, help="folder that holds mitdb/")
    args = parser.parse_args()
    recordings = load_mitdb(args.data_home)
    detect_r_peaks(next(iter(recordings.signals.values())), fs=recordings.fs)  # first call: lazy parts are not timed
    protocol = {**PROTOCOL, "threads": 1}
    metrics, rows = run_rates(recordings)
    columns = ["fs in Hz", "as it is", "50 Hz hum", "60 Hz hum", "most CPU s/h"]
    caption = "R peaks on MIT-BIH resampled, and with 1 mV of mains hum: F1 at ±150 ms (least of a record)."
    table = {"columns": columns, "rows": rows}
    write_results("rpeaks_rates", {"caption": caption, "protocol": protocol, "metrics": metrics, "table": table})
    metrics, rows = run_conditions(recordings)
    caption = "R peaks on MIT-BIH with dead stretches and absurd samples: F1 at ±150 ms (least of a record)."
    table = {"columns": ["records", "F1", "CPU s/h"], "rows": rows}
    write_results("rpeaks_conditions", {"caption": caption, "protocol": protocol, "metrics": metrics, "table": table})


if __name__ == "__main__":
    main()
