"""BeatSegmenter: windows around known peaks, missing beats, and a number of beats that only fit decides."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from sklearn.base import clone

from sklearn_ecg.datasets import make_ecg
from sklearn_ecg.preprocessing import ECGFilter, ECGScaler, extract_beats
from sklearn_ecg.segmentation import BeatSegmenter
from sklearn_ecg.signals._validation import flatten_leads, signal_feature_names

FS = 100
PEAKS = ([60, 150, 250, 340], [100, 220], [])


def spikes(signal, fs):
    """R peaks of a spike train: whatever lies above 0.5."""
    return np.flatnonzero(signal > 0.5)


def on_a_ramp():
    """Three records of 400 samples over a ramp, so that every sample tells where it comes from."""
    records = np.tile(np.arange(400) / 1000.0, (3, 1))
    for record, peaks in zip(records, PEAKS, strict=True):
        record[peaks] += 1.0
    return records


@pytest.fixture
def X():
    return on_a_ramp()


def rows_of_beats(n_beats, n_columns, n=5):
    return np.random.default_rng(0).normal(size=(n, n_beats, n_columns))


def segmenter(**params):
    return BeatSegmenter(**{"fs": FS, "detector": spikes, **params})


def test_windows_are_cut_around_the_peaks(X):
    beats = segmenter().fit_transform(X)
    assert beats.shape == (3, 4, 70)
    for record, peaks, rows in zip(X, PEAKS, beats, strict=True):
        for peak, row in zip(peaks, rows, strict=False):
            np.testing.assert_array_equal(row, record[peak - 25 : peak + 45])
        assert np.isnan(rows[len(peaks) :]).all()


def test_only_complete_beats_are_kept():
    X = np.zeros((1, 200))
    X[0, [24, 80, 156]] = 1.0  # windows from -1, from 55, and up to 200
    beats = segmenter().fit_transform(X)
    np.testing.assert_array_equal(beats[0], X[:, 55:125])
    X[0, [24, 156]], X[0, [25, 155]] = 0.0, 1.0  # windows from 0 and up to 199
    assert segmenter().fit_transform(X).shape == (1, 3, 70)


def test_the_number_of_beats_is_fixed_in_fit(X):
    fitted = segmenter().fit(X[1:])
    assert fitted.n_beats_ == 2
    beats = fitted.transform(X)
    assert beats.shape == (3, 2, 70)
    np.testing.assert_array_equal(beats[0], segmenter().fit_transform(X)[0, :2])
    assert fitted.transform(X[2:]).shape == (1, 2, 70)
    assert segmenter(n_beats=6).fit(X[2:]).transform(X).shape == (3, 6, 70)


def test_records_do_not_depend_on_each_other(X):
    fitted = segmenter().fit(X)
    alone = np.concatenate([fitted.transform(record[None]) for record in X])
    np.testing.assert_array_equal(fitted.transform(X), alone)
    np.testing.assert_array_equal(fitted.transform(X), fitted.fit_transform(X))


def test_rr_windows_stretch_with_the_interval():
    """The same cycle at two heart rates gives the same row of 128 samples."""
    rows = []
    for interval in (80, 120):
        t = np.arange(20 * interval)
        X = np.cos(2 * np.pi * t / interval)[None]  # one cycle a beat, peaks at multiples of the interval

        def detector(signal, fs, interval=interval):
            return np.arange(0, signal.size, interval)

        beats = segmenter(window="rr", detector=detector, side_features=("log_rr", "amplitude")).fit_transform(X)
        assert not np.isnan(beats).any()
        assert beats.shape == (1, 19, 130)  # the first of 20 is not complete
        rows.append(beats[0, 3, :128])
        np.testing.assert_allclose(beats[0, :, 128], np.log(interval / FS))
        np.testing.assert_allclose(beats[0, :, 129], 2.0, atol=2e-3)
    assert rows[0].argmax() == rows[1].argmax() == 45
    np.testing.assert_allclose(rows[0], rows[1], atol=2e-3)


def test_rr_interval_of_a_premature_beat_is_that_of_its_surroundings():
    X = np.zeros((1, 700))
    X[0, [100, 200, 260, 400, 500, 600]] = 1.0  # the third comes early, then a pause
    beats = segmenter(window="rr", side_features=["log_rr"]).fit_transform(X)
    np.testing.assert_allclose(np.exp(beats[0, :, -1]), [1.0, 0.8, 1.0, 1.2, 1.0, 1.0])
    np.testing.assert_allclose(beats[0, :, 45], 1.0)


def test_rr_features_beside_the_median_of_the_record():
    peaks = [50, 150, 250, 300, 450, 550]  # a premature beat and a pause
    X = np.zeros((1, 600))
    X[0, peaks] = 1.0
    names = ("log_rr_previous_to_record", "log_rr_next_to_record", "log_rr")
    beats = segmenter(detector=lambda signal, fs: np.flatnonzero(signal > 0.5), side_features=names).fit_transform(X)
    before, after, rr = np.exp(beats[0, :, -3:]).T
    np.testing.assert_allclose(before, [1, 1, 1, 0.5, 1.5, 1])
    np.testing.assert_allclose(after, [1, 1, 0.5, 1.5, 1, 1])
    np.testing.assert_allclose(rr, (before + after) / 2 * 100 / segmenter().fs)


def test_linear_interpolation_is_exact_on_a_line():
    ramp = np.arange(400.0)[None]
    beats = segmenter(window=(0.2, 0.4), n_timepoints=90, detector=lambda signal, fs: [50, 200]).fit_transform(ramp)
    steps = (np.arange(90) - 30) * 60 / 90
    np.testing.assert_allclose(beats[0], np.array([[50], [200]]) + steps)


@pytest.mark.parametrize(("aggregate", "function"), [("median", np.median), ("mean", np.mean)])
def test_aggregated_beats(X, aggregate, function):
    beats = segmenter(side_features=("amplitude",)).fit_transform(X)
    one = segmenter(side_features=("amplitude",), aggregate=aggregate).fit(X[1:]).transform(X)
    assert one.shape == (3, 71)
    np.testing.assert_array_equal(one[0], function(beats[0], axis=0))
    np.testing.assert_array_equal(one[1], function(beats[1, :2], axis=0))
    assert np.isnan(one[2]).all()
    first = segmenter(side_features=("amplitude",), aggregate=aggregate, n_beats=1).fit_transform(X)
    np.testing.assert_array_equal(first, beats[:, 0])


def test_flat_rows_are_the_same_numbers(X):
    beats = segmenter().fit_transform(X)
    np.testing.assert_array_equal(segmenter(flatten=True).fit_transform(X), beats.reshape(3, -1))
    frame = segmenter().set_output(transform="pandas").fit_transform(X)
    np.testing.assert_array_equal(frame.to_numpy(), beats.reshape(3, -1))
    assert list(frame.columns[[0, 69, 70, -1]]) == [
        "lead0_0000_beat000",
        "lead0_0069_beat000",
        "lead0_0000_beat001",
        "lead0_0069_beat003",
    ]


def test_several_leads_and_side_columns(X):
    records = np.stack([X, 10 * X, -X], axis=1)  # (records, leads, samples)
    ages = np.array([[50.1], [60.2], [70.3]])
    beats = segmenter(n_leads=3, n_side_features=1).fit_transform(flatten_leads(records, ages))
    assert beats.shape == (3, 4, 3 * 70 + 1)
    first = segmenter().fit_transform(X)
    for lead, gain in enumerate((1, 10, -1)):
        np.testing.assert_allclose(beats[..., 70 * lead : 70 * lead + 70], gain * first)
    np.testing.assert_array_equal(beats[0, :, -1], 50.1)
    np.testing.assert_array_equal(beats[1, :, -1], [60.2, 60.2, np.nan, np.nan])
    mean = segmenter(n_leads=3, n_side_features=1, aggregate="mean").fit_transform(flatten_leads(records, ages))
    np.testing.assert_array_equal(mean[:, -1], [50.1, 60.2, np.nan])
    np.testing.assert_array_equal(segmenter().fit_transform(records), beats[..., :-1])


def test_detection_in_one_lead(X):
    shapes = []

    def detector(signal, fs):
        shapes.append(signal.shape)
        return spikes(signal, fs)

    records = np.stack([np.zeros_like(X), X], axis=1)
    assert np.isnan(segmenter(detector=detector).fit_transform(records)).all()
    params = {"detector": detector, "detection_lead": 1, "side_features": ("amplitude",)}
    beats = segmenter(**params).fit_transform(records)
    assert shapes == [(400,)] * 6  # once a record, in fit_transform too
    np.testing.assert_array_equal(beats[..., 70:140], segmenter().fit_transform(X))
    np.testing.assert_allclose(beats[0, :, -1], np.ptp(beats[0, :, 70:140], axis=1))


@pytest.mark.parametrize("fs", [100, 360, 1000])
def test_default_detector(fs):
    t = np.arange(10 * fs) / fs
    wave = np.exp(-0.5 * (((t + 0.4) % 0.8 - 0.4) / 0.012) ** 2)  # R peaks at 0, 0.8, 1.6 … s
    records = np.stack([[0 * wave, wave], [wave, -wave]])
    beats = BeatSegmenter(fs=fs).fit_transform(records)
    assert beats.shape == (2, 11, 2 * 70 * fs // 100)  # the first and the last of 13 are not complete
    assert not np.isnan(beats).any()
    np.testing.assert_allclose(beats[1, :, 25 * fs // 100], 1.0, atol=1e-6)
    in_flat_lead = BeatSegmenter(fs=fs, detection_lead=0).fit_transform(records)
    assert np.isnan(in_flat_lead[0]).all()
    assert not np.isnan(in_flat_lead[1]).any()


@pytest.mark.parametrize("n_timepoints", [1, 2, 7, 250])
@pytest.mark.parametrize("n_leads", [1, 2, 12])
@pytest.mark.parametrize("window", [(0.25, 0.45), "rr"])
def test_short_and_flat_records_have_no_beats(n_timepoints, n_leads, window):
    beats = segmenter(window=window).fit_transform(np.zeros((2, n_leads, n_timepoints)))
    assert beats.shape == (2, 1, n_leads * (70 if window != "rr" else 128))
    assert np.isnan(beats).all()


def test_a_single_beat_has_no_interval():
    X = np.zeros((1, 300))
    X[0, 150] = 1.0
    assert not np.isnan(segmenter().fit_transform(X)).any()
    assert np.isnan(segmenter(window="rr").fit_transform(X)).all()
    assert np.isnan(segmenter(side_features=("log_rr",)).fit_transform(X)).all()


def test_names_tell_leads_beats_and_features(X):
    columns = signal_feature_names(["II", "V1"], 200, ["age"])
    frame = pd.DataFrame(np.hstack([X, np.ones((3, 1))]), columns=columns)
    params = {"n_leads": 2, "n_side_features": 1, "side_features": ("log_rr",), "n_beats": 2}
    flat = segmenter(**params).set_output(transform="pandas").fit_transform(frame)
    one = list(signal_feature_names(["II", "V1"], 70, ["log_rr", "age"]))
    assert list(flat.columns) == [f"{name}_beat{i:03d}" for i in range(2) for name in one]
    assert list(segmenter(**params, aggregate="mean").fit(frame).get_feature_names_out()) == one


@pytest.mark.parametrize(("dtype", "dtype_out"), [("f4", "f4"), ("f8", "f8"), ("i2", "f8")])
def test_dtypes(X, dtype, dtype_out):
    X = np.round(X * 30000).astype(dtype)
    params = {"detector": lambda signal, fs: [100, 200, 300], "window": "rr"}
    beats = segmenter(**params).fit_transform(X)
    assert beats.dtype == dtype_out
    np.testing.assert_allclose(beats, segmenter(**params).fit_transform(X.astype("f8")), rtol=1e-6)


def test_pipes_into_the_scaler(X):
    beats = segmenter().fit_transform(X)
    scaled = ECGScaler(by="beat").fit_transform(beats)
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(beats))
    np.testing.assert_allclose(scaled[~np.isnan(beats[..., 0])].std(axis=1), 1.0)


def test_clone_and_pickle(X):
    fitted = segmenter(window="rr").fit(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), fitted.transform(X))
    assert not hasattr(clone(fitted), "n_beats_")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"fs": 0}, "'fs' parameter of BeatSegmenter must be"),
        ({"window": "RR"}, "'window' parameter of BeatSegmenter must be"),
        ({"window": (0.2, 0.2, 0.2)}, r"window must be 'rr' or two times >= 0"),
        ({"window": (-0.2, 0.4)}, r"window must be 'rr' or two times >= 0"),
        ({"window": (0.2, "0.4")}, r"window must be 'rr' or two times >= 0"),
        ({"window": (0.001, 0.002)}, r"window must span at least one sample at fs=100 Hz"),
        ({"n_beats": 0}, "'n_beats' parameter of BeatSegmenter must be"),
        ({"deviation": "mean"}, "'deviation' parameter of BeatSegmenter must be"),
        ({"aggregate": "max"}, "'aggregate' parameter of BeatSegmenter must be"),
        ({"detector": "best"}, "'detector' parameter of BeatSegmenter must be"),
        ({"side_features": ("age",)}, r"side_features must be among .*got \['age'\]"),
        ({"detection_lead": 1}, r"detection_lead must be below the 1 lead\(s\), got 1"),
        ({"detector": lambda signal, fs: [1.5]}, r"detector must return integers in \[0, 400\)"),
        ({"detector": lambda signal, fs: [400]}, r"detector must return integers in \[0, 400\)"),
        ({"n_leads": 3}, "cannot be read with n_leads=3"),
    ],
)
def test_bad_parameters_are_named(X, params, message):
    with pytest.raises(ValueError, match=message):
        segmenter(**params).fit(X)


@pytest.mark.parametrize(
    "later",
    [
        {"aggregate": "median"},
        {"flatten": True},
        {"side_features": ("log_rr",)},
        {"window": "rr"},
        {"fs": 50, "detector": "logistic", "detection_lead": 1},
        {"n_beats": 1},
    ],
)
@pytest.mark.parametrize("params", [{}, {"aggregate": "mean", "side_features": ["amplitude"]}])
def test_parameters_take_effect_in_fit(X, params, later):
    fitted = segmenter(**params).fit(X)
    expected, names = fitted.transform(X), fitted.get_feature_names_out()
    fitted.set_params(**later)
    np.testing.assert_array_equal(fitted.transform(X), expected)
    np.testing.assert_array_equal(fitted.get_feature_names_out(), names)
    assert np.prod(expected.shape[1:]) == len(names)


def test_bad_records_are_refused(X):
    with pytest.raises(TypeError, match="fs"):
        BeatSegmenter()
    with pytest.raises(TypeError, match="fs must be a number, the sampling frequency in Hz, got True"):
        segmenter(fs=True).fit(X)
    with pytest.raises(ValueError, match="X is a list of 2 parts of different shapes"):
        segmenter().fit([[1.0, 2.0], [3.0]])
    fitted = segmenter().fit(X)
    with pytest.raises(ValueError, match="features"):
        fitted.transform(X[:, :-1])
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fitted.transform(X)


def test_beats_are_scaled_one_by_one():
    beats = rows_of_beats(4, 60)  # four beats of two leads of 30 samples
    beats[1, 2:] = np.nan
    out = ECGScaler(by="beat", n_leads=2).fit_transform(beats)
    assert out.shape == beats.shape
    np.testing.assert_array_equal(np.isnan(out), np.isnan(beats))
    np.testing.assert_allclose(out[0, 3], (beats[0, 3] - beats[0, 3].mean()) / beats[0, 3].std())
    rows = ECGScaler(by="beat", n_leads=2, n_beats=4).fit_transform(flatten_leads(beats))
    np.testing.assert_array_equal(rows, flatten_leads(out))


def test_names_of_beats_without_names():
    scaler = ECGScaler(by="beat", n_leads=2).fit(rows_of_beats(3, 4))
    assert list(scaler.get_feature_names_out()[[0, 2, 4, -1]]) == [
        "lead0_0000_beat000",
        "lead1_0000_beat000",
        "lead0_0000_beat001",
        "lead1_0001_beat002",
    ]


def test_side_features_of_beats_are_left_alone():
    beats = rows_of_beats(4, 31)
    beats[0, 3] = np.nan
    out = ECGScaler(by="beat", n_side_features=1).fit_transform(beats)
    np.testing.assert_array_equal(out[..., -1], beats[..., -1])
    np.testing.assert_allclose(out[1, 1, :-1].std(), 1)


@pytest.mark.parametrize("method", ["zscore", "robust", "minmax", "max"])
def test_records_without_any_beat_stay_missing(method):
    assert np.isnan(ECGScaler(by="beat", method=method).fit_transform(np.full((2, 3, 5), np.nan))).all()


def test_beats_partly_missing_are_refused():
    beats = rows_of_beats(4, 30)
    beats[0, 0, 3] = np.nan
    with pytest.raises(ValueError, match="NaN within a beat"):
        ECGScaler(by="beat").fit(beats)
    beats[0, 0, 3] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        ECGScaler(by="beat").fit(beats)
    with pytest.raises(ValueError, match=r"3-D with 4 beat\(s\), which contradicts n_beats=3"):
        ECGScaler(by="beat", n_beats=3).fit(rows_of_beats(4, 30))
    with pytest.raises(ValueError, match="n_beats=7"):
        ECGScaler(by="beat", n_beats=7).fit(rows_of_beats(1, 30)[:, 0])
    with pytest.raises(ValueError, match=r"records of shape \(2, 60\)"):
        ECGScaler(by="beat").fit(rows_of_beats(4, 30)).transform(rows_of_beats(2, 60))


def test_no_interval_spans_what_the_searched_lead_lacks():
    record = np.tile(make_ecg(20, fs=250, random_state=0).signal[0].astype(float), (1, 2, 1))
    record[0, 0, 2000:3000] = 0
    cut = BeatSegmenter(fs=250, detection_lead=0, side_features=("log_rr_next_to_record",))
    assert np.nanmax(cut.fit_transform(record)[..., -1]) < 0.2


def test_beats_are_filtered_as_records_are():
    beats = np.zeros(7200)
    beats[180::288] = 1.0
    fs = 360
    record = ndimage.gaussian_filter1d(beats, 4.0)[None, 1908:4788] * 10  # begins on an R peak of 1 mV
    filtered = ECGFilter(fs=fs).fit_transform(record[None])[0]
    cut = {"fs": fs, "peaks": [288, 576, 2592], "side_features": ()}
    expected = extract_beats(filtered, **cut, bandpass=None).data
    np.testing.assert_allclose(extract_beats(record, **cut).data, expected, atol=1e-6)
    for length in (1, 2, 7, 250):
        assert np.isfinite(extract_beats(record[:, :length], [0], fs=fs, side_features=()).data).all()
