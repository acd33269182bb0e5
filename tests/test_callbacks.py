"""Callbacks given by the user: which of skorch's work, which are refused, and that they are the objects called."""

import contextlib
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
import skorch.callbacks
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, cross_validate
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    Freezer,
    GradientNormClipping,
    Initializer,
    InputShapeSetter,
    LoadInitState,
    LRScheduler,
    MlflowLogger,
    NeptuneLogger,
    ParamMapper,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
    SacredLogger,
    TensorBoard,
    TrainEndCheckpoint,
    Unfreezer,
    WandbLogger,
)

from sklearn_ecg import CNNClassifier, ConvAutoencoder, IntervalRegressor, WaveDelineator
from sklearn_ecg.metrics import macro_f1

SMALL = {"channels": (8,), "kernel_size": 3, "max_epochs": 3, "lr": 0.01, "random_state": 0}
GROUPS = np.arange(60) // 5


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    return rng.normal(size=(60, 12)) + y[:, None] * np.hanning(12), np.array(["N", "V"])[y]


def fit(data, callbacks, **params):
    """A classifier fitted with callbacks, with validation rows unless ``early_stopping`` says otherwise."""
    params = {"early_stopping": True, "validation_fraction": 0.3, **SMALL, **params}
    X, y = data
    return CNNClassifier(callbacks=callbacks, **params).fit(X, y, groups=GROUPS)


class Seen(Callback):
    """Keeps what it sees: in the constructor as many users would, and after the training begins as skorch has it."""

    def __init__(self):
        self.losses = []

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.n_rows_ = len(X)

    def on_epoch_end(self, net, **kwargs):
        self.losses.append(net.history[-1, "train_loss"])


class Fails(Callback):
    """An error in the second epoch."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise RuntimeError("the disk is full")


class Program:
    """Stands in for the programs that callbacks log to."""

    def __init__(self, folder=None):
        self.dir, self.logged = folder, []
        self.info = SimpleNamespace(run_id="run")

    def log(self, *args, **kwargs):
        self.logged.append((args, kwargs))

    log_metric = log_scalar = log_artifact = add_scalar = append = watch = __setitem__ = log

    def __getitem__(self, name):
        return self

    def close(self, *args):
        self.closed = True

    stop = set_terminated = close


class Pruning(Callback):
    """Reports to a trial of Optuna, and gives up where the study asks for it."""

    def __init__(self, trial, monitor="train_loss"):
        self.trial = trial
        self.monitor = monitor

    def on_epoch_end(self, net, **kwargs):
        self.trial.report(net.history[-1, self.monitor], len(net.history))
        if self.trial.should_prune():
            raise optuna.TrialPruned


def _recorded(fitted, name):
    return [row[name] for row in fitted.history_]


def _zero(parameter):
    torch.nn.init.zeros_(parameter)


WORKING = {
    "BatchScoring": lambda to: BatchScoring("accuracy", lower_is_better=False),
    "Callback": lambda to: Callback(),
    "Checkpoint": lambda to: Checkpoint(dirname=str(to), load_best=True),
    "EarlyStopping": lambda to: EarlyStopping(patience=1, sink=lambda text: None, load_best=True),
    "EpochScoring": lambda to: EpochScoring("accuracy", lower_is_better=False),
    "EpochTimer": lambda to: EpochTimer(),
    "Freezer": lambda to: Freezer("head*"),
    "GradientNormClipping": lambda to: GradientNormClipping(1.0),
    "Initializer": lambda to: Initializer("head*", fn=_zero),
    "LRScheduler": lambda to: LRScheduler("ReduceLROnPlateau", monitor="valid_loss"),
    "LoadInitState": lambda to: LoadInitState(Checkpoint(dirname=str(to))),
    "MlflowLogger": lambda to: MlflowLogger(run=Program(), client=Program(), log_on_batch_end=True),
    "NeptuneLogger": lambda to: NeptuneLogger(run=Program(), log_on_batch_end=True),
    "ParamMapper": lambda to: ParamMapper("head*", fn=_zero, at=2),
    "PassthroughScoring": lambda to: PassthroughScoring("train_loss", on_train=True),
    "PrintLog": lambda to: PrintLog(),
    "ProgressBar": lambda to: ProgressBar(),
    "SacredLogger": lambda to: SacredLogger(Program(), log_on_batch_end=True),
    "TensorBoard": lambda to: TensorBoard(Program()),
    "TrainEndCheckpoint": lambda to: TrainEndCheckpoint(dirname=str(to)),
    "Unfreezer": lambda to: Unfreezer("head*", at=2),
    "WandbLogger": lambda to: WandbLogger(Program(to)),
    "WarmRestartLR": lambda to: LRScheduler("WarmRestartLR", max_lr=0.02),  # a schedule, not a callback
}
"""skorch's catalogue; where a callback logs to another program, another object stands in for that."""

REFUSED = {"InputShapeSetter": lambda: InputShapeSetter()}


def test_every_callback_of_skorch_is_tried():
    assert set(skorch.callbacks.__all__) == set(WORKING) | set(REFUSED)


@pytest.mark.parametrize("name", WORKING)
@pytest.mark.parametrize("named", [False, True])
def test_callbacks_of_skorch_work_as_the_objects_given(name, named, data, tmp_path, monkeypatch, capsys):
    for module, content in (("handler", "Handler"), ("types", "File")):
        stand_in = SimpleNamespace(**{content: type(content, (), {"from_content": lambda text, extension: text})})
        monkeypatch.setitem(sys.modules, f"neptune.{module}", stand_in)
    monkeypatch.setitem(sys.modules, "neptune", SimpleNamespace())
    callback = WORKING[name](tmp_path)
    fitted = fit(data, [("mine", callback) if named else callback])
    assert any(of is callback for _, of in fitted.net_.callbacks_)
    assert len(fitted.predict(data[0])) == 60
    twin = clone(fitted)  # after a fit, too
    (copied,) = [item[1] if named else item for item in twin.callbacks]
    assert type(copied) is type(callback) and copied is not callback
    twin.fit(*data, groups=GROUPS)


@pytest.mark.parametrize("name", REFUSED)
def test_callbacks_that_cannot_work_are_refused(name, data):
    with pytest.raises(ValueError, match=f"callbacks: {name} .* CNNClassifier .*: leave it out"):
        fit(data, [REFUSED[name]()])


@pytest.mark.parametrize(
    ("kind", "scoring"), [(EpochScoring, "accuracy"), (BatchScoring, "accuracy"), (EpochScoring, None)]
)
@pytest.mark.parametrize("on_train", [False, True])
def test_accuracy_is_scored_by_name(kind, scoring, on_train, data):
    X, y = data
    scored = kind(scoring, name="mine", on_train=on_train, lower_is_better=False)
    fitted = fit(data, [scored], dropout=0.0, patience=9, norm="group", max_epochs=2)
    assert all(0 <= value <= 1 for value in _recorded(fitted, "mine"))
    if not on_train and isinstance(scored, EpochScoring):
        best = int(np.argmin(_recorded(fitted, "valid_loss")))
        rows = _validation_rows(data)
        assert fitted.history_[best]["mine"] == pytest.approx(accuracy_score(y[rows], fitted.predict(X[rows])))


def _validation_rows(data):
    """Which rows the fits of these tests validate on."""
    kept = {}

    def keep(net, dataset, target):
        kept["rows"] = dataset.index
        return 0.0

    fit(data, [EpochScoring(keep, name="kept")])
    return kept["rows"]


@pytest.mark.parametrize(
    ("scoring", "compare"),
    [
        ("balanced_accuracy", False),
        ("roc_auc", False),
        ("neg_log_loss", False),
        ("f1_macro", True),
        (f1_score, False),
        (make_scorer(f1_score, average="macro", pos_label=None, zero_division=0), True),
        (make_scorer(macro_f1, labels=["N", "V"]), True),
    ],
)
def test_scores_are_of_labels_probabilities_and_decisions(scoring, compare, data):
    if scoring is f1_score:
        scoring = make_scorer(f1_score, pos_label="V", zero_division=0)
    fitted = fit(data, [EpochScoring(scoring, name="mine", lower_is_better=False)])
    assert np.isfinite(_recorded(fitted, "mine")).all()
    if compare:
        np.testing.assert_allclose(_recorded(fitted, "mine"), _recorded(fitted, "valid_score"))


def test_scores_of_several_labels_and_of_regressors(data):
    X, y = data
    both = np.column_stack([y == "V", X[:, 5] > 0]).astype(int)
    scored = EpochScoring("f1_macro", name="mine", lower_is_better=False)
    model = CNNClassifier(callbacks=[scored], early_stopping=True, validation_fraction=0.3, **SMALL)
    fitted = model.fit(X, both, groups=GROUPS)
    np.testing.assert_allclose(_recorded(fitted, "mine"), _recorded(fitted, "valid_score"))
    settings = {**SMALL, "backbone": "mlp", "hidden_sizes": (8,), "early_stopping": True, "validation_fraction": 0.3}
    del settings["channels"], settings["kernel_size"]
    for scoring in ("r2", None):
        scored = EpochScoring(scoring, name="mine", lower_is_better=False)
        model = IntervalRegressor(callbacks=[scored], **settings).fit(X, 400 + 20 * X[:, 3], groups=GROUPS)
        np.testing.assert_allclose(_recorded(model, "mine"), _recorded(model, "valid_score"))


@pytest.mark.parametrize(
    "estimator", [ConvAutoencoder(max_epochs=2), WaveDelineator(fs=250, channels=(4,), max_epochs=2)]
)
def test_where_there_are_no_predictions_a_function_scores(estimator, data):
    X, y = data
    scored = [EpochScoring(lambda net, rows, target: float(len(rows)), name="n_rows", on_train=True)]
    fitted = clone(estimator).set_params(callbacks=scored).fit(X, y)
    assert _recorded(fitted, "n_rows") == [60, 60]
    scored = [EpochScoring("accuracy", on_train=True)]
    with pytest.raises(
        ValueError, match=r"EpochScoring\(scoring='accuracy'\) scores predictions, .* give scoring a fun"
    ):
        clone(estimator).set_params(callbacks=scored).fit(X, y)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (EarlyStopping(), r"EarlyStopping\(monitor='valid_loss'\) .* early_stopping=True, or monitor='train_loss'"),
        (EarlyStopping, r"EarlyStopping\(monitor='valid_loss'\) .* early_stopping=True, or monitor='train_loss'"),
        (("stop", EarlyStopping("valid_score")), r"\(monitor='valid_score'\) .*set early_stopping=True"),
        (Checkpoint(), r"Checkpoint\(monitor='valid_loss_best'\) .*, or monitor='train_loss_best'"),
        (LRScheduler("ReduceLROnPlateau", monitor="valid_loss"), r"LRScheduler\(monitor='valid_loss'\) .*"),
        (EpochScoring("accuracy"), r"EpochScoring\(on_train=False\) reads validation rows, .*, or on_train=True"),
        (BatchScoring("accuracy"), r"BatchScoring\(on_train=False\) reads validation rows, .*, or on_train=True"),
        (PassthroughScoring("valid_loss"), r"PassthroughScoring\(on_train=False\) .*, or on_train=True"),
        (WandbLogger(None), r"WandbLogger\(save_model=True\) .*, or save_model=False"),
    ],
)
def test_what_reads_validation_rows_says_what_to_set(callback, message, data):
    with pytest.raises(ValueError, match=message):
        fit(data, [callback], early_stopping=False)


@pytest.mark.parametrize(
    "callback",
    [
        EarlyStopping("train_loss", patience=1, threshold=10, sink=lambda text: None),
        LRScheduler("StepLR", step_size=1, monitor="valid_loss"),  # it looks at no monitor
        EpochScoring("accuracy", on_train=True),
    ],
)
def test_what_reads_training_rows_wants_no_others(callback, data):
    assert fit(data, [callback], early_stopping=False).n_iter_ > 0


@pytest.mark.parametrize(
    ("params", "callbacks", "error", "message"),
    [
        ({}, ["loud"], TypeError, "callbacks must hold skorch callbacks, or pairs .*, got 'loud'"),
        ({}, [EpochTimer().set_params()], TypeError, "callbacks must hold skorch callbacks, .*, got None"),
        ({}, [("one", 2)], TypeError, r"callbacks must hold skorch callbacks, or pairs .*, got \('one', 2\)"),
        ({}, [EpochScoring("accuracy", use_caching=False)], ValueError, "use_caching=False.*set use_caching=True"),
        ({"lr_schedule": "one-cycle"}, [LRScheduler()], ValueError, "both set the learning rate.*='constant'"),
        ({}, [("a", Callback()), ("a", Callback())], ValueError, "duplicate user-set callback name 'a'"),
    ],
)
def test_callbacks_that_contradict_are_refused(params, callbacks, error, message, data):
    with pytest.raises(error, match=message):
        fit(data, callbacks, **params)


def test_learning_rates_follow_the_schedule_at_every_fit(data):
    schedule = LRScheduler("StepLR", step_size=1, gamma=0.1)
    for _ in range(2):
        fitted = fit(data, [schedule], early_stopping=False)
        assert _recorded(fitted, "event_lr") == pytest.approx([0.01, 0.001, 0.0001])


def test_callbacks_print_where_the_estimator_does(data, capsys):
    fit(data, [PrintLog()], verbose=1)
    assert "train_loss" in capsys.readouterr().out
    fit(data, [PrintLog()])
    assert capsys.readouterr().out == ""


def test_early_stopping_of_skorch_stops(data):
    stop = EarlyStopping("train_loss", patience=2, threshold=10, sink=lambda text: None)
    assert fit(data, [stop], max_epochs=50, early_stopping=False).n_iter_ == 3


def test_files_are_written_and_read_again(data, tmp_path):
    saved = TrainEndCheckpoint(dirname=str(tmp_path))
    first = fit(data, [saved], early_stopping=False)
    assert {"train_end_params.pt", "train_end_history.json"} <= {path.name for path in tmp_path.iterdir()}
    later = fit(data, [saved, LoadInitState(saved)], early_stopping=False, random_state=5)
    assert later.n_iter_ == 6 and later.history_[:3] == first.history_
    assert later.history_[3]["train_loss"] < first.history_[0]["train_loss"]


def test_a_callback_keeps_its_state(data):
    seen = Seen()
    fitted = fit(data, [seen], early_stopping=False)
    assert seen.losses == _recorded(fitted, "train_loss") and seen.n_rows_ == 60
    assert fitted.callbacks[0] is seen


def test_one_callback_in_several_estimators_sees_all_of_them(data):
    seen = Seen()
    first, second = (fit(data, [seen], early_stopping=False, random_state=seed) for seed in (0, 1))
    assert seen.losses == _recorded(first, "train_loss") + _recorded(second, "train_loss")


def test_warm_start_calls_the_same_callback_again(data):
    seen = Seen()
    fitted = fit(data, [seen], early_stopping=False, warm_start=True).fit(*data)
    assert seen.losses == _recorded(fitted, "train_loss") and len(seen.losses) == 6


def test_clone_copies_callbacks_and_a_search_leaves_the_given_ones_alone(data):
    X, y = data
    seen, kept = Seen(), EpochScoring("accuracy", on_train=True, lower_is_better=False)
    model = CNNClassifier(callbacks=[seen, ("kept", kept)], **SMALL)
    with config_context(enable_metadata_routing=True):
        requests = clone(model.set_fit_request(sample_weight=True)).get_metadata_routing().fit.requests
    assert requests["sample_weight"] is True and clone(model).get_params().keys() == model.get_params().keys()
    search = GridSearchCV(model, {"lr": [0.01, 0.001]}, cv=2).fit(X, y)
    cross_validate(search.best_estimator_, X, y, cv=2)
    assert seen.losses == [] and not hasattr(kept, "name_")
    best, (name, copied) = search.best_estimator_.callbacks
    assert best.losses == _recorded(search.best_estimator_, "train_loss")
    assert name == "kept" and copied is not kept and copied.best_score_ > 0
    fitted = model.fit(X, y)
    twin = clone(fitted)
    assert twin.callbacks[0] is not seen and not hasattr(twin, "module_")
    assert fitted.callbacks[0] is seen and len(seen.losses) == 3


def test_a_callback_may_ask_to_be_shared(data):
    class Shared(Seen):
        def __sklearn_clone__(self):
            return self

    seen = Shared()
    X, y = data
    cross_validate(CNNClassifier(callbacks=[seen], **SMALL), X, y, cv=2)
    assert len(seen.losses) == 6


def test_an_error_in_a_callback_reaches_the_user_and_leaves_nothing_fitted(data):
    X, y = data
    model = CNNClassifier(callbacks=[seen := Seen(), Fails()], **SMALL)
    with pytest.raises(RuntimeError, match="the disk is full"):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert len(seen.losses) == 2
    assert model.set_params(callbacks=[seen]).fit(X, y).n_iter_ == 3 and len(seen.losses) == 5


def test_a_fitted_estimator_is_pickled_with_its_callbacks(data):
    callbacks = [Seen(), ("stop", EarlyStopping(patience=9)), EpochScoring("accuracy"), GradientNormClipping(1.0)]
    fitted = fit(data, callbacks)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict_proba(data[0]), fitted.predict_proba(data[0]))
    assert loaded.callbacks[0].losses == fitted.callbacks[0].losses
    assert len(loaded.fit(*data, groups=GROUPS).callbacks[0].losses) == 2 * len(fitted.callbacks[0].losses)


def test_a_study_in_memory_prunes(data):
    X, y = data
    rates = iter([0.01, 0.01, 1e-9, 1e-9])

    def objective(trial):
        model = CNNClassifier(callbacks=[Pruning(trial)], **{**SMALL, "lr": next(rates)}).fit(X, y)
        return model.history_[-1]["train_loss"]

    with _quiet_optuna():
        study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1))
        study.optimize(objective, n_trials=4)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "COMPLETE", "PRUNED", "PRUNED"]
    assert [len(trial.intermediate_values) for trial in study.trials] == [3, 3, 2, 2]


@contextlib.contextmanager
def _quiet_optuna():
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)
