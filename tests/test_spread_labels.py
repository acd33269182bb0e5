"""spread_labels: what few labels tell of the other beats."""

import numpy as np
import pytest

from sklearn_ecg.adaptation import spread_labels

LINE = np.arange(4.0)[:, None]  # neighbours of the ends: one and two; of the others: one on either side
PROBA = np.array([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5], [0.2, 0.8]])


def test_one_round_by_hand():
    spread = spread_labels(PROBA, LINE, n_neighbors=2, alpha=0.5, n_iter=1)
    means = np.array([0.5, 0.75, 0.35, 0.5])  # of the first class among the neighbours
    np.testing.assert_allclose(spread[:, 0], (PROBA[:, 0] + means) / 2, rtol=1e-12)
    np.testing.assert_allclose(spread.sum(axis=1), 1, rtol=1e-12)


def test_known_labels_stay_and_count():
    spread = spread_labels(PROBA, LINE, [-1, -1, -1, 0], n_neighbors=2, alpha=0.5, n_iter=1)
    np.testing.assert_allclose(spread[:, 0], [0.75, 0.625, 0.625, 1.0], rtol=1e-12)
    assert (spread_labels(PROBA, LINE, [1, -1, -1, 0], n_iter=5)[[0, 3]] == [[0, 1], [1, 0]]).all()


def test_many_rounds_are_the_fixed_point():
    graph = (np.ones((4, 4)) - np.eye(4)) / 3
    fixed = np.linalg.solve(np.eye(4) - 0.6 * graph, 0.4 * PROBA)
    np.testing.assert_allclose(spread_labels(PROBA, LINE, alpha=0.6, n_iter=200), fixed, rtol=1e-9)


def test_nothing_is_taken_from_the_neighbours():
    np.testing.assert_array_equal(spread_labels(PROBA, LINE, alpha=0), PROBA)
    np.testing.assert_array_equal(spread_labels(PROBA, LINE, n_iter=0), PROBA)
    np.testing.assert_array_equal(spread_labels([[0.3, 0.7]], [[1.0, 2.0]]), [[0.3, 0.7]])
    np.testing.assert_array_equal(spread_labels([[0.3, 0.7]], [[1.0, 2.0]], [0]), [[1, 0]])


def test_labels_of_a_group_reach_the_group():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 50)
    X = rng.normal(size=(100, 20)) + 2 * y[:, None]
    known = np.full(100, -1)
    known[[3, 60]] = y[[3, 60]]
    assert (spread_labels(np.full((100, 2), 0.5), X, known, n_iter=50).argmax(axis=1) == y).mean() > 0.95


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_units_do_not_matter(unit):
    rng = np.random.default_rng(0)
    X, proba = rng.normal(size=(30, 2 * 8 + 3)), rng.dirichlet(np.ones(3), 30)
    layout = {"n_leads": 2, "n_side_features": 3, "n_neighbors": 4}
    scaled = X * np.repeat([unit, 1, 1 / unit, 1, 1], [8, 8, 1, 1, 1]) + np.repeat([0, 5], [16, 3])
    plain = spread_labels(proba, X, **layout)
    np.testing.assert_allclose(spread_labels(proba, scaled, **layout), plain, rtol=1e-9)
    cube = X[:, :16].reshape(30, 2, 8)
    np.testing.assert_array_equal(spread_labels(proba, cube), spread_labels(proba, X[:, :16], n_leads=2))


def test_rows_that_do_not_vary():
    assert np.isfinite(spread_labels(PROBA, np.zeros((4, 6)), n_side_features=2)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 1.1}, "alpha must be from 0 to 1, got 1.1"),
        ({"n_neighbors": 0}, "n_neighbors must be an integer of at least 1, got 0"),
        ({"n_iter": 2.0}, "n_iter must be an integer of at least 0, got 2.0"),
        ({"known": [0, 1, 2, -1]}, r"known must hold integers from -1 \(not known\) to 1"),
        ({"known": [0.0, 1.0, 1.0, 1.0]}, "known must hold integers"),
        ({"known": [0, 1]}, "inconsistent numbers of samples"),
        ({"X": LINE[:3]}, "inconsistent numbers of samples"),
        ({"n_leads": 2}, "cannot be read with n_leads=2"),
        ({"X": np.zeros((4, 2, 3)), "n_leads": 3}, r"X is 3-D with 2 lead\(s\).*contradicts n_leads=3"),
        ({"X": np.zeros((4, 2, 3)), "n_side_features": 1}, "contradicts .* n_side_features=1"),
        ({"proba": -PROBA}, "proba must hold probabilities"),
        ({"proba": 0 * PROBA}, "proba must hold probabilities"),
        ({"X": np.full((4, 1), np.nan)}, "contains NaN"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        spread_labels(**{"proba": PROBA, "X": LINE, **arguments})
