"""More training beats: generated ones for the rare classes."""

from ._beats import BeatAugmentation
from ._gan import GANSampler

__all__ = ["BeatAugmentation", "GANSampler"]
