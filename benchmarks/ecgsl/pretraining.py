"""What pre-training is worth: labels of few records, or of few windows, of DS1; tested on DS2."""

import warnings

import numpy as np
from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score

from sklearn_ecg import ECGSLClassifier
from sklearn_ecg.datasets import fetch_ludb, fetch_ptbxl

from .._results import cpu_timer, print_table, write_results
from . import data, models
from .kept import kept

STAGES = {
    "contrastive": ("contrastive",),
    "autoencoder": ("autoencoder",),
    "autoencoder, masked": ("autoencoder", "masked"),
}
EPOCHS = {"autoencoder": 8, "masked": 12, "contrastive": 12}
SUPERVISED = "superclasses of PTB-XL"
FOREST = "forest of RR features"
VARIANTS = ("none", SUPERVISED, *STAGES, FOREST)
LABELS = {"2 records": 2, "4 records": 4, "8 records": 8, "5 % of the windows": 0.05, "10 % of the windows": 0.1}
PRETRAINING = {"batch_size": 64, "pretrain_lr": 2e-3, "lr_schedule": "one-cycle", "weight_decay": 1e-2}
FINE_TUNING = {"batch_size": 64, "lr": 2e-3, "lr_schedule": "one-cycle", "weight_decay": 1e-2}
WINDOWS_SEEN = 6400  # in fine-tuning, however few are labelled
LAYOUT = {"n_leads": models.N_CHANNELS, "n_side_features": len(models.SIDE_FEATURES)}
SAME_PATIENT = "201"  # of DS1, the patient of 202 of DS2
PACED = ("102", "104", "107", "217")


def pretraining(args):
    """Macro-F1 on DS2 after every pre-training, with the same draws of labels for each."""
    ds1, ds2 = (data.load_windows(records, args.data_home) for records in ("ds1", "ds2"))
    starts = {variant: start_of(variant, args) for variant in VARIANTS}
    scores = {labels: {variant: [] for variant in VARIANTS} for labels in LABELS}
    for draw in range(args.n_draws):
        for labels, amount in LABELS.items():
            rows = draw_labels(ds1, amount, draw)
            for variant, values in scores[labels].items():
                values.append(score_of(variant, starts[variant], ds1, rows, ds2, (labels, draw), args))
            print(
                labels, draw, *(f"{variant} {values[-1]:.3f}" for variant, values in scores[labels].items()), flush=True
            )
    report(scores, starts, args)


def start_of(variant, args):
    """Pre-trained weights as a dict of arrays, and the CPU seconds they took; None where nothing is pre-trained."""
    if variant in ("none", FOREST):
        return None, 0.0
    if variant == SUPERVISED:
        settings = models.SIZES, models.SIDE_FEATURES, models.N_CHANNELS
        return kept("supervised", settings, lambda: pretrain_supervised(args), resume=args.resume)
    settings = models.SIZES, models.SIDE_FEATURES, models.N_CHANNELS, STAGES[variant], EPOCHS, PRETRAINING
    return kept("pretraining", settings, lambda: pretrain(STAGES[variant], args), resume=args.resume)


def make_classifier(seed=0, **settings):
    return ECGSLClassifier(**{**models.SIZES, **LAYOUT, "random_state": seed, **settings})


def pretrain(stages, args):
    records = unlabelled_segments(args)
    epochs = [EPOCHS[stage] for stage in stages]
    classifier = make_classifier(pretrain_stages=stages, pretrain_epochs=epochs, verbose=args.verbose, **PRETRAINING)
    with cpu_timer() as timer:
        classifier.pretrain(records)
    for row in classifier.history_:
        print(row["stage"], row["epoch"], f"{row['train_loss']:.3f}", flush=True)
    return classifier.pretrained_, timer.seconds


def pretrain_supervised(args):
    """Trained on another task: which superclasses an ECG of PTB-XL has."""
    ptbxl = read_ptbxl(args)
    classifier = make_classifier(max_epochs=30, batch_size=32, lr=2e-3, lr_schedule="one-cycle", weight_decay=1e-2)
    with cpu_timer() as timer:
        classifier.fit(data.segment(data.prepare(ptbxl.data, fs=ptbxl.fs), fs=ptbxl.fs), ptbxl.target)
    start = FrozenEstimator(classifier)
    return start, timer.seconds


def unlabelled_segments(args):
    """Segments of every recording at hand except DS2 and the record of DS1 whose patient is in DS2, too."""
    names = sorted(set(data.load_windows("ds1", args.data_home).record) - {SAME_PATIENT})
    return np.concatenate([data.segment(data.load_unlabelled(tuple(names), args.data_home)), *others(args)])


def others(args):
    """Segments of the recordings that are in neither DS1 nor DS2."""
    ludb = fetch_ludb(data_home=args.data_home, download_if_missing=False)
    ptbxl = read_ptbxl(args)
    return [
        data.segment(data.load_unlabelled(PACED, args.data_home)),
        data.segment(data.prepare(ludb.data[:, ludb.lead_names.index("II")], fs=ludb.fs), fs=ludb.fs),
        data.segment(data.prepare(ptbxl.data, fs=ptbxl.fs), fs=ptbxl.fs),
    ]


def read_ptbxl(args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the data home holds a part
        return fetch_ptbxl(data_home=args.data_home, download_if_missing=False, leads=("II",))


def draw_labels(windows, amount, draw):
    """Rows of DS1: so many whole records that have windows of all classes, or that share of the windows of each class.

    The record whose patient is in DS2 is left out; eight records are then all there are.
    """
    rng = np.random.default_rng([draw, int(1000 * amount)])
    usable = windows.record != SAME_PATIENT
    if amount < 1:
        parts = [np.flatnonzero((windows.y == label) & usable) for label in data.CLASSES]
        return np.sort(np.concatenate([rng.permutation(part)[: max(1, round(amount * len(part)))] for part in parts]))
    names = [
        name
        for name in np.unique(windows.record[usable])
        if set(windows.y[windows.record == name]) == set(data.CLASSES)
    ]
    return np.flatnonzero(np.isin(windows.record, rng.choice(names, amount, replace=False)))


def fine_tune(start, windows, seed, **settings):
    """A classifier that began with pre-trained weights (or None), and has seen a number of labelled windows."""
    n_epochs = max(1, round(WINDOWS_SEEN / len(windows)))
    classifier = make_classifier(seed, pretrained=start, max_epochs=n_epochs, **{**FINE_TUNING, **settings})
    return classifier.fit(windows.beats, windows.y)


def score_of(variant, start, ds1, rows, ds2, draw, args):
    """Macro-F1 on DS2 of a classifier that began with ``start`` and was trained on the rows drawn."""

    def fit_and_score():
        if variant == FOREST:
            forest = RandomForestClassifier(300, class_weight="balanced_subsample", random_state=draw[1])
            forest.fit(data.rr_features(ds1.beats[rows]), ds1.y[rows])
            predicted = forest.predict(data.rr_features(ds2.beats))
        else:
            predicted = fine_tune(start[0], ds1[rows], seed=draw[1]).predict(ds2.beats)
        return f1_score(ds2.y, predicted, labels=data.CLASSES, average="macro", zero_division=0)

    key = (
        variant,
        draw,
        models.SIZES,
        models.SIDE_FEATURES,
        models.N_CHANNELS,
        EPOCHS,
        PRETRAINING,
        FINE_TUNING,
        WINDOWS_SEEN,
    )
    return kept("fine-tuned", key, fit_and_score, resume=args.resume)


def report(scores, starts, args):
    """Mean over draws with the interval of the mean, and the gain over no pre-training, draw by draw."""
    metrics = {
        labels: {variant: summary(values, by_variant["none"]) for variant, values in by_variant.items()}
        for labels, by_variant in scores.items()
    }
    metrics["pre-training, CPU s"] = {variant: seconds for variant, (_, seconds) in starts.items() if seconds}
    columns = ["labels", *VARIANTS]
    rows = [[labels, *(cell(variant, metrics[labels][variant]) for variant in VARIANTS)] for labels in scores]
    write_results(
        "ecgsl_pretraining",
        {
            "protocol": "pre-trained without labels on DS1 without record 201, the paced records, LUDB and PTB-XL "
            "(lead II), or with the superclasses of PTB-XL; fine-tuned on labels of whole records of DS1 that have "
            "windows of all classes, or of a share of its windows; tested on DS2; record 201, whose patient is in DS2, "
            f"is nowhere in training; {args.n_draws} draws of labels and seeds, the same for every variant (eight such "
            "records are all there are: those draws differ in the seed alone); mean [95 % t interval of the mean] and "
            "paired gain over none",
            "metrics": metrics,
            "caption": "Pre-training with few labels: macro-F1 (N S V) on DS2",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


def summary(values, without):
    values, gains = np.array(values), np.array(values) - np.array(without)
    return {"macro_f1": values, "mean": mean_interval(values), "gain": mean_interval(gains)}


def mean_interval(values):
    """Mean and 95 % t interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean(), values.mean() - half, values.mean() + half


def cell(variant, row):
    mean, low, high = row["mean"]
    text = f"{mean:.3f} [{low:.3f}, {high:.3f}]"
    if variant == "none":
        return text
    return text + " ({:+.3f} [{:+.3f}, {:+.3f}])".format(*row["gain"])
