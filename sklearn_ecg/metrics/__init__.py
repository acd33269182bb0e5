"""Metrics of ECG analysis: beat detection and classification, wave boundaries, intervals and generated ECG."""

from .beats import BeatMatch, match_beats
from .bootstrap import Interval, bootstrap_interval, bootstrap_macro_f1, paired_bootstrap
from .classification import AAMIReport, aami_report, macro_f1, record_confusions
from .discrepancy import MMDReport, median_bandwidth, mmd_report, squared_mmd
from .fiducials import CSE_LIMITS, FIDUCIALS, FiducialReport, fiducial_report
from .generation import DiversityReport, MemorisationReport, diversity, memorisation
from .intervals import (
    IEC_LIMITS,
    INTERVAL_UNITS,
    INTERVALS,
    BlandAltman,
    IntervalReport,
    bland_altman,
    interval_mae,
    interval_report,
    interval_scorers,
)
from .rhythm import PeriodicityReport, RRReport, periodicity, rr_distance
from .surrogates import phase_randomised, white_noise_like
from .synthetic_training import SyntheticTrainingReport, train_on_synthetic

__all__ = [
    "CSE_LIMITS",
    "FIDUCIALS",
    "IEC_LIMITS",
    "INTERVALS",
    "INTERVAL_UNITS",
    "AAMIReport",
    "BeatMatch",
    "BlandAltman",
    "DiversityReport",
    "FiducialReport",
    "Interval",
    "IntervalReport",
    "MMDReport",
    "MemorisationReport",
    "PeriodicityReport",
    "RRReport",
    "SyntheticTrainingReport",
    "aami_report",
    "bland_altman",
    "bootstrap_interval",
    "bootstrap_macro_f1",
    "diversity",
    "fiducial_report",
    "interval_mae",
    "interval_report",
    "interval_scorers",
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
