"""What the benchmark of intervals compares is what it says it compares."""

from argparse import Namespace

import numpy as np
import pytest

from benchmarks.intervals import data, delineators, models, robustness
from sklearn_ecg.datasets import make_ecg
from sklearn_ecg.preprocessing import WAVE_DTYPE, wave_masks


@pytest.fixture(scope="module")
def ludb():
    """Six records like those of LUDB."""
    records = [make_ecg(4, fs=500, leads="all", heart_rate=60 + 5 * seed, random_state=seed) for seed in range(6)]
    signal = np.stack([record.signal for record in records])
    return data.Ludb(signal, [record.fiducials for record in records], np.array(list("abcdef")))


class Echo:
    """A model that finds the marks of the record and the lead that its first lead is."""

    def __init__(self, ludb):
        self.ludb = ludb

    def delineate(self, rows):
        found = []
        for row in rows:
            place, lead = np.argwhere((self.ludb.signal == row[0]).all(axis=2))[0]
            found.append(self.ludb.marks[place][data.LEADS[lead]])
        return found


def test_no_patient_is_trained_on_and_tested():
    patient = np.repeat(np.arange(10), 2)
    tested = []
    for train, test in data.folds(patient, seed=0):
        assert not set(patient[train]) & set(patient[test])
        tested += test.tolist()
    assert sorted(tested) == list(range(20))


def test_waves_beyond_the_marks_do_not_count():
    waves = np.array([("P", 0, 5, 9), ("QRS", 20, 25, 30), ("T", 40, 50, 60)], dtype=WAVE_DTYPE)
    marks = np.array([("QRS", 22, 26, 49)], dtype=WAVE_DTYPE)
    assert data.within(waves, marks)["wave"].tolist() == ["QRS"]
    assert len(data.within(waves, marks[:0])) == 0


@pytest.mark.parametrize("kind, n_rows, n_leads", [("single", 24, 1), ("beside", 24, 9), ("eight", 2, 8)])
def test_rows_and_masks_belong_together(ludb, kind, n_rows, n_leads):
    places = np.array([4, 1])
    rows, masks = models.signals_of(ludb, kind, places), models.masks_of(ludb, kind, places)
    assert rows.shape == (n_rows, n_leads, 2000)
    assert masks.shape == (n_rows, 2000)
    if kind == "eight":
        np.testing.assert_array_equal(masks, wave_masks([ludb.merged[4], ludb.merged[1]], 2000))
        return
    place, lead = 1, data.LEADS.index("V2")
    np.testing.assert_array_equal(rows[len(data.LEADS) + lead, 0], ludb.signal[place, lead])
    np.testing.assert_array_equal(masks[len(data.LEADS) + lead], wave_masks([ludb.marks[place]["V2"]], 2000)[0])
    if kind == "beside":
        np.testing.assert_array_equal(rows[len(data.LEADS) + lead, 1:], ludb.leads(data.EIGHT)[place])


def test_leads_are_merged_record_by_record(ludb, monkeypatch):
    monkeypatch.setattr(models, "fit", lambda *_: Echo(ludb))
    args = Namespace(seed=0)
    found = models.out_of_fold(ludb, ("single",), args)
    for waves, marks in zip(found, ludb.waves("II"), strict=True):
        np.testing.assert_array_equal(waves, marks)
    merged = models.lead_by_lead(ludb, {"single": Echo(ludb)}, np.arange(6))
    for waves, marks in zip(merged, ludb.waves("global"), strict=True):
        np.testing.assert_array_equal(waves, marks)


def test_a_delineator_that_finds_the_marks_makes_no_errors(ludb):
    scores = delineators.judge(ludb, "II", {"marks": ludb.waves("II")}, seed=0)
    assert list(scores) == [delineators.MEDIAN, "marks"]
    assert all(scores["marks"][name].high == 0 for name in ("heart_rate", "pr", "qrs", "qt"))
    assert scores[delineators.MEDIAN]["heart_rate"].estimate > 1
    assert scores["marks"]["pr_without_p"] == 0
    assert delineators.cells(scores["marks"])[0] == "0.00 [0.00, 0.00]"


def test_noise_has_the_power_it_is_said_to_have():
    signals = np.random.default_rng(0).normal(3.0, 2.0, size=(2, 5000))
    for kind in robustness.KINDS:
        noise = robustness.add_noise(signals, kind=kind, decibel=10, seed=0) - signals
        np.testing.assert_allclose(10 * np.log10(signals.var(axis=1) / (noise**2).mean(axis=1)), 10, atol=0.3)


def test_clipping_leaves_half_of_the_largest_deviation():
    clipped = robustness.clip(np.array([[0.0, 0.0, 0.0, 1.0, -4.0]]))
    assert clipped.tolist() == [[0.0, 0.0, 0.0, 1.0, -2.0]]
