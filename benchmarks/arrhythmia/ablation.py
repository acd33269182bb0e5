"""One thing changed at a time in one network, then several together."""

from dataclasses import replace

import numpy as np

from .._results import print_table, write_results
from . import models
from .new_patients import operating_points
from .protocols import ensemble, rung_of
from .tables import PROTOCOLS, score

TOGETHER = "GAN, focal loss, ensemble"


def ablation(args):
    """Fit the variants on the rung ``args.on``, then the four architectures with GAN and focal loss, mixed."""
    rung = rung_of(args.on, args.data_home)
    seeds = range(args.seed, args.seed + args.n_seeds)
    variants = models.ablations_of(args.on)
    wanted = args.models or [*variants, TOGETHER]
    metrics = {}
    for name in [name for name in variants if name in wanted]:
        runs = [rung.run(variants[name], seed, args, choose=False) for seed in seeds]
        metrics[name] = summary(rung, runs[0].test, [run.proba for run in runs])
        metrics[name]["fit_cpu_seconds"] = np.median([run.outcome.cpu_seconds for run in runs])
    if TOGETHER in wanted:
        metrics[TOGETHER] = together(rung, variants["GAN and focal loss"], args)
    columns = ["variant", *rung.classes, "macro-F1", "over seeds", "accuracy", "S +P", "V +P"]
    rows = [table_row(name, row) for name, row in metrics.items()]
    write_results(
        f"arrhythmia_ablation_{rung.name}",
        {
            "protocol": f"{PROTOCOLS[rung.name]}; CNN-LSTM-Attention, {args.n_seeds} seeds; S +P at Se .75, V +P at Se "
            f".90; '{TOGETHER}': the four architectures of seed {args.seed} with both, the two most probable classes "
            "of each weighted by confidence",
            "metrics": metrics,
            "caption": f"CNN-LSTM-Attention with one thing changed, {CAPTIONS[rung.name]}",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


CAPTIONS = {"intra": "random split", "inter": "DS1 → DS2"}


def summary(rung, test, probas):
    runs = [score(rung, test.y, proba) for proba in probas]
    return {
        "f1": {label: np.mean([run["f1"][label] for run in runs]) for label in rung.classes},
        "macro_f1": [run["macro_f1"] for run in runs],
        "accuracy": np.mean([run["accuracy"] for run in runs]),
        **operating_points(rung, test, probas),
    }


def together(rung, variant, args):
    """The two most probable classes of each of the four architectures, weighted by confidence."""
    results = {
        kind: rung.run(replace(variant, kind=kind), args.seed, args, choose=False) for kind in models.ARCHITECTURES
    }
    proba, _ = ensemble(rung, results, **models.ENSEMBLES["Top2 of predictions"])
    test = next(iter(results.values())).test
    alone = {kind: summary(rung, test, [result.proba]) for kind, result in results.items()}
    return {**summary(rung, test, [proba]), "alone": alone}


def table_row(name, row):
    macro = row["macro_f1"]
    return [
        name,
        *(f"{value:.3f}" for value in row["f1"].values()),
        f"{np.mean(macro):.3f}",
        f"{min(macro):.3f} to {max(macro):.3f}" if len(macro) > 1 else "–",
        f"{row['accuracy']:.4f}",
        *(f"{value:.3f}" for value in row["ppv_at_sensitivity"].values()),
    ]
