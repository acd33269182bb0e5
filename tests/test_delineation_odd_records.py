"""WaveDelineator on records that are absurd, dead in part, of odd rates or labelled in contradiction."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, cross_val_predict
from torch import nn

from sklearn_ecg import ECGResampler, WaveDelineator
from sklearn_ecg.datasets import fetch_ludb, make_ecg
from sklearn_ecg.delineation import cross_val_wave_proba, waves_from_proba
from sklearn_ecg.delineation._mending import mend_rows
from sklearn_ecg.metrics import fiducial_report
from sklearn_ecg.preprocessing import wave_masks
from sklearn_ecg.signals._validation import RowLayout

FS = 100
SETTINGS = {"fs": FS, "rate": FS, "channels": (8, 12, 16), "kernel_size": 7, "ignore_label": -1, "random_state": 0}


def synthetic(n, seed, fs=FS, duration=8, leads=("II",)):
    rng = np.random.default_rng(seed)
    noise = {"baseline": 0.05, "muscle": 0.01, "leads": leads}
    records = [
        make_ecg(duration, fs=fs, heart_rate=rate, random_state=int(rng.integers(2**31)), **noise)
        for rate in rng.uniform(55, 90, size=n)
    ]
    return np.stack([record.signal for record in records]), [record.fiducials["II"] for record in records]


@pytest.fixture(scope="module")
def fitted():
    X, waves = synthetic(24, 0)
    return WaveDelineator(**SETTINGS, batch_size=6, max_epochs=30).fit(X[:, 0], wave_masks(waves, X.shape[2]))


@pytest.fixture(scope="module")
def record():
    X, waves = synthetic(4, 1)
    return X[:, 0].astype(np.float64), waves


def shifted(waves, by):
    moved = waves.copy()
    for mark in ("onset", "peak", "offset"):
        moved[mark] += by
    return moved


def agree(found, expected, fs=FS, tolerance=0.05, least=0.97):
    """Every kind of wave is found where it was expected, and nowhere else."""
    report = fiducial_report(expected, found, fs=fs, tolerance=tolerance)
    for name in ("P_peak", "QRS_peak", "T_peak", "QRS_onset", "QRS_offset"):
        assert report.sensitivity[name] >= least
        assert report.ppv[name] >= least


@pytest.mark.parametrize("value", [-32768.0, -1e6, -(2.0**31), 50.0, 1e30])
@pytest.mark.parametrize("places", [[333], [0], [799], [200, 400, 401, 600]])
def test_a_few_absurd_samples_change_nothing_elsewhere(fitted, record, value, places):
    X = record[0].copy()
    X[:, places] = value
    for found, expected in zip(fitted.delineate(X), fitted.delineate(record[0]), strict=True):
        near = [np.abs(waves["peak"][:, None] - places).min(axis=1) < 0.3 * FS for waves in (found, expected)]
        agree([found[~near[0]]], [expected[~near[1]]], least=1)
    np.testing.assert_allclose(fitted.intervals(X)[:, 0], fitted.intervals(record[0])[:, 0], atol=1)


def test_invalid_values_of_converters_are_bridged(fitted, record):
    counts = np.rint(1000 * record[0]).astype(np.int16)
    marked = counts.copy()
    marked[:, 450] = -32768
    for found, expected in zip(fitted.delineate(marked), fitted.delineate(counts), strict=True):
        np.testing.assert_array_equal(found["wave"], expected["wave"])
        assert np.abs(found["onset"] - expected["onset"]).max() <= 2


def test_absurd_training_samples_change_no_scale(record):
    X, waves = synthetic(8, 2)
    y = wave_masks(waves, X.shape[2])
    spoilt = X[:, 0].copy()
    spoilt[:, 5] = -32768
    settings = SETTINGS | {"channels": (4,), "max_epochs": 2, "dropout": 0}
    one, other = (WaveDelineator(**settings).fit(rows, y) for rows in (X[:, 0], spoilt))
    np.testing.assert_allclose(one.predict_wave_proba(record[0]), other.predict_wave_proba(record[0]), atol=1e-3)


def test_peaks_are_not_those_of_absurd_samples(fitted, record):
    X = record[0]
    spoilt, proba = X.copy(), fitted.predict_wave_proba(X)
    for row, waves in zip(spoilt, fitted.delineate(X), strict=True):
        row[waves["onset"][waves["wave"] == "T"] + 3] = 1e6
    for found, expected in zip(waves_from_proba(proba, spoilt, fs=FS), fitted.delineate(X), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("level", [0.0, 7.25, -32768.0])
@pytest.mark.parametrize("before, after", [(0, 2000), (2000, 0), (900, 5000), (300, 0)])
def test_dead_stretches_change_nothing_and_hold_nothing(fitted, record, level, before, after):
    padded = np.pad(record[0], ((0, 0), (before, after)), constant_values=level)
    found = fitted.delineate(padded, fs=FS)
    agree(found, [shifted(waves, before) for waves in fitted.delineate(record[0])])
    for waves in found:
        assert ((waves["peak"] >= before) & (waves["peak"] < before + record[0].shape[1])).all()


def test_dead_stretches_between_live_ones(fitted, record):
    one, two = record[0][:2], record[0][2:]
    dead = np.zeros((2, 700))
    found = fitted.delineate(np.hstack([dead, one, dead - 3, two, dead]), fs=FS)
    at = 700, 2200
    expected = [
        np.concatenate([shifted(a, at[0]), shifted(b, at[1])])
        for a, b in zip(fitted.delineate(one), fitted.delineate(two), strict=True)
    ]
    agree(found, expected)


def test_what_is_too_faint_to_be_seen_is_dead(fitted, record):
    ripple = 1e-4 * np.random.default_rng(0).normal(size=(4, 2000))
    found = fitted.delineate(np.hstack([record[0], ripple]), fs=FS)
    agree(found, fitted.delineate(record[0]))


def test_a_lead_that_is_dead_in_part_keeps_its_scale():
    X, _ = synthetic(3, 3, leads=("II", "V5"))
    partly = X.astype(np.float64)
    partly[:, 1, 300:] = 9.0
    layout = RowLayout(*X.shape[1:])
    mended, dead = mend_rows(partly.reshape(3, -1), layout, FS)
    signals = layout.split(mended)[0]
    assert not dead.any()
    np.testing.assert_array_equal(signals[:, 0], partly[:, 0])
    np.testing.assert_array_equal(signals[:, 1, :300], partly[:, 1, :300])
    live = partly[:, 1, :300]
    np.testing.assert_allclose(signals[:, 1].mean(axis=1), live.mean(axis=1), atol=1e-9)
    mean = live.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs(signals[:, 1] - mean).mean(axis=1), np.abs(live - mean).mean(axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_ordinary_records_are_left_as_they_are(record, dtype):
    X = (1000 * record[0]).astype(dtype)
    mended, dead = mend_rows(X, RowLayout(1, X.shape[1]), FS)
    assert mended is X
    assert not dead.any()
    few = X[:, : FS - 1].copy()
    few[:, 3] = 30_000
    assert mend_rows(few, RowLayout(1, FS - 1), FS)[0] is few


@pytest.mark.parametrize("fs", [50, 64, 250, 1000, 1024, 2000, 2048, 4000])
def test_every_sampling_frequency_is_right(fitted, fs):
    X, waves = synthetic(4, 4, fs=fs)
    agree(fitted.delineate(X, fs=fs), waves, fs=fs, least=0.95)
    X, waves = synthetic(1, 4, fs=fs)
    model = WaveDelineator(**SETTINGS | {"fs": fs, "max_epochs": 1, "channels": (4,)})
    assert model.fit(X[:, 0], wave_masks(waves, X.shape[2])).predict(X[:, 0]).shape == X[:, 0].shape


@pytest.mark.parametrize("fs", [1, 49.9, 4000.1])
def test_sampling_frequencies_out_of_range_are_named(fitted, record, fs):
    message = f"fs must be between 50 and 4000, the sampling frequency in Hz, got {fs}"
    for measure in (fitted.delineate, fitted.intervals):
        with pytest.raises(ValueError, match=message):
            measure(record[0], fs=fs)
    with pytest.raises(ValueError, match=message):
        WaveDelineator(fs=fs).fit(record[0], np.zeros((4, 800), dtype=int))


@pytest.mark.parametrize("fs", [249.9, 250.1, 249.9876, 499.9, 499.31])
def test_an_hour_at_a_measured_frequency_is_resampled_to_its_end(fs):
    time = np.arange(round(3600 * fs)) / fs
    beats = np.arange(1, 3600)
    hour = np.exp(-0.5 * ((time % 1 - 0.5) / 0.01) ** 2)[None]
    out = ECGResampler(fs=fs, fs_out=250).fit_transform(hour)[0]
    assert abs(len(out) - 3600 * 250) <= 1
    expected = np.exp(-0.5 * ((np.arange(len(out)) / 250 % 1 - 0.5) / 0.01) ** 2)
    np.testing.assert_allclose(out[beats[:-1] * 250 - 125], 1, atol=2e-3)
    np.testing.assert_allclose(out[-2000:-20], expected[-2000:-20], atol=2e-3)


@pytest.mark.parametrize("fs", [99.93])
def test_waves_at_the_end_of_an_hour_are_told_to_the_sample(fitted, record, fs):
    marks = fitted.delineate(record[0][:1])[0]
    n = round(3600 * fs) // 800
    found = fitted.delineate(np.tile(record[0][0], n)[None], fs=fs)[0]
    last = shifted(found[found["peak"] >= (n - 1) * 800 + 200], -(n - 1) * 800)
    inner = marks[(marks["peak"] >= 200) & (marks["peak"] < 780)]
    agree([last[last["peak"] < 780]], [inner], tolerance=0.04, least=1)
    qrs = [waves["peak"][waves["wave"] == "QRS"] for waves in (last[last["peak"] < 780], inner)]
    assert np.abs(qrs[0] - qrs[1]).max() <= 1


class Same(nn.Module):
    """Scores that are the signal itself, for two classes of opposite sign."""

    def __init__(self):
        super().__init__()
        self.none = nn.Parameter(torch.zeros(()))

    def forward(self, signals, side):
        return torch.cat([signals, -signals], dim=1)


def test_columns_of_a_measured_frequency_stand_where_their_samples_are():
    X = np.sin(2 * np.pi * np.arange(60_000) / 97.3)[None]
    y = (X > 0).astype(int)
    model = WaveDelineator(fs=99.93, rate=100, channels=(2,), max_epochs=1, random_state=0).fit(X, y)
    model.module_ = Same()
    np.testing.assert_allclose(model._scores(X)[0, 0, 20:-20], X[0, 20:-20], atol=0.01)
    in_loss = model._make_criterion().moments
    np.testing.assert_allclose(in_loss[:-2], np.arange(59_998) * (100 / 99.93), atol=1e-6)


@pytest.mark.parametrize("n_columns", [797, 799, 801, 500, 1500])
def test_masks_that_contradict_the_signals_are_refused(record, n_columns):
    with pytest.raises(ValueError, match=f"y has {n_columns} columns, but X has 800 samples"):
        WaveDelineator(**SETTINGS).fit(record[0], np.zeros((4, n_columns), dtype=int))


def test_labels_of_other_patients_are_predicted_fold_by_fold(record):
    X, waves = record
    y = wave_masks(waves, X.shape[1])
    model = WaveDelineator(**SETTINGS | {"channels": (4,), "max_epochs": 2})
    cv = KFold(2)
    with pytest.raises(ValueError, match=r"No label of y is ignore_label=-1; .* use delineation.cross_val_wave_proba"):
        cross_val_predict(model, X, y, cv=cv, method="predict_proba")
    predicted = cross_val_predict(model, X, y, cv=cv)
    for train, test in cv.split(X):
        np.testing.assert_array_equal(predicted[test], model.fit(X[train], y[train]).predict(X[test]))


def test_a_label_that_is_not_there_cannot_be_ignored(record):
    y = np.zeros((4, 800), dtype=int)
    y[:, ::3] = 2
    model = WaveDelineator(**SETTINGS | {"channels": (4,), "max_epochs": 1})
    with pytest.raises(
        ValueError, match=r"No label of y is ignore_label=-1; they are 0, 2\. Where all is labelled, set"
    ):
        model.fit(record[0], y)
    assert model.set_params(ignore_label=None).fit(record[0], y).classes_.tolist() == [0, 2]


class TestHeldOutProbabilities:
    def test_each_record_by_a_fit_on_the_others(self):
        X, waves = synthetic(8, 2)
        X, y, groups = X[:, 0], wave_masks(waves, X.shape[2]), np.arange(8) % 4
        model = WaveDelineator(**SETTINGS | {"channels": (4, 4), "max_epochs": 2})
        proba = cross_val_wave_proba(model, X, y, groups=groups, cv=GroupKFold(2))
        train, test = next(GroupKFold(2).split(X, None, groups))
        fitted = clone(model).fit(X[train], y[train])
        assert proba.shape == (8, X.shape[1], 4)
        np.testing.assert_allclose(proba[test], fitted.predict_wave_proba(X[test]))

    def test_splits_that_leave_records_out_are_refused(self, record):
        X, waves = record
        model = WaveDelineator(**SETTINGS | {"channels": (4, 4), "max_epochs": 1})
        with pytest.raises(ValueError, match="cv must put each record in one test fold"):
            cross_val_wave_proba(model, X, wave_masks(waves, 800), cv=ShuffleSplit(1, test_size=1, random_state=0))


def test_records_of_ludb_are_read_as_they_are(data_home):
    """Nothing is mended in them, so that the network sees what it saw, and the figures on them stand."""
    if not (data_home / "ludb").is_dir():
        pytest.skip("no LUDB in the data home")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the folder may hold a part
        ludb = fetch_ludb(data_home=data_home, download_if_missing=False)
    leads = ludb.data.reshape(-1, ludb.data.shape[-1])
    mended, dead = mend_rows(leads, RowLayout(1, leads.shape[1]), ludb.fs)
    assert mended is leads
    assert not dead.any()
