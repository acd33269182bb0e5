"""Where files pickled by version 0.1 look for how rows are read."""

from .signals._validation import BeatLayout, RowLayout

__all__ = ["BeatLayout", "RowLayout"]
