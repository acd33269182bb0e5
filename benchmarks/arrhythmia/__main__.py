"""Arrhythmia classification of MIT-BIH beats.

    python -m benchmarks.arrhythmia --protocol PROTOCOL --data-home PATH [--resume]

intra          random split: every patient is in training and test
chronological  the first 70 % of every record against the rest
inter          DS1 → DS2: patients never seen, with intervals over records, and the paced records
ladder         the table over these three, from their results
ablation       one thing changed at a time, on the rung that ``--on`` names
adapt          new patients of whom a few beats are labelled
explain        what Grad-CAM shows on DS2, and whether it is faithful
select         recipes compared inside DS1 alone, or with ``--on chronological`` inside the first 70 % of every record
figures        the README's figures, from the results of inter and adapt

Fits are kept in benchmarks/checkpoints; with ``--resume`` those that are there are read, so that a stopped run goes on
where it was. ``--device`` is not asked for: the estimators take a GPU where there is one.
"""

import argparse

import torch

from .._results import add_threads
from . import ablation, adapt, explain, figures, new_patients, select, tables

PROTOCOLS = {
    "intra": tables.one_rung,
    "chronological": tables.one_rung,
    "inter": new_patients.inter,
    "ladder": tables.ladder,
    "ablation": ablation.ablation,
    "adapt": adapt.adapt,
    "explain": explain.explain,
    "select": select.select,
    "figures": figures.figures,
}

ON = {"ablation": ("intra", "inter"), "select": ("chronological", "inter")}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arrhythmia", description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", choices=PROTOCOLS, default="inter")
    parser.add_argument("--data-home")
    parser.add_argument("--models", nargs="*", help="default: all")
    parser.add_argument("--on", choices=tables.PROTOCOLS, default="inter", help="rung of the ablation or of the choice")
    parser.add_argument("--resume", action="store_true", help="read the fits that are kept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n-seeds", type=int, default=3)
    add_threads(parser)
    parser.add_argument("--verbose", type=int, default=0)
    args = parser.parse_args()
    if args.on not in ON.get(args.protocol, tables.PROTOCOLS):
        parser.error(
            f"--protocol {args.protocol} is not on the rung {args.on}, but on {' and '.join(ON[args.protocol])}"
        )
    torch.set_num_threads(args.threads)
    PROTOCOLS[args.protocol](args)


if __name__ == "__main__":
    main()
