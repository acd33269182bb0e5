"""New patients of whom a few beats are labelled: those of the first five minutes."""

import numpy as np
from sklearn.frozen import FrozenEstimator

from sklearn_ecg import AdaptedClassifier
from sklearn_ecg.adaptation import most_uncertain
from sklearn_ecg.metrics import bootstrap_interval, record_confusions

from .._results import write_results
from . import data, models
from .fits import Fit, run
from .new_patients import class_f1, mean_macro_f1
from .protocols import rung_of
from .tables import print_table

FIRST = 300 * 360  # samples of the records: five minutes
BUDGETS = (10, 20, 50, 100, None)
N_DRAWS = 2  # of random labels
CALM = {"side_noise": 0.0, "signal_dropout": 0.0}
CANDIDATES = {
    "head": {"layers": "head", "settings": CALM},
    "head, twice as long": {"layers": "head", "settings": CALM, "max_epochs": 40},
    "all": {"settings": CALM},
}
"""Ways to adapt; the one is taken whose macro-F1 is best on DS1, by the models of the folds that have not seen it."""

STRATEGIES = ("random", "uncertain", "half of each")


def adapt(args):
    """Compare ways to adapt inside DS1, then adapt the chosen way to each record of DS2."""
    rung = rung_of("inter", args.data_home)
    kind = (args.models or ["CNN-LSTM-Attention"])[0]
    model = models.models_of("inter")[kind]
    inside = inside_ds1(rung, model, args)
    chosen = max(CANDIDATES, key=lambda name: inside[name]["macro_f1"].estimate)
    base = rung.run(model, args.seed, args, choose=False)
    patients = Patients(base.test, base.outcome.model())
    curves = {"none": {"all": patients.summary(rung, [base.predicted])}}
    for strategy in STRATEGIES:
        curves[strategy] = {
            str(budget or "all"): patients.adapted_summary(rung, strategy, budget, CANDIDATES[chosen])
            for budget in BUDGETS
            if budget or strategy == "random"
        }
    curves["forest, trained on DS1 and all these labels"] = {"all": forest(rung, args)}
    report(args, kind, inside, chosen, curves)


class Patients:
    """Test records, whose first five minutes may be labelled, and the classifier that has not seen them."""

    def __init__(self, beats, estimator=None):
        self.beats, self.estimator = beats, estimator
        self.early = beats.position < FIRST

    def summary(self, rung, runs):
        """Macro-F1 over the beats after the first five minutes, each run holding labels of all beats."""
        late = ~self.early
        stack = [
            record_confusions(self.beats.y[late], labels[late], groups=self.beats.record[late], labels=rung.classes)
            for labels in runs
        ]
        stack = np.stack(stack, axis=1)[..., : len(rung.classes), : len(rung.classes)]
        records = np.unique(self.beats.record[late])
        return {
            "macro_f1": bootstrap_interval(mean_macro_f1, stack, groups=records, random_state=0),
            "f1": dict(zip(rung.classes, class_f1(stack.sum(axis=0)).mean(axis=0), strict=True)),
        }

    def adapted_summary(self, rung, strategy, budget, settings):
        draws = range(N_DRAWS if strategy == "random" and budget else 1)
        return self.summary(rung, [self.adapted(strategy, budget, settings, draw) for draw in draws])

    def adapted(self, strategy, budget, settings, draw=0):
        """Labels of all beats, each record's by a classifier adapted to its labelled beats."""
        predicted = np.empty_like(self.beats.y)
        for record in np.unique(self.beats.record):
            rows = np.flatnonzero((self.beats.record == record) & self.early)
            labelled = rows if budget is None else self.pick(rows, strategy, min(budget, len(rows)), draw)
            adapted = self.adapt_to(self.beats[labelled], settings, draw)
            here = self.beats.record == record
            predicted[here] = adapted.predict(self.beats.X[here])
        return predicted

    def pick(self, rows, strategy, budget, draw):
        by_chance = np.random.default_rng([draw, int(self.beats.record[rows[0]])]).permutation(rows)
        if strategy == "random":
            return by_chance[:budget]
        n_asked = budget if strategy == "uncertain" else (budget + 1) // 2
        asked = rows[most_uncertain(self.estimator, self.beats.X[rows], n_asked)]
        return np.concatenate([asked, by_chance[~np.isin(by_chance, asked)][: budget - n_asked]])

    def adapt_to(self, labelled, settings, draw):
        settings = {"lr": 3e-3, "batch_size": 64, "random_state": draw, **settings}
        return AdaptedClassifier(FrozenEstimator(self.estimator), **settings).fit(labelled.X, labelled.y)


def inside_ds1(rung, model, args):
    """Macro-F1 of every way to adapt, on the records of DS1 that the fold's model has not seen."""
    labels = {name: [] for name in ("none", *CANDIDATES)}
    groups = []
    for fit in rung.fits[:-1]:
        outcome, beats = run(fit, model, args.seed, resume=args.resume), fit.choose(model)
        patients = Patients(beats, outcome.model())
        groups.append(patients)
        labels["none"].append(outcome.model().predict(beats.X))
        for name, settings in CANDIDATES.items():
            labels[name].append(patients.adapted("random", None, settings))
            print(fit.name, name, flush=True)
    together = Patients(sum((p.beats for p in groups[1:]), start=groups[0].beats))
    return {name: together.summary(rung, [np.concatenate(parts)]) for name, parts in labels.items()}


def forest(rung, args):
    """The forest trained on DS1 and the first five minutes of every record of DS2."""
    model = models.models_of("inter")["forest"]
    test = data.load("ds2", model.features, args.data_home, scale=model.scale)
    early = test.position < FIRST
    train = data.load("ds1", model.features, args.data_home, scale=model.scale) + test[early]
    outcome = run(Fit("adapt", lambda model: train, test=lambda model: test), model, args.seed, resume=args.resume)
    labels = np.asarray(rung.classes)[outcome.aligned(rung.classes).argmax(axis=1)]
    return Patients(test).summary(rung, [labels])


def report(args, kind, inside, chosen, curves):
    columns = ["labels", *(str(budget or "all of 5 min") for budget in BUDGETS)]
    rows = []
    for name, curve in curves.items():
        cells = [curve.get(str(budget or "all")) for budget in BUDGETS]
        rows.append([name, *("–" if cell is None else str(cell["macro_f1"]) for cell in cells)])
    for row in rows[2 : 1 + len(STRATEGIES)]:
        row[-1] = rows[1][-1]  # all labels are all labels, however chosen
    write_results(
        "arrhythmia_adapt",
        {
            "protocol": f"{kind} trained on DS1 (seed {args.seed}), adapted to every record of DS2 with labels of its "
            f"first 5 minutes, tested on the rest; '{chosen}' was chosen inside DS1; mean over {N_DRAWS} draws of the "
            "random labels; 95 % intervals over records",
            "metrics": {"inside DS1": inside, "DS2": curves},
            "caption": "Macro-F1 (N S V F) on DS2 after its first 5 minutes, by labelled beats of each record",
            "table": {"columns": columns, "rows": rows},
        },
        args=args,
    )
    inside_rows = [
        [name, *(f"{value:.3f}" for value in row["f1"].values()), str(row["macro_f1"])] for name, row in inside.items()
    ]
    write_results(
        "arrhythmia_adapt_select",
        {
            "protocol": f"{kind}; models of the folds of DS1, adapted to every record they have not seen with all "
            "labels of its first 5 minutes, tested on the rest",
            "metrics": inside,
            "caption": "Ways to adapt, inside DS1: F1 after the first 5 minutes",
            "table": {"columns": ["adapted", "N", "S", "V", "F", "macro-F1"], "rows": inside_rows},
        },
        args=args,
    )
    print_table(columns, rows)
    print_table(["adapted"], inside_rows)
