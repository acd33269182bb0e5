"""What convolutional autoencoders of the ECG keep, and what they do not.

    python -m benchmarks.representation --experiment EXPERIMENT --data-home PATH [--resume]

reconstruction  pooled R² on patients that were not trained on: windows of 4 s and single cycles
interpolation   paths between ECG: shares of steps and paths that keep their waves, and fading against moving
sweep           the same fading with other kernels, filters, latents and regularisation
waves           the delineator that judges them, on the marks of LUDB
unpunished      networks fitted to one signal, of which a region is not punished: ECG against Gaussian processes
gaussian        the same networks on Gaussian processes of other kernels, a periodic one among them
size            the error inside against what is left to see outside

Fits are kept in benchmarks/checkpoints; with ``--resume`` those that are there are read, so that a stopped run goes on
where it was.
"""

import argparse

import torch

from .._results import add_threads
from . import interpolation, reconstruction, sweep, unpunished, waves

EXPERIMENTS = {
    "reconstruction": reconstruction.reconstruction,
    "interpolation": interpolation.interpolation,
    "sweep": sweep.sweep,
    "waves": waves.waves,
    "unpunished": unpunished.unpunished,
    "gaussian": unpunished.gaussian,
    "size": unpunished.size,
}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.representation", description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", choices=EXPERIMENTS, default="reconstruction")
    parser.add_argument("--data-home")
    parser.add_argument("--resume", action="store_true", help="read the fits that are kept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n-seeds", type=int, default=3)
    add_threads(parser)
    parser.add_argument("--verbose", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    EXPERIMENTS[args.experiment](args)


if __name__ == "__main__":
    main()
