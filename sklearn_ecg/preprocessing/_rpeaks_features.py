"""Candidate R peaks, and the features that tell a QRS complex from everything else."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import butter, sosfilt, sosfilt_zi

_RATE = 100.0  # Hz; work is done at the integer fraction of fs nearest to it
_QRS_BAND = (10.0, 25.0)  # Hz; above most of the energy of P and T waves
_SHAPE_BAND = (3.0, 25.0)  # Hz; the deflections without the baseline
_BLOCK = 1.5  # s; a block of this length holds a beat more often than not
_N_BLOCKS = 9  # blocks in the running median of a level
_FLOOR = 0.1  # of the record's level: the least that a local level may be
_PRESUMED = 0.3  # of the level: higher candidates stand for beats until the decision
_N_EXEMPLARS = 40
_N_BEATS = 9  # beats in the running median of their energies
_HALF_QRS = 0.1  # s
_NEAR_TIE = 0.2  # log ratio of rise to fall, below which the beats around vote
_HUMP = 0.7  # of the highest: a hump that counts
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
        return _samples(_BLOCK, self.rate)

    def at_block(self, levels, index):
        """Values of ``levels`` (n_blocks,) in the blocks of the samples ``index``."""
        return levels[np.minimum(index // self.block, levels.size - 1)]


@dataclass(frozen=True)
class Candidates:
    """Candidate beats of one recording, in order.

    Attributes
    ----------
    bands : Bands
        The filtered recording.
    step : int
        Samples of the recording in one sample of ``bands``.
    centre : ndarray of int64, shape (n_candidates,)
        Centres of the energy, in samples of ``bands``.
    features : dict of str to ndarray of shape (n_candidates,)
        What the decision looks at, by name.
    """

    bands: Bands
    step: int
    centre: np.ndarray
    features: dict


def find_candidates(leads, fs):
    """Candidates of finite leads (n_leads, n_timepoints); None where the signal is too short or flat."""
    step = max(1, round(fs / _RATE))
    bands = _filter_bands(_decimate(leads, step), fs / step)
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
    return Candidates(bands, step, centre, features)


def locate_peaks(leads, candidates, chosen, fs):
    """Sample indices of the dominant deflections of the chosen candidates, in the lead that shows them best.

    Two ambiguities are settled so that RR intervals do not jump from beat to beat. A QRS may rise and fall about
    equally far: within a factor of exp(_NEAR_TIE) the direction most beats around take decides. A wide QRS may have
    two humps: the first that comes near the highest is the peak, which is where annotators put their mark.
    """
    bands, centre, step = candidates.bands, candidates.centre[chosen], candidates.step
    if centre.size == 0:
        return np.empty(0, dtype=np.int64)
    reach = _samples(_HALF_QRS, bands.rate)
    deflection = _windows(bands.shape, centre, reach)
    main = np.median(np.abs(deflection).max(axis=-1), axis=1).argmax()
    deflection, lead = deflection[main], leads[bands.kept[main]]
    rise, fall = np.maximum(deflection.max(axis=1), 1e-9), np.maximum(-deflection.min(axis=1), 1e-9)
    balance = np.log(rise / fall)
    tendency = np.sign(median_filter(balance, _N_BEATS, mode="nearest"))
    sign = np.where(balance + _NEAR_TIE * tendency > 0, 1, -1)[:, None]
    coarse = (centre - reach + _first_hump(deflection * sign)) * step + step // 2
    near = _samples(0.004, fs) + step // 2
    index = np.clip(coarse[:, None] + np.arange(-near, near + 1), 0, lead.size - 1)
    return index[np.arange(centre.size), (lead[index] * sign).argmax(axis=1)].astype(np.int64)


def _first_hump(windows):
    """Index of the first local maximum near the highest, in each window (n_windows, n_times)."""
    inner = windows[:, 1:-1]
    high = (inner >= windows[:, :-2]) & (inner >= windows[:, 2:]) & (inner >= _HUMP * windows.max(axis=1)[:, None])
    return np.where(high.any(axis=1), 1 + high.argmax(axis=1), windows.argmax(axis=1))


def _filter_bands(work, rate):
    """Filter and smooth all leads; None where there is nothing but a flat line, or less than one block of it."""
    block = _samples(_BLOCK, rate)
    if work.shape[1] <= block:
        return None
    energy = _band_pass(work, _QRS_BAND, rate)
    total = _running_total(np.abs(energy, out=energy))
    envelope = _boxcar(total, _samples(0.15, rate) | 1)  # about one wide QRS
    scale = np.median(_block_maxima(envelope, block), axis=1, keepdims=True)
    alive = scale[:, 0] > 1e-6
    if not alive.any():
        return None
    if not alive.all():
        work, total, envelope, scale = work[alive], total[alive], envelope[alive], scale[alive]
    shape = _band_pass(work, _SHAPE_BAND, rate)
    if len(work) > 1:
        scale *= _noisiness(envelope / scale, block)
    for signals in (shape, total, envelope):
        signals /= scale
    envelope = _magnitude(envelope)
    level = median_filter(_block_maxima(envelope, block), _N_BLOCKS, mode="nearest")
    level = np.maximum(level, _FLOOR * np.median(level) + 1e-12)
    return Bands(rate, shape, envelope, total, level, np.flatnonzero(alive))


def _noisiness(envelopes, block):
    """What divides each lead (n_leads, 1): the square of its rest between beats, over that of the quietest lead."""
    n_blocks = envelopes.shape[1] // block
    thinned = envelopes[:, : n_blocks * block].reshape(len(envelopes), n_blocks, block)[..., ::8]
    rest = np.maximum(np.median(np.percentile(thinned, 33, axis=2), axis=1, keepdims=True), 0.01)
    return (rest / rest.min()) ** 2


def _height_features(bands, centre, relative):
    """Height over the local level, and how much of that height the rest of the signal reaches."""
    n_blocks = bands.level.size
    thinned = bands.envelope[: n_blocks * bands.block].reshape(n_blocks, bands.block)[:, ::8]
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


def _decimate(leads, step):
    """Means of ``step`` consecutive samples without each lead's mean, scaled to one; float32 halves memory traffic."""
    n_kept = leads.shape[1] // step * step
    if n_kept == 0:
        return np.empty((len(leads), 0), dtype=np.float32)
    total = leads[:, 0:n_kept:step].astype(np.float64)
    for offset in range(1, step):
        total += leads[:, offset:n_kept:step]
    mean = total.mean(axis=1, keepdims=True)
    total -= mean
    swing = np.abs(total).max(axis=1, keepdims=True)
    swing[swing <= 1e-9 * np.abs(mean)] = np.inf  # a flat line, but for rounding
    return (total / swing).astype(np.float32)


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


def _block_maxima(signals, block):
    n_blocks = signals.shape[-1] // block
    return signals[..., : n_blocks * block].reshape(*signals.shape[:-1], n_blocks, block).max(axis=-1)


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


def _windows(signals, centre, reach, stride=1):
    """Windows (n_leads, n_centres, n_times) of ``reach`` samples on both sides, with the signal's end values held."""
    index = np.clip(centre[:, None] + np.arange(-reach, reach + 1, stride), 0, signals.shape[1] - 1)
    return signals[:, index]
