"""Augmentations of beats in training, and the focal loss, on hand-worked values."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sklearn_ecg import CNNClassifier
from sklearn_ecg.augmentation import BeatAugmentation
from sklearn_ecg.nn import augmentations
from sklearn_ecg.nn.losses import CrossEntropy, FocalLoss
from tests.instances import CLASSIFIERS, QUICK

OFF = {"amplitude": 0.0, "time": 0.0, "wander": 0.0, "noise": 0.0}


@pytest.fixture
def signals():
    return torch.randn(200, 3, 180, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    return rng.normal(size=(60, 12)) + y[:, None] * np.hanning(12), y


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def test_everything_off_changes_nothing(signals):
    assert torch.equal(BeatAugmentation(fs=360, **OFF)(signals), signals)


@pytest.mark.parametrize("change", [{"amplitude": 0.2}, {"time": 0.1}, {"wander": 0.3}, {"noise": 0.1}])
@pytest.mark.parametrize("length", [1, 2, 7, 250])
def test_every_change_keeps_the_shape_and_differs_between_rows(change, length):
    signals = torch.randn(1, 2, length).repeat(50, 1, 1)
    changed = BeatAugmentation(fs=360, **{**OFF, **change})(signals)
    assert changed.shape == signals.shape
    assert torch.isfinite(changed).all()
    if length > 2:
        assert (changed.std(dim=0) > 0).any()


def test_amplitude_is_one_factor_a_row_with_the_spread_asked_for(signals):
    factor = BeatAugmentation(fs=360, **{**OFF, "amplitude": 0.3})(signals) / signals
    assert torch.allclose(factor, factor[:, :1, :1].expand_as(factor))
    assert factor[:, 0, 0].log().std() == pytest.approx(0.3, rel=0.2)


def test_time_is_stretched_around_the_centre_by_at_most_the_share():
    ramp = torch.arange(101.0, dtype=torch.float64).expand(300, 1, 101)
    changed = augmentations.scale_time(ramp, 0.1, 40.0)[:, 0]
    assert torch.allclose(changed[:, 40], torch.tensor(40.0, dtype=torch.float64))
    slope = changed[:, 41] - changed[:, 40]
    assert 0.9 <= slope.min() < 0.92 and 1.08 < slope.max() <= 1.1
    assert torch.allclose(changed[:, 60] - 40, 20 * slope)
    assert changed.min() >= 0 and changed.max() <= 100


def test_wander_is_slow_and_noise_is_fast(signals):
    def share_below(x, hertz):
        power = torch.fft.rfft(x, dim=2).abs().square()
        return power[..., torch.fft.rfftfreq(x.shape[2], 1 / 360) < hertz].sum() / power.sum()

    long = torch.randn(50, 1, 3600)
    assert share_below(augmentations.add_wander(long, 0.5, 360) - long, 1) > 0.95
    assert share_below(augmentations.add_muscle_noise(long, 0.5) - long, 20) < 0.05
    assert (augmentations.add_muscle_noise(long, 0.5) - long).std() < 0.5


def test_flat_signals_stay_flat_but_for_the_factor():
    flat = torch.full((5, 2, 40), 2.0)
    assert (BeatAugmentation(fs=360)(flat).std(dim=2, correction=0) < 1e-6).all()


@pytest.mark.parametrize("n_leads", [1, 2, 12])
def test_leads_are_dropped_but_never_all(n_leads):
    signals = torch.ones(2000, n_leads, 5)
    kept = augmentations.drop_leads(signals, 0.4)[:, :, 0]
    assert (kept.sum(dim=1) >= 1).all()
    assert kept.mean() == pytest.approx(0.6 + 0.4 / n_leads, abs=0.03)


@pytest.mark.parametrize(
    "wrong", [{"time": 1.0}, {"lead_dropout": -0.1}, {"noise": np.inf}, {"centre": 1.5}, {"amplitude": np.nan}]
)
def test_values_out_of_range_are_clear_errors(wrong, signals):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} must be"):
        BeatAugmentation(fs=360, **wrong)(signals)


def test_numbers_are_wanted(signals):
    with pytest.raises(TypeError, match="noise must be a number, got '3'"):
        BeatAugmentation(fs=360, noise="3")(signals)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_training_is_augmented_and_prediction_is_not(name, data):
    X, y = data
    plain = clone(CLASSIFIERS[name]).set_params(**QUICK).fit(X, y)
    augmented = clone(plain).set_params(augment=BeatAugmentation(fs=100)).fit(X, y)
    again = clone(augmented).fit(X, y)
    assert np.abs(plain.predict_proba(X) - augmented.predict_proba(X)).max() > 1e-6
    np.testing.assert_array_equal(augmented.predict_proba(X), augmented.predict_proba(X))
    np.testing.assert_array_equal(augmented.predict_proba(X), again.predict_proba(X))
    off = clone(plain).set_params(augment=BeatAugmentation(fs=100, **OFF)).fit(X, y)
    np.testing.assert_array_equal(off.predict_proba(X), plain.predict_proba(X))


def test_augment_must_keep_the_shape(data):
    with pytest.raises(ValueError, match=r"augment must return a tensor of shape \(60, 1, 12\)"):
        clone(CLASSIFIERS["CNNClassifier"]).set_params(augment=lambda signals: signals[:, :, 1:]).fit(*data)


def test_focal_loss_of_known_probabilities():
    logits = torch.tensor([[0.0, 0.0], [np.log(9.0), 0.0], [np.log(9.0), 0.0]], dtype=torch.float64)
    target = torch.tensor([0, 0, 1])  # true classes have probability 1/2, 9/10, 1/10
    p = np.array([0.5, 0.9, 0.1])
    np.testing.assert_allclose(FocalLoss(2.0)(logits, target), -((1 - p) ** 2) * np.log(p))
    np.testing.assert_allclose(FocalLoss(0.0)(logits, target), CrossEntropy()(logits, target))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_has_finite_slopes_where_the_class_is_certain(gamma):
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    FocalLoss(gamma)(logits, torch.tensor([0, 0])).sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_focal_alpha_is_a_class_weight(data):
    X, y = data
    counts = np.bincount(y)
    focal = clone(CLASSIFIERS["CNNClassifier-focal"]).set_params(**QUICK)
    by_frequency = clone(focal).fit(X, y).predict_proba(X)
    alpha = {label: counts[label] ** -0.5 for label in (0, 1)}
    np.testing.assert_allclose(clone(focal).set_params(focal_alpha=alpha).fit(X, y).predict_proba(X), by_frequency)
    weighted = clone(focal).set_params(focal_alpha=None, class_weight=alpha).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(weighted, by_frequency)


def test_focal_alpha_must_be_weights(data):
    with pytest.raises(ValueError, match="focal_alpha must hold finite weights of at least 0"):
        CNNClassifier(loss="focal", focal_alpha={0: -1.0}).fit(*data)
