import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wasserstein_distance
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import KNeighborsClassifier

from sklearn_ecg.datasets import fetch_ludb, make_beats
from sklearn_ecg.metrics import (
    diversity,
    macro_f1,
    median_bandwidth,
    memorisation,
    mmd_report,
    paired_bootstrap,
    periodicity,
    phase_randomised,
    rr_distance,
    squared_mmd,
    train_on_synthetic,
    white_noise_like,
)
from sklearn_ecg.preprocessing import extract_beats


@pytest.fixture(scope="module")
def beats():
    """Two lots of patients: rows of 48 samples and 4 side features."""
    made = make_beats(24, duration=20, n_timepoints=48, bandpass=(0.5, 30.0), random_state=0)
    first = made.groups < np.unique(made.groups)[12]
    return tuple(
        {"X": made.data[rows].astype(float), "y": made.target[rows], "groups": made.groups[rows]}
        for rows in (first, ~first)
    )


def signal_of(lot):
    return lot["X"][:, :48]


def plain(report):
    values = report.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    return values


def test_surrogates_keep_what_they_promise():
    rng = np.random.default_rng(0)
    for n_timepoints in (1, 2, 7, 64):
        X = rng.normal(3, 2, (5, 2 * n_timepoints + 3))
        layout = {"n_leads": 2, "n_side_features": 3, "random_state": 0}
        before = X.copy()
        noise, other = white_noise_like(X, **layout), phase_randomised(X, **layout)
        np.testing.assert_array_equal(X, before)
        for rows in (noise, other):
            np.testing.assert_array_equal(rows[:, -3:], X[:, -3:])
        leads, made = (rows[:, :-3].reshape(5, 2, n_timepoints) for rows in (X, other))
        np.testing.assert_allclose(np.abs(np.fft.rfft(made)), np.abs(np.fft.rfft(leads)), atol=1e-9)
        np.testing.assert_allclose(made.mean(axis=2), leads.mean(axis=2))
    assert np.abs(made - leads).max() > 1
    assert np.abs(made[:, 0] - made[:, 1]).max() > 1
    many = white_noise_like(rng.normal(3, 2, (1, 40_000)), random_state=1)
    assert abs(many.mean() - 3) < 0.05 and abs(many.std() - 2) < 0.05
    assert abs(np.corrcoef(many[0, 1:], many[0, :-1])[0, 1]) < 0.02


def test_surrogates_refuse_what_is_no_row():
    for surrogate in (white_noise_like, phase_randomised):
        with pytest.raises(ValueError, match="X must be 2-D"):
            surrogate(np.zeros(5))
        with pytest.raises(ValueError, match="X must be finite"):
            surrogate([[0, np.nan]])
        with pytest.raises(ValueError, match="multiple of n_leads"):
            surrogate(np.zeros((2, 5)), n_leads=2)


def test_bandwidth_is_the_median_distance():
    # distances 1, 3, 4 on a line
    assert median_bandwidth([[0.0], [1.0], [4.0]]) == pytest.approx(3)
    X = np.random.default_rng(0).normal(size=(300, 5))
    assert median_bandwidth(X, max_rows=150, random_state=0) == pytest.approx(median_bandwidth(X), rel=0.1)
    with pytest.raises(ValueError, match="median distance between two rows of X is 0"):
        median_bandwidth(np.ones((5, 2)))
    with pytest.raises(ValueError, match="two rows"):
        median_bandwidth([[1.0]])


def test_mmd_worked_by_hand():
    # X = {0, 1}, Y = {0, 2}, bandwidth 1: k(0, 1) = e^-1/2, k(0, 2) = e^-2
    # pairs within X: k(0, 1); within Y: k(0, 2); across: k(0, 0), k(0, 2), k(1, 0), k(1, 2)
    half, two = math.exp(-0.5), math.exp(-2)
    wanted = half + two - 2 * (1 + two + half + half) / 4
    assert squared_mmd([[0.0], [1.0]], [[0.0], [2.0]], bandwidth=1) == pytest.approx(wanted, rel=1e-12)


def test_mmd_is_symmetric_unbiased_and_without_units():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(40, 3)), rng.normal(0.7, 1, size=(30, 3))
    value = squared_mmd(X, Y, bandwidth=2)
    assert squared_mmd(Y, X, bandwidth=2) == pytest.approx(value, rel=1e-12)
    assert squared_mmd(X[::-1], Y[rng.permutation(30)], bandwidth=2) == pytest.approx(value, rel=1e-12)
    assert squared_mmd(10 * X + 1e6, 10 * Y + 1e6, bandwidth=20) == pytest.approx(value, rel=1e-6)
    same = [squared_mmd(*rng.normal(size=(2, 20, 3)), bandwidth=2) for _ in range(400)]
    assert abs(np.mean(same)) < 3 * np.std(same) / 20 and np.min(same) < 0
    with pytest.raises(ValueError, match="bandwidth must be positive"):
        squared_mmd(X, Y, bandwidth=0)
    with pytest.raises(ValueError, match="X has 3 columns and Y 2"):
        squared_mmd(X, Y[:, :2], bandwidth=1)
    with pytest.raises(ValueError, match="two rows at least"):
        squared_mmd(X, Y[:1], bandwidth=1)


def test_report_is_the_mean_over_halves():
    rng = np.random.default_rng(0)
    groups = np.repeat(["a", "b", "c", "d"], [3, 2, 4, 3])
    real, made = rng.normal(size=(12, 2)), rng.normal(1, 1, size=(9, 2))
    settings = {"standardise": False, "n_splits": 300, "random_state": 1}
    report = mmd_report(real, made, groups=groups, **settings)
    values, floors = [], []
    for pair in ("ab", "ac", "ad", "bc", "bd", "cd"):  # the halves are drawn from these evenly
        half = np.isin(groups, list(pair))
        values.append(squared_mmd(real[half], made, bandwidth=report.bandwidth))
        floors.append(squared_mmd(real[half], real[~half], bandwidth=report.bandwidth))
    assert report.bandwidth == median_bandwidth(real)
    assert report.squared.estimate == pytest.approx(np.mean(values), abs=2 * np.std(values) / np.sqrt(300))
    assert (report.squared.low, report.squared.high) == pytest.approx((min(values), max(values)))
    assert report.floor.estimate == pytest.approx(np.sqrt(np.mean(np.square(floors))), rel=0.1)
    assert (report.n_real, report.n_groups, report.n_generated, report.n_splits) == (12, 4, 9, 300)
    assert report.multiple == report.squared.estimate / report.floor.estimate
    assert mmd_report(real, made, groups=groups, **settings) == report


def test_report_standardises_by_the_real_rows():
    rng = np.random.default_rng(0)
    real, made = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    scales = np.array([1, 1000, 0.01])
    report, other = (
        mmd_report(X, Y, random_state=0) for X, Y in ((real, made), (real * scales - 5, made * scales - 5))
    )
    assert report.standardised and other.multiple == pytest.approx(report.multiple, rel=1e-6)


def test_surrogates_of_beats_are_rejected(beats):
    train, test = beats
    real, rows = signal_of(test), signal_of(train)
    report = mmd_report(real, rows, groups=test["groups"], random_state=0)
    assert report.rejected == {"white noise": True, "phase-randomised": True}
    assert report.multiple < 3 and report.below_surrogates
    assert min(report.surrogate_multiples.values()) > 3
    for surrogate in (white_noise_like, phase_randomised):
        report = mmd_report(real, surrogate(rows, random_state=1), groups=test["groups"], random_state=0)
        assert report.multiple > 3 and not report.below_surrogates
    assert plain(report)["rejected"]["white noise"] is True


def test_one_beat_repeated_is_far_from_the_floor(beats):
    train, test = beats
    repeated = np.repeat(np.median(signal_of(train), axis=0)[None], 50, axis=0)
    assert mmd_report(signal_of(test), repeated, groups=test["groups"], random_state=0).multiple > 3


def test_bad_input_of_a_report():
    X = np.random.default_rng(0).normal(size=(10, 3))
    with pytest.raises(ValueError, match="need four groups, got 3"):
        mmd_report(X, X, groups=[0] * 4 + [1] * 3 + [2] * 3)
    with pytest.raises(ValueError, match="real has 10, groups has 2"):
        mmd_report(X, X, groups=[0, 1])
    with pytest.raises(ValueError, match="n_splits must be a positive"):
        mmd_report(X, X, n_splits=0)
    with pytest.raises(ValueError, match="confidence must lie"):
        mmd_report(X, X, confidence=95)
    with pytest.raises(ValueError, match="generated must be finite"):
        mmd_report(X, X * np.nan)


# 100 samples a second, 5 s. Expected beats at 1, 2, 3, 4 s and one at .05 s, which the border cuts off.
EXPECTED = [5, 100, 200, 300, 400]


@pytest.mark.parametrize(
    ("found", "complete", "sensitivity", "ppv", "gap_free"),
    [
        ([100, 200, 300, 400], 1, 1, 1, 1),
        ([4, 100, 200, 300, 400, 495], 1, 1, 1, 1),  # at the borders nothing counts
        ([90, 210, 291, 409], 1, 1, 1, 1),
        ([100, 200, 311, 400], 0, 3 / 4, 3 / 4, 1),
        ([100, 200, 400], 0, 3 / 4, 1, 0),
        ([100, 200, 250, 300, 400], 1, 1, 4 / 5, 0),  # the intervals of 1 s are gaps beside those of half a second
        ([80, 200, 280, 400], 0, 1 / 2, 1 / 2, 1),
        ([200, 300], 0, 1 / 2, 1, 0),  # 2 s before the first and behind the last
        ([100], 0, 1 / 4, 1, 0),
        ([], 0, 0, math.nan, 0),
    ],
)
def test_periodicity_worked_by_hand(found, complete, sensitivity, ppv, gap_free):
    report = periodicity([found[::-1]], fs=100, n_timepoints=500, expected=[EXPECTED])
    assert (report.complete, report.sensitivity, report.gap_free) == (complete, sensitivity, gap_free)
    assert report.ppv == pytest.approx(ppv, nan_ok=True)
    assert (report.beats_per_record, report.n_records) == (len(found), 1)
    assert math.isnan(periodicity([found], fs=100, n_timepoints=500).complete)


def test_irregularity_is_a_coefficient_of_variation():
    # RR intervals 80 and 120: SD 20, mean 100; the record of two beats tells nothing
    report = periodicity([[0, 80, 200], [0, 100, 200, 300], [5, 90]], fs=100, n_timepoints=301)
    assert report.irregularity == pytest.approx(0.1) and plain(report)["complete"] is None
    assert math.isnan(periodicity([[0, 80]], fs=100, n_timepoints=301).irregularity)


def test_records_without_an_expected_beat_are_left_out():
    report = periodicity([[250], [100]], fs=100, n_timepoints=500, expected=[[250], []])
    assert (report.complete, report.ppv) == (1, 0.5)


def test_bad_input_of_periodicity():
    with pytest.raises(ValueError, match="peaks must hold those of one record"):
        periodicity([], fs=100, n_timepoints=500)
    with pytest.raises(ValueError, match="n_timepoints must be at least 1, got 0"):
        periodicity([[1]], fs=100, n_timepoints=0)
    with pytest.raises(ValueError, match="border must be at least 0, in seconds, got -1"):
        periodicity([[1]], fs=100, n_timepoints=500, border=-1)
    with pytest.raises(ValueError, match="peaks has 1, expected has 2"):
        periodicity([[1]], fs=100, n_timepoints=500, expected=[[1], [2]])


def test_rr_distance_is_the_shift():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 30)
    real = rng.normal(900, 50, 20)[groups] + rng.normal(0, 20, 600)
    report = rr_distance(real, real + 200, groups=groups, random_state=0)
    assert report.distance.estimate == pytest.approx(200, abs=10)
    assert 5 < report.floor.estimate < 40 and report.multiple > 5
    assert rr_distance(real, real, groups=groups, random_state=0).multiple < 1.2
    halves = [np.isin(groups, order[:10]) for order in (rng.permutation(20) for _ in range(200))]
    wanted = np.mean([wasserstein_distance(real[half], real[~half]) for half in halves])
    assert report.floor.estimate == pytest.approx(wanted, rel=0.1)
    assert plain(report)["n_real"] == 600
    with pytest.raises(ValueError, match="real must be finite"):
        rr_distance([np.nan] * 4, real)
    for rr in (real[:, None], 900.0):
        with pytest.raises(ValueError, match=r"generated must be 1-D \(n_intervals,\), got shape"):
            rr_distance(real, rr)


def test_multiples_of_a_floor_of_zero_are_not_told():
    steady = rr_distance([800.0] * 8, [900.0] * 3, random_state=0)
    assert steady.distance.estimate == 100 and math.isnan(steady.multiple) and plain(steady)["multiple"] is None
    report = mmd_report(np.eye(6), np.eye(6)[:3], n_splits=5, random_state=0)
    report = replace(report, floor=replace(report.floor, estimate=0.0))
    assert plain(report)["multiple"] is None and set(plain(report)["surrogate_multiples"].values()) == {None}


def test_diversity_worked_by_hand():
    # a square of side 1: distances 1, 1, 1, 1, √2, √2; variance even on two axes
    square = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    line = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0]])  # distances 1, 1, 1, 2, 2, 3
    report = diversity(square, line, random_state=0)
    assert report.distance_ratio == pytest.approx(10 / (4 + 2 * math.sqrt(2)))
    assert (report.dimensions, report.dimensions_real) == (pytest.approx(1), pytest.approx(2))
    assert plain(report)["dimension_ratio"] == pytest.approx(0.5)


def test_diversity_of_alike_and_of_equal_rows(beats):
    train, test = map(signal_of, beats)
    report = diversity(test, train, random_state=0)
    assert 0.7 < report.distance_ratio < 1.4 and 0.7 < report.dimension_ratio < 1.4
    assert report.n_rows == min(len(train), len(test))
    equal = diversity(test, np.repeat(train[:1], 50, axis=0))
    assert (equal.distance_ratio, equal.dimensions, equal.n_rows) == (0, 0, 50)
    assert diversity(3 * test - 1, 3 * train - 1, random_state=0).distance_ratio == pytest.approx(report.distance_ratio)
    with pytest.raises(ValueError, match="real rows are all equal"):
        diversity(np.ones((4, 2)), test[:, :2])
    with pytest.raises(ValueError, match="real has 2, generated has 3"):
        diversity(test[:, :2], test[:, :3])
    with pytest.raises(ValueError, match="Two rows"):
        diversity(test, test[:1])


def test_copies_are_called_memorised(beats):
    train, held_out = map(signal_of, beats)
    copies = memorisation(train, train, held_out)
    assert (copies.ratio, copies.copied, copies.memorised) == (0, 1, True)
    nearly = memorisation(train, train + np.random.default_rng(0).normal(0, 1e-4, train.shape), held_out)
    assert nearly.memorised and nearly.ratio < 0.1
    some = memorisation(train, np.concatenate([held_out[::2], train[:20]]), held_out[1::2])
    assert some.memorised and some.copied < 0.5
    assert plain(some)["memorised"] is True


def test_what_is_new_is_not_called_memorised(beats):
    train, other = map(signal_of, beats)
    fresh = memorisation(train, other[::2], other[1::2])
    assert not fresh.memorised and fresh.ratio == pytest.approx(1, abs=0.2)
    middle = np.repeat(np.median(train, axis=0)[None], 30, axis=0)  # near to all, a copy of none
    assert not memorisation(train, middle, other).memorised
    scaled = memorisation(1000 * train + 3, 1000 * other[::2] + 3, 1000 * other[1::2] + 3)
    assert scaled.ratio == pytest.approx(fresh.ratio)
    with pytest.raises(ValueError, match="train has 48, generated has 2"):
        memorisation(train, other[:, :2], other)


def test_training_on_synthetic_rows(beats):
    train, test = beats
    classifier = KNeighborsClassifier(3)
    settings = {"groups": test["groups"], "n_resamples": 50, "random_state": 0}
    copies = np.concatenate([train["X"], train["X"][:10]]), np.concatenate([train["y"], train["y"][:10]])
    report = train_on_synthetic(classifier, train["X"], train["y"], *copies, test["X"], test["y"], **settings)
    predicted = classifier.fit(train["X"], train["y"]).predict(test["X"])
    assert report.real["macro"].estimate == macro_f1(test["y"], predicted) > 0.4
    predicted_both = classifier.fit(*(np.concatenate([train[n], c]) for n, c in zip("Xy", copies, strict=True)))
    predicted_both = predicted_both.predict(test["X"])
    assert report.both_less_real == paired_bootstrap(test["y"], predicted_both, predicted, **settings)
    assert report.share == pytest.approx(1, abs=0.1)
    noise = white_noise_like(train["X"], n_side_features=4, random_state=0)
    noise[:, -4:] = 0
    poor = train_on_synthetic(classifier, train["X"], train["y"], noise, train["y"], test["X"], test["y"], **settings)
    assert poor.share < 0.8 and poor.synthetic_less_real["macro"].high < 0
    assert plain(poor)["share"] == poor.share


def test_frames_of_synthetic_training_are_read_as_arrays(beats):
    train, test = beats
    settings = {"groups": test["groups"], "n_resamples": 5, "random_state": 0}
    made = train["X"][::2], train["y"][::2]
    frame, frame_test = (pd.DataFrame(lot["X"]).add_prefix("x") for lot in (train, test))
    classifier = KNeighborsClassifier(1)
    wanted = train_on_synthetic(classifier, train["X"], train["y"], *made, test["X"], test["y"], **settings)
    assert train_on_synthetic(classifier, frame, train["y"], *made, frame_test, test["y"], **settings) == wanted
    with pytest.raises(ValueError, match="The columns of X and X_test differ"):
        train_on_synthetic(classifier, frame, train["y"], *made, frame_test.iloc[:, ::-1], test["y"], **settings)


def test_training_on_synthetic_rows_of_one_class(beats):
    train, test = beats
    args = train["X"], train["y"], train["X"][:5], ["F"] * 5, test["X"], test["y"]
    report = train_on_synthetic(DummyClassifier(), *args, groups=test["groups"], labels="NSVF", n_resamples=20)
    assert report.synthetic["macro"].estimate < report.real["macro"].estimate
    with pytest.raises(ValueError, match="X_synthetic has 4, y_synthetic has 5"):
        train_on_synthetic(DummyClassifier(), *args[:2], args[2][:4], *args[3:], groups=test["groups"])


def test_real_beats_and_why_not_whole_leads(data_home):
    if not (data_home / "ludb" / "ludb.csv").is_file():
        pytest.skip("no LUDB in the data home")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a part of LUDB is there
        ludb = fetch_ludb(data_home=data_home, download_if_missing=False)
    leads = ludb.data[:, 1].astype(float)
    peaks = [record.peaks for record in ludb.records]
    made = extract_beats(list(leads[:, None]), peaks, fs=ludb.fs, n_timepoints=100, side_features=())
    train = made.record < 80
    report = mmd_report(made.data[~train], made.data[train], groups=made.record[~train], random_state=0)
    assert report.multiple < 3 and report.below_surrogates and all(report.rejected.values())
    assert min(report.surrogate_multiples.values()) > 10
    leads -= np.median(leads, axis=1, keepdims=True)
    assert not any(mmd_report(leads, leads, standardise=False, random_state=0).rejected.values())
    assert not memorisation(made.data[train], made.data[~train][::2], made.data[~train][1::2]).memorised
