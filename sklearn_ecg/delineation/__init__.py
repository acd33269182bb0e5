"""Delineation: onset, peak and offset of every P wave, QRS complex and T wave."""

from ._decoding import waves_from_proba
from ._wave_delineator import WaveDelineator

__all__ = ["WaveDelineator", "waves_from_proba"]
