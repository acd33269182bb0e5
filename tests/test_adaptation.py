"""AdaptedClassifier: the base untouched, what is trained, forgetting, source rows, routing; most_uncertain."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.pipeline import Pipeline, make_pipeline

from sklearn_ecg import AdaptedClassifier, CNNClassifier, ECGScaler
from sklearn_ecg.adaptation import most_uncertain
from sklearn_ecg.base._arrays import to_arrays
from sklearn_ecg.datasets import make_beats
from sklearn_ecg.signals._validation import signal_feature_names
from tests.instances import CLASSIFIERS, QUICK

WAVES = {"N": np.hanning(16), "S": np.roll(np.hanning(16), 5), "V": -np.hanning(16)}
NET = clone(CLASSIFIERS["CNNClassifier"]).set_params(lr=0.01, random_state=0)
ADAPTED = {"max_epochs": 5, "lr": 0.01, "random_state": 0}


def beats(n, seed, *, classes="NSV", waves=WAVES, shift=0.0):
    """Noisy beats, as many of each class; ``shift`` is the patient's own part of every beat."""
    rng = np.random.default_rng(seed)
    y = rng.permuted(np.resize(list(classes), n))
    return np.array([waves[label] for label in y]) + shift + 0.2 * rng.normal(size=(n, 16)), y


@pytest.fixture(scope="module")
def source():
    return beats(90, 0)


@pytest.fixture(scope="module")
def patient():
    return beats(30, 1, shift=0.7)


@pytest.fixture(scope="module")
def base(source):
    return clone(NET).fit(*source)


def adapt(base, patient, *others, **params):
    return AdaptedClassifier(FrozenEstimator(base), **{**ADAPTED, **params}).fit(*patient, *others)


def weights(fitted):
    return to_arrays(fitted.module_.state_dict())


def distance(fitted, other):
    """Squared distance between the weights of two classifiers, statistics left out."""
    pairs = zip(fitted.module_.parameters(), other.module_.parameters(), strict=True)
    return sum(float(((a - b) ** 2).sum().detach()) for a, b in pairs)


def test_settings_change_the_copy_alone(base, patient):
    calm = adapt(base, patient)
    noisy = adapt(base, patient, settings={"dropout": 0.5})
    assert {module.p for module in noisy.estimator_.module_.modules() if isinstance(module, torch.nn.Dropout)} == {0.5}
    assert base.dropout == 0 and noisy.estimator_.dropout == 0.5
    assert distance(calm.estimator_, noisy.estimator_) > 0
    with pytest.raises(ValueError, match="Invalid parameter 'colour'"):
        adapt(base, patient, settings={"colour": "red"})
    with pytest.raises(ValueError, match="warm_start=True continues a module fitted with norm"):
        adapt(base, patient, settings={"norm": "batch"})


def test_the_base_stays_as_it_is(base, source, patient):
    scaled = make_pipeline(ECGScaler(by="lead"), clone(NET).set_params(norm="batch")).fit(*source)
    for fitted in (base, scaled):
        state, before = pickle.dumps(fitted), fitted.predict_proba(patient[0])
        adapted = adapt(fitted, patient)
        assert pickle.dumps(fitted) == state
        np.testing.assert_array_equal(fitted.predict_proba(patient[0]), before)
        assert (adapted.predict_proba(patient[0]) != before).any()
    assert adapted.estimator_[0] is not scaled[0]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_head_alone_is_trained(name, source, patient):
    base = clone(CLASSIFIERS[name]).set_params(**QUICK, norm="batch").fit(*source)
    before, head = weights(base), weights(adapt(base, patient, layers="head").estimator_)
    changed = {key for key in before if not np.array_equal(before[key], head[key])}
    assert changed
    assert all(key.startswith("head.") for key in changed)
    everything = weights(adapt(base, patient, layers="all").estimator_)
    assert any("running_mean" in key and not np.array_equal(before[key], everything[key]) for key in before)
    assert any(not key.startswith("head.") for key in before if not np.array_equal(before[key], everything[key]))


def test_layers_of_an_earlier_adaptation_do_not_stay_frozen(base, patient):
    once = adapt(base, patient, layers="head").estimator_
    twice = weights(adapt(once, patient, layers="all").estimator_)
    assert any(not key.startswith("head.") for key, value in weights(once).items() if (value != twice[key]).any())


def test_the_anchor_is_half_the_squared_distance_in_the_loss(base, patient):
    one = adapt(base, patient, max_epochs=1, anchor=3.0)  # no pull in the first step, which begins at the anchor
    free, held = (adapt(base, patient, max_epochs=2, anchor=anchor).estimator_.history_[-1] for anchor in (0.0, 3.0))
    pull = 3.0 / 2 * distance(one.estimator_, base)
    assert held["train_loss"] - free["train_loss"] == pytest.approx(pull, rel=1e-9)


def test_a_stronger_anchor_holds_nearer_to_the_base(base, patient):
    fits = {anchor: adapt(base, patient, max_epochs=40, anchor=anchor) for anchor in (0.0, 1.0, 1e6)}
    moved = [distance(adapted.estimator_, base) for adapted in fits.values()]
    assert moved[0] > 10 * moved[1] > 100 * moved[2]
    expected = base.predict_proba(patient[0])
    np.testing.assert_allclose(fits[1e6].predict_proba(patient[0]), expected, atol=0.05)
    assert np.abs(fits[0.0].predict_proba(patient[0]) - expected).max() > 0.9


def test_shrinkage_draws_each_class_to_the_base_by_its_labels(base, patient):
    kept = np.isin(patient[1], ["N", "V"]) & (np.arange(30) != np.flatnonzero(patient[1] == "V")[0])
    few = patient[0][kept], patient[1][kept]  # 10 N, no S, 9 V
    mixed = adapt(base, few, shrinkage=5.0)
    np.testing.assert_allclose(mixed.trust_, [10 / 15, 0, 9 / 14])
    adapted, before = (fitted.predict_proba(patient[0]).clip(1e-6) for fitted in (adapt(base, few), base))
    expected = adapted**mixed.trust_ * before ** (1 - mixed.trust_)
    np.testing.assert_allclose(mixed.predict_proba(patient[0]), expected / expected.sum(axis=1, keepdims=True))
    same = adapt(base, few, shrinkage=1e12).predict_proba(patient[0])
    np.testing.assert_allclose(same, before, atol=1e-5)


def test_shrinkage_keeps_a_class_that_the_patient_has_not_shown(base):
    few, later = beats(20, 2, classes="NV", shift=0.7), beats(60, 3, shift=0.7)
    forgetful, mindful = (adapt(base, few, max_epochs=60, shrinkage=k).predict(later[0]) for k in (0.0, 10.0))
    unseen = later[1] == "S"
    assert np.mean(forgetful[unseen] == "S") < 0.5 < 0.8 < np.mean(mindful[unseen] == "S")


def test_shrinkage_counts_weights_and_no_source_rows(base, source, patient):
    X, y = patient
    weight = np.where(y == "S", 0.5, np.where(y == "V", 0.0, 1.0))
    weighted = adapt(base, (X, y), weight, *source, shrinkage=5.0)
    np.testing.assert_allclose(weighted.trust_, [10 / 15, 5 / 10, 0])


def test_shrinkage_does_not_follow_the_base_any_more(source, patient):
    base = clone(NET).fit(*source)
    mixed = adapt(base, patient, shrinkage=1e3)
    before = mixed.predict_proba(patient[0])
    base.fit(source[0], source[1][::-1])
    np.testing.assert_array_equal(mixed.predict_proba(patient[0]), before)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mixed)).predict_proba(patient[0]), before)
    assert not hasattr(mixed.set_params(shrinkage=0.0).fit(*patient), "base_")


def test_source_rows_keep_what_the_patient_has_not_shown(base, source):
    waves = {"N": -0.3 * np.hanning(16), "V": -1.2 * np.hanning(16)}  # this patient's N are like the others' V
    few, later = beats(20, 2, classes="N", waves=waves), beats(60, 3, classes="NV", waves=waves)
    forgetful = adapt(base, few, max_epochs=60).predict(later[0])
    mindful = adapt(base, few, None, *source, max_epochs=60).predict(later[0])
    ventricular = later[1] == "V"
    assert np.mean(forgetful[ventricular] == "V") < 0.2
    assert np.mean(mindful[ventricular] == "V") > 0.9
    assert np.mean(mindful[~ventricular] == "N") > 0.9


def test_source_rows_have_their_share_of_the_weight(base, source, patient):
    X, y = (np.concatenate(parts) for parts in zip(patient, source, strict=True))
    weight = np.repeat([1.0, 30 * 0.25 / 0.75 / 90], [30, 90])  # a quarter of all is for the 90 source rows
    expected = adapt(base, (X, y), weight).predict_proba(X)
    adapted = adapt(base, patient, None, *source, source_share=0.25)
    np.testing.assert_allclose(adapted.predict_proba(X), expected, rtol=1e-9)
    none, alone = adapt(base, patient, None, *source, source_share=0), adapt(base, patient)
    np.testing.assert_allclose(none.predict_proba(X), alone.predict_proba(X), rtol=1e-9)


def test_weights_equal_repeated_rows(base, patient):
    X, y = patient
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    weighted = adapt(base, patient, weight)
    repeated = adapt(base, (np.repeat(X, weight, axis=0), np.repeat(y, weight)))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-7)
    strange = np.where(weight, y, "?")  # a row without weight may have any label
    np.testing.assert_array_equal(adapt(base, (X, strange), weight).predict_proba(X), weighted.predict_proba(X))


def test_a_pipeline_transforms_as_it_did(source, patient):
    X, y = patient
    pipeline = Pipeline([("scale", ECGScaler(by="lead")), ("net", clone(NET))]).fit(*source)
    adapted = adapt(pipeline, patient, None, *source)
    assert list(adapted.estimator_.named_steps) == ["scale", "net"]
    scale = pipeline["scale"].transform
    alone = adapt(pipeline["net"], (scale(X), y), None, scale(source[0]), source[1])
    np.testing.assert_array_equal(adapted.predict_proba(X), alone.predict_proba(scale(X)))


def test_a_sampler_in_the_pipeline_leaves_the_patients_rows_alone(source, patient):
    pipeline = make_imblearn_pipeline(RandomOverSampler(random_state=0), clone(NET)).fit(*source)
    adapted, alone = adapt(pipeline, patient), adapt(pipeline[-1], patient)
    np.testing.assert_array_equal(adapted.predict_proba(patient[0]), alone.predict_proba(patient[0]))


def test_a_patient_may_lack_classes(base):
    X, y = beats(20, 2, classes="NV", shift=0.7)
    adapted = adapt(base, (X, y))
    assert list(adapted.classes_) == ["N", "S", "V"]
    assert adapted.predict_proba(X).shape == (20, 3)
    assert adapted.score(X, y) > 0.9 > base.score(X, y)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_plain_warm_start_may_lack_classes_too(name, source):
    fitted = clone(CLASSIFIERS[name]).set_params(**QUICK, warm_start=True).fit(*source)
    before = fitted.predict_proba(source[0])
    X, y = beats(20, 2, classes="NV", shift=0.7)
    proba = fitted.fit(X, y).predict_proba(source[0])
    assert list(fitted.classes_) == ["N", "S", "V"]
    assert proba[:, 1].mean() < before[:, 1].mean()


def test_three_d_and_flat_rows_are_interchangeable(base, source, patient):
    X, y = patient
    cube, source_cube = X.reshape(30, 1, 16), source[0].reshape(90, 1, 16)
    expected = adapt(base, patient, None, *source).predict_proba(X)
    for rows, others in ((cube, source_cube), (cube, source[0]), (X.tolist(), source_cube)):
        adapted = adapt(base, (rows, y), None, others, source[1])
        np.testing.assert_array_equal(adapted.predict_proba(cube), expected)
    with pytest.raises(ValueError, match=r"records of shape \(2, 8\)"):
        adapt(base, (X.reshape(30, 2, 8), y))


def test_frames_keep_their_names(source, patient):
    names = signal_feature_names(["II"], 16)
    frame, source_frame = (pd.DataFrame(rows, columns=names) for rows in (patient[0], source[0]))
    base = clone(NET).fit(source_frame, source[1])
    adapted = adapt(base, (frame, patient[1]), None, source_frame, source[1])
    assert list(adapted.feature_names_in_) == list(adapted.estimator_.feature_names_in_) == list(names)
    adapted.predict_proba(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        adapt(base, (frame, patient[1]), None, source_frame.rename(columns={"II_0000": "?"}), source[1])
    assert not hasattr(adapted.set_params(estimator=NET).fit(*patient), "feature_names_in_")


def test_the_seed_decides(base, patient):
    params = {"batch_size": 8, "max_epochs": 2}
    one, same, other = (adapt(base, patient, **params, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.predict_proba(patient[0]), same.predict_proba(patient[0]))
    assert (one.predict_proba(patient[0]) != other.predict_proba(patient[0])).any()


def test_pickle_keeps_predictions_and_the_base(base, patient):
    adapted = adapt(base, patient, layers="head", anchor=0.1)
    loaded = pickle.loads(pickle.dumps(adapted))
    np.testing.assert_array_equal(loaded.predict_proba(patient[0]), adapted.predict_proba(patient[0]))
    np.testing.assert_array_equal(loaded.estimator.predict_proba(patient[0]), base.predict_proba(patient[0]))


def test_errors_name_what_was_wrong(base, source, patient):
    X, y = patient
    bad = np.where(np.arange(30) == 3, "F", y)
    with pytest.raises(ValueError, match=r"labels that the base knows, \['N', 'S', 'V'\], got \['F'\]"):
        adapt(base, (X, bad))
    with pytest.raises(ValueError, match=r"labels that the base knows, \['N', 'S', 'V'\], got \[0\]"):
        adapt(base, (X, np.zeros(30, dtype=int)))
    with pytest.raises(ValueError, match=r"y and y_source must have labels .* got \['F'\]"):
        adapt(base, patient, None, X, bad)
    for one in ({"X_source": source[0]}, {"y_source": source[1]}):
        with pytest.raises(ValueError, match="X_source and y_source are wanted together"):
            AdaptedClassifier(FrozenEstimator(base)).fit(X, y, **one)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):  # together they would fit
        adapt(base, (X, y[1:]), None, source[0], np.append(source[1], "N"))
    linear = LogisticRegression().fit(*source)
    for other in (linear, make_pipeline(ECGScaler(), linear)):
        with pytest.raises(TypeError, match=r"estimator must be a neural classifier .* got LogisticRegression"):
            adapt(other, patient)
    with pytest.raises(NotFittedError):
        adapt(clone(base), patient)


def test_failed_fit_leaves_an_unfitted_estimator(base, patient):
    adapted = adapt(base, patient)
    with pytest.raises(FloatingPointError):
        adapted.fit(1e300 * patient[0], patient[1])
    with pytest.raises(NotFittedError):
        adapted.predict(patient[0])


@pytest.mark.parametrize("routing", [False, True])
def test_an_unfitted_base_gets_the_weights(routing, patient):
    weight = np.arange(30) % 3
    kept = weight > 0
    pipeline = make_pipeline(ECGScaler(), clone(NET))
    with config_context(enable_metadata_routing=routing):
        weighted = AdaptedClassifier(pipeline, **ADAPTED).fit(*patient, sample_weight=(weight > 0) * 2.0)
    plain = AdaptedClassifier(pipeline, **ADAPTED).fit(*(part[kept] for part in patient))
    np.testing.assert_allclose(weighted.predict_proba(patient[0]), plain.predict_proba(patient[0]), rtol=1e-9)


def test_metadata_routing(base, source, patient):
    estimator = AdaptedClassifier(FrozenEstimator(base), **ADAPTED)
    params = dict(zip(("X_source", "y_source"), source, strict=True))
    with config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError):
            cross_validate(estimator, *patient, cv=2, params=params)
        estimator.set_fit_request(X_source=True, y_source=True)
        fits = cross_validate(estimator, *patient, cv=2, params=params, return_estimator=True, return_indices=True)
    for fitted, train in zip(fits["estimator"], fits["indices"]["train"], strict=True):
        expected = adapt(base, [part[train] for part in patient], None, *source)
        np.testing.assert_array_equal(fitted.predict_proba(patient[0]), expected.predict_proba(patient[0]))


def test_unusual_patients_are_read_better_after_twenty_labels():
    """Of synthetic patients, those whose first twenty beats the base reads badly; scored on their other beats."""
    options = {"window": (0.3, 0.3), "n_timepoints": 36, "bandpass": (0.5, 25.0)}
    others, new = (make_beats(n, duration=30, random_state=n, **options) for n in (12, 40))
    net = CNNClassifier(n_side_features=4, channels=(8, 16), side_sizes=(16,), head_size=32, lr=3e-3, random_state=0)
    base = make_pipeline(ECGScaler(by="lead", n_side_features=4), net).fit(others.data, others.target)
    accuracies = []
    for name in np.unique(new.groups):
        X, y = new.data[new.groups == name], new.target[new.groups == name]
        if base.score(X[:20], y[:20]) < 0.9:
            adapted = AdaptedClassifier(FrozenEstimator(base), random_state=0).fit(X[:20], y[:20])
            accuracies.append([base.score(X[20:], y[20:]), adapted.score(X[20:], y[20:])])
    assert len(accuracies) >= 5
    before, after = np.mean(accuracies, axis=0)
    assert after > before + 0.03


class _Table:
    """Answers with given probabilities."""

    def predict_proba(self, X):
        return np.asarray(X)


PROBA = np.array([[0.50, 0.49, 0.01], [0.45, 0.30, 0.25], [0.90, 0.05, 0.05], [0.60, 0.40, 0.00], [1.0, 0.0, 0.0]])
ORDERS = {  # worked by hand
    "margin": [0, 1, 3, 2, 4],  # 0.01, 0.15, 0.20, 0.85, 1
    "entropy": [1, 0, 3, 2, 4],  # 1.07, 0.74, 0.67, 0.39, 0
    "confidence": [1, 0, 3, 2, 4],  # 0.45, 0.50, 0.60, 0.90, 1
}


@pytest.mark.parametrize("measure", ORDERS)
def test_most_uncertain_rows_come_first(measure):
    for n in range(1, 6):
        np.testing.assert_array_equal(most_uncertain(_Table(), PROBA, n, measure=measure), ORDERS[measure][:n])


def test_measures_of_uncertainty_differ_and_ties_keep_their_order():
    proba = [[0.50, 0.25, 0.25], [0.52, 0.48, 0.00], [0.48, 0.26, 0.26]]
    orders = {m: most_uncertain(_Table(), proba, 3, measure=m).tolist() for m in ORDERS}
    assert orders == {"margin": [1, 2, 0], "entropy": [2, 0, 1], "confidence": [2, 0, 1]}
    close = [[0.55, 0.45, 0.0], [0.54, 0.23, 0.23]]
    assert most_uncertain(_Table(), close, 1, measure="margin") == [0]
    assert most_uncertain(_Table(), close, 1, measure="confidence") == [1]
    wide = [[0.4, 0.4, 0.2, 0.0], [0.42, 0.2, 0.19, 0.19]]
    assert most_uncertain(_Table(), wide, 1, measure="confidence") == [0]
    assert most_uncertain(_Table(), wide, 1, measure="entropy") == [1]
    for measure in ORDERS:
        np.testing.assert_array_equal(most_uncertain(_Table(), np.full((4, 2), 0.5), 4, measure=measure), range(4))
        np.testing.assert_array_equal(most_uncertain(_Table(), np.ones((3, 1)), 2, measure=measure), [0, 1])


def test_most_uncertain_refuses_what_it_cannot_choose():
    for n in (0, 6, -1, 2.0, True, None):
        with pytest.raises(ValueError, match=r"n_labels must be an integer from 1 to 5, .* got"):
            most_uncertain(_Table(), PROBA, n)
    with pytest.raises(ValueError, match=r"measure must be one of \['confidence', 'entropy', 'margin'\], got 'gini'"):
        most_uncertain(_Table(), PROBA, 1, measure="gini")
