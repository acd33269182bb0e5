"""Beats that GANSampler makes: are they recognised as their class, and are they new?

    python -m benchmarks.gan --data-home PATH [--steps N]

The beats of DS1 are split into two halves at random, both with beats of every record, because 373 of the 415 F beats
are in one record. The sampler is fitted on one half; trees trained on the other half judge what it makes. Nothing here
tells how well a classifier does on unseen patients.
"""

import argparse
import inspect

import numpy as np
import torch
from imblearn.over_sampling import SMOTE
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_ecg.augmentation import GANSampler
from sklearn_ecg.metrics import memorisation
from sklearn_ecg.preprocessing import PATIENT_FEATURES

from ._results import add_threads, cpu_timer, write_results
from .arrhythmia.data import load

CLASSES = ("N", "S", "V", "F")
N_MADE = 1000
"""Beats made of each class, and real beats of a class looked at, at most."""


def fit_trees(X, y, seed):
    return ExtraTreesClassifier(200, min_samples_leaf=2, class_weight="balanced", random_state=seed).fit(X, y)


def split_halves(X, y, seed):
    """Two halves of the beats, as dicts of class → rows."""
    fitted, other = train_test_split(np.arange(len(y)), test_size=0.5, stratify=y, random_state=seed)
    return tuple({label: X[half[y[half] == label]] for label in CLASSES} for half in (fitted, other))


def as_X_y(rows_of_class):
    return np.concatenate(list(rows_of_class.values())), np.repeat(CLASSES, [len(r) for r in rows_of_class.values()])


def smote(fitted, scaler, seed):
    """As many rows of each class between neighbours in standardised columns, for comparison."""
    X, y = as_X_y(fitted)
    wanted = {label: len(rows) + N_MADE for label, rows in fitted.items()}
    X_new, y_new = SMOTE(sampling_strategy=wanted, random_state=seed).fit_resample(scaler.transform(X), y)
    made, labels = scaler.inverse_transform(X_new[len(X) :]), y_new[len(X) :]
    return {label: made[labels == label] for label in CLASSES}


def distance_ratios(fitted, rows_of_class, unseen, scaler):
    """By class, how near rows are to the beats fitted on beside real ones that are not, in standardised columns."""
    ratios = {}
    for label, rows in rows_of_class.items():
        standardised = (scaler.transform(X) for X in (fitted[label], rows, unseen[label]))
        ratios[label] = memorisation(*standardised, standardise=False).ratio
    return ratios


def recalls(trees, rows_of_class):
    return {label: np.mean(trees.predict(rows) == label) for label, rows in rows_of_class.items()}


def measure(X, y, seed, args):
    """Measures by class of one random split and one seed of the sampler."""
    fitted, other = split_halves(X, y, seed)
    sampler = GANSampler(
        n_side_features=len(PATIENT_FEATURES), n_steps=args.steps, random_state=seed, verbose=args.verbose
    )
    with cpu_timer() as timer:
        sampler.fit(*as_X_y(fitted))
    with cpu_timer() as making:
        made = {label: sampler.sample(N_MADE, label, random_state=seed) for label in CLASSES}
    some = {label: rows[:N_MADE] for label, rows in other.items()}
    judge = fit_trees(*as_X_y(other), seed)
    scaler = StandardScaler().fit(as_X_y(fitted)[0])
    between = smote(fitted, scaler, seed)
    return {
        "recognised_real": recalls(judge, fitted),
        "recognised_made": recalls(judge, made),
        "distance_ratio_made": distance_ratios(fitted, made, some, scaler),
        "distance_ratio_smote": distance_ratios(fitted, between, some, scaler),
        "recall_of_trees_trained_on_made": recalls(fit_trees(*as_X_y(made), seed), other),
        "repeated_rows": sum(len(rows) - len(np.unique(rows, axis=0)) for rows in made.values()),
        "fit_cpu_seconds": timer.seconds,
        "cpu_seconds_for_1000_rows": making.seconds / len(CLASSES),
    }


def report(runs, y, args):
    columns = {
        "recognised, real beats": "recognised_real",
        "recognised, made": "recognised_made",
        "distance ratio, made": "distance_ratio_made",
        "distance ratio, SMOTE": "distance_ratio_smote",
        "recall of trees trained on made beats": "recall_of_trees_trained_on_made",
    }
    table = [
        [c, int((y == c).sum()), *(f"{np.mean([run[key][c] for run in runs]):.2f}" for key in columns.values())]
        for c in CLASSES
    ]
    seconds = np.median([run["fit_cpu_seconds"] for run in runs])
    for row in table:
        print(*row, sep=" | ")
    path = write_results(
        "gan",
        {
            "protocol": f"DS1, halves of the beats drawn at random, the sampler fitted on one ({args.steps} steps, "
            f"{torch.get_num_threads()} torch thread, median {seconds:.0f} CPU s), trees trained on the other; "
            f"{N_MADE} beats made of each class; mean of {len(runs)} splits and seeds. Distance ratio: median distance "
            "to the nearest beat fitted on, divided by that of the real beats of the other half",
            "metrics": {"runs": runs},
            "caption": "Beats made by GANSampler, by class of DS1",
            "table": {"columns": ["class", "beats of DS1", *columns], "rows": table},
        },
        args=args,
    )
    print(path.name, f"{seconds:.0f} CPU s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home")
    parser.add_argument("--steps", type=int, default=inspect.signature(GANSampler).parameters["n_steps"].default)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n-seeds", type=int, default=3)
    add_threads(parser)
    parser.add_argument("--verbose", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    beats = load("ds1", PATIENT_FEATURES, args.data_home)
    X, y = beats.X, beats.y
    runs = []
    for seed in range(args.seed, args.seed + args.n_seeds):
        runs.append(measure(X, y, seed, args))
        print(seed, runs[-1], flush=True)
    report(runs, y, args)


if __name__ == "__main__":
    main()
