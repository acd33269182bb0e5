"""IntervalRegressor: unknown targets, units, pre-trained weights, and the contract for signals."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ecg import CNNClassifier, IntervalRegressor
from sklearn_ecg.metrics.intervals import interval_scorers
from sklearn_ecg.preprocessing import flatten_leads
from tests.instances import QUICK, REGRESSORS

N_LEADS, N_TIMEPOINTS = 2, 24


@pytest.fixture
def data():
    """Bumps in two leads, and their heights and durations in units far from one."""
    rng = np.random.default_rng(0)
    height, width = rng.uniform(0.5, 1.5, size=60), rng.uniform(2, 5, size=60)
    bump = np.exp(-(((np.arange(N_TIMEPOINTS) - N_TIMEPOINTS / 2) / width[:, None]) ** 2))
    X = np.stack([height[:, None] * bump, bump], axis=1) + 0.01 * rng.normal(size=(60, N_LEADS, N_TIMEPOINTS))
    return X, np.column_stack([400 + 100 * height, 80 + 10 * width])


@pytest.fixture
def partly(data):
    """The data, of which some targets are unknown: one row has none."""
    X, y = data
    y = y.copy()
    y[:5], y[3:20:2, 1] = np.nan, np.nan
    y[:4, 0] = [450.0, 480.0, 500.0, 550.0]
    return X, y


@pytest.fixture(params=REGRESSORS)
def regressor(request):
    return clone(REGRESSORS[request.param]).set_params(**QUICK)


@pytest.fixture
def quick():
    return clone(REGRESSORS["IntervalRegressor-resnet"]).set_params(**QUICK)


def test_targets_are_predicted_in_their_units(regressor, data):
    X, y = data
    fitted = regressor.set_params(max_epochs=150, lr=0.01).fit(X[:45], y[:45])
    predicted, dummy = fitted.predict(X[45:]), np.median(y[:45], axis=0)
    assert predicted.dtype == np.float64
    assert (np.abs(predicted - y[45:]).mean(axis=0) < 0.4 * np.abs(dummy - y[45:]).mean(axis=0)).all()
    assert fitted.score(X[45:], y[45:]) == pytest.approx(r2_score(y[45:], predicted))
    np.testing.assert_allclose(fitted.target_mean_, y[:45].mean(axis=0))
    np.testing.assert_allclose(fitted.target_scale_, y[:45].std(axis=0))


def test_units_of_the_targets_do_not_matter(regressor, data):
    X, y = data
    fitted, other = clone(regressor).fit(X, y), clone(regressor).fit(X, 1000 * y - 7)
    np.testing.assert_allclose(other.predict(X), 1000 * fitted.predict(X) - 7, rtol=1e-8)


def test_one_target_is_one_dimensional(regressor, data):
    X, y = data
    one, column = clone(regressor).fit(X, y[:, 0]), clone(regressor).fit(X, y[:, :1])
    assert one.predict(X).shape == (60,)
    assert column.predict(X).shape == (60, 1)
    np.testing.assert_array_equal(column.predict(X)[:, 0], one.predict(X))
    assert column.score(X, y[:, :1]) == column.score(X, y[:, 0]) == one.score(X, y[:, 0])


def test_rows_without_a_known_target_are_left_out(regressor, partly):
    X, y = partly
    some = ~np.isnan(y).all(axis=1)
    assert some.sum() == 59
    fitted, without = clone(regressor).fit(X, y), clone(regressor).fit(X[some], y[some])
    np.testing.assert_allclose(fitted.predict(X), without.predict(X), rtol=1e-9)


def test_a_row_without_a_target_teaches_nothing(quick, partly):
    X, y = partly
    fitted = clone(quick).set_params(max_epochs=1).fit(X, y)
    changed = X.copy()
    changed[np.isnan(y).all(axis=1)] = 100.0
    again = clone(quick).set_params(max_epochs=1).fit(changed, y)
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def test_weights_equal_repeated_rows_with_unknown_targets(regressor, partly):
    X, y = partly
    times = np.random.default_rng(1).integers(0, 4, size=60)
    weighted = clone(regressor).fit(X, y, sample_weight=times)
    repeated = clone(regressor).fit(np.repeat(X, times, axis=0), np.repeat(y, times, axis=0))
    np.testing.assert_allclose(weighted.target_scale_, repeated.target_scale_)
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6)


def test_each_target_counts_alike_however_few_are_known(quick, data):
    X, y = data
    y = np.column_stack([y[:, 0], y[:, 0]])
    y[10:, 1] = np.nan
    fitted = quick.fit(X, y)
    factors = fitted._make_criterion().factors
    assert factors.tolist() == [1.0, 6.0]


def test_score_is_that_of_the_known_targets(quick, partly):
    X, y = partly
    fitted, weight = quick.fit(X, y), np.random.default_rng(2).uniform(size=60)
    expected = [
        r2_score(y[known, k], fitted.predict(X)[known, k], sample_weight=weight[known])
        for k, known in enumerate(~np.isnan(y).T)
    ]
    assert fitted.score(X, y, sample_weight=weight) == pytest.approx(np.mean(expected))
    only_one = np.column_stack([y[:, 0], np.full(60, np.nan)])
    known = ~np.isnan(y[:, 0])
    assert fitted.score(X, only_one) == pytest.approx(r2_score(y[known, 0], fitted.predict(X)[known, 0]))
    with pytest.warns(UndefinedMetricWarning, match="less than two known values"):
        assert np.isnan(fitted.score(X, np.full((60, 2), np.nan)))
    with pytest.raises(ValueError, match=r"y must have 60 rows and 2 target\(s\), got \(60, 3\)"):
        fitted.score(X, np.zeros((60, 3)))
    with pytest.raises(ValueError, match=r"sample_weight\.shape == "):
        fitted.score(X, y, sample_weight=weight[:3])


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda y: y.assign(qrs=np.nan), "NaN alone in column 'qrs'"),
        (lambda y: y.assign(qt=np.where(y.index == 3, np.inf, y["qt"])), "infinity .* column 'qt'"),
        (lambda y: y.assign(qrs=np.nan).to_numpy(), "NaN alone in column 1 "),
        (lambda y: -np.inf * y.to_numpy(), "infinity .* column 0"),
        (lambda y: y[:-1], "inconsistent numbers of samples"),
        (lambda y: y.to_numpy()[None], r"Found array with dim 3"),
        (lambda y: None, "requires y to be passed"),
        (lambda y: y.astype(str) + "ms", "could not convert string to float|Unable to convert"),
    ],
)
def test_bad_targets_are_clear_errors(quick, data, change, message):
    X, y = data
    with pytest.raises(ValueError, match=message):
        quick.fit(X, change(pd.DataFrame(y, columns=["qt", "qrs"])))
    with pytest.raises(NotFittedError):
        quick.predict(X)


def test_weights_that_leave_no_target_are_an_error(quick, partly):
    X, y = partly
    with pytest.raises(ValueError, match="at least one non-zero number"):
        quick.fit(X, y, sample_weight=np.zeros(60))
    with pytest.raises(ValueError, match="NaN alone in column 0"):
        quick.fit(X, y, sample_weight=np.isnan(y).all(axis=1))


@pytest.mark.parametrize(
    "params, message",
    [
        (
            {"channels": ()},
            "'channels' parameter of IntervalRegressor must be a non-empty sequence",
        ),
        ({"hidden_sizes": (4, 0)}, "'hidden_sizes' parameter of IntervalRegressor must be a non-empty sequence"),
        ({"stem_kernel_sizes": 3.0}, "stem_kernel_sizes"),
        ({"backbone": "vit", "n_heads": 3}, "embedding_size must be a multiple of n_heads=3, got 64"),
        ({"backbone": "cnn"}, "'backbone' parameter"),
        ({"loss": "mae"}, "'loss' parameter"),
        ({"head_size": 0}, "'head_size' parameter"),
        ({"freeze_backbone": True}, "wants a pre-trained backbone"),
        ({"pretrained": {"head.out.bias": np.zeros(2)}}, "pretrained must be a dict of arrays .* got dict"),
        ({"pretrained": 3}, "pretrained must be a dict of arrays .* got int"),
        ({"pretrained": FrozenEstimator(CNNClassifier())}, "got a FrozenEstimator of CNNClassifier"),
        ({"pretrained": FrozenEstimator(IntervalRegressor())}, "IntervalRegressor after fit"),
    ],
)
def test_bad_parameters_are_clear_errors(data, params, message):
    X, y = data
    with pytest.raises(ValueError, match=message):
        IntervalRegressor(max_epochs=1).set_params(**params).fit(X, y)


def test_three_d_and_flat_rows_are_interchangeable(regressor, data):
    X, y = data
    cube, rows = clone(regressor).fit(X, y), clone(regressor).set_params(n_leads=N_LEADS).fit(flatten_leads(X), y)
    for fitted in (cube, rows):
        for given in (X, flatten_leads(X)):
            np.testing.assert_array_equal(fitted.predict(given), cube.predict(X))
    with pytest.raises(ValueError, match="expecting 48 features"):
        cube.predict(flatten_leads(X)[:, 1:])


@pytest.mark.parametrize("n_timepoints", [1, 2, 7])
def test_any_length(regressor, data, n_timepoints):
    X, y = data
    assert regressor.fit(X[:, :, :n_timepoints], y).predict(X[:, :, :n_timepoints]).shape == y.shape


@pytest.mark.parametrize("head_size", [None, 8])
def test_side_features_tell_what_the_signal_cannot(regressor, head_size):
    side = np.random.default_rng(0).normal(50, 10, size=(60, 1))
    rows = flatten_leads(np.zeros((60, 1, 8)), side)
    regressor.set_params(n_side_features=1, head_size=head_size, max_epochs=100, lr=0.03)
    assert regressor.fit(rows, 3 * side[:, 0] + 1).score(rows, 3 * side[:, 0] + 1) > 0.9


def test_predictions_do_not_depend_on_the_batch(regressor, data):
    X, y = data
    fitted = regressor.fit(X, y)
    alone = np.vstack([fitted.predict(row[None]) for row in X])
    np.testing.assert_allclose(fitted.predict(X), alone, rtol=1e-10)
    np.testing.assert_allclose(fitted.set_params(batch_size=7).predict(X), alone, rtol=1e-10)


def test_same_seed_same_model_and_global_generators_untouched(regressor, data):
    X, y = data
    regressor.set_params(batch_size=8, dropout=0.3)
    states = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first, second = clone(regressor).fit(X, y), clone(regressor).fit(X, y)
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    np.testing.assert_array_equal(np.random.get_state()[1], states[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])
    assert not np.array_equal(clone(regressor).set_params(random_state=1).fit(X, y).predict(X), first.predict(X))


def test_pickle_keeps_predictions_and_holds_no_torch_object(regressor, partly):
    X, y = partly
    fitted = regressor.fit(X, y)
    state = pickle.dumps(fitted)
    assert b"torch" not in state
    assert b"skorch" not in state
    np.testing.assert_array_equal(pickle.loads(state).predict(X), fitted.predict(X))
    pipeline = make_pipeline(StandardScaler(), clone(regressor).set_params(n_leads=N_LEADS)).fit(flatten_leads(X), y)
    stored = skops.io.dumps(pipeline)
    unknown = skops.io.get_untrusted_types(data=stored)
    assert all(name.startswith("sklearn_ecg.") for name in unknown), unknown
    loaded = skops.io.loads(stored, trusted=unknown)
    np.testing.assert_array_equal(loaded.predict(flatten_leads(X)), pipeline.predict(flatten_leads(X)))


@pytest.mark.parametrize("loss", ["l1", "huber", "mse"])
@pytest.mark.parametrize("precision", ["float32", "float64", "bf16-mixed"])
def test_every_precision_and_loss_learns(regressor, partly, precision, loss):
    X, y = partly
    fitted = regressor.set_params(precision=precision, loss=loss, max_epochs=60, lr=0.01).fit(X, y)
    assert fitted.predict(X).dtype == np.float64
    assert fitted.score(X, y) > 0.5


def test_memory_mapped_signals_give_the_same_model(regressor, data, tmp_path):
    X, y = data
    np.save(tmp_path / "X.npy", flatten_leads(X).astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    regressor.set_params(n_leads=N_LEADS)
    expected = clone(regressor).fit(np.array(mapped), y).predict(np.array(mapped))
    np.testing.assert_array_equal(regressor.fit(mapped, y).predict(mapped), expected)


def test_warm_start_goes_on_where_the_fit_ended(regressor, partly):
    X, y = partly
    regressor.set_params(lr_schedule="constant")
    whole = clone(regressor).set_params(max_epochs=6).fit(X, y)
    for roundtrip in (lambda fitted: pickle.loads(pickle.dumps(fitted)), copy.deepcopy):
        half = roundtrip(clone(regressor).set_params(warm_start=True).fit(X, y)).fit(X, y)
        assert half.n_iter_ == 6
        np.testing.assert_allclose(half.predict(X), whole.predict(X), rtol=1e-8)
    with pytest.raises(ValueError, match=r"y must have the form fitted, with 2 target\(s\)"):
        half.fit(X, y[:, 0])
    before = half.target_mean_.copy()
    np.testing.assert_array_equal(half.fit(X, y + 50).target_mean_, before)  # the scale that the weights know


def test_warm_start_may_freeze_the_backbone(regressor, data):
    X, y = data
    fitted = regressor.set_params(warm_start=True).fit(X, y)
    before = fitted.weights_
    after = fitted.set_params(freeze_backbone=True).fit(X, y).weights_
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {
        "head.out.weight",
        "head.out.bias",
    }


def test_early_stopping_keeps_the_best_epoch_and_no_patient_on_both_sides(regressor, partly):
    X, y = partly
    y, groups = y[np.random.default_rng(0).permutation(60)], np.arange(60) // 5
    settings = {"early_stopping": True, "validation_fraction": 0.3, "patience": 3, "max_epochs": 200, "lr": 0.1}
    fitted = clone(regressor).set_params(**settings).fit(X, y, groups=groups)
    best = int(np.argmin([row["valid_loss"] for row in fitted.history_])) + 1
    assert fitted.n_iter_ == best + 3 < 200
    assert all(row["valid_score"] <= 1 for row in fitted.history_)
    with pytest.warns(UserWarning, match="without groups"):
        regressor.set_params(early_stopping=True).fit(X, y)
    with pytest.raises(ValueError, match=r"groups must be of shape \(60,\)"):
        regressor.fit(X, y, groups=groups[:3])


def test_augmented_signals_train(quick, data):
    X, y = data
    seen = []

    def augment(signals):
        seen.append(signals.shape)
        return signals

    quick.set_params(augment=augment, max_epochs=1).fit(X, y)
    assert seen == [(60, N_LEADS, N_TIMEPOINTS)]


def test_composes_with_scorers_of_intervals_and_a_grid(quick, partly):
    X, y = partly
    rows = flatten_leads(X)
    scores = cross_validate(quick.set_params(n_leads=N_LEADS), rows, y, cv=3, scoring=interval_scorers(["qt", "qrs"]))
    assert (scores["test_neg_mae_qrs"] < 0).all()
    grid = GridSearchCV(make_pipeline(StandardScaler(), quick), {"intervalregressor__loss": ["l1", "mse"]}, cv=2)
    assert np.isfinite(grid.fit(rows, y).cv_results_["mean_test_score"]).all()


class TestPretrained:
    def test_begins_with_the_predictions_of_the_pretrained(self, regressor, data):
        X, y = data
        pre = clone(regressor).fit(X, y)
        other = 3 * y[:30] + 100  # another scale of the targets
        for pretrained in (pre.weights_, FrozenEstimator(pre)):
            fitted = clone(regressor).set_params(pretrained=pretrained, lr=1e-12, weight_decay=0).fit(X[:30], other)
            assert fitted.pretrained_parts_ == ("backbone", "head")
            np.testing.assert_allclose(fitted.predict(X), pre.predict(X), rtol=1e-6)

    def test_head_of_another_number_of_targets_is_drawn_anew(self, regressor, data):
        X, y = data
        pre = clone(regressor).fit(X, y)
        fitted = regressor.set_params(pretrained=pre.weights_, freeze_backbone=True).fit(X, y[:, 0])
        assert fitted.pretrained_parts_ == ("backbone",)
        assert fitted.predict(X).shape == (60,)
        fitted.set_params(pretrained=None, freeze_backbone=False).fit(X, y[:, 0])
        assert not hasattr(fitted, "pretrained_parts_")

    @pytest.mark.parametrize("norm", ["batch", "group"])
    def test_frozen_backbone_stays_as_it_was(self, regressor, data, norm):
        X, y = data
        pre = clone(regressor).set_params(norm=norm).fit(X, y)
        settings = {"norm": norm, "pretrained": pre.weights_, "freeze_backbone": True, "dropout": 0.2}
        fitted = clone(regressor).set_params(**settings).fit(X[::-1] + 1, y)
        changed = {name for name, value in fitted.weights_.items() if not np.array_equal(value, pre.weights_[name])}
        assert {"head.out.weight", "head.out.bias"} <= changed <= {"head.out.weight", "head.out.bias", "target_mean"}
        assert all(weight.requires_grad for weight in fitted.module_.parameters())

    def test_weights_are_copies(self, quick, data):
        X, y = data
        fitted = quick.fit(X, y)
        expected, weights = fitted.predict(X), fitted.weights_
        for value in weights.values():
            value[...] = 0
        np.testing.assert_array_equal(fitted.predict(X), expected)

    def test_other_sizes_are_a_clear_error(self, quick, data):
        X, y = data
        weights = clone(quick).fit(X, y).weights_
        with pytest.raises(ValueError, match=r"pretrained does not fit: backbone\..* \(\d+ arrays differ\)"):
            quick.set_params(channels=(8,), pretrained=weights).fit(X, y)

    def test_weights_that_are_not_finite_are_a_clear_error(self, quick, data):
        X, y = data
        weights = clone(quick).fit(X, y).weights_
        for name in ("head.out.bias", "backbone.blocks.0.conv.weight"):
            weights[name][0] = np.nan
            with pytest.raises(ValueError, match=f"pretrained must be finite, but {name} has NaN"):
                quick.set_params(pretrained=weights).fit(X, y)

    def test_another_length_is_an_error_where_it_matters(self, regressor, data):
        X, y = data
        regressor.set_params(pretrained=clone(regressor).fit(X, y).weights_)
        if regressor.backbone == "resnet":
            assert regressor.fit(X[:, :, :15], y).pretrained_parts_ == ("backbone", "head")
        else:
            with pytest.raises(ValueError, match="the length must be those of the pre-training"):
                regressor.fit(X[:, :, :15], y)

    def test_clone_and_pickle_keep_what_is_given(self, quick, data):
        X, y = data
        frozen = FrozenEstimator(clone(quick).fit(X, y))
        fitted = clone(quick).set_params(pretrained=frozen).fit(X, y)
        loaded = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
        np.testing.assert_array_equal(clone(loaded).fit(X, y).predict(X), fitted.predict(X))

    def test_pretraining_helps_where_there_is_little(self, quick, data):
        X, y = data
        settings = {"max_epochs": 100, "lr": 0.01}
        pre = clone(quick).set_params(**settings).fit(X[:40], y[:40])
        few = {"max_epochs": 20, "lr": 0.003}
        scratch = clone(quick).set_params(**few).fit(X[40:46], y[40:46])
        transferred = clone(quick).set_params(**few, pretrained=pre.weights_).fit(X[40:46], y[40:46])
        assert transferred.score(X[46:], y[46:]) > scratch.score(X[46:], y[46:]) + 0.1
