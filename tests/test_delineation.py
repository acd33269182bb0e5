"""The decoder on scores made by hand, and the delineator on synthetic ECG whose waves are known."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from sklearn_ecg import ECGResampler, WaveDelineator
from sklearn_ecg.datasets import make_ecg, waves_of_intervals
from sklearn_ecg.delineation import waves_from_proba
from sklearn_ecg.delineation._decoding import decode_waves, waves_of_record
from sklearn_ecg.delineation._label_maps import at_columns, column_moments
from sklearn_ecg.metrics import fiducial_report
from sklearn_ecg.preprocessing import WAVE_DTYPE, wave_intervals, wave_masks
from sklearn_ecg.signals._validation import signal_feature_names
from tests.instances import DELINEATORS, EXACT, QUICK

FS = 100
CODES = {"0": 0, "P": 1, "Q": 2, "T": 3}


def scores(text, height=5.0):
    """Logits that say with certainty what the text says, sample by sample."""
    table = np.zeros((4, len(text)))
    table[[CODES[letter] for letter in text], np.arange(len(text))] = height
    return table


def decoded(text, rate=FS, **kwargs):
    kinds, bounds = decode_waves(scores(text, **kwargs), rate)
    return [(kind, *np.ceil(of_wave).astype(int).tolist()) for kind, of_wave in zip(kinds, bounds, strict=True)]


BEAT = "0" * 20 + "P" * 10 + "0" * 5 + "Q" * 10 + "0" * 10 + "T" * 15 + "0" * 20
IN_BEAT = [("P", 20, 30), ("QRS", 35, 45), ("T", 55, 70)]


def test_a_beat_is_read_as_it_is_written():
    assert decoded(BEAT) == IN_BEAT
    later = [(kind, first + 90, last + 90) for kind, first, last in IN_BEAT]
    assert decoded(BEAT + BEAT) == IN_BEAT + later


@pytest.mark.parametrize(
    "was, becomes, expected",
    [
        ("Q" * 10, "QQQQ00QQQQ", IN_BEAT),  # a hole in QRS
        ("P" * 10, "PPPP0PPPPP", IN_BEAT),
        ("T" * 15, "T" * 7 + "P" + "T" * 7, IN_BEAT),
        ("0" * 20 + "P", "00PPPP" + "0" * 14 + "P", IN_BEAT),  # two P waves before one QRS
        ("0" * 20 + "P", "0" * 10 + "Q" + "0" * 9 + "P", IN_BEAT),  # a speck of QRS
        ("P" * 10, "0PP0000000", IN_BEAT[1:]),  # a speck of P
        ("P" * 10, "0" * 10, IN_BEAT[1:]),
        ("T" * 15, "0" * 15, IN_BEAT[:2]),
        ("T" * 15, "P" * 15, [*IN_BEAT[:2], ("P", 55, 70)]),
        ("T" * 15, "0QQQQ" + "0" * 10, IN_BEAT[:2]),  # within the refractory time
    ],
)
def test_what_a_heart_cannot_do_is_mended(was, becomes, expected):
    assert len(was) == len(becomes)
    assert decoded(BEAT.replace(was, becomes, 1)) == expected


def test_of_three_complexes_the_middle_one_drives_out_no_other():
    table = scores("0" * 20 + "Q" * 6 + "0" * 10 + "Q" * 6 + "0" * 10 + "Q" * 6 + "0" * 20)  # 0.16 s apart
    table[2, 20:26], table[2, 36:42] = 3.0, 4.0
    kinds, bounds = decode_waves(table, FS)
    assert kinds == ["QRS", "QRS"]
    np.testing.assert_allclose(bounds[:, 0], [19.5, 51.5], atol=0.5)


def test_a_t_wave_comes_before_a_p_wave():
    text = "Q" * 10 + "0" * 10 + "P" * 10 + "0" * 10 + "T" * 12 + "0" * 10 + "Q" * 10
    found = decoded(text)
    assert [kind for kind, *_ in found] == ["QRS", "T", "QRS"]  # the longer of the two


@pytest.mark.parametrize("n_beats, stop", [(1, 82), (2, 82), (3, 70), (5, 70)])
def test_a_beat_in_doubt_is_like_the_others(n_beats, stop):
    table = scores(BEAT * n_beats)
    table[3, 70:82] = 5.4  # after the T wave of the first beat it is a little likelier than none
    kinds, bounds = decode_waves(table, FS)
    assert kinds == ["P", "QRS", "T"] * n_beats
    assert np.ceil(bounds[2]).tolist() == [55, stop]


def test_a_beat_that_differs_for_sure_is_left_so():
    later = BEAT.replace("T" * 15 + "0" * 10, "0" * 10 + "T" * 15)
    found = decoded(BEAT * 3 + later + BEAT)
    assert found[9:12] == [("P", 290, 300), ("QRS", 305, 315), ("T", 335, 350)]


def test_nothing_is_found_where_there_is_nothing():
    assert decoded("0" * 50) == []
    assert decoded("0") == []
    kinds, bounds = decode_waves(np.zeros((4, 30)), FS)
    assert kinds == []
    assert bounds.shape == (0, 2)
    assert len(waves_of_record(kinds, bounds, np.zeros((1, 30)), 1.0)) == 0


def test_boundaries_lie_between_samples():
    time = np.arange(60)
    table = np.zeros((4, 60))
    table[1] = -50.0
    table[3] = -50.0
    table[2] = np.minimum(time - 20.25, 39.75 - time) * 0.5  # log-odds against none
    kinds, bounds = decode_waves(table, FS)
    assert kinds == ["QRS"]
    np.testing.assert_allclose(bounds, [[20.25, 39.75]], atol=1e-6)


def test_an_unknown_class_is_never_found():
    table = scores(BEAT)
    table[1] = -np.inf
    assert decode_waves(table, FS)[0] == ["QRS", "T"]


def test_peaks_stand_on_the_side_of_most_waves():
    lead = np.zeros(60)
    lead[[10, 30, 50]] = 1.0, 1.0, 0.2
    lead[[12, 32, 52]] = -0.5, -0.5, -3.0
    bounds = np.array([[5.5, 14.5], [25.5, 34.5], [45.5, 54.5]])
    waves = waves_of_record(["T"] * 3, bounds, lead[None], 1.0)
    assert waves["onset"].tolist() == [6, 26, 46]
    assert waves["offset"].tolist() == [14, 34, 54]
    assert waves["peak"].tolist() == [10, 30, 50]
    assert waves_of_record(["P"] * 3, bounds, -lead[None], 1.0)["peak"].tolist() == [10, 30, 50]
    assert waves_of_record(["QRS"] * 3, bounds, -lead[None], 1.0)["peak"].tolist() == [
        12,
        32,
        52,
    ]  # R, though Q is deeper
    twice = waves_of_record(["T"] * 3, bounds, np.repeat(lead, 2)[None], 2.0)
    assert twice["onset"].tolist() == [12, 52, 92]  # the first of two copies of sample 6


def test_flat_leads_have_no_say_in_the_peaks():
    leads = np.zeros((5, 60))
    leads[[1, 3], 30] = 1.0, 2.0
    leads[4] = 7.0
    bounds = np.array([[25.5, 37.5]])
    assert waves_of_record(["QRS"], bounds, leads, 1.0)["peak"].tolist() == [30]
    assert waves_of_record(["QRS"], bounds, leads[[0]], 1.0)["peak"].tolist() == [26]


def synthetic(n, seed, duration=6):
    """Records of lead II with marks, of which each has intervals and a rate of its own."""
    rng = np.random.default_rng(seed)
    records = []
    for _ in range(n):
        rate, pr, qrs = rng.uniform(55, 80), rng.uniform(130, 200), rng.uniform(80, 120)
        waves = waves_of_intervals(heart_rate=rate, pr=pr, qrs=qrs, qt=rng.uniform(360, 420))
        noise = {"baseline": 0.05, "muscle": 0.01}
        seed = int(rng.integers(2**31))
        records.append(make_ecg(duration, fs=FS, heart_rate=rate, waves=waves, random_state=seed, **noise))
    return np.stack([record.lead("II") for record in records]), [record.fiducials["II"] for record in records]


SETTINGS = {"fs": FS, "rate": 100, "channels": (8, 12, 16), "kernel_size": 7, "ignore_label": -1, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    return synthetic(24, 0), synthetic(8, 1)


@pytest.fixture(scope="module")
def fitted(data):
    X, waves = data[0]
    model = WaveDelineator(**SETTINGS, batch_size=6, max_epochs=30, precision="float64")
    return model.fit(X, wave_masks(waves, X.shape[1]))


def test_waves_of_other_records_are_found(fitted, data):
    X, waves = data[1]
    report = fiducial_report(waves, fitted.delineate(X), fs=FS)
    assert min(report.sensitivity.values()) > 0.95
    assert min(report.ppv.values()) > 0.95
    assert max(abs(mean) for mean in report.mean.values()) < 10
    assert max(report.sd.values()) < 20
    assert fitted.score(X, wave_masks(waves, X.shape[1])) > 0.9


def test_intervals_are_those_of_the_marks(fitted, data):
    X, waves = data[1]
    intervals = fitted.intervals(X)
    assert intervals.shape == (len(X), 5)
    error = np.abs(intervals[:, :4] - wave_intervals(waves, fs=FS))
    assert (error.mean(axis=0) < [0.5, 12, 12, 20]).all()
    np.testing.assert_allclose(intervals[:, 4], intervals[:, 3] / np.sqrt(60 / intervals[:, 0]))


def test_waves_are_told_in_order_and_with_their_peaks_inside(fitted, data):
    for waves in fitted.delineate(data[1][0]):
        assert waves.dtype == WAVE_DTYPE
        assert (waves["onset"] <= waves["peak"]).all()
        assert (waves["peak"] <= waves["offset"]).all()
        assert (np.diff(waves["peak"]) > 0).all()
        complexes = np.flatnonzero(waves["wave"] == "QRS")
        for before, after in pairwise(complexes):
            assert waves["wave"][before + 1 : after].tolist() in (["T", "P"], ["T"], ["P"], [])


@pytest.mark.parametrize("change", [lambda X: 1000 * X, lambda X: X - 7, lambda X: 1e-3 * X + 1])
def test_units_and_offsets_do_not_matter(fitted, data, change):
    X = data[1][0].astype(np.float64)
    for waves, same in zip(fitted.delineate(X), fitted.delineate(change(X)), strict=True):
        np.testing.assert_array_equal(waves, same)


@pytest.mark.parametrize("fs", [200, 250, 500])
def test_another_sampling_frequency_gives_the_same_times(fitted, data, fs):
    X = data[1][0].astype(np.float64)
    resampled = ECGResampler(fs=FS, fs_out=fs).fit_transform(X)
    for waves, others in zip(fitted.delineate(X), fitted.delineate(resampled, fs=fs), strict=True):
        assert waves["wave"].tolist() == others["wave"].tolist()
        for mark in ("onset", "offset"):
            assert np.abs(waves[mark] / FS - others[mark] / fs).max() < 0.015
    np.testing.assert_allclose(fitted.intervals(resampled, fs=fs)[:, 0], fitted.intervals(X)[:, 0], rtol=0.03)


def test_records_of_another_length(fitted, data):
    X, waves = data[1]
    long = np.concatenate([X[:1], X[:1, ::-1], X[:1]], axis=1)
    found = fitted.delineate(long, fs=FS)[0]
    first, marks = (of[of["peak"] < X.shape[1] - FS] for of in (found, waves[0]))
    assert fiducial_report([marks], [first], fs=FS).sensitivity["QRS_peak"] == 1
    assert [len(waves) for waves in fitted.delineate(np.zeros((3, 1)), fs=FS)] == [0, 0, 0]
    with pytest.raises(ValueError, match="expecting 600 features"):
        fitted.delineate(long)


def test_records_of_another_length_have_the_leads_of_the_fit(fitted, data):
    X, waves = data[0]
    with pytest.raises(ValueError, match=r"records of 12 lead\(s\), but the fit was on 1"):
        fitted.intervals(np.zeros((2, 12, 900)), fs=500)
    settings = SETTINGS | {"max_epochs": 1, "channels": (4,)}
    y = wave_masks(waves, X.shape[1])
    frame = pd.DataFrame(np.hstack([X, X]), columns=signal_feature_names(["I", "II"], X.shape[1]))
    two = WaveDelineator(**settings, n_leads=2).fit(frame, y)
    assert len(two.delineate(pd.DataFrame(np.zeros((3, 10)), columns=signal_feature_names(["I", "II"], 5)), fs=FS)) == 3
    for leads, message in ((["II", "I"], "tell the leads II, I, but the fit was on I, II"), ("abc", "tell 3 lead")):
        names = signal_feature_names(leads, 8)
        with pytest.raises(ValueError, match=message):
            two.delineate(pd.DataFrame(np.zeros((3, len(names))), columns=names), fs=FS)
    with pytest.raises(ValueError, match="3-D with 4 lead"):
        two.delineate(np.zeros((3, 4, 6)), fs=FS)
    with_side = WaveDelineator(**settings, n_side_features=1).fit(np.column_stack([X, np.arange(len(X))]), y)
    with pytest.raises(ValueError, match="3-D and holds no side features"):
        with_side.delineate(X[:, None], fs=FS)


def test_flat_records_are_empty_whatever_the_network_makes_of_nothing(fitted, data):
    fond_of_qrs = pickle.loads(pickle.dumps(fitted))
    qrs = fitted.classes_.tolist().index(2)
    fond_of_qrs.module_.scores.bias.data[qrs] += 100
    signal = data[0][0][:1]
    records = np.stack([signal, np.full_like(signal, 7.25), np.zeros_like(signal)]).reshape(3, -1)
    assert [len(waves) > 0 for waves in fond_of_qrs.delineate(records)] == [True, False, False]


def test_dead_leads_are_empty_and_odd_ones_do_no_harm(fitted, data):
    flat = np.full((2, data[1][0].shape[1]), 0.0)
    flat[1] = 3.0
    assert [len(waves) for waves in fitted.delineate(flat)] == [0, 0]
    assert np.isnan(fitted.intervals(flat)).all()
    odd = np.zeros((3, flat.shape[1]))
    odd[0, 50] = 1e6
    odd[1] = np.sign(np.sin(np.arange(flat.shape[1])))
    odd[2] = np.clip(data[1][0][0], -0.1, 0.1)
    assert len(fitted.delineate(odd)) == 3


def test_probabilities_are_those_of_the_samples(fitted, data):
    X = data[1][0][:3]
    cube = fitted.predict_wave_proba(X)
    assert cube.shape == (3, X.shape[1], 4)
    np.testing.assert_allclose(cube.sum(axis=2), 1)
    of_columns = fitted.predict_proba(X)
    assert len(of_columns) == X.shape[1]
    np.testing.assert_array_equal(np.stack(of_columns, axis=1), cube)
    np.testing.assert_array_equal(fitted.predict(X), cube.argmax(axis=2))


def test_probabilities_of_other_models_are_decoded_alike(fitted, data):
    X = data[1][0][:3].astype(np.float64)
    proba = fitted.predict_wave_proba(X)
    for cube in (X, X[:, None]):
        for waves, same in zip(fitted.delineate(X), waves_from_proba(proba, cube, fs=FS), strict=True):
            np.testing.assert_array_equal(waves, same)
    certain = np.eye(4)[proba.argmax(axis=2)]  # zeros have no logarithm
    assert [len(waves) for waves in waves_from_proba(certain, X, fs=FS)] == [
        len(waves) for waves in fitted.delineate(X)
    ]
    with pytest.raises(ValueError, match=r"proba must have the shape .* got \(3, 600, 4\) and \(2, 600\)"):
        waves_from_proba(proba, X[:2], fs=FS)
    with pytest.raises(ValueError, match="between 0 and 1"):
        waves_from_proba(2 * proba, X, fs=FS)
    proba[1, 7] = 0
    with pytest.raises(ValueError, match="0 for all four classes, as at sample 7 of record 1"):
        waves_from_proba(proba, X, fs=FS)


def test_scores_are_of_the_labels_that_there_are(fitted, data):
    X, waves = data[1]
    y = wave_masks(waves, X.shape[1])
    weight = np.arange(len(X)) % 2
    assert fitted.score(X, y, sample_weight=weight) == fitted.score(X[1::2], y[1::2])
    assert fitted.score(X, y.tolist()) == fitted.score(X, y)
    for wrong in (y.T, y[:-1], y[:, 1:], y[:, :, None]):
        with pytest.raises(ValueError, match=r"y must have the shape \(8, 600\), got"):
            fitted.score(X, wrong)
    with pytest.raises(ValueError, match=r"sample_weight\.shape == "):
        fitted.score(X, y, sample_weight=np.ones(3))
    for nothing in ({"y": np.full_like(y, -1)}, {"y": np.where(weight[:, None] == 1, -1, y), "sample_weight": weight}):
        with pytest.raises(ValueError, match="leave no label of y to score"):
            fitted.score(X, **nothing)


def test_one_label_a_record_is_scored_in_a_column_too(data):
    X = data[0][0]
    y = np.arange(len(X)) % 2
    model = WaveDelineator(fs=FS, max_epochs=1, channels=(4,), random_state=0).fit(X, y)
    assert model.score(X, y[:, None]) == model.score(X, y) == np.mean(model.predict(X) == y)
    with pytest.raises(ValueError, match=r"y must have the shape \(24,\), got \(12, 2\)"):
        model.score(X, y.reshape(12, 2))


@pytest.mark.parametrize("n_columns", [2, 7, 150, 1200])
def test_label_maps_of_any_number_of_columns(data, n_columns):
    X, waves = data[0]
    mask = wave_masks(waves, X.shape[1], ignore_label=0)
    y = mask[:, (np.arange(n_columns) * X.shape[1]) // n_columns]
    model = WaveDelineator(**SETTINGS | {"ignore_label": None}, max_epochs=1).fit(X, y)
    assert model.predict(X).shape == y.shape
    assert [proba.shape for proba in model.predict_proba(X)] == [(len(X), 4)] * n_columns
    assert 0 <= model.score(X, y) <= 1


@pytest.mark.parametrize("rate", [50, 100, 250])
def test_columns_stand_where_their_samples_are(rate):
    """A network that scores the time itself tells for every column the time of its sample."""
    time = torch.arange(6 * rate, dtype=torch.float64)[None, None] / rate
    for n_columns, expected in ((600, np.arange(600) / 100), (1200, np.arange(1200) / 200 - 0.0025)):
        found = at_columns(time, n_columns, column_moments(n_columns, 600, 6 * rate, rate / 100))[0, 0]
        inside = slice(1, n_columns - 2 * n_columns // (6 * rate) - 1)
        np.testing.assert_allclose(found[inside], expected[inside], atol=1e-12)
    spans = at_columns(time, 3, column_moments(3, 600, 6 * rate, rate / 100))[0, 0]
    np.testing.assert_allclose(spans, [1, 3, 5], atol=0.5 / rate + 1e-12)


def test_what_nobody_labelled_is_not_learned_from(data):
    X, waves = data[0]
    mask = wave_masks(waves, X.shape[1])
    mask[:, :200] = -1
    names = np.array(["nobody knows", "none", "P", "QRS", "T"])[mask + 1]
    settings = SETTINGS | {"max_epochs": 2}
    plain = WaveDelineator(**settings).fit(X, mask)
    assert plain.classes_.tolist() == [0, 1, 2, 3]
    named = WaveDelineator(**settings | {"ignore_label": "nobody knows"}).fit(X, names)
    assert named.classes_.tolist() == ["P", "QRS", "T", "none"]
    unlabelled = np.where(mask == -1, 2, plain.predict(X))
    unlabelled[:, :200] = -1
    assert plain.score(X, unlabelled) == np.mean((unlabelled == plain.predict(X))[unlabelled != -1])
    for waves in named.delineate(X[:2]):
        assert set(waves["wave"].tolist()) <= {"P", "QRS", "T"}
    with pytest.raises(ValueError, match="leave no label"):
        WaveDelineator(**settings).fit(X, np.full_like(mask, -1))


def test_records_without_a_label_count_for_nothing(data):
    X, waves = data[0]
    mask = wave_masks(waves, X.shape[1])
    settings = SETTINGS | {"max_epochs": 2, "batch_size": 64, "precision": "float64", "norm": "group", "dropout": 0}
    without = WaveDelineator(**settings).fit(X[:-4], mask[:-4])
    mask[-4:] = -1
    silent = WaveDelineator(**settings).fit(X, mask)
    np.testing.assert_allclose(silent.predict_wave_proba(X), without.predict_wave_proba(X), atol=1e-10)


def test_several_leads_are_read_together(data):
    X, waves = data[0]
    two = np.stack([X, np.random.default_rng(0).normal(size=X.shape)], axis=1)
    y = wave_masks(waves, X.shape[1])
    model = WaveDelineator(**SETTINGS, max_epochs=15, batch_size=8).fit(two, y)
    assert model.layout_.n_leads == 2
    assert model.score(two, y) > 0.8
    assert model.score(two[:, ::-1], y) < 0.7
    rows = model.delineate(two.reshape(len(two), -1))
    for of_rows, of_cube in zip(rows, model.delineate(two), strict=True):
        np.testing.assert_array_equal(of_rows, of_cube)


def test_a_pickle_finds_the_same_waves(fitted, data):
    X = data[1][0]
    loaded = pickle.loads(pickle.dumps(fitted))
    for waves, same in zip(fitted.delineate(X), loaded.delineate(X), strict=True):
        np.testing.assert_array_equal(waves, same)


def test_a_fit_goes_on(data):
    X, waves = data[0]
    y = wave_masks(waves, X.shape[1])
    model = WaveDelineator(**SETTINGS, max_epochs=2, warm_start=True).fit(X, y)
    before = model.predict_wave_proba(X)
    model.fit(X, y)
    assert model.n_iter_ == 4
    assert np.abs(model.predict_wave_proba(X) - before).max() > 0
    with pytest.raises(ValueError, match="new classes"):
        model.fit(X, y + 1)


def test_early_stopping_watches_the_labelled_samples(data):
    X, waves = data[0]
    model = WaveDelineator(**SETTINGS, max_epochs=3, early_stopping=True, validation_fraction=0.25)
    model.fit(X, wave_masks(waves, X.shape[1]), groups=np.arange(len(X)) // 2)
    assert all(0 <= row["valid_score"] <= 1 for row in model.history_)


def test_labels_that_are_no_waves_find_none(data):
    X = data[0][0]
    model = WaveDelineator(fs=FS, max_epochs=1, channels=(4,)).fit(X, np.arange(len(X)) % 2)
    assert model.predict_proba(X).shape == (len(X), 2)
    with pytest.raises(ValueError, match="labels must be 1 P, 2 QRS, 3 T"):
        model.delineate(X)


@pytest.mark.parametrize("unlabelled", [-1, "nobody knows"])
def test_what_nobody_labelled_is_no_wave_of_its_own(data, unlabelled):
    X, waves = data[0]
    y = wave_masks(waves, X.shape[1])
    if isinstance(unlabelled, str):
        y = np.array([unlabelled, "none", "P", "QRS", "T"])[y + 1]
    model = WaveDelineator(**SETTINGS | {"ignore_label": None, "max_epochs": 1, "channels": (4,)}).fit(X, y)
    with pytest.raises(ValueError, match=f"one other for none; .*{unlabelled}.* ignore_label, which was None"):
        model.delineate(X)
    assert len(model.set_params(ignore_label=unlabelled).fit(X, y).delineate(X)) == len(X)


@pytest.mark.parametrize("name", DELINEATORS)
def test_one_label_a_record_can_be_learned(name):
    rng = np.random.default_rng(0)
    y = np.repeat(["N", "V"], 20)
    X = rng.normal(size=(40, 12)) + np.where(y == "V", 2.0, 0.0)[:, None]
    model = clone(DELINEATORS[name]).set_params(**QUICK | EXACT).set_params(max_epochs=20).fit(X, y)
    assert model.score(X, y) > 0.9
