"""neurokit2 on the same signals, in its own interpreter."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from sklearn_ecg.preprocessing import WAVE_DTYPE

_SCRIPT = Path(__file__).parents[1] / "_intervals_peers.py"
_KINDS = np.array(["", "P", "QRS", "T"])
METHODS = ("dwt", "cwt", "peak")


def run_neurokit(signals, fs, python):
    """Method → waves of every record and CPU seconds of each; and the version of the package."""
    with tempfile.TemporaryDirectory() as folder:
        named = {str(place): signal for place, signal in enumerate(signals)}
        np.savez(Path(folder) / "signals.npz", fs=fs, **named)
        subprocess.run([python, str(_SCRIPT), folder], check=True)
        with np.load(Path(folder) / "found.npz") as found:
            outcomes = {
                method: (
                    [_as_waves(found[f"waves {method} {name}"]) for name in named],
                    np.array([found[f"cpu {method} {name}"] for name in named]),
                )
                for method in METHODS
            }
            return outcomes, str(found["version"])


def _as_waves(rows):
    waves = np.empty(len(rows), dtype=WAVE_DTYPE)
    waves["wave"] = _KINDS[rows[:, 0]]
    for place, mark in enumerate(("onset", "peak", "offset"), start=1):
        waves[mark] = rows[:, place]
    return waves[np.argsort(waves["peak"], kind="stable")]
