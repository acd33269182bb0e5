"""Ten-second windows of MIT-BIH: segments against a network on the raw window and a forest, for patients never seen."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_ecg import ECGResampler, ECGSLClassifier, ResNetClassifier
from sklearn_ecg.metrics import aami_report, bootstrap_macro_f1, paired_bootstrap

from .._results import cpu_timer, print_table, write_results
from . import data, models, pretraining
from .kept import kept

RAW_FS = 100
RESNET = {
    "channels": (8, 16, 32, 64),
    "n_blocks": 1,
    "kernel_size": 9,
    "max_epochs": 3,
    "batch_size": 64,
    "lr": 3e-3,
    "lr_schedule": "one-cycle",
    "weight_decay": 1e-2,
}
SEGMENTS = "ECGSLClassifier"
MAX_POOLING = "ECGSLClassifier, max pooling"
PRETRAINED = "ECGSLClassifier, pre-trained"
RAW_APART = "ResNetClassifier, raw window, windows apart"
AVERAGED = "mean of three ECGSLClassifiers"
REFERENCE = "ResNetClassifier, raw window"
N_SEEDS = 3


def classifiers(starts=None):
    """Name → (function of a seed that makes the classifier, function of windows that makes its rows)."""
    return {
        "majority": (lambda seed: DummyClassifier(), features),
        "forest of RR features": (
            lambda seed: RandomForestClassifier(300, class_weight="balanced_subsample", random_state=seed),
            features,
        ),
        REFERENCE: (lambda seed: ResNetClassifier(**RESNET, random_state=seed), resampled),
        SEGMENTS: (segments_classifier, segments),
        MAX_POOLING: (lambda seed: segments_classifier(seed, pooling="max"), segments),
        PRETRAINED: (lambda seed: segments_classifier(seed, pretrained=starts[0]), segments),
    }


def raw_apart(seed):
    steps = {"max_epochs": round(RESNET["max_epochs"] * data.SECONDS / models.STEP)}
    return ResNetClassifier(**{**RESNET, **steps}, random_state=seed)


def segments_classifier(seed, **settings):
    layout = {"n_leads": models.N_CHANNELS, "n_side_features": len(models.SIDE_FEATURES)}
    return ECGSLClassifier(**{**models.SIZES, **models.TRAINING, **layout, "random_state": seed, **settings})


def segments(windows):
    return windows.beats


def more_features(windows):
    return data.segment(windows.raw, side_features=models.RHYTHM_FEATURES)


def signals_alone(windows):
    return windows.beats[:, :, : models.N_CHANNELS * models.N_TIMEPOINTS]


def features(windows):
    return data.rr_features(windows.beats)


def resampled(windows):
    return ECGResampler(fs=data.FS, fs_out=RAW_FS).fit_transform(windows.raw)


@dataclass
class Outcome:
    """Probabilities of each seed (n_seeds, n_windows, 3), and the CPU seconds of one fit and of one prediction."""

    proba: np.ndarray
    fit_seconds: float
    predict_seconds: float

    @property
    def predicted(self):
        return np.array(data.CLASSES)[self.proba.argmax(axis=2)]

    def averaged(self):
        """One prediction: the mean over the seeds, all of which it costs."""
        n_seeds = len(self.proba)
        return Outcome(self.proba.mean(axis=0)[None], n_seeds * self.fit_seconds, n_seeds * self.predict_seconds)

    def with_odds(self, odds):
        """The same with the odds of the classes multiplied."""
        return replace(self, proba=self.proba * odds / (self.proba * odds).sum(axis=2, keepdims=True))


def outcome_of(name, make, rows_of, train, test, key, args):
    def fit_and_predict():
        X, X_test = rows_of(train), rows_of(test)
        proba, fits, predictions = [], [], []
        for seed in range(1 if name == "majority" else N_SEEDS):
            with cpu_timer() as timer:
                classifier = make(seed).fit(X, train.y)
            fits.append(timer.seconds)
            with cpu_timer() as timer:
                proba.append(classifier.predict_proba(X_test))
            predictions.append(timer.seconds)
            print(name, seed, f"{fits[-1]:.0f} CPU s", flush=True)
        return Outcome(np.array(proba), np.mean(fits), np.mean(predictions))

    return kept("windows", (name, key), fit_and_predict, resume=args.resume)


def settings_key(name):
    if name == REFERENCE:
        return RESNET, RAW_FS
    if name in ("majority", "forest of RR features"):
        return ()
    if name.startswith("ECGSL"):
        pretrained = (pretraining.EPOCHS, pretraining.PRETRAINING) if name == PRETRAINED else ()
        return models.SIZES, models.TRAINING, pretrained
    return models.SIZES, models.TRAINING, models.NEW_PATIENTS, models.RHYTHM_FEATURES


def inter_patient(args):
    """DS1 → DS2, all classifiers in one table."""
    train, ds1 = data.load_training(args.data_home), data.load_windows("ds1", args.data_home)
    ds2 = data.load_windows("ds2", args.data_home)
    cutting = segmentation_seconds(ds2)
    starts = pretraining.start_of("autoencoder, masked", args)
    outcomes = {
        name: outcome_of(name, make, rows_of, train, ds2, ("inter", settings_key(name)), args)
        for name, (make, rows_of) in classifiers(starts).items()
    }
    outcomes[RAW_APART] = outcome_of(RAW_APART, raw_apart, resampled, ds1, ds2, ("inter", RESNET, RAW_FS), args)
    outcomes[AVERAGED] = outcomes[SEGMENTS].averaged()
    odds = tuned_odds(train, ds1, args)
    outcomes[f"{AVERAGED}, odds tuned inside DS1"] = outcomes[AVERAGED].with_odds(odds)
    best = max((REFERENCE, RAW_APART), key=lambda name: np.mean([macro_f1(ds2.y, p) for p in outcomes[name].proba]))
    metrics = {name: scores(ds2, outcome, outcomes[best]) for name, outcome in outcomes.items()}
    metrics["compared with"] = best
    metrics["odds of N, S, V"] = odds
    metrics["segmentation, CPU s for the windows of DS2"] = cutting
    metrics["pre-training, CPU s"] = starts[1]
    metrics["windows N, S, V"] = {
        name: {
            "by complete segments": [int((windows.y == label).sum()) for label in data.CLASSES],
            "by all beats": [int((windows.y_all == label).sum()) for label in data.CLASSES],
        }
        for name, windows in (("DS1", ds1), ("DS2", ds2))
    }
    columns = [
        *("model", *data.CLASSES, "macro-F1", "− ResNet", "without 202", "without 232", "label by all beats"),
        *("fit, CPU s", "predict, CPU s"),
    ]
    rows = [row_of(name, metrics[name], outcome, best) for name, outcome in outcomes.items()]
    write_results(
        "ecgsl_mitbih",
        {
            "protocol": "windows of 10 s of the first MLII lead, DS1 trains, DS2 tests; windows that train begin every "
            f"{models.STEP:g} s and overlap, for every model but the one called 'windows apart', which has as many "
            "steps; those that test do not; '− ResNet' is against the better of the two; a window is V, S or N by its "
            "complete segments; windows with F, Q or flutter are left out; mean over seeds, 95 % intervals over "
            f"records; {N_SEEDS} seeds; tuned odds: those of S and V against N are multiplied by what gives the best "
            "macro-F1 of pooled out-of-fold predictions of 5 folds of records of DS1; CPU seconds of "
            "one fit and of one prediction of DS2, to which the segments add their cutting",
            "metrics": metrics,
            "caption": "Ten-second windows, DS1 → DS2: F1 and macro-F1 over N S V",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


def tuned_odds(train, ds1, args):
    """Factors of the odds of N, S and V: the best for the mean of the classifiers, out of fold inside DS1."""
    proba = [inside_ds1(SEGMENTS, segments_classifier, segments, train, ds1, seed, args) for seed in range(N_SEEDS)]
    mean = np.mean(proba, axis=0)
    steps = np.exp(np.arange(-1, 2.01, 0.25))
    tried = {(s, v): macro_f1(ds1.y, mean * [1, s, v]) for s, v in product(steps, steps)}
    print("inside DS1, mean of three", macro_f1(ds1.y, mean), "tuned", max(tried.values()), flush=True)
    return np.array([1, *max(tried, key=tried.get)])


def inside_ds1(name, make, rows_of, train, ds1, seed, args):
    """Out-of-fold probabilities of DS1."""
    key = name, seed, settings_key(name)
    return kept("inside", key, lambda: out_of_fold(lambda: make(seed), rows_of, train, ds1), resume=args.resume)


def macro_f1(y, proba):
    return aami_report(y, np.array(data.CLASSES)[proba.argmax(axis=1)], labels=data.CLASSES).macro_f1


def segmentation_seconds(windows):
    with cpu_timer() as timer:
        data.segment(windows.raw)
    return timer.seconds


def scores(windows, outcome, reference):
    """Scores over DS2: pooled over seeds, which see the same windows."""
    n_seeds = len(outcome.predicted)
    y, groups = np.tile(windows.y, n_seeds), np.tile(windows.record, n_seeds)
    predicted = outcome.predicted.ravel()
    without, other = groups != "232", groups != "202"  # 202 is the patient of 201 of DS1
    options = {"labels": data.CLASSES, "random_state": 0}
    against = np.broadcast_to(reference.predicted[: len(outcome.predicted)], outcome.predicted.shape).ravel()
    return {
        "report": aami_report(y, predicted, labels=data.CLASSES),
        "macro_f1": bootstrap_macro_f1(y, predicted, groups=groups, **options),
        "difference": paired_bootstrap(y, predicted, against, groups=groups, **options),
        "without_202": bootstrap_macro_f1(y[other], predicted[other], groups=groups[other], **options),
        "without_232": bootstrap_macro_f1(y[without], predicted[without], groups=groups[without], **options),
        "by_all_beats": bootstrap_macro_f1(np.tile(windows.y_all, n_seeds), predicted, groups=groups, **options),
        "by_record": {
            record: [int((predicted[groups == record] == label).sum()) for label in data.CLASSES]
            for record in np.unique(groups)
        },
        "fit_cpu_seconds": outcome.fit_seconds,
        "predict_cpu_seconds": outcome.predict_seconds,
    }


def row_of(name, score, outcome, reference):
    report = score["report"]
    return [
        name,
        *(f"{report.f1[label]:.3f}" for label in data.CLASSES),
        str(score["macro_f1"]["macro"]),
        "–" if name == reference else str(score["difference"]["macro"]),
        *(f"{score[key]['macro'].estimate:.3f}" for key in ("without_202", "without_232")),
        f"{score['by_all_beats']['macro'].estimate:.3f}",
        f"{outcome.fit_seconds:.0f}",
        f"{outcome.predict_seconds:.1f}",
    ]


def select(args):
    """Compare recipes by pooled out-of-fold predictions over the records of DS1."""
    train, ds1 = data.load_training(args.data_home), data.load_windows("ds1", args.data_home)
    metrics, rows = {}, []
    for name, (make, rows_of) in candidates().items():
        proba = inside_ds1(name, make, rows_of, ds1 if name == APART else train, ds1, 0, args)
        predicted = np.array(data.CLASSES)[proba.argmax(axis=1)]
        report = aami_report(ds1.y, predicted, labels=data.CLASSES)
        interval = bootstrap_macro_f1(ds1.y, predicted, groups=ds1.record, labels=data.CLASSES, random_state=0)
        mostly_s = np.mean(predicted[(ds1.share_of_s >= 0.5) & (ds1.y == "S")] == "S")
        metrics[name] = {"report": report, "macro_f1": interval, "found_where_s_is_the_majority": mostly_s}
        f1 = [f"{report.f1[label]:.3f}" for label in data.CLASSES]
        rows.append([name, *f1, str(interval["macro"]), f"{mostly_s:.2f}"])
        print(*rows[-1], flush=True)
    write_results(
        "ecgsl_select",
        {
            "protocol": "windows of 10 s of DS1; 5 folds of whole records, pooled out-of-fold predictions, one seed; "
            f"windows that train begin every {models.STEP:g} s unless said otherwise",
            "metrics": metrics,
            "caption": "Ten-second windows inside DS1: F1 and macro-F1 over N S V",
            "table": {"columns": ["model", *data.CLASSES, "macro-F1", "found where S is the majority"], "rows": rows},
        },
        args=args,
    )


MORE = "six side features"
APART = "windows that do not overlap, as many steps"


def candidates():
    """Name → (function of a seed that makes the classifier, function of windows that makes its rows)."""
    chosen = {
        name: pair
        for name, pair in classifiers().items()
        if name != PRETRAINED  # has seen the records held out here
    }
    apart = {"max_epochs": round(models.TRAINING["max_epochs"] * data.SECONDS / models.STEP)}
    more = {"n_side_features": len(models.RHYTHM_FEATURES)}
    ideas = {
        APART: (apart, segments),
        MORE: (more, more_features),
        f"{MORE}, noise in them, withheld signals": ({**more, **models.NEW_PATIENTS}, more_features),
        "without side features": ({"n_side_features": 0}, signals_alone),
    }
    for name, (settings, rows_of) in ideas.items():
        chosen[name] = (lambda seed, settings=settings: segments_classifier(seed, **settings)), rows_of
    return chosen


def out_of_fold(make, rows_of, train, windows):
    """Probabilities of ``windows``, each by a classifier of the windows ``train`` of other records."""
    proba = np.empty((len(windows), len(data.CLASSES)))
    X_train, X = rows_of(train), rows_of(windows)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    for _, held_out in folds.split(X, windows.y, windows.record):
        seen = ~np.isin(train.record, windows.record[held_out])
        proba[held_out] = make().fit(X_train[seen], train.y[seen]).predict_proba(X[held_out])
    return proba
