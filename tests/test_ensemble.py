"""TopKVotingClassifier: hand-worked mixtures, held-out selection, groups, classes that are absent, routing, 3-D."""

import pickle

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn import model_selection as ms
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris, make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.metrics import accuracy_score, f1_score, get_scorer, make_scorer, matthews_corrcoef, roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from sklearn_ecg import ECGScaler
from sklearn_ecg.ensemble import TopKVotingClassifier
from sklearn_ecg.preprocessing import flatten_leads
from tests.instances import BEAT_SEQUENCES, CLASSIFIERS, QUICK


class Table(ClassifierMixin, BaseEstimator):
    """Answers row i of a given table of probabilities where the first column of X is i."""

    def __init__(self, table=None):
        self.table = table

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.asarray(self.table)[np.asarray(X)[:, 0].astype(int)]


ROWS, LABELS = np.arange(4.0)[:, None], np.array([0, 1, 2, 0])
TABLES = {  # accuracies 1/4, 3/4, 2/4
    "worst": [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.1, 0.1, 0.8]],
    "best": [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7], [0.1, 0.6, 0.3]],
    "second": [[0.5, 0.1, 0.4], [0.1, 0.8, 0.1], [0.4, 0.5, 0.1], [0.3, 0.5, 0.2]],
}
FIRST_ROW = {  # (by, weights, k) → the mixture of the first rows, worked by hand, before division by its sum
    ("model", "score", 2): [0.6 * 0.6 + 0.4 * 0.5, 0.6 * 0.3 + 0.4 * 0.1, 0.6 * 0.1 + 0.4 * 0.4],
    ("model", "confidence", 2): [0.6 * 0.6 + 0.5 * 0.5, 0.6 * 0.3 + 0.5 * 0.1, 0.6 * 0.1 + 0.5 * 0.4],
    ("model", "uniform", 2): [1.1, 0.4, 0.5],
    ("model", "score", 1): [0.6, 0.3, 0.1],
    ("prediction", "score", 2): [3 * 0.6 + 2 * 0.5, 3 * 0.3 + 1 * 0.3, 2 * 0.4 + 1 * 0.5],
    ("prediction", "confidence", 2): [0.6 * 0.6 + 0.5 * 0.5, 0.6 * 0.3 + 0.5 * 0.3, 0.5 * 0.4 + 0.5 * 0.5],
    ("prediction", "uniform", 2): [1.1, 0.6, 0.9],
    ("prediction", "uniform", 1): [1.1, 0.0, 0.5],
    ("prediction", "uniform", 7): [1.3, 0.7, 1.0],
}


IRIS = X_IRIS, Y_IRIS = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(max_depth=2, random_state=0)
MODELS = [("linear", LogisticRegression(C=0.1)), ("tree", TREE), ("nb", GaussianNB())]


def tables():
    return [(name, Table(table).fit(ROWS, LABELS)) for name, table in TABLES.items()]


@pytest.mark.parametrize("by, weights, k", FIRST_ROW)
def test_mixtures_worked_by_hand(by, weights, k):
    ensemble = TopKVotingClassifier(tables(), k=k, by=by, weights=weights, scoring="accuracy", prefit=True)
    proba = ensemble.fit(ROWS, LABELS).predict_proba(ROWS)
    expected = np.array(FIRST_ROW[by, weights, k])
    np.testing.assert_allclose(proba[0], expected / expected.sum(), rtol=1e-14)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_array_equal(ensemble.predict(ROWS), proba.argmax(axis=1))


def test_attributes_are_in_the_order_of_the_scores():
    ensemble = TopKVotingClassifier(tables(), scoring="accuracy", prefit=True).fit(ROWS, LABELS)
    assert ensemble.scores_ == {"worst": 0.25, "best": 0.75, "second": 0.5}
    assert ensemble.selected_ == ["best", "second"]
    np.testing.assert_allclose(ensemble.weights_, [0.6, 0.4])
    assert [model.table for model in ensemble.estimators_] == [TABLES["best"], TABLES["second"]]
    assert ensemble.named_estimators_["best"] is ensemble.estimators_[0]
    assert ensemble.named_estimators_["worst"] == "drop"
    assert ensemble.set_params(by="prediction").fit(ROWS, LABELS).selected_ == ["best", "second", "worst"]
    np.testing.assert_allclose(ensemble.weights_, [1 / 2, 1 / 3, 1 / 6])


def test_classes_tied_with_the_kth_are_kept():
    one = [("a", Table([[0.25, 0.5, 0.25]]).fit(ROWS, LABELS)), ("b", Table([[0.2, 0.0, 0.8]]).fit(ROWS, LABELS))]
    ensemble = TopKVotingClassifier(one, by="prediction", weights="uniform", prefit=True).fit(ROWS[:1], LABELS[:1])
    np.testing.assert_allclose(ensemble.predict_proba(ROWS[:1]), [[0.225, 0.25, 0.525]])


def test_all_models_are_a_soft_vote():
    ensemble = TopKVotingClassifier(MODELS, k=3).fit(*IRIS)
    weights = [ensemble.scores_[name] for name, _ in MODELS]
    assert len(set(weights)) == 3
    vote = VotingClassifier(MODELS, voting="soft", weights=weights).fit(*IRIS)
    np.testing.assert_allclose(ensemble.predict_proba(X_IRIS), vote.predict_proba(X_IRIS), rtol=1e-12)
    plain = ensemble.set_params(weights="uniform").fit(*IRIS).predict_proba(X_IRIS)
    np.testing.assert_allclose(plain, vote.set_params(weights=None).fit(*IRIS).predict_proba(X_IRIS), rtol=1e-12)


def test_the_best_on_held_out_rows_wins_not_the_best_on_the_training_rows():
    X, y = make_classification(200, flip_y=0.3, random_state=0)
    overfit = DecisionTreeClassifier(random_state=0)
    honest = DecisionTreeClassifier(max_depth=1)
    assert overfit.fit(X, y).score(X, y) == 1.0 > honest.fit(X, y).score(X, y)
    ensemble = TopKVotingClassifier([("overfit", overfit), ("honest", honest)], k=1).fit(X, y)
    assert ensemble.selected_ == ["honest"]
    np.testing.assert_array_equal(ensemble.predict(X), honest.predict(X))


def test_scores_are_those_of_the_pooled_folds():
    ensemble = TopKVotingClassifier(MODELS, cv=7).fit(*IRIS)
    for name, model in MODELS:
        proba = ms.cross_val_predict(model, *IRIS, cv=7, method="predict_proba")
        assert ensemble.scores_[name] == f1_score(Y_IRIS, proba.argmax(axis=1), average="macro")
        assert ensemble.scores_[name] != ms.cross_val_score(model, *IRIS, cv=7, scoring="f1_macro").mean()


def test_probabilities_are_aligned_where_the_training_rows_lack_a_class():
    X, y, seen = X_IRIS[::-1], Y_IRIS[::-1], {}

    def keep(estimator, X, y):
        seen["proba"] = estimator.predict_proba(X)
        return 1.0

    TopKVotingClassifier([MODELS[2]], k=1, scoring=keep, cv=ms.PredefinedSplit(y)).fit(X, y)  # each fold is a class
    for absent in range(3):
        rows, known = y == absent, np.delete(np.arange(3), absent)
        own = GaussianNB().fit(X[~rows], y[~rows]).predict_proba(X[rows])
        np.testing.assert_array_equal(seen["proba"][rows][:, known], own)
        assert not seen["proba"][rows, absent].any()


@pytest.mark.parametrize("cv, rows", [(ms.ShuffleSplit(1, random_state=0), 15), (ms.RepeatedStratifiedKFold(), 1500)])
def test_folds_may_leave_rows_out_or_repeat_them(cv, rows):
    seen = []

    def score(estimator, X, y):
        seen.append((len(X), len(y)))
        return accuracy_score(y, estimator.predict(X))

    assert TopKVotingClassifier([MODELS[2]], k=1, cv=cv, scoring=score).fit(*IRIS).scores_["nb"] > 0.9
    assert seen == [(rows, rows)]


def test_scorers_of_every_response_method():
    X, y = make_classification(100, random_state=0)
    model, names = LogisticRegression(), np.where(y, "V", "N")
    proba = ms.cross_val_predict(model, X, y, method="predict_proba")[:, 1]
    by_decision = make_scorer(roc_auc_score, response_method="decision_function")
    sign = make_scorer(lambda y, decision: ((decision > 0) == (y == "V")).mean(), response_method="decision_function")
    area, accuracy = roc_auc_score(y, proba), ((proba > 0.5) == y).mean()
    for scoring, expected in [("roc_auc", area), (by_decision, area), ("accuracy", accuracy), (sign, accuracy)]:
        ensemble = TopKVotingClassifier([("one", model)], k=1, scoring=scoring).fit(X, names)
        assert ensemble.scores_["one"] == pytest.approx(expected)


def test_a_scorer_gets_the_given_array_and_must_predict_all_of_it():
    def first_half(estimator, X, y):
        assert X is X_IRIS
        return estimator.score(X[:75], y[:75])

    with pytest.raises(ValueError, match="scoring must predict all 150 held-out rows at once, got 75 rows"):
        TopKVotingClassifier(MODELS, scoring=first_half).fit(*IRIS)


MEMORISER = [
    ("honest", make_pipeline(FunctionTransformer(lambda X: X[:, :1]), LogisticRegression())),
    ("memoriser", KNeighborsClassifier(1)),
]


@pytest.mark.parametrize("cv", [None, 4, ms.GroupKFold(3)])
def test_no_patient_is_on_both_sides(cv):
    groups = np.tile(np.arange(20), 10)
    y = groups % 2  # one label a patient: the first column tells it roughly, the second is the patient
    X = np.column_stack([y + 0.7 * np.random.default_rng(0).normal(size=200), 100.0 * groups])
    assert TopKVotingClassifier(MEMORISER, k=1).fit(X, y).selected_ == ["memoriser"]
    ensemble = TopKVotingClassifier(MEMORISER, k=1, cv=cv).fit(X, y, groups=groups)
    assert ensemble.selected_ == ["honest"]
    with config_context(enable_metadata_routing=True):
        assert clone(ensemble).fit(X, y, groups=groups).scores_ == ensemble.scores_


class Spy(GaussianNB):
    """Keeps the metadata that its fits got; the first column of X is the number of the row."""

    seen = []

    def fit(self, X, y, sample_weight=None, groups=None):
        self.seen.append((X[:, 0].astype(int), sample_weight, groups))
        return super().fit(X, y, sample_weight)


@pytest.fixture
def numbered(monkeypatch):
    monkeypatch.setattr(Spy, "seen", [])
    y = np.tile([0, 1], 20)
    weight = np.arange(40.0) % 5
    return np.column_stack([np.arange(40.0), y + 0.1]), y, weight, np.repeat(np.arange(10), 4)


def test_metadata_with_routing_off(numbered):
    X, y, weight, groups = numbered
    ensemble = TopKVotingClassifier([("spy", Spy())], k=1, cv=2, scoring="accuracy")
    ensemble.fit(X, y, sample_weight=weight, groups=groups)
    assert [len(rows) for rows, *_ in Spy.seen] == [20, 20, 40]
    for rows, given, given_groups in Spy.seen:
        np.testing.assert_array_equal(given, weight[rows])
        assert given_groups is None
    with pytest.raises(TypeError, match="KNeighborsClassifier does not support sample weights"):
        ensemble.set_params(spy=KNeighborsClassifier()).fit(X, y, sample_weight=weight)
    with pytest.raises(ValueError, match="metadata"):
        ensemble.fit(X, y, other=weight)


def test_sample_weight_counts_in_the_score():
    weight = np.array([1.0, 0.0, 0.0, 3.0])
    ensemble = TopKVotingClassifier(tables(), k=1, scoring="accuracy", prefit=True)
    assert ensemble.fit(ROWS, LABELS, sample_weight=weight).scores_ == {"worst": 0.0, "best": 0.25, "second": 0.25}
    macro = ensemble.set_params(scoring="f1_macro").fit(ROWS, LABELS, sample_weight=weight)
    assert macro.scores_["best"] == pytest.approx(0.2)  # classes 0 (F1 2/5) and 1 (0); class 2 has no weight
    plain = ensemble.set_params(scoring=lambda estimator, X, y: len(y)).fit(ROWS, LABELS, sample_weight=weight)
    assert plain.scores_["best"] == 4  # it takes no weights


def test_metadata_with_routing_on(numbered):
    X, y, weight, groups = numbered
    with config_context(enable_metadata_routing=True):
        scoring = get_scorer("accuracy").set_score_request(sample_weight=False)
        spy = Spy().set_fit_request(sample_weight=True, groups=True)
        ensemble = TopKVotingClassifier([("spy", spy)], k=1, cv=2, scoring=scoring)
        ensemble.fit(X, y, sample_weight=weight, groups=groups)
        assert len(Spy.seen) == 3
        for rows, given, given_groups in Spy.seen:
            np.testing.assert_array_equal(given, weight[rows])
            np.testing.assert_array_equal(given_groups, groups[rows])
        ms.cross_validate(ensemble, X, y, cv=2, params={"sample_weight": weight, "groups": groups}, scoring=scoring)
        assert len(Spy.seen) == 9  # the ensemble passes on what it gets inside scikit-learn's own tools
        assert all(given_groups is not None for *_, given_groups in Spy.seen)
        with pytest.raises(UnsetMetadataPassedError):
            ensemble.set_params(spy=Spy()).fit(X, y, sample_weight=weight)
        ensemble.set_params(
            spy=GaussianNB().fit(X, y), prefit=True, scoring=scoring.set_score_request(sample_weight=True)
        )
        assert ensemble.fit(X, y, sample_weight=weight).scores_ == {"spy": 1.0}  # no model is fitted: none need ask


def test_prefit_uses_the_estimators_as_they_are():
    X, y = IRIS
    fitted = {name: FrozenEstimator(clone(model).fit(X[::2], y[::2])) for name, model in MODELS}
    ensemble = TopKVotingClassifier(list(fitted.items()), prefit=True).fit(X[1::2], y[1::2])
    assert all(ensemble.named_estimators_[name] is fitted[name] for name in ensemble.selected_)
    for name, model in fitted.items():
        assert ensemble.scores_[name] == f1_score(y[1::2], model.predict(X[1::2]), average="macro")
    again = clone(ensemble).fit(X[1::2], y[1::2])  # frozen models survive a clone
    np.testing.assert_array_equal(again.predict_proba(X), ensemble.predict_proba(X))
    with pytest.raises(NotFittedError, match="prefit=True wants fitted estimators, but 'linear' is not fitted"):
        TopKVotingClassifier(MODELS, prefit=True).fit(X, y)


def test_prefit_models_may_know_different_classes():
    X, y = IRIS
    two, three = GaussianNB().fit(X[y < 2], y[y < 2]), GaussianNB().fit(X, y)
    estimators = [("two", two), ("three", three)]
    ensemble = TopKVotingClassifier(estimators, prefit=True, weights="uniform").fit(X[y < 2], y[y < 2])
    np.testing.assert_array_equal(ensemble.classes_, [0, 1, 2])
    expected = (np.column_stack([two.predict_proba(X), np.zeros(150)]) + three.predict_proba(X)) / 2
    np.testing.assert_allclose(ensemble.predict_proba(X), expected, rtol=1e-12)
    with pytest.raises(ValueError, match=r"Estimator 'two' was fitted on other classes: \[0 1\], y has \{2\}"):
        ensemble.fit(X[y == 2], y[y == 2])
    with pytest.raises(ValueError, match=r"y has labels that none of the fitted estimators knows: \[2\]"):
        TopKVotingClassifier(estimators[:1], k=1, prefit=True).fit(X, y)
    with pytest.raises(ValueError, match=r"Estimator 'three' was fitted on other classes: y has no \[2\]"):
        TopKVotingClassifier([("three", FrozenEstimator(three))], k=1).fit(X[y < 2], y[y < 2])


def test_models_see_the_labels_as_given():
    names = np.array(["N", "S", "V"])[Y_IRIS]
    weighted = LogisticRegression(class_weight={"N": 1.0, "S": 5.0, "V": 1.0}, C=0.1)
    ensemble = TopKVotingClassifier([("weighted", weighted)], k=1).fit(X_IRIS, names)
    np.testing.assert_array_equal(ensemble.predict(X_IRIS), weighted.fit(X_IRIS, names).predict(X_IRIS))
    assert list(ensemble.classes_) == ["N", "S", "V"]


def test_no_model_is_fitted_without_need(numbered):
    X, y, *_ = numbered
    for params in ({"by": "prediction", "weights": "confidence"}, {"k": 1, "weights": "uniform"}):
        Spy.seen.clear()
        ensemble = TopKVotingClassifier([("spy", Spy())], **params).fit(X, y)
        assert (len(Spy.seen), ensemble.scores_, ensemble.selected_) == (1, None, ["spy"])
    useless = make_pipeline(FunctionTransformer(lambda X: X[:, :1]), Spy())
    for by, n_fits in (("model", 2), ("prediction", 3)):  # on two folds, and on all rows if used
        Spy.seen.clear()
        TopKVotingClassifier([("useless", useless), ("good", GaussianNB())], k=1, by=by, cv=2).fit(X, y)
        assert len(Spy.seen) == n_fits


def test_search_over_the_ensemble_and_its_parts():
    grid = {"k": [1, 2], "by": ["model", "prediction"], "weights": ["score", "confidence"], "linear__C": [0.1]}
    search = ms.GridSearchCV(TopKVotingClassifier(MODELS, cv=2), grid, cv=2).fit(*IRIS)
    assert search.best_score_ > 0.9
    ensemble = search.best_estimator_.set_params(tree="drop", k=2, by="model").fit(*IRIS)
    assert (sorted(ensemble.selected_), ensemble.named_estimators_["tree"]) == (["linear", "nb"], "drop")


def test_parameters_set_later_wait_for_the_next_fit():
    ensemble = TopKVotingClassifier(MODELS).fit(*IRIS)
    before = ensemble.predict_proba(X_IRIS)
    ensemble.set_params(by="prediction", k=1, weights="confidence")
    np.testing.assert_array_equal(ensemble.predict_proba(X_IRIS), before)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ensemble)).predict_proba(X_IRIS), before)


def test_jobs_side_by_side_give_what_one_gives():
    one, two = (TopKVotingClassifier(MODELS, cv=2, n_jobs=n) for n in (1, 2))
    with parallel_config("threading"):  # processes would take seconds to start
        np.testing.assert_array_equal(two.fit(*IRIS).predict_proba(X_IRIS), one.fit(*IRIS).predict_proba(X_IRIS))
    assert one.scores_ == two.scores_


def test_frames_keep_their_names_and_every_fit_is_told(capsys):
    frame = pd.DataFrame(X_IRIS, columns=list("abcd"))
    ensemble = TopKVotingClassifier(MODELS[:1], k=1, cv=2, verbose=1).fit(frame, Y_IRIS)
    told = capsys.readouterr().out
    assert (told.count("linear on 75 rows"), told.count("linear on 150 rows")) == (2, 1)
    assert list(ensemble.feature_names_in_) == list("abcd")
    assert not hasattr(ensemble.fit(*IRIS), "feature_names_in_")


def test_errors_name_what_was_wrong():
    for estimators, params, message in [
        ([("line", Perceptron())], {"k": 1}, r"estimators must have predict_proba, but 'line' \(Perceptron\) has none"),
        (MODELS, {"k": 4}, "k=4 models are wanted with by='model', but estimators has 3"),
        (MODELS, {"scoring": "neg_log_loss"}, r"weights='score' wants a positive score, got \{'nb': -"),
        (MODELS, {"scoring": lambda *_: np.nan}, r"scoring=.* must give a finite number, got nan for 'linear'"),
        (MODELS, {"scoring": lambda *_: "high"}, r"scoring=.* must give a finite number, got 'high' for 'linear'"),
        ([("k", GaussianNB())], {}, r"Estimator names conflict with constructor arguments: \['k'\]"),
        (MODELS, {"by": "class"}, "The 'by' parameter"),
    ]:
        with pytest.raises(ValueError, match=message):
            TopKVotingClassifier(estimators, **params).fit(*IRIS)
    ensemble = TopKVotingClassifier(MODELS).fit(*IRIS).set_params(k=4)
    with pytest.raises(ValueError, match="k=4"):
        ensemble.fit(*IRIS)
    with pytest.raises(NotFittedError):  # nothing half-fitted is left
        ensemble.predict(X_IRIS)


def test_a_score_below_zero_is_weight_zero():
    X, y = IRIS
    reverse = FrozenEstimator(GaussianNB().fit(X, (y + 1) % 3))
    estimators = [MODELS[0], ("reverse", reverse)]
    ensemble = TopKVotingClassifier(estimators, scoring=make_scorer(matthews_corrcoef)).fit(X, y)
    assert ensemble.scores_["reverse"] < 0
    np.testing.assert_array_equal(ensemble.weights_, [1.0, 0.0])
    estimators = [("prior", DummyClassifier()), MODELS[0]]
    losses = TopKVotingClassifier(estimators, k=1, scoring="neg_log_loss", weights="uniform").fit(X, y)
    assert losses.selected_ == ["linear"]


def signal_ensemble(n_leads, by):
    net = clone(CLASSIFIERS["CNNLSTMAttention"]).set_params(**QUICK, n_leads=n_leads)
    pipeline = make_pipeline(ECGScaler(by="lead", n_leads=n_leads), clone(net).set_params(random_state=1))
    return TopKVotingClassifier(
        [("net", net), ("pipeline", pipeline), ("tree", TREE)], k=3 if by == "model" else 1, by=by, cv=2
    )


@pytest.mark.parametrize("by", ["model", "prediction"])
def test_three_d_and_flat_rows_are_interchangeable(by, tmp_path):
    y = np.tile([0, 1], 20)  # two classes that differ in the height of a bump in the second lead
    X = 0.1 * np.random.default_rng(0).normal(size=(40, 2, 16))
    X[:, 1] += np.where(y, 1.0, -1.0)[:, None] * np.hanning(16)
    flat = flatten_leads(X)
    cube, rows = signal_ensemble(1, by).fit(X, y), signal_ensemble(2, by).fit(flat, y)
    assert cube.scores_ == rows.scores_
    assert cube.n_features_in_ == rows.n_features_in_ == 32
    assert cube.named_estimators_["pipeline"][-1].layout_.n_leads == 2
    expected = cube.predict_proba(X)
    np.save(tmp_path / "X.npy", flat)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    for fitted, given in ((cube, flat), (rows, X), (rows, flat), (cube, X.tolist()), (rows, mapped)):
        np.testing.assert_array_equal(fitted.predict_proba(given), expected)


def test_records_of_other_numbers_of_beats_are_left_to_models_that_read_them():
    X, y = np.random.default_rng(0).normal(size=(20, 4, 16)), np.tile([0, 1], 10)
    net = clone(BEAT_SEQUENCES["ECGSLClassifier"]).set_params(**{**QUICK, "max_epochs": 1})
    ensemble = TopKVotingClassifier([("net", net)], k=1, weights="uniform").fit(X, y)
    alone = ensemble.estimators_[0].predict_proba(X[:, :2])
    np.testing.assert_allclose(ensemble.predict_proba(X[:, :2]), alone, rtol=1e-12)
    with pytest.raises(ValueError, match="beats of 8 columns"):
        ensemble.predict(X.reshape(20, 8, 8))


def test_records_of_another_shape_are_refused_even_by_tabular_models():
    ensemble = TopKVotingClassifier(MODELS).fit(X_IRIS.reshape(150, 2, 2), Y_IRIS)
    with pytest.raises(ValueError, match=r"X has records of shape \(1, 4\), but fit saw records of shape \(2, 2\)"):
        ensemble.predict(X_IRIS.reshape(150, 1, 4))
