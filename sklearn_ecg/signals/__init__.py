"""The ground floor: records, how rows are read, lead names, beat symbols and the standard splits."""

from ._annotations import (
    AAMI_CLASSES,
    AAMI_OF_SYMBOL,
    INDEPENDENT_LEADS,
    INTERVALS,
    LIMB_LEADS,
    MITDB_DS1,
    MITDB_DS2,
    MITDB_PACED,
    MITDB_RECORDS,
    STANDARD_LEADS,
    aami_classes,
    mitdb_patient,
)
from ._record import ECGRecord
from ._validation import BeatLayout, RowLayout, flatten_leads, unflatten_leads

__all__ = [
    "AAMI_CLASSES",
    "AAMI_OF_SYMBOL",
    "INDEPENDENT_LEADS",
    "INTERVALS",
    "LIMB_LEADS",
    "MITDB_DS1",
    "MITDB_DS2",
    "MITDB_PACED",
    "MITDB_RECORDS",
    "STANDARD_LEADS",
    "BeatLayout",
    "ECGRecord",
    "RowLayout",
    "aami_classes",
    "flatten_leads",
    "mitdb_patient",
    "unflatten_leads",
]
