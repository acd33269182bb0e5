"""Delineation of lead II that is noisy, sampled at another rate, inverted, clipped or dead."""

from functools import partial

import numpy as np

from sklearn_ecg import ECGResampler
from sklearn_ecg._annotations import INTERVALS
from sklearn_ecg.datasets._noise import make_noise
from sklearn_ecg.metrics import fiducial_report, interval_report
from sklearn_ecg.preprocessing import wave_intervals

from .._results import print_table, write_results
from . import data, models

RATES = (100.0, 250.0, 1000.0)  # Hz
SNR = (20, 10, 5)  # dB
KINDS = ("white", "muscle", "baseline")
WAVES = ("P", "QRS", "T")
COLUMNS = [
    *("lead II", "HR, bpm", "PR, ms", "QRS, ms", "QT, ms", "missing"),
    *(f"{rate} {wave}" for rate in ("Se", "+P") for wave in WAVES),
]
PROTOCOL = (
    "The models, folds and scores of intervals_delineators: lead II of {n} records of LUDB at 500 Hz, changed before "
    "they are delineated, never in training. The power of the noise is that of the record without its mean, divided by "
    "the ratio in dB; muscle noise lies above 20 Hz and swells and ebbs, baseline wander under 0.5 Hz. Other rates by "
    "resampling; marks found are told at 500 Hz. Clipped at half of the largest deviation from the median. Missing: "
    "HR, PR, QRS and QT that are marked and not found. One draw of the noise"
)


def robustness(args):
    """Write the table of what each change costs."""
    ludb = data.load(args.data_home)
    marks, true = ludb.waves("II"), ludb.intervals("II")
    metrics, rows = {}, []
    for name, change, fs in changes(args.seed):
        waves = models.out_of_fold(ludb, ("single",), args, partial(delineate_changed, ludb, change, fs))
        inside = [data.within(*pair) for pair in zip(waves, marks, strict=True)]
        intervals = interval_report(true, wave_intervals(inside, fs=data.FS))
        boundaries = fiducial_report(marks, waves, fs=data.FS)
        metrics[name] = {"intervals": intervals, "boundaries": boundaries}
        rows.append([name, *cells(intervals, boundaries)])
        print(*rows[-1], sep=" | ", flush=True)
    dead = delineate_dead(ludb, args)
    metrics["waves found in dead leads"] = dead
    rows.append([f"flat: {dead} waves found", *["–"] * (len(COLUMNS) - 1)])
    write_results(
        "intervals_robustness",
        {
            "protocol": PROTOCOL.format(n=len(marks)),
            "metrics": metrics,
            "caption": "WaveDelineator on lead II of held-out patients of LUDB, changed: mean absolute errors; Se and "
            "+P of the peaks at ±150 ms",
            "table": {"columns": COLUMNS, "rows": rows},
        },
        args=args,
    )
    print_table(COLUMNS, rows)


def changes(seed):
    """Name, change of the signals (n_records, n_timepoints) in mV, and sampling frequency after it."""
    yield "as recorded", lambda signals: signals, data.FS
    for kind in KINDS:
        for decibel in SNR:
            yield f"{kind} noise, {decibel} dB", partial(add_noise, kind=kind, decibel=decibel, seed=seed), data.FS
    for fs in RATES:
        yield f"{fs:.0f} Hz", ECGResampler(fs=data.FS, fs_out=fs).fit_transform, fs
    yield "inverted", np.negative, data.FS
    yield "clipped", clip, data.FS


def add_noise(signals, *, kind, decibel, seed):
    rng = np.random.default_rng(seed)
    if kind == "white":
        noise = rng.normal(size=signals.shape)
    else:
        levels = dict.fromkeys(("baseline", "muscle", "mains", "motion"), 0.0) | {kind: 1.0}
        noise = make_noise(rng, signals.shape, data.FS, mains_frequency=50.0, **levels)
    return signals + noise * signals.std(axis=1, keepdims=True) * 10 ** (-decibel / 20)


def clip(signals):
    median = np.median(signals, axis=1, keepdims=True)
    most = np.abs(signals - median).max(axis=1, keepdims=True) / 2
    return np.clip(signals, median - most, median + most)


def delineate_changed(ludb, change, fs, fitted, places):
    """Waves of changed records, in samples at the rate of the marks."""
    signals = change(ludb.leads(("II",))[places, 0].astype(np.float64))
    found = fitted["single"].delineate(signals, fs=fs)
    for waves in found:
        for mark in ("onset", "peak", "offset"):
            waves[mark] = np.rint(waves[mark] * (data.FS / fs))
    return found


def delineate_dead(ludb, args):
    """Number of waves found in flat leads."""
    train, test = next(data.folds(ludb.patient, args.seed))
    model = models.fit(ludb, "single", train, args)
    flat = np.zeros((len(test), ludb.signal.shape[2])) + np.arange(len(test))[:, None]
    return sum(map(len, model.delineate(flat)))


def cells(intervals, boundaries):
    errors = [
        f"{intervals.mae[name]:.1f}" if name != "heart_rate" else f"{intervals.mae[name]:.2f}" for name in INTERVALS
    ]
    missing = "/".join(str(intervals.n_missing[name]) for name in INTERVALS)
    rates = (boundaries.sensitivity, boundaries.ppv)
    return [*errors, missing, *(f"{rate[f'{wave}_peak']:.1%}" for rate in rates for wave in WAVES)]
