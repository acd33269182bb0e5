"""Autoencoders: signals to a few numbers and back."""

from ._conv_autoencoder import ConvAutoencoder
from ._periodic_vae import PeriodicVAE

__all__ = ["ConvAutoencoder", "PeriodicVAE"]
