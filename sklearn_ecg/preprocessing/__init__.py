"""Preprocessing: filters, resampling, scaling, leads, R peaks, beats, intervals, and the two forms of records."""

from ..signals._validation import flatten_leads, unflatten_leads
from ._beat_features import PATIENT_FEATURES, RR_FEATURES
from ._beats import extract_beats
from ._intervals import corrected_qt, merge_waves, wave_intervals
from ._leads import LeadConverter
from ._rpeaks import detect_r_peaks
from ._scaling import ECGScaler
from ._transformers import ECGFilter, ECGResampler
from ._waves import WAVE_DTYPE, wave_masks

__all__ = [
    "PATIENT_FEATURES",
    "RR_FEATURES",
    "WAVE_DTYPE",
    "ECGFilter",
    "ECGResampler",
    "ECGScaler",
    "LeadConverter",
    "corrected_qt",
    "detect_r_peaks",
    "extract_beats",
    "flatten_leads",
    "merge_waves",
    "unflatten_leads",
    "wave_intervals",
    "wave_masks",
]
