"""Minutes with and without apnea: the whole path from files in the layout of Apnea-ECG to scores over records.

Where the data home holds Apnea-ECG, it is used. Otherwise nights are made up and written in its layout: they show that
the path works, and say nothing about apnea.
"""

import tempfile
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ecg import ECGFilter, ECGScaler, ECGSLClassifier
from sklearn_ecg.datasets import fetch_apnea_ecg, get_data_home, make_ecg
from sklearn_ecg.metrics import bootstrap_interval

from .._results import cpu_timer, print_table, write_results
from . import models
from .kept import kept

FS = 100
CONTEXT = 2  # minutes before and after
N_BEATS = 600  # of five minutes, at 120 bpm
RUN = 4  # beats averaged into one segment
N_TIMEPOINTS = 32
N_FOLDS = 4
MINUTES = 40  # of a night that is made up
NIGHTS = {"a01": 0.6, "a02": 0.5, "a03": 0.6, "a04": 0.4, "b01": 0.2, "b02": 0.25, "c01": 0.0, "c02": 0.0}
SETTINGS = {
    "channels": (8, 16, 16),
    "embedding_size": 32,
    "n_layers": 1,
    "n_heads": 4,
    "feedforward_size": 64,
    "attention_size": 16,
    "head_size": 32,
    "max_epochs": 10,
    "batch_size": 32,
    "lr": 2e-3,
    "lr_schedule": "one-cycle",
    "weight_decay": 1e-2,
}
MODELS = ("share of the labels", "logistic regression on RR and amplitude", "ECGSLClassifier")

MADE_UP = (
    "NO RESULT ABOUT APNEA: the {n} nights of {minutes} minutes are SYNTHETIC, written in the layout of Apnea-ECG and "
    "read by fetch_apnea_ecg. In their stretches of apnea the heart rate and the height of the beats swing with a "
    "period of half a minute to a minute, in some nights barely; elsewhere there is a faint swing of a random period. "
    "The scores tell that files, segments, training and scoring fit together, nothing else"
)
METHOD = (
    "Every minute with two more on either side; beats of the five minutes in means of four after one another, RR "
    "intervals and amplitude less their median of the five minutes; {n_folds} folds over subjects, none of whom is in "
    "training and test; apnea is called at .5; AUC is the mean over the folds; settings set beforehand, none tried; "
    "95 % intervals resample records"
)


def minutes(args):
    """Score minutes of Apnea-ECG, or of nights made up in its layout."""
    real = (get_data_home(args.data_home) / "apnea-ecg").is_dir()
    night = load("released", args.data_home) if real else load_made_up(args)
    protocol = "Apnea-ECG, released records" if real else MADE_UP.format(n=len(NIGHTS), minutes=MINUTES)
    source = "released" if real else "made up"
    metrics = {name: cross_validate(name, night, source, args) for name in MODELS}
    withheld = load_withheld(args.data_home) if real else None
    if withheld is not None:
        metrics |= {f"{name}, withheld": score_on(name, night, withheld, args) for name in MODELS}
        protocol += "; 'withheld': trained on these, tested on the withheld ones, some of whose subjects are in both"
    columns = ["model", "sensitivity", "specificity", "accuracy", "AUC", "fits, CPU s"]
    rows = [table_row(name, row) for name, row in metrics.items()]
    caption = "Apnea-ECG, by minute" if real else "SYNTHETIC nights in the layout of Apnea-ECG: no result about apnea"
    write_results(
        "ecgsl_apnea",
        {
            "protocol": f"{protocol}. {METHOD.format(n_folds=N_FOLDS)}",
            "synthetic": not real,
            "n_minutes": len(night["y"]),
            "n_apnea": int(night["y"].sum()),
            "metrics": metrics,
            "caption": f"{caption}; in brackets 95 % over records",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


def load(records, data_home):
    """Segments, labels (1 apnea), subjects and records of all minutes."""
    bunch = fetch_apnea_ecg(
        data_home=data_home, download_if_missing=False, records=records, context=CONTEXT, stack=False
    )
    segments = [segment(rows) for rows in bunch.data if len(rows)]
    y = (bunch.target == "A").astype(int)
    return {"X": np.concatenate(segments), "y": y, "subject": bunch.groups, "record": bunch.record}


def load_withheld(data_home):
    """The withheld records, None where they or their labels are not there."""
    try:
        return load("withheld", data_home)
    except OSError:
        return None


def load_made_up(args):
    """Minutes of nights that are made up, written, and read again."""

    def make():
        with tempfile.TemporaryDirectory() as home:
            write_nights(Path(home) / "apnea-ecg", args.seed)
            return load(list(NIGHTS), home)

    return kept(
        "apnea-made-up", (NIGHTS, MINUTES, RUN, N_TIMEPOINTS, models.SIDE_FEATURES, args.seed), make, resume=args.resume
    )


def segment(rows):
    """Segments (n_minutes, N_BEATS / RUN, columns) of the rows of one record."""
    segmenter = models.make_segmenter(FS, n_beats=N_BEATS).set_params(n_timepoints=N_TIMEPOINTS)
    steps = make_pipeline(ECGFilter(fs=FS), ECGScaler(by="record", method="robust"), segmenter)
    return average_runs(steps.fit_transform(rows), RUN, N_TIMEPOINTS).astype(np.float32)


def average_runs(beats, n, n_timepoints):
    """Means of every ``n`` beats that follow one another, the side features less their median in the row.

    ``beats`` is (n_rows, n_beats, columns), NaN where there is none; of it (n_rows, n_beats / n, columns) is left.
    Apnea shows over tens of seconds, and the subject's own rate and amplitude tell nothing.
    """
    n_rows, n_beats, n_columns = beats.shape
    if n_beats % n:
        raise ValueError(f"{n_beats} beats are no multiple of {n}.")
    runs = beats.reshape(n_rows, n_beats // n, n, n_columns)
    count = (~np.isnan(runs[..., :1])).sum(axis=2)
    means = np.full((n_rows, n_beats // n, n_columns), np.nan)
    np.divide(np.nansum(runs, axis=2), count, out=means, where=count > 0)
    beatless = np.isnan(means[:, :, 0]).all(axis=1)
    means[~beatless, :, n_timepoints:] -= np.nanmedian(means[~beatless, :, n_timepoints:], axis=1, keepdims=True)
    return means


def swings(X):
    """For the table model: spread and steps of RR intervals and amplitude, over tens of seconds and shorter."""
    features = []
    for column in (N_TIMEPOINTS, -1):  # log RR, amplitude
        values = X[:, :, column]
        low, high = np.nanpercentile(values, [10, 90], axis=1)
        steps = [np.nanstd(values[:, lag:] - values[:, :-lag], axis=1) for lag in (1, 2, 4, 8)]
        features += [high - low, np.nanstd(values, axis=1), *steps]
    return np.nan_to_num(np.stack(features, axis=1))


def build(name, seed):
    if name == "ECGSLClassifier":
        return ECGSLClassifier(**SETTINGS, n_side_features=len(models.SIDE_FEATURES), random_state=seed)
    return make_pipeline(StandardScaler(), LogisticRegression()) if "regression" in name else DummyClassifier()


def fit_predict(name, train, test, seed):
    """Probability of apnea, and CPU seconds of the fit."""
    model = build(name, seed)
    rows = (lambda X: X) if name == "ECGSLClassifier" else swings
    with cpu_timer() as timer:
        model.fit(rows(train["X"]), train["y"])
    return model.predict_proba(rows(test["X"]))[:, 1], timer.seconds


def cross_validate(name, table, source, args):
    """Scores of out-of-fold predictions, no subject in training and test."""
    proba, fold, seconds = np.empty(len(table["y"])), np.empty(len(table["y"]), dtype=int), 0.0
    cv = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=0)
    for number, (train, test) in enumerate(cv.split(table["X"], table["y"], table["subject"])):
        assert not set(table["subject"][train]) & set(table["subject"][test])
        seen, unseen = ({key: value[at] for key, value in table.items()} for at in (train, test))

        def make(seen=seen, unseen=unseen):
            return fit_predict(name, seen, unseen, args.seed)

        key = (source, name, number, SETTINGS, RUN, N_TIMEPOINTS, models.SIDE_FEATURES, table["X"].shape, args.seed)
        proba[test], spent = kept("apnea", key, make, resume=args.resume)
        fold[test], seconds = number, seconds + spent
    return score(table, proba, fold, seconds, args.seed)


def score_on(name, train, test, args):
    """Scores on other records of a model of all records of ``train``."""
    key = (name, SETTINGS, RUN, N_TIMEPOINTS, models.SIDE_FEATURES, train["X"].shape, test["X"].shape, args.seed)
    proba, seconds = kept("apnea-withheld", key, lambda: fit_predict(name, train, test, args.seed), resume=args.resume)
    return score(test, proba, np.zeros(len(proba), dtype=int), seconds, args.seed)


def score(table, proba, fold, seconds, seed):
    """Sensitivity, specificity, accuracy and AUC with intervals over records."""
    called = proba > 0.5
    statistics = {
        "sensitivity": lambda y, called: share(called[y == 1]),
        "specificity": lambda y, called: share(~called[y == 0]),
        "accuracy": lambda y, called: share(called == y),
    }
    options = {"groups": table["record"], "random_state": seed}
    scores = {
        name: bootstrap_interval(statistic, table["y"], called, **options) for name, statistic in statistics.items()
    }
    auc = bootstrap_interval(auc_over_folds, table["y"], proba, fold, **options)
    return {**scores, "auc": auc, "cpu_seconds": seconds}


def share(flags):
    return flags.mean() if len(flags) else np.nan


def auc_over_folds(y, proba, fold):
    """Mean AUC of the folds in which there is something to tell apart."""
    parts = [(y[fold == number], proba[fold == number]) for number in np.unique(fold)]
    values = [roc_auc_score(*part) for part in parts if 0 < part[0].mean() < 1]
    return np.mean(values) if values else np.nan


def table_row(name, row):
    scores = [str(row[key]) for key in ("sensitivity", "specificity", "accuracy", "auc")]
    return [name, *scores, f"{row['cpu_seconds']:.0f}"]


def write_nights(folder, seed):
    """Nights that are made up, in files as those of Apnea-ECG: signal, minutes' labels, table of people."""
    import wfdb  # takes a second

    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    people = []
    for number, (name, portion) in enumerate(NIGHTS.items()):
        ecg, apnea = make_night(rng, portion)
        at = {"write_dir": str(folder)}
        wfdb.wrsamp(name, fs=FS, units=["mV"], sig_name=["ECG"], p_signal=ecg[:, None], fmt=["16"], **at)
        marks = np.arange(MINUTES) * 60 * FS
        wfdb.wrann(name, "apn", marks, symbol=np.where(apnea[marks], "A", "N").tolist(), **at)
        n_apnea = int(apnea[marks].sum())
        people.append([name, MINUTES, MINUTES - n_apnea, n_apnea, 0, 0, 0, 0, 40 + number, "M", 170 + number, 80])
    lines = ["\t".join(map(str, person)) for person in people]
    (folder / "additional-information.txt").write_text("\n".join(lines) + "\n", encoding="latin-1")


def make_night(rng, portion):
    """ECG at 100 Hz, and for every sample whether there is apnea; ``portion`` of the night is, in stretches."""
    finer = 4
    n = MINUTES * 60 * FS
    apnea = make_stretches(rng, portion, n)
    swing = gaussian_filter1d(apnea.astype(float), 5 * FS)
    depth = rng.uniform(0.04, 0.14) * swing + rng.uniform(0.01, 0.03) * (1 - swing)
    period = np.where(swing > 0.5, rng.uniform(30, 55), rng.uniform(20, 80))  # s
    phase = 2 * np.pi * np.cumsum(1 / (period * FS))
    time = np.cumsum(1 + depth * np.sin(phase)) / FS  # the heart's own, faster and slower than the clock
    calm = make_ecg(
        float(np.ceil(time[-1]) + 1),
        fs=FS * finer,
        heart_rate=rng.uniform(55, 78),
        heart_rate_std=rng.uniform(1, 4),
        lf_hf_ratio=rng.uniform(0.5, 2),
        respiration=rng.uniform(0.05, 0.2),
        muscle=0.02,
        random_state=int(rng.integers(2**31)),
    )
    ecg = np.interp(time, np.arange(calm.signal.shape[1]) / (FS * finer), calm.signal[0])
    return ecg * (1 + depth * np.sin(phase + rng.uniform(0, 2 * np.pi))), apnea


def make_stretches(rng, portion, n):
    """For ``n`` samples whether there is apnea: stretches of about six minutes, ``portion`` of all on average."""
    apnea, at, inside = np.zeros(n, dtype=bool), 0, rng.random() < portion
    while at < n and portion > 0:
        mean = 6 * 60 * FS * (1 if inside else (1 - portion) / portion)
        end = at + int(mean * rng.uniform(0.5, 1.5))
        apnea[at:end], at, inside = inside, end, not inside
    return apnea
