"""Label maps from marks, worked by hand."""

import numpy as np
import pytest

from sklearn_ecg.datasets import make_ecg
from sklearn_ecg.preprocessing import WAVE_DTYPE, wave_masks


def marks(*waves):
    return np.array(list(waves), dtype=WAVE_DTYPE)


def read(text):
    """A mask as text: '.' not labelled, '0' none, digits as they are."""
    return [-1 if letter == "." else int(letter) for letter in text]


@pytest.mark.parametrize(
    "waves, text",
    [
        ([("P", 2, 3, 4), ("QRS", 6, 7, 8)], "..11102220".replace("2220", "222.")),
        ([("QRS", -1, 3, 5), ("T", 8, 9, 10)], "...22200333."),  # the first mark is the peak
        ([("P", 0, 1, 2), ("QRS", -1, 6, 7), ("T", 9, 9, 9)], "111...2203"),
        ([("P", 0, 1, 2), ("QRS", 4, 5, -1), ("T", 9, 9, 9)], "111022...3"),
        ([("P", 0, 1, 2), ("QRS", 4, 5, -1)], "111022...."),
        ([("T", 5, 6, 7), ("P", 7, 8, 9)], ".....33111"),
        ([("P", 0, 1, 2), ("QRS", 4, -1, 6), ("T", 9, 9, 9)], "1110222003"),  # no peak
        ([("P", 0, 1, 2), ("QRS", -1, -1, 6), ("T", 9, 9, 9)], "111...2003"),
        ([("P", 0, 1, 2), ("QRS", 4, -1, -1), ("T", 9, 9, 9)], "11102....3"),
        ([("P", 0, 1, 2), ("QRS", -1, -1, -1), ("T", 9, 9, 9)], "1110000003"),
        ([("QRS", -1, -1, -1)], "..."),
    ],
)
def test_masks_worked_by_hand(waves, text):
    assert wave_masks([marks(*waves)], len(text)).tolist() == [read(text)]


def test_records_without_marks_are_not_labelled():
    np.testing.assert_array_equal(wave_masks([marks(), marks(("T", 0, 1, 2))], 3), [[-1] * 3, [3] * 3])
    assert wave_masks([], 7).shape == (0, 7)


def test_another_label_for_what_nobody_labelled():
    waves = [marks(("QRS", 1, 2, 3))]
    assert wave_masks(waves, 6, ignore_label=0).tolist() == [[0, 2, 2, 2, 0, 0]]
    assert wave_masks(waves, 6, ignore_label=9).tolist() == [[9, 2, 2, 2, 9, 9]]


def test_the_runs_of_a_mask_are_the_waves():
    record = make_ecg(10, fs=250, heart_rate=70, random_state=0)
    waves = record.fiducials["II"]
    waves = waves[(waves["onset"] >= 0) & (waves["offset"] >= 0)]
    mask = wave_masks([waves], record.n_timepoints)[0]
    for number, kind in enumerate(("P", "QRS", "T"), start=1):
        steps = np.diff(np.concatenate([[0], mask == number, [0]]).astype(int))
        of_kind = waves[waves["wave"] == kind]
        np.testing.assert_array_equal(np.flatnonzero(steps == 1), of_kind["onset"])
        np.testing.assert_array_equal(np.flatnonzero(steps == -1) - 1, of_kind["offset"])


def test_what_are_no_marks_is_refused():
    with pytest.raises(ValueError, match="structured arrays with the fields wave"):
        wave_masks([np.zeros(3)], 10)
    with pytest.raises(ValueError, match=r"a 1-D array for each record or lead, got one with 0 dimension\(s\)"):
        wave_masks(marks(("T", 1, 2, 3)), 10)
    with pytest.raises(ValueError, match=r"waves must be called P, QRS and T, got \['U'\]"):
        wave_masks([marks(("U", 1, 2, 3))], 10)
    with pytest.raises(ValueError, match="A mark lies at sample 10, but the records have 10 samples"):
        wave_masks([marks(("T", 8, 9, 10))], 10)
    for label in (2, "none", None):
        with pytest.raises(
            ValueError, match=f"ignore_label must be an integer other than 1, 2 and 3, .* got {label!r}"
        ):
            wave_masks([marks(("T", 1, 2, 3))], 10, ignore_label=label)
