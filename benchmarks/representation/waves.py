"""Wave counts against the marks of LUDB."""

import warnings
from functools import partial

import numpy as np

from sklearn_ecg import ECGFilter, ECGResampler
from sklearn_ecg.datasets import fetch_ludb
from sklearn_ecg.interpolation import count_waves
from sklearn_ecg.metrics import bootstrap_interval, match_beats

from .._results import print_table, write_results
from . import data

LEADS, RATES = ("V6", "II"), (128, 500)  # Hz
TOLERANCE = {"P": 0.1, "QRS": 0.1, "T": 0.15}  # s
EDGE = 0.1  # s beyond the first and last mark
PROTOCOL = (
    "All {n} records of LUDB on disk, 10 s, leads V6 and II by themselves, filtered from 0.5 to 40 Hz, at 500 Hz and "
    "resampled to 128 Hz. Waves whose peak lies between the first and the last marked peak, ±100 ms, are counted; a "
    "found wave hits a mark within 100 ms (P, QRS) or 150 ms (T) of its peak, one to one, closest pairs first. Right "
    "number: share of the records. Pooled sensitivity and precision; 95 % intervals resample records. 'development' "
    "are the records at even places of the list, on which the numbers for P waves were chosen; the steepness rule for "
    "QRS complexes was chosen on cuts of lead V6 of all records"
)


def waves(args):
    """Score count_waves on both leads and rates, and write the table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of records that are not there; their number is in the protocol
        ludb = fetch_ludb(data_home=args.data_home, download_if_missing=False)
    metrics, rows = {}, []
    for lead in LEADS:
        for fs in RATES:
            scores = score(ludb, lead, fs)
            for part, chosen in {"development": slice(0, None, 2), "others": slice(1, None, 2)}.items():
                for wave in TOLERANCE:
                    row = summary(scores[wave][chosen], args.seed)
                    metrics.setdefault(f"{lead}, {fs} Hz", {}).setdefault(part, {})[wave] = row
                    rows.append([lead, fs, part, wave, *(str(row[key]) for key in ("right", "se", "ppv"))])
    columns = ["lead", "Hz", "records", "wave", "right number", "Se", "+P"]
    write_results(
        "representation_waves",
        {
            "protocol": PROTOCOL.format(n=len(ludb.data)),
            "metrics": metrics,
            "caption": "count_waves on the marks of LUDB; 95 % over records",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


def score(ludb, lead, fs):
    """Wave → hits, false and missed waves of every record, (n_records, 3)."""
    rows = ludb.data[:, data.LEADS.index(lead)].astype(np.float64)
    rows = ECGFilter(fs=data.FS_RAW).fit_transform(rows)
    if fs != data.FS_RAW:
        rows = ECGResampler(fs=data.FS_RAW, fs_out=fs).fit_transform(rows)
    counted = count_waves(rows, fs=fs)
    found = {wave: [] for wave in TOLERANCE}
    for waves_of, marks in zip(counted, ludb.boundaries, strict=True):
        at = np.rint(marks[lead]["peak"] * fs / data.FS_RAW).astype(int)
        low, high = at.min() - EDGE * fs, at.max() + EDGE * fs
        for wave, peaks in {"P": waves_of.p, "QRS": waves_of.qrs, "T": waves_of.t}.items():
            inside = peaks[(peaks >= low) & (peaks <= high)]
            hits = match_beats(at[marks[lead]["wave"] == wave], inside, fs=fs, tolerance=TOLERANCE[wave])
            found[wave].append((hits.tp, hits.fp, hits.fn))
    return {wave: np.array(rows) for wave, rows in found.items()}


def summary(counts, seed):
    """Share of records with the right number, sensitivity and precision, with intervals."""
    interval = partial(bootstrap_interval, groups=np.arange(len(counts)), random_state=seed)
    return {
        "right": interval(lambda rows: np.mean(rows[:, 1] == rows[:, 2]), counts),
        "se": interval(lambda rows: rows[:, 0].sum() / (rows[:, 0] + rows[:, 2]).sum(), counts),
        "ppv": interval(lambda rows: rows[:, 0].sum() / (rows[:, 0] + rows[:, 1]).sum(), counts),
    }
