"""What networks put where nothing is punished: ECG against Gaussian processes, by pooling, kernel and region."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

from .._results import print_table, write_results
from . import single_figures
from .single_signals import BAD, FS, GOOD, KERNELS, PERIODIC, SETTINGS, ecgs, errors, fitted, gaussian_processes

N_SIGNALS, N_RUNS, N_FEWER = 20, 10, 8
REGION = (1000, 2000)
EXAMPLE = 0  # the signal that the figure shows
POOLS = range(2, 10)
VISIBLE = (50, 100, 200, 300, 400, 600, 800, 1200, 2000, 3500)
"""Samples that are punished before the region of growing size, which ends at 4900."""

LAST = 4900
NETWORKS = {"good": GOOD, "bad": BAD}
CHANGES = {"region of three seconds": {"region": (500, 2000)}, "2000 steps": {"steps": 2000}}
FIRST_KERNEL = next(iter(KERNELS))


def unpunished(args):
    """The good and the bad network on ECG and on Gaussian processes, over seeds, then by pooling, then changed."""
    ecg = ecgs(args.data_home, N_SIGNALS)
    both = {"ECG": ecg, "Gaussian process": gaussian_processes(FIRST_KERNEL, ecg)}
    metrics, rows = {}, []
    for case in cases(args.n_seeds):
        seeds = range(args.seed, args.seed + case.n_seeds)
        pair = [
            errors(first(signals, case.n_signals), case.region, case.pool, seeds, args, kind, steps=case.steps)
            for kind, signals in both.items()
        ]
        metrics[case.name] = compared = compare(*pair)
        rows.append([case.label, case.n_signals, case.n_seeds, *cells(compared)])
    columns = ["network", "signals", "seeds", "ECG inside", "process inside", "p inside"]
    columns += ["ECG outside", "process outside", "p outside"]
    write_results(
        "representation_unpunished",
        {
            "protocol": f"LUDB V6, 10 s at 500 Hz, records at random, a network fitted to each signal in "
            f"{SETTINGS['max_epochs']} steps, the samples {REGION} not punished; Gaussian processes of a squared "
            "exponential kernel (18 samples) of the same mean and variance; squared error a sample in units of the "
            "signal's variance, mean over seeds, median over signals; p: one-sided Wilcoxon signed-rank test of the "
            "pairs inside (ECG below process), two-sided outside",
            "metrics": metrics,
            "caption": "Squared error inside and outside the unpunished region, as a share of the signal's variance",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)
    examples = {
        kind: (signals.rows[EXAMPLE], decoded_by_both(signals.rows[EXAMPLE], args)) for kind, signals in both.items()
    }
    scatter = {name: scattered(metrics[name]) for name in NETWORKS}
    single_figures.save("unpunished", single_figures.unpunished, examples, REGION, FS, scatter)


@dataclass(frozen=True)
class Case:
    """A network, and what it is fitted to."""

    name: str
    label: str
    pool: int
    n_signals: int = N_FEWER
    n_seeds: int = 1
    region: tuple = REGION
    steps: int = SETTINGS["max_epochs"]


def cases(n_seeds):
    """The two networks over seeds; each pooling; and what else might be behind differences that are not expected."""
    found = [Case(name, f"{name}: pooling {pool}", pool, N_SIGNALS, n_seeds) for name, pool in NETWORKS.items()]
    found += [Case(f"pooling {pool}", f"pooling {pool}", pool) for pool in POOLS]
    for change, settings in CHANGES.items():
        found += [
            Case(f"{name}, {change}", f"pooling {pool}, {change}", pool, N_SIGNALS, **settings)
            for name, pool in NETWORKS.items()
        ]
    return found


def decoded_by_both(signal, args):
    """What the two networks make of a signal."""
    return {name: fitted(signal, REGION, pool, args.seed, args.resume).decoded for name, pool in NETWORKS.items()}


def scattered(compared):
    return {
        name: (compared[f"{kind}_inside"], compared[f"{kind}_outside"])
        for name, kind in {"ECG": "ecg", "Gaussian process": "process"}.items()
    }


def compare(ecg, process):
    """Errors of the signals, mean over seeds, and the paired tests."""
    (ecg_in, ecg_out), (process_in, process_out) = ecg.mean(axis=2), process.mean(axis=2)
    return {
        "ecg_inside": ecg_in,
        "process_inside": process_in,
        "p_inside": wilcoxon(ecg_in, process_in, alternative="less").pvalue,
        "ecg_outside": ecg_out,
        "process_outside": process_out,
        "p_outside": wilcoxon(ecg_out, process_out).pvalue,
        "seeds": {"ecg_inside": ecg[0], "process_inside": process[0]},
    }


def cells(compared):
    text = []
    for side in ("inside", "outside"):
        text += [f"{np.median(compared[f'{kind}_{side}']):.3f}" for kind in ("ecg", "process")]
        text.append(f"{compared[f'p_{side}']:.2g}")
    return text


def first(signals, n):
    return type(signals)(signals.rows[:n], signals.records[:n], signals.rr[:n])


def gaussian(args):
    """The two networks on Gaussian processes of several kernels, of which the periodic one is to behave like ECG."""
    ecg = first(ecgs(args.data_home, N_SIGNALS), N_FEWER)
    found = {name: {"ECG": errors(ecg, REGION, pool, [args.seed], args, "ECG")} for name, pool in NETWORKS.items()}
    for kernel in (*KERNELS, PERIODIC):
        process = gaussian_processes(kernel, ecg)
        for name, pool in NETWORKS.items():
            found[name][kernel] = errors(process, REGION, pool, [args.seed], args, kernel)
    metrics = {
        name: {kernel: compare(of_kernel["ECG"], errs) for kernel, errs in of_kernel.items() if kernel != "ECG"}
        for name, of_kernel in found.items()
    }
    rows = [
        [kernel]
        + [f"{np.median(found[name][kernel][side].mean(axis=1)):.3f}" for name in NETWORKS for side in (0, 1)]
        + ["–" if kernel == "ECG" else f"{metrics[name][kernel]['p_inside']:.2g}" for name in NETWORKS]
        for kernel in ("ECG", PERIODIC, *KERNELS)
    ]
    columns = ["signal", "good, inside", "good, outside", "bad, inside", "bad, outside", "p good", "p bad"]
    write_results(
        "representation_gaussian",
        {
            "protocol": f"as representation_unpunished, {N_FEWER} signals of each kind, one seed, region {REGION}; the "
            "periodic kernel has the RR interval of the ECG beside it as its period; p: ECG below process inside",
            "metrics": metrics,
            "caption": "The same networks on Gaussian processes of other kernels, median squared error",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)


def size(args):
    """Error of the good network inside the region against how much of the signal is left to see."""
    ecg = first(ecgs(args.data_home, N_SIGNALS), N_RUNS)
    inside = np.stack([errors(ecg, (at, LAST), GOOD, [args.seed], args, "size")[0, :, 0] for at in VISIBLE], axis=1)
    cycles = np.array(VISIBLE) / ecg.rr[:, None]
    knees = np.array([knee(x, np.log(y)) for x, y in zip(cycles, inside, strict=True)])
    draws = np.random.default_rng(0).integers(len(knees), size=(2000, len(knees)))
    interval = np.percentile(np.median(knees[draws], axis=1), [2.5, 97.5])
    bins = [(0, 0.5), (0.5, 1), (1, 1.5), (1.5, 2.5), (2.5, 5), (5, np.inf)]
    rows, sizes = [], (LAST - np.array(VISIBLE)) / ecg.rr[:, None]
    for low, high in bins:
        here = (cycles >= low) & (cycles < high)
        values = inside[here]
        label = f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} and more"
        spread = f"{values.mean():.3f} ± {values.std():.3f}"
        rows.append(
            [
                label,
                f"{sizes[here].min():.1f} to {sizes[here].max():.1f}",
                len(values),
                spread,
                f"{np.median(values):.3f}",
            ]
        )
    columns = ["RR intervals before the region", "its size, RR intervals", "fits", "inside, mean ± SD", "median"]
    write_results(
        "representation_size",
        {
            "protocol": f"as representation_unpunished, good network, {N_RUNS} ECG, one seed, regions from {VISIBLE} "
            f"to {LAST}; knee: of the continuous curve of two straight pieces that fits the error's logarithm best "
            "against the RR intervals before the region, each record by itself; median and 95 % over records",
            "metrics": {
                "visible_samples": VISIBLE,
                "rr_samples": ecg.rr,
                "inside": inside,
                "knee_rr": {"median": np.median(knees), "interval": interval, "records": knees},
            },
            "caption": f"Error inside by what is visible before the region: the knee is at {np.median(knees):.2f} "
            f"[{interval[0]:.2f}, {interval[1]:.2f}] RR intervals",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)
    single_figures.save("unpunished_size", single_figures.size, cycles, inside, sizes, interval)


def knee(x, y):
    """Where two straight pieces that meet fit best, by least squares over a fine grid of places."""
    places = np.linspace(x[1], x[-2], 400)
    misfits = []
    for place in places:
        design = np.stack([np.ones_like(x), np.minimum(x, place), np.maximum(x - place, 0)], axis=1)
        misfits.append(np.linalg.norm(y - design @ np.linalg.lstsq(design, y, rcond=None)[0]))
    return places[np.argmin(misfits)]
