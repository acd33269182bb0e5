"""Labels that go together: indicator targets of every neural classifier."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multioutput import ClassifierChain

from sklearn_ecg.nn.losses import BinaryCrossEntropy
from tests.instances import BEAT_SEQUENCES, CLASSIFIERS, QUICK

N_LABELS = 3
INSTANCES = {**CLASSIFIERS, "ECGSLClassifier": BEAT_SEQUENCES["ECGSLClassifier"]}


@pytest.fixture(params=INSTANCES)
def clf(request):
    return clone(INSTANCES[request.param]).set_params(**QUICK)


@pytest.fixture(params=["CNNClassifier", "ECGSLClassifier"])
def one_of_two(request):
    return clone(INSTANCES[request.param]).set_params(**QUICK)


@pytest.fixture
def data():
    """Three bumps at three places, each there or not; the third is rare."""
    rng = np.random.default_rng(0)
    y = (rng.random((60, N_LABELS)) < (0.5, 0.4, 0.15)).astype(int)
    bumps = np.array([np.roll(np.hanning(24) * (np.arange(24) < 8), 8 * label) for label in range(N_LABELS)])
    return 4 * y @ bumps + 0.1 * rng.normal(size=(60, 24)), y


def test_learns_labels_that_go_together(clf, data):
    X, y = data
    fitted = clf.set_params(max_epochs=60, lr=0.02).fit(X[:40], y[:40])
    proba, predicted = fitted.predict_proba(X), fitted.predict(X)
    np.testing.assert_array_equal(fitted.classes_, [0, 1, 2])
    assert proba.shape == (60, N_LABELS)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(expit(fitted.decision_function(X)), proba)
    np.testing.assert_array_equal(predicted, proba > 0.5)
    assert predicted.dtype.kind == "i"
    assert fitted.score(X[40:], y[40:]) == accuracy_score(y[40:], predicted[40:])
    assert roc_auc_score(y[40:], proba[40:]) > 0.8


def test_every_form_of_an_indicator_gives_the_same_model(one_of_two, data, sparse_container):
    X, y = data
    expected = clone(one_of_two).fit(X, y).predict_proba(X)
    for form in (
        y.tolist(),
        y.astype(bool),
        y.astype(float),
        pd.DataFrame(y, columns=list("abc")),
        sparse_container(y),
    ):
        np.testing.assert_array_equal(clone(one_of_two).fit(X, form).predict_proba(X), expected)


@pytest.fixture(params=["csr_matrix", "csr_array", "csc_array", "coo_array"])
def sparse_container(request):
    return getattr(scipy.sparse, request.param)


def test_two_labels_are_not_two_classes(one_of_two, data):
    X, y = data
    fitted = one_of_two.fit(X, y[:, :2])
    assert fitted.decision_function(X).shape == fitted.predict_proba(X).shape == (60, 2)
    assert not np.allclose(fitted.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("settings", [{}, {"class_weight": "balanced"}, {"loss": "focal"}])
def test_label_that_never_holds_becomes_improbable(one_of_two, data, settings):
    X, y = data
    y[:, 1] = 0
    fitted = one_of_two.set_params(max_epochs=60, **settings).fit(X, y)
    assert fitted.predict_proba(X)[:, 1].max() < 0.2
    assert not fitted.predict(X)[:, 1].any()
    assert (fitted.predict(X)[:, 0] == y[:, 0]).mean() > 0.9


@pytest.mark.parametrize("settings", [{}, {"class_weight": "balanced"}, {"loss": "focal"}])
def test_rows_without_any_label_train_too(one_of_two, data, settings):
    X, y = data
    fitted = one_of_two.set_params(max_epochs=40, **settings).fit(X, np.zeros_like(y))
    assert fitted.predict_proba(X).max() < 0.2


def test_loss_is_the_mean_over_labels_of_weighted_focal_terms():
    logits, target = torch.tensor([[0.3, -1.2], [2.0, 0.0]]), torch.tensor([[1, 1], [0, 1]])
    right = np.where(target == 1, expit(logits.numpy()), 1 - expit(logits.numpy()))
    for gamma in (0.0, 0.5, 2.0):
        expected = (np.array([3.0, 0.5]) * (1 - right) ** gamma * -np.log(right)).mean(axis=1)
        np.testing.assert_allclose(BinaryCrossEntropy([3.0, 0.5], gamma)(logits, target), expected, rtol=1e-6)


def _factors(clf, X, y, **settings):
    return clone(clf).set_params(max_epochs=1, **settings).fit(X, y).net_.criterion_.factors.numpy()


def test_factors_of_labels_follow_their_frequency(one_of_two, data):
    X, y = data
    y[:, 1] = 0
    y = np.column_stack([y, y[:, 0]])
    count = y.sum(axis=0)
    for name, settings, raw in (
        ("plain", {}, np.ones(4)),
        ("balanced", {"class_weight": "balanced"}, 1 / np.maximum(count, 1)),
        ("dict", {"class_weight": {0: 1, 1: 7, 2: 5, 3: 0}}, np.array([1, 7, 5, 0])),
        ("focal", {"loss": "focal"}, 1 / np.sqrt(np.maximum(count, 1))),
        ("focal, dict", {"loss": "focal", "focal_alpha": {0: 1, 1: 9, 2: 2, 3: 1}}, np.array([1, 9, 2, 1])),
    ):
        held = count > 0
        expected = np.where(held, raw / raw[held].mean(), 1)  # of mean 1, as is that of a label that never holds
        np.testing.assert_allclose(_factors(one_of_two, X, y, **settings), expected, err_msg=name)
    with pytest.raises(ValueError, match="leaves no label with a positive weight"):
        one_of_two.set_params(class_weight={0: 0, 1: 0, 2: 0, 3: 0}).fit(X, y)
    with pytest.raises(ValueError, match="class_weight must hold finite weights of at least 0"):
        one_of_two.set_params(class_weight={0: -1}).fit(X, y)


def test_class_weight_draws_a_label_to_the_fore(one_of_two, data):
    X, y = data
    y = np.column_stack([y[:, 0], 1 - y[:, 0]])  # a label and its opposite
    losses = {}
    for first in (1, 50):
        proba = clone(one_of_two).set_params(class_weight={0: first, 1: 1}).fit(X, y).predict_proba(X)
        losses[first] = -np.log(np.where(y, proba, 1 - proba)).mean(axis=0)
    assert losses[50][0] < losses[1][0]
    assert losses[50][1] > losses[1][1]


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_integer_weights_equal_repeated_rows(one_of_two, data, loss):
    X, y = data
    one_of_two.set_params(loss=loss, class_weight="balanced")
    weight = np.random.default_rng(1).integers(0, 4, 60)
    weighted = clone(one_of_two).fit(X, y, sample_weight=weight).predict_proba(X)
    repeated = clone(one_of_two).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight, axis=0)).predict_proba(X)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-7)


def test_early_stopping_scores_the_validation_rows(one_of_two, data):
    X, y = data
    one_of_two.set_params(early_stopping=True, validation_fraction=0.3, max_epochs=40, patience=3)
    fitted = one_of_two.fit(X, y, groups=np.arange(60) // 5)
    assert fitted.n_iter_ <= 40
    assert all(0 <= row["valid_score"] <= 1 for row in fitted.history_)
    assert max(row["valid_score"] for row in fitted.history_) > 0.5


def test_warm_start_keeps_to_the_labels_it_knows(one_of_two, data):
    X, y = data
    whole = clone(one_of_two).set_params(max_epochs=6).fit(X, y)
    half = pickle.loads(pickle.dumps(one_of_two.set_params(warm_start=True).fit(X, y)))
    np.testing.assert_allclose(half.fit(X, y).predict_proba(X), whole.predict_proba(X), rtol=1e-9)
    before = half.predict_proba(X)
    with pytest.raises(ValueError, match="warm_start=True: y has 2 labels; fitted were 3"):
        half.fit(X, y[:, :2])
    with pytest.raises(ValueError, match="warm_start=True: y must be of the kind fitted"):
        half.fit(X, y[:, 0])
    np.testing.assert_array_equal(half.predict_proba(X), before)
    one_label = clone(half).fit(X, y.sum(axis=1).clip(max=2))
    with pytest.raises(ValueError, match="warm_start=True: y must be of the kind fitted"):
        one_label.fit(X, y)


def test_refit_may_change_the_kind_of_target(one_of_two, data):
    X, y = data
    expected = clone(one_of_two).fit(X, y[:, 0]).predict_proba(X)
    np.testing.assert_array_equal(one_of_two.fit(X, y).fit(X, y[:, 0]).predict_proba(X), expected)


def test_pickle_keeps_predictions(clf, data):
    X, y = data
    fitted = clf.fit(X, y)
    state = pickle.dumps(fitted)
    assert b"torch" not in state
    np.testing.assert_array_equal(pickle.loads(state).predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize(
    "bad, message",
    [
        (lambda y: y + np.arange(60)[:, None] % 3, "must be an indicator matrix of 0 and 1"),
        (lambda y: y + 1, "must be an indicator matrix of 0 and 1"),
        (lambda y: 2 * y - 1, "must be an indicator matrix of 0 and 1"),
        (lambda y: np.where(y, "yes", "no"), "must be an indicator matrix of 0 and 1"),
        (lambda y: y + 0.5, "Unknown label type: continuous-multioutput"),
        (lambda y: np.where(y, np.nan, 0), "Input y contains NaN"),
        (lambda y: y[:-1], "inconsistent numbers of samples"),
        (lambda y: y[:, :, None], "Found array with dim 3"),
    ],
)
def test_targets_that_are_no_indicators_are_clear_errors(one_of_two, data, bad, message):
    X, y = data
    with pytest.raises(ValueError, match=message):
        one_of_two.fit(X, bad(y))


def test_column_of_labels_is_one_label_a_row(one_of_two, data):
    X, y = data
    expected = clone(one_of_two).fit(X, y[:, 0])
    with pytest.warns(DataConversionWarning):
        column = one_of_two.fit(X, y[:, :1])
    assert column.predict(X).shape == (60,)
    np.testing.assert_array_equal(column.predict_proba(X), expected.predict_proba(X))


def test_scikit_learn_tools_take_it(one_of_two, data):
    X, y = data
    one_of_two.set_params(max_epochs=30)
    search = GridSearchCV(one_of_two, {"class_weight": [None, "balanced"]}, cv=2, scoring="f1_macro").fit(X, y)
    assert search.best_score_ > 0.5
    proba = cross_val_predict(one_of_two, X, y, cv=3, method="predict_proba")
    assert f1_score(y, proba > 0.5, average="macro") > 0.5
    assert ClassifierChain(one_of_two).fit(X, y).predict(X).shape == y.shape


def test_record_without_beats_gets_the_frequency_of_each_label(data):
    X, y = data
    y[:, 1] = 0
    clf = clone(INSTANCES["ECGSLClassifier"]).set_params(**QUICK)
    fitted = clf.fit(X[:, None], y)
    nothing = np.full((2, 1, 24), np.nan)
    np.testing.assert_allclose(fitted.predict_proba(nothing), np.tile(y.mean(axis=0), (2, 1)))
    np.testing.assert_allclose(fitted.class_prior_, y.mean(axis=0))
    assert np.isfinite(fitted.decision_function(nothing)).all()  # scorers such as "roc_auc" refuse infinite ones
