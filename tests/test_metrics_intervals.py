"""Interval metrics: oracles worked by hand, unknown values, and searches by the scorers."""

import json
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_validate

from sklearn_ecg.metrics import (
    IEC_LIMITS,
    INTERVALS,
    bland_altman,
    interval_mae,
    interval_report,
    interval_scorers,
)
from sklearn_ecg.plotting import IntervalAgreementDisplay

NAN = np.nan
# Worked by hand:             heart rate  PR    QRS   QT
REFERENCE = np.array([[60.0, 150.0, 90.0, 400.0],
                      [75.0, NAN, 100.0, 380.0],
                      [90.0, 170.0, 80.0, 350.0],
                      [50.0, 200.0, 110.0, NAN]])  # fmt: skip
PREDICTED = np.array([[61.0, 145.0, 94.0, 430.0],
                      [73.0, 160.0, 98.0, 380.0],
                      [90.0, 190.0, 95.0, 340.0],
                      [53.0, 203.0, NAN, 420.0]])  # fmt: skip
# errors: heart rate 1, -2, 0, 3; PR -5, 20, 3; QRS 4, -2, 15 and one missing; QT 30, 0, -10


def test_report_by_hand():
    report = interval_report(REFERENCE, PREDICTED)
    assert {name: error.tolist() for name, error in report.errors.items()} == {
        "heart_rate": [1, -2, 0, 3],
        "pr": [-5, 20, 3],
        "qrs": [4, -2, 15],
        "qt": [30, 0, -10],
    }
    assert report.n == {"heart_rate": 4, "pr": 3, "qrs": 3, "qt": 3}
    assert report.n_missing == {"heart_rate": 0, "pr": 0, "qrs": 1, "qt": 0}
    assert report.mae == pytest.approx({"heart_rate": 6 / 4, "pr": 28 / 3, "qrs": 7, "qt": 40 / 3})
    assert report.bias == pytest.approx({"heart_rate": 0.5, "pr": 6, "qrs": 17 / 3, "qt": 20 / 3})
    # PR: deviations -11, 14, -3; (121 + 196 + 9) / 2 = 163. QT: 70/3, -20/3, -50/3; (4900 + 400 + 2500) / 18 = 433.3
    assert report.sd["pr"] == pytest.approx(163**0.5) and report.sd["qt"] == pytest.approx((7800 / 18) ** 0.5)
    assert {name: report.within[name] for name in IEC_LIMITS} == pytest.approx({"pr": 2 / 3, "qrs": 2 / 3, "qt": 2 / 3})
    assert np.isnan(report.within["heart_rate"])
    assert report.meets_iec == {"pr": False, "qrs": True, "qt": True}  # SD of PR 12.8, of QRS 8.6, of QT 20.8


def test_the_dummy_row_is_the_training_median():
    train = [[60, 160, 90, NAN], [70, NAN, 100, NAN], [90, 180, NAN, NAN]]
    report = interval_report(REFERENCE, PREDICTED, y_train=train)
    # medians 70, 170, 95: errors 10, 5, 20, 20; 20, 0, 30; 5, 5, 15, 15 (of all four records)
    assert [report.dummy_mae[name] for name in INTERVALS[:3]] == pytest.approx([55 / 4, 50 / 3, 10])
    assert np.isnan(report.dummy_mae["qt"])
    assert np.isnan(interval_report(REFERENCE, PREDICTED).dummy_mae["pr"])


def test_report_prints_and_is_plain():
    report = interval_report(REFERENCE, PREDICTED, y_train=REFERENCE)
    lines = str(report).splitlines()
    assert lines[0].split() == ["n", "missing", "MAE", "dummy", "bias", "SD", "within"]
    assert lines[1].split() == ["heart_rate", "(bpm)", "4", "0", "1.50", "13.75", "0.50", "2.08", "-"]
    assert lines[3].split()[:5] == ["qrs", "(ms)", "3", "1", "7.00"] and lines[3].endswith("66.7%")
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["within"]["heart_rate"] is None and plain["mae"]["qrs"] == 7 and plain["meets_iec"]["qrs"] is True


def test_nothing_known():
    report = interval_report([NAN, 90.0], [100.0, NAN], targets=["qrs"], y_train=[95.0])
    assert report.n == {"qrs": 0} and report.n_missing == {"qrs": 1} and report.dummy_mae == {"qrs": 5.0}
    assert all(np.isnan(rate["qrs"]) for rate in (report.mae, report.bias, report.sd, report.within))
    assert np.isnan(interval_report([1.0], [2.0], targets=["pr"]).sd["pr"])
    assert np.isnan(interval_mae([NAN, NAN], [1.0, 2.0], targets=["pr"]))


def test_mae_by_hand():
    predicted = np.where(np.isnan(PREDICTED), 113.0, PREDICTED)  # QRS errors 4, -2, 15, 3
    for target, expected in zip(INTERVALS, (6 / 4, 28 / 3, 24 / 4, 40 / 3), strict=True):
        assert interval_mae(REFERENCE, predicted, target=target) == pytest.approx(expected)
    assert interval_mae(REFERENCE, predicted) == pytest.approx((6 / 4 + 28 / 3 + 24 / 4 + 40 / 3) / 4)
    frame = pd.DataFrame(REFERENCE[:, [3, 1]], columns=["qt", "pr"])
    assert interval_mae(frame, predicted[:, [3, 1]], target="pr") == pytest.approx(28 / 3)
    assert interval_mae([90.0, NAN], [[94.0], [1.0]], targets=["qrs"]) == 4


def test_weights_are_repetitions():
    rng = np.random.default_rng(0)
    true, pred, weight = rng.normal(size=(20, 2)), rng.normal(size=(20, 2)), rng.integers(0, 4, 20)
    true[rng.random(true.shape) < 0.3] = NAN
    repeated = interval_mae(np.repeat(true, weight, axis=0), np.repeat(pred, weight, axis=0), targets=["pr", "qt"])
    assert interval_mae(true, pred, targets=["pr", "qt"], sample_weight=weight) == pytest.approx(repeated)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_true": REFERENCE, "y_pred": PREDICTED}, r"1 prediction\(s\) are NaN where the reference is known"),
        ({"y_true": REFERENCE, "y_pred": PREDICTED[:3]}, r"same shape, got \(4, 4\) and \(3, 4\)"),
        ({"y_true": [1.0, 2.0], "y_pred": [1.0, 2.0]}, r"targets must hold 1 different name\(s\)"),
        ({"y_true": [1.0], "y_pred": [1.0], "targets": "qt"}, r"targets must hold 1 different name\(s\)"),
        ({"y_true": [1.0], "y_pred": [np.inf], "targets": ["qt"]}, "y_pred must not hold infinite values"),
        ({"y_true": [], "y_pred": [], "targets": ["qt"]}, "y_true must be 1-D or 2-D with at least one record"),
        ({"y_true": [1.0], "y_pred": [1.0], "targets": ["qt"], "target": "pr"}, "target must be one of qt, got 'pr'"),
        (
            {"y_true": [1.0], "y_pred": [1.0], "targets": ["qt"], "sample_weight": [1, 2]},
            r"sample_weight must have shape \(1,\)",
        ),
        (
            {"y_true": [1.0, 2.0], "y_pred": [1.0, 3.0], "targets": ["qt"], "sample_weight": [-1, 1]},
            "sample_weight must hold finite numbers of 0 or more",
        ),
        (
            {"y_true": [1.0], "y_pred": [1.0], "targets": ["qt"], "sample_weight": [NAN]},
            "sample_weight must hold finite numbers of 0 or more",
        ),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        interval_mae(**arguments)


def test_frames_are_compared_place_by_place():
    true, turned = pd.DataFrame({"qt": [400.0, 380], "pr": [160.0, 170]}), ["pr", "qt"]
    assert interval_mae(true, true) == interval_mae(true, true.rename(columns="{}_found".format)) == 0
    assert interval_report(true, true.to_numpy(), y_train=true).dummy_mae == {"qt": 10, "pr": 5}
    for compare in (interval_mae, interval_report, bland_altman):
        with pytest.raises(
            ValueError, match=r"y_pred must have its columns in the order of y_true, \['qt', 'pr'\], got"
        ):
            compare(true, true[turned])
    with pytest.raises(ValueError, match="y_train must have its columns in the order of y_true"):
        interval_report(true, true, y_train=true[turned])


def test_bad_training_targets():
    with pytest.raises(ValueError, match=r"y_train must have 4 column\(s\), got 1"):
        interval_report(REFERENCE, PREDICTED, y_train=[1.0])
    with pytest.raises(ValueError, match="targets must hold different names, got"):
        interval_scorers(["qt", "qt"])


class KnownOnly(RegressorMixin, BaseEstimator):
    """Ridge regression of each target by itself, from the records that have it."""

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, X, y):
        known = [~np.isnan(column) for column in y.T]
        self.parts_ = [Ridge(self.alpha).fit(X[at], c[at]) for at, c in zip(known, y.T, strict=True)]
        return self

    def predict(self, X):
        return np.column_stack([part.predict(X) for part in self.parts_])


def interval_task(n=60):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 5))
    y = X @ rng.normal(size=(5, 4)) * [5, 10, 5, 20] + [70, 160, 95, 390] + rng.normal(size=(n, 4))
    y[rng.random(y.shape) < 0.2] = NAN
    return X, y


def test_scorers_serve_searches():
    X, y = interval_task()
    scorers = pickle.loads(pickle.dumps(interval_scorers()))
    assert list(scorers) == [*(f"neg_mae_{target}" for target in INTERVALS), "neg_mae"]
    search = GridSearchCV(KnownOnly(), {"alpha": [1e-3, 1e4]}, scoring=scorers, refit="neg_mae_qt", cv=3).fit(X, y)
    assert search.best_params_ == {"alpha": 1e-3} and -2 < search.best_score_ < 0
    assert all(np.isfinite(search.cv_results_[f"mean_test_{name}"]).all() for name in scorers)
    scores = cross_validate(KnownOnly(1e-3), X, y, scoring=scorers, cv=3)
    single = np.mean([scores[f"test_neg_mae_{target}"] for target in INTERVALS], axis=0)
    np.testing.assert_allclose(scores["test_neg_mae"], single)
    np.testing.assert_allclose(scores["test_neg_mae_qt"].mean(), search.best_score_)


def test_bland_altman_by_hand():
    agreement = bland_altman(REFERENCE, PREDICTED)["pr"]
    assert agreement.mean.tolist() == [147.5, 180, 201.5] and agreement.difference.tolist() == [-5, 20, 3]
    assert agreement.bias == 6 and agreement.sd == pytest.approx(163**0.5)
    assert (agreement.low, agreement.high) == pytest.approx((6 - 1.96 * 163**0.5, 6 + 1.96 * 163**0.5))
    with pytest.raises(ValueError, match=r"qt: 1 record\(s\) have a reference and a prediction, two are wanted"):
        bland_altman([400.0, NAN], [390.0, 400.0], targets=["qt"])


@pytest.fixture
def off_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.mark.usefixtures("off_screen")
def test_agreement_is_drawn():
    display = IntervalAgreementDisplay.from_predictions(REFERENCE, PREDICTED, scatter_kw={"s": 30})
    assert [ax.get_title() for ax in display.ax_] == ["heart rate (n = 4)", "PR (n = 3)", "QRS (n = 3)", "QT (n = 3)"]
    assert display.ax_[0].get_xlabel() == "mean of both (bpm)"
    assert display.ax_[1].get_ylabel() == "predicted - reference (ms)"
    (dots,) = display.ax_[1].collections
    np.testing.assert_allclose(dots.get_offsets(), [[147.5, -5], [180, 20], [201.5, 3]])
    assert dots.get_sizes() == [30]
    agreement = display.agreements["pr"]
    heights = [line.get_ydata()[0] for line in display.ax_[1].lines]
    np.testing.assert_allclose(heights, [0, agreement.bias, agreement.low, agreement.high])
    display.figure_.canvas.draw()


@pytest.mark.usefixtures("off_screen")
def test_agreement_of_an_estimator_on_given_axes():
    X, y = interval_task()
    model = KnownOnly().fit(X, y)
    figure, axes = plt.subplots(2, 2)
    display = IntervalAgreementDisplay.from_estimator(model, X, y, ax=axes, units={"qt": "samples"})
    assert display.figure_ is figure and display.ax_[3] is axes[1, 1]
    assert axes[1, 1].get_xlabel() == "mean of both (samples)"
    np.testing.assert_array_equal(
        display.agreements["qt"].difference, bland_altman(y, model.predict(X))["qt"].difference
    )
