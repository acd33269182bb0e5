"""Intervals from waves: beats worked by hand, leads merged, and the figures of LUDB."""

import numpy as np
import pytest

from sklearn_ecg.datasets import fetch_ludb, make_ecg
from sklearn_ecg.metrics import interval_report
from sklearn_ecg.preprocessing import corrected_qt, merge_waves, wave_intervals
from sklearn_ecg.signals._annotations import INDEPENDENT_LEADS, STANDARD_LEADS

DTYPE = [("wave", "U3"), ("onset", np.int64), ("peak", np.int64), ("offset", np.int64)]


def waves(*rows):
    return np.array(list(rows), dtype=DTYPE)


def beat(at, pr=80, qrs=45, qt=200):
    """A beat at 500 Hz whose QRS begins at sample ``at``; intervals in samples of 2 ms."""
    return (
        ("P", at - pr, at - pr + 20, at - pr + 40),
        ("QRS", at, at + 20, at + qrs),
        ("T", at + qt - 80, at + qt - 40, at + qt),
    )


def test_medians_by_hand():
    marks = waves(*beat(200, 80, 45, 200), *beat(600, 85, 50, 190), *beat(1050, 70, 41, 210), *beat(1450, 81, 47, 201))
    # RR 400, 450, 400 samples, median 0.8 s; PR 160, 170, 140, 162; QRS 90, 100, 82, 94; QT 400, 380, 420, 402 ms
    np.testing.assert_allclose(wave_intervals([marks], fs=500), [[75, 161, 92, 401]])
    np.testing.assert_allclose(wave_intervals([marks[::-1]], fs=500), [[75, 161, 92, 401]])
    np.testing.assert_allclose(wave_intervals([marks], fs=250), [[37.5, 322, 184, 802]])


def test_what_is_missing_is_nan():
    without_p = waves(*(wave for at in (200, 600) for wave in beat(at)[1:]))
    one = waves(*beat(200))
    peaks = waves(("QRS", -1, 100, -1), ("QRS", -1, 600, -1))
    expected = [[75, np.nan, 90, 400], [np.nan, 160, 90, 400], [60, np.nan, np.nan, np.nan], [np.nan] * 4]
    np.testing.assert_allclose(wave_intervals([without_p, one, peaks, waves()], fs=500), expected)
    assert wave_intervals([], fs=500).shape == (0, 4)


def test_waves_go_with_their_beat():
    """A P wave that is not conducted, a T wave nobody marked, a P without onset."""
    marks = waves(*beat(200)[:2], ("P", 300, 310, 320), *beat(900), ("P", -1, 1520, 1540), *beat(1600)[1:])
    # PR of the beats 1 and 2 only; the beat at 900 takes the P at 820, not the one at 300; QT of the beats 2 and 3
    np.testing.assert_allclose(wave_intervals([marks], fs=500), [[60 / 1.4, 160, 90, 400]])
    alone = waves(("P", 300, 310, 320), *beat(400)[1:])
    assert wave_intervals([alone], fs=500)[0, 1] == 200


def test_leads_are_merged_from_earliest_to_latest():
    two = waves(("P", 52, 60, 70), ("QRS", 100, 110, 120), ("T", 180, 200, 240), ("QRS", 500, 510, 520))
    five = waves(("P", 50, 61, 72), ("QRS", 97, 112, 119), ("T", 185, 215, -1), ("QRS", 503, 509, 526))
    third = waves(("QRS", -1, 108, 124))
    expected = [("P", 50, 60, 72), ("QRS", 97, 110, 124), ("T", 180, 208, 240), ("QRS", 500, 510, 526)]
    for leads in ([two, five, third], {"II": two, "V5": five, "III": third}):
        assert merge_waves(leads, fs=500).tolist() == expected
    assert merge_waves([two], fs=500).tolist() == two.tolist()
    assert merge_waves([waves(), waves()], fs=500).tolist() == []


def test_fields_of_any_order_and_number_are_merged_by_name():
    one = waves(*beat(200))
    wider = np.empty(
        len(one), dtype=[("offset", np.int32), ("peak", int), ("lead", "U3"), ("wave", "U5"), ("onset", int)]
    )
    for name in one.dtype.names:
        wider[name] = one[name]
    for leads in ([wider], [one, wider], [wider, one]):
        np.testing.assert_array_equal(merge_waves(leads, fs=500), one)


def test_beats_are_not_merged_with_each_other():
    quick = waves(("QRS", 90, 100, 110), ("QRS", 150, 160, 170))  # 0.12 s apart
    assert merge_waves([quick, quick], fs=500).tolist() == quick.tolist()
    apart = waves(("QRS", 90, 100, 110)), waves(("QRS", 166, 176, 186))
    assert len(merge_waves(apart, fs=500)) == 2


def test_synthetic_intervals():
    record = make_ecg(20, fs=500, heart_rate=75, heart_rate_std=0, leads=["II", "V5"], random_state=0)
    one = wave_intervals([record.fiducials["II"]], fs=500)
    np.testing.assert_array_equal(wave_intervals([merge_waves(record.fiducials, fs=500)], fs=500), one)
    # ECGSYN at 75 bpm: T ends at 100° · (75/60)^¼ + 2 · 0.4 · √(75/60) rad, Q begins at -(15° + 0.2 rad) · √(75/60)
    root = (75 / 60) ** 0.5
    end, begin = np.deg2rad(100) * root**0.5 + 0.8 * root, -(np.deg2rad(15) + 0.2) * root
    np.testing.assert_allclose(one[0, [0, 3]], [75, (end - begin) / (2 * np.pi) * 800], atol=2.1)


def test_corrected_qt():
    np.testing.assert_allclose(corrected_qt([400, 300], [60, 60 / 0.64]), [400, 375])
    np.testing.assert_allclose(corrected_qt(300, 60 / 0.512, formula="fridericia"), 375)
    assert np.isnan(corrected_qt(np.nan, 60))
    with pytest.raises(ValueError, match="formula must be 'bazett' or 'fridericia', got 'hodges'"):
        corrected_qt(400, 60, formula="hodges")
    for heart_rate in (0, [60, -3]):
        with pytest.raises(ValueError, match="heart_rate must be positive, in bpm, got"):
            corrected_qt(400, heart_rate)


def test_bad_input():
    with pytest.raises(ValueError, match="structured arrays with the fields wave, onset"):
        wave_intervals([np.zeros(3)], fs=500)
    with pytest.raises(ValueError, match="fs must be positive"):
        wave_intervals([waves()], fs=0)
    with pytest.raises(ValueError, match="at least one lead"):
        merge_waves([], fs=500)
    for measure in (wave_intervals, merge_waves):
        with pytest.raises(ValueError, match="of a single one stands in a list"):
            measure(waves(*beat(200)), fs=500)


@pytest.fixture
def ludb(data_home):
    if not (data_home / "ludb" / "data" / "104.hea").is_file():
        pytest.skip("no LUDB in the data home")
    present = [number for number in range(1, 201) if (data_home / "ludb" / "data" / f"{number}.hea").is_file()]
    if len(present) != 160:
        pytest.skip("other records of LUDB than those the figures are of")
    return fetch_ludb(data_home=data_home, download_if_missing=False, records=present).boundaries


@pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")
def test_figures_of_ludb(ludb):
    by_lead = {lead: wave_intervals([marks[lead] for marks in ludb], fs=500) for lead in STANDARD_LEADS}
    two = by_lead.pop("II")
    assert (~np.isnan(two)).sum(axis=0).tolist() == [160, 141, 159, 159]
    dummy = interval_report(two, two, y_train=two).dummy_mae
    assert dummy == pytest.approx({"heart_rate": 9.26, "pr": 20.99, "qrs": 12.79, "qt": 32.75}, abs=0.01)
    others = interval_report(two, np.nanmedian(list(by_lead.values()), axis=0)).mae
    assert others == pytest.approx({"heart_rate": 0.07, "pr": 7.66, "qrs": 7.85, "qt": 9.78}, abs=0.01)
    eight = [merge_waves([marks[lead] for lead in INDEPENDENT_LEADS], fs=500) for marks in ludb]
    longer = np.nanmean(wave_intervals(eight, fs=500) - two, axis=0)
    np.testing.assert_allclose(longer, [-0.01, -0.32, 23.84, 31.69], atol=0.01)
