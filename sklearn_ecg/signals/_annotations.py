"""Beat symbols, AAMI classes, lead names and the standard splits of MIT-BIH: plain facts, importing nothing of ours."""

from collections.abc import Iterable
from types import MappingProxyType

AAMI_CLASSES: tuple[str, ...] = ("N", "S", "V", "F", "Q")
"""Heartbeat classes of ANSI/AAMI EC57: normal, supraventricular, ventricular, fusion, unclassifiable or paced."""

_SYMBOLS_OF_CLASS = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}

AAMI_OF_SYMBOL = MappingProxyType({symbol: name for name, symbols in _SYMBOLS_OF_CLASS.items() for symbol in symbols})
"""AAMI class of each beat symbol of the PhysioNet annotation format; every other symbol is not a beat."""

FLUTTER_ONSET, FLUTTER_END = "[", "]"

MITDB_RECORDS: tuple[str, ...] = tuple(
    "100 101 102 103 104 105 106 107 108 109 111 112 113 114 115 116 117 118 119 121 122 123 124 200 201 202 203 205 "
    "207 208 209 210 212 213 214 215 217 219 220 221 222 223 228 230 231 232 233 234".split()
)

MITDB_DS1: tuple[str, ...] = tuple(
    "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()
)
"""Training records of de Chazal et al. (2004), doi:10.1109/TBME.2004.827359."""

MITDB_DS2: tuple[str, ...] = tuple(
    "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split()
)
"""Test records of de Chazal et al. (2004). Record 202 is the patient of record 201, which is in DS1."""

MITDB_PACED: tuple[str, ...] = ("102", "104", "107", "217")
"""Paced records, in neither set."""

MITDB_SAME_PATIENT = MappingProxyType({"202": "201"})
"""Records that share a patient: the second recording, and the first, which names the patient."""

STANDARD_LEADS: tuple[str, ...] = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

LIMB_LEADS = MappingProxyType({"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)})
"""Limb leads that follow from I and II: the factors of the two (Einthoven, Goldberger)."""

INDEPENDENT_LEADS: tuple[str, ...] = tuple(lead for lead in STANDARD_LEADS if lead not in LIMB_LEADS)
"""The eight of the twelve standard leads from which the other four follow."""

_MODIFIED_LEADS = MappingProxyType({"mli": "i", "mlii": "ii", "mliii": "iii"})
"""Modified limb leads of ambulatory recordings, and the leads that they stand for."""

INTERVALS: tuple[str, ...] = ("heart_rate", "pr", "qrs", "qt")
"""What is measured in an ECG, in the order of columns: beats a minute, then milliseconds."""


def aami_classes(symbols: Iterable[str]) -> list[str | None]:
    """AAMI class of every annotation symbol, None where the symbol is not a beat."""
    return [AAMI_OF_SYMBOL.get(symbol) for symbol in symbols]


def mitdb_patient(record: str) -> str:
    """Patient of an MIT-BIH record, named by that patient's first record."""
    return MITDB_SAME_PATIENT.get(record, record)


def lead_index(lead_names, name, *, modified=True) -> int:
    """Place of the lead called ``name`` in ``lead_names``, -1 where there is none.

    Case matters only between two leads that differ in nothing else. Where no lead has the name, a modified limb lead
    stands for its standard lead and the other way round ("MLII" for "II"), unless ``modified`` is False.
    """
    lead_names = list(lead_names)
    plain, wanted = [lead.lower() for lead in lead_names], name.lower()
    ways = [(lead_names, name), (plain, wanted)]
    if modified:
        ways.append(([_MODIFIED_LEADS.get(lead, lead) for lead in plain], _MODIFIED_LEADS.get(wanted, wanted)))
    return next((names.index(sought) for names, sought in ways if sought in names), -1)
