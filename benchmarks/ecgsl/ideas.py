"""Why pre-training does not pay with few labels: ways to go on from it, and poorer rows, inside DS1.

The records of DS1 are halved. Encoder and transformer learn from one half without labels (and the recordings of other
databases), the labels are those of that half's records with S and V windows, and the other half tests; then the other
way round.
"""

import numpy as np
from sklearn.metrics import f1_score

from .._results import print_table, write_results
from . import data, models, pretraining
from .kept import kept

HALVES = (
    ("101", "106", "108", "109", "112", "115", "116", "118", "119", "207", "223"),
    ("114", "122", "124", "203", "205", "208", "209", "215", "220", "230"),
)
LABELLED = (("108", "118", "207", "223"), ("114", "124", "209", "215"))
N_SEEDS = 5
STAGES = ("autoencoder", "masked")
NONE, PRETRAINED = "none", "pre-trained"
IDEAS = {
    PRETRAINED: {},
    "pre-trained, a quarter of the learning rate": {"lr": 5e-4},
    "pre-trained, head first, then all": {"head_first": 0.3},
    "pre-trained, encoder and transformer frozen": {"freeze_encoder": True},
    "pre-trained, embeddings of the signals begin at a tenth": {"factor": 0.1},
}
PAPER = "segment, log RR and amplitude alone"


def ideas(args):
    """Macro-F1 and gain of each idea, with labels of four records."""
    ds1 = data.load_windows("ds1", args.data_home)
    scores = {name: runs(name, settings, ds1, args) for name, settings in {NONE: None, **IDEAS}.items()}
    for name, settings in {NONE: None, PRETRAINED: {}}.items():
        scores[f"{PAPER}: {name}"] = runs(name, settings, ds1, args, plain=True)
    metrics, rows = {}, []
    for name, values in scores.items():
        without = scores[f"{PAPER}: {NONE}" if name.startswith(PAPER) else NONE]
        metrics[name] = pretraining.summary(values.mean(axis=1), without.mean(axis=1)) | {"f1": values.mean(axis=0)}
        mean, low, high = metrics[name]["mean"]
        gain = "–" if values is without else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*metrics[name]["gain"])
        f1 = [f"{value:.3f}" for value in metrics[name]["f1"]]
        rows.append([name, *f1, f"{mean:.3f} [{low:.3f}, {high:.3f}]", gain])
    columns = ["begun from", *data.CLASSES, "macro-F1", "gain over none"]
    write_results(
        "ecgsl_pretraining_ideas",
        {
            "protocol": f"DS1 without record 201 in two halves; pre-trained ({', '.join(STAGES)}) on one half without "
            "labels, the paced records of neither set, LUDB and PTB-XL; fine-tuned on all windows of that half's four "
            f"records with S and V; tested on the other half; both ways, {N_SEEDS} seeds each; mean [95 % t interval] "
            "over these, which says nothing of other patients, and paired gain. 'head first': frozen for 30 % of the "
            "epochs",
            "metrics": metrics,
            "caption": "Labels of four records, inside DS1: F1, macro-F1 over N S V and gain, by what is begun from",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


def runs(name, settings, ds1, args, *, plain=False):
    """F1 (runs, classes) of both halves and all seeds."""
    found = []
    for half in range(2):
        start = None if settings is None else start_of(half, args, plain)
        for seed in range(N_SEEDS):

            def fit_and_score(half=half, seed=seed, start=start):
                train = ds1[np.isin(ds1.record, LABELLED[half])]
                test = ds1[np.isin(ds1.record, HALVES[1 - half])]
                classifier = fine_tune(start, rows_of(train.beats, plain), train.y, seed, plain, **(settings or {}))
                predicted = classifier.predict(rows_of(test.beats, plain))
                return f1_score(test.y, predicted, labels=data.CLASSES, average=None, zero_division=0)

            key = name, settings, half, seed, plain, models.SIZES, pretraining.EPOCHS, pretraining.FINE_TUNING
            found.append(kept("ideas", key, fit_and_score, resume=args.resume))
    print(name, plain, np.mean(found, axis=0).round(3), flush=True)
    return np.array(found)


def rows_of(beats, plain):
    """Segments as they are cut here, or as the paper has them."""
    if not plain:
        return beats
    n_signal = models.N_CHANNELS * models.N_TIMEPOINTS
    side = [n_signal + models.SIDE_FEATURES.index(name) for name in ("log_rr", "amplitude")]
    return beats[:, :, [*range(models.N_TIMEPOINTS), *side]]


def layout_of(plain):
    return {"n_leads": 1, "n_side_features": 2} if plain else {}


def start_of(half, args, plain):
    """Weights pre-trained on one half and the recordings of others."""

    def make():
        parts = [data.segment(data.load_unlabelled(HALVES[half], args.data_home)), *pretraining.others(args)]
        epochs = [pretraining.EPOCHS[stage] for stage in STAGES]
        classifier = pretraining.make_classifier(
            pretrain_stages=STAGES, pretrain_epochs=epochs, **pretraining.PRETRAINING, **layout_of(plain)
        )
        return classifier.pretrain(rows_of(np.concatenate(parts), plain)).pretrained_

    key = half, plain, models.SIZES, pretraining.EPOCHS, pretraining.PRETRAINING
    return kept("ideas-start", key, make, resume=args.resume)


def fine_tune(start, X, y, seed, plain, *, head_first=0.0, factor=1.0, **settings):
    """A classifier that goes on from ``start`` as the idea says."""
    n_epochs = max(2, round(pretraining.WINDOWS_SEEN / len(X)))
    if factor != 1.0:
        project = [name for name in start if name.startswith("segments.encoder.project")]
        start = {**start, **{name: np.float32(factor) * start[name] for name in project}}
    classifier = pretraining.make_classifier(
        seed, pretrained=start, **{**pretraining.FINE_TUNING, **layout_of(plain), **settings}
    )
    n_first = round(head_first * n_epochs)
    if n_first:
        classifier.set_params(freeze_encoder=True, warm_start=True, max_epochs=n_first).fit(X, y)
        classifier.set_params(freeze_encoder=False)
    return classifier.set_params(max_epochs=n_epochs - n_first).fit(X, y)
