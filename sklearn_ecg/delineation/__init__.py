"""Delineation: onset, peak and offset of every P wave, QRS complex and T wave."""

from ._cross_validation import cross_val_wave_proba
from ._decoding import waves_from_proba
from ._wave_delineator import WaveDelineator

__all__ = ["WaveDelineator", "cross_val_wave_proba", "waves_from_proba"]
