"""Every entry point takes signals of any type of number, and finds in them what it finds in the same as float64."""

from functools import cache

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sklearn_ecg import BeatSegmenter, ECGFilter, ECGResampler, ECGScaler, ImpulseTrainExtractor, LeadConverter
from sklearn_ecg.datasets import ECGRecord, make_ecg
from sklearn_ecg.delineation import waves_from_proba
from sklearn_ecg.explain import grad_cam, saliency
from sklearn_ecg.interpolation import count_waves, linear_path, path_report, transport_path, wave_drift
from sklearn_ecg.metrics import (
    diversity,
    fiducial_report,
    match_beats,
    median_bandwidth,
    memorisation,
    mmd_report,
    periodicity,
    phase_randomised,
    rr_distance,
    squared_mmd,
    white_noise_like,
)
from sklearn_ecg.plotting import BeatClassDisplay, SaliencyDisplay
from sklearn_ecg.plotting._axes import pyplot
from sklearn_ecg.preprocessing import detect_r_peaks, extract_beats, merge_waves, wave_intervals, wave_masks
from sklearn_ecg.preprocessing._beat_features import SIDE_FEATURES
from sklearn_ecg.signals._validation import flatten_leads, unflatten_leads
from tests.instances import AUTOENCODERS, BEAT_SEQUENCES, CLASSIFIERS, DELINEATORS, META, QUICK, REGRESSORS, SAMPLERS

FS = 128
N_RECORDS, N_LEADS = 8, 2
Y = np.arange(N_RECORDS) % 2


@cache
def records():
    """Signals between -1 and 1, (n_records, n_leads, 6 s)."""
    made = [make_ecg(6, fs=FS, heart_rate=60 + 4 * i, leads=("I", "II"), random_state=i) for i in range(N_RECORDS)]
    signals = np.stack([record.signal for record in made]).astype(np.float64)
    low, high = signals.min(axis=2, keepdims=True), signals.max(axis=2, keepdims=True)
    return 2 * (signals - low) / (high - low) - 1, [record.fiducials["II"] for record in made]


def whole(signals, dtype, height, level=0):
    return np.rint(height * signals + level).astype(dtype)


def read_only(signals):
    signals = whole(signals, np.int16, 32_000)
    signals.flags.writeable = False
    return signals


def with_gaps(signals):
    return np.repeat(whole(signals, np.int16, 32_000), 2, axis=-1)[..., ::2]


TYPES = {
    "int8": lambda signals: whole(signals, np.int8, 126),
    "int16": lambda signals: whole(signals, np.int16, 32_000),
    "uint16": lambda signals: whole(signals, np.uint16, 32_000, 32_500),
    "int32": lambda signals: whole(signals, np.int32, 2.1e9),
    "float16": lambda signals: (30_000 * signals).astype(np.float16),
    "big-endian": lambda signals: whole(signals, ">i2", 32_000),
    "big-endian float": lambda signals: signals.astype(">f4"),
    "read-only": read_only,
    "with gaps": with_gaps,
    "Fortran": lambda signals: np.asfortranarray(whole(signals, np.int16, 32_000)),
}


def of_network(instance, **settings):
    return clone(instance).set_params(**{**QUICK, "max_epochs": 1, "batch_size": 8, **settings})


@cache
def delineator():
    signals, waves = records()
    model = of_network(DELINEATORS["WaveDelineator"], fs=FS, rate=FS, channels=(8, 8), max_epochs=12, ignore_label=-1)
    return model.fit(30_000 * signals[:, 1], wave_masks(waves, signals.shape[2]))


@cache
def classifier():
    return of_network(CLASSIFIERS["CNNClassifier"]).fit(30_000 * records()[0], Y)


def waves_as_columns(found):
    return [np.array([waves[mark] for mark in ("onset", "peak", "offset")]) for waves in found]


def decode(X):
    proba = delineator().predict_wave_proba(30_000 * records()[0][:, 1])
    return waves_as_columns(waves_from_proba(proba, X, fs=FS))


def beats(X, **settings):
    peaks = [np.arange(100, X.shape[2] - 60, 100)] * len(X)
    return extract_beats(list(X), peaks, fs=FS, **settings).data


def fitted(instance, method, **settings):
    def learn(X):
        model = of_network(instance, **settings)
        return getattr(model.fit(X, Y.astype(float) if "Regressor" in type(model).__name__ else Y), method)(X)

    return learn


def adapted(X):
    model = clone(META["AdaptedClassifier"]).set_params(
        max_epochs=1, random_state=0, estimator=FrozenEstimator(classifier())
    )
    return model.fit(X, Y).predict_proba(X)


def drawn_rows(X):
    """Mean of the rows drawn, over the deviation of all: they come in the type, so with the rounding, of ``X``."""
    given, sampler = rows(X[:, :1, :64])[:7], clone(SAMPLERS["GANSampler"]).set_params(random_state=0)
    drawn = sampler.fit_resample(given, Y[:7])[0].astype(np.float64)
    return np.round(drawn[7:].mean() / drawn[:7].std(), 2)


def of_path(X):
    report = path_report(X[:4, 0], fs=FS)
    return report.n_qrs, report.n_t, report.steps


def drawn_beats(X):
    display = BeatClassDisplay.from_beats(X, Y, fs=FS)
    pyplot().close(display.figure_)
    return [line.get_ydata() for panel in display.ax_ for line in panel.lines]


def drawn_relevance(X):
    display = SaliencyDisplay.from_relevance(X[:1], np.ones((1, X.shape[2])), fs=FS)
    pyplot().close(display.figure_)
    return np.concatenate(display.ax_[0].collections[0].get_segments())


def rows(X):
    return X.reshape(len(X), -1)


def of_rows(measure):
    return lambda X: measure(rows(X)[:4], rows(X)[4:])


LEAD_II = slice(1, None)
ENTRIES = {
    "delineate": lambda X: waves_as_columns(delineator().delineate(X[:, 1])),
    "delineate at another fs": lambda X: waves_as_columns(delineator().delineate(X[:, 1], fs=100)),
    "intervals": lambda X: delineator().intervals(X[:, 1]),
    "predict_wave_proba": lambda X: delineator().predict_wave_proba(X[:, 1]),
    "waves_from_proba": lambda X: decode(X[:, 1]),
    "waves_from_proba of leads": lambda X: decode(X),
    "detect_r_peaks": lambda X: detect_r_peaks(X[0], fs=FS),
    "extract_beats": lambda X: beats(X, side_features=SIDE_FEATURES),
    **{f"extract_beats {scale}": lambda X, scale=scale: beats(X, scale=scale) for scale in ("beat", "record", "late")},
    "extract_beats unfiltered": lambda X: beats(X, bandpass=None, n_timepoints=50, side_features=SIDE_FEATURES),
    "extract_beats between samples": lambda X: beats(X, bandpass=None, window=(0.3, 0.4)),
    "ECGFilter": ECGFilter(fs=FS, notch=50, baseline="median").fit_transform,
    "ECGResampler": ECGResampler(fs=FS, fs_out=100).fit_transform,
    "ECGResampler to a measured fs": ECGResampler(fs=FS, fs_out=100.01).fit_transform,
    **{f"ECGScaler {by}": ECGScaler(by=by).fit_transform for by in ("lead", "record", "beat")},
    **{f"ECGScaler {method}": ECGScaler(method=method).fit_transform for method in ("robust", "minmax", "max")},
    "LeadConverter": LeadConverter(lead_names=("I", "II"), leads_out=("III", "aVR", "aVF")).fit_transform,
    "BeatSegmenter": BeatSegmenter(fs=FS, side_features=("amplitude", "log_rr")).fit_transform,
    "BeatSegmenter deviation": BeatSegmenter(fs=FS, deviation="late", flatten=True).fit_transform,
    **{
        f"ImpulseTrainExtractor {method}": ImpulseTrainExtractor(fs=FS, method=method).fit_transform
        for method in ("energy", "peaks", "fixed_period")
    },
    "flatten_leads": lambda X: unflatten_leads(flatten_leads(X), N_LEADS)[0],
    "ECGRecord": lambda X: ECGRecord("r", X[0], FS, ("I", "II")).select_leads("II").signal,
    "fit WaveDelineator": fitted(DELINEATORS["WaveDelineator-resampled"], "predict_proba"),
    "CNNClassifier": fitted(CLASSIFIERS["CNNClassifier"], "predict_proba"),
    "ResNetClassifier": fitted(CLASSIFIERS["ResNetClassifier"], "predict_proba"),
    "ECGSLClassifier": lambda X: fitted(next(iter(BEAT_SEQUENCES.values())), "predict_proba")(X[:, :, :200]),
    "IntervalRegressor": fitted(REGRESSORS["IntervalRegressor-resnet"], "predict"),
    "ConvAutoencoder": fitted(AUTOENCODERS["ConvAutoencoder"], "transform"),
    "ConvAutoencoder score": lambda X: of_network(AUTOENCODERS["ConvAutoencoder"]).fit(X).score(X),
    "AdaptedClassifier": lambda X: adapted(X),
    "PeriodicVAE": fitted(AUTOENCODERS["PeriodicVAE"], "transform", fs=FS),
    "GANSampler": drawn_rows,
    "count_waves": lambda X: [(count.qrs, count.t, count.p) for count in count_waves(X[:2, 1], fs=FS)],
    "path_report": of_path,
    "wave_drift": lambda X: wave_drift(X[:3, 1], fs=FS).place,
    "transport_path": lambda X: transport_path(X[0, 1], X[1, 1], 3, fs=FS),
    "linear_path": lambda X: linear_path(X[0, 1], X[1, 1], 3),
    "squared_mmd": of_rows(lambda X, Z: squared_mmd(X, Z, bandwidth=3e4)),
    "median_bandwidth": lambda X: median_bandwidth(rows(X), random_state=0),
    "mmd_report": of_rows(
        lambda X, Z: mmd_report(X, Z, groups=np.arange(4), n_splits=3, random_state=0).to_dict()["squared"]["estimate"]
    ),
    "diversity": of_rows(lambda X, Z: list(diversity(X, Z, random_state=0).to_dict().values())),
    "memorisation": of_rows(lambda X, Z: list(memorisation(X, Z, X[::-1]).to_dict().values())),
    "white_noise_like": lambda X: white_noise_like(rows(X), n_leads=N_LEADS, random_state=0),
    "phase_randomised": lambda X: phase_randomised(rows(X), n_leads=N_LEADS, random_state=0),
    "saliency": lambda X: saliency(classifier(), X),
    "grad_cam": lambda X: grad_cam(classifier(), X),
    "BeatClassDisplay": drawn_beats,
    "SaliencyDisplay": drawn_relevance,
}


def assert_same(found, expected):
    """Of arrays, numbers, and lists of such; to the rounding of single precision."""
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    elif isinstance(expected, dict):
        assert_same(list(found.values()), list(expected.values()))
    elif expected is not None:
        size = np.nanmax(np.abs(np.asarray(expected, dtype=np.float64)), initial=0)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * size)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("entry", ENTRIES)
def test_the_type_of_the_numbers_does_not_matter(entry, kind):
    signals = TYPES[kind](records()[0])
    assert_same(ENTRIES[entry](signals), ENTRIES[entry](signals.astype(np.float64, order="C")))


def marks_of(dtype):
    """Waves of a record with their times in another type; -1, no boundary, where the type has it."""
    waves = records()[1][0]
    waves = waves[(waves["onset"] >= 0) & (waves["offset"] >= 0)]
    kind = np.dtype([("wave", "U3"), *((mark, dtype) for mark in ("onset", "peak", "offset"))])
    return waves.astype(kind)


OF_MARKS = {
    "wave_masks": lambda marks: wave_masks([marks], 768),
    "wave_intervals": lambda marks: wave_intervals([marks], fs=FS),
    "merge_waves": lambda marks: waves_as_columns([merge_waves([marks, marks[::-1]], fs=FS)]),
    "fiducial_report": lambda marks: list(fiducial_report([marks], [marks[::-1]], fs=FS).errors.values()),
    "fiducial_report of later ones": lambda marks: list(fiducial_report([marks[2:]], [marks], fs=FS).errors.values()),
    "match_beats": lambda marks: match_beats(marks["peak"], marks["onset"], fs=FS).pairs,
    "extract_beats": lambda marks: extract_beats(records()[0][0], peaks_of(marks), fs=FS).data,
    "periodicity": lambda marks: list(periodicity([peaks_of(marks)], fs=FS, n_timepoints=768).to_dict().values()),
    "rr_distance": lambda marks: rr_distance(peaks_of(marks), marks["onset"], random_state=0).distance.estimate,
}


def peaks_of(marks):
    return marks["peak"][marks["wave"] == "QRS"]


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.uint32, np.uint64, np.int32, ">i4"])
@pytest.mark.parametrize("entry", OF_MARKS)
def test_the_type_of_the_times_does_not_matter(entry, dtype):
    assert_same(OF_MARKS[entry](marks_of(dtype)), OF_MARKS[entry](marks_of(np.int64)))
