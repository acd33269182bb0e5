import numpy as np
import pytest

from benchmarks.ecgsl import attention, data, models, places, saliency
from sklearn_ecg.datasets import make_ecg


def test_columns_of_segments_know_their_samples():
    records = [make_ecg(data.SECONDS, fs=data.FS, ectopic={"V": 0.3}, random_state=seed) for seed in range(2)]
    raw = data.prepare(np.concatenate([record.signal for record in records]).astype(np.float32))
    times, beats = places.sample_times(raw), data.cut(raw)
    np.testing.assert_array_equal(np.isnan(times[:, :, 0]), np.isnan(beats[:, :, 0]))
    for record, window, of_window, segments in zip(records, raw, times, beats, strict=True):
        present = ~np.isnan(of_window[:, 0])
        seen = np.interp(of_window[present], np.arange(len(window)), window)
        np.testing.assert_allclose(seen, segments[present, : models.N_TIMEPOINTS], atol=1e-5)
        distances = np.abs(of_window[present, places.R_COLUMN, None] - record.peaks).min(axis=1)
        assert distances.max() < 0.05 * data.FS


def test_segments_cut_in_another_way_are_refused():
    signal = make_ecg(data.SECONDS, fs=data.FS, random_state=0).signal.astype(np.float32)
    raw = data.prepare(signal)
    beats = data.cut(raw)
    windows = data.Windows(raw, beats[:, ::-1], *np.array([["N"], ["N"], ["100"]]), np.zeros(1))
    with pytest.raises(ValueError, match="another way"):
        places.times_of(windows)


@pytest.mark.parametrize("target, place", [("NNVN", 2), ("SNNN", 0), ("NVNS", None), ("NNNN", None), ("VNNV", None)])
def test_only_ectopic(target, place):
    assert attention.only_ectopic(np.array(list(target))) == place


def test_matched_segment():
    reference = np.array([20, 400, 700, 1060])
    assert attention.matched_segment(reference, 2, np.array([404, 754, 1060])) == 1  # 54 samples are 150 ms
    assert attention.matched_segment(reference, 2, np.array([404, 755, 1060])) is None
    assert attention.matched_segment(reference, 0, np.array([404, 700, 1060])) is None  # its segment is not complete
    assert attention.matched_segment(np.array([400, 430]), 1, np.array([410])) is None  # is that of the beat before


def test_measure_of_attention():
    weights = np.array([[0.5, 0.25, 0.25, 0, 0], [0.1, 0.2, 0.3, 0.4, 0], [0.25, 0.25, 0.25, 0.25, 0]])
    found = attention.measure(weights, np.array([0, 2, 3]), np.array([3, 4, 4]))
    assert found["largest on it"].tolist() == [True, False, False]
    assert found["largest on it or a neighbour"].tolist() == [True, True, False]
    np.testing.assert_allclose(found["largest on it, chance"], [1 / 3, 1 / 4, 1 / 4])
    np.testing.assert_allclose(found["largest on it or a neighbour, chance"], [2 / 3, 3 / 4, 2 / 4])
    np.testing.assert_allclose(found["weight on it"], [0.5, 0.3, 0.25])
    np.testing.assert_allclose(found["weight on the beat before"], [np.nan, 0.2, 0.25])
    np.testing.assert_allclose(found["weight on the beat after"], [0.25, 0.4, np.nan])
    np.testing.assert_allclose(found["entropy"], [1.5 * np.log(2) / np.log(3), 0.92322, 1], rtol=1e-5)


def test_edges_lie_half_way_between_segments():
    np.testing.assert_allclose(
        attention.edges_between(np.array([0, 9, 21]), np.array([10, 20, 30])), [0, 9.5, 20.5, 30]
    )


@pytest.fixture
def times(monkeypatch):
    """Two segments of 64 columns, of 9 ms and of 21 ms each, and one that is none."""
    monkeypatch.setattr(places, "R_COLUMN", 22)
    from_r_peak = np.arange(-22, 42) * data.FS
    return np.stack([1000 + 0.009 * from_r_peak, 2000 + 0.021 * from_r_peak, np.full(64, np.nan)])[None]


def test_which_wave(times):
    waves = saliency.which_wave(times)
    assert [(waves[0, 0] == wave).sum() for wave in range(-1, 5)] == [0, 16, 13, 11, 24, 0]
    assert [(waves[0, 1] == wave).sum() for wave in range(-1, 5)] == [0, 8, 5, 5, 12, 34]
    assert (waves[0, 2] == -1).all()


def test_density_of_even_relevance_is_one(times):
    even = np.broadcast_to(saliency.column_seconds(times)[:, :, None], times.shape)
    np.testing.assert_allclose(saliency.densities(even, times), 1)


def test_density_of_relevance_on_one_wave(times):
    relevance = np.where(saliency.which_wave(times) == 1, 1.0, 0.0)
    of_time = (13 * 0.009 + 5 * 0.021) / (64 * 0.009 + 64 * 0.021)
    np.testing.assert_allclose(saliency.densities(relevance, times), [[0, 1 / of_time, 0, 0, 0]])
    assert np.isnan(saliency.densities(0 * relevance, times)).all()
    assert np.isnan(saliency.densities(relevance[:, :1], times[:, :1])[0, 4])  # too short for anything else


def test_relevance_is_read_at_columns():
    columns = np.array([[[0.0, 1.5], [np.nan, np.nan]]])
    np.testing.assert_allclose(saliency.at_columns(np.array([[2.0, 4.0, 8.0]]), columns), [[[2, 6], [np.nan] * 2]])


def test_windows_are_taken_evenly():
    assert saliency.evenly(np.array(["b", "a", "b", "b", "b", "b"]), 3).tolist() == [1, 0, 3, 5]
