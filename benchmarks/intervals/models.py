"""The delineators that are compared, fold by fold."""

from functools import partial

import numpy as np

from sklearn_ecg import WaveDelineator
from sklearn_ecg.augmentation import BeatAugmentation
from sklearn_ecg.delineation import waves_from_proba
from sklearn_ecg.preprocessing import merge_waves, wave_masks

from .._kept import kept
from . import data

SHARED = {"fs": data.FS, "ignore_label": -1, "precision": "bf16-mixed"}
SETTINGS = {
    "single": {**SHARED, "max_epochs": 16},
    "beside": {**SHARED, "max_epochs": 20},
    "eight": {**SHARED, "max_epochs": 80},
}
NOISE = {"fs": 250.0, "time": 0.0, "wander": 0.3, "noise": 0.1}
AUGMENT = {"single": NOISE, "beside": NOISE, "eight": {**NOISE, "lead_dropout": 0.1}}


def signals_of(ludb, kind, places, leads=data.LEADS):
    """What a model of a kind reads of the records at ``places``, (n_rows, n_leads, n_timepoints).

    "single": each of the ``leads`` is a row. "beside": likewise, with the eight leads behind it. "eight": those alone.
    """
    eight = ludb.leads(data.EIGHT)[places]
    if kind == "eight":
        return eight
    rows = [ludb.leads((lead,))[places] for lead in leads]
    if kind == "beside":
        rows = [np.concatenate([row, eight], axis=1) for row in rows]
    return np.stack(rows, axis=1).reshape(-1, *rows[0].shape[1:])


def masks_of(ludb, kind, places):
    """The label maps to the rows of :func:`signals_of`."""
    n_timepoints = ludb.signal.shape[2]
    if kind == "eight":
        return wave_masks([ludb.merged[place] for place in places], n_timepoints)
    return wave_masks([ludb.marks[place][lead] for place in places for lead in data.LEADS], n_timepoints)


def fit(ludb, kind, places, args):
    """A fitted model of a kind, read where it is kept."""

    def make():
        model = WaveDelineator(
            **SETTINGS[kind], augment=BeatAugmentation(**AUGMENT[kind]), random_state=args.seed, verbose=args.verbose
        )
        return model.fit(signals_of(ludb, kind, places), masks_of(ludb, kind, places))

    key = (kind, SETTINGS[kind], AUGMENT[kind], ludb.patient[places].tolist(), args.seed)
    return kept("intervals", kind, key, make, resume=args.resume)


def out_of_fold(ludb, kinds, args, delineate=None):
    """Waves of every record, found by the models of these kinds that did not see its patient.

    ``delineate(models, places)`` finds them; by default :func:`in_lead_ii`.
    """
    found = [None] * len(ludb.patient)
    delineate = delineate or partial(in_lead_ii, ludb)
    for fold, (train, test) in enumerate(data.folds(ludb.patient, args.seed)):
        models = {kind: fit(ludb, kind, train, args) for kind in kinds}
        for place, of_record in zip(test, delineate(models, test), strict=True):
            found[place] = of_record
        print(f"{', '.join(kinds)}: fold {fold} done", flush=True)
    return found


def in_lead_ii(ludb, models, places):
    """Waves of lead II, or with the kind "eight" of the eight leads; of several models, by the mean probabilities."""
    signals = {kind: signals_of(ludb, kind, places, ("II",)) for kind in models}
    (first, model), *others = models.items()
    if not others:
        return model.delineate(signals[first])
    proba = [model.predict_wave_proba(signals[kind]) for kind, model in models.items()]
    return waves_from_proba(np.mean(proba, axis=0), ludb.leads(("II",))[places], fs=data.FS)


def lead_by_lead(ludb, models, places):
    """Waves of the eight leads, each by itself by the only model, merged."""
    ((kind, model),) = models.items()
    of_leads = model.delineate(signals_of(ludb, kind, places, data.EIGHT))
    n = len(data.EIGHT)
    return [merge_waves(of_leads[n * i : n * (i + 1)], fs=data.FS) for i in range(len(places))]
