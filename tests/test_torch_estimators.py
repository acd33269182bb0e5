"""The user's own network as an estimator: what it may be, and what the base gives it."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from torch import nn

from sklearn_ecg import (
    CNNClassifier,
    CNNLSTMAttention,
    ConvAutoencoder,
    ECGScaler,
    IntervalRegressor,
    PeriodicVAE,
    ResNetClassifier,
    TorchClassifier,
    TorchRegressor,
    TorchTransformer,
    WaveDelineator,
)
from sklearn_ecg.base import NeuralClassifier, parameter
from sklearn_ecg.explain import grad_cam, saliency
from sklearn_ecg.parameters import COUNT
from tests.instances import ToyNetwork

SETTINGS = {"max_epochs": 8, "lr": 0.02, "batch_size": 16, "random_state": 0}


@pytest.fixture(scope="module")
def signals():
    """Two classes that differ in the sign of a bump in the second of two leads."""
    rng = np.random.default_rng(0)
    y = np.repeat(["N", "V"], 30)
    X = 0.1 * rng.normal(size=(60, 2, 24))
    X[:, 1] += np.where(y == "V", 1.0, -1.0)[:, None] * np.hanning(24)
    return X, y


class WithSide(nn.Module):
    """Reads side features beside the signals."""

    def __init__(self, n_leads, n_timepoints, n_side_features, n_outputs):
        super().__init__()
        self.out = nn.Linear(n_leads * n_timepoints + n_side_features, n_outputs)

    def forward(self, signals, side):
        return self.out(torch.cat([signals.flatten(1), side], dim=1))


class Sizeless(nn.Module):
    """Takes no sizes: made for two leads and two classes."""

    def __init__(self):
        super().__init__()
        summary = nn.Conv1d(2, 4, 3), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten()
        self.layers = nn.Sequential(*summary, nn.Linear(4, 2))

    def forward(self, x):
        return self.layers(x)


@pytest.mark.parametrize(
    "module",
    [ToyNetwork, Sizeless, lambda n_leads, n_outputs: ToyNetwork(n_leads, n_outputs, width=4)],
    ids=["sizes by name", "no sizes", "lambda"],
)
def test_networks_learn(module, signals):
    X, y = signals
    clf = TorchClassifier(module, **SETTINGS).fit(X, y)
    assert clf.score(X, y) > 0.95
    assert clf.classes_.tolist() == ["N", "V"]
    assert isinstance(clf.module_.network, nn.Module)


def test_further_arguments(signals):
    clf = TorchClassifier(ToyNetwork, module_params={"width": 5}, **SETTINGS).fit(*signals)
    assert clf.module_.network.out.in_features == 20
    over = TorchClassifier(ToyNetwork, module_params={"n_outputs": 3}, **SETTINGS)
    with pytest.raises(ValueError, match=r"module must give \(batch, n_outputs\), which is \(\d+, 2\), got \(\d+, 3\)"):
        over.fit(*signals)


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(24, 1)

    def forward(self, x):
        return self.out(x)[..., 0]


@pytest.mark.parametrize(
    ("module", "error", "message"),
    [
        (Flat, ValueError, r"module must give \(batch, n_outputs\), which is \(16, 2\), got \(16, 2\)"),
        (ToyNetwork(2, 2), TypeError, "module must be a class of torch.nn.Module .* got an instance of ToyNetwork"),
        (dict, TypeError, "module must make a torch.nn.Module, got dict"),
        ("resnet", ValueError, "The 'module' parameter of TorchClassifier must be a callable. Got 'resnet'"),
    ],
)
def test_what_is_no_network(module, error, message, signals):
    if module is Flat:  # three leads, so that (batch, leads) is no (batch, classes)
        signals = np.concatenate([signals[0], signals[0][:, :1]], axis=1), signals[1]
        message = message.replace(r"got \(16, 2\)", r"got \(16, 3\)")
    with pytest.raises(error, match=message):
        TorchClassifier(module, **SETTINGS).fit(*signals)


def test_side_features(signals):
    X, y = signals
    side = np.where(y == "V", 5.0, -5.0)[:, None] + np.random.default_rng(1).normal(size=(60, 1))
    rows = np.hstack([0 * X.reshape(60, -1), side])
    clf = TorchClassifier(WithSide, n_leads=2, n_side_features=1, **SETTINGS).fit(rows, y)
    assert clf.score(rows, y) > 0.95
    with pytest.raises(ValueError, match=r"module must take the side features .* ToyNetwork takes signals alone"):
        TorchClassifier(ToyNetwork, n_leads=2, n_side_features=1, **SETTINGS).fit(rows, y)


def test_pickles(signals):
    X, y = signals
    clf = TorchClassifier(ToyNetwork, **SETTINGS).fit(X, y)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(TorchClassifier(lambda n_outputs: Sizeless(), **SETTINGS).fit(X, y))


class Small(CNNClassifier):
    """A constructor of its own, which takes fewer parameters than are declared."""

    def __init__(self, *, random_state=None):
        super().__init__(max_epochs=1, channels=(4,), random_state=random_state)


def test_a_subclass_with_a_constructor_of_its_own_is_pickled(signals):
    X, y = signals
    fitted = Small(random_state=0).fit(X, y)
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))


class HalfFixed(nn.Linear):
    """Its bias is never trained."""

    def __init__(self, n_leads, n_timepoints, n_outputs):
        super().__init__(n_leads * n_timepoints, n_outputs)
        self.bias.requires_grad_(False)

    def forward(self, signals):
        return super().forward(signals.flatten(1))


def test_what_a_network_holds_fixed_stays_so(signals):
    module = TorchClassifier(HalfFixed, **SETTINGS).fit(*signals).module_
    assert [name for name, weight in module.named_parameters() if not weight.requires_grad] == ["network.bias"]


def test_a_partial_with_a_size(signals):
    made = partial(HalfFixed, n_timepoints=24)
    assert TorchClassifier(made, **SETTINGS).fit(*signals).score(*signals) > 0.9


class Weighted(HalfFixed):
    """Is given an array."""

    def __init__(self, n_leads, n_timepoints, n_outputs, weights):
        super().__init__(n_leads, n_timepoints, n_outputs)


class Greedy(HalfFixed):
    """Takes away what it is given."""

    def __init__(self, n_leads, n_timepoints, n_outputs, sizes):
        super().__init__(n_leads, n_timepoints, n_outputs)
        sizes.pop()


def test_what_is_passed_is_not_changed(signals):
    params = {"sizes": [1, 2]}
    TorchClassifier(Greedy, module_params=params, **SETTINGS).fit(*signals)
    assert params == {"sizes": [1, 2]}


def test_composes(signals):
    X, y = signals
    pipe = make_pipeline(ECGScaler(by="record", n_leads=2), TorchClassifier(ToyNetwork, n_leads=2, **SETTINGS))
    search = GridSearchCV(pipe, {"torchclassifier__module_params": [{"width": 2}, {"width": 8}]}, cv=2)
    assert search.fit(X.reshape(60, -1), y).best_score_ > 0.9
    groups = np.arange(60) // 2
    assert cross_val_score(pipe, X.reshape(60, -1), y, groups=groups, cv=GroupKFold(2)).min() > 0.8
    stopped = TorchClassifier(ToyNetwork, early_stopping=True, **SETTINGS).fit(X, y, groups=groups)
    assert "valid_score" in stopped.history_[0]


def test_several_labels(signals):
    X, y = signals
    labels = np.column_stack([y == "V", np.arange(60) % 2]).astype(int)
    clf = TorchClassifier(ToyNetwork, **SETTINGS).fit(X, labels)
    assert (clf.predict(X)[:, 0] == labels[:, 0]).mean() > 0.95


def test_explains(signals):
    X, y = signals
    clf = TorchClassifier(ToyNetwork, **SETTINGS).fit(X, y)
    assert grad_cam(clf, X[:3]).shape == (3, 24)
    assert saliency(clf, X[:3]).shape == X[:3].shape


def test_warm_start_keeps_the_network(signals):
    clf = TorchClassifier(ToyNetwork, warm_start=True, **SETTINGS).fit(*signals)
    assert clf.fit(*signals).n_iter_ == 16
    with pytest.raises(ValueError, match="fitted with module_params=None"):
        clf.set_params(module_params={"width": 3}).fit(*signals)


def test_warm_start_compares_what_is_inside_arrays(signals):
    weights = np.zeros(5000)
    fitted = TorchClassifier(Weighted, module_params={"weights": weights}, warm_start=True, **SETTINGS).fit(*signals)
    other = weights.copy()
    other[2500] = 1.0  # which repr does not show
    with pytest.raises(ValueError, match="continues a module fitted with module_params"):
        fitted.set_params(module_params={"weights": other}).fit(*signals)


def test_regression_with_unknown_targets(signals):
    X, _ = signals
    y = np.column_stack([X[:, 1].sum(axis=1), X[:, 0].mean(axis=1)])
    y[::3, 1] = np.nan
    reg = TorchRegressor(ToyNetwork, **{**SETTINGS, "max_epochs": 30}).fit(X, y)
    assert reg.predict(X).shape == (60, 2)
    assert np.corrcoef(reg.predict(X)[:, 0], y[:, 0])[0, 1] > 0.95


class Decoder(nn.Module):
    def __init__(self, n_components, n_leads, n_timepoints):
        super().__init__()
        self.shape = n_leads, n_timepoints
        self.layers = nn.Sequential(nn.Linear(n_components, 32), nn.ReLU(), nn.Linear(32, n_leads * n_timepoints))

    def forward(self, z):
        return self.layers(z).unflatten(1, self.shape)


@pytest.mark.parametrize("decoder", [None, Decoder])
def test_embeddings(decoder, signals):
    X, _ = signals
    embedder = TorchTransformer(ToyNetwork, decoder=decoder, n_components=3, **{**SETTINGS, "max_epochs": 40}).fit(X)
    assert embedder.transform(X).shape == (60, 3)
    assert embedder.inverse_transform(embedder.transform(X)).shape == (60, 48)
    assert embedder.score(X) > 0.8
    assert embedder.get_feature_names_out().tolist() == ["latent0", "latent1", "latent2"]


def test_a_decoder_that_gives_other_signals(signals):
    narrow = TorchTransformer(ToyNetwork, decoder=lambda n_components: nn.Linear(n_components, 7), **SETTINGS)
    with pytest.raises(ValueError, match=r"decoder must give \(batch, leads, samples\), which is \(16, 2, 24\)"):
        narrow.fit(signals[0])


class Linear(NeuralClassifier):
    """A method of one's own, in a few lines: one linear layer.

    Attributes
    ----------
    classes_ : ndarray
        Labels.
    """

    n_hidden: int = parameter("Hidden units.", COUNT, default=8)

    def _make_module(self, n_leads, n_timepoints, n_side_features, n_outputs):
        layers = nn.Linear(n_leads * n_timepoints, self.n_hidden), nn.ReLU(), nn.Linear(self.n_hidden, n_outputs)
        return FlatNetwork(nn.Sequential(nn.Flatten(), *layers))


class FlatNetwork(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, signals, side=None):
        return self.layers(signals)


def test_a_method_of_ones_own(signals):
    X, y = signals
    clf = clone(Linear(n_hidden=4, **SETTINGS)).fit(X, y)
    assert clf.score(X, y) > 0.95
    assert "n_hidden : int, default=8" in Linear.__doc__


OURS = {
    "CNNClassifier": CNNClassifier(),
    "CNNLSTMAttention": CNNLSTMAttention(),
    "ResNetClassifier": ResNetClassifier(),
    "ConvAutoencoder": ConvAutoencoder(),
    "WaveDelineator": WaveDelineator(fs=250),
    "PeriodicVAE": PeriodicVAE(fs=250, periodic=False),
    **{f"IntervalRegressor-{name}": IntervalRegressor(backbone=name) for name in ("resnet", "vit", "mlp")},
}


@pytest.mark.parametrize("name", OURS)
def test_our_own_modules_need_no_side_features(name):
    with torch.random.fork_rng():
        module = clone(OURS[name])._make_module(2, 250, 0, 3 if "VAE" not in name else 0).eval()
        signals = torch.randn(4, 2, 250)
    with torch.no_grad():
        if "VAE" in name:
            torch.testing.assert_close(module.encode(signals), module.encode(signals, signals.new_zeros(4, 0)))
        else:
            torch.testing.assert_close(module(signals), module(signals, signals.new_zeros(4, 0)))
