"""Estimators inside scikit-learn's own tools: routing, search, voting, calibration, pandas."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, StackingClassifier, VotingClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_ecg import ECGScaler
from sklearn_ecg.signals._validation import signal_feature_names
from tests.instances import BEAT_SEQUENCES, CLASSIFIERS, META, QUICK, set_everywhere


@pytest.fixture
def beats():
    """Rows of 24 samples and 2 side features from six patients; the class shows in both."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 20)
    y = np.tile(["N", "V"], 60)
    wide = (y == "V").astype(float)
    wave = np.hanning(24) * (1 + wide[:, None]) + np.roll(np.hanning(24), 6) * wide[:, None]
    rr = np.column_stack([0.8 - 0.2 * wide, 0.8 + 0.2 * wide]) + 0.02 * rng.normal(size=(120, 2))
    return np.hstack([wave + 0.1 * rng.normal(size=(120, 24)), rr]), y, groups


ESTIMATORS = {**CLASSIFIERS, "ECGSLClassifier": BEAT_SEQUENCES["ECGSLClassifier"]}


@pytest.fixture(params=ESTIMATORS)
def classifier(request):
    return clone(ESTIMATORS[request.param]).set_params(**{**QUICK, "n_side_features": 2, "max_epochs": 15})


@pytest.fixture
def pipeline(classifier):
    return make_pipeline(ECGScaler(by="lead", n_side_features=2), classifier)


def test_cross_validation_with_routing_off(pipeline, beats):
    X, y, groups = beats
    scores = cross_val_score(pipeline, X, y, cv=StratifiedGroupKFold(3), groups=groups)
    assert scores.mean() > 0.9


def test_cross_validation_routes_groups_to_the_inner_split(pipeline, beats):
    X, y, groups = beats
    pipeline[-1].set_params(early_stopping=True, validation_fraction=0.25, patience=15, max_epochs=25)
    with config_context(enable_metadata_routing=True):  # a warning would be an error: groups do arrive
        scores = cross_val_score(pipeline, X, y, cv=StratifiedGroupKFold(3), params={"groups": groups})
    assert scores.mean() > 0.9
    with pytest.warns(UserWarning, match="without groups"):
        cross_val_score(pipeline, X, y, cv=StratifiedGroupKFold(3), groups=groups)


class _Remembers:
    """Mixed into an estimator, keeps what its fit was given."""

    seen = []

    def fit(self, X, y, sample_weight=None, groups=None):
        type(self).seen.append({"sample_weight": sample_weight, "groups": groups})
        return super().fit(X, y, sample_weight=sample_weight, groups=groups)


def test_sample_weight_and_groups_are_routed_together(classifier, beats):
    X, y, groups = beats
    spy = type("Spy", (_Remembers, type(classifier)), {"__init__": type(classifier).__init__, "seen": []})
    estimator = spy(**classifier.get_params())
    weight = np.arange(1.0, 121.0)
    with config_context(enable_metadata_routing=True):
        estimator.set_fit_request(sample_weight=True, groups=True).set_score_request(sample_weight=False)
        cross_val_score(estimator, X, y, cv=GroupKFold(2), params={"groups": groups, "sample_weight": weight})
    assert len(spy.seen) == 2
    for call in spy.seen:
        np.testing.assert_array_equal(call["groups"], groups[call["sample_weight"].astype(int) - 1])


def test_grid_search_over_two_processes_gives_what_one_gives(pipeline, beats):
    X, y, groups = beats
    pipeline[-1].set_params(max_epochs=2)
    grid = {f"{pipeline.steps[-1][0]}__lr": [1e-3, 0.03]}
    two, one = (GridSearchCV(pipeline, grid, cv=GroupKFold(2), n_jobs=n, scoring="neg_log_loss") for n in (2, 1))
    two.fit(X, y, groups=groups)
    one.fit(X, y, groups=groups)
    np.testing.assert_array_equal(two.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"])
    assert len(set(two.cv_results_["mean_test_score"])) == 2
    np.testing.assert_array_equal(two.predict_proba(X), one.predict_proba(X))


GRIDS = {
    "AdaptedClassifier": {"lr": [1e-3, 0.03], "estimator__lr": [0.01], "layers": ["head", "all"]},
    "TopKVotingClassifier": {"k": [1, 2], "by": ["model", "prediction"], "linear__C": [0.1]},
}


@pytest.mark.parametrize("name", META)
def test_grid_search_over_an_estimator_and_its_part(name, beats):
    X, y, groups = beats
    estimator = set_everywhere(clone(META[name]), **{**QUICK, "n_side_features": 2})
    search = GridSearchCV(estimator, GRIDS[name], cv=GroupKFold(2)).fit(X, y, groups=groups)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_score_ > 0.9
    assert {key: search.best_estimator_.get_params()[key] for key in search.best_params_} == search.best_params_


@pytest.mark.parametrize("name", META)
def test_estimators_made_of_others_in_scikit_learns_tools(name, beats):
    X, y, groups = beats
    estimator = set_everywhere(clone(META[name]), **{**QUICK, "n_side_features": 2, "max_epochs": 15})
    pipeline = make_pipeline(ECGScaler(by="lead", n_side_features=2), estimator)
    assert cross_val_score(pipeline, X, y, cv=StratifiedGroupKFold(3), groups=groups).mean() > 0.9
    voting = VotingClassifier([("one", pipeline), ("trees", ExtraTreesClassifier(20, random_state=0))], voting="soft")
    assert voting.fit(X, y).score(X, y) > 0.9
    assert CalibratedClassifierCV(pipeline, cv=2).fit(X, y).score(X, y) > 0.9
    frame = pd.DataFrame(X, columns=signal_feature_names(["MLII"], 24, ["rr_previous", "rr_next"]))
    fitted = pipeline.set_output(transform="pandas").fit(frame, y)
    assert list(fitted[-1].feature_names_in_) == list(frame.columns)
    assert fitted.score(frame, y) > 0.9


def test_voting_beside_a_tabular_model(pipeline, beats):
    X, y, groups = beats
    voting = VotingClassifier([("net", pipeline), ("trees", ExtraTreesClassifier(20, random_state=0))], voting="soft")
    assert cross_val_score(voting, X, y, cv=GroupKFold(2), groups=groups).mean() > 0.9


WRAPPERS = {
    "VotingClassifier": lambda pipeline: VotingClassifier([("net", pipeline)], voting="soft"),
    "GridSearchCV": lambda pipeline: GridSearchCV(pipeline, {f"{pipeline.steps[-1][0]}__lr": [0.03]}, cv=GroupKFold(2)),
    "CalibratedClassifierCV": lambda pipeline: CalibratedClassifierCV(pipeline, cv=GroupKFold(2)),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_groups_flow_through_meta_estimators_with_routing_on(name, pipeline, beats):
    X, y, groups = beats
    pipeline[-1].set_params(early_stopping=True, validation_fraction=0.25, max_epochs=2)
    with config_context(enable_metadata_routing=True):  # without groups the inner split would warn: an error here
        WRAPPERS[name](pipeline).fit(X, y, groups=groups)


def test_calibration(pipeline, beats):
    X, y, _ = beats
    calibrated = CalibratedClassifierCV(pipeline, cv=2).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1.0)
    assert calibrated.score(X, y) > 0.9


def test_stacking(pipeline, beats):
    X, y, _ = beats
    assert StackingClassifier([("net", pipeline)], cv=2).fit(X, y).score(X, y) > 0.9


def test_pandas_in_and_pandas_between_the_steps(pipeline, beats):
    X, y, _ = beats
    frame = pd.DataFrame(X, columns=signal_feature_names(["MLII"], 24, ["rr_previous", "rr_next"]))
    fitted = pipeline.set_output(transform="pandas").fit(frame, y)
    scaled = fitted[:-1].transform(frame)
    assert list(scaled.columns) == list(frame.columns)
    assert list(fitted[-1].feature_names_in_) == list(frame.columns)
    np.testing.assert_array_equal(scaled[["rr_previous", "rr_next"]], frame[["rr_previous", "rr_next"]])
    assert fitted.score(frame, y) > 0.9
