"""GANSampler: imbalanced-learn's checks, its contract for signals, and the quality of what it makes."""

import pickle
from unittest import SkipTest

import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from imblearn.pipeline import make_pipeline
from imblearn.utils import estimator_checks
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from sklearn_ecg import CNNLSTMAttention
from sklearn_ecg.augmentation import GANSampler
from sklearn_ecg.datasets import make_beats
from sklearn_ecg.nn.gan import Critic, Generator, gradient_penalty
from sklearn_ecg.preprocessing import flatten_leads
from sklearn_ecg.signals._validation import signal_feature_names

TINY = {"latent_size": 4, "hidden_size": 8, "channels": (8,), "kernel_size": 3, "n_critic": 1, "n_steps": 3}
EXACT = {"precision": "float64", "batch_size": 32, "random_state": 0}
SAMPLER = GANSampler(**TINY, **EXACT)
BEYOND_CHECK_ESTIMATOR = ("check_dataframe_column_names_consistency", "check_param_validation")


def _run(check, *args):
    """A skip is a failure: it would hide that a check never ran."""
    try:
        check(*args)
    except SkipTest as skip:
        pytest.fail(f"skipped: {skip}")


@pytest.mark.parametrize(
    "check", [pytest.param(c, id=c.func.__name__) for _, c in estimator_checks.estimator_checks_generator(SAMPLER)]
)
def test_imbalanced_learn_check(check):
    _run(check, clone(SAMPLER))


@pytest.mark.parametrize("name", BEYOND_CHECK_ESTIMATOR)
def test_imbalanced_learn_check_outside_check_estimator(name):
    _run(getattr(estimator_checks, name), "GANSampler", clone(SAMPLER))


@pytest.fixture
def sampler():
    return clone(SAMPLER)


@pytest.fixture
def rows():
    """40 rows of two leads of 9 samples and 3 side features, of three classes with 24, 12 and 4 rows."""
    rng = np.random.default_rng(0)
    y = np.repeat(["N", "V", "S"], [24, 12, 4])
    signals = rng.normal(size=(40, 2, 9)) + (y == "V")[:, None, None] * np.hanning(9)
    return flatten_leads(signals, rng.normal(50.0, 5.0, size=(40, 3))), y


def test_originals_come_first_and_classes_are_filled(sampler, rows):
    X, y = rows
    X_new, y_new = sampler.set_params(n_leads=2, n_side_features=3).fit_resample(X, y)
    np.testing.assert_array_equal(X_new[:40], X)
    np.testing.assert_array_equal(y_new[:40], y)
    assert sampler.sampling_strategy_ == {"S": 20, "V": 12}
    np.testing.assert_array_equal(y_new[40:], ["S"] * 20 + ["V"] * 12)


STRATEGIES = {
    "minority": ("minority", {"S": 20}),
    "not majority": ("not majority", {"S": 20, "V": 12}),
    "all": ("all", {"N": 0, "S": 20, "V": 12}),
    "dict": ({"S": 6, "N": 30}, {"S": 2, "N": 6}),
    "callable": (lambda y: {"V": int((y == "N").sum())}, {"V": 12}),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_sampling_strategies(sampler, rows, name):
    X, y = rows
    strategy, made = STRATEGIES[name]
    _, y_new = sampler.set_params(sampling_strategy=strategy).fit_resample(X, y)
    for label in "NSV":
        assert (y_new == label).sum() == (y == label).sum() + made.get(label, 0)


def test_float_strategy_of_two_classes(sampler, rows):
    X, y = rows
    two = y != "S"
    _, y_new = sampler.set_params(sampling_strategy=0.75).fit_resample(X[two], y[two])
    assert (y_new == "V").sum() == 18
    with pytest.raises(ValueError, match="only when the type of target is binary"):
        sampler.fit_resample(X, y)


def test_made_rows_stay_within_the_range_of_their_class(sampler, rows):
    X, y = rows
    X = np.hstack([X, np.full((40, 1), 7.0)])
    sampler.set_params(n_side_features=4, lr=0.5).fit(X, y)  # so large a step that many rows leave the range
    for label in "NSV":
        of_class, made = X[y == label], sampler.sample(50, label, random_state=0)
        assert (made >= of_class.min(axis=0)).all()
        assert (made <= of_class.max(axis=0)).all()
        assert (made[:, -1] == 7.0).all()
    free = sampler.set_params(clip=False).fit(X, y).sample(50, "S", random_state=0)
    assert (free > X[y == "S"].max(axis=0)).any()


def test_units_do_not_matter(sampler, rows):
    X, y = rows
    made = sampler.set_params(n_side_features=3).fit(X, y).sample(5, "S", random_state=0)
    again = sampler.fit(1000 * X + 7, y).sample(5, "S", random_state=0)
    np.testing.assert_allclose(again, 1000 * made + 7, rtol=1e-8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, np.int16, bool])
@pytest.mark.parametrize("clip", [True, False])
def test_dtype_is_kept(sampler, rows, dtype, clip):
    X, y = rows
    X = (10 * X > 10) if dtype is bool else (10 * X).astype(dtype)
    X_new, _ = sampler.set_params(clip=clip).fit_resample(X, y)
    assert X_new.dtype == dtype
    assert len(np.unique(X_new[40:], axis=0)) > 2


def test_three_d_in_three_d_out(sampler, rows):
    X, y = rows
    flat, cube = X[:, :18], X[:, :18].reshape(40, 2, 9)
    from_cube, y_cube = clone(sampler).fit_resample(cube, y)
    from_rows, y_rows = sampler.set_params(n_leads=2).fit_resample(flat, y)
    assert from_cube.shape == (72, 2, 9)
    np.testing.assert_array_equal(from_cube, from_rows.reshape(-1, 2, 9))
    np.testing.assert_array_equal(y_cube, y_rows)
    assert sampler.sample(3, "S").shape == (3, 18)
    as_lists, _ = sampler.fit_resample(cube.tolist(), y.tolist())
    assert isinstance(as_lists, list)
    np.testing.assert_array_equal(as_lists, from_cube)


def test_frames_keep_their_columns(sampler, rows):
    X, y = rows
    frame = pd.DataFrame(X, columns=signal_feature_names(["II", "V1"], 9, ["rr_previous", "rr_next", "age"]))
    X_new, y_new = sampler.set_params(n_leads=2, n_side_features=3).fit_resample(frame, pd.Series(y, name="beat"))
    assert list(X_new.columns) == list(frame.columns)
    assert (y_new.name, len(X_new), len(y_new)) == ("beat", 72, 72)
    with pytest.raises(ValueError, match=r"The column names tell 2 lead\(s\)"):
        sampler.set_params(n_leads=1).fit(frame, y)


def test_sparse_rows_come_back_in_their_format(sampler, rows):
    X, y = rows
    dense, _ = sampler.fit_resample(X, y)
    for kind in (sparse.csr_matrix, sparse.csc_array):
        made, _ = sampler.fit_resample(kind(X), y)
        assert isinstance(made, kind)
        np.testing.assert_allclose(made.toarray(), dense, rtol=1e-12)


def test_sample_is_determined_by_its_seed_and_leaves_the_global_generators(sampler, rows):
    X, y = rows
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    sampler.fit(X, y)
    one = sampler.sample(4, "V", random_state=1)
    assert (sampler.sample(4, "V", random_state=2) != one).any()
    np.testing.assert_array_equal(sampler.sample(4, "V", random_state=1), one)
    np.testing.assert_array_equal(clone(sampler).fit(X, y).sample(4, "V", random_state=1), one)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


def test_sample_refuses_what_it_cannot_make(sampler, rows):
    with pytest.raises(NotFittedError):
        sampler.sample(1, "S")
    sampler.fit(*rows)
    for n in (0, -1, 2.0, True, "3"):
        with pytest.raises(ValueError, match="n must be an integer of at least 1, got"):
            sampler.sample(n, "S")
    with pytest.raises(ValueError, match=r"label must be one of \['N', 'S', 'V'\].*got 'F'"):
        sampler.sample(1, "F")


def test_rows_without_a_label_are_refused(sampler, rows):
    X, y = rows
    columns = (y[:, None] == np.unique(y)).astype(int)
    X_new, y_new = clone(sampler).fit_resample(X, columns)
    assert y_new.shape == (len(X_new), columns.shape[1]) and (y_new.sum(axis=1) == 1).all()
    columns[[3, 5]] = 0
    for fit in (clone(sampler).fit, clone(sampler).fit_resample):
        with pytest.raises(ValueError, match=rf"y has no label in 2 of {len(y)} rows"):
            fit(X, columns)
    columns[[3, 5]] = 1
    with pytest.raises(ValueError, match="Multilabel and multioutput targets are not supported"):
        clone(sampler).fit_resample(X, columns)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_rows_are_refused(sampler, rows, value):
    X, y = rows
    X[3, 5] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        sampler.fit_resample(X, y)


def test_a_device_that_is_not_there(sampler, rows):
    with pytest.raises(ValueError, match="device='cuda:99' is not on this machine, which has cpu"):
        sampler.set_params(device="cuda:99").fit(*rows)


def test_contradictions_are_errors(sampler, rows):
    X, y = rows
    with pytest.raises(ValueError, match="cannot be read with n_leads=5"):
        clone(sampler).set_params(n_leads=5).fit_resample(X, y)
    with pytest.raises(ValueError, match="X is 3-D and holds no side features"):
        clone(sampler).set_params(n_side_features=3).fit_resample(X[:, :18].reshape(40, 2, 9), y)
    with pytest.raises(ValueError, match="'channels' parameter of GANSampler must be a non-empty sequence"):
        clone(sampler).set_params(channels=(8, 0)).fit_resample(X, y)
    with pytest.raises(ValueError, match="values too large"):
        sampler.fit_resample(1e200 * X, y)


def test_a_diverging_training_is_an_error_and_leaves_nothing_fitted(sampler, rows):
    X, y = rows
    sampler.fit(X, y)
    with pytest.raises(FloatingPointError, match=r"became NaN or infinite in step \d+.*lr \(now 1e\+200\)"):
        sampler.set_params(lr=1e200).fit(X, y)
    with pytest.raises(NotFittedError):
        sampler.sample(1, "S")


def test_an_interrupted_training_is_kept_and_the_interrupt_raised(sampler, rows, monkeypatch):
    def interrupt(critic, real, fake, label, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return gradient_penalty(critic, real, fake, label)

    monkeypatch.setattr("sklearn_ecg.augmentation._wgan.gradient_penalty", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sampler.fit(*rows)
    assert len(sampler.history_) == 2
    assert sampler.sample(2, "S").shape == (2, 21)


def test_a_class_of_one_row_is_repeated(sampler, rows):
    X, y = rows
    keep = np.r_[0:36, 39]
    X_new, y_new = sampler.fit_resample(X[keep], y[keep])
    np.testing.assert_array_equal(X_new[37:][y_new[37:] == "S"], np.repeat(X[39:], 23, axis=0))
    made = sampler.set_params(clip=False).fit(X[keep], y[keep]).sample(5, "S", random_state=0)
    assert len(np.unique(made, axis=0)) == 5


def test_odd_rows_and_batches(sampler, rows):
    X, y = rows
    for changed, kind in (
        ({}, X[:, :1]),
        ({}, np.zeros_like(X)),
        ({"n_side_features": 20}, X),
        ({"n_leads": 21, "kernel_size": 1, "channels": (1,)}, X),
        ({"batch_size": 1}, X),
        ({"batch_size": 100}, X),
    ):
        made, _ = clone(sampler).set_params(**changed).fit_resample(kind, y)
        assert made.shape == (72, kind.shape[1])
        assert np.isfinite(made).all()


@pytest.mark.parametrize("n_timepoints", [1, 2, 7, 250])
@pytest.mark.parametrize("n_leads", [1, 2, 12])
@pytest.mark.parametrize("n_side", [0, 2])
def test_networks_take_any_length_and_any_leads(n_timepoints, n_leads, n_side):
    sizes = {"n_leads": n_leads, "n_timepoints": n_timepoints, "n_side_features": n_side, "n_classes": 3}
    sizes |= {"hidden_size": 5, "kernel_size": 4}
    label = torch.tensor([0, 2])
    made = Generator(**sizes, latent_size=3, channels=(6, 4, 1))(torch.randn(2, 3), label)
    assert [tuple(part.shape) for part in made] == [(2, n_leads, n_timepoints), (2, n_side)]
    critic = Critic(**sizes, channels=(1, 4, 6))
    score = critic(*made, label)
    assert score.shape == (2,)
    alone = critic(made[0][1:], made[1][1:], label[1:])
    torch.testing.assert_close(score[1:], alone)
    gradient_penalty(critic, made, tuple(part.detach() for part in made), label).backward()


def test_gradient_penalty_of_a_linear_critic():
    def critic(signals, side, label):
        return 3.0 * signals[:, 0, 1] + 4.0 * side[:, 0]

    real, fake = (torch.zeros(6, 1, 2), torch.zeros(6, 1)), (torch.ones(6, 1, 2), torch.ones(6, 1))
    penalty = gradient_penalty(critic, real, fake, torch.zeros(6, dtype=int))
    torch.testing.assert_close(penalty, torch.tensor(16.0))  # the gradient is (0, 3, 4): norm 5, four from one


def test_pickle_holds_arrays_alone_and_gives_the_same_rows(sampler, rows):
    sampler.set_params(n_leads=2, n_side_features=3).fit_resample(*rows)
    state = pickle.dumps(sampler)
    assert b"torch" not in state
    made = sampler.sample(4, "V", random_state=0)
    np.testing.assert_array_equal(pickle.loads(state).sample(4, "V", random_state=0), made)
    changed = pickle.loads(pickle.dumps(sampler.set_params(hidden_size=9, precision="float32", n_leads=1)))
    np.testing.assert_array_equal(changed.sample(4, "V", random_state=0), made)


def test_skops_trusts_our_classes_alone(sampler, rows):
    sampler.set_params(n_leads=2, n_side_features=3).fit_resample(*rows)
    stored = skops.io.dumps(sampler)
    untrusted = skops.io.get_untrusted_types(data=stored)
    assert all(name.startswith("sklearn_ecg.") for name in untrusted), untrusted
    loaded = skops.io.loads(stored, trusted=untrusted)
    np.testing.assert_array_equal(loaded.sample(4, "V", random_state=0), sampler.sample(4, "V", random_state=0))


def test_a_model_of_a_gpu_opens_without_one(sampler, rows):
    sampler.fit(*rows)
    state = sampler.__getstate__()
    state["_fitted_on"] = "cuda:7"
    opened = GANSampler.__new__(GANSampler)
    opened.__setstate__(state)
    np.testing.assert_array_equal(opened.sample(2, "S", random_state=0), sampler.sample(2, "S", random_state=0))


def test_progress_bar(sampler, rows, capsys):
    sampler.fit(*rows)
    assert capsys.readouterr() == ("", "")
    sampler.set_params(verbose=1).fit(*rows)
    assert "3/3" in capsys.readouterr().err
    assert [row["step"] for row in sampler.history_] == [1, 2, 3]


class _CountRows(LogisticRegression):
    seen = []

    def fit(self, X, y):
        self.seen.append(("fit", len(X)))
        return super().fit(X, y)

    def predict(self, X):
        self.seen.append(("predict", len(X)))
        return super().predict(X)


def test_a_pipeline_resamples_in_training_only(sampler, rows):
    X, y = rows
    _CountRows.seen.clear()
    pipeline = make_pipeline(StandardScaler(), sampler, _CountRows())
    cross_validate(pipeline, X, y, cv=StratifiedKFold(2))
    assert _CountRows.seen == [("fit", 36), ("predict", 20), ("fit", 36), ("predict", 20)]


def test_groups_behind_a_sampler_are_refused(sampler, rows):
    X, y = rows
    classifier = CNNLSTMAttention(channels=(4,), lstm_size=2, max_epochs=1, early_stopping=True)
    pipeline = make_pipeline(sampler, classifier)
    with pytest.raises(ValueError, match=r"groups must be of shape \(72,\).*got \(40,\)"):
        pipeline.fit(X, y, cnnlstmattention__groups=np.arange(40))
    with config_context(enable_metadata_routing=True), pytest.raises(ValueError, match=r"groups must be of shape"):
        pipeline.fit(X, y, groups=np.arange(40))


@pytest.fixture(scope="module")
def beats():
    """N, S and V of 30 synthetic patients: half to fit the sampler on, half to judge what it makes."""
    names = ["rr_previous", "rr_next", "rr_ratio", "rr_local"]
    options = {"n_timepoints": 32, "bandpass": (0.5, 25.0), "side_features": names}
    bunch = make_beats(30, duration=30, window=(0.3, 0.3), random_state=0, **options)
    known, fitted = bunch.target != "F", np.random.default_rng(0).random(len(bunch.target)) < 0.5
    return {
        part: {label: bunch.data[rows & (bunch.target == label)] for label in "NSV"}
        for part, rows in (("fitted", known & fitted), ("other", known & ~fitted))
    }


@pytest.fixture(scope="module")
def made(beats):
    """200 beats of each class by a sampler trained for a few seconds."""
    X, y = _as_X_y(beats["fitted"])
    options = {"channels": (16,), "n_steps": 120, "batch_size": 32, "lr": 4e-3}
    sampler = GANSampler(n_side_features=4, random_state=0, **options).fit(X, y)
    return {label: sampler.sample(200, label, random_state=0) for label in "NSV"}


def _as_X_y(rows_of_class):
    return np.concatenate(list(rows_of_class.values())), np.repeat(
        list("NSV"), [len(r) for r in rows_of_class.values()]
    )


def test_trees_trained_on_other_beats_recognise_what_is_made(beats, made):
    trees = ExtraTreesClassifier(100, class_weight="balanced", min_samples_leaf=3, random_state=0)
    trees.fit(*_as_X_y(beats["other"]))
    recognised = {label: np.mean(trees.predict(rows) == label) for label, rows in made.items()}
    floors = {"N": 0.9, "S": 0.5, "V": 0.8}  # of the real S beats, two thirds are recognised
    assert all(recognised[label] > floor for label, floor in floors.items()), recognised


def test_what_is_made_is_new_and_near_the_real_beats(beats, made):
    scaler = StandardScaler().fit(_as_X_y(beats["fitted"])[0])
    for label, rows in made.items():
        index = NearestNeighbors(n_neighbors=1).fit(scaler.transform(beats["fitted"][label]))
        apart = [np.median(index.kneighbors(scaler.transform(part))[0]) for part in (rows, beats["other"][label])]
        assert 0.9 < apart[0] / apart[1] < 2.5  # a copy would have 0
        assert len(np.unique(rows, axis=0)) == 200


def test_side_features_are_made_with_their_class(beats, made):
    for label, rows in made.items():
        ratio = beats["fitted"][label][:, -2].mean()
        assert rows[:, -2].mean() == pytest.approx(ratio, abs=0.07)
    assert made["S"][:, -2].mean() < made["N"][:, -2].mean() - 0.15  # an early beat
