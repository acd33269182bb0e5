"""Paths between ECG of patients that were not trained on: do waves stay, and do they move or fade?"""

from dataclasses import replace
from functools import partial

import numpy as np

from sklearn_ecg.interpolation import latent_path, linear_path, path_report, transport_path, wave_drift
from sklearn_ecg.metrics import bootstrap_interval

from .._kept import kept
from .._results import print_table, write_results
from . import data, reconstruction
from .interpolation_figures import draw

N_PAIRS, N_STEPS, START = 200, 100, 3 * data.FS
BASE = "Table I, V6 of LUDB"
PLAIN = reconstruction.WINDOWS[BASE]
REGULARISED = replace(
    PLAIN, settings={**PLAIN.settings, "transport": 1.0, "transport_pairs": 500, "fs": float(data.FS)}
)
SHIFTS = (4, 8, 12, 16, 24, 32, 48)  # samples
DRIFT_STEPS = 21
WAVES = ("P", "QRS", "T")
PROTOCOL = (
    "Lead V6 of LUDB as in the experiment 'reconstruction': baseline subtracted, 128 Hz, each record to mean zero and "
    "standard deviation one; the 4 s from the third second on of each of {n} held-out patients; {n_pairs} random pairs "
    "of them, {n_steps} steps. Networks: the recipe '" + BASE + "' of that experiment, learned from the training "
    "patients alone, and the same with transport=1 on 500 pairs of training windows; neither number was tuned. "
    "Admissible steps as path_report defines them, against the path's own ends, which are reconstructions for the "
    "networks; intervals: 95 %, bootstrap over the patient at the first end. Fading: the other end is the same ECG, "
    "cut {shifts} samples later, so that all waves move by a known way; fading share by wave_drift on {drift_steps} "
    "steps, mean over the waves of all held-out patients with an interval over patients, against the median way over "
    "the wave's width. The delineator behind path_report is the one that transport_path finds its beats with; its QRS "
    "detector was chosen elsewhere (benchmarks.rpeaks), but its margin at the borders and its steepness rule after "
    "transport paths between random LUDB records, held-out ones among them, had been looked at, and so was the "
    "transport path's own treatment of beats at the borders"
)


def interpolation(args):
    """Judge the four kinds of path, measure fading, draw the figures, and write the table."""
    ludb, _ = data.load(args.data_home)
    train, _, held_out = data.split_patients(ludb.patient, args.seed)
    paths = paths_of(networks(ludb.of(train), args))
    records = ludb.of(held_out)
    signals = records.signal[:, data.LEADS.index("V6")].astype(np.float64)
    ends = signals[:, START : START + data.WINDOW]
    rng = np.random.default_rng(args.seed)
    pairs = np.array([rng.choice(len(ends), 2, replace=False) for _ in range(N_PAIRS)])
    metrics = {}
    for name, path in paths.items():
        steps = kept(
            "representation",
            "paths",
            (name, N_PAIRS, N_STEPS, args.seed),
            partial(judge, path, ends, pairs),
            resume=args.resume,
        )
        metrics[name] = {**shares(steps, pairs[:, 0], args.seed), "fading": fading(path, signals, args.seed)}
        print(name, metrics[name]["steps"], metrics[name]["paths"], flush=True)
    plain, regularised = (metrics[name]["steps"].estimate for name in ("latent", "latent, regularised"))
    columns = ["path", "admissible steps", "admissible paths", *(f"fading of {wave}" for wave in WAVES)]
    rows = [[name, str(row["steps"]), str(row["paths"]), *at_half(row["fading"])] for name, row in metrics.items()]
    write_results(
        "representation_interpolation",
        {
            "protocol": PROTOCOL.format(
                n=len(ends),
                n_pairs=N_PAIRS,
                n_steps=N_STEPS,
                shifts=", ".join(map(str, SHIFTS)),
                drift_steps=DRIFT_STEPS,
            ),
            "metrics": {**metrics, "regularised over plain": regularised / plain},
            "caption": "Paths between ECG of held-out patients: share of admissible steps and paths, and fading share "
            f"of waves moved by {SHIFTS[4] / data.FS * 1000:.0f} ms",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)
    draw(paths, ends, signals, pairs, metrics)


def networks(train, args):
    """The plain and the regularised network, learned from the windows of the training patients."""
    X = reconstruction.rows_to_learn(reconstruction.cut_windows, PLAIN, train, None)
    names = {"latent": (BASE, PLAIN), "latent, regularised": (f"{BASE}, transport", REGULARISED)}
    return {
        name: reconstruction.fit("windows", recipe_name, recipe, X, args)[0]
        for name, (recipe_name, recipe) in names.items()
    }


def paths_of(fitted):
    """Name → function (a, b, n_steps) → path."""
    return {
        "linear": linear_path,
        **{name: partial(latent_path, network) for name, network in fitted.items()},
        "transport": partial(transport_path, fs=data.FS),
    }


def judge(path, ends, pairs):
    """Whether each step of the path between each pair is admissible, (n_pairs, n_steps), and what is broken."""
    reports = [path_report(path(ends[i], ends[j], N_STEPS), fs=data.FS) for i, j in pairs]
    rules = ("within", "monotone", "continuous", "full", "owned")
    return np.array([r.steps for r in reports]), {rule: np.mean([getattr(r, rule) for r in reports]) for rule in rules}


def shares(judged, groups, seed):
    """Shares of admissible steps and paths, with intervals, and of the steps that keep each rule."""
    steps, rules = judged
    interval = partial(bootstrap_interval, np.mean, groups=groups, random_state=seed)
    return {"steps": interval(steps.mean(axis=1)), "paths": interval(steps.all(axis=1).astype(float)), "rules": rules}


def fading(path, signals, seed):
    """Wave → list, one for each shift: way over width, fading share with its interval, number of waves."""
    found = {wave: [] for wave in WAVES}
    for shift in SHIFTS:
        rows = [row for patient, signal in enumerate(signals) for row in drift_rows(path, signal, shift, patient)]
        for wave in WAVES:
            share, ratio, patient = np.array([row[1:] for row in rows if row[0] == wave]).reshape(-1, 3).T
            interval = None
            if len(np.unique(patient)) > 2:
                interval = bootstrap_interval(np.mean, share, groups=patient, n_resamples=200, random_state=seed)
            width = float(np.median(ratio)) if len(ratio) else None
            found[wave].append({"shift": shift / data.FS, "over_width": width, "fading": interval, "n": len(share)})
    return found


def drift_rows(path, signal, shift, patient):
    """(wave, fading share, way over width, patient) of the waves of one ECG that starts ``shift`` samples later."""
    a, b = signal[START : START + data.WINDOW], signal[START + shift : START + shift + data.WINDOW]
    drift = wave_drift(path(a, b, DRIFT_STEPS), fs=data.FS)
    clear = np.isfinite(drift.fading)
    columns = drift.wave[clear], drift.fading[clear], np.abs(drift.displacement / drift.width)[clear]
    return [(*row, patient) for row in zip(*columns, strict=True)]


def at_half(found):
    """Cells: the fading share of each wave at one shift."""
    return [str(found[wave][4]["fading"]) if found[wave][4]["fading"] else "" for wave in WAVES]
