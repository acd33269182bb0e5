"""Our own contract for signals: 2-D and 3-D input, side features, lead names, labels, pickles, generators."""

import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ecg.preprocessing import flatten_leads, unflatten_leads
from sklearn_ecg.signals._validation import read_lead_columns, signal_feature_names, validate_rows
from tests.instances import (
    BEAT_SEQUENCES,
    CLASSIFIERS,
    DELINEATORS,
    INSTANCES,
    META,
    QUICK,
    set_everywhere,
)

N_LEADS, N_TIMEPOINTS, N_SIDE = 2, 16, 3


@pytest.fixture
def signals():
    """Two classes that differ in the height of a bump in the second lead."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    X = 0.1 * rng.normal(size=(40, N_LEADS, N_TIMEPOINTS))
    X[:, 1] += np.where(y, 1.0, -1.0)[:, None] * np.hanning(N_TIMEPOINTS)
    return X, y


@pytest.fixture
def mapped(signals, tmp_path):
    """The signals as rows on disk."""
    np.save(tmp_path / "X.npy", flatten_leads(signals[0]).astype(np.float32))
    return np.load(tmp_path / "X.npy", mmap_mode="r")


@pytest.fixture
def side():
    return np.random.default_rng(1).normal(2.0, 5.0, size=(40, N_SIDE))


@pytest.fixture(params=[*CLASSIFIERS, *BEAT_SEQUENCES, *DELINEATORS, *META])
def classifier(request):
    return set_everywhere(clone(INSTANCES[request.param]), **QUICK)


def reading_rows(classifier):
    """Told how a flattened record is read: of two leads, or of two beats."""
    return set_everywhere(classifier, **{"n_beats" if "n_beats" in classifier.get_params() else "n_leads": N_LEADS})


@pytest.fixture(params=[*CLASSIFIERS, *DELINEATORS])
def net(request):
    return clone({**CLASSIFIERS, **DELINEATORS}[request.param]).set_params(**QUICK)


def test_three_d_and_flat_rows_are_interchangeable(classifier, signals):
    X, y = signals
    flat = flatten_leads(X)
    cube = clone(classifier).fit(X, y)
    rows = reading_rows(clone(classifier)).fit(flat, y)
    assert cube.n_features_in_ == rows.n_features_in_ == N_LEADS * N_TIMEPOINTS
    expected = cube.predict_proba(X)
    for fitted, given in ((cube, flat), (rows, X), (rows, flat)):
        np.testing.assert_array_equal(fitted.predict_proba(given), expected)


def test_nested_lists_are_records_too(classifier, signals):
    X, y = signals
    fitted = classifier.fit(X.tolist(), y.tolist())
    np.testing.assert_array_equal(fitted.predict_proba(X.tolist()), fitted.predict_proba(X))


def test_contradictions_of_parameters_are_errors(net, signals):
    X, y = signals
    with pytest.raises(ValueError, match=r"X is 3-D with 2 lead\(s\), which contradicts n_leads=3"):
        clone(net).set_params(n_leads=3).fit(X, y)
    with pytest.raises(ValueError, match="holds no side features, which contradicts n_side_features=3"):
        clone(net).set_params(n_side_features=3).fit(X, y)
    with pytest.raises(ValueError, match=r"Rows of 32 columns cannot be read with n_leads=5"):
        clone(net).set_params(n_leads=5).fit(flatten_leads(X), y)


def test_records_of_another_shape_are_refused(classifier, signals):
    X, y = signals
    fitted = reading_rows(classifier).fit(X, y)
    message = r"records of shape \(1, 32\).* records of shape \(2, 16\)|beats of 32 columns .* beats of 16 columns"
    with pytest.raises(ValueError, match=message):
        fitted.predict(X.reshape(40, 1, 32))
    with pytest.raises(ValueError, match=r"X has 31 features, but .* is expecting 32 features"):
        fitted.predict(flatten_leads(X)[:, :-1])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_signals_are_refused(classifier, signals, value):
    X, y = signals
    bad = X.copy()
    bad[3, 1, 5] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        clone(classifier).fit(bad, y)
    fitted = classifier.fit(X, y)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        fitted.predict(bad)


def test_column_names_that_tell_leads_must_agree(net, signals):
    X, y = signals
    frame = pd.DataFrame(flatten_leads(X), columns=signal_feature_names(["II", "V1"], N_TIMEPOINTS))
    with pytest.raises(ValueError, match=r"The column names tell 2 lead\(s\) \(II, V1\).*n_leads=1"):
        clone(net).fit(frame, y)
    fitted = net.set_params(n_leads=2).fit(frame, y)
    assert list(fitted.feature_names_in_) == list(frame.columns)
    np.testing.assert_array_equal(fitted.predict_proba(frame), clone(net).fit(X, y).predict_proba(X))


def test_flatten_and_unflatten_are_inverse(signals, side):
    X, _ = signals
    rows = flatten_leads(X, side)
    back, back_side = unflatten_leads(rows, N_LEADS, N_SIDE)
    np.testing.assert_array_equal(back, X)
    np.testing.assert_array_equal(back_side, side)
    leads, layout = read_lead_columns(list(signal_feature_names(["II", "V1"], N_TIMEPOINTS, ["rr", "x_2001", "age"])))
    assert leads == ["II", "V1"]
    assert layout.n_side_features == N_SIDE
    assert read_lead_columns([f"x{i}" for i in range(5)]) is None
    assert read_lead_columns(["II_0001", "II_0002"]) is None


def test_side_features_decide_where_the_signal_cannot(net, side):
    y = (side[:, 0] > 2.0).astype(int)
    rows = flatten_leads(np.zeros((40, 1, 8)), side)
    fitted = net.set_params(n_side_features=N_SIDE, max_epochs=60).fit(rows, y)
    assert fitted.score(rows, y) > 0.9
    rescaled = flatten_leads(np.zeros((40, 1, 8)), 1000 * side + 7)
    again = clone(net).fit(rescaled, y)  # standardised inside: their unit does not matter
    np.testing.assert_allclose(again.predict_proba(rescaled), fitted.predict_proba(rows), atol=1e-6)


def test_string_labels(classifier, signals):
    X, y = signals
    names = np.where(y, "V", "N")
    fitted = set_everywhere(classifier, max_epochs=20).fit(X, names)
    assert list(fitted.classes_) == ["N", "V"]
    assert set(fitted.predict(X)) == {"N", "V"}
    assert fitted.score(X, names) > 0.9
    assert fitted.predict_proba(X).dtype == np.float64


def test_predictions_do_not_depend_on_the_batch(classifier, signals):
    X, y = signals
    fitted = classifier.fit(X, y)
    alone = np.vstack([fitted.predict_proba(row[None]) for row in X])
    np.testing.assert_allclose(fitted.predict_proba(X), alone, rtol=1e-12)
    np.testing.assert_allclose(set_everywhere(fitted, batch_size=7).predict_proba(X), alone, rtol=1e-12)


def test_same_seed_same_model_and_global_generators_untouched(classifier, signals):
    X, y = signals
    set_everywhere(classifier, batch_size=8, dropout=0.3)
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    torch_state = torch.get_rng_state()
    first, second = clone(classifier).fit(X, y), clone(classifier).fit(X, y)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_another_seed_is_another_model(net, signals):
    X, y = signals
    first, other = (clone(net).set_params(random_state=seed).fit(X, y) for seed in (0, 1))
    assert not np.array_equal(other.predict_proba(X), first.predict_proba(X))


def test_pickle_keeps_predictions_and_holds_no_torch_object(classifier, signals):
    X, y = signals
    fitted = classifier.fit(X, y)
    state = pickle.dumps(fitted)
    assert b"torch" not in state
    assert b"skorch" not in state
    torch_state = torch.get_rng_state()
    loaded = pickle.loads(state)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    set_everywhere(fitted, channels=(4, 4))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), loaded.predict_proba(X))


def test_skops_trusts_our_classes_alone(classifier, signals):
    X, y = signals
    pipeline = make_pipeline(StandardScaler(), reading_rows(classifier)).fit(flatten_leads(X), y)
    stored = skops.io.dumps(pipeline)
    unknown = skops.io.get_untrusted_types(data=stored)
    assert all(name.startswith("sklearn_ecg.") for name in unknown), unknown
    loaded = skops.io.loads(stored, trusted=unknown)
    np.testing.assert_array_equal(loaded.predict_proba(flatten_leads(X)), pipeline.predict_proba(flatten_leads(X)))


def test_memory_mapped_signals_give_the_same_model(classifier, signals, mapped):
    rows, y = np.array(mapped), signals[1]
    reading_rows(classifier)
    expected = clone(classifier).fit(rows, y).predict_proba(rows)
    np.testing.assert_array_equal(classifier.fit(mapped, y).predict_proba(mapped), expected)


def test_memory_mapped_signals_are_not_copied(net, signals, mapped):
    rows, _ = validate_rows(net.set_params(n_leads=N_LEADS), mapped, reset=True)
    assert np.shares_memory(rows, mapped)


ATTENTIVE = [name for name in CLASSIFIERS if hasattr(CLASSIFIERS[name], "attention")]


@pytest.mark.parametrize("length", [1, 2, 7, 16])
@pytest.mark.parametrize("name", ATTENTIVE)
def test_attention_is_a_distribution_over_time(name, length, signals):
    X, y = signals
    X = X[:, :, :length]
    weights = clone(CLASSIFIERS[name]).set_params(**QUICK).fit(X, y).attention(X)
    assert weights.shape == (40, length)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert (weights >= 0).all()


@pytest.mark.parametrize("path", ["_validation\nRowLayout", "_validation\nBeatLayout", "datasets._record\nECGRecord"])
def test_files_of_version_0_1_find_their_classes(path):
    found = pickle.loads(f"csklearn_ecg.{path}\n.".encode())
    assert found.__name__ == path.split("\n")[1]
    assert found.__module__.startswith("sklearn_ecg.signals.")
