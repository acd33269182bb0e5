"""Whether attention over heartbeats is worth more than their mean or maximum, and whether it finds the ectopic beat."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import entropy

from sklearn_ecg.datasets import fetch_mitdb
from sklearn_ecg.metrics import bootstrap_interval, match_beats

from .._results import print_table, write_results
from . import data, mitbih, places
from .kept import kept

FIGURE = Path(__file__).parents[2] / "docs" / "figures" / "ecgsl_attention.png"
ATTENTION = mitbih.SEGMENTS
POOLINGS = {
    ATTENTION: "attention",
    "ECGSLClassifier, mean pooling": "mean",
    mitbih.MAX_POOLING: "max",
}
ECTOPIC = ("S", "V")


def attention(args):
    ds1, ds2 = data.load_training(args.data_home), data.load_windows("ds2", args.data_home)
    compare_poolings(ds1, ds2, args)
    classifiers = [fitted(ATTENTION, seed, ds1, args) for seed in range(mitbih.N_SEEDS)]
    weights = np.array([classifier.beat_attention(ds2.beats) for classifier in classifiers])
    lone, not_found = find_ectopic(ds2, args)
    report_ectopic(ds2, weights, lone, not_found, args)
    draw(ds2, weights[0], classifiers[0].predict(ds2.beats), lone, args)


def fitted(name, seed, ds1, args):
    """One classifier of ``mitbih.classifiers``, not pre-trained, fitted on DS1."""
    make, rows_of = mitbih.classifiers([None])[name]
    key = name, seed, mitbih.settings_key(name)
    return kept("fitted", key, lambda: make(seed).fit(rows_of(ds1), ds1.y), resume=args.resume)


def compare_poolings(ds1, ds2, args):
    """DS1 → DS2 with each pooling, and the differences from attention."""
    outcomes = {
        name: mitbih.outcome_of(
            name,
            lambda seed, pooling=pooling: mitbih.segments_classifier(seed, pooling=pooling),
            mitbih.segments,
            ds1,
            ds2,
            ("inter", mitbih.settings_key(name)),
            args,
        )
        for name, pooling in POOLINGS.items()
    }
    metrics = {POOLINGS[name]: mitbih.scores(ds2, outcome, outcomes[ATTENTION]) for name, outcome in outcomes.items()}
    columns = ["pooling", *data.CLASSES, "macro-F1", "− attention"]
    rows = [
        [
            pooling,
            *(f"{score['report'].f1[label]:.3f}" for label in data.CLASSES),
            str(score["macro_f1"]["macro"]),
            "–" if pooling == "attention" else str(score["difference"]["macro"]),
        ]
        for pooling, score in metrics.items()
    ]
    write_results(
        "ecgsl_pooling",
        {
            "protocol": "windows of 10 s as in ecgsl_mitbih, DS1 trains, DS2 tests; ECGSLClassifier without "
            f"pre-training, all else equal; {mitbih.N_SEEDS} seeds pooled, 95 % intervals over records",
            "metrics": metrics,
            "caption": "How the segments of a window are pooled, DS1 → DS2: F1 and macro-F1 over N S V",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


@dataclass(frozen=True)
class LoneEctopic:
    """Windows with one ectopic beat: their rows, its class, and which segment it is."""

    row: np.ndarray
    label: np.ndarray
    segment: np.ndarray


def find_ectopic(ds2, args):
    """Windows of DS2 whose one ectopic beat has a complete segment, and how often, by class, none was found for it."""
    reference = reference_beats(args)
    lone = [
        (row, place)
        for row, ((_, target), label) in enumerate(zip(reference, ds2.y, strict=True))
        if label in ECTOPIC and (place := only_ectopic(target)) is not None
    ]
    rows = np.array([row for row, _ in lone])
    r_peaks = places.times_of(ds2[rows])[:, :, places.R_COLUMN]
    found, not_found = [], dict.fromkeys(ECTOPIC, 0)
    for (row, place), times in zip(lone, r_peaks, strict=True):
        segment = matched_segment(reference[row][0], place, times[~np.isnan(times)])
        if segment is None:
            not_found[ds2.y[row]] += 1
        else:
            found.append((row, ds2.y[row], segment))
    return LoneEctopic(*(np.array(column) for column in zip(*found, strict=True))), not_found


def reference_beats(args):
    """(samples from the start of the window, classes) of the annotated beats, in the order of ``load_windows``."""
    beats = []
    for record in fetch_mitdb(data_home=args.data_home, download_if_missing=False, records="ds2").records:
        for first in range(0, record.signal.shape[1] - data.WIDTH + 1, data.WIDTH):
            if data.label_window(record, first) is not None:
                inside = (record.peaks >= first) & (record.peaks < first + data.WIDTH)
                beats.append((record.peaks[inside] - first, record.target[inside]))
    return beats


def only_ectopic(target):
    """Place of the one ectopic beat; None where there is none, or more."""
    ectopic = np.flatnonzero(np.isin(target, ECTOPIC))
    return int(ectopic[0]) if len(ectopic) == 1 else None


def matched_segment(reference, place, r_peaks):
    """Which of the segments is the annotated beat at ``place``; None if its R peak is not within 150 ms of it."""
    pairs = match_beats(reference, r_peaks, fs=data.FS).pairs
    found = pairs[pairs[:, 0] == place, 1]
    return int(found[0]) if len(found) else None


def evenness(weights, n_beats):
    """Entropy of the weights of each window, over that of even ones."""
    return entropy(weights, axis=-1) / np.log(n_beats)


def measure(weights, segment, n_beats):
    """What the weights (n_windows, beats) of one seed say of the ectopic segment of each window."""
    rows, top = np.arange(len(weights)), weights.argmax(axis=1)
    has_before, has_after = segment > 0, segment < n_beats - 1
    before = np.where(has_before, weights[rows, segment - 1], np.nan)
    after = np.where(has_after, weights[rows, np.minimum(segment + 1, weights.shape[1] - 1)], np.nan)
    return {
        "largest on it": top == segment,
        "largest on it, chance": 1 / n_beats,
        "largest on it or a neighbour": np.abs(top - segment) <= 1,
        "largest on it or a neighbour, chance": (1 + has_before + has_after) / n_beats,
        "weight on it": weights[rows, segment],
        "weight on the beat before": before,
        "weight on the beat after": after,
        "entropy": evenness(weights, n_beats),
    }


def report_ectopic(ds2, weights, lone, not_found, args):
    n_beats = places.count_segments(ds2.beats)
    per_seed = [measure(w[lone.row], lone.segment, n_beats[lone.row]) for w in weights]
    values = {name: np.mean([seed[name] for seed in per_seed], axis=0) for name in per_seed[0]}
    for name in ("largest on it", "largest on it or a neighbour"):
        values[f"{name}, − chance"] = values[name] - values[f"{name}, chance"]
    metrics, rows = {}, []
    for label in ECTOPIC:
        here = lone.label == label
        names, counts = np.unique(ds2.record[lone.row[here]], return_counts=True)
        of_label = {name: interval(value[here], ds2.record[lone.row[here]]) for name, value in values.items()}
        metrics[label] = {
            "windows": int(here.sum()),
            "not found": not_found[label],
            "by record": dict(zip(names, counts, strict=True)),
            **of_label,
        }
        rows.append(row_of(label, metrics[label]))
    several = n_beats > 1
    even = np.mean([evenness(w[several], n_beats[several]) for w in weights], axis=0)
    metrics["entropy, all windows"] = interval(even, ds2.record[several])
    columns = [
        *(
            "ectopic beat",
            "windows",
            "not found",
            "largest weight on it",
            "chance",
            "on it or a neighbour",
            "by chance",
        ),
        *("mean weight on it", "on the beat before", "on the beat after", "entropy"),
    ]
    write_results(
        "ecgsl_attention",
        {
            "protocol": "windows of DS2 with one ectopic beat, whose segment is complete; those where the R peak of no "
            "segment lies within 150 ms of it are counted as not found and left out; ECGSLClassifier without "
            f"pre-training; mean over {mitbih.N_SEEDS} seeds, 95 % intervals over records; chance is one over the "
            "number of segments (up to three over it with neighbours), which is the even weight, too; entropy of the "
            "weights over that of even ones",
            "metrics": metrics,
            "caption": "Attention to the one ectopic beat of a window of DS2",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)
    print("entropy over all windows", metrics["entropy, all windows"])


def interval(values, records):
    """Mean of the values that are not NaN, 95 % over records; "–" where these are fewer than two."""
    known = ~np.isnan(values)
    if len(np.unique(records[known])) < 2:
        return "–"
    return bootstrap_interval(np.mean, values[known], groups=records[known], random_state=0)


def row_of(label, of_label):
    return [
        *(label, of_label["windows"], of_label["not found"]),
        str(of_label["largest on it"]),
        f"{of_label['largest on it, chance'].estimate:.3f}",
        str(of_label["largest on it or a neighbour"]),
        f"{of_label['largest on it or a neighbour, chance'].estimate:.3f}",
        *(str(of_label[f"weight on {which}"]) for which in ("it", "the beat before", "the beat after")),
        str(of_label["entropy"]),
    ]


def draw(ds2, weights, predicted, lone, args):
    """Four windows with an S or a V beat, classified right and wrong; weights of one seed as shading."""
    rng = np.random.default_rng(args.seed)
    right = predicted[lone.row] == lone.label
    groups = [(lone.label == label) & (right == is_right) for label in ECTOPIC for is_right in (True, False)]
    chosen = [rng.choice(np.flatnonzero(group)) for group in groups if group.any()]
    rows, segments = lone.row[chosen], lone.segment[chosen]
    relative = weights[rows] * places.count_segments(ds2.beats[rows])[:, None]
    figure, axes = plt.subplots(len(rows), 1, figsize=(9, 8), sharex=True, layout="constrained")
    for ax, row, segment, shares in zip(axes, rows, segments, relative, strict=True):
        shading = draw_window(ax, ds2[[row]], segment, shares, most=relative.max())
        said = f"record {ds2.record[row]}: {ds2.y[row]} beat, window classified {predicted[row]}"
        ax.set_title(
            f"{said}; {100 * weights[row, segment]:.0f} % of the attention on the beat", loc="left", fontsize=10
        )
    axes[-1].set(xlabel="time, s", xlim=(0, data.SECONDS))
    figure.colorbar(shading, ax=list(axes), label="attention (1 = spread evenly)", pad=0.02)
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURE, dpi=110)
    plt.close(figure)


def draw_window(ax, window, segment, shares, most):
    """The signal of a window (a set of one), its segments shaded, one of them marked with the label."""
    times = places.times_of(window)[0] / data.FS
    times = times[~np.isnan(times[:, 0])]
    shading = ax.pcolormesh(
        edges_between(times[:, 0], times[:, -1]),
        (0, 1),
        shares[None, : len(times)],
        cmap="YlOrBr",
        vmin=0,
        vmax=most,
        alpha=0.75,
        transform=ax.get_xaxis_transform(),
    )
    signal = window.raw[0]
    ax.plot(np.arange(data.WIDTH) / data.FS, signal, color="black", linewidth=0.8)
    low, span = signal.min(), np.ptp(signal)
    ax.set(ylim=(low - 0.05 * span, low + 1.35 * span), yticks=[])
    box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "tab:blue"}
    peak = times[segment, places.R_COLUMN]
    ax.text(peak, low + 1.2 * span, window.y[0], color="tab:blue", ha="center", va="center", bbox=box)
    return shading


def edges_between(starts, ends):
    """Edges of patches for segments that may overlap or leave a gap: half-way between the end of one and the next."""
    return np.concatenate([starts[:1], (ends[:-1] + starts[1:]) / 2, ends[-1:]])
