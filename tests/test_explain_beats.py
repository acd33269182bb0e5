"""Saliency of classifiers that read records of beats."""

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_ecg.explain import grad_cam, saliency
from tests.instances import BEAT_SEQUENCES

N_BEATS, N_TIMEPOINTS, N_SIDE = 5, 16, 2


@pytest.fixture(scope="module")
def fitted():
    """A bump in the third beat alone tells the class; the last beat is missing in half the records."""
    rng = np.random.default_rng(0)
    X = 0.1 * rng.normal(size=(40, N_BEATS, N_TIMEPOINTS + N_SIDE))
    y = np.repeat([0, 1], 20)
    X[y == 1, 2, 4:10] += 1.0
    X[::2, 4] = np.nan
    classifier = clone(BEAT_SEQUENCES["ECGSLClassifier"]).set_params(
        n_side_features=N_SIDE, max_epochs=30, lr=1e-2, random_state=0
    )
    return classifier.fit(X, y), X, y


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients"])
def test_shape_and_missing_beats(fitted, method):
    classifier, X, _ = fitted
    found, side = saliency(classifier, X, method=method, n_steps=512, return_side=True)
    assert found.shape == (40, N_BEATS, 1, N_TIMEPOINTS)
    assert side.shape == (40, N_BEATS, N_SIDE)
    np.testing.assert_array_equal(np.isnan(found[:, :, 0, 0]), np.isnan(X[:, :, 0]))
    assert np.isfinite(found[~np.isnan(X[:, :, 0])]).all()


def test_integrated_gradients_add_up_and_point_to_the_beat_that_tells(fitted):
    classifier, X, y = fitted
    found = saliency(classifier, X, target=1, method="integrated_gradients", n_steps=512)
    silent = X.copy()
    silent[:, :, :N_TIMEPOINTS] = np.where(np.isnan(X[:, :, :N_TIMEPOINTS]), np.nan, 0.0)
    logits = classifier._logits(X)[:, 1] - classifier._logits(silent)[:, 1]
    np.testing.assert_allclose(np.nansum(found, axis=(1, 2, 3)), logits, atol=0.02 * np.abs(logits).max())
    by_beat = np.nansum(np.abs(found[y == 1]), axis=(2, 3))
    assert (by_beat.argmax(axis=1) == 2).mean() > 0.9


def test_more_beats_than_in_training(fitted):
    classifier, X, _ = fitted
    longer = np.concatenate([X, np.full((40, 3, X.shape[2]), np.nan)], axis=1)
    found = saliency(classifier, longer)
    np.testing.assert_allclose(found[:, :N_BEATS], saliency(classifier, X))
    assert np.isnan(found[:, N_BEATS:]).all()


def test_grad_cam_says_what_to_use_instead(fitted):
    classifier, X, _ = fitted
    with pytest.raises(TypeError, match=r"ECGSLClassifier reads records of beats.*saliency"):
        grad_cam(classifier, X)
