import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from benchmarks.ecgsl.apnea import auc_over_folds, average_runs
from benchmarks.ecgsl.ptbxl import auc_of_classes, check_folds, concordance, f1_of_classes


@pytest.fixture
def labelled():
    rng = np.random.default_rng(0)
    y = (rng.random((80, 3)) < (0.5, 0.3, 0.2)).astype(int)
    return y, np.round(rng.random((80, 3)) + 0.3 * y, 1)  # with ties


def test_auc_of_one_fold_is_the_usual_one(labelled):
    y, proba = labelled
    rows, ranks = np.arange(80), concordance(y, proba, np.ones(80))
    np.testing.assert_allclose(auc_of_classes(rows, *ranks), roc_auc_score(y, proba, average=None), rtol=1e-5)
    drawn = np.random.default_rng(1).integers(80, size=80)
    expected = roc_auc_score(y[drawn], proba[drawn], average=None)
    np.testing.assert_allclose(auc_of_classes(drawn, *ranks), expected, rtol=1e-5)


def test_auc_ignores_what_sets_folds_apart(labelled):
    y, proba = labelled
    fold = np.arange(80) % 4
    rows = np.arange(80)
    constant = concordance(y, np.repeat(fold[:, None] / 4, 3, axis=1), fold)
    np.testing.assert_allclose(auc_of_classes(rows, *constant), 0.5)
    apart, shifted = (auc_of_classes(rows, *concordance(y, p, fold)) for p in (proba, proba + 5 * fold[:, None]))
    np.testing.assert_allclose(shifted, apart)


def test_f1_of_classes(labelled):
    y, proba = labelled
    called = proba >= 0.6
    np.testing.assert_allclose(f1_of_classes(y, called), f1_score(y, called, average=None))
    assert f1_of_classes(0 * y, 0 * y).tolist() == [0, 0, 0]


def test_patient_in_two_folds_is_refused():
    check_folds(np.array([1, 1, 2]), np.array([7, 7, 8]))
    with pytest.raises(ValueError, match="Patient 7"):
        check_folds(np.array([1, 2, 2]), np.array([7, 7, 8]))


def test_runs_of_beats_are_averaged():
    beats = np.full((2, 6, 3), np.nan)  # two samples of signal, then one side feature
    beats[0, :5] = [[1, 2, 0], [3, 4, 2], [5, 6, 4], [7, 8, 6], [9, 9, 9]]
    means = average_runs(beats, 2, n_timepoints=2)
    np.testing.assert_allclose(means[0], [[2, 3, -4], [6, 7, 0], [9, 9, 4]])  # less 5, their median
    assert np.isnan(means[1]).all()
    with pytest.raises(ValueError, match="multiple"):
        average_runs(beats, 4, n_timepoints=2)


def test_auc_over_folds_leaves_out_folds_of_one_class():
    y, proba = np.array([0, 1, 0, 1, 1, 1]), np.array([0.1, 0.2, 0.9, 0.8, 0.0, 0.3])
    assert auc_over_folds(y, proba, np.array([0, 0, 1, 1, 2, 2])) == 0.5
    assert np.isnan(auc_over_folds(y[4:], proba[4:], np.zeros(2)))
