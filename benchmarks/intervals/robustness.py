"""Delineation of records that are noisy, sampled at another rate, inverted, clipped or dead in part."""

from functools import partial

import numpy as np

from sklearn_ecg import ECGResampler
from sklearn_ecg.datasets import make_noise
from sklearn_ecg.metrics import fiducial_report, interval_report
from sklearn_ecg.preprocessing import wave_intervals
from sklearn_ecg.signals import INTERVALS

from .._results import print_table, write_results
from . import data, models

RATES = (100.0, 250.0, 1000.0)  # Hz
SNR = (20, 10, 5)  # dB
KINDS = ("white", "muscle", "baseline")
WAVES = ("P", "QRS", "T")
COLUMNS = [
    *("record", "HR, bpm", "PR, ms", "QRS, ms", "QT, ms", "missing"),
    *(f"{rate} {wave}" for rate in ("Se", "+P") for wave in WAVES),
]
PROTOCOL = (
    "The models, folds and scores of intervals_delineators, 'lead II alone', and below of intervals_leads8, 'eight "
    "leads together'; {n} records of LUDB at 500 Hz, changed before they are delineated, never in training. The power "
    "of the noise is that of the record without its mean, divided by the ratio in dB; muscle noise is above 20 Hz and "
    "swells and ebbs, baseline wander under 0.5 Hz. Other rates by resampling; marks found are told at 500 Hz, so that "
    "at 100 Hz they are rounded to 10 ms. Clipped at half of the largest deviation from the median. Missing: HR, PR, "
    "QRS and QT that are marked and not found. One draw of the noise"
)


def robustness(args):
    """Write the table of what each change costs."""
    ludb = data.load(args.data_home)
    metrics, rows = {}, []
    for name, kind, change, fs in changes(args.seed):
        waves = models.out_of_fold(ludb, (kind,), args, partial(delineate_changed, ludb, kind, change, fs))
        reference = "global" if kind == "eight" else "II"
        marks = ludb.waves(reference)
        inside = [data.within(*pair) for pair in zip(waves, marks, strict=True)]
        intervals = interval_report(ludb.intervals(reference), wave_intervals(inside, fs=data.FS))
        boundaries = fiducial_report(marks, waves, fs=data.FS)
        metrics[name] = {"intervals": intervals, "boundaries": boundaries}
        rows.append([name, *cells(intervals, boundaries)])
        print(*rows[-1], sep=" | ", flush=True)
    dead = delineate_dead(ludb, args)
    metrics["waves found in dead leads"] = dead
    rows.append([f"lead II flat: {dead} waves found", *["–"] * (len(COLUMNS) - 1)])
    write_results(
        "intervals_robustness",
        {
            "protocol": PROTOCOL.format(n=len(ludb.patient)),
            "metrics": metrics,
            "caption": "WaveDelineator on changed records of held-out patients of LUDB: mean absolute errors; Se and "
            "+P of the peaks at ±150 ms",
            "table": {"columns": COLUMNS, "rows": rows},
        },
        args=args,
    )
    print_table(COLUMNS, rows)


def changes(seed):
    """Name, kind of the model, change of the signals (n, n_timepoints) in mV, and sampling frequency after it."""
    yield "lead II as recorded", "single", lambda signals: signals, data.FS
    for kind in KINDS:
        for decibel in SNR:
            change = partial(add_noise, kind=kind, decibel=decibel, seed=seed)
            yield f"{kind} noise, {decibel} dB", "single", change, data.FS
    for fs in RATES:
        yield f"{fs:.0f} Hz", "single", ECGResampler(fs=data.FS, fs_out=fs).fit_transform, fs
    yield "inverted", "single", np.negative, data.FS
    yield "clipped", "single", clip, data.FS
    yield "eight leads as recorded", "eight", lambda signals: signals, data.FS
    for leads in (("II",), ("V2",), ("I", "II"), ("V1", "V2", "V3")):
        yield f"{' and '.join(leads)} flat", "eight", partial(silence, leads=leads), data.FS


def add_noise(signals, *, kind, decibel, seed):
    noise = make_noise(signals.shape, fs=data.FS, **{kind: 1.0}, random_state=seed)
    return signals + noise * signals.std(axis=1, keepdims=True) * 10 ** (-decibel / 20)


def clip(signals):
    median = np.median(signals, axis=1, keepdims=True)
    most = np.abs(signals - median).max(axis=1, keepdims=True) / 2
    return np.clip(signals, median - most, median + most)


def silence(signals, *, leads):
    """Some of the eight leads set to zero."""
    silenced = signals.reshape(-1, len(data.EIGHT), signals.shape[1]).copy()
    silenced[:, [data.EIGHT.index(lead) for lead in leads]] = 0
    return silenced.reshape(signals.shape)


def delineate_changed(ludb, kind, change, fs, fitted, places):
    """Waves of changed records, in samples at the rate of the marks."""
    signals = models.signals_of(ludb, kind, places, ("II",)).astype(np.float64)
    changed = change(signals.reshape(-1, signals.shape[2])).reshape(*signals.shape[:2], -1)
    found = fitted[kind].delineate(changed, fs=fs)
    for waves in found:
        for mark in ("onset", "peak", "offset"):
            waves[mark] = np.rint(waves[mark] * (data.FS / fs))
    return found


def delineate_dead(ludb, args):
    """Number of waves found in leads that are flat, each at a level of its own."""

    def delineate(fitted, places):
        return fitted["single"].delineate(np.repeat(places[:, None], ludb.signal.shape[2], axis=1).astype(np.float64))

    return sum(map(len, models.out_of_fold(ludb, ("single",), args, delineate)))


def cells(intervals, boundaries):
    errors = [
        f"{intervals.mae[name]:.1f}" if name != "heart_rate" else f"{intervals.mae[name]:.2f}" for name in INTERVALS
    ]
    missing = "/".join(str(intervals.n_missing[name]) for name in INTERVALS)
    rates = (boundaries.sensitivity, boundaries.ppv)
    return [*errors, missing, *(f"{rate[f'{wave}_peak']:.1%}" for rate in rates for wave in WAVES)]
