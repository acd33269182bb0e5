"""The rungs of the leakage ladder: which rows train, which choose, which test."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_ecg.ensemble import TopKVotingClassifier

from . import data, models
from .fits import Fit, Kept, run

N_FOLDS = 5


@dataclass(frozen=True)
class Rung:
    """Protocol with its scored classes and its fits, of which the last one is tested."""

    name: str
    classes: tuple
    fits: tuple

    def run(self, model, seed, args, *, choose=True):
        """What the model predicts; ``choose=False`` leaves out the fits that serve the choice alone."""
        wanted = self.fits if choose else self.fits[-1:]
        outcomes = [run(fit, model, seed, resume=args.resume, verbose=args.verbose) for fit in wanted]
        chosen = [
            outcome.aligned(self.classes)[: len(fit.choose(model).y)]
            for fit, outcome in zip(wanted, outcomes, strict=True)
            if fit.choose is not None
        ]
        test = self.test(model)
        proba = outcomes[-1].aligned(self.classes)[-len(test.y) :]
        return Result(self, model, outcomes[-1], test, proba, np.concatenate(chosen) if chosen and choose else None)

    def test(self, model):
        return self.fits[-1].test(model)

    def labels_that_choose(self, model):
        return np.concatenate([fit.choose(model).y for fit in self.fits if fit.choose is not None])


@dataclass(frozen=True)
class Result:
    """What a model predicted on a rung."""

    rung: Rung
    model: models.Model
    outcome: object
    test: data.Beats
    proba: np.ndarray
    held_out: np.ndarray | None

    @property
    def predicted(self):
        return np.asarray(self.rung.classes)[self.proba.argmax(axis=1)]


def rung_of(name, data_home):
    return {"intra": intra, "chronological": chronological, "inter": inter}[name](data_home)


def intra(data_home):
    """70/15/15 of the beats of all 48 records at random: every patient is in training."""

    def part(i):
        def rows(model):
            beats = _all_records(model, data_home)
            return beats[data.random_split(beats)[i]]

        return rows

    return Rung("intra", tuple("NSVFQ"), (Fit("intra", part(0), choose=part(1), test=part(2)),))


def chronological(data_home):
    """The first 70 % of every record train, the rest tests; fits on 50 %, scored on the 20 % that follow, choose."""
    choosing = Fit("chronological-choose", _span(0, 0.5, data_home), choose=_span(0.5, 0.7, data_home))
    testing = Fit("chronological", _span(0, 0.7, data_home), test=_span(0.7, 2, data_home))
    return Rung("chronological", tuple("NSVFQ"), (choosing, testing))


def inside_training(data_home):
    """Fit that compares ideas: on the first 40 % of every record, thinned, and scored as far ahead as the test is."""
    early = _span(0, 0.4, data_home)
    return Fit("chronological-select", lambda model: data.thinned(early(model)), choose=_span(0.4, 0.7, data_home))


def _span(low, high, data_home):
    """Rows of a model from ``low`` to ``high``, shares of each record."""

    def rows(model):
        beats = _all_records(model, data_home)
        share = data.share_of_record(beats)
        return beats[(share >= low) & (share < high)]

    return rows


def _all_records(model, data_home):
    return data.load("all", model.features, data_home, True, model.scale, model.n_leads)


def inter(data_home):
    """DS1 trains, DS2 tests; out-of-fold predictions over the records of DS1 choose."""

    def load(records, model):
        return data.load(records, model.features, data_home, scale=model.scale, n_leads=model.n_leads)

    def fold(i, side):
        def rows(model):
            beats = load("ds1", model)
            cv = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=0)
            seen = beats[list(cv.split(beats.X, beats.y, beats.record))[i][side]]
            return _stretched(seen, model, data_home) if side == 0 else seen

        return rows

    choosing = [Fit(f"inter-fold{i}", fold(i, 0), choose=fold(i, 1)) for i in range(N_FOLDS)]
    ds1 = partial(load, "ds1")
    testing = Fit("inter", lambda model: _stretched(ds1(model), model, data_home), test=partial(load, "ds2"))
    return Rung("inter", tuple("NSVF"), (*choosing, testing))


def _stretched(beats, model, data_home):
    if not model.stretches:
        return beats
    stretches = data.random_stretches(model.features, data_home, 0, model.scale, model.n_leads)
    return data.with_stretches(beats, stretches)


def ensemble(rung, results, **settings):
    """The library's ensemble of models that were trained before, chosen by their held-out predictions if there are any.

    Returns its test probabilities and the fitted ensemble.
    """
    first = next(iter(results.values()))
    held_out = {name: r.proba[:0] if r.held_out is None else r.held_out for name, r in results.items()}
    kept = [(name, Kept(np.concatenate([held_out[name], r.proba]), list(rung.classes))) for name, r in results.items()]
    rows = np.arange(len(kept[0][1].proba), dtype=float)[:, None]
    choosing, test = np.split(rows, [len(held_out[kept[0][0]])])
    labels = rung.labels_that_choose(first.model) if len(choosing) else np.asarray(rung.classes)
    voting = TopKVotingClassifier(kept, prefit=True, scoring="f1_macro", **settings)
    voting.fit(rows[: len(labels)], labels)
    order = [list(voting.classes_).index(label) for label in rung.classes]
    return voting.predict_proba(test)[:, order], voting
