"""Windows and cycles of the benchmark of representation: which samples, of whose record."""

import numpy as np

from benchmarks.representation.data import CYCLE, LEADS, WINDOW, Records, cycles, split_patients, windows

N_TIMEPOINTS = 1280


def make_records():
    """Two records whose values tell the record, the lead and the sample."""
    record, lead, time = np.ogrid[:2, : len(LEADS), :N_TIMEPOINTS]
    signal = 1e6 * record + 1e4 * lead + time
    return Records(signal, np.array(["a", "b"]), [np.array([10, 64, 700, 1216, 1217]), np.array([100])])


def test_windows_are_those_of_their_leads_and_patients():
    rows, patient = windows(make_records(), ("V6", "I"), 128)
    assert rows.shape == (2 * 2 * 7, WINDOW)
    assert (np.diff(rows, axis=1) == 1).all()
    assert (rows[:, 0] // 1e6 == (patient == "b")).all()
    lead, time = np.divmod(rows[:, 0] % 1e6, 1e4)
    assert lead.reshape(2, 2, 7)[:, :, 0].tolist() == [[LEADS.index("V6"), 0]] * 2
    assert time.reshape(4, 7).tolist() == [list(range(0, 769, 128))] * 4


def test_cycles_lie_around_their_peaks_within_the_record():
    rows, patient = cycles(make_records(), ("V6",))
    assert list(patient) == ["a", "a", "a", "b"]
    assert (rows[:, CYCLE // 2] % 1e4).tolist() == [64, 700, 1216, 100]
    assert (np.diff(rows, axis=1) == 1).all()
    assert (rows[:, 0] // 1e6 == (patient == "b")).all()


def test_patients_are_parted_without_overlap():
    patient = np.repeat(np.arange(50), 2)
    parts = split_patients(patient, 0)
    assert [len(part) for part in parts] == [32, 8, 10]
    assert sorted(np.concatenate(parts)) == list(range(50))
    assert not np.array_equal(split_patients(patient, 1)[2], parts[2])
    train = make_records().of(["b"])
    assert list(train.patient) == ["b"]
    assert train.signal[0, 0, 0] == 1e6
    assert train.peaks[0].tolist() == [100]
