"""A fitted classifier becomes a new patient's: with a few labels, and with what they tell of the other beats."""

from ._adapted import AdaptedClassifier
from ._labels import most_uncertain, spread_labels

__all__ = ["AdaptedClassifier", "most_uncertain", "spread_labels"]
