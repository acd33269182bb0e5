"""Callbacks: the objects given are the ones called, and every callback of skorch's catalogue works or is refused."""

import copy

import numpy as np
import optuna
import pytest
import skorch.callbacks
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
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
    ParamMapper,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
    SacredLogger,
    TensorBoard,
    TrainEndCheckpoint,
    Unfreezer,
    WandbLogger,
    WarmRestartLR,
)

from sklearn_ecg import CNNClassifier, IntervalRegressor, WaveDelineator

SETTINGS = {"channels": (4,), "max_epochs": 4, "lr": 0.02, "batch_size": 32, "norm": "group", "random_state": 0}


@pytest.fixture(scope="module")
def data():
    """Signals of two classes, their labels, and patients."""
    rng = np.random.default_rng(0)
    y = np.repeat(["N", "V"], 30)
    return rng.normal(size=(60, 24)) + np.where(y == "V", 2.0, 0.0)[:, None] * np.hanning(24), y, np.arange(60) // 3


def fit(callbacks, data, **params):
    X, y, groups = data
    return CNNClassifier(callbacks=callbacks, **SETTINGS, **params).fit(X, y, groups=groups)


class Counter(Callback):
    """Keeps what it sees."""

    epochs_, n_targets_ = 0, 0  # skorch takes attributes without an underscore for parameters

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if training:
            self.n_targets_ += len(batch[1])

    def on_epoch_end(self, net, **kwargs):
        self.epochs_ += 1


def test_the_objects_given_are_called(data):
    counter = Counter()
    fit([counter], data)
    assert counter.epochs_ == 4
    assert counter.n_targets_ == 4 * 60  # targets alone, without the weights
    fit([("by_name", counter)], data)
    assert counter.epochs_ == 8


def test_clone_copies(data):
    X, y, _ = data
    counter = Counter()
    other = clone(CNNClassifier(callbacks=[counter], **SETTINGS)).fit(X, y)
    assert counter.epochs_ == 0
    assert other.callbacks[0].epochs_ == 4
    GridSearchCV(CNNClassifier(callbacks=[counter], **SETTINGS), {"lr": [0.01, 0.02]}, cv=2).fit(X, y)
    assert counter.epochs_ == 0


def test_what_a_callback_records_is_in_the_history(data):
    class Records(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.history.record("twice", 2.0 * len(net.history))

    assert [row["twice"] for row in fit([Records()], data).history_] == [2, 4, 6, 8]


def test_pruning_with_an_in_memory_study(data):
    """The trial that the callback holds is the study's own, whatever the storage."""

    class Prune(Callback):
        def __init__(self, trial):
            self.trial = trial

        def on_epoch_end(self, net, **kwargs):
            self.trial.report(net.history[-1, "valid_loss"], len(net.history))
            if self.trial.should_prune():
                raise optuna.TrialPruned

    def objective(trial):
        lr = (0.02, 1e-7)[trial.number > 1]
        settings = {**SETTINGS, "lr": lr, "early_stopping": True, "callbacks": [Prune(trial)]}
        X, y, groups = data
        return CNNClassifier(**settings).fit(X, y, groups=groups).history_[-1]["valid_loss"]

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=2))
    study.optimize(objective, n_trials=4)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "PRUNED", "PRUNED"]
    assert len(study.trials[0].intermediate_values) == 4


class Board:
    """Stands in for the loggers' own services: takes everything."""

    calls = 0

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        Board.calls += 1
        return self

    def __call__(self, *args, **kwargs):
        return self


WORK = {
    "BatchScoring": lambda path: BatchScoring("accuracy", name="seen", on_train=True),
    "Callback": lambda path: Callback(),
    "Checkpoint": lambda path: Checkpoint(dirname=path, monitor="train_loss_best"),
    "EarlyStopping": lambda path: EarlyStopping(monitor="train_loss"),
    "EpochScoring": lambda path: EpochScoring("accuracy", name="seen", on_train=True, lower_is_better=False),
    "EpochTimer": lambda path: EpochTimer(),
    "Freezer": lambda path: Freezer("blocks.*"),
    "GradientNormClipping": lambda path: GradientNormClipping(1.0),
    "Initializer": lambda path: Initializer("*weight", fn=torch.nn.init.zeros_),
    "LRScheduler": lambda path: LRScheduler(torch.optim.lr_scheduler.ExponentialLR, gamma=0.9),
    "MlflowLogger": lambda path: MlflowLogger(run=Board(), client=Board()),
    "ParamMapper": lambda path: ParamMapper("blocks.*", fn=lambda p: None),
    "PassthroughScoring": lambda path: PassthroughScoring("train_loss", on_train=True),
    "PrintLog": lambda path: PrintLog(sink=lambda text: None),
    "ProgressBar": lambda path: ProgressBar(),
    "SacredLogger": lambda path: SacredLogger(Board()),
    "TensorBoard": lambda path: TensorBoard(Board()),
    "TrainEndCheckpoint": lambda path: TrainEndCheckpoint(dirname=path),
    "Unfreezer": lambda path: Unfreezer("blocks.*", at=2),
    "WandbLogger": lambda path: WandbLogger(Board(), save_model=False),
}
"""Those that work, as far as they can here: services are stood in for."""
REFUSED = {
    "InputShapeSetter": "InputShapeSetter sizes a module",
    "LoadInitState": None,  # takes a checkpoint of another training: its own test
    "NeptuneLogger": None,  # wants the package neptune, which it says itself
    "WarmRestartLR": None,  # a scheduler for LRScheduler, no callback
}


def test_the_catalogue_is_whole():
    assert set(WORK) | set(REFUSED) == set(skorch.callbacks.__all__)


@pytest.mark.parametrize("name", WORK)
def test_callbacks_of_skorch_work(name, data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Board, "calls", 0)
    callback = WORK[name](str(tmp_path))
    fitted = fit([callback], data)
    assert fitted.n_iter_ == 4
    assert np.isfinite(fitted.predict_proba(data[0])).all()
    if name.endswith("Scoring") and name != "PassthroughScoring":
        assert fitted.history_[-1]["seen"] > 0.8
    if name.endswith("Checkpoint"):
        assert list(tmp_path.glob("*params.pt"))
    if name.endswith("Logger") or name == "TensorBoard":
        assert Board.calls


def test_scores_of_validation_rows(data):
    """By scikit-learn's names; the labels that a scorer sees are class indices, as the network learns them."""
    scores = [EpochScoring(name, name=name, lower_is_better=False) for name in ("accuracy", "f1_macro")]
    history = fit(scores, data, early_stopping=True, patience=10).history_
    assert history[-1]["f1_macro"] == pytest.approx(history[-1]["valid_score"])
    assert 0.5 < history[-1]["accuracy"] <= 1


def test_the_best_weights_of_skorchs_early_stopping(data):
    stopping = EarlyStopping(monitor="valid_loss", patience=1, threshold=1e9, sink=lambda text: None)
    assert fit([stopping], data, early_stopping=True).n_iter_ == 2


def test_training_from_a_checkpoint(data, tmp_path):
    """The history goes on where that of the checkpoint ended."""
    kept = {"dirname": str(tmp_path), "monitor": "train_loss_best"}
    first = fit([Checkpoint(**kept)], data)
    later = fit([LoadInitState(Checkpoint(**kept).initialize())], data)
    losses = [row["train_loss"] for row in later.history_]
    assert losses[:4] == [row["train_loss"] for row in first.history_]
    assert max(losses[4:]) < losses[3]


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            EarlyStopping(),
            "EarlyStopping watches 'valid_loss', but there are no validation rows",
        ),
        (EarlyStopping, "EarlyStopping watches 'valid_loss'"),
        (("stop", EarlyStopping()), "EarlyStopping watches 'valid_loss'"),
        (Checkpoint(), "Checkpoint watches 'valid_loss_best'"),
        (EpochScoring("accuracy"), "EpochScoring watches the validation rows"),
        (BatchScoring("accuracy"), "BatchScoring watches the validation rows"),
        (InputShapeSetter(), REFUSED["InputShapeSetter"]),
    ],
)
def test_what_cannot_work_is_refused(callback, message, data):
    with pytest.raises(ValueError, match=message):
        fit([callback], data)


def test_a_scheduler_is_no_callback():
    assert not issubclass(WarmRestartLR, Callback)


@pytest.mark.parametrize("estimator", [IntervalRegressor(channels=(4,)), WaveDelineator(fs=250, channels=(4, 4))])
def test_other_estimators_call_them_too(estimator, data):
    counter = Counter()
    target = np.arange(60.0) if isinstance(estimator, IntervalRegressor) else np.tile([0, 1, 2, 3], (60, 6))
    estimator = copy.deepcopy(estimator).set_params(callbacks=[counter], max_epochs=2)
    estimator.fit(data[0], target)
    assert counter.epochs_ == 2
