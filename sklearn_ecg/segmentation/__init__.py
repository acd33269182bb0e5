"""Where the beats of a record are: records cut into beats, impulse trains."""

from ._beats import BeatSegmenter
from ._impulse_trains import ImpulseTrainExtractor

__all__ = ["BeatSegmenter", "ImpulseTrainExtractor"]
