"""BeatSegmenter: what sets a beat apart in its record, as leads and as side features."""

import numpy as np
import pytest

from sklearn_ecg.segmentation import BeatSegmenter
from sklearn_ecg.signals._validation import flatten_leads, signal_feature_names

from .test_segmentation import on_a_ramp, segmenter


@pytest.fixture
def X():
    return on_a_ramp()


def pulses(*records, n_timepoints=700):
    """Records of zeros with pulses of height one."""
    signals = np.zeros((len(records), n_timepoints))
    for signal, peaks in zip(signals, records, strict=True):
        signal[peaks] = 1.0
    return signals


def test_deviation_from_the_median_beat(X):
    how = {"side_features": ("amplitude",)}
    plain, both = segmenter(**how).fit_transform(X), segmenter(**how, deviation="median").fit_transform(X)
    beats, deviation, amplitude = np.split(both, [70, 140], axis=2)
    np.testing.assert_array_equal(np.concatenate([beats, amplitude], axis=2), plain)
    np.testing.assert_allclose(deviation[0], beats[0] - np.median(beats[0], axis=0), rtol=0, atol=1e-15)
    np.testing.assert_allclose(deviation[1, :2], beats[1, :2] - beats[1, :2].mean(axis=0), rtol=0, atol=1e-15)
    assert np.isnan(deviation[2]).all()


def test_late_beats_are_usual_even_where_premature_ones_are_the_majority():
    peaks = 50 + np.cumsum([0, 60, 60, 120, 60, 60, 120, 60, 60, 120])
    late = np.isin(np.arange(10), [3, 6, 9])
    records = pulses(peaks, n_timepoints=900)
    records[0, peaks[~late] + 10], records[0, peaks[late] + 20] = 0.4, 0.3  # of two shapes
    by_median, by_late = (
        np.split(segmenter(deviation=kind).fit_transform(records)[0], 2, axis=1)[1] for kind in ("median", "late")
    )
    np.testing.assert_allclose(np.abs(by_median).max(axis=1), np.where(late, 0.4, 0.0))
    np.testing.assert_allclose(np.abs(by_late).max(axis=1), np.where(late, 0.0, 0.4))


@pytest.mark.parametrize("kind", ["median", "late"])
def test_deviation_does_not_depend_on_the_number_of_beats_kept(X, kind):
    all_beats, first = (segmenter(deviation=kind, n_beats=n).fit_transform(X) for n in (4, 1))
    np.testing.assert_array_equal(first[:, 0], all_beats[:, 0])


@pytest.mark.parametrize("kind", ["median", "late"])
def test_a_single_beat_does_not_differ_from_itself(X, kind):
    X[1, 220] = 0.0
    beats = segmenter(deviation=kind).fit_transform(X)
    assert not beats[1, 0, 70:].any() and np.isnan(beats[1, 1:]).all()


def test_deviations_are_leads_of_their_own(X):
    rows = flatten_leads(np.stack([X, 2 * X], axis=1))
    fitted = segmenter(deviation="median", n_leads=2, n_beats=4).fit(rows)
    assert (fitted.layout_out_.n_leads, fitted.layout_out_.n_timepoints) == (4, 70)
    names = fitted.get_feature_names_out(signal_feature_names(["II", "V1"], 400))[: 4 * 70 : 70]
    assert names.tolist() == [f"{lead}_0000_beat000" for lead in ("II", "V1", "II_deviation", "V1_deviation")]
    beats = fitted.transform(rows)
    np.testing.assert_allclose(beats[:, :, 210:], 2 * beats[:, :, 140:210], rtol=0, atol=1e-12)


def test_rr_features_tell_irregular_rhythms():
    records = pulses([50, 150, 250, 350, 450, 550, 650], [50, 150, 200, 350, 450, 550, 650])
    names = ("log_rr_previous_to_next", "log_rr_spread")
    ratio, spread = np.moveaxis(
        segmenter(side_features=names, window=(0.1, 0.1)).fit_transform(records)[..., -2:], 2, 0
    )
    np.testing.assert_allclose(ratio, np.log([[1] * 7, [1, 2, 50 / 150, 1.5, 1, 1, 1]]), atol=1e-12)
    assert (spread[0] == 0).all()
    np.testing.assert_allclose(spread[1], np.log([100, 100, 50, 150, 100, 100, 100]).std(), rtol=1e-12)


def test_amplitude_beside_the_median_of_the_record():
    peaks = [50, 150, 250, 350]
    records = pulses(peaks, peaks, [], n_timepoints=400)
    records[0, 150], records[1, 350] = 2.0, 1e6
    cut = BeatSegmenter(fs=100, side_features=("log_amplitude_to_record",), detector=lambda signal, fs: np.array(peaks))
    found = cut.fit_transform(records)[:, :, -1]
    np.testing.assert_allclose(found, np.log([[1, 2, 1, 1], [1, 1, 1, 100], [1, 1, 1, 1]]), atol=1e-12)
