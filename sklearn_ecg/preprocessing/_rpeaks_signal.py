"""What the R-peak detector works on: a recording without its dead stretches and absurd samples, at about 100 Hz."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import firwin, upfirdn

BLOCK = 1.5  # s; a block of this length holds a beat more often than not
N_BLOCKS = 9  # blocks in the running median of a level
_RATE = 100.0  # Hz; work is done within a tenth of it
_AVERAGED = 180.0  # Hz; means of consecutive samples lead down to here at least, without harm below 30 Hz
_PASS, _STOP = 25.0, 47.0  # Hz; edges of the low-pass: QRS complexes pass, mains hum does not
_TILE = 0.25  # s; flat stretches are looked for in pieces of this length
_LEAST_FLAT = 0.5  # s; a flat line that is longer is no ECG
_LONGEST_BRIDGE = 1.0  # s; longer stretches without any lead are shortened to it
_DEAD_INTERVAL = 2.0  # s; an RR interval that holds a longer dead stretch is none
_ABSURD = 10.0  # of the usual range: no ECG deviates as far from the samples around
_AROUND = 1.0  # s; the samples around
_HIGHEST = 1e6  # of the usual range: single precision has room for the artefacts that are left
_ROUNDING = 1e-9  # of the values: what varies less is flat


@dataclass(frozen=True)
class WorkingSignal:
    """A recording as the detector sees it.

    Attributes
    ----------
    leads : ndarray of shape (n_leads, n_kept)
        Samples of the recording without its long dead stretches; what is missing is bridged.
    missing : ndarray of bool, shape (n_leads, n_kept), or None
        Which of these samples are bridged; None where none is.
    kept : ndarray of int64, shape (n_kept,), or None
        Their places in the recording; None where it was kept whole.
    work : ndarray of float32, shape (n_leads, n_times)
        The leads below 25 Hz at the working rate, centred, in units of the usual range of each; zero for flat leads.
    rate : float
        The working rate in Hz.
    step, offset : float
        Sample ``i`` of ``work`` lies at sample ``i * step + offset`` of ``leads``.
    """

    leads: np.ndarray
    missing: np.ndarray | None
    kept: np.ndarray | None
    work: np.ndarray
    rate: float
    step: float
    offset: float

    def to_samples(self, index):
        """Nearest samples of ``leads`` to those of ``work``."""
        return np.rint(np.asarray(index) * self.step + self.offset).astype(np.int64)

    def to_recording(self, samples):
        """Places in the recording of samples of ``leads``."""
        return samples if self.kept is None else self.kept[samples]

    def has(self, samples):
        """Whether any lead has these samples of ``leads``: not bridged in all of them."""
        return np.full(samples.shape, True) if self.missing is None else ~self.missing[:, samples].all(axis=0)

    def live_share(self, n_blocks, block):
        """Share of each block of ``work`` that is not bridged, (n_leads, n_blocks); None where nothing is bridged."""
        if self.missing is None:
            return None
        at = np.minimum(self.to_samples(np.arange(n_blocks * block)), self.missing.shape[1] - 1)
        return 1 - self.missing[:, at].reshape(len(self.missing), n_blocks, block).mean(axis=2)


def prepare_signal(leads, fs):
    """The :class:`WorkingSignal` of leads (n_leads, n_timepoints); None where less than a block of it is alive."""
    missing, usual = find_missing(leads, fs)
    return None if not (usual > 0).any() else _prepare(leads, missing, None, usual, fs)


def leave_out(signal, edges):
    """The :class:`WorkingSignal` without noise, in stretches (n_stretches, 2) of ``work``; None if little is left."""
    n_timepoints, fs = signal.leads.shape[1], signal.rate * signal.step
    edges = np.clip(signal.to_samples(edges), 0, n_timepoints)
    gone = _inside(*_to_the_last_noise(signal.leads, edges, fs).T, n_timepoints)
    missing = np.broadcast_to(gone, signal.leads.shape)
    if signal.missing is not None:
        missing = missing | signal.missing
    return _prepare(signal.leads, missing, signal.kept, find_missing(signal.leads[:, ~gone], fs)[1], fs)


def _to_the_last_noise(leads, edges, fs):
    """Edges moved outwards while the leads stay where the noise of the second inside was: up to steps at its ends."""
    second, moved = round(fs), edges.copy()
    for place, (start, stop) in enumerate(edges.tolist()):
        for side, inside, outside in (
            (0, leads[:, start : start + second], leads[:, max(start - second, 0) : start][:, ::-1]),
            (1, leads[:, stop - second : stop], leads[:, stop : stop + second]),
        ):
            low, high = inside.min(axis=1, keepdims=True), inside.max(axis=1, keepdims=True)
            alike = (np.abs(outside - (low + high) / 2) <= high - low).all(axis=0)
            moved[place, side] += (2 * side - 1) * np.logical_and.accumulate(alike).sum()
    return moved


def _prepare(leads, missing, kept, usual, fs):
    if missing is not None:
        left = _kept_samples(missing.all(axis=0), fs)
        if left is not None:
            leads, missing = leads[:, left], missing[:, left]
            kept = left if kept is None else kept[left]
        leads = bridge(leads, missing)
    if leads.shape[1] <= BLOCK * fs:
        return None
    n_averaged = max(1, int(fs / _AVERAGED))
    ratio = _working_ratio(fs / n_averaged)
    work = _low_pass(_scaled_means(leads, n_averaged, usual), fs / n_averaged, ratio)
    step = n_averaged / float(ratio)
    return WorkingSignal(leads, missing, kept, work, fs / step, step, (n_averaged - 1) / 2)


def find_missing(leads, fs):
    """Where leads (n_leads, n_timepoints) say nothing of the heart, and the usual range of a block of each.

    Missing are values that are not finite, flat lines of half a second and more, and absurd values: those that
    deviate from the median of the second around by ten times the usual range, as markers of invalid values do.

    Returns
    -------
    missing : ndarray of bool, shape (n_leads, n_timepoints), or None
        None where nothing is missing.
    usual : ndarray of shape (n_leads,)
        Range of the values of a usual block; zero for a flat lead, which is missing throughout.
    """
    masks, usual = [], np.zeros(len(leads))
    for place, lead in enumerate(leads):
        mask, usual[place] = _missing_of_lead(lead, fs)
        masks.append(mask)
    if all(mask is None for mask in masks):
        return None, usual
    nothing = np.zeros(leads.shape[1], dtype=bool)
    return np.stack([nothing if mask is None else mask for mask in masks]), usual


def bridge(leads, missing):
    """Leads in double precision, with half a period of a cosine from one live sample to the next; zero without any."""
    bridged = np.zeros(leads.shape)
    for line, lead, gone in zip(bridged, leads, missing, strict=True):
        known = np.flatnonzero(~gone)
        if known.size == 0:
            continue
        line[known] = lead[known]
        holes = np.flatnonzero(gone)
        right = np.searchsorted(known, holes)
        left, right = known[np.maximum(right - 1, 0)], known[np.minimum(right, known.size - 1)]
        share = (holes - left) / np.maximum(right - left, 1)
        line[holes] = line[left] + (line[right] - line[left]) * (1 - np.cos(np.pi * share)) / 2
    return bridged


def across_dead(leads, peaks, fs):
    """Whether two seconds and more without any lead lie between each peak and the next: bool, (n_peaks - 1,)."""
    across = np.zeros(max(len(peaks) - 1, 0), dtype=bool)
    if not (np.diff(peaks) > _DEAD_INTERVAL * fs).any():
        return across
    missing, _ = find_missing(leads, fs)
    if missing is not None:
        edges = np.flatnonzero(np.diff(missing.all(axis=0), prepend=False, append=False)).reshape(-1, 2)
        starts = edges[edges[:, 1] - edges[:, 0] >= _DEAD_INTERVAL * fs, 0]
        places = np.searchsorted(peaks, starts)
        across[places[(places > 0) & (places < len(peaks))] - 1] = True
    return across


def _missing_of_lead(lead, fs):
    """Mask of one lead, None where nothing is missing, and its usual range."""
    width, gone = max(2, round(_TILE * fs)), None
    low, high = _extremes(lead, width)
    if not (np.isfinite(low) & np.isfinite(high)).all():
        finite = np.isfinite(lead)
        if not finite.any():
            return ~finite, 0.0
        gone = ~finite
        lead = np.interp(np.arange(lead.size), np.flatnonzero(finite), lead[finite])
        low, high = _extremes(lead, width)
    with np.errstate(over="ignore"):
        span = high - low
    still = span <= _ROUNDING * np.maximum(np.abs(low), np.abs(high))
    if still.any():
        gone = _either(gone, _flat_stretches(_tiles(lead, width), still, _LEAST_FLAT * fs)[: lead.size])
    live = np.ones(low.size, dtype=bool) if gone is None else ~_tiles(gone, width).all(axis=1)
    usual, here = _usual_ranges(low[live], high[live])
    if usual == 0:
        return np.ones(lead.size, dtype=bool), 0.0
    limit = np.full(low.size, _ABSURD * usual)
    limit[live] = _ABSURD * here
    hot = live & (span > limit)
    if hot.any():
        gone = _either(gone, _absurd_samples(lead, hot, limit, width, fs))
    return gone, usual


def _either(mask, other):
    return other if mask is None else mask | other


def _extremes(lead, width):
    """Least and largest value of each tile, of which the last one may be short."""
    whole = lead[: lead.size // width * width].reshape(-1, width)
    low, high = whole.min(axis=1), whole.max(axis=1)
    rest = lead[whole.size :]
    return (np.append(low, rest.min()), np.append(high, rest.max())) if rest.size else (low, high)


def _tiles(lead, width):
    """The lead in pieces (n_tiles, width), the last one filled up with its last value."""
    lacking = -lead.size % width
    return (np.append(lead, np.full(lacking, lead[-1])) if lacking else lead).reshape(-1, width)


def _flat_stretches(tiles, still, shortest):
    """Mask of the samples of flat stretches of at least ``shortest`` samples; each covers a tile that is ``still``."""
    value, width = tiles[:, 0], tiles.shape[1]
    rounding = _ROUNDING * np.abs(value)
    joined = still[1:] & still[:-1] & (np.abs(np.diff(value)) <= rounding[1:])
    first = np.flatnonzero(still & ~np.append(False, joined))
    last = np.flatnonzero(still & ~np.append(joined, False))
    ahead, behind = tiles[np.maximum(first - 1, 0), ::-1], tiles[np.minimum(last + 1, len(tiles) - 1)]
    starts = first * width - np.where(first > 0, _n_alike(ahead, value[first], rounding[first]), 0)
    stops = (last + 1) * width + np.where(last + 1 < len(tiles), _n_alike(behind, value[last], rounding[last]), 0)
    long = stops - starts >= shortest
    return _inside(starts[long], stops[long], tiles.size)


def _n_alike(rows, value, rounding):
    """Number of values at the beginning of each row that are ``value``."""
    return np.logical_and.accumulate(np.abs(rows - value[:, None]) <= rounding[:, None], axis=1).sum(axis=1)


def _inside(starts, stops, n):
    """Mask of ``n`` samples: those from a start up to its stop."""
    steps = np.zeros(n + 1, dtype=np.int64)
    np.add.at(steps, starts, 1)
    np.add.at(steps, stops, -1)
    return np.cumsum(steps[:-1]) > 0


def _usual_ranges(low, high):
    """Range of the values of a block that holds a beat, from the extremes of tiles: of the lead, and near each tile.

    A quarter of the blocks may be without a beat or be artefacts. Where even the upper quartile is far above the median
    it is the artefacts' own. The range near a tile is no less than that of the lead: there may be a pause.
    """
    per_block = max(1, min(round(BLOCK / _TILE), low.size))
    n_blocks = low.size // per_block
    if n_blocks == 0:
        return 0.0, np.zeros(0)
    block_of_tile = np.minimum(np.arange(low.size) // per_block, n_blocks - 1)
    low, high = (edge[: n_blocks * per_block].reshape(n_blocks, per_block) for edge in (low, high))
    with np.errstate(over="ignore"):
        ranges = high.max(axis=1) - low.min(axis=1)
    median, upper = np.percentile(ranges, (50, 75))
    usual = float(min(upper, _ABSURD * median))
    near = np.maximum(median_filter(ranges, N_BLOCKS, mode="mirror"), usual)
    return usual, near[block_of_tile]


def _absurd_samples(lead, hot, limit, width, fs):
    """Mask of samples farther than their limit from the median of the samples around; they lie near ``hot`` tiles."""
    mask = np.zeros(lead.size, dtype=bool)
    near = np.convolve(hot, np.ones(5), mode="same") > 0  # an absurd stretch may fill a tile, which is flat then
    edges = np.flatnonzero(np.diff(near, prepend=False, append=False)).reshape(-1, 2)
    reach = round(_AROUND * fs / 2)
    for first, last in edges.tolist():
        start, stop = first * width, min(last * width, lead.size)
        before = min(reach, start)
        piece = lead[start - before : stop + reach].astype(np.float64)
        away = np.abs(piece - median_filter(piece, 2 * reach + 1, mode="mirror"))
        mask[start:stop] = away[before : before + stop - start] > np.repeat(limit[first:last], width)[: stop - start]
    return mask


def _kept_samples(dead, fs):
    """Samples left when long dead stretches are shortened, at the ends taken out; None where there are none."""
    edges = np.flatnonzero(np.diff(dead, prepend=False, append=False)).reshape(-1, 2)
    most = round(_LONGEST_BRIDGE * fs)
    starts, stops = edges[edges[:, 1] - edges[:, 0] > most].T
    if starts.size == 0:
        return None
    starts = np.where((starts == 0) | (stops == dead.size), starts, starts + most)
    return np.flatnonzero(~_inside(starts, stops, dead.size))


def _scaled_means(leads, n_averaged, usual):
    """Means of ``n_averaged`` consecutive samples, in units of the usual range of each lead from its middle."""
    n_kept = leads.shape[1] // n_averaged * n_averaged
    means = leads[:, :n_kept].reshape(len(leads), -1, n_averaged) @ np.full(n_averaged, 1 / n_averaged)
    means -= np.median(means[:, ::7], axis=1, keepdims=True)
    means /= np.where(usual > 0, usual, np.inf)[:, None]
    return np.clip(means, -_HIGHEST, _HIGHEST, out=means).astype(np.float32)


def _working_ratio(fs):
    """The fraction in lowest terms that leads from ``fs`` to within a tenth of the working rate."""
    for numerator in range(1, 11):
        denominator = max(1, round(fs * numerator / _RATE))
        if abs(fs * numerator / denominator - _RATE) <= 0.1 * _RATE:
            return Fraction(numerator, denominator)
    raise ValueError(f"No fraction leads from {fs:g} Hz to about {_RATE:g} Hz.")


@lru_cache(maxsize=32)
def _low_pass_filter(fs, ratio):
    """Taps at ``fs`` times the numerator, an odd number and symmetric, and half their number."""
    n_taps = 2 * int(1.3 * fs * ratio.numerator / (_STOP - _PASS)) + 1  # 50 dB
    taps = firwin(n_taps, (_PASS + _STOP) / 2, window=("kaiser", 4.55), fs=fs * ratio.numerator)
    return (ratio.numerator * taps).astype(np.float32), n_taps // 2


def _low_pass(signals, fs, ratio):
    """Signals below 25 Hz at ``ratio`` times their rate; sample ``i`` of them is at ``i / ratio`` of these."""
    taps, half = _low_pass_filter(fs, ratio)
    lead_in = -half % ratio.denominator  # so that the middle of the filter falls on a sample that is kept
    filtered = upfirdn(np.append(np.zeros(lead_in, np.float32), taps), signals, *ratio.as_integer_ratio(), mode="edge")
    first = (half + lead_in) // ratio.denominator
    n_kept = -(-signals.shape[1] * ratio.numerator // ratio.denominator)
    return filtered[:, first : first + n_kept]
