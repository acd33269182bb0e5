"""Metrics of ECG analysis: beat detection and beat classification."""

from .beats import BeatMatch, match_beats
from .bootstrap import Interval, bootstrap_interval, bootstrap_macro_f1, paired_bootstrap
from .classification import AAMIReport, aami_report, macro_f1, record_confusions

__all__ = [
    "AAMIReport",
    "BeatMatch",
    "Interval",
    "aami_report",
    "bootstrap_interval",
    "bootstrap_macro_f1",
    "macro_f1",
    "match_beats",
    "paired_bootstrap",
    "record_confusions",
]
