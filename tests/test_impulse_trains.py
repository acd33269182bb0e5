"""ImpulseTrainExtractor: the formula by hand, the beats of known records, invariances, and records without beats."""

import numpy as np
import pandas as pd
import pytest

from sklearn_ecg import ImpulseTrainExtractor
from sklearn_ecg.datasets import make_ecg
from sklearn_ecg.preprocessing import _transformers
from sklearn_ecg.segmentation._impulse_trains import place_pulses, train_maxima
from sklearn_ecg.signals._validation import flatten_leads, signal_feature_names

FS = 250
METHODS = ("energy", "peaks", "fixed_period")


def ecg(seed=0, **params):
    return make_ecg(10, fs=FS, random_state=seed, **{"leads": ("II", "V2", "V5"), **params})


def train_of(signal, method="energy", **params):
    return ImpulseTrainExtractor(fs=FS, method=method, **params).fit_transform(np.atleast_2d(signal)[None])[0]


def test_soft_train_is_the_formula_of_the_paper():
    X = np.random.default_rng(0).normal(size=(1, 400))
    window = np.hamming(11)
    scaled = (X[0] - X[0].mean()) / (2 * X[0].std())
    expected = np.log1p(np.convolve(scaled**4, window / window.sum(), mode="same"))
    np.testing.assert_allclose(ImpulseTrainExtractor(fs=500).fit_transform(X)[0], expected, rtol=1e-10)


@pytest.mark.parametrize(("fs", "n_window"), [(1000, 21), (500, 11), (250, 5), (100, 3), (20, 1)])
def test_the_window_scales_with_the_sampling_frequency(fs, n_window):
    assert len(ImpulseTrainExtractor(fs=fs).fit(np.ones((1, 400))).window_) == n_window


@pytest.mark.parametrize("method", METHODS)
def test_every_beat_of_a_steady_rhythm_has_its_impulse_and_nothing_else_has(method):
    record = ecg(heart_rate_std=0.0)
    found = np.flatnonzero(train_of(record.signal, method, binary=True))
    assert len(found) == len(record.peaks)
    assert np.abs(found - record.peaks).max() <= 0.05 * FS  # energy may mark the S of one lead
    if method == "peaks":
        np.testing.assert_array_equal(found, record.peaks)


@pytest.mark.parametrize("method", ["energy", "peaks"])
def test_an_irregular_rhythm_is_followed(method):
    record = ecg(rhythm="af", heart_rate=90)
    found = np.flatnonzero(train_of(record.signal, method, binary=True))
    assert np.ptp(np.diff(record.peaks)) > 0.2 * FS
    distance = np.abs(found[:, None] - record.peaks)
    assert (distance.min(axis=0) <= 0.05 * FS).all()
    assert (distance.min(axis=1) <= 0.05 * FS).all()


def test_a_fixed_period_does_not_drift_and_lies_on_the_beats():
    record = ecg(heart_rate=71.3, heart_rate_std=0.0)
    found = np.flatnonzero(train_of(record.signal, "fixed_period", binary=True))
    assert np.ptp(np.diff(found)) <= 1
    assert (found[-1] - found[0]) / (len(found) - 1) == pytest.approx(60 / 71.3 * FS, abs=0.1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("binary", [True, False])
def test_gain_and_offset_do_not_matter(method, binary):
    signal = ecg(muscle=0.02).signal.astype(np.float64)
    expected = train_of(signal, method, binary=binary)
    changed = signal * np.array([[4.0], [-0.5], [8.0]]) + np.array([[1.0], [-2.0], [0.0]])
    np.testing.assert_allclose(train_of(changed, method, binary=binary), expected, atol=1e-6)
    backwards = train_of(signal[::-1], method, binary=binary)
    np.testing.assert_allclose(backwards, expected, atol=1e-6)


def test_leads_share_one_train_and_flat_leads_are_left_out():
    signal = ecg().signal.astype(np.float64)
    fourth = [np.expm1(train_of(lead)) for lead in signal]
    np.testing.assert_allclose(train_of(signal), np.log1p(np.mean(fourth, axis=0)), rtol=1e-8)
    np.testing.assert_allclose(train_of([signal[0], np.full(2500, 3.3)]), train_of(signal[0]), atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("binary", [True, False])
def test_records_without_beats_give_zeros(method, binary):
    n = np.arange(2500)
    X = np.stack([np.zeros(2500), np.full(2500, 0.1), np.full(2500, -1e200)])
    transformer = ImpulseTrainExtractor(fs=FS, method=method, binary=binary)
    np.testing.assert_array_equal(transformer.fit_transform(X), np.zeros((3, 2500)))
    if method != "energy":  # an edge, a slope and one beat have no rhythm; a detector may find the beat
        X = np.stack([n > 1200, n / 1000])
        assert not transformer.fit_transform(X).any()
    huge = transformer.fit_transform(1e200 * ecg().signal[:1].astype(np.float64))
    np.testing.assert_allclose(huge, transformer.fit_transform(ecg().signal[:1].astype(np.float64)), atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("n_leads", [1, 2, 12])
@pytest.mark.parametrize("n_timepoints", [1, 2, 7, 250])
def test_any_length_and_any_leads(method, binary, n_leads, n_timepoints):
    X = np.random.default_rng(0).normal(size=(3, n_leads, n_timepoints))
    out = ImpulseTrainExtractor(fs=360, method=method, binary=binary).fit_transform(X)
    assert out.shape == (3, n_timepoints)
    assert np.isfinite(out).all()
    assert (out >= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_records_by_themselves_rows_and_side_columns(method, monkeypatch):
    X = np.stack([ecg(seed).signal for seed in range(4)])
    side = np.random.default_rng(0).normal(size=(4, 2)) * 1e6
    rows = flatten_leads(X, side)
    fitted = ImpulseTrainExtractor(fs=FS, method=method, n_leads=3, n_side_features=2).fit(rows)
    out = fitted.transform(rows)
    assert out.dtype == np.float64
    np.testing.assert_array_equal(out[:, -2:], side)
    trains = ImpulseTrainExtractor(fs=FS, method=method).fit_transform(X)
    assert trains.dtype == np.float32
    np.testing.assert_array_equal(trains, out[:, :-2].astype(np.float32))
    monkeypatch.setattr(_transformers, "_VALUES_PER_CHUNK", 1)
    np.testing.assert_allclose(fitted.transform(rows), out, rtol=1e-12, atol=1e-12)


def test_columns_are_named_and_kept_in_frames():
    frame = pd.DataFrame(
        flatten_leads(ecg().signal[None], [[61.0]]), columns=signal_feature_names(["II", "V2", "V5"], 2500, ["age"])
    )
    transformer = ImpulseTrainExtractor(fs=FS, n_leads=3, n_side_features=1).set_output(transform="pandas")
    columns = list(transformer.fit_transform(frame).columns)
    assert columns == [*signal_feature_names(["impulse"], 2500), "age"]


def test_parameters_take_effect_in_fit():
    X = ecg().signal[None]
    fitted = ImpulseTrainExtractor(fs=FS).fit(X)
    expected = fitted.transform(X)
    np.testing.assert_array_equal(fitted.set_params(binary=True, method="peaks", window=1.0).transform(X), expected)


def test_bad_parameters_are_named():
    with pytest.raises(ValueError, match="fs must be between 50 and 4000"):
        ImpulseTrainExtractor(fs=49, method="peaks").fit(np.ones((1, 10)))
    with pytest.raises(ValueError, match="'method' parameter of ImpulseTrainExtractor"):
        ImpulseTrainExtractor(fs=FS, method="sound").fit(np.ones((1, 10)))
    with pytest.raises(ValueError, match="'window' parameter of ImpulseTrainExtractor"):
        ImpulseTrainExtractor(fs=FS, window=0).fit(np.ones((1, 10)))


def test_maxima_and_pulses_by_hand():
    train = np.array([[0, 2.0, 0, 0, 2.0, 0, 0, 0, 0.5, 0, 0, 1.0], np.zeros(12)])
    maxima = train_maxima(train, fs=10)  # within 2 samples; 0.5 is under a third
    np.testing.assert_array_equal(np.flatnonzero(maxima[0]), [1, 4, 11])
    assert not maxima[1].any()
    pulses = place_pulses(np.eye(1, 6, 1), np.array([0.2, 0.5, 1.0, 0.7, 0.3]))
    np.testing.assert_array_equal(pulses, [[0.5, 1.0, 0.7, 0.3, 0, 0]])


@pytest.mark.parametrize("method", ["energy", "peaks"])
def test_beats_of_real_records(method, data_home):
    from sklearn_ecg.datasets import fetch_ludb

    with pytest.warns(UserWarning, match="missing|not"):
        ludb = fetch_ludb(data_home=data_home, download_if_missing=False)
    trains = ImpulseTrainExtractor(fs=500, method=method, binary=True).fit_transform(ludb.data)
    hits = [
        np.abs(np.flatnonzero(train)[:, None] - record.peaks).min(axis=0) <= 75
        for train, record in zip(trains, ludb.records, strict=True)
    ]
    assert np.concatenate(hits).mean() > 0.99
