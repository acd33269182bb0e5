"""One recording and what is known about it."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._annotations import AAMI_OF_SYMBOL, FLUTTER_END, FLUTTER_ONSET, lead_index
from ._validation import check_fs


@dataclass(frozen=True, eq=False)
class ECGRecord:
    """One ECG recording.

    Parameters
    ----------
    name : str
        Name of the record in its database.
    signal : ndarray of shape (n_leads, n_timepoints)
        Signal in mV, kept as float32.
    fs : float
        Sampling frequency in Hz.
    lead_names : sequence of str
        Name of every lead.
    peaks : ndarray of int of shape (n_beats,), default=()
        Position of every beat in samples, from 0 to n_timepoints - 1; nothing but beats.
    symbols : sequence of str of shape (n_beats,) or None, default=None
        PhysioNet beat symbol of every beat ("N", "A", "V" …); None where beats are not classified.
    patient : str, default=None
        Whom the record is of; the record's name if None.
    fiducials : dict of str to ndarray, default={}
        Lead name → waves, a structured array with the fields "wave", "onset", "peak" and "offset" in samples, -1
        where a boundary is not marked.
    annotations : ndarray or None, default=None
        All annotations, beats or not: a structured array with the fields "sample", "symbol" and "note" (rhythm
        changes have the symbol "+" and a note such as "(AFIB").

    Raises
    ------
    ValueError
        If the shapes contradict each other, ``fs`` is not positive, a peak is no sample of the signal, or a symbol is
        more than one character.
    """

    name: str
    signal: np.ndarray = field(repr=False)
    fs: float
    lead_names: tuple[str, ...]
    peaks: ArrayLike = field(default=(), repr=False)
    symbols: np.ndarray | None = field(default=None, repr=False)
    patient: str | None = None
    fiducials: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    annotations: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self):
        signal = np.asarray(self.signal, dtype=np.float32)
        peaks = np.asarray(self.peaks)
        symbols = None if self.symbols is None else np.asarray(self.symbols, dtype=str)
        if signal.ndim != 2 or len(signal) != len(self.lead_names):
            swapped = signal.ndim == 2 and signal.shape[1] == len(self.lead_names)
            raise ValueError(
                f"Record {self.name}: signal must have shape (n_leads, n_timepoints) with a lead for each of the names "
                f"{list(self.lead_names)}, got {signal.shape}{', the axes swapped: give signal.T' if swapped else ''}."
            )
        if peaks.ndim != 1 or (symbols is not None and symbols.shape != peaks.shape):
            raise ValueError(f"Record {self.name}: peaks must be 1-D, with as many symbols.")
        self._refuse(peaks, _is_sample(peaks, signal.shape[1]), f"peaks must be integers in [0, {signal.shape[1]})")
        if symbols is not None:
            self._refuse(symbols, np.strings.str_len(symbols) == 1, "symbols must be single characters")
        coerced = {
            "signal": signal,
            "peaks": peaks.astype(np.int64),
            "symbols": None if symbols is None else symbols.astype("U1"),
            "fs": check_fs(self.fs),
            "lead_names": tuple(self.lead_names),
            "patient": self.name if self.patient is None else self.patient,
        }
        for name, value in coerced.items():
            object.__setattr__(self, name, value)

    @property
    def n_leads(self) -> Any:
        """Number of leads."""
        return self.signal.shape[0]

    @property
    def n_timepoints(self) -> Any:
        """Number of samples of a lead."""
        return self.signal.shape[1]

    @property
    def duration(self) -> Any:
        """Length in seconds."""
        return self.n_timepoints / self.fs

    @property
    def target(self) -> Any:
        """AAMI class (N, S, V, F or Q) of every beat, or None where beats are not classified.

        Raises
        ------
        ValueError
            If a symbol has no AAMI class.
        """
        if self.symbols is None:
            return None
        known = "".join(AAMI_OF_SYMBOL)
        self._refuse(self.symbols, np.isin(self.symbols, list(known)), f"symbols with a class are those in {known!r}")
        return np.array([AAMI_OF_SYMBOL[symbol] for symbol in self.symbols], dtype="U1")

    def lead(self, name: Any) -> Any:
        """Signal of the lead called ``name``, of shape (n_timepoints,); "II" also finds "MLII".

        Raises
        ------
        ValueError
            If the record has no such lead.
        """
        return self.signal[self._index(name)]

    def select_leads(self, names: Any) -> Any:
        """The same record with the leads ``names`` only, in this order.

        Raises
        ------
        ValueError
            If the record lacks one of the leads.
        """
        chosen = [self._index(name) for name in ([names] if isinstance(names, str) else names)]
        kept = tuple(self.lead_names[i] for i in chosen)
        fiducials = {name: waves for name, waves in self.fiducials.items() if name in kept}
        return replace(self, signal=self.signal[chosen], lead_names=kept, fiducials=fiducials)

    def episodes(self, onset: Any = FLUTTER_ONSET, end: Any = FLUTTER_END) -> np.ndarray:
        """Stretches between two annotation symbols, by default ventricular flutter.

        Returns
        -------
        episodes : ndarray of int64 of shape (n_episodes, 2)
            First and last sample; an episode that is not closed lasts to the end of the record.
        """
        if self.annotations is None:
            return np.empty((0, 2), dtype=np.int64)
        starts, ends = (self.annotations["sample"][self.annotations["symbol"] == mark] for mark in (onset, end))
        ends = np.append(ends, self.n_timepoints - 1)
        return np.column_stack([starts, ends[np.searchsorted(ends[:-1], starts)]]).astype(np.int64)

    def _refuse(self, values, fine, wanted):
        if not np.all(fine):
            at = int(np.argmin(fine))
            raise ValueError(f"Record {self.name}: {wanted}, got {values.tolist()[at]!r} at position {at}.")

    def _index(self, name):
        index = lead_index(self.lead_names, name)
        if index < 0:
            raise ValueError(f"Record {self.name} has no lead {name!r}; it has {', '.join(self.lead_names)}.")
        return index


def _is_sample(peaks, n_timepoints):
    """Whether each of ``peaks`` is the number of a sample."""
    if peaks.dtype.kind not in "iuf":
        return np.zeros(len(peaks), dtype=bool)
    return (peaks >= 0) & (peaks < n_timepoints) & (peaks == np.rint(peaks))
