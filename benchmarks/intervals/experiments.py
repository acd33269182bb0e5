"""Experiments in the manner of the paper: three networks on synthetic, on real records, and transferred."""

import numpy as np

from . import regressors, windows
from .regressors import FINE_TUNED, MEDIAN, RECIPES, SCRATCH, ZERO_SHOT

COLUMNS = ["network", "trained on", "tested on", "HR, bpm", "PR, ms", "QRS, ms", "QT, ms"]
ON_SYNTHETIC, ON_REAL = "make_ecg", "LUDB"
_TEST_SEED = 1_000_003  # of records that are in no training


def experiments(args):
    """Each network trained and tested on synthetic records, on real ones, and transferred from one to the other."""
    records, patient = windows.load_ludb(args.data_home)
    test = regressors.synthetic_records(regressors.N_TEST, _TEST_SEED + args.seed)
    train = regressors.synthetic_records(regressors.N_SYNTHETIC, args.seed)
    synthetic = {("–", "median"): np.broadcast_to(np.nanmedian(train.y, axis=0), test.y.shape)}
    real = {("–", MEDIAN): regressors.median_of_training(records, patient, args.seed)}
    for name in RECIPES:
        regressor = regressors.pretrained_on_synthetic(name, args)
        synthetic[name, ZERO_SHOT] = regressor.predict(test.signal.reshape(len(test), -1))
        real[name, ZERO_SHOT] = windows.predict_records(regressor, records.signal)
        for how, start in ((SCRATCH, None), (FINE_TUNED, regressor)):
            real[name, how] = regressors.out_of_fold(name, how, records, patient, args, start)
    metrics, rows = {}, []
    for where, found, true, groups in (
        (ON_SYNTHETIC, synthetic, test.y, np.arange(len(test))),
        (ON_REAL, real, records.y, patient),
    ):
        for names, row in regressors.judge(found, true, groups, args.seed).items():
            metrics[" | ".join([*names, where])] = row
            rows.append([*names, where, *row["cells"]])
    regressors.write(
        "experiments",
        f"{regressors.protocol_of(records)}. Tested on {len(test)} further synthetic records of 8 s, whose intervals "
        "are known exactly and whose variety is that of the training",
        metrics,
        "Mean absolute error of three networks; 95 % over patients, or over synthetic records",
        COLUMNS,
        rows,
        args,
    )
