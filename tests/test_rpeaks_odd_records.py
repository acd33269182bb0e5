"""R peaks of records as recorders leave them: dead stretches, markers of invalid values, hum, very fast rhythms."""

import numpy as np
import pytest
from scipy.signal import resample_poly

from sklearn_ecg import BeatSegmenter, ImpulseTrainExtractor
from sklearn_ecg.datasets import fetch_mitdb, make_ecg
from sklearn_ecg.metrics import match_beats
from sklearn_ecg.preprocessing import detect_r_peaks

FS = 250


def f1_of(reference, detected, fs=FS, tolerance=0.05):
    return match_beats(reference, detected, fs=fs, tolerance=tolerance).f1


@pytest.fixture(scope="module")
def ecg():
    """Half a minute that is not quiet, and the peaks found in it."""
    record = make_ecg(30, fs=FS, ectopic={"V": 0.1}, baseline=0.2, muscle=0.03, random_state=4)
    signal = record.signal[0].astype(np.float64)
    peaks = detect_r_peaks(signal, fs=FS)
    assert f1_of(record.peaks, peaks) > 0.98
    return signal, peaks


def faint_noise(n):
    return 1e-3 * np.random.default_rng(0).normal(size=n)


DEAD = {
    "zeros": np.zeros,
    "NaN": lambda n: np.full(n, np.nan),
    "lead off": lambda n: np.full(n, -80.0),
    "amplifier noise": faint_noise,
}


def insert(signal, pieces, dead):
    """The signal in ``pieces`` with dead stretches before, between and after them; and where each sample was."""
    parts, places = [], []
    for piece, n_dead in pieces:
        parts += [dead(n_dead), signal[piece]]
        places += [np.full(n_dead, -1), np.arange(len(signal))[piece]]
    return np.concatenate(parts), np.concatenate(places)


LIVE = slice(None)
CUTS = slice(0, 1800), slice(1800, 4800), slice(4800, None)  # between beats
ARRANGEMENTS = {
    "after": [(LIVE, 0), (slice(0, 0), 60 * FS)],
    "long after": [(LIVE, 0), (slice(0, 0), 1800 * FS)],
    "before": [(LIVE, 90 * FS)],
    "between": [(CUTS[0], 0), (slice(1800, None), 60 * FS)],
    "everywhere": [(CUTS[0], 30 * FS), (CUTS[1], 40 * FS), (CUTS[2], 20 * FS), (slice(0, 0), 50 * FS)],
}


@pytest.mark.parametrize("dead", DEAD)
@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_dead_stretches_change_nothing(ecg, arrangement, dead):
    signal, peaks = ecg
    padded, places = insert(signal, ARRANGEMENTS[arrangement], DEAD[dead])
    found = places[detect_r_peaks(padded, fs=FS)]
    assert (found >= 0).all()
    assert f1_of(peaks, found) >= 0.995


@pytest.mark.parametrize("name", ["101", "109", "207"])
def test_dead_stretches_of_real_records(data_home, name):
    record = fetch_mitdb(data_home=data_home, download_if_missing=False, records=[name]).records[0]
    signal = record.signal[0, : 30 * 360].astype(np.float64)
    peaks = detect_r_peaks(signal, fs=record.fs)
    for filling in (0.0, np.nan):
        padded = np.concatenate([np.full(40 * 360, filling), signal, np.full(80 * 360, filling)])
        found = detect_r_peaks(padded, fs=record.fs) - 40 * 360
        assert f1_of(peaks, found, fs=record.fs) >= 0.995


def test_leads_that_are_dead_at_different_times():
    record = make_ecg(90, fs=FS, leads=("I", "II", "V2"), muscle=0.03, random_state=3)
    signal = record.signal.astype(np.float64)
    signal[0, 10 * FS :] = 0.0
    signal[1, : 40 * FS] = np.nan
    signal[2, 45 * FS :] = 5.0
    assert f1_of(record.peaks, detect_r_peaks(signal, fs=FS), tolerance=0.06) >= 0.99


def test_a_dead_lead_is_not_the_quietest():
    """What is dead most of the time rests more than any ECG, and must not outweigh the others when it is alive."""
    record = make_ecg(60, fs=FS, leads=("I", "II"), random_state=3)
    signal = record.signal.astype(np.float64)
    rng = np.random.default_rng(0)
    signal[0] += 0.4 * rng.normal(size=signal.shape[1])
    alone = detect_r_peaks(signal[1], fs=FS)
    signal[0, : 40 * FS] = 0.0
    assert f1_of(alone, detect_r_peaks(signal, fs=FS)) >= 0.99


ABSURD = {
    "one": [2500],
    "the first and the last": [0, 30 * FS - 1],
    "three in a row": [2500, 2501, 2502],
    "every seven seconds": np.arange(100, 30 * FS, 7 * FS),
    "a fifth of a second": np.arange(2900, 2900 + FS // 5),
}


@pytest.mark.parametrize("value", [-32768.0, -1e6, -(2.0**31), 1e30, -1e300])
@pytest.mark.parametrize("places", ABSURD)
def test_absurd_samples_change_nothing_elsewhere(ecg, value, places):
    signal, peaks = ecg
    index = ABSURD[places]
    broken = signal.copy()
    broken[index] = value
    away = np.abs(peaks[:, None] - np.ravel(index)).min(axis=1) > 0.1 * FS
    found = detect_r_peaks(broken, fs=FS)
    near = np.abs(found[:, None] - np.ravel(index)).min(axis=1) <= 0.1 * FS
    assert f1_of(peaks[away], found[~near]) == 1
    assert near.sum() <= (~away).sum()


def test_high_beats_are_not_absurd():
    """A ventricular standstill: beats far apart that rise far above the noise between them."""
    signal = 0.01 * np.random.default_rng(0).normal(size=60 * FS)
    beats = np.arange(3, 60, 4) * FS
    time = np.arange(-20, 21) / FS
    for beat in beats:
        signal[beat - 20 : beat + 21] += 2 * np.exp(-0.5 * (time / 0.02) ** 2)
    assert match_beats(beats, detect_r_peaks(signal, fs=FS), fs=FS).sensitivity > 0.9


HUM_FS = [128, 200, 250, 256, 257, 350, 360, 500, 1000, 2048]


@pytest.mark.parametrize("mains", [50, 60])
@pytest.mark.parametrize("fs", HUM_FS)
def test_mains_hum(fs, mains):
    record = make_ecg(60, fs=fs, baseline=0.1, muscle=0.02, random_state=1)
    hum = np.sin(2 * np.pi * mains * np.arange(record.signal.shape[1]) / fs)
    assert f1_of(record.peaks, detect_r_peaks(record.signal[0] + hum, fs=fs), fs=fs) >= 0.995


@pytest.mark.parametrize("fs", [49.9, 4001])
def test_sampling_frequencies_outside_are_refused(fs):
    with pytest.raises(ValueError, match="fs must be between 50 and 4000"):
        detect_r_peaks(np.zeros(1000), fs=fs)
    with pytest.raises(ValueError, match="fs must be between 50 and 4000"):
        BeatSegmenter(fs=fs).fit_transform(np.zeros((1, 1000)))
    with pytest.raises(ValueError, match="fs must be between 50 and 4000"):
        ImpulseTrainExtractor(fs=fs, method="peaks").fit(np.zeros((1, 1000)))


@pytest.mark.parametrize("fs", [50, 64, 1024, 2048, 4000])
def test_segments_and_impulse_trains_at_every_rate(ecg, fs):
    signal = resample_poly(ecg[0], fs, FS)
    found = detect_r_peaks(signal, fs=fs)
    assert f1_of(ecg[1] * fs / FS, found, fs=fs) >= 0.995
    beats = BeatSegmenter(fs=fs, window=(0.2, 0.3)).fit_transform(signal[None])
    assert beats.shape[1] >= len(found) - 2
    np.testing.assert_array_equal(beats[0, 1, round(0.2 * fs)], signal[found[found >= 0.2 * fs][1]])
    train = ImpulseTrainExtractor(fs=fs, method="peaks", binary=True).fit_transform(signal[None])
    np.testing.assert_array_equal(np.flatnonzero(train[0]), found)


@pytest.mark.parametrize("detector", ["xqrs", "callable"])
def test_foreign_detectors_get_no_holes(ecg, detector):
    signal, peaks = ecg
    rng = np.random.default_rng(0)
    broken = signal.copy()
    broken[rng.choice(signal.size, signal.size // 20, replace=False)] = np.nan
    broken[3000] = np.inf
    broken[20 * FS : 23 * FS] = -np.inf
    seen = []

    def ours(given, fs):
        seen.append(given)
        return detect_r_peaks(given, fs=fs)

    found = detect_r_peaks(broken, fs=FS, method="xqrs" if detector == "xqrs" else ours)
    assert all(np.isfinite(given).all() for given in seen)
    assert np.isfinite(broken[found]).all()
    outside = peaks[np.isfinite(broken[peaks]) & ((peaks < 19.8 * FS) | (peaks > 23.2 * FS)) & (peaks > FS)]
    assert match_beats(outside, found, fs=FS, tolerance=0.1).sensitivity > 0.95


def test_foreign_detectors_are_not_asked_about_nothing():
    def detector(signal, fs):
        raise AssertionError("called")

    assert detect_r_peaks(np.full(5000, np.nan), fs=FS, method=detector).size == 0


@pytest.mark.parametrize("rate", [200, 220, 240, 260, 300])
@pytest.mark.parametrize("width", [0.012, 0.025, 0.04])
def test_peaks_are_never_too_close(rate, width):
    fs, rng = 360, np.random.default_rng(rate)
    time = np.arange(30 * fs) / fs
    signal = 0.05 * rng.normal(size=time.size)
    for beat in np.arange(0.3, 30, 60 / rate):
        signal += np.exp(-0.5 * ((time - beat) / width) ** 2) - 0.3 * np.exp(-0.5 * ((time - beat - 0.05) / width) ** 2)
    assert np.diff(detect_r_peaks(signal, fs=fs)).min() >= 0.22 * fs


class TestSegmenter:
    def test_padded_records_have_their_beats(self, ecg):
        short = ecg[0][: 10 * FS]
        alone = BeatSegmenter(fs=FS).fit_transform(short[None])
        padded = BeatSegmenter(fs=FS).fit_transform(np.append(short, np.zeros(20 * FS))[None])
        assert not np.isnan(alone[0]).any()
        np.testing.assert_allclose(padded[0, : alone.shape[1]], alone[0])

    def test_a_dead_stretch_is_no_interval(self, ecg):
        """The beats beside it have the windows and features of the rhythm, not of the gap."""
        signal = ecg[0].copy()
        signal[12 * FS : 20 * FS] = 0.0
        beats = BeatSegmenter(fs=FS, window="rr", side_features=["log_rr"]).fit_transform(signal[None])
        assert np.nanmax(beats[..., -1]) < np.log(1.6)
        inside = detect_r_peaks(signal, fs=FS)
        assert beats.shape[1] >= len(inside) - 2

    def test_impulse_trains(self, ecg):
        padded = np.append(ecg[0][: 10 * FS], np.zeros(20 * FS))
        train = ImpulseTrainExtractor(fs=FS, method="peaks", binary=True).fit_transform(padded[None])
        np.testing.assert_array_equal(np.flatnonzero(train[0]), detect_r_peaks(ecg[0][: 10 * FS], fs=FS))
