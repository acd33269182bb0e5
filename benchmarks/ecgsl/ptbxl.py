"""Superclasses of PTB-XL, out of fold: heartbeat segments of one lead or eight, pre-trained or not, and baselines."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ecg import ECGFilter, ECGScaler, ECGSLClassifier, ResNetClassifier
from sklearn_ecg.datasets import fetch_ludb, fetch_ptbxl
from sklearn_ecg.metrics import bootstrap_interval

from .._results import cpu_timer, print_table, write_results
from . import data, models
from .kept import kept

FS = 100
ONE, OTHER = ("II",), ("V5",)
EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
FOLDS = tuple(range(1, 11))
CHOOSING = (((1, 2, 3, 4), (5, 6, 7, 8)), ((5, 6, 7, 8), (1, 2, 3, 4)))
LATE = (9, 10)  # the folds with no part in the choice of settings

CANDIDATES = {
    "ECGSL": [
        {"max_epochs": 10, "batch_size": 32},
        {"max_epochs": 20, "batch_size": 32},
        {"max_epochs": 10, "batch_size": 32, "lr": 5e-3},
        {"max_epochs": 10, "batch_size": 32, "dropout": 0.3},
    ],
    "ResNet": [
        {"max_epochs": 10, "batch_size": 32, "lr": 2e-3},
        {"max_epochs": 20, "batch_size": 32, "lr": 2e-3},
        {"max_epochs": 10, "batch_size": 32, "lr": 5e-3},
    ],
}
RESNET = {"channels": (8, 16, 32), "n_blocks": 1, "lr_schedule": "one-cycle", "weight_decay": 1e-2}
PRETRAINING = {"pretrain_epochs": 10, "batch_size": 32}  # on LUDB and DS1, once
CONTINUED = {"pretrain_epochs": 4, "batch_size": 32}  # on the training folds
LAYOUT = (models.N_TIMEPOINTS, models.SIDE_FEATURES)


@dataclass(frozen=True)
class Row:
    """What is fitted: a model, its leads, and whether it was pre-trained."""

    kind: str
    leads: tuple = ONE
    pretrained: bool = False


ROWS = {
    "label frequencies": Row("frequencies"),
    "logistic regression on the median beat, II": Row("logistic"),
    "forest on the median beat, II": Row("forest"),
    "forest on the median beat, 8 leads": Row("forest", EIGHT),
    "forest on the median beat, II, scaled": Row("forest on scaled"),
    "forest on the median beat, 8 leads, scaled": Row("forest on scaled", EIGHT),
    "ResNetClassifier, II": Row("ResNet"),
    "ResNetClassifier, 8 leads": Row("ResNet", EIGHT),
    "ECGSLClassifier, II": Row("ECGSL"),
    "ECGSLClassifier, V5": Row("ECGSL", OTHER),
    "ECGSLClassifier, 8 leads": Row("ECGSL", EIGHT),
    "ECGSLClassifier, II, pre-trained on II": Row("ECGSL", pretrained=True),
    "ECGSLClassifier, V5, pre-trained on II": Row("ECGSL", OTHER, pretrained=True),
}
COMPARED = (
    ("ECGSLClassifier, II, pre-trained on II", "ECGSLClassifier, II"),
    ("ECGSLClassifier, V5, pre-trained on II", "ECGSLClassifier, V5"),
    ("ECGSLClassifier, 8 leads", "ECGSLClassifier, II"),
    ("ECGSLClassifier, II", "ResNetClassifier, II"),
    ("ECGSLClassifier, 8 leads", "ResNetClassifier, 8 leads"),
    ("ECGSLClassifier, II", "forest on the median beat, II, scaled"),
    ("ECGSLClassifier, 8 leads", "forest on the median beat, 8 leads, scaled"),
)

PROTOCOL = (
    "The first records of PTB-XL at 100 Hz, {n} of 21,799, {patients} patients; five superclasses that go together; "
    "predictions of the ten strat_fold, each by a model of the other nine; no patient crosses them. A class is called "
    "where its probability reaches its share of the training folds: no threshold is tuned, and the label frequencies "
    "call every class of every record. AUC counts pairs of records of the same fold, which one model scored. 95 % "
    "intervals resample patients. Settings of the two networks: the best macro-AUC of a few on lead II, trained on one "
    "half of the folds 1 to 8 and scored on the other; the folds 9 and 10, which chose nothing, are told apart. V5 as "
    "the other lead, beforehand, for its view of the left ventricle's side wall. The median beat is in mV; where it "
    "says scaled, and for the networks, records are scaled one by one. Pre-training on lead II without labels: LUDB, "
    "every sixth ten seconds of DS1, then the records of the nine training folds; its CPU seconds are counted in each "
    "row that uses it. One seed. With 400 records none of this is comparable to "
    "what is published on the whole of PTB-XL"
)


@dataclass(frozen=True)
class Records:
    """Records of PTB-XL as the models see them, with labels, folds and patients."""

    signal: np.ndarray  # (n_records, n_leads, n_timepoints), filtered and scaled
    beats: np.ndarray  # (n_records, n_beats, columns)
    median_beat: np.ndarray  # (n_records, columns), in mV
    scaled_median_beat: np.ndarray
    y: np.ndarray
    fold: np.ndarray
    patient: np.ndarray
    classes: tuple


def superclasses(args):
    """Fit the rows of the table fold by fold, and write it."""
    settings, tried = choose_settings(args)
    records = load(ONE, args.data_home)
    check_folds(records.fold, records.patient)
    outcomes = {name: out_of_fold(row, settings, args) for name, row in ROWS.items()}
    metrics = {name: score(records, *outcome, args.seed) for name, outcome in outcomes.items()}
    probas = {name: proba for name, (proba, *_) in outcomes.items()}
    columns = ["model", "macro-F1", *records.classes, "macro-AUC", "macro-AUC, folds 9 and 10", "fits, CPU s"]
    rows = [table_row(name, row) for name, row in metrics.items()]
    write_results(
        "ecgsl_ptbxl",
        {
            "protocol": PROTOCOL.format(n=len(records.y), patients=len(np.unique(records.patient))),
            "metrics": metrics,
            "differences": {f"{a} − {b}": difference(records, probas[a], probas[b], args.seed) for a, b in COMPARED},
            "settings": settings,
            "tried": tried,
            "records_with_class": dict(zip(records.classes, records.y.sum(axis=0), strict=True)),
            "caption": f"Superclasses of {len(records.y)} records of PTB-XL, out of fold: F1; 95 % over patients",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


@lru_cache(maxsize=3)
def load(leads, data_home):
    """Records with these leads; everything here is done record by record."""
    bunch = fetch_ptbxl(data_home=data_home, download_if_missing=False, fs=FS, leads=leads)
    n_leads = {"n_leads": len(leads)}
    filtered = ECGFilter(fs=FS, **n_leads).fit_transform(bunch.data)
    signal = ECGScaler(by="record", method="robust", **n_leads).fit_transform(filtered)
    segmenter = models.make_segmenter(FS, **n_leads)
    median = models.make_segmenter(FS, **n_leads).set_params(aggregate="median", n_timepoints=32)
    return Records(
        signal.reshape(len(signal), len(leads), -1),
        segmenter.fit_transform(signal),
        *(np.nan_to_num(median.fit_transform(rows)) for rows in (filtered, signal)),
        bunch.target,
        bunch.fold,
        bunch.groups,
        tuple(bunch.target_names),
    )


def check_folds(fold, patient):
    """Refuse folds that share a patient."""
    for name in np.unique(patient):
        if len(np.unique(fold[patient == name])) > 1:
            raise ValueError(f"Patient {name} is in several folds.")


def choose_settings(args):
    """The settings of either network with the best macro-AUC inside the folds 1 to 8, and what all of them gave."""
    tried, chosen = {}, {}
    for kind, candidates in CANDIDATES.items():
        scores = [score_inside(Row(kind), candidate, args) for candidate in candidates]
        tried[kind] = [{**candidate, "macro_auc": value} for candidate, value in zip(candidates, scores, strict=True)]
        chosen[kind] = candidates[int(np.argmax(scores))]
    return chosen, tried


def score_inside(row, candidate, args):
    """Macro-AUC inside the folds 1 to 8, over the pairs of records that one model scored."""
    records = load(row.leads, args.data_home)
    proba, half = np.zeros(records.y.shape), np.zeros(len(records.y), dtype=int)
    for number, (seen, scored) in enumerate(CHOOSING, start=1):
        train, test = np.isin(records.fold, seen), np.isin(records.fold, scored)
        proba[test], _ = fit_one(f"inside{number}", row, candidate, train, test, args)
        half[test] = number
    inside = half > 0
    return macro_auc(np.arange(inside.sum()), *concordance(records.y[inside], proba[inside], half[inside]))


def out_of_fold(row, settings, args):
    """Probabilities of all records, the thresholds that hold for them, and the CPU seconds of the fits."""
    records = load(row.leads, args.data_home)
    proba, threshold, seconds = np.empty(records.y.shape), np.empty(records.y.shape), 0.0
    for fold in FOLDS:
        test = records.fold == fold
        proba[test], spent = fit_one(f"fold{fold}", row, settings.get(row.kind, {}), ~test, test, args)
        threshold[test] = records.y[~test].mean(axis=0)
        seconds += spent
    if row.pretrained:
        seconds += pretrain_outside(args)[1] + sum(pretrain_fold(fold, args)[1] for fold in FOLDS)
    return proba, threshold, seconds


def fit_one(part, row, settings, train, test, args):
    """Probabilities of the records ``test`` by a model of the records ``train``, and its CPU seconds."""
    records = load(row.leads, args.data_home)

    def make():
        y = records.y[train]
        if row.kind == "frequencies":
            return np.tile(y.mean(axis=0), (test.sum(), 1)), 0.0
        start = pretrain_fold(int(part.removeprefix("fold")), args)[0] if row.pretrained else None
        model, X = build(row, settings, records, start, args.seed)
        with cpu_timer() as timer:
            model.fit(X[train], y)
        print(f"{part}: {row.kind}, {len(row.leads)} lead(s), {timer.seconds:.1f} CPU s", flush=True)
        return model.predict_proba(X[test]), timer.seconds

    key = (part, row, settings, models.SIZES, models.TRAINING, RESNET, PRETRAINING, CONTINUED, args.seed)
    return kept(f"ptbxl-{row.kind}", (*key, records.beats.shape, LAYOUT), make, resume=args.resume)


def build(row, settings, records, pretrained, seed):
    """An unfitted model, and the rows that it wants."""
    if row.kind == "ResNet":
        return ResNetClassifier(**RESNET, **settings, random_state=seed), records.signal
    if row.kind == "ECGSL":
        return make_ecgsl(len(row.leads), seed, **settings, pretrained=pretrained), records.beats
    table = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)),
        "forest": RandomForestClassifier(200, min_samples_leaf=3, random_state=seed),
    }
    kind, _, scaled = row.kind.partition(" on ")
    return OneVsRestClassifier(table[kind]), records.scaled_median_beat if scaled else records.median_beat


def make_ecgsl(n_leads, seed, **settings):
    layout = {"n_leads": n_leads, "n_side_features": len(models.SIDE_FEATURES)}
    return ECGSLClassifier(**models.SIZES, **{**models.TRAINING, **settings}, **layout, random_state=seed)


def pretrain_outside(args):
    """Weights learned from LUDB and DS1, lead II, and CPU seconds."""

    def make():
        ludb = fetch_ludb(data_home=args.data_home, download_if_missing=False)
        lead = ludb.data[:, ludb.lead_names.index("II")]
        parts = [
            data.cut(data.prepare(lead, fs=ludb.fs), fs=ludb.fs),
            data.cut(data.load_unlabelled("ds1", args.data_home)[::6]),
        ]
        model = make_ecgsl(1, args.seed, **PRETRAINING)
        with cpu_timer() as timer:
            model.pretrain(np.concatenate(parts))
        print(f"pre-training outside: {timer.seconds:.1f} CPU s, {model.history_[-1]}", flush=True)
        return model.pretrained_, timer.seconds

    return kept(
        "ptbxl-outside", (models.SIZES, models.TRAINING, PRETRAINING, args.seed, LAYOUT), make, resume=args.resume
    )


def pretrain_fold(fold, args):
    """The same weights after the records of the other folds, and CPU seconds; nothing of ``fold`` is seen."""
    records = load(ONE, args.data_home)

    def make():
        model = make_ecgsl(1, args.seed, **CONTINUED, pretrained=pretrain_outside(args)[0])
        with cpu_timer() as timer:
            model.pretrain(records.beats[records.fold != fold])
        return model.pretrained_, timer.seconds

    key = (fold, models.SIZES, models.TRAINING, PRETRAINING, CONTINUED, records.beats.shape, args.seed, LAYOUT)
    return kept("ptbxl-pretrained", key, make, resume=args.resume)


def score(records, proba, threshold, seconds, seed):
    """F1 of the classes, macro-F1 and macro-AUC with intervals over patients."""
    called, rows = proba >= threshold, np.arange(len(proba))
    f1 = f1_of_classes(records.y, called)
    ranks = concordance(records.y, proba, records.fold)
    late = np.isin(records.fold, LATE)
    return {
        "f1": dict(zip(records.classes, f1, strict=True)),
        "macro_f1": interval(lambda at: f1_of_classes(records.y[at], called[at]).mean(), records.patient, rows, seed),
        "macro_auc": interval(lambda at: macro_auc(at, *ranks), records.patient, rows, seed),
        "macro_auc_late": interval(lambda at: macro_auc(at, *ranks), records.patient[late], rows[late], seed),
        "auc": dict(zip(records.classes, auc_of_classes(rows, *ranks), strict=True)),
        "cpu_seconds": seconds,
    }


def difference(records, proba, other, seed):
    """Difference of two macro-AUC, with an interval over the same patients."""
    first, second = (concordance(records.y, p, records.fold) for p in (proba, other))
    return interval(
        lambda at: macro_auc(at, *first) - macro_auc(at, *second), records.patient, np.arange(len(proba)), seed
    )


def interval(statistic, patient, rows, seed):
    """Interval over patients of a function of the numbers of the records drawn."""
    return bootstrap_interval(statistic, rows, groups=patient, random_state=seed)


def f1_of_classes(y, called):
    """F1 of each class; 0 where there is none and none is called."""
    both = (y * called).sum(axis=0)
    return 2 * both / np.maximum(y.sum(axis=0) + called.sum(axis=0), 1)


def concordance(y, proba, fold):
    """For each class, which pairs of records of one fold count, and how: 1 in the right order, 1/2 where they tie."""
    same = fold[:, None] == fold
    counted = np.stack([np.outer(column, 1 - column) * same for column in y.T])
    ranks = rankdata(proba, axis=0).T
    right = np.stack([(rank[:, None] > rank) + 0.5 * (rank[:, None] == rank) for rank in ranks])
    return (counted * right).astype(np.float32), counted.astype(np.float32)


def auc_of_classes(rows, right, counted):
    """AUC of each class over pairs of records of one fold; ``rows`` are the numbers of the records, drawn or not."""
    drawn = np.bincount(rows, minlength=right.shape[1]).astype(np.float32)
    return np.array([drawn @ a @ drawn / (drawn @ b @ drawn) for a, b in zip(right, counted, strict=True)])


def macro_auc(rows, right, counted):
    return float(auc_of_classes(rows, right, counted).mean())


def table_row(name, row):
    return [
        name,
        str(row["macro_f1"]),
        *(f"{value:.3f}" for value in row["f1"].values()),
        str(row["macro_auc"]),
        str(row["macro_auc_late"]),
        f"{row['cpu_seconds']:.0f}",
    ]
