"""Paths between ECG of patients that were not trained on: do waves stay, and do they move or fade?"""

from dataclasses import replace
from functools import partial

import numpy as np

from sklearn_ecg.interpolation import latent_path, linear_path, path_report, transport_path, wave_drift
from sklearn_ecg.metrics import bootstrap_interval

from .._results import print_table, write_results
from . import data, motion, reconstruction
from ._moved import T_REACH, with_later_t
from .interpolation_figures import draw

N_PAIRS, N_STEPS, START = 200, 100, 3 * data.FS
SHOWN = 4  # of the shifts, in the table
BASE = "Table I, V6 of LUDB"
PLAIN = reconstruction.WINDOWS[BASE]
WIDER = reconstruction.Recipe(
    data.V6,
    step=32,
    settings={
        "channels": (16, 32, 64, 64),
        "kernel_sizes": (9, 9, 9, 9),
        "pools": (4, 4, 2, 2),
        "batch_size": 64,
        "max_epochs": 30,
    },
)
REGULARISED = replace(
    WIDER, settings={**WIDER.settings, "transport": 4.0, "transport_pairs": 10_000, "fs": float(data.FS)}
)
TABLE_I, LATENT = "latent, Table I", "latent, wider"
SHIFTS = (3, 6, 10, 15, 20, 26, 32)  # samples
DRIFT_STEPS = 21
PROTOCOL = (
    "Lead V6 of LUDB as in the experiment 'reconstruction': baseline subtracted, 128 Hz, each record to mean zero and "
    "standard deviation one; the 4 s from the third second on of each of {n} held-out patients; {n_pairs} random pairs "
    "of them, {n_steps} steps. Networks: the recipe '" + BASE + "' of that experiment; one of more channels, shorter "
    "kernels and thirteen times the steps, learned from V6 of PTB-XL's patients, too; and the same with transport=4 on "
    "10 000 pairs of training windows. Its sizes, weight and steps were tried on pairs of "
    "validation patients, three in all. "
    "Admissible steps as path_report defines them, against the path's own ends, which are reconstructions for the "
    "networks; intervals: 95 %, bootstrap over the patient at the first end, without that at the other, and so "
    "somewhat narrow. Waves that never turn back: of those whose detected peaks are followed from step to step, the "
    "share that goes at most a sample against its way. Fading: the other end is the same ECG "
    "with every T wave, its deflection from the chord of {t_span:.0f} ms around its peak, put {shifts} samples later; "
    "fading share of T by wave_drift on {drift_steps} steps, mean over the waves of all held-out patients with an "
    "interval over patients, against the median way over the wave's width; networks between the true ends, too. The "
    "delineator behind path_report is the one that transport_path finds its beats with; its QRS detector was chosen "
    "elsewhere (benchmarks.rpeaks), but its margin at the borders, its steepness rule and what counts as a T wave "
    "without its QRS, and how wide such a wave may be, were chosen after transport paths between random LUDB records, "
    "held-out ones among them, had been looked at, and so was the path's own treatment of beats at the borders"
)


def interpolation(args):
    """Judge the kinds of path, measure fading, draw the figures, and write the table."""
    ludb, ptbxl = data.load(args.data_home)
    train, _, held_out = data.split_patients(ludb.patient, args.seed)
    paths = paths_of(networks(ludb.of(train), ptbxl, args))
    records = ludb.of(held_out)
    ends = ends_of(records)
    rng = np.random.default_rng(args.seed)
    pairs = np.array([rng.choice(len(ends), 2, replace=False) for _ in range(N_PAIRS)])
    metrics = {}
    for name, path in paths.items():
        steps = judge(path, ends, pairs)
        metrics[name] = {**shares(steps, pairs[:, 0], args.seed), "fading of T": fading(path, ends, args.seed)}
        print(name, metrics[name]["steps"], metrics[name]["paths"], flush=True)
    ratios = {
        of: metrics[f"{LATENT}, regularised"][of].estimate / metrics[LATENT][of].estimate for of in ("steps", "paths")
    }
    turns = [way for i, j in pairs for way in motion.turning_back(paths["transport"](ends[i], ends[j], N_STEPS))]
    metrics["transport"]["waves that never turn back"] = moved = motion.shares(turns)
    print(moved, flush=True)
    columns = ["path", "admissible steps", "admissible paths", "fading of T"]
    rows = [
        [name, str(row["steps"]), str(row["paths"]), str(row["fading of T"][SHOWN]["fading"])]
        for name, row in metrics.items()
    ]
    write_results(
        "representation_interpolation",
        {
            "protocol": PROTOCOL.format(
                n=len(ends),
                n_pairs=N_PAIRS,
                n_steps=N_STEPS,
                shifts=", ".join(map(str, SHIFTS)),
                drift_steps=DRIFT_STEPS,
                t_span=sum(T_REACH) / data.FS * 1000,
            ),
            "metrics": {**metrics, "regularised over plain": ratios},
            "caption": "Paths between ECG of held-out patients: share of admissible steps and paths, and fading share "
            f"of T waves moved by {SHIFTS[SHOWN] / data.FS * 1000:.0f} ms",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)
    draw(paths, ends, pairs, metrics)


def ends_of(records):
    """The window of each record between which paths lead, (n_records, n_timepoints)."""
    return records.signal[:, data.LEADS.index("V6"), START : START + data.WINDOW].astype(np.float64)


def networks(train, ptbxl, args):
    """The network as published, and a wider one, plain and regularised, learned from windows of training patients."""
    recipes = {TABLE_I: (BASE, PLAIN), LATENT: ("wider", WIDER), f"{LATENT}, regularised": ("regularised", REGULARISED)}
    return {
        name: reconstruction.fit(
            "windows",
            recipe_name,
            recipe,
            reconstruction.rows_to_learn(reconstruction.cut_windows, recipe, train, ptbxl),
            args,
        )[0]
        for name, (recipe_name, recipe) in recipes.items()
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


def fading(path, ends, seed):
    """For each shift of the T waves: their way over their width, fading share with its interval, number of waves."""
    found = []
    for shift in SHIFTS:
        rows = [row for patient, end in enumerate(ends) for row in drift_of_t(path, end, shift, patient)]
        ratio, share, patient = np.array(rows).reshape(-1, 3).T
        several = len(np.unique(patient)) > 1
        interval = bootstrap_interval(np.mean, share, groups=patient, random_state=seed) if several else None
        width = float(np.median(ratio)) if len(ratio) else None
        found.append({"shift": shift / data.FS, "over_width": width, "fading": interval, "n": len(share)})
    return found


def drift_of_t(path, end, shift, patient):
    """(way over width, fading share, patient) of the T waves of one ECG on their way to ``shift`` samples later."""
    later = with_later_t(end, shift)
    steps = path(end, later, DRIFT_STEPS)
    steps[0], steps[-1] = end, later  # networks are judged between the true ends, too
    drift = wave_drift(steps, fs=data.FS)
    clear = np.isfinite(drift.fading) & (drift.wave == "T")
    return [
        (way, share, patient)
        for way, share in zip((drift.displacement / drift.width)[clear], drift.fading[clear], strict=True)
    ]
