"""R-peak detection against its peers, on MIT-BIH (first lead) and on LUDB (lead II), and what each idea gave.

    python -m benchmarks.rpeaks [--data-home PATH] [--peers-python .venv-peers/bin/python] [--fit]

Peers run in their own interpreter on the same signals, one after the other, with one thread each where the environment
asks for no other number. ``--fit`` fits the weights of the detector on DS1 and prints them, nothing else.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from unittest.mock import patch

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
for variable in THREAD_VARIABLES:
    os.environ.setdefault(variable, "1")  # before NumPy is imported

import numpy as np  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

from sklearn_ecg.datasets import fetch_ludb, fetch_mitdb  # noqa: E402
from sklearn_ecg.metrics import bootstrap_interval, match_beats  # noqa: E402
from sklearn_ecg.preprocessing import _rpeaks, _rpeaks_features, detect_r_peaks  # noqa: E402
from sklearn_ecg.preprocessing._rpeaks_signal import prepare_signal  # noqa: E402
from sklearn_ecg.signals import MITDB_DS1, MITDB_DS2  # noqa: E402

from ._results import cpu_timer, write_results  # noqa: E402
from ._rpeaks_peers import DETECTORS  # noqa: E402

TOLERANCES = (0.15, 0.05)
OURS = "sklearn_ecg"
PROTOCOL = {
    "mitdb": "48 records, 30 min, 360 Hz, the first signal of the file (V5 in 114); reference: beats N L R e j A a J S "
    "V E F / f Q (109,494); one-to-one matching, closest pairs first; detections inside the ventricular flutter of "
    "record 207 are not counted; intervals: 95 %, 1000 bootstrap samples of whole records; cpu: process time of the "
    "detection alone, imports left out",
    "ludb": "160 records, lead II, 10 s, 500 Hz; heart rate 60 / median RR of the peaks between the first and the last "
    "mark of lead II, against that of the reference QRS peaks of lead II; no rate counts as the reference's whole rate",
    "development": "bands, thresholds and weights were chosen on DS1; LUDB showed the need of a vote on direction, "
    "whose one number was then chosen on DS1; 3–25 Hz was kept over 3–20 Hz for the position of the peak, which DS1 "
    "hardly tells apart (118 and 97 marks missed by more than 50 ms), after the paced records were seen to prefer it",
    "load": "mean number of runnable processes of the machine over the last minute, read after each detector's run: "
    "above the number of processors, CPU seconds are inflated",
}
IDEAS = {
    "rest between beats": ("quiet", "busy"),
    "area and slope": ("area", "slope"),
    "rivals nearby": ("rival_near", "rival_before", "rival_after"),
    "rhythm": ("gap_before", "gap_after", "gap", "interval"),
    "resemblance": ("alike",),
}


class Recordings:
    """Signals (n_timepoints,) by name, with the reference, and the spans or episodes that scoring needs."""

    def __init__(self, signals, reference, spans, fs):
        self.signals, self.reference, self.spans, self.fs = signals, reference, spans, fs

    @property
    def hours(self):
        return sum(signal.size for signal in self.signals.values()) / self.fs / 3600


def load_mitdb(data_home):
    """First lead; ``spans`` are the episodes of flutter."""
    records = fetch_mitdb(data_home=data_home).records
    return Recordings(
        {record.name: record.signal[0] for record in records},
        {record.name: record.peaks for record in records},
        {record.name: record.episodes() for record in records},
        360,
    )


def load_ludb(data_home):
    """Lead II; ``spans`` are first and last mark."""
    records = fetch_ludb(data_home=data_home, download_if_missing=False).records
    waves = {record.name: record.fiducials["II"] for record in records}
    edges = {name: np.concatenate([wave[edge] for edge in ("onset", "peak", "offset")]) for name, wave in waves.items()}
    return Recordings(
        {record.name: record.lead("II") for record in records},
        {name: wave["peak"][wave["wave"] == "QRS"] for name, wave in waves.items()},
        {name: (edge[edge >= 0].min(), edge.max()) for name, edge in edges.items()},
        500,
    )


def run_ours(recordings):
    """Peaks and CPU seconds of every recording."""
    peaks, seconds = {}, {}
    for name, signal in recordings.signals.items():
        with cpu_timer() as timer:
            peaks[name] = detect_r_peaks(signal, fs=recordings.fs)
        seconds[name] = timer.seconds
    return peaks, seconds, None


def run_peer(name, folder, python):
    """The same in the peers' interpreter, and the version of the package."""
    script = Path(__file__).with_name("_rpeaks_peers.py")
    subprocess.run([python, str(script), str(folder), name], check=True)
    with np.load(folder / f"{name}.npz") as found:
        records = [key.removeprefix("peaks ") for key in found.files if key.startswith("peaks ")]
        peaks = {record: found[f"peaks {record}"] for record in records}
        return peaks, {record: float(found[f"cpu {record}"]) for record in records}, str(found["version"])


def run_all(recordings, peers_python):
    """Detector → (peaks, seconds, version), and detector → load of the machine."""
    runs, loads = {OURS: run_ours(recordings)}, {OURS: os.getloadavg()[0]}
    if peers_python:
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "signals.npz", fs=recordings.fs, **recordings.signals)
            for name in DETECTORS:
                print(f"running {name}", file=sys.stderr)
                runs[name] = run_peer(name, Path(folder), peers_python)
                loads[name] = os.getloadavg()[0]
    return runs, loads


def outside(peaks, episodes):
    """Peaks that lie in none of the episodes."""
    peaks = np.asarray(peaks)
    inside = [(peaks >= first) & (peaks <= last) for first, last in episodes]
    return peaks[~np.any(inside, axis=0)] if inside else peaks


def count_mitdb(recordings, peaks):
    """Tolerance in ms → record → [tp, fp, fn]."""
    counts = {}
    for tolerance in TOLERANCES:
        key = f"{1000 * tolerance:.0f} ms"
        counts[key] = {}
        for name, reference in recordings.reference.items():
            found = outside(peaks[name], recordings.spans[name])
            match = match_beats(reference, found, fs=recordings.fs, tolerance=tolerance)
            counts[key][name] = [match.tp, match.fp, match.fn]
    return counts


def f1_of(counts):
    tp, fp, fn = np.sum(counts, axis=0)
    return 2 * tp / (2 * tp + fp + fn)


def summarise(counts, records=None, interval=False):
    """Pooled rates over records, the worst of them, and the interval of F1."""
    counts = {name: counts[name] for name in counts if records is None or name in records}
    table = np.array(list(counts.values()))
    tp, fp, fn = table.sum(axis=0)
    each = {name: f1_of([count]) for name, count in counts.items()}
    worst = sorted(each, key=each.get)[:5]
    summary = {
        "Se": tp / (tp + fn),
        "+P": tp / (tp + fp),
        "F1": f1_of(table),
        "errors": fp + fn,
        "fp": fp,
        "fn": fn,
        "worst records": {name: each[name] for name in worst},
    }
    if interval:
        found = bootstrap_interval(f1_of, table, groups=np.arange(len(table)), random_state=0)
        summary["F1 interval"] = [found.low, found.high]
    return summary


def score_mitdb(recordings, peaks, interval=False):
    counts = count_mitdb(recordings, peaks)
    sets = {"all": None, "DS1": MITDB_DS1, "DS2": MITDB_DS2}
    return {
        key: {name: summarise(counts[key], records, interval) for name, records in sets.items()} for key in counts
    }, counts


def score_ludb(recordings, peaks):
    """Errors of the heart rate in bpm."""
    errors = {}
    for name, reference in recordings.reference.items():
        first, last = recordings.spans[name]
        found = peaks[name][(peaks[name] >= first) & (peaks[name] <= last)]
        true = 60 * recordings.fs / np.median(np.diff(reference))
        rate = 60 * recordings.fs / np.median(np.diff(found)) if found.size > 1 else 0.0
        errors[name] = abs(rate - true)
    values = np.array(list(errors.values()))
    worst = sorted(errors, key=errors.get, reverse=True)[:5]
    return {
        "MAE bpm": values.mean(),
        "max bpm": values.max(),
        "records off by more than 2 bpm": int((values > 2).sum()),
        "worst records": {name: errors[name] for name in worst},
    }, errors


def candidates_of(recordings):
    """Candidates of every recording."""
    prepared = {name: prepare_signal(lead[None], recordings.fs) for name, lead in recordings.signals.items()}
    return {name: _rpeaks_features.find_candidates(signal) for name, signal in prepared.items()}


def fit_weights(recordings, found, names):
    """Weights and bias of the features ``names``, by logistic regression on DS1.

    A candidate is a beat if it is matched to one within 150 ms. Three significant digits, as in the detector.
    """
    rows, labels = [], []
    for record in MITDB_DS1:
        candidates = found[record]
        centre = candidates.sample
        label = np.zeros(centre.size, dtype=bool)
        label[match_beats(recordings.reference[record], centre, fs=recordings.fs).pairs[:, 1]] = True
        kept = np.isin(centre, outside(centre, recordings.spans[record]))
        rows.append(np.column_stack([candidates.features[name] for name in names])[kept])
        labels.append(label[kept])
    rows, labels = np.concatenate(rows), np.concatenate(labels)
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    model = LogisticRegression(C=1.0, max_iter=1000).fit((rows - mean) / spread, labels)
    weights = model.coef_[0] / spread
    bias = model.intercept_[0] - weights @ mean
    return {name: float(f"{weight:.3g}") for name, weight in zip(names, weights, strict=True)}, float(f"{bias:.3g}")


def decide_peaks(recordings, found, weights, bias, centres=False):
    """Peaks of all recordings from their candidates; with ``centres`` those of the energy, not the deflections."""
    peaks = {}
    for name, candidates in found.items():
        score = _rpeaks.score_candidates(candidates.features, weights, bias)
        if centres:
            peaks[name] = candidates.sample[_rpeaks.separate(candidates.time, score)]
        else:
            peaks[name] = _rpeaks.decide_peaks(candidates, score, recordings.fs)
    return peaks


def ablate(mitdb, ludb):
    """Rows of the ablation: the whole, each idea switched off, and the threshold alone."""
    found, found_ludb = candidates_of(mitdb), candidates_of(ludb)
    names = list(_rpeaks.WEIGHTS)
    refit = partial(fit_weights, mitdb, found)
    rows = {}

    def add(label, weights, bias, *, found=found, found_ludb=found_ludb, **options):
        scores, _ = score_mitdb(mitdb, decide_peaks(mitdb, found, weights, bias, **options))
        rates, _ = score_ludb(ludb, decide_peaks(ludb, found_ludb, weights, bias, **options))
        rows[label] = {
            "errors 150 ms": {name: scores["150 ms"][name]["errors"] for name in ("DS1", "DS2", "all")},
            "F1 150 ms": scores["150 ms"]["all"]["F1"],
            "F1 50 ms": scores["50 ms"]["all"]["F1"],
            "min record F1": min(scores["150 ms"]["all"]["worst records"].values()),
            "LUDB MAE bpm": rates["MAE bpm"],
            "LUDB max bpm": rates["max bpm"],
        }

    whole = _rpeaks.WEIGHTS, _rpeaks.BIAS
    add("everything", *whole)
    for idea, features in IDEAS.items():
        add(f"without {idea} (refitted)", *refit([name for name in names if name not in features]))
    add("height alone (a threshold over the running level, fitted)", *refit(["height"]))
    with patch.object(_rpeaks_features, "_QRS_BAND", (5.0, 15.0)):
        other = {"found": candidates_of(mitdb), "found_ludb": candidates_of(ludb)}
    add("band of 5–15 Hz for 10–25 Hz (refitted)", *fit_weights(mitdb, other["found"], names), **other)
    with patch.object(_rpeaks, "REFRACTORY", 0.0):
        add("without the least distance of beats", *whole)
    with patch.object(_rpeaks_features, "_NEAR_TIE", 0.0):
        add("without the vote on direction", *whole)
    with patch.object(_rpeaks_features, "_HUMP", 1.0):
        add("without the first hump", *whole)
    add("position at the centre of energy", *whole, centres=True)
    return rows


def print_weights(mitdb):
    weights, bias = fit_weights(mitdb, candidates_of(mitdb), list(_rpeaks.WEIGHTS))
    for name, weight in weights.items():
        print(f'    "{name}": {weight:g},')
    print(f"BIAS = {bias:g}")
    same = weights == _rpeaks.WEIGHTS and bias == _rpeaks.BIAS
    print("These are the detector's." if same else "These are not the detector's.")


def as_table(metrics):
    columns = [
        "detector",
        "Se",
        "+P",
        "F1 ±150 ms",
        "errors",
        "least F1",
        "F1 ±50 ms",
        "CPU s/h",
        "LUDB MAE bpm",
        "max",
    ]
    rows = []
    for name, entry in metrics.items():
        wide, near = entry["mitdb"]["150 ms"]["all"], entry["mitdb"]["50 ms"]["all"]
        cells = [f"{wide[key]:.4f}" for key in ("Se", "+P", "F1")]
        cells += [str(wide["errors"]), f"{min(wide['worst records'].values()):.4f}", f"{near['F1']:.4f}"]
        cells += [
            f"{entry['cpu s per hour']:.3f}",
            f"{entry['ludb']['MAE bpm']:.2f}",
            f"{entry['ludb']['max bpm']:.1f}",
        ]
        rows.append([name, *cells])
    return {"columns": columns, "rows": rows}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-home", default=None, help="folder that holds mitdb/ and ludb/")
    parser.add_argument("--peers-python", default=None, help="interpreter of the peers' environment (make peers)")
    parser.add_argument("--fit", action="store_true", help="fit the weights on DS1, print them and stop")
    return parser.parse_args()


def main():
    args = parse()
    mitdb = load_mitdb(args.data_home)
    if args.fit:
        print_weights(mitdb)
        return
    ludb = load_ludb(args.data_home)
    detect_r_peaks(next(iter(mitdb.signals.values())), fs=mitdb.fs)  # first call: lazy parts are not timed
    runs, loads = run_all(mitdb, args.peers_python)
    runs_ludb, _ = run_all(ludb, args.peers_python)
    metrics, per_record = {}, {}
    for name, (peaks, seconds, version) in runs.items():
        scores, counts = score_mitdb(mitdb, peaks, interval=True)
        rates, errors = score_ludb(ludb, runs_ludb[name][0])
        speed = {"cpu s per hour": sum(seconds.values()) / mitdb.hours, "load": loads[name]}
        metrics[name] = {"version": version, "mitdb": scores, "ludb": rates, **speed}
        per_record[name] = {"tp fp fn": counts, "cpu s": seconds, "ludb error bpm": errors}
    table = as_table(metrics)
    for row in [table["columns"], *table["rows"]]:
        print(" | ".join(row))
    ablation = ablate(mitdb, ludb)
    for label, row in ablation.items():
        print(label, row)
    payload = {
        "caption": "R peaks: MIT-BIH, 48 records, first lead; heart rate on LUDB, lead II.",
        "protocol": {**PROTOCOL, "threads": {name: os.environ[name] for name in THREAD_VARIABLES}},
        "metrics": metrics,
        "table": table,
        "ablation": ablation,
        "per record": per_record,
    }
    write_results("rpeaks", payload, args=args)


if __name__ == "__main__":
    main()
