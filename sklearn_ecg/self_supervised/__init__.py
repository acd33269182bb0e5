"""Classifiers that learn from unlabelled records first."""

from ._ecgsl import ECGSLClassifier

__all__ = ["ECGSLClassifier"]
