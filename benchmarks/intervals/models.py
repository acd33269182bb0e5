"""The delineators that are compared, fold by fold."""

import numpy as np

from sklearn_ecg import WaveDelineator
from sklearn_ecg.augmentation import BeatAugmentation
from sklearn_ecg.preprocessing import merge_waves, wave_masks

from .._kept import kept
from . import data

SETTINGS = {
    "single": {"fs": data.FS, "ignore_label": -1, "max_epochs": 20},
    "eight": {"fs": data.FS, "ignore_label": -1, "max_epochs": 100},
}
AUGMENT = {
    "single": {"fs": 250.0, "time": 0.0, "wander": 0.3, "noise": 0.1},
    "eight": {"fs": 250.0, "time": 0.0, "wander": 0.3, "noise": 0.1, "lead_dropout": 0.1},
}


def training_rows(ludb, kind, places):
    """Signals and label maps of the records at ``places``: every lead by itself, or eight leads with global marks."""
    n_timepoints = ludb.signal.shape[2]
    if kind == "eight":
        return ludb.leads(data.EIGHT)[places], wave_masks([ludb.merged[place] for place in places], n_timepoints)
    masks = [wave_masks([ludb.marks[place][lead] for place in places], n_timepoints) for lead in data.LEADS]
    return ludb.signal[places].reshape(-1, n_timepoints), np.stack(masks, axis=1).reshape(-1, n_timepoints)


def fit(ludb, kind, places, args):
    """A fitted model of a kind, read where it is kept."""

    def make():
        model = WaveDelineator(
            **SETTINGS[kind], augment=BeatAugmentation(**AUGMENT[kind]), random_state=args.seed, verbose=args.verbose
        )
        return model.fit(*training_rows(ludb, kind, places))

    key = (kind, SETTINGS[kind], AUGMENT[kind], ludb.patient[places].tolist(), args.seed)
    return kept("intervals", kind, key, make, resume=args.resume)


def out_of_fold(ludb, kind, args, delineate):
    """Waves of every record, found by the model that did not see its patient: ``delineate(model, places)``."""
    found = [None] * len(ludb.patient)
    for fold, (train, test) in enumerate(data.folds(ludb.patient, args.seed)):
        model = fit(ludb, kind, train, args)
        for place, waves in zip(test, delineate(model, test), strict=True):
            found[place] = waves
        print(f"{kind}: fold {fold} done", flush=True)
    return found


def lead_ii(ludb, model, places):
    return model.delineate(ludb.leads(("II",))[places])


def lead_by_lead(ludb, model, places):
    """Waves of the eight leads, each by itself, merged."""
    leads = ludb.leads(data.EIGHT)[places]
    of_leads = model.delineate(leads.reshape(-1, leads.shape[2]))
    n = len(data.EIGHT)
    return [merge_waves(of_leads[n * i : n * (i + 1)], fs=data.FS) for i in range(len(places))]


def joint(ludb, model, places):
    return model.delineate(ludb.leads(data.EIGHT)[places])
