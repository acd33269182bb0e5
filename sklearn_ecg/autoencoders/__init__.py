"""Autoencoders: signals to a few numbers and back."""

from ._periodic_vae import PeriodicVAE

__all__ = ["PeriodicVAE"]
