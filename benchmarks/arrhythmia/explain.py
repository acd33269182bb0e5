"""Where Grad-CAM looks on DS2, and whether what it shows matters."""

import numpy as np

from sklearn_ecg.explain import grad_cam
from sklearn_ecg.metrics import bootstrap_interval

from .._faithfulness import occlusion, probability_fall, wave_shares
from .._results import print_table, write_results
from . import data, models
from .protocols import rung_of

SIGNAL_ALONE = "CNN-LSTM-Attention, signal alone"
N_BEATS = 60  # of each class in each record at most


def explain(args):
    """Fall of the probability when the most relevant fifth of the signal is hidden, against a random fifth."""
    rung = rung_of("inter", args.data_home)
    metrics, rows = {}, []
    known = explained_models()
    for name in args.models or known:
        model = known[name]
        result = rung.run(model, args.seed, args, choose=False)
        estimator, beats = result.outcome.model(), some_beats(result.test, args.seed)
        for how, explainer in EXPLAINERS.items():
            relevance = explainer(estimator, beats.X, len(model.features))
            metrics[f"{name}, {how}"] = row = faithfulness(estimator, beats, relevance, len(model.features), args.seed)
            rows.append([name, how, *(str(row[key]) for key in FALLS), *(f"{row['shares'][w]:.2f}" for w in WAVES)])
    columns = ["model", "method", *FALLS, *(f"share on {wave}" for wave in WAVES)]
    write_results(
        "arrhythmia_explain",
        {
            "protocol": f"models of seed {args.seed} trained on DS1; of every class and record of DS2 {N_BEATS} beats "
            "at most, at random; a fifth of the signal is hidden by straight lines between its borders: the most "
            "relevant one, or one of as many and as long pieces at random places; side features stay; 95 % intervals "
            "over records. Grad-CAM's layer, baseline and sharing were chosen inside DS1; occlusion hides window after "
            "window of 9 samples itself, as a mark of what can be reached",
            "metrics": metrics,
            "caption": "Fall of the predicted class's probability when a fifth of the signal is hidden",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


FALLS = ("relevant", "random", "difference", "difference where called S, V or F")
WAVES = ("P", "QRS", "T")
EXPLAINERS = {
    "Grad-CAM": lambda estimator, X, n_side: grad_cam(estimator, X),
    "Grad-CAM as published": lambda estimator, X, n_side: grad_cam(estimator, X, weights="mean"),
    "occlusion": lambda estimator, X, n_side: occlusion(estimator, X, n_side_features=n_side),
}
"""The last one hides window after window itself: what can be reached."""


def explained_models():
    """Name → model: the architectures, and one that has nothing but the signal to look at."""
    nets = {kind: models.models_of("inter")[kind] for kind in models.ARCHITECTURES}
    return {**nets, SIGNAL_ALONE: models.ablations_of("inter")["signal alone"]}


def some_beats(beats, seed):
    """At most so many beats of every class and record."""
    rng, rows = np.random.default_rng(seed), []
    for record in np.unique(beats.record):
        for label in "NSVF":
            these = np.flatnonzero((beats.record == record) & (beats.y == label))
            rows.append(rng.permutation(these)[:N_BEATS])
    return beats[np.sort(np.concatenate(rows))]


def faithfulness(estimator, beats, relevance, n_side, seed):
    relevant, random = probability_fall(estimator, beats.X, relevance, n_side_features=n_side, random_state=seed)
    by_record = {"groups": beats.record, "random_state": 0}
    shares = wave_shares(relevance, fs=data.FS, r_sample=data.R_SAMPLE)
    called = estimator.predict(beats.X) != "N"
    return {
        "relevant": bootstrap_interval(np.mean, relevant, **by_record),
        "random": bootstrap_interval(np.mean, random, **by_record),
        "difference": bootstrap_interval(np.mean, relevant - random, **by_record),
        "difference where called S, V or F": bootstrap_interval(
            np.mean, (relevant - random)[called], groups=beats.record[called], random_state=0
        ),
        "shares": {wave: np.nanmean(share) for wave, share in shares.items()},
        "n_beats": len(beats.y),
    }
