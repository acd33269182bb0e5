"""Intervals and wave boundaries against the cardiologists' marks of LUDB.

    python -m benchmarks.intervals --task TASK --data-home PATH [--peers-python .venv-peers/bin/python] [--resume]

delineators  lead II, 5 folds by patient: training median, neurokit2 and ours; intervals and boundaries
leads8       eight leads against the global reference: earliest onset, latest offset
robustness   noise, other sampling frequencies, inverted and dead leads
regressors   eight leads against the global reference: regressors from scratch, and pre-trained on synthetic records
experiments  three networks trained on synthetic records, on real ones, and on both; tested on both
speed        milliseconds a record on one core, beside neurokit2 for one lead

Fits are kept in benchmarks/checkpoints; with ``--resume`` those that are there are read, so that a stopped run goes on
where it was.
"""

import argparse
import os

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
for variable in THREAD_VARIABLES:
    os.environ.setdefault(variable, "1")  # before NumPy is imported

import torch  # noqa: E402

from .._results import add_threads  # noqa: E402
from . import delineators, experiments, regressors, robustness, speed  # noqa: E402

TASKS = {
    "delineators": delineators.delineators,
    "leads8": delineators.leads8,
    "regressors": regressors.regressors,
    "experiments": experiments.experiments,
    "robustness": robustness.robustness,
    "speed": speed.speed,
}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intervals", description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--data-home")
    parser.add_argument("--peers-python", help="interpreter that has neurokit2 (make peers)")
    parser.add_argument("--resume", action="store_true", help="read the fits that are kept")
    parser.add_argument("--seed", type=int, default=0)
    add_threads(parser)
    parser.add_argument("--verbose", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    TASKS[args.task](args)


if __name__ == "__main__":
    main()
