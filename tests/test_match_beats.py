"""Matching of detected and reference beats: scenarios worked by hand, and a brute-force oracle."""

import numpy as np
import pytest

from sklearn_ecg.metrics import match_beats


def brute_force(reference, detected, limit):
    """The definition, word for word: take the closest pair, remove both, repeat."""
    free, unused, pairs = set(range(len(reference))), set(range(len(detected))), []
    while True:
        close = [
            (abs(reference[i] - detected[j]), reference[i], i, detected[j], j)
            for i in free
            for j in unused
            if abs(reference[i] - detected[j]) <= limit
        ]
        if not close:
            return sorted(pairs)
        _, _, i, _, j = min(close)
        free.remove(i)
        unused.remove(j)
        pairs.append((i, j))


# Every column is 10 samples, the tolerance is 30 samples: R reference, d detection, * both.
SCENARIOS = {
    "all hit": ("--*-----*-----*--", (3, 0, 0)),
    "one miss": ("--*-----R-----*--", (2, 0, 1)),
    "one false": ("--*--d--*-----*--", (3, 1, 0)),
    "at the tolerance": ("--R--d-----------", (1, 0, 0)),
    "past the tolerance": ("--R---d----------", (0, 1, 1)),
    "two detections, one beat": ("--d-R-d----------", (1, 1, 0)),
    "two beats, one detection": ("--R-d-R----------", (1, 0, 1)),
    "the closest wins": ("--R--dR----------", (1, 0, 1)),
    "both beats served": ("--R-d-R--d-------", (2, 0, 0)),
    "closest first, not most pairs": ("--R--dR-d--------", (1, 1, 1)),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_drawn_scenarios(name):
    drawing, expected = SCENARIOS[name]
    marks = np.array(list(drawing))
    reference = 10 * np.flatnonzero(np.isin(marks, ["R", "*"]))
    detected = 10 * np.flatnonzero(np.isin(marks, ["d", "*"]))
    match = match_beats(reference, detected, fs=200, tolerance=0.15)
    assert (match.tp, match.fp, match.fn) == expected


def test_closest_pair_is_the_one_reported():
    match = match_beats([100, 140], [135], fs=360)
    np.testing.assert_array_equal(match.pairs, [[1, 0]])
    # -R----R---d-d-   the first detection is the closer one, and the first beat is out of reach
    match = match_beats([10, 60], [100, 120], fs=1000, tolerance=0.06)
    np.testing.assert_array_equal(match.pairs, [[1, 0]])


def test_equal_distances_go_to_the_earlier():
    np.testing.assert_array_equal(match_beats([100, 120], [110], fs=360).pairs, [[0, 0]])
    np.testing.assert_array_equal(match_beats([110], [100, 120], fs=360).pairs, [[0, 0]])


@pytest.mark.parametrize("seed", range(40))
def test_agrees_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    n_reference, n_detected = rng.integers(0, 25, 2)
    reference = rng.integers(0, 300, n_reference)  # crowded, unsorted, with repeats
    detected = rng.integers(0, 300, n_detected)
    match = match_beats(reference, detected, fs=100, tolerance=0.2)
    expected = brute_force(reference, detected, 20)
    distances = sorted(abs(int(reference[i]) - int(detected[j])) for i, j in match.pairs)
    assert match.tp == len(expected)
    assert distances == sorted(abs(int(reference[i]) - int(detected[j])) for i, j in expected)
    assert match.fp == n_detected - match.tp
    assert match.fn == n_reference - match.tp
    assert len(set(match.pairs[:, 0])) == len(set(match.pairs[:, 1])) == match.tp
    if len(set(reference)) == n_reference and len(set(detected)) == n_detected:
        assert sorted(map(tuple, match.pairs.tolist())) == expected


def test_rates():
    match = match_beats([100, 460, 820, 1180], [100, 465, 2000], fs=360)
    assert match.sensitivity == 2 / 4
    assert match.ppv == 2 / 3
    assert match.f1 == 4 / 7
    assert match.n_errors == 3


@pytest.mark.parametrize(
    ("reference", "detected", "sensitivity", "ppv", "f1"),
    [([], [], np.nan, np.nan, np.nan), ([5], [], 0.0, np.nan, 0.0), ([], [5], np.nan, 0.0, 0.0)],
)
def test_degenerate(reference, detected, sensitivity, ppv, f1):
    match = match_beats(reference, detected, fs=360)
    np.testing.assert_array_equal([match.sensitivity, match.ppv, match.f1], [sensitivity, ppv, f1])
    assert match.pairs.shape == (0, 2)


def test_reversing_time_changes_nothing():
    rng = np.random.default_rng(0)
    reference, detected = rng.permutation(5000)[:300], rng.permutation(5000)[:280]
    forth = match_beats(reference, detected, fs=360)
    back = match_beats(5000 - reference, 5000 - detected, fs=360)
    assert forth.tp == pytest.approx(back.tp, abs=1)  # ties alone depend on the direction


def test_order_of_the_input_is_kept_in_the_pairs():
    match = match_beats([820, 100], [105, 826], fs=360)
    np.testing.assert_array_equal(match.pairs, [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference": [[1]], "detected": [1], "fs": 360}, r"reference must be one-dimensional.*\(1, 1\)"),
        ({"reference": [1], "detected": [np.nan], "fs": 360}, "detected must hold finite"),
        ({"reference": [1], "detected": [1], "fs": 0}, r"fs must be positive.*got 0"),
        ({"reference": [1], "detected": [1], "fs": 360, "tolerance": -1}, r"tolerance must be .* got -1"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        match_beats(**arguments)
