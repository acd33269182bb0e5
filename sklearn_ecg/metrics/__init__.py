"""Metrics of ECG analysis: beat detection, beat classification and generated ECG."""

from .beats import BeatMatch, match_beats
from .bootstrap import Interval, bootstrap_interval, bootstrap_macro_f1, paired_bootstrap
from .classification import AAMIReport, aami_report, macro_f1, record_confusions
from .discrepancy import MMDReport, median_bandwidth, mmd_report, squared_mmd
from .generation import DiversityReport, MemorisationReport, diversity, memorisation
from .rhythm import PeriodicityReport, RRReport, periodicity, rr_distance
from .surrogates import phase_randomised, white_noise_like
from .synthetic_training import SyntheticTrainingReport, train_on_synthetic

__all__ = [
    "AAMIReport",
    "BeatMatch",
    "DiversityReport",
    "Interval",
    "MMDReport",
    "MemorisationReport",
    "PeriodicityReport",
    "RRReport",
    "SyntheticTrainingReport",
    "aami_report",
    "bootstrap_interval",
    "bootstrap_macro_f1",
    "diversity",
    "macro_f1",
    "match_beats",
    "median_bandwidth",
    "memorisation",
    "mmd_report",
    "paired_bootstrap",
    "periodicity",
    "phase_randomised",
    "record_confusions",
    "rr_distance",
    "squared_mmd",
    "train_on_synthetic",
    "white_noise_like",
]
