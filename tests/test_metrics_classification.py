import json
import math

import numpy as np
import pytest
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, cohen_kappa_score, f1_score
from sklearn.metrics import precision_recall_fscore_support as sklearn_scores

from sklearn_ecg.metrics import (
    Interval,
    aami_report,
    bootstrap_interval,
    bootstrap_macro_f1,
    macro_f1,
    paired_bootstrap,
    record_confusions,
)

# Worked by hand. Rows are true classes, columns predicted ones:
#
#        N  S  V  F  Q   sum      Se            +P           F1 = 2 tp / (true + predicted)
#   N    6  1  1  0  0     8    6/8  = .75    6/8  = .75    12/16 = .75
#   S    1  2  0  0  1     4    2/4  = .5     2/4  = .5      4/8  = .5
#   V    0  1  3  0  0     4    3/4  = .75    3/4  = .75     6/8  = .75
#   F    1  0  0  0  1     2    0/2  = 0      none          0/2  = 0
#   Q    0  0  0  0  2     2
#  sum   8  4  4  0  4    20
#
# macro-F1 = (.75 + .5 + .75 + 0) / 4 = .5; accuracy = 13/20 = .65
# chance = (8·8 + 4·4 + 4·4 + 2·0 + 2·4) / 20² = 104/400 = .26; kappa = (.65 - .26) / (1 - .26) = 39/74
CONFUSION = [[6, 1, 1, 0, 0], [1, 2, 0, 0, 1], [0, 1, 3, 0, 0], [1, 0, 0, 0, 1], [0, 0, 0, 0, 2]]


def beats_of(confusion, classes="NSVFQ"):
    """True and predicted classes that make this confusion matrix."""
    true, predicted = np.nonzero(confusion)
    counts = np.asarray(confusion)[true, predicted]
    names = np.array(list(classes))
    return np.repeat(names[true], counts), np.repeat(names[predicted], counts)


def random_beats(seed, n=600, n_records=8, skill=0.7, classes="NSVFQ"):
    rng = np.random.default_rng(seed)
    y_true = rng.choice(list(classes), n)
    guess = rng.choice(list(classes), n)
    return y_true, np.where(rng.random(n) < skill, y_true, guess), rng.integers(n_records, size=n)


def test_report_worked_by_hand():
    report = aami_report(*beats_of(CONFUSION))
    assert report.classes == ("N", "S", "V", "F", "Q")
    assert report.confusion.tolist() == CONFUSION
    assert report.support == {"N": 8, "S": 4, "V": 4, "F": 2}
    assert report.sensitivity == {"N": 0.75, "S": 0.5, "V": 0.75, "F": 0.0}
    assert {name: report.ppv[name] for name in "NSV"} == {"N": 0.75, "S": 0.5, "V": 0.75}
    assert math.isnan(report.ppv["F"])
    assert report.f1 == {"N": 0.75, "S": 0.5, "V": 0.75, "F": 0.0}
    assert (report.macro_f1, report.accuracy) == (0.5, 0.65)
    assert report.kappa == pytest.approx(39 / 74, rel=1e-12)


def test_report_prints_an_aligned_table():
    assert str(aami_report(*beats_of(CONFUSION))).splitlines() == [
        "class       beats      Se      +P      F1",
        "N               8   0.750   0.750   0.750",
        "S               4   0.500   0.500   0.500",
        "V               4   0.750   0.750   0.750",
        "F               2   0.000       -   0.000",
        "",
        "macro_f1                            0.500",
        "accuracy                            0.650",
        "kappa                               0.527",
        "",
        "true         as N     as S     as V     as F     as Q",
        "N               6        1        1        0        0",
        "S               1        2        0        0        1",
        "V               0        1        3        0        0",
        "F               1        0        0        0        1",
        "Q               0        0        0        0        2",
    ]


def test_report_as_plain_values():
    report = aami_report(*beats_of(CONFUSION))
    plain = report.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["ppv"] == {"N": 0.75, "S": 0.5, "V": 0.75, "F": None}
    assert plain["confusion"] == CONFUSION
    assert ConfusionMatrixDisplay(report.confusion, display_labels=report.classes).confusion_matrix.sum() == 20


@pytest.mark.parametrize("labels", ["NSVF", "NSV", "VN", "NSVFQ"])
@pytest.mark.parametrize("classes", ["NSVFQ", "NSV", "NQ"])
@pytest.mark.parametrize("container", [np.array, list, lambda y: np.array(y, dtype=object)])
def test_scores_are_those_of_scikit_learn(labels, classes, container):
    y_true, y_pred, _ = random_beats(0, classes=classes)
    report = aami_report(container(y_true), container(y_pred), labels=labels)
    expected = sklearn_scores(y_true, y_pred, labels=list(labels), zero_division=np.nan)
    for ours, theirs in zip((report.ppv, report.sensitivity, report.f1, report.support), expected, strict=True):
        np.testing.assert_allclose(list(ours.values()), theirs, rtol=1e-12)
    expected = f1_score(y_true, y_pred, labels=list(labels), average="macro", zero_division=0)
    assert macro_f1(y_true, y_pred, labels=labels) == report.macro_f1 == pytest.approx(expected, rel=1e-12)
    assert report.accuracy == pytest.approx(accuracy_score(y_true, y_pred), rel=1e-12)
    assert report.kappa == pytest.approx(cohen_kappa_score(y_true, y_pred), rel=1e-12)


def test_undefined_scores_are_nan():
    report = aami_report(["N"] * 5, ["N"] * 5)
    assert report.sensitivity["N"] == report.ppv["N"] == report.f1["N"] == report.accuracy == 1
    assert all(math.isnan(rate["S"]) for rate in (report.sensitivity, report.ppv, report.f1))
    assert math.isnan(report.kappa)
    assert report.macro_f1 == 0.25
    assert report.to_dict()["kappa"] is None


def test_labels_of_other_kinds():
    report = aami_report([0, 1, 1], [0, 1, 0], labels=(0, 1))
    assert report.classes == (0, 1)
    assert report.sensitivity == {0: 1.0, 1: 0.5}


@pytest.mark.parametrize(
    ("y_true", "y_pred", "labels", "message"),
    [
        (["N"], ["N", "S"], "NSVF", "y_true has 1, y_pred has 2"),
        ([], [], "NSVF", "y_true, y_pred must not be empty"),
        (["N", "A"], ["N", "N"], "NSVF", r"y_true holds 'A': the known classes are \['N', 'S', 'V', 'F', 'Q'\]"),
        (["N", "N"], ["N", None], "NSVF", "y_pred holds None"),
        ([0, 1], [0, 1], "NSVF", "y_true holds 0, 1"),
        ([["N"]], [["N"]], "NSVF", r"y_true must be one-dimensional, got shape \(1, 1\)"),
        (["N"], ["N"], "", "labels must name at least one class"),
        (["N"], ["N"], "NN", "each once"),
    ],
)
def test_bad_input(y_true, y_pred, labels, message):
    for score in (aami_report, macro_f1):
        with pytest.raises(ValueError, match=message):
            score(y_true, y_pred, labels=labels)


def test_record_confusions_worked_by_hand():
    y_true, y_pred = list("NNSNSV"), list("NSSNNQ")
    counts = record_confusions(y_true, y_pred, groups=["b", "b", "b", "a", "a", "c"], labels="NSV")
    # classes N, S, V, F, Q; records a, b, c
    expected = np.zeros((3, 5, 5))
    expected[0, 0, 0] = expected[0, 1, 0] = 1
    expected[1, 0, 0] = expected[1, 0, 1] = expected[1, 1, 1] = 1
    expected[2, 2, 4] = 1
    np.testing.assert_array_equal(counts, expected)
    np.testing.assert_array_equal(counts.sum(axis=0), aami_report(y_true, y_pred, labels="NSV").confusion)


def test_both_ways_to_bootstrap_agree():
    y_true, y_pred, groups = random_beats(1)
    settings = {"groups": groups, "n_resamples": 40, "random_state": 3}
    intervals = bootstrap_macro_f1(y_true, y_pred, **settings)
    slow = bootstrap_interval(macro_f1, y_true, y_pred, **settings)
    assert list(intervals) == ["macro", "N", "S", "V", "F"]
    np.testing.assert_allclose(
        [slow.estimate, slow.low, slow.high],
        [intervals["macro"].estimate, intervals["macro"].low, intervals["macro"].high],
        rtol=1e-12,
    )
    v_alone = bootstrap_interval(
        lambda true, predicted: aami_report(true, predicted).f1["V"], y_true, y_pred, **settings
    )
    assert intervals["V"].low == pytest.approx(v_alone.low, rel=1e-12)


def test_paired_bootstrap_is_narrower_than_the_difference_of_two():
    y_true, y_pred, groups = random_beats(2, n=2000, n_records=20, skill=0.5)
    hard = groups < 10
    better = np.where(np.arange(len(y_true)) % 20 == 0, y_true, y_pred)
    better, y_pred = np.where(hard, better, y_true), np.where(hard, y_pred, y_true)
    settings = {"groups": groups, "n_resamples": 400, "random_state": 0}
    paired = paired_bootstrap(y_true, better, y_pred, **settings)["macro"]
    alone = bootstrap_macro_f1(y_true, better, **settings)["macro"]
    assert paired.estimate == pytest.approx(macro_f1(y_true, better) - macro_f1(y_true, y_pred), rel=1e-12)
    assert 0 < paired.low < paired.estimate < paired.high
    assert paired.high - paired.low < (alone.high - alone.low) / 3


def test_a_classifier_compared_with_itself():
    y_true, y_pred, groups = random_beats(3)
    for interval in paired_bootstrap(y_true, y_pred, y_pred, groups=groups, n_resamples=20).values():
        assert (interval.estimate, interval.low, interval.high) == (0, 0, 0)


def test_coverage_with_correlated_rows():
    # Records differ in their mean, rows within a record hardly: only resampling whole records covers the truth.
    rng = np.random.default_rng(0)
    n_trials, n_records, n_rows = 100, 30, 10
    groups = np.repeat(np.arange(n_records), n_rows)
    covered = {"records": 0, "rows": 0}
    for seed in range(n_trials):
        values = rng.normal(size=n_records)[groups] + 0.1 * rng.normal(size=groups.size)
        for unit, ids in (("records", groups), ("rows", np.arange(groups.size))):
            interval = bootstrap_interval(np.mean, values, groups=ids, n_resamples=100, random_state=seed)
            covered[unit] += interval.low <= 0 <= interval.high
    assert 0.87 <= covered["records"] / n_trials <= 0.98
    assert covered["rows"] / n_trials < 0.6


def test_interval_narrows_with_confidence_and_repeats_with_the_seed():
    y_true, y_pred, groups = random_beats(4)
    wide, narrow, again = (
        bootstrap_macro_f1(y_true, y_pred, groups=groups, confidence=confidence, random_state=5)["macro"]
        for confidence in (0.95, 0.5, 0.95)
    )
    assert wide.low < narrow.low < wide.estimate < narrow.high < wide.high
    assert wide == again
    assert str(Interval(0.5, 0.41234, 0.6, 0.95)) == "0.500 [0.412, 0.600]"


def test_class_absent_from_some_resamples_or_from_all():
    y_true, y_pred = list("NNNSNNNN"), list("NNNSNNNN")
    intervals = bootstrap_macro_f1(y_true, y_pred, groups=[0, 0, 1, 1, 2, 2, 3, 3], labels="NSV", random_state=0)
    assert (intervals["S"].low, intervals["S"].high) == (1, 1)
    assert all(math.isnan(x) for x in (intervals["V"].estimate, intervals["V"].low, intervals["V"].high))
    assert intervals["macro"].low == pytest.approx(1 / 3)
    assert intervals["macro"].high == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"groups": [0, 0, 0]}, "at least two"),
        ({"groups": [0, 1]}, "groups has 2"),
        ({"groups": [[0], [1], [2]]}, "groups must be one-dimensional"),
        ({"n_resamples": 0}, "n_resamples must be a positive integer"),
        ({"confidence": 95}, "confidence must lie between 0 and 1"),
    ],
)
def test_bad_resampling(changed, message):
    settings = {"groups": [0, 1, 2], "n_resamples": 10, **changed}
    y = ["N", "S", "V"]
    with pytest.raises(ValueError, match=message):
        bootstrap_macro_f1(y, y, **settings)
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(y, y, y, **settings)
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(macro_f1, y, y, **settings)


def test_bootstrap_needs_arrays():
    with pytest.raises(ValueError, match="at least one array"):
        bootstrap_interval(np.mean, groups=[0, 1])
