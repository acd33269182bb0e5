"""Where the beats of a record are: records cut into beats."""

from ._beats import BeatSegmenter

__all__ = ["BeatSegmenter"]
