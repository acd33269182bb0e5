"""ECGSLClassifier on real recordings.

    python -m benchmarks.ecgsl --task TASK --data-home PATH [--resume]

mitbih       10-second windows of MIT-BIH, DS1 → DS2, beside a network on the raw window and a forest
select       the same inside DS1 alone: side features, pooling and sizes by out-of-fold predictions
pretraining  what pre-training is worth with few labels
ideas        ways to go on from it, inside DS1: why it does not pay
quality      noise, atrial fibrillation, and injected errors of the segmentation
ptbxl        superclasses of PTB-XL, out of fold
apnea        the whole path on records written in the layout of Apnea-ECG
attention    attention beside mean and max pooling, and whether it finds the ectopic beat of a window of DS2
saliency     relevance of P, QRS, ST and T, beside that of the network on the raw window

Fits are kept in benchmarks/checkpoints; with ``--resume`` those that are there are read, so that a stopped run goes on
where it was.
"""

import argparse

import torch

from .._results import add_threads
from . import apnea, attention, ideas, mitbih, pretraining, ptbxl, quality, saliency

TASKS = {
    "mitbih": mitbih.inter_patient,
    "select": mitbih.select,
    "pretraining": pretraining.pretraining,
    "ideas": ideas.ideas,
    "quality": quality.quality,
    "ptbxl": ptbxl.superclasses,
    "apnea": apnea.minutes,
    "attention": attention.attention,
    "saliency": saliency.saliency,
}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ecgsl", description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, default="mitbih")
    parser.add_argument("--data-home")
    parser.add_argument("--resume", action="store_true", help="read the fits that are kept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n-draws", type=int, default=10, help="draws of the labels in task pretraining")
    add_threads(parser)
    parser.add_argument("--verbose", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    TASKS[args.task](args)


if __name__ == "__main__":
    main()
