"""Generated ECG: how near it is to real ECG, and what a classifier learns from it.

    python -m benchmarks.generation --task leads|beats --data-home PATH [--resume]

leads   four seconds of lead II of LUDB and PTB-XL from a plain and from periodic variational autoencoders, measured on
        patients they have not seen
select  settings of the generators of beats, compared inside DS1 of MIT-BIH
beats   beats of DS1's classes from generators; classifiers trained on them, on real ones and on both, tested on DS2

Fits are kept in benchmarks/checkpoints; with ``--resume`` those that are there are read, so that a stopped run goes on
where it was.
"""

import argparse

import torch

from .._results import add_threads
from . import beats, leads

TASKS = {"leads": leads.leads, "select": beats.select, "beats": beats.beats}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generation", description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, default="leads")
    parser.add_argument("--data-home")
    parser.add_argument("--resume", action="store_true", help="read the fits that are kept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n-seeds", type=int, help="of the periodic network on the soft train (5), of beats (3)")
    parser.add_argument("--classifiers", nargs="+", choices=beats.CLASSIFIERS, default=list(beats.CLASSIFIERS))
    add_threads(parser)
    parser.add_argument("--only", choices=leads.NETS, help="fit this network of task leads, and report nothing")
    parser.add_argument("--skip", type=int, default=0, help="with --only: seeds to leave out before that of the fit")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    TASKS[args.task](args)


if __name__ == "__main__":
    main()
