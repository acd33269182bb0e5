"""Interpolation between ECG: mixing, decoding latent lines, and moving waves; and what tells one from the other."""

from ._counts import WaveCount, count_waves
from ._drift import WaveDrift, wave_drift
from ._paths import latent_path, linear_path
from ._report import PathReport, path_report
from ._transport import transport_path

__all__ = [
    "PathReport",
    "WaveCount",
    "WaveDrift",
    "count_waves",
    "latent_path",
    "linear_path",
    "path_report",
    "transport_path",
    "wave_drift",
]
