"""Delineators side by side: lead II against its own marks, and eight leads against the global reference."""

from functools import partial

import numpy as np

from sklearn_ecg.metrics import bootstrap_interval, fiducial_report, interval_report
from sklearn_ecg.metrics.fiducials import FIDUCIALS
from sklearn_ecg.preprocessing import wave_intervals
from sklearn_ecg.signals import INTERVALS

from .._results import print_table, write_results
from . import data, models, peers

MEDIAN = "median of the training records"
OF_LEAD_II = {
    "WaveDelineator, lead II alone": ("single",),
    "WaveDelineator, eight leads beside lead II": ("beside",),
    "WaveDelineator, mean of both": ("single", "beside"),
}
LEAD_BY_LEAD = {
    "WaveDelineator, lead by lead": ("single",),
    "WaveDelineator, lead by lead, eight leads beside each": ("beside",),
}
TOGETHER = "WaveDelineator, eight leads together"
COLUMNS = ["method", "HR, bpm", "PR, ms", "QRS, ms", "QT, ms", "PR without a marked P"]
PUBLISHED = {
    "published, Kalyakulina et al. 2020": {
        "P_onset": (-2.7, 10.2),
        "QRS_onset": (-8.1, 7.7),
        "QRS_offset": (3.8, 8.8),
        "T_offset": (5.7, 15.5),
    },
    "published, U-Net of Moskalenko et al. 2019": {
        "QRS_onset": (1.8, 13.0),
        "QRS_offset": (-0.2, 11.4),
        "T_offset": (-4.1, 35.3),
    },
}
PROTOCOL = (
    "LUDB, {n} records of 10 s at 500 Hz, each a patient of its own; {folds} folds by patient, everything learned on "
    "the training patients of a fold. {what} Intervals are medians over the beats of a record; of what a delineator "
    "finds, waves with their peaks between the first and the last mark count, since beyond nobody marked. MAE over the "
    "records that have both; 95 % intervals resample patients. PR without a marked P: records whose PR a method gives "
    "though no P wave with its QRS is marked. {looked_at} of the records were looked at, held out, when the network "
    "was designed; 'others' in the file are the scores on all but those"
)
LEAD_II = (
    "Reference: the cardiologists' marks of lead II. 'lead II alone' reads nothing else; it was trained on all twelve "
    "leads of the training patients, each a signal of its own with its own marks. 'eight leads beside lead II' reads "
    "lead II and, behind it, I, II and V1 to V6; it was trained on all twelve leads in the place of lead II, with "
    "their marks. 'mean of both' decodes the mean of their probabilities. neurokit2 {version}, its defaults, lead II; "
    "QRS of 'peak' is from the peak of Q to that of S, as it gives no boundaries of QRS."
)
EIGHT = (
    "Reference: the marks of all twelve leads merged, each wave from its earliest onset to its latest offset. 'lead by "
    "lead': the models of intervals_delineators, their waves in the eight leads merged in the same way as the marks. "
    "'eight leads together': I, II and V1 to V6 are read together by one model, trained on the merged marks."
)
MARKS = "the marks, from beat to beat"
FIDUCIAL_NOTE = (
    "Fiducials at ±150 ms, one to one, within the labelled span; the errors of all records pooled. From beat to beat: "
    "time of a mark after the R peak of its beat, standard deviation within records, pooled"
)


def delineators(args):
    """Lead II: the training median, neurokit2 and ours."""
    ludb = data.load(args.data_home)
    found = {name: models.out_of_fold(ludb, kinds, args) for name, kinds in OF_LEAD_II.items()}
    version = "was not run"
    if args.peers_python:
        outcomes, version = peers.run_neurokit(ludb.leads(("II",))[:, 0], data.FS, args.peers_python)
        found = {f"neurokit2 {method}": waves for method, (waves, _) in outcomes.items()} | found
    report("delineators", ludb, "II", found, LEAD_II.format(version=version), args)


def leads8(args):
    """Eight leads: one model of all, or the model of single leads eight times."""
    ludb = data.load(args.data_home)
    by_lead = partial(models.lead_by_lead, ludb)
    found = {name: models.out_of_fold(ludb, kinds, args, by_lead) for name, kinds in LEAD_BY_LEAD.items()}
    found[TOGETHER] = models.out_of_fold(ludb, ("eight",), args)
    report("leads8", ludb, "global", found, EIGHT, args)


def report(name, ludb, reference, found, what, args):
    """Write the table of intervals and that of boundaries."""
    looked_at = int(data.looked_at(ludb.patient).sum())
    protocol = PROTOCOL.format(n=len(ludb.patient), folds=data.N_FOLDS, what=what, looked_at=looked_at)
    where = "lead II of LUDB" if reference == "II" else "LUDB, global reference"
    metrics = judge(ludb, reference, found, args.seed)
    table = {"columns": COLUMNS, "rows": [[method, *cells(row)] for method, row in metrics.items()]}
    caption = f"Mean absolute error of the intervals of held-out patients, {where}; 95 % over patients"
    payload = {"protocol": protocol, "metrics": metrics, "caption": caption, "table": table}
    write_results(f"intervals_{name}", payload, args=args)
    print_table(**table)
    marks = ludb.waves(reference)
    boundaries = {method: fiducial_report(marks, waves, fs=data.FS) for method, waves in found.items()}
    scatter = scatter_of_marks(marks)
    rows = fiducial_rows(boundaries, PUBLISHED if reference == "II" else {})
    rows.append([MARKS, *(f"± {scatter[name]:.1f}" if scatter[name] else "–" for name in FIDUCIALS)])
    table = {"columns": ["method", *FIDUCIALS], "rows": rows}
    caption = f"Boundaries, {where}: mean ± SD of the error in ms; below, Se / +P"
    protocol = f"{protocol}. {FIDUCIAL_NOTE}"
    payload = {"protocol": protocol, "metrics": {**boundaries, MARKS: scatter}, "caption": caption, "table": table}
    write_results(f"intervals_{name}_boundaries", payload, args=args)
    print_table(**table)


def judge(ludb, reference, found, seed):
    """Method → scores of its intervals; the training median is the first."""
    marks, true, others = ludb.waves(reference), ludb.intervals(reference), ~data.looked_at(ludb.patient)
    measured = {MEDIAN: median_of_training(ludb, true, seed)}
    for method, waves in found.items():
        inside = [data.within(*pair) for pair in zip(waves, marks, strict=True)]
        measured[method] = wave_intervals(inside, fs=data.FS)
    return {
        method: judge_intervals(true, intervals, ludb.patient, seed)
        | {"others": interval_report(true[others], intervals[others])}
        for method, intervals in measured.items()
    }


def median_of_training(ludb, true, seed):
    """Intervals as the medians of the training patients of each fold."""
    predicted = np.empty_like(true)
    for train, test in data.folds(ludb.patient, seed):
        predicted[test] = np.nanmedian(true[train], axis=0)
    return predicted


def judge_intervals(true, predicted, patient, seed):
    """MAE of each interval with its interval over patients, bias and SD, what is missing and what is too much."""
    scores = {"report": interval_report(true, predicted)}
    for place, interval in enumerate(INTERVALS):
        both = ~np.isnan(true[:, place] + predicted[:, place])
        error = np.abs(true - predicted)[both, place]
        estimate = partial(bootstrap_interval, groups=patient[both], random_state=seed)
        scores[interval] = estimate(np.mean, error)
    scores["pr_without_p"] = int((np.isnan(true[:, 1]) & ~np.isnan(predicted[:, 1])).sum())
    return scores


def cells(row):
    missing = row["report"].n_missing
    shown = []
    for name in INTERVALS:
        value = row[name]
        digits = 2 if value.estimate < 10 else 1
        text = f"{value.estimate:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"
        shown.append(text + (f", {missing[name]} missing" if missing[name] else ""))
    return [*shown, row["pr_without_p"]]


def scatter_of_marks(marks):
    """Pooled standard deviation, within records, of the time in ms from the R peak of a beat to each of its marks."""
    squares, freedom = dict.fromkeys(FIDUCIALS, 0.0), dict.fromkeys(FIDUCIALS, 0)
    for waves in marks:
        r = waves["peak"][waves["wave"] == "QRS"]
        for name in FIDUCIALS if len(r) else ():
            kind, mark = name.split("_")
            times = waves[mark][(waves["wave"] == kind) & (waves[mark] >= 0)]
            beat = np.searchsorted(r, times) - (kind == "T") if kind != "QRS" else np.abs(times[:, None] - r).argmin(1)
            inside = (beat >= 0) & (beat < len(r))
            delays = (times - r[np.clip(beat, 0, len(r) - 1)])[inside] / data.FS * 1000
            if len(delays):
                squares[name] += ((delays - delays.mean()) ** 2).sum()
                freedom[name] += len(delays) - 1
    return {name: float(np.sqrt(squares[name] / freedom[name])) for name in FIDUCIALS}


def fiducial_rows(boundaries, published):
    """Two rows for each method: errors; sensitivity and predictive value."""
    rows = []
    for method, told in boundaries.items():
        found = [name for name in FIDUCIALS if told.n_found[name]]
        errors = {name: f"{told.mean[name]:.1f} ± {told.sd[name]:.1f}" for name in found}
        rates = {name: f"{told.sensitivity[name]:.2%} / {told.ppv[name]:.2%}" for name in found}
        rows += [[first, *(row.get(name, "–") for name in FIDUCIALS)] for first, row in ((method, errors), ("", rates))]
    for method, errors in published.items():
        rows.append([method, *("{} ± {}".format(*errors[name]) if name in errors else "–" for name in FIDUCIALS)])
    return rows
