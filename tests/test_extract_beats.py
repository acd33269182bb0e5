import numpy as np
import pytest

from sklearn_ecg.preprocessing import extract_beats
from sklearn_ecg.preprocessing._beat_features import INTERVAL_FEATURES, SIDE_FEATURES
from sklearn_ecg.signals._annotations import lead_index


@pytest.fixture
def signal():
    return np.random.default_rng(0).normal(size=(2, 3600)).astype(np.float32)


def rr_features(peaks, names):
    """Interval features of beats at 360 Hz, cut from a signal of zeros."""
    signal = np.zeros((1, int(peaks[-1]) + 1))
    return extract_beats(signal, peaks, fs=360, side_features=names).data[:, 256:]


def tones(fs, duration=10.0):
    time = np.arange(round(duration * fs)) / fs
    return np.stack([np.sin(2 * np.pi * 5 * time), np.cos(2 * np.pi * 12 * time)])


def test_rows_are_the_signal_around_the_peak(signal):
    beats = extract_beats(signal, [500, 900], fs=360, bandpass=None)
    assert beats.data.dtype == np.float32 and beats.data.shape == (2, 2 * 256 + 4)
    np.testing.assert_array_equal(beats.data[0, :256], signal[0, 392:648])
    np.testing.assert_array_equal(beats.data[1, 256:512], signal[1, 792:1048])
    assert beats.record.tolist() == [0, 0] and beats.position.tolist() == [500, 900]
    assert beats.n_leads == 2 and beats.n_side_features == 4 and beats.feature_names is None


def test_several_records_and_leads_by_name(signal):
    other = np.vstack([signal, signal[:1] + 1])
    beats = extract_beats(
        [signal, other],
        [[500], [600, 1000, 1500]],
        fs=360,
        leads=["II"],
        lead_names=[["MLII", "V5"], ["V1", "V2", "MLII"]],
        bandpass=None,
    )
    assert beats.record.tolist() == [0, 1, 1, 1] and beats.n_leads == 1
    np.testing.assert_array_equal(beats.data[1, :256], other[2, 492:748])
    assert beats.feature_names[[0, 255]].tolist() == ["MLII_0000", "MLII_0255"]
    mixed = extract_beats([signal, other], [[500], [600]], fs=360, leads=1, lead_names=[["A", "B"], ["V1", "V2", "X"]])
    assert mixed.feature_names[0] == "lead1_0000"
    stacked = extract_beats(np.stack([signal, signal]), [[500], [600]], fs=360, leads=[1])
    assert stacked.record.tolist() == [0, 1] and stacked.data.shape == (2, 260)


def test_lead_index():
    assert lead_index(["V5", "MLII"], "II") == lead_index(["V5", "II"], "MLII") == 1
    assert lead_index(["AVR", "v1"], "aVR") == 0 and lead_index(["V5"], "V1") == -1


def test_border_samples_are_repeated(signal):
    beats = extract_beats(signal, [0, 3599], fs=360, bandpass=None, leads=[0], side_features=())
    assert (beats.data[0, :109] == signal[0, 0]).all() and (beats.data[1, 108:] == signal[0, -1]).all()


@pytest.mark.parametrize("fs", [128, 250, 500, 1000])
def test_any_sampling_frequency(fs):
    reference = extract_beats(tones(360), [1800], fs=360, side_features=[])
    other = extract_beats(tones(fs), [5 * fs], fs=fs, side_features=[])
    assert other.data.shape == (1, 512)
    np.testing.assert_allclose(other.data, reference.data, atol=0.02)


def test_no_alias_on_a_coarse_grid():
    fast = np.sin(2 * np.pi * 130 * np.arange(10_000) / 1000)[None]
    beats = extract_beats(fast, [5000], fs=1000, bandpass=None, n_timepoints=71, window=(0.3, 0.41), side_features=[])
    assert np.abs(beats.data).max() < 0.05


def test_band_pass_removes_drift():
    time = np.arange(7200) / 360
    clean = np.sin(2 * np.pi * 8 * time)
    drifting = (clean + 3 + 2 * np.sin(2 * np.pi * 0.05 * time))[None]
    beats = extract_beats(drifting, [3600], fs=360, side_features=[])
    np.testing.assert_allclose(beats.data[0], clean[3600 - 108 : 3600 + 148], atol=0.1)


def test_interval_features_by_hand():
    peaks = np.cumsum([100, 360, 180, 540, 360])  # intervals of 1, .5, 1.5 and 1 s, mean and median 1
    features = dict(zip(INTERVAL_FEATURES, rr_features(peaks, list(INTERVAL_FEATURES)).T, strict=True))
    half, more = np.log(0.5), np.log(1.5)
    wanted = {
        "rr_previous": [1, 1, 0.5, 1.5, 1],
        "rr_next": [1, 0.5, 1.5, 1, 1],
        "rr_ratio": [1, 1, 0.5, 1.5, 1],
        "rr_local": [1, 1, 0.75, 1, 1],
        "rr_next_ratio": [1, 0.5, 1.5, 1, 1],
        "rr_ratio_causal": [1, 1, 0.5 / 0.75, 1.5, 1],
        "rr_local_ratio": [1, 1, 0.5 / 0.75, 1.5, 1],
        "log_rr_previous_to_next": [0, -half, half - more, more, 0],
        "log_rr_previous_to_record": [0, 0, half, more, 0],
        "log_rr_next_to_record": [0, half, more, 0, 0],
        "log_rr_previous_to_local": [0, 0, half, more, 0],  # all medians are 1 s: edges repeat the ends
        "log_rr_next_to_local": [0, half, more, 0, 0],
        "log_rr_previous_to_recent": [0, 0, np.log(0.5 / (2.5 / 3)), np.log(1.5), 0],
        "log_rr_previous_to_last": [0, 0, half, more - half, -more],
        "log_rr_last_to_local": [0, 0, 0, half, more],
        "log_rr_second_next_to_local": [half, more, 0, 0, 0],
    }
    top = 0.6 * np.log(1.5)  # percentile 90 of five values lies 0.6 of the way from the fourth to the fifth
    wanted["log_rr_previous_to_record_q90"] = np.array(wanted["log_rr_previous_to_record"]) - top
    wanted["log_rr_next_to_record_q90"] = np.array(wanted["log_rr_next_to_record"]) - top
    wanted["rr_local"][2:] = [2.5 / 3, 1, 1]
    wanted["rr_local_ratio"][2:] = [0.5 / (2.5 / 3), 1.5, 1]
    wanted["rr_ratio_causal"][2:] = wanted["rr_local_ratio"][2:]
    for name, values in wanted.items():
        np.testing.assert_allclose(features[name], values, atol=1e-6, err_msg=name)


def test_features_of_spread_by_hand():
    intervals = np.tile([324, 396], 60)  # .9 and 1.1 s in turn
    names = ["log_rr_spread", "log_rr_jitter", "rr_previous_z", "rr_next_z"]
    spread, jitter, previous, following = rr_features(np.cumsum(intervals), names)[60]
    step = np.log(1.1 / 0.9)
    assert spread == pytest.approx(np.log(step + 0.01), abs=1e-5)
    assert jitter == pytest.approx(np.log(step + 0.01), abs=1e-5)
    assert previous == 0  # 17 of the 33 intervals are of its own kind
    assert abs(following) == pytest.approx(step / (step + 0.05), abs=1e-5)


def test_shape_features_of_a_triangle():
    """A triangular wave of 1 mV, 101 samples at its foot: half as wide at half its height, a quarter less at 25 %."""
    triangle = np.maximum(1 - np.abs(np.arange(-50, 51)) / 50.5, 0)
    signal = np.zeros((1, 20_000))
    peaks = np.arange(1000, 19_000, 1000)
    for peak in peaks:
        signal[0, peak - 50 : peak + 51] = triangle
    signal[0, 9000 - 50 : 9000 + 51] *= -2  # one beat twice as high and upside down
    names = ["qrs_r", "qrs_max", "qrs_min", "qrs_height", "qrs_width_50", "qrs_width_25", "qrs_slope",
             "qrs_correlation_to_record", "log_qrs_height_to_record", "log_qrs_width_50_to_record"]  # fmt: skip
    beats = extract_beats(
        signal, peaks, fs=1000, bandpass=None, window=(0.3, 0.3), n_timepoints=600, side_features=names
    )
    features = dict(zip(names, beats.data[:, 600:].T, strict=True))
    odd = peaks == 9000
    for name, usual, other in [
        ("qrs_r", 1, -2),
        ("qrs_max", 1, 0),
        ("qrs_min", 0, -2),
        ("qrs_height", 1, 2),
        ("qrs_width_50", 0.051, 0.051),
        ("qrs_width_25", 0.075, 0.075),
        ("qrs_slope", 1 / 50.5, 2 / 50.5),
        ("log_qrs_height_to_record", np.log(1.02), np.log(2.02)),
        ("log_qrs_width_50_to_record", 0, 0),
    ]:
        np.testing.assert_allclose(features[name], np.where(odd, other, usual), atol=1e-3, err_msg=name)
    np.testing.assert_allclose(features["qrs_correlation_to_record"][~odd], 1, atol=1e-5)
    assert features["qrs_correlation_to_record"][odd] < 0.1


def test_local_rhythm_is_the_last_ten():
    intervals = np.r_[np.full(5, 720), np.full(12, 360)]
    features = rr_features(np.cumsum(intervals), ["rr_local"])[:, 0]
    assert features[-1] == 1.0 and features[5] > 1.2


def test_causal_features_do_not_see_the_future():
    peaks = np.cumsum(np.random.default_rng(0).integers(200, 500, size=30))
    names = ["rr_previous", "rr_local", "rr_ratio_causal", "rr_local_ratio"]
    whole, early = (rr_features(at, names) for at in (peaks, peaks[:20]))
    np.testing.assert_allclose(whole[1:20], early[1:])


def test_gaps_are_clipped():
    features = rr_features([0, 360, 36_360, 36_720], ["rr_previous"])[:, 0]
    assert features.tolist() == [1, 1, 3, 1]


@pytest.mark.parametrize("peaks, previous", [([], []), ([700], [1.0])])
def test_few_peaks(signal, peaks, previous):
    beats = extract_beats(signal, peaks, fs=360, side_features=list(SIDE_FEATURES))
    assert beats.data.shape == (len(peaks), 512 + len(SIDE_FEATURES)) and np.isfinite(beats.data).all()
    assert beats.data[:, 512].tolist() == previous


@pytest.mark.parametrize("n_timepoints", [1, 2, 7, 40])
def test_short_signals(n_timepoints):
    short = np.ones((1, n_timepoints))
    for fs in (250, 360):
        beats = extract_beats(short, [0], fs=fs, scale="beat")
        assert np.isfinite(beats.data).all()


def test_scale(signal):
    signal = signal * 5 + 2
    by_beat = extract_beats(signal, [500, 900], fs=360, scale="beat", bandpass=None, side_features=[])
    cube = by_beat.data.reshape(2, 2, 256)
    np.testing.assert_allclose(cube.mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(cube.std(axis=2), 1, atol=1e-4)
    by_record = extract_beats(signal, [500], fs=360, scale="record", bandpass=None, side_features=[], leads=[0])
    whole = (signal[0] - signal[0].mean()) / signal[0].std()
    np.testing.assert_allclose(by_record.data[0], whole[392:648], atol=1e-4)
    flat = extract_beats(np.ones((1, 900)), [400], fs=360, scale="beat", side_features=[])
    assert (flat.data == 0).all()


@pytest.fixture
def premature():
    """Record of which 3 beats in 4 come early and have a P wave of another sign; beats, and which are early."""
    rng = np.random.default_rng(0)
    early = rng.random(200) < 0.75
    peaks = np.cumsum(np.where(early, 220, 330)) + 300
    signal = np.zeros((1, peaks[-1] + 400))
    for peak, is_early in zip(peaks, early, strict=True):
        signal[0, peak - 5 : peak + 6] += 2 * np.hanning(11)
        signal[0, peak - 70 : peak - 39] += (-0.2 if is_early else 0.2) * np.hanning(31)
    return signal, peaks, early


def test_late_beats_are_the_reference_even_where_they_are_few(premature):
    signal, peaks, early = premature
    options = {"fs": 360, "bandpass": None, "window": (0.3, 0.1), "n_timepoints": 144}
    beats = extract_beats(signal, peaks, scale="late", side_features=[], **options).data[1:]  # the first: a made-up RR
    assert np.abs(beats[~early[1:]]).max() < 1e-6
    np.testing.assert_allclose(beats[early[1:]].min(), -0.4 / 2, rtol=1e-3)  # twice the P wave over the QRS
    assert (beats[early[1:]].argmin(axis=1) == 108 - 55).all()
    in_other_unit = extract_beats(signal * 5 + 3, peaks, scale="late", side_features=[], **options).data[1:]
    np.testing.assert_allclose(in_other_unit, beats, atol=1e-5)
    side = extract_beats(signal, peaks, side_features=["p_distance_to_late", "log_qrs_distance_to_late"], **options)
    p, qrs = side.data[1:, 144:].T
    assert p[early[1:]].min() > p[~early[1:]].max() + 2
    assert np.abs(qrs).max() < 0.1


def test_scale_late_of_flat_and_single_beats(signal):
    flat = extract_beats(np.ones((2, 3000)), [500, 900, 1300], fs=360, scale="late", side_features=[])
    assert (flat.data == 0).all()
    single = extract_beats(signal, [500], fs=360, scale="late", side_features=[])
    assert (single.data == 0).all()  # it is its own reference
    none = extract_beats(signal, np.array([], dtype=int), fs=360, scale="late", side_features=[])
    assert none.data.shape == (0, 512)


def test_input_is_not_changed_and_may_be_mapped(signal, tmp_path):
    mapped = np.memmap(tmp_path / "signal", dtype=np.float32, mode="w+", shape=signal.shape)
    mapped[:] = signal
    beats = extract_beats(mapped, np.array([500, 900]), fs=360)
    np.testing.assert_array_equal(mapped, signal)
    listed = extract_beats(signal.tolist(), [500, 900], fs=360)
    np.testing.assert_allclose(listed.data, beats.data, atol=1e-6)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"fs": 0}, "fs must be"),
        ({"fs": -1}, "fs must be"),
        ({"peaks": [4000]}, "peaks outside its 3600 samples"),
        ({"peaks": [-1]}, "peaks outside"),
        ({"peaks": [900, 500]}, "strictly increasing"),
        ({"peaks": [500, 500]}, "strictly increasing"),
        ({"peaks": [500.5]}, "1-D array of integers"),
        ({"leads": ["V1"], "lead_names": ["MLII", "V5"]}, "Record 0 has no lead 'V1'; it has the leads MLII, V5"),
        ({"leads": ["V1"]}, "need lead_names"),
        ({"leads": [2]}, r"no lead 2; it has 2 lead\(s\)"),
        ({"leads": 3}, "no lead 2"),
        ({"leads": []}, "at least one lead"),
        ({"lead_names": ["MLII"]}, r"2 lead\(s\), but 1 lead name"),
        ({"side_features": ["rr_last"]}, r"Unknown side feature\(s\) \['rr_last'\]; known are \['rr_previous'"),
        ({"window": (0.1, -0.2)}, "longer than 0 s"),
        ({"window": 0.3}, "window must be"),
        ({"n_timepoints": 1}, "n_timepoints must be"),
        ({"bandpass": (0.5, 200)}, "bandpass must be"),
        ({"bandpass": (40, 0.5)}, "bandpass must be"),
        ({"bandpass": 40}, "bandpass must be"),
        ({"scale": "max"}, "scale must be"),
        ({"max_rr": 0}, "max_rr must be"),
    ],
)
def test_bad_input(signal, wrong, message):
    arguments = {"signals": signal, "peaks": [500, 900], "fs": 360, **wrong}
    with pytest.raises(ValueError, match=message):
        extract_beats(arguments.pop("signals"), arguments.pop("peaks"), **arguments)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers(signal, bad):
    signal[1, 5] = bad
    with pytest.raises(ValueError, match="Record 0 holds NaN or infinite samples"):
        extract_beats(signal, [500], fs=360)


def test_bad_shapes(signal):
    with pytest.raises(TypeError, match="fs"):
        extract_beats(signal, [500])
    with pytest.raises(TypeError, match="side_features must be a list"):
        extract_beats(signal, [500], fs=360, side_features="rr_previous")
    with pytest.raises(ValueError, match="must have shape"):
        extract_beats(signal[0], [500], fs=360)
    with pytest.raises(ValueError, match="no record"):
        extract_beats([], [], fs=360)
    with pytest.raises(ValueError, match=r"2 record\(s\), but peaks of 1"):
        extract_beats([signal, signal], [[500]], fs=360)
    with pytest.raises(ValueError, match="different numbers of leads"):
        extract_beats([signal, signal[:1]], [[500], [500]], fs=360)
