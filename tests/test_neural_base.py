"""The neural base: weights, validation split, early stopping, warm start, interrupts, callbacks, precision."""

import contextlib
import copy
import gc
import io
import pickle
import signal
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback

from sklearn_ecg.base._batches import BatchIterator, RowBatches, WeightedRows
from sklearn_ecg.base._splitting import validation_split
from sklearn_ecg.signals._validation import RowLayout
from tests.instances import CLASSIFIERS, QUICK


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    return rng.normal(size=(60, 12)) + y[:, None] * np.hanning(12), y


@pytest.fixture(params=CLASSIFIERS)
def classifier(request):
    return clone(CLASSIFIERS[request.param]).set_params(**QUICK)


def _weighted_rows(weight):
    n = len(weight)
    batches = RowBatches(np.arange(2.0 * n).reshape(n, 2), RowLayout(1, 2), torch.device("cpu"), torch.float64)
    return WeightedRows(batches, np.arange(n), np.asarray(weight, dtype=float), np.arange(n))


def test_batches_hold_every_row_once_and_no_row_alone():
    rows = _weighted_rows(np.ones(33))
    for shuffle in (False, True):
        iterator = BatchIterator(rows, 8, shuffle=shuffle)
        targets = [target for _, target in iterator]
        assert [len(target) for target in targets] == [8, 8, 8, 9]
        assert sorted(torch.cat(targets).tolist()) == list(range(33))
    assert [len(target) for _, target in BatchIterator(_weighted_rows([1.0]), 8)] == [1]


def test_weighted_batch_losses_average_to_the_weighted_loss():
    weight = np.array([1.0, 5.0, 0.5, 2.0, 1.0])
    loss = np.array([0.3, 0.1, 2.0, 1.0, 0.7])
    batches = BatchIterator(_weighted_rows(weight), 2)
    parts = [((X["weight"].numpy() * loss[t]).mean(), len(t)) for X, t in batches]
    mean = sum(value * n for value, n in parts) / sum(n for _, n in parts)
    assert mean == pytest.approx((weight * loss).sum() / weight.sum())


def test_integer_weights_equal_repeated_rows_and_zero_weights_removal(classifier, data):
    X, y = data
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = clone(classifier).fit(X, y, sample_weight=weight).predict_proba(X)
    repeated = clone(classifier).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight)).predict_proba(X)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-7)


def test_class_weight_equals_sample_weight(classifier, data):
    X, y = data
    classifier.set_params(focal_alpha=None)  # it counts sample weights as frequency, and class weights not
    by_class = clone(classifier).set_params(class_weight={0: 1, 1: 3}).fit(X, y).predict_proba(X)
    by_sample = clone(classifier).fit(X, y, sample_weight=np.where(y, 3.0, 1.0)).predict_proba(X)
    np.testing.assert_allclose(by_class, by_sample, rtol=1e-9)


def test_all_zero_weights_are_an_error(classifier, data):
    X, y = data
    with pytest.raises(ValueError, match=r"(?i)weight.*zero|zero.*weight"):
        classifier.fit(X, y, sample_weight=np.zeros(len(y)))
    with pytest.raises(ValueError, match="leave no row with a positive weight"):
        classifier.set_params(class_weight={0: 0, 1: 0}).fit(X, y)


def test_class_of_weight_zero_is_left_out(classifier, data):
    X, y = data
    y = y + 2 * (np.arange(60) % 7 == 0)
    by_class = clone(classifier).set_params(class_weight={2: 0, 3: 0}).fit(X, y)
    kept = np.isin(y, [0, 1])
    assert list(by_class.classes_) == [0, 1]
    np.testing.assert_allclose(
        by_class.predict_proba(X), clone(classifier).fit(X[kept], y[kept]).predict_proba(X), rtol=1e-9
    )


@pytest.mark.parametrize("value", [-1, np.nan, np.inf])
def test_class_weights_that_are_no_weights_are_an_error(classifier, data, value):
    X, y = data
    with pytest.raises(ValueError, match="class_weight must hold finite weights of at least 0"):
        classifier.set_params(class_weight={0: value}).fit(X, y)


def test_validation_split_never_shares_a_group_and_follows_the_seed():
    rng = np.random.default_rng(0)
    groups, labels = rng.integers(0, 12, 300), rng.integers(0, 3, 300)
    chosen = set()
    for seed in range(10):
        train, valid = validation_split(300, labels, groups, 0.2, seed)
        assert not set(groups[train]) & set(groups[valid])
        assert len(train) + len(valid) == 300
        assert 0.05 < len(valid) / 300 < 0.45
        chosen.add(frozenset(groups[valid]))
    assert len(chosen) > 3


def test_validation_split_leaves_the_patient_of_a_rare_class_in_training():
    labels = np.zeros(400, dtype=int)
    groups = np.repeat(np.arange(10), 40)
    labels[groups == 4] = np.arange(40) % 2  # nearly all of class 1 is in one patient
    labels[groups == 7] = np.arange(40) % 20 == 0
    for seed in range(10):
        train, valid = validation_split(400, labels, groups, 0.1, seed)
        assert 4 not in groups[valid]
        assert set(labels[train]) == {0, 1}


def test_class_that_only_validation_could_have_is_a_warning():
    labels, groups = np.repeat([0, 1], 30), np.repeat([0, 1], 30)
    with pytest.warns(UserWarning, match="1 class"):
        validation_split(60, labels, groups, 0.5, 0)


def test_impossible_stratified_split_falls_back_to_a_plain_one():
    labels = np.arange(20)  # one row of each class
    train, valid = validation_split(20, labels, None, 0.2, 0)
    assert len(train) == 16
    assert len(valid) == 4


def test_one_group_cannot_be_split(classifier, data):
    X, y = data
    with pytest.raises(ValueError, match="at least 2 groups"):
        classifier.set_params(early_stopping=True).fit(X, y, groups=np.zeros(len(y)))


def test_groups_of_another_length_are_an_error(classifier, data):
    X, y = data
    with pytest.raises(ValueError, match=r"groups must be of shape \(60,\)"):
        classifier.fit(X, y, groups=np.zeros(3))


def test_early_stopping_keeps_the_best_epoch(classifier, data):
    X, y = data
    y, groups = np.random.default_rng(0).permutation(y), np.arange(60) // 5
    classifier.set_params(early_stopping=True, validation_fraction=0.3, patience=3, max_epochs=200)
    fitted = clone(classifier).fit(X, y, groups=groups)
    best = int(np.argmin([row["valid_loss"] for row in fitted.history_])) + 1
    assert fitted.n_iter_ == best + 3 < 200
    assert all(0 <= row["valid_score"] <= 1 for row in fitted.history_)
    only_so_far = classifier.set_params(max_epochs=best).fit(X, y, groups=groups)
    np.testing.assert_array_equal(fitted.predict_proba(X), only_so_far.predict_proba(X))


def test_early_stopping_without_groups_warns_once(classifier, data):
    X, y = data
    with pytest.warns(UserWarning, match="without groups") as caught:
        classifier.set_params(early_stopping=True).fit(X, y)
    assert len(caught) == 1


def test_history_is_plain_and_json_ready(classifier, data):
    X, y = data
    history = classifier.fit(X, y).history_
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert all(type(value) in (int, float) for row in history for value in row.values())
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_warm_start_goes_on_where_the_fit_ended(classifier, data):
    X, y = data
    whole = clone(classifier).set_params(max_epochs=6).fit(X, y)
    for roundtrip in (lambda fitted: fitted, lambda fitted: pickle.loads(pickle.dumps(fitted)), copy.deepcopy):
        half = roundtrip(clone(classifier).set_params(warm_start=True).fit(X, y)).fit(X, y)
        assert half.n_iter_ == 6
        np.testing.assert_allclose(half.predict_proba(X), whole.predict_proba(X), rtol=1e-9)


def test_warm_start_refuses_new_classes_and_other_widths(classifier, data):
    X, y = data
    fitted = classifier.set_params(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="warm_start=True: y has new classes"):
        fitted.fit(X, np.where(y, 7, 0))
    with pytest.raises(ValueError, match="expecting 12 features"):
        fitted.fit(X[:, :-1], y)


def test_warm_start_takes_new_training_parameters_and_refuses_another_module(classifier, data):
    X, y = data
    fitted = classifier.set_params(warm_start=True).fit(X, y)
    fitted.set_params(optimizer="sgd", lr=0.01, precision="float32", batch_size=16).fit(X, y)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    fitted.set_params(dropout=0.5).fit(X, y)
    assert {module.p for module in fitted.module_.modules() if isinstance(module, torch.nn.Dropout)} == {0.5}
    with pytest.raises(ValueError, match=r"warm_start=True continues a module fitted with norm='group', got norm='bat"):
        fitted.set_params(norm="batch").fit(X, y)


def test_weights_fitted_on_a_gpu_open_without_one(classifier, data):
    X, y = data
    fitted = classifier.fit(X, y)
    fitted._module_arguments["params"]["device"] = "cuda:7"  # what a fit there would have frozen
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def test_values_too_large_to_predict_are_an_error(classifier, data):
    X, y = data
    fitted = classifier.set_params(precision="float32").fit(X, y)
    with pytest.raises(FloatingPointError, match="too large for precision='float32'"):
        fitted.predict(1e300 * X)


def test_infinite_loss_stops_with_a_clear_error(classifier, data):
    X, y = data
    with pytest.raises(FloatingPointError, match="training loss became NaN or infinite in epoch 1"):
        classifier.fit(1e300 * X, y)


class _Interrupt(Callback):
    """Ctrl-C, or skorch's own way to stop, at the end of the second epoch."""

    def __init__(self, by_signal):
        self.by_signal = by_signal

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            if self.by_signal:
                signal.raise_signal(signal.SIGINT)
            raise KeyboardInterrupt


def test_interrupt_keeps_the_weights_and_is_raised_again(classifier, data, interrupts):
    X, y = data
    classifier.set_params(callbacks=[_Interrupt(by_signal=True)], max_epochs=50)
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(X, y)
    assert classifier.n_iter_ == 2
    assert not classifier.module_.training
    two = clone(classifier).set_params(callbacks=None, max_epochs=2).fit(X, y)
    np.testing.assert_array_equal(classifier.predict_proba(X), two.predict_proba(X))


def test_callback_may_stop_the_training(classifier, data):
    X, y = data
    assert classifier.set_params(callbacks=[_Interrupt(by_signal=False)], max_epochs=50).fit(X, y).n_iter_ == 2


def test_fitted_estimator_does_not_hold_the_data(classifier, data, interrupts):
    X, y = (part.copy() for part in data)
    alive = weakref.ref(X)
    fitted = classifier.set_params(early_stopping=True, callbacks=[_Interrupt(by_signal=True)])
    with contextlib.suppress(KeyboardInterrupt):
        fitted.fit(X, y, groups=np.arange(60) // 5)
    del X
    gc.collect()
    assert fitted.n_iter_ == 2
    assert alive() is None


def test_failed_fit_leaves_an_unfitted_estimator(classifier, data):
    X, y = data
    fitted = classifier.fit(X, y)
    with pytest.raises(FloatingPointError):
        fitted.fit(1e300 * X, y)
    with pytest.raises(NotFittedError):
        fitted.predict(X)


def test_failed_continuation_leaves_the_fit_before_it(classifier, data):
    X, y = data
    fitted = classifier.set_params(warm_start=True).fit(X, y)
    before = fitted.predict_proba(X)
    with pytest.raises(FloatingPointError):
        fitted.fit(1e300 * X, y)
    np.testing.assert_array_equal(fitted.predict_proba(X), before)


def test_threads_give_what_one_thread_gives(classifier, data):
    X, y = data
    classifier.set_params(batch_size=8, dropout=0.3)
    alone = [clone(classifier).set_params(random_state=seed).fit(X, y).predict_proba(X) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        fits = [clone(classifier).set_params(random_state=seed) for seed in range(4)]
        together = [fitted.predict_proba(X) for fitted in pool.map(lambda clf: clf.fit(X, y), fits)]
    np.testing.assert_array_equal(together, alone)


def test_progress_bar_shows_loss_and_silence_is_silent(classifier, data, capfd):
    X, y = data
    stderr = io.StringIO()
    with redirect_stderr(stderr):
        clone(classifier).fit(X, y)
    assert stderr.getvalue() == ""
    with redirect_stderr(stderr):
        classifier.set_params(verbose=1).fit(X, y)
    assert "train_loss=" in stderr.getvalue()
    assert "epoch=3/3" in stderr.getvalue()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "adamw", "nadam", "rmsprop", "sgd"])
def test_one_cycle_ends_with_a_small_learning_rate(classifier, data, optimizer):
    X, y = data
    classifier.set_params(lr_schedule="one-cycle", optimizer=optimizer, batch_size=10, max_epochs=6, lr=0.01)
    fitted = classifier.fit(X, y)
    assert fitted.history_[-1]["train_loss"] < fitted.history_[0]["train_loss"]
    assert fitted.net_.optimizer_.param_groups[0]["lr"] < 1e-4


@pytest.mark.parametrize("precision", ["float32", "float64", "bf16-mixed"])
def test_every_precision_learns(classifier, data, precision):
    X, y = data
    fitted = classifier.set_params(precision=precision, max_epochs=60).fit(X, y)
    assert fitted.predict_proba(X).dtype == np.float64
    assert fitted.score(X, y) > 0.9


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "adamw", "nadam", "rmsprop", "sgd"])
def test_every_optimizer_lowers_the_loss(classifier, data, optimizer):
    X, y = data
    history = classifier.set_params(optimizer=optimizer, max_epochs=5, lr=0.001).fit(X, y).history_
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_one_row_short_of_a_batch_trains_with_batch_norm(classifier, data):
    X, y = data
    fitted = classifier.set_params(norm="batch", batch_size=59).fit(X[:, :1], y)
    assert np.isfinite(fitted.predict_proba(X[:, :1])).all()


def test_an_unknown_device_is_a_clear_error(classifier, data):
    X, y = data
    with pytest.raises(ValueError, match="device must be 'auto' or a torch device"):
        clone(classifier).set_params(device="nonsense").fit(X, y)
    absent = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(ValueError, match=f"device='{absent}' is not on this machine, which has cpu"):
        clone(classifier).set_params(device=absent).fit(X, y)


def test_sizes_are_checked(classifier, data):
    X, y = data
    with pytest.raises(ValueError, match=r"'channels' parameter of .* must be a non-empty sequence of positive integ"):
        classifier.set_params(channels=(8, 0)).fit(X, y)
