"""ECGFilter, ECGResampler and ECGScaler: hand-worked gains, identities, and what they must leave alone."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_ecg import CNNLSTMAttention, preprocessing
from sklearn_ecg.preprocessing import LeadConverter, _transformers
from sklearn_ecg.preprocessing._scaling import ECGScaler
from sklearn_ecg.preprocessing._transformers import ECGFilter, ECGResampler
from sklearn_ecg.signals._validation import flatten_leads, signal_feature_names

FS = 360.0
LENGTHS = (1, 2, 7, 250)
LEADS = (1, 2, 12)

TRANSFORMERS = {
    "bandpass": ECGFilter(fs=FS),
    "all": ECGFilter(fs=FS, notch=50, baseline="median"),
    "none": ECGFilter(fs=FS, low=None, high=None),
    "down": ECGResampler(fs=FS, fs_out=128),
    "up": ECGResampler(fs=FS, fs_out=500),
    "length": ECGResampler(n_timepoints_out=31),
    "lead": ECGScaler(by="lead"),
    "record": ECGScaler(by="record", method="robust"),
    "beat": ECGScaler(by="beat", method="max"),
    "leads": LeadConverter(),
}
BY_RECORD = {name: transformer for name, transformer in TRANSFORMERS.items() if name != "beat"}


def tone(frequency, n=7200, fs=FS, phase=0.3):
    return np.sin(2 * np.pi * frequency * np.arange(n) / fs + phase)


def amplitude(signal, frequency, fs=FS):
    """Amplitude of a tone in the middle of a signal, by least squares over sine and cosine."""
    t = np.arange(len(signal)) / fs
    middle = slice(len(signal) // 4, -len(signal) // 4)
    basis = np.column_stack([np.sin(2 * np.pi * frequency * t), np.cos(2 * np.pi * frequency * t)])
    return np.hypot(*np.linalg.lstsq(basis[middle], signal[middle], rcond=None)[0])


def records(n_leads=3, n_timepoints=250, n=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_leads, n_timepoints))


@pytest.mark.parametrize("frequency", [0.5, 1.0, 5.0, 20.0, 40.0, 60.0, 100.0])
def test_filter_gain_is_the_squared_butterworth_gain(frequency):
    order, low, high = 2, 0.5, 40.0
    w, w1, w2 = (np.tan(np.pi * f / FS) for f in (frequency, low, high))
    gain = 1 / (1 + ((w**2 - w1 * w2) / (w * (w2 - w1))) ** (2 * order))
    filtered = ECGFilter(fs=FS, low=low, high=high, order=order).fit_transform([tone(frequency)])[0]
    assert amplitude(filtered, frequency) == pytest.approx(gain, abs=2e-3)


def test_filter_edges_of_one_side_only():
    X = np.array([tone(0.1) + tone(100.0)])
    without_high = ECGFilter(fs=FS, low=None).fit_transform(X)[0]
    without_low = ECGFilter(fs=FS, high=None).fit_transform(X)[0]
    assert amplitude(without_high, 0.1) == pytest.approx(1, abs=1e-3)
    assert amplitude(without_high, 100.0) < 0.02
    assert amplitude(without_low, 100.0) == pytest.approx(1, abs=1e-3)
    assert amplitude(without_low, 0.1) < 0.02
    np.testing.assert_array_equal(ECGFilter(fs=FS, low=None, high=None).fit_transform(X), X)


def test_filter_moves_no_wave():
    t = np.arange(3600) - 1800
    wave = np.exp(-0.5 * (t / 8.0) ** 2)
    filtered = ECGFilter(fs=FS).fit_transform([wave])[0]
    assert filtered.argmax() == 1800
    np.testing.assert_allclose(filtered[1800:2160], filtered[1440:1801][::-1][:360], atol=1e-6)


def test_filter_keeps_the_baseline_of_a_record_that_ends_on_a_wave():
    beats = np.zeros(7200)
    beats[180::288] = 1.0
    beats = ndimage.gaussian_filter1d(beats, 4.0) * 10
    whole = ECGFilter(fs=FS).fit_transform([beats])[0, 1908:4788]
    excerpt = ECGFilter(fs=FS).fit_transform([beats[1908:4788]])[0]  # begins on an R peak of 1 mV
    assert beats[1908] == beats.max()
    assert np.abs(excerpt - whole).max() < 0.1


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_notch_takes_the_mains_alone(mains):
    X = np.array([tone(mains) + tone(10.0)])
    filtered = ECGFilter(fs=FS, low=None, high=None, notch=mains).fit_transform(X)[0]
    assert amplitude(filtered, mains) < 1e-3
    assert amplitude(filtered, 10.0) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("settings", [{"low": 0.7}, {"low": None, "baseline": "median"}])
def test_baseline_wander_is_removed(settings):
    beats = np.zeros(7200)
    beats[180::288] = 1.0
    beats = ndimage.gaussian_filter1d(beats, 4.0) * 10
    wander = 0.8 * tone(0.15) + 0.5
    filtered = ECGFilter(fs=FS, high=None, **settings).fit_transform([beats + wander])[0]
    undisturbed = ECGFilter(fs=FS, high=None, **settings).fit_transform([beats])[0]
    assert np.abs(filtered - undisturbed)[1440:-1440].max() < 0.05


def test_median_baseline_keeps_a_clean_qrs():
    beats = np.zeros(3600)
    beats[180::288] = 1.0
    flat_filter = ECGFilter(fs=FS, low=None, high=None, baseline="median")
    np.testing.assert_array_equal(flat_filter.fit_transform([beats])[0], beats)
    np.testing.assert_array_equal(flat_filter.fit_transform([beats + 3.0])[0], beats)


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize("n_timepoints", LENGTHS)
@pytest.mark.parametrize("n_leads", LEADS)
def test_any_length_and_any_leads(name, n_timepoints, n_leads):
    X = records(n_leads, n_timepoints)
    transformer = clone(TRANSFORMERS[name]).fit(X)
    out = transformer.transform(X)
    assert out.shape[:2] == (5, n_leads)
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(out, transformer.fit_transform(X))
    assert len(transformer.get_feature_names_out()) == n_leads * out.shape[2]


@pytest.mark.parametrize("name", BY_RECORD)
def test_rows_and_records_give_the_same_numbers(name):
    X = records()
    flat = clone(BY_RECORD[name]).set_params(n_leads=3).fit(flatten_leads(X))
    cube = clone(BY_RECORD[name]).fit(X)
    assert flat.n_features_in_ == cube.n_features_in_ == 750
    expected = flatten_leads(cube.transform(X))
    for fitted in (flat, cube):
        np.testing.assert_array_equal(fitted.transform(flatten_leads(X)), expected)
        np.testing.assert_array_equal(flatten_leads(fitted.transform(X)), expected)
    np.testing.assert_array_equal(cube.transform(X.tolist()), cube.transform(X))


@pytest.mark.parametrize("name", BY_RECORD)
def test_records_and_leads_do_not_mix(name):
    X = records()
    whole = clone(BY_RECORD[name]).fit_transform(X)
    np.testing.assert_allclose(whole[2:3], clone(BY_RECORD[name]).fit_transform(X[2:3]), atol=1e-12)
    if name != "record":
        np.testing.assert_allclose(whole[:, 1:2], clone(BY_RECORD[name]).fit_transform(X[:, 1:2]), atol=1e-12)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_side_columns_pass_bit_by_bit(name):
    side = np.random.default_rng(1).normal(size=(5, 2)) * 1e7
    X = flatten_leads(records(), side)
    out = clone(TRANSFORMERS[name]).set_params(n_leads=3, n_side_features=2).fit_transform(X)
    alone = clone(TRANSFORMERS[name]).set_params(n_leads=3).fit_transform(X[:, :-2])
    np.testing.assert_array_equal(out[:, -2:], side)
    np.testing.assert_array_equal(out[:, :-2], alone)


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize(("dtype", "dtype_out"), [("f4", "f4"), ("f8", "f8"), ("i2", "f8"), ("f2", "f4")])
def test_dtypes(name, dtype, dtype_out):
    X = (records() * 100).astype(dtype)
    out = clone(TRANSFORMERS[name]).fit_transform(X)
    assert out.dtype == dtype_out
    expected = clone(TRANSFORMERS[name]).fit_transform(X.astype("f8"))
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_input_is_left_alone_and_may_be_a_memory_map(name, tmp_path):
    X = records().astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = clone(TRANSFORMERS[name]).fit_transform(X)
    np.testing.assert_array_equal(X, mapped)
    np.testing.assert_array_equal(clone(TRANSFORMERS[name]).fit_transform(mapped), expected)


@pytest.mark.parametrize("name", BY_RECORD)
def test_chunks_change_nothing(name, monkeypatch):
    X = records(n=7)
    expected = clone(BY_RECORD[name]).fit_transform(X)
    monkeypatch.setattr(_transformers, "_VALUES_PER_CHUNK", 1500)
    np.testing.assert_allclose(clone(BY_RECORD[name]).fit_transform(X), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["bandpass", "down", "lead"])
def test_frames_keep_names(name):
    sides = ["rr_previous", "age"]
    columns = signal_feature_names(["II", "V5"], 250, sides)
    frame = pd.DataFrame(flatten_leads(records(2), np.ones((5, 2))), columns=columns, index=list("abcde"))
    transformer = clone(TRANSFORMERS[name]).set_params(n_leads=2, n_side_features=2).set_output(transform="pandas")
    out = transformer.fit_transform(frame)
    n_timepoints = (out.shape[1] - 2) // 2
    assert list(out.columns) == list(signal_feature_names(["II", "V5"], n_timepoints, sides))
    assert list(out.index) == list("abcde")
    with pytest.raises(ValueError, match=r"2 lead\(s\) \(II, V5\)"):
        transformer.set_params(n_leads=1).fit(frame)


def test_frames_from_records_are_flat():
    out = ECGResampler(n_timepoints_out=4).set_output(transform="pandas").fit_transform(records(2))
    assert list(out.columns) == [f"lead{lead}_000{i}" for lead in range(2) for i in range(4)]
    rows = flatten_leads(records(2), np.ones((5, 1)))
    resampler = ECGResampler(n_timepoints_out=2, n_leads=2, n_side_features=1).fit(rows)
    assert resampler.get_feature_names_out()[-1] == "side0"


@pytest.mark.parametrize(("fs", "fs_out"), [(360, 128), (360, 500), (500, 360), (1000, 100), (257, 250), (128.5, 257)])
def test_resampling_keeps_a_tone(fs, fs_out):
    X = np.array([tone(7.0, n=round(10 * fs), fs=fs) + 2.0])
    out = ECGResampler(fs=fs, fs_out=fs_out).fit_transform(X)[0]
    assert len(out) == np.ceil(round(10 * fs) * fs_out / fs)
    expected = np.sin(2 * np.pi * 7.0 * np.arange(len(out)) / fs_out + 0.3) + 2.0
    np.testing.assert_allclose(out, expected, atol=6e-3)


def test_resampling_does_not_alias():
    out = ECGResampler(fs=FS, fs_out=100).fit_transform([tone(90.0)])[0]
    assert np.abs(out[50:-50]).max() < 0.01


def test_resampling_round_trip():
    X = np.array([tone(3.0) + 0.5 * tone(17.0, phase=1.0), tone(11.0)])
    there = ECGResampler(fs=FS, fs_out=250).fit_transform(X)
    back = ECGResampler(fs=250, fs_out=FS).fit_transform(there)
    assert back.shape == X.shape
    np.testing.assert_allclose(back, X, atol=1e-2)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("n_out", [1, 2, 64, 997])
def test_resampling_to_a_length(n, n_out):
    constant = ECGResampler(n_timepoints_out=n_out).fit_transform(np.full((2, 3, n), 5.0))
    assert constant.shape == (2, 3, n_out)
    np.testing.assert_allclose(constant, 5.0, rtol=1e-12)


@pytest.mark.parametrize("ratio", [1e-3, 999 / 1000, 1000])
@pytest.mark.parametrize("n", LENGTHS)
def test_resampling_by_extreme_factors(ratio, n):
    out = ECGResampler(fs=1.0, fs_out=ratio).fit_transform(np.full((1, n), 2.0))
    np.testing.assert_allclose(out, np.full((1, int(np.ceil(n * ratio))), 2.0))


def test_same_rate_changes_nothing():
    X = records()
    np.testing.assert_allclose(ECGResampler(fs=FS, fs_out=FS).fit_transform(X), X, atol=1e-12)


@pytest.mark.parametrize(("by", "axis"), [("lead", 2), ("record", (1, 2))])
def test_scaler_identities(by, axis):
    X = records() * [[[1.0], [5.0], [0.1]]] + [[[3.0], [0.0], [-7.0]]]
    zscore, robust, minmax, largest = (
        ECGScaler(by=by, method=method).fit_transform(X) for method in ("zscore", "robust", "minmax", "max")
    )
    np.testing.assert_allclose(zscore.mean(axis), 0, atol=1e-12)
    np.testing.assert_allclose(zscore.std(axis), 1)
    np.testing.assert_allclose(np.median(robust, axis), 0, atol=1e-12)
    np.testing.assert_allclose(np.subtract(*np.percentile(robust, (75, 25), axis)), 1)
    assert (minmax.min(axis) == 0).all() and np.allclose(minmax.max(axis), 1)
    np.testing.assert_allclose(np.abs(largest).max(axis), 1)
    np.testing.assert_array_equal(np.sign(largest), np.sign(X))


@pytest.mark.parametrize("method", ["zscore", "robust", "minmax"])
def test_scaling_forgets_gain_and_offset(method):
    X = records()
    scaler = ECGScaler(method=method)
    np.testing.assert_allclose(scaler.fit_transform(X * 40 - 3), scaler.fit_transform(X), atol=1e-10)


@pytest.mark.parametrize("by", ["lead", "record", "beat"])
@pytest.mark.parametrize("method", ["zscore", "robust", "minmax"])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e6, 1 / 3])
def test_flat_records_become_zeros(by, method, value):
    X = np.full((3, 7), value)
    np.testing.assert_array_equal(ECGScaler(by=by, method=method).fit_transform(X), np.zeros((3, 7)))


def test_flat_records_by_their_largest_value():
    out = ECGScaler(method="max").fit_transform([[0.0, 0.0], [4.0, 4.0], [-2.0, -2.0]])
    np.testing.assert_array_equal(out, [[0, 0], [1, 1], [-1, -1]])


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (ECGFilter(fs=60), r"high must be below fs / 2 = 30 Hz, got high=40.0"),
        (ECGFilter(fs=FS, low=50, high=40), r"low must be below high, got low=50 and high=40"),
        (ECGFilter(fs=100, high=None, notch=60), r"notch must be below fs / 2 = 50 Hz, got notch=60"),
        (ECGFilter(fs=1.0, high=None), r"low must be below fs / 2 = 0.5 Hz, got low=0.5"),
        (ECGFilter(fs=0), r"'fs' parameter of ECGFilter must be .* Got 0 instead"),
        (ECGFilter(fs=None), r"'fs' parameter of ECGFilter must be .* Got None instead"),
        (ECGFilter(fs=np.inf), r"'fs' parameter of ECGFilter must be .* Got inf instead"),
        (ECGFilter(fs=FS, baseline="spline"), r"'baseline' parameter of ECGFilter must be"),
        (ECGFilter(fs=FS, order=0), r"'order' parameter of ECGFilter must be"),
        (ECGResampler(fs=FS), r"Either fs_out or n_timepoints_out must be given"),
        (ECGResampler(fs=FS, fs_out=128, n_timepoints_out=3), r"Either fs_out or n_timepoints_out must be given"),
        (ECGResampler(fs=1e6, fs_out=10), r"fs_out / fs must be between 1/1000 and 1000"),
        (ECGResampler(fs=-1, fs_out=10), r"'fs' parameter of ECGResampler must be"),
        (ECGScaler(by="patient"), r"'by' parameter of ECGScaler must be"),
        (ECGScaler(method="log"), r"'method' parameter of ECGScaler must be"),
        (ECGScaler(n_leads=3), r"cannot be read with n_leads=3"),
    ],
)
def test_bad_parameters_are_named(transformer, message):
    with pytest.raises(ValueError, match=message):
        transformer.fit(np.ones((2, 10)))


@pytest.mark.parametrize("frequencies", [{"fs": True, "fs_out": 2}, {"fs": 1, "fs_out": True}, {"fs": True}])
def test_a_truth_value_is_no_sampling_frequency(frequencies):
    transformer = ECGResampler(**frequencies) if "fs_out" in frequencies else ECGFilter(**frequencies)
    with pytest.raises(TypeError, match="must be a number, the sampling frequency in Hz, got True"):
        transformer.fit(np.ones((2, 10)))


def test_the_sampling_frequency_is_never_guessed():
    with pytest.raises(TypeError, match="fs"):
        ECGFilter()
    with pytest.raises(TypeError, match="fs must be a number, the sampling frequency in Hz, got None"):
        ECGResampler(fs_out=128).fit(np.ones((2, 10)))


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_bad_signals_are_refused(name):
    X = records(1)[:, 0]
    transformer = clone(TRANSFORMERS[name])
    with pytest.raises(NotFittedError):
        transformer.transform(X)
    transformer.fit(X)
    with pytest.raises(ValueError, match="features"):
        transformer.transform(X[:, :-1])
    for value in (np.nan, np.inf):
        broken = X.copy()
        broken[1, 1] = value
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            transformer.transform(broken)


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize("X", [[[1.0, 2.0], [3.0]], [[[1.0, 2.0], [3.0]], [[1.0], [2.0]]]])
def test_ragged_lists_are_refused_at_the_door(name, X):
    assert not _transformers.is_cube(X)
    with pytest.raises(ValueError, match="X is a list of 2 parts of different shapes"):
        clone(TRANSFORMERS[name]).fit(X)


@pytest.mark.parametrize("name", BY_RECORD)
def test_twelve_leads_do_not_train_as_one(name):
    X, y = records(12, 16, n=80), np.repeat(["N", "V"], 40)
    classifier = CNNLSTMAttention(channels=(4,), max_epochs=1, random_state=0)
    pipeline = make_pipeline(clone(BY_RECORD[name]), classifier).set_output(transform="pandas")
    with pytest.raises(ValueError, match=r"names tell 12 lead\(s\) \((lead0|I), .*(lead11|V6)\) .* n_leads=1"):
        pipeline.fit(X, y)
    pipeline.set_params(cnnlstmattention__n_leads=12).fit(X, y)
    assert pipeline[-1].layout_.n_leads == 12
    assert len(pipeline.predict(X)) == 80


def test_names_of_rows_without_names():
    rows = flatten_leads(records(2, 3), np.ones((5, 1)))
    scaler = ECGScaler(n_leads=2, n_side_features=1).fit(rows)
    assert list(scaler.get_feature_names_out()) == list(signal_feature_names(["lead0", "lead1"], 3, ["side0"]))
    given = [f"column{i}" for i in range(7)]
    assert list(scaler.get_feature_names_out(given)) == given
    assert list(scaler.fit(pd.DataFrame(rows, columns=given)).get_feature_names_out()) == given
    assert list(ECGScaler().fit(rows).get_feature_names_out()) == [f"x{i}" for i in range(7)]


@pytest.mark.parametrize(
    ("transformer", "later"),
    [
        (ECGFilter(fs=FS, notch=50), {"fs": 100, "low": 5, "high": None, "notch": None, "baseline": "median"}),
        (ECGFilter(fs=FS, low=None, baseline="median"), {"fs": 100, "baseline": None}),
        (ECGResampler(fs=FS, fs_out=128), {"fs": 100, "fs_out": 50}),
        (ECGScaler(method="max"), {"by": "record", "method": "zscore"}),
        (ECGScaler(), {"by": "beat", "n_beats": 2}),
        (ECGScaler(by="beat"), {"by": "lead", "n_leads": 3}),
    ],
)
def test_parameters_take_effect_in_fit(transformer, later):
    X = records()
    fitted = clone(transformer).fit(X)
    expected, names = fitted.transform(X), fitted.get_feature_names_out()
    fitted.set_params(**later)
    np.testing.assert_array_equal(fitted.transform(X), expected)
    np.testing.assert_array_equal(fitted.get_feature_names_out(), names)


def test_the_two_forms_of_records_convert_in_public():
    X = records()
    assert {"flatten_leads", "unflatten_leads"} <= set(preprocessing.__all__)
    np.testing.assert_array_equal(preprocessing.unflatten_leads(preprocessing.flatten_leads(X), 3)[0], X)
