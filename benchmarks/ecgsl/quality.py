"""What becomes of the classification when the segmentation suffers: noise, atrial fibrillation, injected errors."""

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import butter, sosfilt

from sklearn_ecg.datasets import fetch_mitdb
from sklearn_ecg.metrics import bootstrap_macro_f1
from sklearn_ecg.preprocessing import detect_r_peaks

from .._results import write_results
from . import data, mitbih, models, pretraining
from .kept import kept

FIGURE = Path(__file__).parents[2] / "docs" / "figures" / "ecgsl_segments.png"
SNR_DB = (None, 20, 10, 5)
ERRORS = {
    "5 % of the R peaks missed": {"missed": 0.05},
    "20 % missed": {"missed": 0.2},
    "5 % extra": {"extra": 0.05},
    "20 % extra": {"extra": 0.2},
    "shifted by 10 ms (SD)": {"shift": 0.010},
    "shifted by 40 ms (SD)": {"shift": 0.040},
}


def quality(args):
    """Macro-F1 on DS2 of the pre-trained classifier and of the network on the raw window."""
    ds1, ds2 = data.load_training(args.data_home), data.load_windows("ds2", args.data_home)
    ours, raw = (fitted(name, ds1, args) for name in (mitbih.PRETRAINED, mitbih.REFERENCE))
    af = np.isin(ds2.record, data.AF_RECORDS)
    metrics, rows = {}, []

    def add(name, ours_said, raw_said, where=slice(None)):
        row = {
            label: bootstrap_macro_f1(
                ds2.y[where], said[where], groups=ds2.record[where], labels=data.CLASSES, random_state=0
            )
            for label, said in (("ECGSLClassifier", ours_said), ("ResNetClassifier", raw_said))
            if said is not None
        }
        metrics[name] = row
        cells = [str(row[key]["macro"]) if key in row else "–" for key in ("ECGSLClassifier", "ResNetClassifier")]
        rows.append([name, *cells])
        print(*rows[-1], flush=True)

    clean = raw_windows(args)
    for snr in SNR_DB:
        prepared = data.prepare(clean if snr is None else with_noise(clean, snr, args.seed))
        windows = replace(ds2, raw=prepared, beats=data.segment(prepared))
        said = ours.predict(windows.beats), raw.predict(mitbih.resampled(windows))
        name = "clean" if snr is None else f"{snr} dB"
        add(name, *said)
        if snr is None:
            add("clean, records with AF or flutter", *said, where=af)
            add("clean, other records", *said, where=~af)
    for name, errors in ERRORS.items():
        detector = FaultyDetector(np.random.default_rng(args.seed), **errors)
        add(name, ours.predict(data.segment(ds2.raw, detector=detector)), None)
    draw(clean, ds2, args)
    report(metrics, rows, args)


def report(metrics, rows, args):
    write_results(
        "ecgsl_quality",
        {
            "protocol": "the pre-trained ECGSLClassifier and the ResNetClassifier of seed 0, trained on clean DS1; DS2 "
            "with muscle noise and baseline wander of equal power added before the filter, and with errors injected "
            "into the R peaks; 95 % intervals over records",
            "metrics": metrics,
            "caption": "Macro-F1 (N S V) on DS2 when the signal, or the segmentation, is disturbed",
            "table": {"columns": ["DS2", "ECGSLClassifier", "ResNetClassifier"], "rows": rows},
        },
        args=args,
    )


def fitted(name, ds1, args):
    """The classifier of seed 0, fitted on DS1."""
    starts = pretraining.start_of("autoencoder, masked", args)
    make, rows_of = mitbih.classifiers(starts)[name]
    key = name, mitbih.settings_key(name)
    return kept("quality", key, lambda: make(0).fit(rows_of(ds1), ds1.y), resume=args.resume)


def raw_windows(args):
    """The windows of DS2 as recorded, in the order of ``load_windows``."""
    raw = []
    for record in fetch_mitdb(data_home=args.data_home, download_if_missing=False, records="ds2").records:
        lead = data.select_lead(record)
        starts = range(0, len(lead) - data.WIDTH + 1, data.WIDTH)
        raw += [lead[first : first + data.WIDTH] for first in starts if data.label_window(record, first) is not None]
    return np.array(raw)


def with_noise(raw, snr_db, seed):
    """Muscle noise (above 20 Hz) and baseline wander (below .5 Hz), of equal power, at a ratio to the signal's."""
    rng = np.random.default_rng(seed)
    settle = 10 * data.FS
    noise = np.zeros(raw.shape)
    for band in ({"Wn": 20.0, "btype": "highpass"}, {"Wn": [0.05, 0.5], "btype": "bandpass"}):
        sos = butter(2, fs=data.FS, output="sos", **band)
        part = sosfilt(sos, rng.normal(size=(len(raw), raw.shape[1] + settle)))[:, settle:]
        noise += part / part.std(axis=1, keepdims=True)
    scale = raw.std(axis=1, keepdims=True) / noise.std(axis=1, keepdims=True) * 10 ** (-snr_db / 20)
    return (raw + scale * noise).astype(raw.dtype)


class FaultyDetector:
    """R peaks of the library's detector, of which some are missed, some are extra, and all are shifted."""

    def __init__(self, rng, *, missed=0.0, extra=0.0, shift=0.0):
        self.rng, self.missed, self.extra, self.shift = rng, missed, extra, shift

    def __call__(self, signal, fs):
        peaks = detect_r_peaks(signal, fs=fs)
        n_extra = self.rng.binomial(len(peaks), self.extra)
        peaks = peaks[self.rng.random(len(peaks)) >= self.missed]
        peaks = peaks + np.rint(self.rng.normal(0, self.shift * fs, len(peaks))).astype(int)
        more = self.rng.integers(0, len(signal), n_extra)
        return np.unique(np.clip(np.concatenate([peaks, more]), 0, len(signal) - 1))


def draw(clean, ds2, args):
    """Segments laid over the window they were cut from: normal, premature, fibrillating, noisy."""
    rng = np.random.default_rng(args.seed)
    af = np.isin(ds2.record, data.AF_RECORDS)
    chosen = {
        "sinus rhythm (100)": np.flatnonzero((ds2.record == "100") & (ds2.y == "N")),
        "ventricular beats (200)": np.flatnonzero((ds2.record == "200") & (ds2.y == "V")),
        "supraventricular beats (232)": np.flatnonzero((ds2.record == "232") & (ds2.y == "S")),
        "atrial fibrillation (202, 210, 219, 221)": np.flatnonzero(af & (ds2.record != "222") & (ds2.y == "N")),
    }
    figure, axes = plt.subplots(len(chosen) + 1, 1, figsize=(9, 9), sharex=True, layout="constrained")
    segmenter = models.make_segmenter(data.FS, n_beats=data.N_BEATS)
    rows = [(title, clean[rng.choice(index)]) for title, index in chosen.items()]
    rows.append((f"{rows[0][0]}, 5 dB", with_noise(rows[0][1][None], 5, args.seed)[0]))
    for ax, (title, window) in zip(axes, rows, strict=True):
        prepared = data.prepare(window[None])
        segmenter.fit(prepared)
        peaks, intervals = segmenter._locate(prepared)
        time = np.arange(data.WIDTH) / data.FS
        ax.plot(time, prepared[0], color="0.4", linewidth=0.7)
        for i, (peak, rr) in enumerate(zip(peaks, intervals[:, :2].mean(axis=1), strict=True)):
            ax.axvspan((peak - 0.35 * rr) / data.FS, (peak + 0.65 * rr) / data.FS, color=f"C{i % 2}", alpha=0.2)
        ax.plot(time[peaks], prepared[0][peaks], "k.", markersize=4)
        ax.set_title(title, loc="left", fontsize=9)
        ax.set_yticks([])
    axes[-1].set_xlabel("time, s")
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURE, dpi=110)
    plt.close(figure)
