"""New patients of whom a few beats are labelled: those of the first five minutes."""

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
from sklearn.frozen import FrozenEstimator

from sklearn_ecg import AdaptedClassifier
from sklearn_ecg.adaptation import most_uncertain, spread_labels
from sklearn_ecg.metrics import bootstrap_interval, record_confusions

from .._results import print_table, write_results
from . import models
from .fits import Fit, run
from .new_patients import class_f1, mean_macro_f1
from .protocols import rung_of

FIRST = 300 * 360  # samples of the records: five minutes
BUDGETS = (10, 20, 50, 100, None)
FEW = (10, 50)  # budgets that have a say inside DS1, besides all labels
N_DRAWS = 2  # of random labels
STRATEGIES = ("random", "uncertain", "half of each")
TRIED_INSIDE = ("random", "half of each")
SETTINGS = {"lr": 3e-3, "batch_size": 64, "settings": {"side_noise": 0.0, "signal_dropout": 0.0}}
BASE = "CNN-LSTM-Attention"
BASES = {
    BASE: models.models_of("inter")[BASE],
    "CNN": models.models_of("inter")["CNN"],
    "two leads": replace(models.models_of("inter")[BASE], n_leads=2, stretches=False),
    "two leads, stretches": replace(models.models_of("inter")[BASE], n_leads=2),
}


@dataclass(frozen=True)
class Way:
    """How networks trained on other patients become a patient's: settings of AdaptedClassifier, and what is around."""

    settings: dict
    bases: tuple = (BASE,)  # whose probabilities are averaged
    n_source: int = 0  # rows of the base's training set besides, as many of each class
    rare: bool = False  # classes weigh by one over the square root of their number
    together: bool = False  # one network for the labels of all patients, not one for each
    share: float = 0.0  # the shrinkage, as a share of the patient's number of labels
    spread: bool = field(default=False, repr=False)  # answers spread among beats of the patient that are alike


HEAD = {"layers": "head"}
IDEAS = {
    "all layers": Way({}),
    "all layers, slower, anchored": Way({"lr": 1e-3, "anchor": 0.1}),
    "head, rows of DS1 besides": Way({**HEAD, "source_share": 0.3}, n_source=1000),
    "head, rare classes weighted up": Way(HEAD, rare=True),
    "all layers, all patients and rows of DS1 together": Way(
        {"lr": 2e-3, "batch_size": 128, "max_epochs": 8}, n_source=6000, together=True
    ),
}
"""Ways to adapt that were tried with all labels alone: none is better than the head."""

CANDIDATES = {
    "head": Way(HEAD),
    "head, shrinkage 1": Way({**HEAD, "shrinkage": 1}),
    "head, shrinkage 10": Way({**HEAD, "shrinkage": 10}),
    "head, shrinkage 2 %": Way(HEAD, share=0.02),
    "CNN, head, shrinkage 2 %": Way(HEAD, ("CNN",), share=0.02),
    "two leads, head, shrinkage 2 %": Way(HEAD, ("two leads",), share=0.02),
    "two leads, stretches, head, shrinkage 2 %": Way(HEAD, ("two leads, stretches",), share=0.02),
    "mean with CNN, head, shrinkage 2 %": Way(HEAD, (BASE, "CNN"), share=0.02),
    "mean with two leads, head, shrinkage 2 %": Way(HEAD, (BASE, "two leads"), share=0.02),
    "mean of all three, head, shrinkage 2 %": Way(HEAD, (BASE, "CNN", "two leads"), share=0.02),
    "head, shrinkage 2 %, spread": Way(HEAD, share=0.02, spread=True),
    "mean with CNN, head, shrinkage 2 %, spread": Way(HEAD, (BASE, "CNN"), share=0.02, spread=True),
    "mean with two leads, head, shrinkage 2 %, spread": Way(HEAD, (BASE, "two leads"), share=0.02, spread=True),
    "mean of all three, head, shrinkage 2 %, spread": Way(HEAD, (BASE, "CNN", "two leads"), share=0.02, spread=True),
}
"""Ways of which one is taken: the best inside DS1, by the models of the folds that have not seen a record.

What counts is the macro-F1, mean over all labels, 50 and 10; that of 50 and 10 is itself the mean of random ones and
"half of each". A shrinkage of 2 % of the number of labels (0.2, 1, some 7) does well at all three; 1 to 3 % hardly
differ. A constant 10 outweighs ten labels, and without any the classes of which there are few labels suffer.
"""


def adapt(args):
    """Compare ways to adapt inside DS1, then adapt the chosen way to each record of DS2."""
    rung = rung_of("inter", args.data_home)
    inside = inside_ds1(rung, args)
    chosen = max(CANDIDATES, key=lambda name: inside[name]["mean"])
    patients = Patients(rung.fits[-1], args)
    curves = {"none": {"all": summary(rung, patients.beats, [patients.unadapted(CANDIDATES[chosen])])}}
    for strategy in STRATEGIES:
        curves[strategy] = {
            str(budget or "all"): patients.adapted_summary(rung, strategy, budget, CANDIDATES[chosen])
            for budget in BUDGETS
            if budget or strategy == "random"
        }
    curves["forest, trained on DS1 and all these labels"] = {"all": forest(rung, args)}
    report(args, inside, chosen, curves)


def inside_ds1(rung, args):
    """Scores of every way to adapt, on the records of DS1 that the fold's model has not seen."""
    patients = [Patients(fit, args) for fit in rung.fits[:-1]]
    beats = sum((p.beats for p in patients[1:]), start=patients[0].beats)

    def score(way, strategy="random", budget=None):
        return summary(rung, beats, [np.concatenate([p.adapted(strategy, budget, way) for p in patients])])

    scores = {"none": summary(rung, beats, [np.concatenate([p.unadapted(CANDIDATES["head"]) for p in patients])])}
    for name, way in {**IDEAS, **CANDIDATES}.items():
        scores[name] = score(way)
        if name in CANDIDATES:
            few = {
                str(n): {strategy: score(way, strategy, n)["macro_f1"].estimate for strategy in TRIED_INSIDE}
                for n in FEW
            }
            means = [scores[name]["macro_f1"].estimate, *(np.mean(list(few[str(n)].values())) for n in FEW)]
            scores[name] |= {"few": few, "mean": np.mean(means)}
        print(name, scores[name]["macro_f1"], flush=True)
    return scores


def summary(rung, beats, runs):
    """F1 over the beats after the first five minutes, each run holding labels of all beats."""
    late = beats.position >= FIRST
    stack = [
        record_confusions(beats.y[late], labels[late], groups=beats.record[late], labels=rung.classes)
        for labels in runs
    ]
    stack = np.stack(stack, axis=1)[..., : len(rung.classes), : len(rung.classes)]
    return {
        "macro_f1": bootstrap_interval(mean_macro_f1, stack, groups=np.unique(beats.record[late]), random_state=0),
        "f1": dict(zip(rung.classes, class_f1(stack.sum(axis=0)).mean(axis=0), strict=True)),
    }


def rows_held_out(fit, model):
    return (fit.choose or fit.test)(model)


class Patients:
    """Records that a fit has not seen, of which the first five minutes may be labelled."""

    def __init__(self, fit, args):
        self.fit, self.args = fit, args
        self.beats = rows_held_out(fit, BASES[BASE])
        self.early = self.beats.position < FIRST
        self._fitted = {}

    def base(self, name):
        """A fitted base, the records' rows as it sees them, and what tells its weights from others."""
        if name not in self._fitted:
            outcome = run(self.fit, BASES[name], self.args.seed, resume=self.args.resume)
            weights = hashlib.sha256(outcome.path.with_suffix(".pkl").read_bytes()).hexdigest()
            self._fitted[name] = outcome.model(), rows_held_out(self.fit, BASES[name]).X, weights
        return self._fitted[name]

    def unadapted(self, way):
        """Labels by the mean of the bases as they are."""
        return self._labels([estimator.predict_proba(X) for estimator, X, _ in map(self.base, way.bases)])

    def adapted_summary(self, rung, strategy, budget, way):
        draws = range(N_DRAWS if strategy == "random" and budget else 1)
        return summary(rung, self.beats, [self.adapted(strategy, budget, way, draw) for draw in draws])

    def adapted(self, strategy, budget, way, draw=0):
        """Labels of all beats by the mean of the bases, adapted to the labelled beats."""
        records = [self.beats.record == record for record in np.unique(self.beats.record)]
        labelled = [self.pick(np.flatnonzero(here & self.early), strategy, budget, draw) for here in records]
        if way.together:
            records, labelled = [np.full(len(self.early), True)], [np.concatenate(labelled)]
        proba = np.mean([self._adapted_base(name, way, records, labelled, draw) for name in way.bases], axis=0)
        if way.spread:
            proba = self._spread(proba, records, labelled)
        return self._labels([proba])

    def _labels(self, probas):
        return self.base(BASE)[0].classes_[np.mean(probas, axis=0).argmax(axis=1)]

    def _spread(self, proba, records, labelled):
        """Probabilities after those of each record's beats, and its labels, have spread among beats that are alike."""
        estimator, X, _ = self.base(BASE)
        spread = np.empty_like(proba)
        for here, rows in zip(records, labelled, strict=True):
            known = np.full(len(X), -1)
            known[rows] = np.searchsorted(estimator.classes_, self.beats.y[rows])
            spread[here] = spread_labels(proba[here], X[here], known[here], n_side_features=len(BASES[BASE].features))
        return spread

    def _adapted_base(self, name, way, records, labelled, draw):
        """Probabilities of all beats by one base, adapted; read where they were kept."""
        path = self._path(name, way, labelled, draw)
        if not (self.args.resume and path.exists()):
            estimator, X, _ = self.base(name)
            proba = np.empty((len(X), len(estimator.classes_)))
            source = self._source(name, way.n_source)
            for here, rows in zip(records, labelled, strict=True):
                adapted = self._adapt(estimator, X[rows], self.beats.y[rows], way, draw, source)
                proba[here] = adapted.predict_proba(X[here])
            np.save(path, proba)
        return np.load(path)

    def _path(self, name, way, labelled, draw):
        """Where the probabilities of one base are kept: its weights, the labels and the way tell."""
        rows = hashlib.sha256(np.concatenate(labelled).tobytes()).hexdigest()
        alone = replace(way, bases=(name,))
        text = f"{self.fit.name} {BASES[name].key} {self.base(name)[-1]} {rows} {alone} {SETTINGS} {draw}"
        return models.CHECKPOINTS / f"adapt-{self.fit.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.npy"

    def pick(self, rows, strategy, budget, draw):
        """Those of ``rows`` that get a label."""
        if budget is None:
            return rows
        budget = min(budget, len(rows))
        by_chance = np.random.default_rng([draw, int(self.beats.record[rows[0]])]).permutation(rows)
        if strategy == "random":
            return by_chance[:budget]
        estimator, X, _ = self.base(BASE)
        asked = rows[most_uncertain(estimator, X[rows], budget if strategy == "uncertain" else (budget + 1) // 2)]
        return np.concatenate([asked, by_chance[~np.isin(by_chance, asked)][: budget - len(asked)]])

    def _source(self, name, n_rows):
        """Rows of the base's training set, as many of each class as there are, up to a quarter of ``n_rows``."""
        if not n_rows:
            return {}
        train, rng = self.fit.train(BASES[name]), np.random.default_rng(0)
        index = np.concatenate([rng.permutation(np.flatnonzero(train.y == c))[: n_rows // 4] for c in "NSVF"])
        return {"X_source": train.X[index], "y_source": train.y[index]}

    def _adapt(self, estimator, X, y, way, draw, source):
        settings = {**SETTINGS, "random_state": draw, "shrinkage": way.share * len(y), **way.settings}
        if way.rare:
            labels, n = np.unique(y, return_counts=True)
            weights = dict(zip(labels.tolist(), (1 / np.sqrt(n)).tolist(), strict=True))
            settings["settings"] = {**settings["settings"], "class_weight": weights}
        return AdaptedClassifier(FrozenEstimator(estimator), **settings).fit(X, y, **source)


def forest(rung, args):
    """Scores of the forest trained on DS1 and the first five minutes of every record of DS2."""
    model, ds2 = models.models_of("inter")["forest"], rung.fits[-1]
    test = ds2.test(model)
    train = ds2.train(model) + test[test.position < FIRST]
    outcome = run(Fit("adapt", lambda model: train, test=lambda model: test), model, args.seed, resume=args.resume)
    labels = np.asarray(rung.classes)[outcome.aligned(rung.classes).argmax(axis=1)]
    return summary(rung, test, [labels])


def report(args, inside, chosen, curves):
    columns = ["labels", *(str(budget or "all of 5 min") for budget in BUDGETS)]
    rows = []
    for name, curve in curves.items():
        cells = [curve.get(str(budget or "all")) for budget in BUDGETS]
        rows.append([name, *("–" if cell is None else str(cell["macro_f1"]) for cell in cells)])
    for row in rows[2 : 1 + len(STRATEGIES)]:
        row[-1] = rows[1][-1]  # all labels are all labels, however chosen
    rows[0][0] = "none: the bases as they are"
    write_results(
        "arrhythmia_adapt",
        {
            "protocol": f"{BASE} unless said otherwise, trained on DS1 (seed {args.seed}), adapted to every record of "
            f"DS2 with labels of its first 5 minutes, tested on the rest; '{chosen}' was chosen inside DS1; 'none' is "
            f"the mean of its unadapted bases; mean over {N_DRAWS} draws of the random labels; 95 % intervals over "
            "records",
            "chosen": chosen,
            "metrics": {"inside DS1": inside, "DS2": curves},
            "caption": "Macro-F1 (N S V F) on DS2 after its first 5 minutes, by labelled beats of each record",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)
    report_inside(args, inside)


def report_inside(args, inside):
    columns = ["adapted", "N", "S", "V", "F", "macro-F1", *(f"{n} labels" for n in reversed(FEW)), "mean"]
    rows = []
    for name, row in inside.items():
        few = [np.mean(list(row["few"][str(n)].values())) for n in reversed(FEW)] if "few" in row else []
        numbers = [f"{value:.3f}" for value in [*few, row["mean"]]] if few else ["–"] * (1 + len(FEW))
        rows.append([name, *(f"{value:.3f}" for value in row["f1"].values()), str(row["macro_f1"]), *numbers])
    write_results(
        "arrhythmia_adapt_select",
        {
            "protocol": f"{BASE} unless said otherwise; models of the folds of DS1, adapted to every record they have "
            "not seen with labels of its first 5 minutes, tested on the rest: all labels, then the macro-F1 with 50 "
            "and with 10, each the mean of random ones and 'half of each'; the way is taken whose mean over all, 50 "
            "and 10 is best. Shrinkage: number of labels, or share of the patient's labels",
            "metrics": inside,
            "caption": "Ways to adapt, inside DS1: F1 after the first 5 minutes with all labels, macro-F1 with fewer",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    print_table(columns, rows)
