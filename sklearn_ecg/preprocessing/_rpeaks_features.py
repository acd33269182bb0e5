"""Candidate R peaks, and the features that tell a QRS complex from everything else."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import butter, sosfilt, sosfilt_zi

from ._rpeaks_signal import BLOCK, N_BLOCKS, WorkingSignal, leave_out

_QRS_BAND = (10.0, 25.0)  # Hz; above most of the energy of P and T waves
_SHAPE_BAND = (3.0, 25.0)  # Hz; the deflections without the baseline
_SMALLEST = 2e-4  # of the usual range of a lead: a smaller level is rounding
_FAINT = 1 / 30  # of the highest lasting level: what is lower is an ECG only if it rests between beats
_LEAST_FAINT = 2  # blocks in a row
_RESTLESS = 0.4  # of the maxima: noise does not rest below
_FLOOR = 0.1  # of the record's level: the least that a local level may be
_PRESUMED = 0.3  # of the level: higher candidates stand for beats until the decision
_N_EXEMPLARS = 40
_N_BEATS = 9  # beats in the running median of their energies
_HALF_QRS = 0.1  # s
_NEAR_TIE = 0.2  # log ratio of rise to fall, below which the beats around vote
_HUMP = 0.7  # of the highest: a hump that counts
_DEAD = 0.1  # of the usual deflection of a lead: what is smaller is no QRS
_ABSENT = -5.0  # log height of a neighbour that is not there


@dataclass(frozen=True)
class Bands:
    """What all leads show at the working rate, in units of each lead's level.

    Attributes
    ----------
    shape : ndarray of shape (n_leads, n_times)
        3–25 Hz band: the deflections without the baseline.
    envelope : ndarray of shape (n_times,)
        Rectified 10–25 Hz band, smoothed over one wide QRS.
    total : ndarray of shape (n_leads, n_times + 1)
        Running totals of the rectified band.
    level : ndarray of shape (n_blocks,)
        Local height of the envelope at a QRS.
    kept : ndarray of int64, shape (n_leads,)
        The leads that are not flat.
    """

    rate: float
    shape: np.ndarray
    envelope: np.ndarray
    total: np.ndarray
    level: np.ndarray
    kept: np.ndarray

    @property
    def block(self):
        return _samples(BLOCK, self.rate)

    def at_block(self, levels, index):
        """Values of ``levels`` (n_blocks,) in the blocks of the samples ``index``."""
        return levels[np.minimum(index // self.block, levels.size - 1)]


@dataclass(frozen=True)
class Candidates:
    """Candidate beats of one recording, in order.

    Attributes
    ----------
    signal : WorkingSignal
        The recording.
    bands : Bands
        The filtered recording.
    centre : ndarray of int64, shape (n_candidates,)
        Centres of the energy, in samples of ``bands``.
    features : dict of str to ndarray of shape (n_candidates,)
        What the decision looks at, by name.
    """

    signal: WorkingSignal
    bands: Bands
    centre: np.ndarray
    features: dict

    @property
    def time(self):
        """Centres in seconds, in the recording without its long dead stretches."""
        return self.centre / self.bands.rate

    @property
    def sample(self):
        """Centres in samples of the recording."""
        return self.signal.to_recording(self.signal.to_samples(self.centre))


def find_candidates(signal):
    """Candidates of a :class:`WorkingSignal`; None where it is too short or flat."""
    bands = _filter_bands(signal)
    noise = None if bands is None else _faint_noise(bands)
    if noise is not None:
        signal = leave_out(signal, noise)
        bands = None if signal is None else _filter_bands(signal)
    if bands is None:
        return None
    reach = _samples(_HALF_QRS, bands.rate)
    centre = _local_maxima(bands.envelope, reach)
    relative = bands.envelope[centre] / bands.at_block(bands.level, centre)
    centre, relative = centre[relative > 1e-3], relative[relative > 1e-3]
    if centre.size == 0:
        return None
    presumed = relative > _PRESUMED
    deflection = _windows(bands.shape, centre, reach)
    peak = centre - reach + _magnitude(deflection).argmax(axis=-1)
    features = {
        **_height_features(bands, centre, relative),
        **_size_features(deflection, presumed),
        **_neighbour_features(centre / bands.rate, np.log(relative)),
        **_rhythm_features(centre / bands.rate, presumed),
        **_shape_features(_windows(bands.shape, peak, reach, stride=2), presumed),
    }
    return Candidates(signal, bands, centre, features)


def locate_peaks(candidates, chosen):
    """Samples of the signal's leads where the chosen candidates have their dominant deflections.

    A candidate is looked for up to halfway to its neighbours, in the lead that shows most of them best, or in another
    where that lead is dead. Two ambiguities are settled so that RR intervals do not jump from beat to beat. A QRS may
    rise and fall about equally far: within a factor of exp(_NEAR_TIE) the direction most beats around take decides. A
    wide QRS may have two humps: the first that comes near the highest is the peak, which is where annotators put their
    mark.
    """
    signal, bands, centre = candidates.signal, candidates.bands, candidates.centre[chosen]
    if centre.size == 0:
        return np.empty(0, dtype=np.int64)
    deflection, lead = _in_best_lead(_windows(bands.shape, centre, _samples(_HALF_QRS, bands.rate), territories=True))
    rise, fall = np.maximum(deflection.max(axis=1), 1e-9), np.maximum(-deflection.min(axis=1), 1e-9)
    balance = np.log(rise / fall)
    tendency = np.sign(median_filter(balance, _N_BEATS, mode="nearest"))
    sign = np.where(balance + _NEAR_TIE * tendency > 0, 1, -1)[:, None]
    coarse = signal.to_samples(centre - deflection.shape[1] // 2 + _first_hump(deflection * sign))
    near = _samples(0.004, signal.step * bands.rate) + int(signal.step / 2)
    index = np.clip(coarse[:, None] + np.arange(-near, near + 1), 0, signal.leads.shape[1] - 1)
    values = signal.leads[bands.kept[lead][:, None], index] * sign
    return index[np.arange(centre.size), values.argmax(axis=1)]


def _in_best_lead(deflection):
    """Windows (n_centres, n_times) of windows (n_leads, n_centres, n_times): each of one lead; and which lead."""
    size = np.abs(deflection).max(axis=-1)
    usual = np.median(size, axis=1)
    best = usual.argmax()
    lead = np.where(size[best] > _DEAD * usual[best], best, size.argmax(axis=0))
    return deflection[lead, np.arange(lead.size)], lead


def _first_hump(windows):
    """Index of the first local maximum near the highest, in each window (n_windows, n_times)."""
    inner = windows[:, 1:-1]
    high = (inner >= windows[:, :-2]) & (inner >= windows[:, 2:]) & (inner >= _HUMP * windows.max(axis=1)[:, None])
    return np.where(high.any(axis=1), 1 + high.argmax(axis=1), windows.argmax(axis=1))


def _filter_bands(signal):
    """Filter and smooth all leads; None where there is nothing but a flat line, or less than one block of it."""
    work, rate = signal.work, signal.rate
    block = _samples(BLOCK, rate)
    n_blocks = work.shape[1] // block
    if work.shape[1] <= block:
        return None
    energy = _band_pass(work, _QRS_BAND, rate)
    total = _running_total(np.abs(energy, out=energy))
    envelope = _boxcar(total, _samples(0.15, rate) | 1)  # about one wide QRS
    share = signal.live_share(n_blocks, block)
    dead = None if share is None else share < 0.5
    scale = _median_of_blocks(_block_maxima(envelope, block), dead)
    alive = scale[:, 0] > _SMALLEST
    if not alive.any():
        return None
    if not alive.all():
        work, total, envelope, scale = work[alive], total[alive], envelope[alive], scale[alive]
        dead = None if dead is None else dead[alive]
    shape = _band_pass(work, _SHAPE_BAND, rate)
    if len(work) > 1:
        scale *= _noisiness(envelope / scale, block, dead)
    for signals in (shape, total, envelope):
        signals /= scale
    envelope = _magnitude(envelope)
    level = median_filter(_block_maxima(envelope, block), N_BLOCKS, mode="mirror")
    level = np.maximum(level, _FLOOR * np.median(level) + 1e-12)
    return Bands(rate, shape, envelope, total, level, np.flatnonzero(alive))


def _faint_noise(bands):
    """Where there is nothing but faint noise beside a record of much more, (n_stretches, 2); None without any.

    The electrodes were off. An ECG rests between its beats, which noise does not: what is faint but rests is an ECG
    beside artefacts.
    """
    largest = _block_maxima(bands.envelope, bands.block)
    faint = bands.envelope < _FAINT * median_filter(largest, N_BLOCKS, mode="mirror").max()
    edges = np.flatnonzero(np.diff(faint, prepend=False, append=False)).reshape(-1, 2)
    edges = edges[edges[:, 1] - edges[:, 0] >= _LEAST_FAINT * bands.block]
    if not len(edges):
        return None
    blocks = np.concatenate([_whole_blocks(bands.envelope[start:stop], bands.block) for start, stop in edges])
    rest = np.median(np.percentile(blocks[:, ::8], 33, axis=1) / blocks.max(axis=1))
    return edges if rest > _RESTLESS else None


def _median_of_blocks(values, dead):
    """Median over the blocks of each lead that are not dead, (n_leads, 1); zero for a lead without any."""
    if dead is None:
        return np.median(values, axis=1, keepdims=True)
    of_leads = [np.median(row[~gone]) if not gone.all() else 0.0 for row, gone in zip(values, dead, strict=True)]
    return np.array(of_leads, dtype=values.dtype)[:, None]


def _noisiness(envelopes, block, dead):
    """What divides each lead (n_leads, 1): the square of its rest between beats, over that of the quietest lead."""
    thinned = _whole_blocks(envelopes, block)[..., ::8]
    rest = np.maximum(_median_of_blocks(np.percentile(thinned, 33, axis=2), dead), 0.01)
    return (rest / rest.min()) ** 2


def _height_features(bands, centre, relative):
    """Height over the local level, and how much of that height the rest of the signal reaches."""
    thinned = _whole_blocks(bands.envelope, bands.block)[:, ::8]
    third = thinned.shape[1] // 3
    quiet = median_filter(np.partition(thinned, third, axis=1)[:, third], 3, mode="nearest")
    return {
        "height": np.log(relative),
        "quiet": np.log(bands.at_block(quiet / bands.level, centre) + 1e-3),
        "busy": np.log(_magnitude(_means(bands.total, centre, _samples(0.5, bands.rate))) / bands.envelope[centre]),
    }


def _size_features(deflection, presumed):
    """Area and slope of the deflections in windows (n_leads, n_candidates, n_times), over those of beats."""
    area = _magnitude(np.abs(deflection).mean(axis=-1))
    slope = _magnitude(np.abs(np.diff(deflection, axis=-1)).mean(axis=-1))
    return {"area": _over_beats(area, presumed), "slope": _over_beats(slope, presumed)}


def _over_beats(value, presumed):
    """Log ratio to the running median over the presumed beats."""
    beats = np.flatnonzero(presumed)
    if beats.size == 0:
        return np.zeros(value.size)
    level = median_filter(value[beats], _N_BEATS, mode="nearest")
    nearest = np.clip(np.searchsorted(beats, np.arange(value.size)), 0, beats.size - 1)
    return np.log(value / (level[nearest] + 1e-12) + 1e-3)


def _neighbour_features(time, height):
    """Highest other candidate within 0.2 s, and from there to 0.4 s before and after, as log ratio to this one."""
    near, before, after = np.full((3, time.size), _ABSENT)
    height = np.maximum(height, _ABSENT)
    for offset in range(1, 5):  # maxima lie at least 0.1 s apart
        gap = time[offset:] - time[:-offset]
        close, far = gap < 0.2, (gap >= 0.2) & (gap < 0.4)
        earlier, later = height[:-offset], height[offset:]
        _raise_to(near[offset:], earlier, close)
        _raise_to(near[:-offset], later, close)
        _raise_to(before[offset:], earlier, far)
        _raise_to(after[:-offset], later, far)
    return {"rival_near": near - height, "rival_before": before - height, "rival_after": after - height}


def _raise_to(highest, height, where):
    np.maximum(highest, height, out=highest, where=where)


def _rhythm_features(time, presumed):
    """Gaps to the presumed beats on both sides, in units of their local median interval."""
    beats = time[presumed]
    if beats.size < 3:
        one = np.ones(time.size)
        return {"gap_before": one, "gap_after": one, "gap": 2 * one, "interval": one}
    interval = median_filter(np.diff(beats), 15, mode="nearest")
    left = np.searchsorted(beats, time - 1e-6) - 1
    right = np.searchsorted(beats, time + 1e-6)
    typical = interval[np.clip(left, 0, interval.size - 1)]
    before = np.where(left >= 0, time - beats[np.maximum(left, 0)], typical)
    after = np.where(right < beats.size, beats[np.minimum(right, beats.size - 1)] - time, typical)
    return {
        "gap_before": np.clip(before / typical, 0, 2),
        "gap_after": np.clip(after / typical, 0, 2),
        "gap": np.clip((before + after) / typical, 0, 4),
        "interval": np.clip(typical, 0.2, 2),
    }


def _shape_features(windows, presumed):
    """Third best correlation with presumed beats spread over the record: one could be chance, or the beat itself."""
    snippets = windows.transpose(1, 0, 2).reshape(presumed.size, -1)
    snippets = snippets - snippets.mean(axis=1, keepdims=True)
    snippets /= np.linalg.norm(snippets, axis=1, keepdims=True) + 1e-12
    beats = np.flatnonzero(presumed)
    if beats.size < 4:
        return {"alike": np.zeros(presumed.size)}
    beats = beats[np.linspace(0, beats.size - 1, min(beats.size, _N_EXEMPLARS)).astype(int)]
    correlation = snippets @ snippets[beats].T
    correlation[beats, np.arange(beats.size)] = -1
    return {"alike": np.partition(correlation, beats.size - 3, axis=1)[:, beats.size - 3]}


@lru_cache(maxsize=32)
def _butterworth(band, rate):
    sos = butter(2, band, "bandpass", fs=rate, output="sos")
    return sos.astype(np.float32), sosfilt_zi(sos).astype(np.float32)


def _band_pass(signals, band, rate):
    """Second-order Butterworth band-pass, forward and backward, with the end values held."""
    sos, state = _butterworth(band, rate)
    for _ in range(2):
        signals, _ = sosfilt(sos, signals, axis=-1, zi=state[:, None] * signals[:, :1])
        signals = signals[:, ::-1]
    return signals


def _running_total(signals):
    """Sums (n_leads, n_times + 1) of the samples before each."""
    total = np.zeros((len(signals), signals.shape[1] + 1))
    np.cumsum(signals, axis=1, out=total[:, 1:])
    return total


def _boxcar(total, width):
    """Mean over an odd number of samples, (n_leads, n_times), from running totals; zero is assumed beyond the ends."""
    half = width // 2
    smooth = np.empty((len(total), total.shape[1] - 1), dtype=np.float32)
    np.subtract(total[:, width:], total[:, :-width], out=smooth[:, half:-half], casting="same_kind")
    smooth[:, :half] = total[:, half + 1 : width]
    smooth[:, -half:] = total[:, -1:] - total[:, -width : -half - 1]
    smooth /= width
    return smooth


def _means(total, centre, half):
    """Means (n_leads, n_centres) over ``half`` samples on both sides, cut at the ends, from running totals."""
    first = np.maximum(centre - half, 0)
    last = np.minimum(centre + half + 1, total.shape[1] - 1)
    return (total[:, last] - total[:, first]) / (last - first)


def _magnitude(signals):
    """Root of the summed squares over leads."""
    return np.abs(signals[0]) if len(signals) == 1 else np.sqrt(np.square(signals).sum(axis=0))


def _whole_blocks(signals, block):
    """Signals (..., n_times) as (..., n_blocks, block), without what is left at their end."""
    n_blocks = signals.shape[-1] // block
    return signals[..., : n_blocks * block].reshape(*signals.shape[:-1], n_blocks, block)


def _block_maxima(signals, block):
    return _whole_blocks(signals, block).max(axis=-1)


def _samples(seconds, rate):
    return round(seconds * rate)


def _local_maxima(envelope, reach):
    """Local maxima that nothing exceeds within ``reach`` samples."""
    rises = envelope[1:] > envelope[:-1]
    index = np.flatnonzero(rises[:-1] & ~rises[1:]) + 1
    last = envelope.size - 1
    for offset in range(2, reach + 1):
        height = envelope[index]
        left, right = envelope[np.maximum(index - offset, 0)], envelope[np.minimum(index + offset, last)]
        index = index[(height > left) & (height >= right)]
    return index


def _windows(signals, centre, reach, *, stride=1, territories=False):
    """Windows (n_leads, n_centres, n_times) of ``reach`` samples on both sides, with the signal's end values held.

    With ``territories`` a window ends halfway to the next centre on either side, and holds zeros from there on.
    """
    offsets = np.arange(-reach, reach + 1, stride)
    index = centre[:, None] + offsets
    windows = signals[:, np.clip(index, 0, signals.shape[1] - 1)]
    if territories and centre.size > 1:
        middle = (centre[1:] + centre[:-1]) / 2
        first, last = np.append(-np.inf, middle), np.append(middle, np.inf)
        windows[:, (index < first[:, None]) | (index > last[:, None])] = 0
    return windows
