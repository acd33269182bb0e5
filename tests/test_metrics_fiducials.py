"""Scores of wave boundaries: drawn scenarios worked by hand, what nobody labelled, and real marks."""

import json

import numpy as np
import pytest

from sklearn_ecg.datasets import fetch_ludb, make_ecg
from sklearn_ecg.metrics import FIDUCIALS, fiducial_report

DTYPE = [("wave", "U3"), ("onset", np.int64), ("peak", np.int64), ("offset", np.int64)]


def waves(*rows):
    return np.array(list(rows), dtype=DTYPE)


BEAT = (("P", 50, 60, 70), ("QRS", 100, 110, 120), ("T", 180, 210, 240))


def test_errors_by_hand():
    """At 500 Hz a sample is 2 ms."""
    later = tuple((wave, *(at + 400 for at in times)) for wave, *times in BEAT)
    found = waves(
        ("P", 48, 60, 71), ("QRS", 101, 110, 124), ("T", 180, 215, 230),
        ("P", 452, 460, 470), ("QRS", 500, 510, 520), ("T", 580, 610, 645),
    )  # fmt: skip
    report = fiducial_report([waves(*BEAT, *later)], [found], fs=500)
    assert report.errors["P_onset"].tolist() == [-4, 4] and report.errors["QRS_offset"].tolist() == [8, 0]
    assert report.mean["P_onset"] == 0 and report.sd["P_onset"] == pytest.approx(32**0.5)
    assert report.mean["T_offset"] == -5 and report.sd["T_offset"] == pytest.approx(450**0.5)  # -20 and 10
    assert report.mean["T_peak"] == 5 and report.mean["QRS_onset"] == 1
    assert set(report.sensitivity.values()) == set(report.ppv.values()) == {1.0}
    assert report.within_cse == {"P_onset": 1, "P_offset": 1, "QRS_onset": 1, "QRS_offset": 1, "T_offset": 1}


def test_misses_and_false_detections():
    reference = waves(*BEAT, ("QRS", 500, 510, 520))
    found = waves(("QRS", 100, 110, 120), ("P", 300, 310, 320), ("QRS", 500, 510, 520))
    report = fiducial_report([reference], [found], fs=500)
    assert report.n_missed["P_onset"] == 1 and report.n_false["P_onset"] == 1  # 0.5 s apart: no pair
    assert report.sensitivity["P_peak"] == 0 and report.ppv["P_peak"] == 0
    assert report.sensitivity["QRS_offset"] == 1 and report.sensitivity["T_onset"] == 0
    assert np.isnan(report.ppv["T_onset"]) and np.isnan(report.mean["T_onset"]) and np.isnan(report.sd["T_onset"])


@pytest.mark.parametrize(("distance", "n_found"), [(75, 1), (76, 0)])
def test_the_tolerance_is_150_ms(distance, n_found):
    reference, found = (waves(("QRS", -1, at, -1), ("QRS", -1, 1000, -1)) for at in (200, 200 + distance))
    report = fiducial_report([reference], [found], fs=500)
    assert report.n_found["QRS_peak"] == n_found + 1 and report.n_missed["QRS_peak"] == 1 - n_found
    assert fiducial_report([reference], [found], fs=500, tolerance=0.2).n_found["QRS_peak"] == 2


def test_one_to_one():
    found = waves(("QRS", 90, 100, 110), ("QRS", 99, 109, 119))
    report = fiducial_report([waves(*BEAT)], [found], fs=500)
    assert report.n_found["QRS_onset"] == 1 and report.n_false["QRS_onset"] == 1
    assert report.errors["QRS_onset"].tolist() == [-2]


def test_beyond_the_labelled_span_nothing_is_false():
    """A record of LUDB: it begins and ends with a QRS whose P, or T, nobody labelled."""
    reference = waves(("QRS", 100, 110, 120), ("T", 180, 210, 240), ("P", 450, 460, 470), ("QRS", 500, 510, 520))
    found = waves(*BEAT, ("P", 450, 460, 470), ("QRS", 498, 510, 525), ("T", 580, 610, 640))
    report = fiducial_report([reference], [found], fs=500)
    assert sum(report.n_false.values()) == sum(report.n_missed.values()) == 0
    assert report.errors["QRS_offset"].tolist() == [0, 10]  # past the last mark, and yet its pair
    inside = fiducial_report([reference], [waves(*found.tolist(), ("P", 300, 310, 320))], fs=500)
    assert inside.n_false["P_peak"] == 1


def test_a_boundary_that_nobody_marked_is_not_scored():
    """Record 104 of LUDB: peaks of QRS without boundaries."""
    reference = waves(("P", 50, 60, 70), ("QRS", -1, 110, -1), ("T", 180, 210, 240))
    report = fiducial_report([reference], [waves(*BEAT)], fs=500)
    assert report.n_false["QRS_onset"] == report.n_missed["QRS_onset"] == report.n_found["QRS_onset"] == 0
    assert np.isnan(report.sensitivity["QRS_onset"]) and report.n_found["QRS_peak"] == 1


def test_a_detector_of_peaks_alone_misses_the_boundaries():
    report = fiducial_report([waves(*BEAT)], [waves(("QRS", -1, 110, -1))], fs=500)
    assert report.sensitivity["QRS_peak"] == 1 and report.sensitivity["QRS_onset"] == 0
    assert report.n_false["QRS_onset"] == 0


def test_records_are_pooled_and_not_mixed():
    reference = [waves(("QRS", 100, 110, 120)), waves(), waves(("QRS", 300, 310, 320))]
    found = [waves(("QRS", 101, 111, 121)), waves(*BEAT), waves(("QRS", 301, 310, 319))]
    report = fiducial_report(reference, found, fs=1000)
    assert report.errors["QRS_offset"].tolist() == [1, -1]
    assert sum(report.n_false.values()) == 0  # a record without marks has no labelled span


def test_printed_and_plain():
    report = fiducial_report([waves(*BEAT)], [waves(("QRS", 101, 110, 120))], fs=500)
    lines = str(report).splitlines()
    assert lines[0].split() == ["marks", "Se", "+P", "mean", "ms", "SD", "ms", "in", "CSE"]
    assert [line.split()[0] for line in lines[1:]] == list(FIDUCIALS)
    assert lines[4].split() == ["QRS_onset", "1", "100.00%", "100.00%", "2.0", "-", "100.0%"]
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["sd"]["QRS_onset"] is None and plain["n_missed"]["T_peak"] == 1 and plain["mean"]["QRS_onset"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"detected": []}, r"reference has 1 record\(s\), but detected has 0"),
        ({"detected": [np.zeros(3)]}, "detected must hold structured arrays with the fields wave, onset"),
        ({"detected": [waves(("U", 1, 2, 3))]}, r"waves called P, QRS and T, got \['U'\]"),
        ({"reference": waves(BEAT[0]), "detected": waves(BEAT[0])}, "reference must hold a 1-D array for each record"),
        ({"fs": 0}, "fs must be positive"),
        ({"tolerance": -1}, "tolerance must be a number of seconds"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        fiducial_report(**{"reference": [waves(*BEAT)], "detected": [waves(*BEAT)], "fs": 500, **arguments})


def test_synthetic_marks_moved():
    record = make_ecg(20, fs=500, random_state=0)
    marks = record.fiducials["II"]
    late = marks.copy()
    for mark in ("onset", "peak", "offset"):
        late[mark] = np.where(marks[mark] < 0, -1, marks[mark] + 3)
    report = fiducial_report([marks], [late], fs=500)
    assert report.mean == pytest.approx(dict.fromkeys(FIDUCIALS, 6.0)) and set(report.sensitivity.values()) == {1.0}


def test_cardiologists_in_two_leads(data_home):
    if not (data_home / "ludb" / "data" / "104.hea").is_file():
        pytest.skip("no LUDB in the data home")
    bunch = fetch_ludb(data_home=data_home, download_if_missing=False, records=[1, 2, 3, 104])
    two, five = ([marks[lead] for marks in bunch.boundaries] for lead in ("II", "V5"))
    same, other = (fiducial_report(two, detected, fs=500) for detected in (two, five))
    assert set(same.sensitivity.values()) == {1.0} and set(same.mean.values()) == {0.0}
    assert min(other.sensitivity.values()) > 0.95 and 2 < other.sd["QRS_onset"] < 20
