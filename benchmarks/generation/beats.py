"""Beats of MIT-BIH's classes made by generators, and what a classifier learns from them."""

import numpy as np
from imblearn.pipeline import make_pipeline
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import GroupKFold

from sklearn_ecg import CNNClassifier, ECGScaler
from sklearn_ecg.metrics import (
    SyntheticTrainingReport,
    aami_report,
    bootstrap_macro_f1,
    diversity,
    memorisation,
    mmd_report,
)
from sklearn_ecg.preprocessing import PATIENT_FEATURES

from .._kept import kept
from .._results import cpu_timer, print_table, write_results
from ..arrhythmia.data import load
from ..arrhythmia.models import NEW_PATIENTS
from .generators import CLASSES, GAN, N_MOST, N_SIDE, SETTINGS, VAE

N_FOLDS = 2
BEST, PRIOR = "PeriodicVAE, mixtures of 40", "PeriodicVAE, normal prior"
VARIANTS = {
    PRIOR: VAE(prior=True),
    "PeriodicVAE, mixtures of 5": VAE(settings=SETTINGS | {"n_components": 5}),
    BEST: VAE(),
    "PeriodicVAE, mixtures of 40 and noise": VAE(noise=True),
    "GANSampler": GAN(),
}
TRAINERS = (BEST, "GANSampler")
GENERATORS = (*TRAINERS, PRIOR)
N_MEASURED = 1500


def build_cnn(seed):
    layout = {"n_side_features": N_SIDE}
    return make_pipeline(ECGScaler(by="lead", **layout), CNNClassifier(**NEW_PATIENTS, **layout, random_state=seed))


def build_trees(seed):
    return ExtraTreesClassifier(100, min_samples_leaf=3, class_weight="balanced", random_state=seed)


CLASSIFIERS = {"CNN": build_cnn, "trees": build_trees}


def as_many(y):
    """Rows to make of each class: as many as there are."""
    return {label: int((y == label).sum()) for label in CLASSES}


def evenly(y):
    return dict.fromkeys(CLASSES, 4000)


AS_MANY, EVENLY = "as many as real ones", "4000 of each class"
COUNTS = {AS_MANY: as_many, EVENLY: evenly}
SELECTED = [
    ("real", None),
    *((name, AS_MANY) for name in VARIANTS),
    (BEST, EVENLY),
]


def made(name, where, X, y, counts, seed, args):
    """Rows and labels from a generator fitted on ``X``, ``y``; the fit is kept."""
    generator = VARIANTS[name]

    def fit():
        with cpu_timer() as timer:
            model = generator.fit(X, y, seed)
        print(f"{generator.kind}, {where}, seed {seed}: {timer.seconds:.0f} CPU s", flush=True)
        return model

    key = generator.kind, generator.settings, where, seed
    model = kept("generation", f"beats-{generator.kind}-{where}-{seed}", key, fit, resume=args.resume)
    rows = {label: generator.sample(model, X, y, n, label, seed) for label, n in counts.items() if n}
    return np.concatenate(list(rows.values())).astype(X.dtype), np.repeat(list(rows), [len(r) for r in rows.values()])


def select(args):
    """Variants of the generators, and how many beats to make of each class, by folds of the records of DS1."""
    ds1 = load("ds1", PATIENT_FEATURES, args.data_home)
    folds = list(GroupKFold(N_FOLDS).split(ds1.X, groups=ds1.record))
    metrics = {}
    for name, many in SELECTED:
        scores = []
        for fold, (train, test) in enumerate(folds):
            rows = ds1.X[train], ds1.y[train]
            if many:
                rows = made(name, f"fold{fold}", *rows, COUNTS[many](rows[1]), args.seed, args)
            predicted = build_cnn(args.seed).fit(*rows).predict(ds1.X[test])
            scores.append(aami_report(ds1.y[test], predicted).f1)
        row = f"{name}, {many}" if many else name
        metrics[row] = {label: np.nan_to_num([score[label] for score in scores]).mean() for label in CLASSES}
        print(row, metrics[row], flush=True)
    columns = ["trained on", *CLASSES, "mean N S V"]
    rows = [
        [name, *(f"{f1[label]:.3f}" for label in CLASSES), f"{np.mean([f1[label] for label in 'NSV']):.3f}"]
        for name, f1 in metrics.items()
    ]
    write_results(
        "generation_select",
        {
            "protocol": f"DS1 alone, {N_FOLDS} folds of its records: generators fitted on the other records, a CNN "
            "trained on what they make, F1 on the fold, mean over the folds. Nearly all F are in one record, so that "
            "F says little. Mixtures: of so many normal distributions at most, fitted to the latents of each class; "
            "noise: normally distributed, with the covariance of what the autoencoder leaves of each class",
            "metrics": metrics,
            "caption": "Inside DS1: a CNN trained on generated beats, F1 by class",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


def beats(args):
    """Classifiers trained on beats of DS1, on generated ones and on both, tested on DS2."""
    ds1, ds2 = (load(name, PATIENT_FEATURES, args.data_home) for name in ("ds1", "ds2"))
    seeds = range(args.seed, args.seed + (args.n_seeds or 3))
    predicted, quality = {}, {}
    for seed in seeds:
        training = {"real": (ds1.X, ds1.y)}
        for name in GENERATORS:
            rows = made(name, "DS1", ds1.X, ds1.y, as_many(ds1.y), seed, args)
            quality.setdefault(name, []).append(measure(*rows, ds1, ds2, seed))
            if name not in TRAINERS:
                continue
            training[name] = rows
            training[f"real + {name}"] = tuple(map(np.concatenate, zip(training["real"], rows, strict=True)))
        for kind in args.classifiers:
            for name, rows in training.items():
                labels = predictions(kind, name, rows, ds2.X, seed, args)
                predicted.setdefault(kind, {}).setdefault(name, []).append(labels)
    report(predicted, quality, ds1, ds2, args)


def predictions(kind, name, rows, X, seed, args):
    """Classes of ``X`` after training on ``rows``, which are kept."""

    def predict():
        with cpu_timer() as timer:
            labels = CLASSIFIERS[kind](seed).fit(*rows).predict(X)
        print(f"{kind}, {name}, seed {seed}: {timer.seconds:.0f} CPU s", flush=True)
        return labels

    generator = VARIANTS.get(name.removeprefix("real + "))
    return kept("generation", f"beats-{kind}-{seed}", (kind, name, generator, seed), predict, resume=args.resume)


def measure(X, y, ds1, ds2, seed):
    """By class: discrepancy from beats of DS2, diversity beside DS1's, and copies of DS1's."""
    measures = {}
    for label in CLASSES:
        train, held_out, generated = (
            np.random.default_rng(seed).permutation(np.flatnonzero(labels == label))[:N_MEASURED]
            for labels in (ds1.y, ds2.y, y)
        )
        train, generated, real = ds1.X[train], X[generated], ds2.X[held_out]
        mmd = mmd_report(real, generated, groups=ds2.record[held_out], n_side_features=N_SIDE, random_state=seed)
        measures[label] = {
            "mmd": mmd.to_dict(),
            "diversity": diversity(train, generated, random_state=seed).to_dict(),
            "memorisation": memorisation(train, generated, real).to_dict(),
            "memorisation_of_real": memorisation(train[::2], train[1::2], real).to_dict(),
        }
    return measures


def report(predicted, quality, ds1, ds2, args):
    n_seeds = len(next(iter(predicted.values()))["real"])
    y, record = np.tile(ds2.y, n_seeds), np.tile(ds2.record, n_seeds)
    dummy = DummyClassifier().fit(ds1.X, ds1.y).predict(ds2.X)
    metrics = {"dummy": bootstrap_macro_f1(ds2.y, dummy, groups=ds2.record, random_state=args.seed)}
    rows = [["dummy", "real", *_scores(metrics["dummy"]), "–", "–"]]
    for kind, of_kind in predicted.items():
        pooled = {name: np.concatenate(labels) for name, labels in of_kind.items()}
        for name in TRAINERS:
            compared = SyntheticTrainingReport.from_predictions(
                y,
                real=pooled["real"],
                synthetic=pooled[name],
                both=pooled[f"real + {name}"],
                groups=record,
                random_state=args.seed,
            )
            metrics[f"{kind}, {name}"] = compared.to_dict()
            if len(rows) == 1 or rows[-1][0] != kind:
                rows.append([kind, "real", *_scores(compared.real), "–", "1"])
            rows.append(
                [
                    kind,
                    name,
                    *_scores(compared.synthetic),
                    str(compared.synthetic_less_real["macro"]),
                    f"{compared.share:.2f}",
                ]
            )
            share = compared.both["macro"].estimate / compared.real["macro"].estimate
            rows.append(
                [kind, f"real + {name}", *_scores(compared.both), str(compared.both_less_real["macro"]), f"{share:.2f}"]
            )
    columns = ["classifier", "trained on", *CLASSES, "macro-F1", "minus real, paired", "share of real"]
    write_results(
        "generation_beats",
        {
            "protocol": f"DS1 trains generators and classifiers, DS2 tests; beats of 0.6 s at 120 Hz in mV with "
            f"{N_SIDE} side features, as many generated of each class as there are; {n_seeds} seed(s) of both, pooled; "
            "95 % intervals resample the records of DS2. The autoencoder learns from at most "
            f"{N_MOST} beats of each class",
            "metrics": {"training": metrics, "beats": quality},
            "caption": "Classifiers trained on generated beats, DS1 → DS2",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)
    for name, runs in quality.items():
        for label in CLASSES:
            of_label = runs[0][label]
            print(
                name,
                label,
                {key: of_label["mmd"][key] for key in ("multiple", "surrogate_multiples")},
                of_label["diversity"],
                of_label["memorisation"],
                flush=True,
            )


def _scores(intervals):
    return [*(f"{intervals[label].estimate:.3f}" for label in CLASSES), str(intervals["macro"])]
