"""Fits that are kept on disk, so that a benchmark that was stopped goes on where it was."""

import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from .._results import cpu_timer
from .models import CHECKPOINTS


@dataclass(frozen=True)
class Fit:
    """Which rows train, and which are predicted to choose among models or to test them: functions of the model."""

    name: str
    train: object
    choose: object = None
    test: object = None

    def predicted(self, model):
        """Rows that choose, then rows that test."""
        parts = [rows(model) for rows in (self.choose, self.test) if rows is not None]
        return sum(parts[1:], start=parts[0])


@dataclass(frozen=True)
class Outcome:
    """What came of a fit."""

    proba: np.ndarray
    classes: np.ndarray
    cpu_seconds: float
    n_parameters: int | None
    path: Path

    def aligned(self, classes):
        """Probabilities in the order of ``classes``; zero for a class that was not in training."""
        proba = np.zeros((len(self.proba), len(classes)))
        for column, label in enumerate(classes):
            known = np.flatnonzero(self.classes == label)
            if len(known):
                proba[:, column] = self.proba[:, known[0]]
        return proba

    def model(self):
        return pickle.loads(self.path.with_suffix(".pkl").read_bytes())


def run(fit, model, seed, *, resume=True, verbose=0):
    """Outcome of one fit: read where it was kept (and ``resume``), made and kept otherwise."""
    text = f"{fit.name} {model.key} {seed}"
    path = CHECKPOINTS / f"{fit.name}-{model.kind}-{seed}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.npz"
    if resume and path.exists():
        return _read(path)
    train, test = fit.train(model), fit.predicted(model)
    estimator = model.build(seed, verbose)
    with cpu_timer() as timer:
        estimator.fit(train.X, train.y)
    proba = estimator.predict_proba(test.X)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".pkl").write_bytes(pickle.dumps(estimator))
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    n_parameters = sum(p.numel() for p in last.module_.parameters()) if hasattr(last, "module_") else -1
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        np.savez(file, proba=proba, classes=estimator.classes_, cpu_seconds=timer.seconds, n_parameters=n_parameters)
    part.replace(path)
    print(f"{fit.name}: {model.kind}, seed {seed}, {timer.seconds:.0f} CPU s", flush=True)
    return _read(path)


def _read(path):
    kept = np.load(path, allow_pickle=False)
    n_parameters = int(kept["n_parameters"])
    return Outcome(
        kept["proba"], kept["classes"], float(kept["cpu_seconds"]), n_parameters if n_parameters >= 0 else None, path
    )


class Kept(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose probabilities are known: a row of ``X`` holds its position in ``proba``.

    So the ensembles, which are the library's own, mix models that were trained hours ago.
    """

    def __init__(self, proba=None, classes=None):
        self.proba = proba
        self.classes = classes

    @property
    def classes_(self):
        return np.asarray(self.classes)

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return self.proba[np.asarray(X)[:, 0].astype(int)]

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
