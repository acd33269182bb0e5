"""Which waves of the heartbeat decide: input gradients of ECGSLClassifier and of a network on the raw window."""

import numpy as np

from sklearn_ecg.explain import saliency as explain

from .._results import print_table, write_results
from . import attention, data, mitbih, models, places
from .kept import kept

WAVES = {"P": (-0.22, -0.06), "QRS": (-0.06, 0.06), "ST": (0.06, 0.16), "T": (0.16, 0.40)}  # seconds from the R peak
PLACES = (*WAVES, "elsewhere")
METHODS = {"integrated_gradients": {"n_steps": 32}, "gradient": {}}
WINDOWS_OF_RECORD = 30
MODELS = (attention.ATTENTION, mitbih.REFERENCE)


def saliency(args):
    """Relevance per time of the waves, on windows of DS2, by the class predicted."""
    ds1, ds2 = data.load_training(args.data_home), data.load_windows("ds2", args.data_home)
    ds2 = ds2[evenly(ds2.record, WINDOWS_OF_RECORD)]
    ds2 = ds2[places.count_segments(ds2.beats) > 0]
    times = places.times_of(ds2)
    found = {
        model: [densities_of(model, seed, ds1, ds2, times, args) for seed in range(mitbih.N_SEEDS)] for model in MODELS
    }
    metrics, rows = {}, []
    for method in METHODS:
        metrics[method] = summarize(method, found, ds2)
        for model, by_class in metrics[method].items():
            for label, row in by_class.items():
                n_windows = round(row["windows"] / mitbih.N_SEEDS)
                rows.append([method.replace("_", " "), model, label, n_windows, *(str(row[p]) for p in PLACES)])
    magnitude = at_columns(np.abs(ds2.raw), times) * column_seconds(times)[:, :, None]
    metrics["magnitude"] = intervals(densities(magnitude, times), ds2.record)
    rows.append(["magnitude", "the signal itself", "–", len(ds2), *(str(metrics["magnitude"][p]) for p in PLACES)])
    report(metrics, rows, args)


def evenly(records, n_most):
    """Rows of at most so many windows of each record, evenly spaced."""
    rows = [np.flatnonzero(records == record) for record in np.unique(records)]
    return np.concatenate([of[np.linspace(0, len(of) - 1, min(n_most, len(of)), dtype=int)] for of in rows])


def densities_of(model, seed, ds1, ds2, times, args):
    """(classes predicted, method → densities of each window) of one fit."""

    def explain_windows():
        classifier = attention.fitted(model, seed, ds1, args)
        X = mitbih.classifiers([None])[model][1](ds2)
        found = {}
        for method, settings in METHODS.items():
            relevance = np.abs(explain(classifier, X, method=method, **settings))
            if model == mitbih.REFERENCE:
                columns = at_columns(relevance[:, 0], times * mitbih.RAW_FS / data.FS)
                columns = columns * column_seconds(times)[:, :, None]
            else:
                columns = relevance.sum(axis=2)
            found[method] = densities(columns, times)
            print(model, seed, method, np.nanmean(found[method], axis=0).round(2), flush=True)
        return classifier.predict(X), found

    key = model, seed, mitbih.settings_key(model), models.N_TIMEPOINTS, WAVES, METHODS, WINDOWS_OF_RECORD
    return kept("saliency", key, explain_windows, resume=args.resume)


def at_columns(relevance, columns):
    """Relevance of the samples of each window, read between them at the columns of its segments."""
    samples = np.arange(relevance.shape[1])
    return np.array([np.interp(at, samples, row) for at, row in zip(columns, relevance, strict=True)])


def column_seconds(times):
    """How long a column of each segment is: (n_windows, beats), NaN where there is no segment."""
    return (times[:, :, -1] - times[:, :, 0]) / ((times.shape[2] - 1) * data.FS)


def which_wave(times):
    """Place in ``PLACES`` of each column of the segments; -1 where there is no segment."""
    seconds = (times - times[:, :, places.R_COLUMN, None]) / data.FS
    waves = np.full(times.shape, len(WAVES))
    for place, (start, end) in enumerate(WAVES.values()):
        waves[(seconds >= start) & (seconds < end)] = place
    waves[np.isnan(times)] = -1
    return waves


def densities(relevance, times):
    """Share of the relevance of each window on a wave over its share of the time: (n_windows, places).

    NaN where the segments are too short for a wave, or nothing is relevant.
    """
    waves = which_wave(times)
    seconds = np.broadcast_to(column_seconds(times)[:, :, None], times.shape)
    shares = []
    for values in (relevance, seconds):
        sums = np.stack([np.sum(values, axis=(1, 2), where=waves == place) for place in range(len(PLACES))], axis=1)
        total = sums.sum(axis=1, keepdims=True)
        shares.append(np.divide(sums, total, out=np.full(sums.shape, np.nan), where=total > 0))
    of_relevance, of_time = shares
    return np.divide(of_relevance, of_time, out=np.full(of_time.shape, np.nan), where=of_time > 0)


def summarize(method, found, ds2):
    """Model → class predicted → densities with intervals, and the difference of the models on the same windows."""
    records = np.tile(ds2.record, mitbih.N_SEEDS)
    values = {model: np.concatenate([of_method[method] for _, of_method in seeds]) for model, seeds in found.items()}
    summary = {}
    for model, seeds in found.items():
        predicted = np.concatenate([said for said, _ in seeds])
        rows_of = {label: predicted == label for label in data.CLASSES} | {"all": np.full(len(predicted), True)}
        summary[model] = {label: intervals(values[model][rows], records[rows]) for label, rows in rows_of.items()}
    ours, raw = (values[model] for model in MODELS)
    summary["difference"] = {"all": intervals(ours - raw, records)}
    return summary


def intervals(values, records):
    """Mean over windows of each place."""
    of_place = {name: attention.interval(values[:, place], records) for place, name in enumerate(PLACES)}
    return {"windows": len(values), **of_place}


def report(metrics, rows, args):
    waves = ", ".join(f"{name} {1000 * start:+.0f} … {1000 * end:+.0f} ms" for name, (start, end) in WAVES.items())
    columns = ["relevance", "model", "classified", "windows of one seed", *PLACES]
    write_results(
        "ecgsl_saliency",
        {
            "protocol": f"at most {WINDOWS_OF_RECORD} windows of each record of DS2, evenly spaced; absolute relevance "
            "for the class predicted; ECGSLClassifier (without pre-training): sum over the channels of a segment, side "
            "features held; ResNetClassifier: relevance of the raw window read at the times of the same columns; "
            f"waves, from the detected R peak: {waves}, as far as the segment (-0.35 … +0.65 RR intervals) holds them; "
            "density of a window: share of its relevance over share of the time; integrated gradients from zero in "
            f"{METHODS['integrated_gradients']['n_steps']} steps, which weigh the gradient with the signal, whose own "
            f"magnitude stands below; mean over windows and {mitbih.N_SEEDS} seeds, 95 % "
            "intervals over records; difference: ECGSLClassifier − ResNetClassifier on the same windows",
            "metrics": metrics,
            "caption": "Relevance of the waves of a heartbeat per time (1 = spread evenly), windows of DS2",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)
