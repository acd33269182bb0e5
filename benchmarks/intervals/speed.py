"""Milliseconds that a record of 10 s takes on one core."""

import os

import numpy as np

from .._results import cpu_timer, print_table, write_results
from . import data, models, peers

COLUMNS = ["delineator", "leads", "ms a record, median", "ms a record, mean"]
PROTOCOL = (
    "CPU time of one thread for each of {n} test records of LUDB (10 s at 500 Hz), one after the other: from the "
    "signal as it is loaded to the waves; imports and a first record are left out. neurokit2 {version}: "
    "ecg_clean, ecg_peaks and ecg_delineate. At the end {load:.1f} processes could run on {cpus} processors"
)


def speed(args):
    """Write the table of times."""
    ludb = data.load(args.data_home)
    train, test = next(data.folds(ludb.patient, args.seed))
    eight = ludb.leads(data.EIGHT)[test]
    single, beside, together = (models.fit(ludb, kind, train, args) for kind in ("single", "beside", "eight"))
    nine = np.concatenate([eight[:, 1:2], eight], axis=1)
    times = {
        ("WaveDelineator, lead II alone", 1): time_each(lambda record: single.delineate(record[1:2]), eight),
        ("WaveDelineator, eight leads beside lead II", 8): time_each(
            lambda record: beside.delineate(record[None]), nine
        ),
        ("WaveDelineator, eight leads together", 8): time_each(lambda record: together.delineate(record[None]), eight),
        ("WaveDelineator, lead by lead", 8): time_each(single.delineate, eight),
    }
    version = "was not run"
    if args.peers_python:
        outcomes, version = peers.run_neurokit(eight[:, 1], data.FS, args.peers_python)
        times |= {(f"neurokit2 {method}", 1): 1000 * seconds for method, (_, seconds) in outcomes.items()}
    rows = [[*key, f"{np.median(ms):.1f}", f"{ms.mean():.1f}"] for key, ms in times.items()]
    load, cpus = os.getloadavg()[0], os.cpu_count()
    write_results(
        "intervals_speed",
        {
            "protocol": PROTOCOL.format(n=len(test), version=version, load=load, cpus=cpus),
            "metrics": {f"{name}, {n} lead(s)": ms for (name, n), ms in times.items()},
            "caption": "Delineation of a record of 10 s on one core",
            "table": {"columns": COLUMNS, "rows": rows},
        },
        args=args,
    )
    print_table(COLUMNS, rows)


def time_each(delineate, records):
    """Milliseconds of CPU time for each record."""
    delineate(records[0])
    milliseconds = []
    for record in records:
        with cpu_timer() as timer:
            delineate(record)
        milliseconds.append(1000 * timer.seconds)
    return np.array(milliseconds)
