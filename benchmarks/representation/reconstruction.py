"""Reconstruction of V6 of patients that were not trained on, beside the mean and principal components."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score

from sklearn_ecg import ConvAutoencoder
from sklearn_ecg.metrics import bootstrap_interval

from .._kept import kept
from .._results import cpu_timer, print_table, write_results
from . import data

ONE_CYCLE = {"lr": 3e-3, "lr_schedule": "one-cycle"}


@dataclass(frozen=True)
class Recipe:
    """What is learned from, and how: leads, windows every so many samples, databases, and settings of the network."""

    leads: tuple = data.EIGHT
    step: int = data.FS
    both: bool = True  # or LUDB alone
    settings: dict = field(default_factory=dict)


WINDOWS = {
    "Table I, V6 of LUDB": Recipe(data.V6, 64, both=False, settings={"max_epochs": 40}),
    "Table I, V6 of both": Recipe(data.V6, 32, settings={"max_epochs": 8}),
}
CYCLES = {"Table I with latent 10, eight leads of both": Recipe(settings={"latent_size": 10, "max_epochs": 5})}
PROTOCOL = (
    "Lead V6 of LUDB, {n_train} patients to learn from, {n_valid} to validate on and {n_held_out} held out, drawn at "
    "random; {n_ptbxl} records of PTB-XL, of other patients, may be learned from, too. Baseline by running medians "
    "subtracted, 128 Hz, each lead of each record to mean zero and standard deviation one; no low-pass. Windows of 4 s "
    "every 1 s, 7 of a record; cycles of 1 s around the R peaks, by the default detector on all leads. A row is one "
    "lead. Pooled R² over all samples; 95 % intervals resample patients. The chosen recipe has the best R² on the "
    "validation patients; no row knew the held-out ones. PCA and mean are of the rows of the chosen recipe. One seed"
)


def reconstruction(args):
    """Fit the recipes for windows and cycles, and write the table."""
    ludb, ptbxl = data.load(args.data_home)
    parts = data.split_patients(ludb.patient, args.seed)
    rows = {
        "4 s": outcomes("windows", WINDOWS, 30, cut_windows, ludb, ptbxl, parts, args),
        "1 cycle": outcomes("cycles", CYCLES, 10, cut_cycles, ludb, ptbxl, parts, args),
    }
    columns = ["signal", "model", "latent", "R², validation", "R², held out", "fit, CPU s"]
    table = [[signal, name, *cells(row)] for signal, part in rows.items() for name, row in part.items()]
    counts = dict(zip(("n_train", "n_valid", "n_held_out"), map(len, parts), strict=True))
    write_results(
        "representation_reconstruction",
        {
            "protocol": PROTOCOL.format(**counts, n_ptbxl=len(ptbxl.signal)),
            "metrics": rows,
            "caption": "Reconstruction of V6 of held-out patients of LUDB: pooled R²; 95 % over patients",
            "table": {"columns": columns, "rows": table},
        },
        args=args,
    )
    print_table(columns, table)


def cut_windows(records, recipe):
    return data.windows(records, recipe.leads, recipe.step)


def cut_cycles(records, recipe):
    return data.cycles(records, recipe.leads)


def outcomes(kind, recipes, latent_size, cut, ludb, ptbxl, parts, args):
    """Name → scores: the mean, principal components and every recipe, the best on the validation patients chosen."""
    train, *others = (ludb.of(part) for part in parts)
    judged = [cut(part, Recipe(data.V6)) for part in others]
    rows = {}
    for name, recipe in recipes.items():
        model, seconds = fit(kind, name, recipe, rows_to_learn(cut, recipe, train, ptbxl), args)
        row = judge(model.reconstruct, judged, args.seed)
        rows[name] = {"latent": model.n_latent_, **row, "seconds": seconds}
        print(kind, name, row, round(seconds), flush=True)
    sized = [name for name in rows if rows[name]["latent"] == latent_size]
    chosen = max(sized, key=lambda name: rows[name]["validation"])
    rows[chosen]["chosen"] = True
    X = rows_to_learn(cut, recipes[chosen], train, ptbxl)
    return {**baselines(X, latent_size, judged, args.seed), **rows}


def rows_to_learn(cut, recipe, ludb, ptbxl):
    return np.concatenate([cut(part, recipe)[0] for part in ([ludb, ptbxl] if recipe.both else [ludb])])


def baselines(X, latent_size, judged, seed):
    """Scores of the mean signal and of principal components of the rows ``X``."""
    rows = {"mean": {"latent": 0, **judge(lambda Z: np.broadcast_to(X.mean(axis=0), Z.shape), judged, seed)}}
    with cpu_timer() as timer:
        pca = PCA(latent_size, svd_solver="covariance_eigh").fit(X)
    row = judge(lambda Z: pca.inverse_transform(pca.transform(Z)), judged, seed)
    return rows | {"PCA": {"latent": latent_size, **row, "seconds": timer.seconds}}


def judge(reconstruct, judged, seed):
    """Pooled R² on validation and held-out patients, the latter with its interval."""
    (valid, _), (held_out, patient) = judged
    interval = bootstrap_interval(pooled_r2, held_out, reconstruct(held_out), groups=patient, random_state=seed)
    return {"validation": pooled_r2(valid, reconstruct(valid)), "held_out": interval}


def pooled_r2(true, decoded):
    return float(r2_score(np.ravel(true), np.ravel(decoded)))


def fit(kind, name, recipe, X, args):
    """The fitted network of a recipe, and the CPU seconds of its training."""

    def make():
        settings = {**ONE_CYCLE, **recipe.settings, "random_state": args.seed, "verbose": args.verbose}
        with cpu_timer() as timer:
            model = ConvAutoencoder(**settings).fit(X)
        return model, timer.seconds

    return kept("representation", kind, (name, recipe, X.shape, ONE_CYCLE, args.seed), make, resume=args.resume)


def cells(row):
    held_out = str(row["held_out"]) + ", chosen" * row.get("chosen", False)
    seconds = f"{row['seconds']:.0f}" if "seconds" in row else ""
    return [row["latent"], f"{row['validation']:.3f}", held_out, seconds]
