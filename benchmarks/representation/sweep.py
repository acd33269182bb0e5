"""Whether waves fade on the latent line whatever the network's sizes: kernels, filters, compression, regularisation."""

from dataclasses import replace
from functools import partial

from sklearn_ecg.interpolation import latent_path, transport_path

from .._results import print_table, write_results
from . import data, interpolation, reconstruction

VARIANTS = {
    "as published": {},
    "kernels half as long": {"kernel_sizes": (50, 50, 15, 10)},
    "kernels a tenth as long": {"kernel_sizes": (10, 10, 3, 3)},
    "half the filters": {"channels": (15, 8, 8, 3)},
    "twice the filters": {"channels": (60, 30, 30, 10)},
    "latent 10": {"latent_size": 10},
    "latent 90": {"latent_size": 90},
    "pooling 8": {"pools": (2, 2, 2, 1)},
    "dropout .2": {"dropout": 0.2},
    "weight decay .1": {"weight_decay": 0.1},
}


def sweep(args):
    """Fit the variants to the windows of the training patients, and measure how T waves of others get on."""
    ludb, _ = data.load(args.data_home)
    train, _, held_out = data.split_patients(ludb.patient, args.seed)
    records = ludb.of(held_out)
    X = reconstruction.rows_to_learn(reconstruction.cut_windows, interpolation.PLAIN, ludb.of(train), None)
    windows, _ = reconstruction.cut_windows(records, interpolation.PLAIN)
    ends = interpolation.ends_of(records)
    metrics = {}
    for name, changed in VARIANTS.items():
        recipe = replace(interpolation.PLAIN, settings={**interpolation.PLAIN.settings, **changed})
        network, seconds = reconstruction.fit("windows", f"{interpolation.BASE}, {name}", recipe, X, args)
        metrics[name] = {
            "r2": reconstruction.pooled_r2(windows, network.reconstruct(windows)),
            "fading of T": interpolation.fading(partial(latent_path, network), ends, args.seed),
            "fit_cpu_seconds": seconds,
        }
        print(name, metrics[name]["r2"], *cells(metrics[name]["fading of T"]), flush=True)
    metrics["transport path"] = {
        "fading of T": interpolation.fading(partial(transport_path, fs=data.FS), ends, args.seed)
    }
    ways = [f"{shift / data.FS * 1000:.0f} ms" for shift in interpolation.SHIFTS]
    columns = ["network", "R², held out", *ways]
    rows = [
        [name, f"{row['r2']:.3f}" if "r2" in row else "–", *cells(row["fading of T"])] for name, row in metrics.items()
    ]
    over_width = [f"{row['over_width']:.1f}" for row in metrics["as published"]["fading of T"]]
    write_results(
        "representation_sweep",
        {
            "protocol": "As representation_interpolation: fading share of T waves of held-out patients on their way "
            "to a later place, by the way; 1 fades, 0 moves. Table I's network on V6 of LUDB with one thing changed "
            f"each, one seed. The ways are {', '.join(over_width)} times the width of the wave (median)",
            "metrics": metrics,
            "caption": "Fading share of T waves by how far they have to go, one thing changed in the network",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


def cells(found):
    return [f"{at['fading'].estimate:.2f}" if at["fading"] else "–" for at in found]
