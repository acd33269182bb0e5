import numpy as np

from benchmarks._kept import kept
from benchmarks.generation import data, leads
from benchmarks.generation.generators import thinned
from sklearn_ecg.datasets import make_ecg


def test_windows_are_cut_with_their_beats():
    records = [make_ecg(10, fs=data.FS, heart_rate=75, random_state=seed) for seed in range(3)]
    signals = np.concatenate([record.signal for record in records])
    signals[2, 100] = 10  # an artefact, in the first window of the third record
    windows = data.cut(signals, [record.peaks for record in records], np.array(["a", "b", "c"]), data.STARTS[:2])
    assert windows.patient.tolist() == ["a", "b", "a", "b", "c"]
    np.testing.assert_allclose(windows.X.std(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(
        windows.peaks[2] + data.STARTS[1], np.intersect1d(records[0].peaks, np.arange(1250, 2250))
    )
    beats, window = data.cut_beats(windows.X, windows.peaks)
    assert beats.shape == (len(window), data.BEAT["n_timepoints"])
    assert np.all(np.argmax(beats, axis=1) == round(data.BEAT["window"][0] * 120))
    rr, of_window = data.rr_of(windows.peaks)
    assert np.all(np.abs(rr - 800) < 80) and np.bincount(of_window).tolist() == [len(at) - 1 for at in windows.peaks]


def test_rhythms_and_their_trains():
    rhythms = leads.draw_rhythm(20, 75, 5)
    assert all(4 <= len(at) <= 7 for at in rhythms)
    assert [at.tolist() for at in rhythms] == [at.tolist() for at in leads.draw_rhythm(20, 75, 5)]
    trains = leads.place_pulses(rhythms, np.array([0.5, 1, 0.25]))
    at = rhythms[0][1]
    assert trains[0, at - 1 : at + 2].tolist() == [0.5, 1, 0.25]
    assert trains.shape == (20, data.WIDTH)


def test_thinned_keeps_rare_classes():
    y = np.repeat(["N", "S"], [50, 3])
    X, labels = thinned(np.arange(53)[:, None], y, 10, 0)
    assert labels.tolist() == ["N"] * 10 + ["S"] * 3 and X[-3:, 0].tolist() == [50, 51, 52]


def test_kept_is_made_once(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks._kept.CHECKPOINTS", tmp_path)
    calls = []
    make = lambda: calls.append(1) or len(calls)  # noqa: E731
    assert [kept("b", "n", "k", make, resume=resume) for resume in (True, True, False)] == [1, 1, 2]
    assert kept("b", "n", "other", make, resume=True) == 3
