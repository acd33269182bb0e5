"""Interpolation between ECG: mixing, decoding latent lines, and moving waves; and what tells one from the other."""

from ._paths import latent_path, linear_path
from ._transport import transport_path

__all__ = ["latent_path", "linear_path", "transport_path"]
