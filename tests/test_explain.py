import warnings
from functools import partial

import numpy as np
import pytest
import torch
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from benchmarks import _faithfulness
from sklearn_ecg import (
    AdaptedClassifier,
    BeatSegmenter,
    CNNClassifier,
    CNNLSTMAttention,
    ECGResampler,
    ECGScaler,
)
from sklearn_ecg.explain import grad_cam, saliency
from sklearn_ecg.nn.blocks import SameConv1d
from sklearn_ecg.signals._validation import RowLayout, flatten_leads
from tests.instances import CLASSIFIERS, QUICK, SEGMENTS

N_TIMEPOINTS = 40
SMALL = {**QUICK, "channels": (16,), "kernel_size": 3, "side_sizes": (4,), "head_size": 16, "precision": "float64"}


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def make_bumps(n=60, n_leads=1, seed=0, centre=26):
    """Class "b" has a bump around one sample, class "a" has none."""
    rng = np.random.default_rng(seed)
    X = 0.1 * rng.normal(size=(n, n_leads, N_TIMEPOINTS))
    y = np.array(["a", "b"])[np.arange(n) % 2]
    X[y == "b"] += 2 * np.exp(-0.5 * ((np.arange(N_TIMEPOINTS) - centre) / 1.5) ** 2)
    return X, y


class LinearModule(torch.nn.Module):
    """Logits Σ w·x + Σ v·side; with ``power=2`` Σ w·x²."""

    def __init__(self, weight, side_weight, power=1):
        super().__init__()
        self.weight, self.side_weight = torch.nn.Parameter(weight), torch.nn.Parameter(side_weight)
        self.identity = torch.nn.Identity()
        self.power = power

    def forward(self, signals, side):
        features = self.identity(signals) ** self.power
        return torch.einsum("blt,olt->bo", features, self.weight) + side @ self.side_weight.T


class LinearOwner(ClassifierMixin, BaseEstimator):
    """What the functions of ``explain`` ask of an estimator, and no more."""

    def __init__(self, power=1, n_leads=2, n_side_features=1):
        self.power = power
        self.n_leads = n_leads
        self.n_side_features = n_side_features

    def fit(self, X=None, y=None):
        draw = torch.Generator().manual_seed(0)
        weights = [torch.randn(size, generator=draw, dtype=torch.float64) for size in ((3, 2, 5), (3, 1))]
        self.module_ = LinearModule(*weights, power=self.power)
        self.classes_, self.batch_size = np.array([2, 5, 7]), 4
        self.layout_ = RowLayout(2, 5, 1)
        self.n_features_in_ = 11
        return self

    def logits(self, rows):
        signals, side = self.layout_.split(torch.from_numpy(rows))
        return self.module_(signals, side).detach().numpy()


class Plain(torch.nn.Module):
    """Layers, and the mean of what they give; a module without ``blocks``."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, signals, side):
        return self.layers(signals).mean(dim=2)


class PlainOwner(LinearOwner):
    """Owns a module whose only names are those of its layers."""

    def fit(self, X=None, y=None):
        super().fit()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            first, last = SameConv1d(2, 4, 3), SameConv1d(4, 3, 3)
        self.module_ = Plain(first, torch.nn.ReLU(inplace=True), last, torch.nn.ReLU(inplace=True)).double()
        return self


ROWS = np.random.default_rng(1).normal(size=(10, 11))


def test_gradient_of_a_linear_module_is_its_weights():
    owner = LinearOwner().fit()
    weight = owner.module_.weight.detach().numpy()
    np.testing.assert_allclose(saliency(owner, ROWS, 5), np.repeat(weight[[1]], 10, axis=0))
    labels = np.array([2, 5, 7, 2, 5, 7, 2, 5, 7, 2])
    codes = np.searchsorted(owner.classes_, labels)
    np.testing.assert_allclose(saliency(owner, ROWS, labels), weight[codes])
    predicted = owner.logits(ROWS).argmax(axis=1)
    np.testing.assert_allclose(saliency(owner, ROWS), weight[predicted])


@pytest.mark.parametrize("power", [1, 2])
def test_integrated_gradients_are_exact_where_they_can_be(power):
    """The midpoint rule is exact for a gradient linear along the way, so Σ w·x² is attributed as w·x²."""
    owner = LinearOwner(power).fit()
    signals = owner.layout_.split(ROWS)[0]
    weight = owner.module_.weight.detach().numpy()[2]
    found = saliency(owner, ROWS, 7, "integrated_gradients", baseline=0.5, n_steps=3)
    np.testing.assert_allclose(found, weight * (signals**power - 0.5**power))


@pytest.mark.parametrize("power", [1, 2])
def test_grad_cam_by_hand(power):
    """The feature map is the signal, and the logit a sum over its steps: Σ w·x or Σ w·x²."""
    owner = LinearOwner(power).fit()
    signals = owner.layout_.split(ROWS)[0]
    weight = owner.module_.weight.detach().numpy()[0]
    gradient = weight * power * signals ** (power - 1)
    expected = {
        "mean": gradient.mean(axis=2, keepdims=True) * signals,
        "elementwise": gradient * signals,
        "integrated": weight * (signals**power - signals.mean(axis=2, keepdims=True) ** power),
    }
    for weights, by_channel in expected.items():
        found = grad_cam(owner, ROWS, 2, layer="identity", weights=weights, n_steps=64)
        np.testing.assert_allclose(found, np.maximum(by_channel.sum(axis=1), 0), atol=1e-12)
    np.testing.assert_array_equal(grad_cam(owner, ROWS, 2, layer="identity", n_steps=64), found)
    baseline = np.arange(10).reshape(2, 5)
    found = grad_cam(owner, ROWS, 2, layer="identity", baseline=baseline)
    expected = (weight * (signals**power - baseline**power)).sum(axis=1)
    np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-12)


class TwiceModule(LinearModule):
    """Logits Σ w·x + Σ w·2x, both through the same layer."""

    def forward(self, signals, side):
        return super().forward(signals, side) + super().forward(2 * signals, side)


def test_a_layer_that_runs_twice_is_explained_the_last_time():
    owner = LinearOwner().fit()
    once = grad_cam(owner, ROWS, 2, layer="identity")
    owner.module_.__class__ = TwiceModule
    np.testing.assert_allclose(grad_cam(owner, ROWS, 2, layer="identity"), 2 * once)


def test_what_a_flat_signal_has_too_is_not_relevant():
    owner = PlainOwner().fit()  # whose convolutions have biases
    flat = np.repeat(ROWS[:, [0, 1]], 5, axis=1)
    flat = np.column_stack([flat, ROWS[:, 10]])
    assert grad_cam(owner, flat, 2, weights="mean").any()
    np.testing.assert_array_equal(grad_cam(owner, flat, 2), 0)
    assert grad_cam(owner, ROWS, 2).any()


def test_the_class_explained_is_the_one_predicted_at_the_end_of_the_way():
    owner = LinearOwner(power=2).fit()
    predicted = owner.classes_[owner.logits(ROWS).argmax(axis=1)]
    away = {"baseline": 3.0}  # where other classes are predicted
    origin = np.concatenate([np.full((len(ROWS), 10), 3.0), ROWS[:, 10:]], axis=1)
    assert (owner.classes_[owner.logits(origin).argmax(axis=1)] != predicted).any()
    found = saliency(owner, ROWS, None, "integrated_gradients", **away)
    np.testing.assert_array_equal(found, saliency(owner, ROWS, predicted, "integrated_gradients", **away))


def test_mean_and_elementwise_agree_where_the_head_reads_one_average():
    X, y = make_bumps(20)
    for summary_steps in (1, 4):
        classifier = CNNClassifier(**{**SMALL, "max_epochs": 2}, summary_steps=summary_steps).fit(X, y)
        mean, elementwise = (grad_cam(classifier, X, "b", weights=weights) for weights in ("mean", "elementwise"))
        assert mean.max() > 0
        assert np.allclose(mean, elementwise) == (summary_steps == 1)


def test_without_blocks_a_convolution_is_explained():
    """With "mean" the last one; a step of the first one reads more than a fifth of five samples, so none is local."""
    owner = PlainOwner().fit()
    for weights, name, other in (("mean", "layers.2", "layers.0"), ("integrated", "layers.0", "layers.2")):
        found = grad_cam(owner, ROWS, 2, weights=weights)
        assert found.any()
        np.testing.assert_array_equal(found, grad_cam(owner, ROWS, 2, layer=name, weights=weights))
        assert not np.allclose(found, grad_cam(owner, ROWS, 2, layer=other, weights=weights))


@pytest.fixture(scope="module", params=sorted(CLASSIFIERS))
def fitted(request):
    """Batch norm, the default: with group norm a bump is seen far from where it stands."""
    torch.set_num_threads(1)
    X, y = make_bumps()
    settings = {**QUICK, "max_epochs": 15, "norm": "batch"}
    return clone(CLASSIFIERS[request.param]).set_params(**settings).fit(X, y), X, y


def test_relevance_peaks_at_the_bump(fitted):
    classifier, X, y = fitted
    bumps = X[y == "b"]
    assert classifier.score(X, y) > 0.95
    near = slice(26 - 6, 26 + 7)
    integrated = saliency(classifier, bumps[:10], "b", "integrated_gradients", n_steps=128)[:, 0]
    for found in (grad_cam(classifier, bumps, "b"), np.abs(integrated)):
        mean = found.mean(axis=0)
        assert 23 <= mean.argmax() <= 29
        assert mean[near].mean() > 5 * np.delete(mean, near).mean()


def test_hiding_what_is_relevant_costs_more_than_chance(fitted):
    classifier, X, y = fitted
    bumps = X[y == "b", 0]
    for fill in ("interpolate", "mean"):
        relevant, random = _faithfulness.probability_fall(classifier, bumps, grad_cam(classifier, bumps), fill=fill)
        assert relevant.shape == random.shape == (len(bumps),)
        assert relevant.mean() > random.mean() + 0.3


def test_attributions_are_complete(fitted):
    classifier, X, _ = fitted
    X = X[:16]
    logits, zero = classifier._forward(X)[:, 1], classifier._forward(np.zeros_like(X))[:, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # with few steps
        found = [saliency(classifier, X, "b", "integrated_gradients", n_steps=n) for n in (8, 64, 128)]
    few, default, many = (np.abs(part.sum(axis=(1, 2)) - (logits - zero)) / np.ptp(logits) for part in found)
    assert few.mean() > 2 * default.mean() > 2 * many.mean()
    assert default.mean() < 0.02
    assert many.max() < 0.02


def test_a_gap_is_told():
    """Group norm is steep near the zero signal; from a signal with a scale the way is smooth."""
    X, y = make_bumps()
    classifier = CNNClassifier(**{**SMALL, "max_epochs": 15, "norm": "group"}).fit(X, y)
    with pytest.warns(ConvergenceWarning, match=r"of 60 rows miss the difference of the logits .* raise n_steps=8"):
        saliency(classifier, X, "b", "integrated_gradients", n_steps=8)
    saliency(classifier, X, "b", "integrated_gradients", n_steps=8, baseline=X[y == "a"].mean(axis=0))


def test_side_features_get_their_share():
    owner = LinearOwner().fit()
    side_weight = owner.module_.side_weight.detach().numpy()[0]
    signal, side = saliency(owner, ROWS, 2, return_side=True)
    np.testing.assert_allclose(side, np.tile(side_weight, (10, 1)))
    np.testing.assert_array_equal(signal, saliency(owner, ROWS, 2))
    with pytest.raises(TypeError, match=r"segments\.standardize\.mean, which LinearModule does not keep"):
        saliency(owner, ROWS, 2, "integrated_gradients", return_side=True)
    X, y = make_bumps()
    assert saliency(CNNClassifier(**SMALL).fit(X, y), X, return_side=True)[1].shape == (len(X), 0)


def test_side_features_move_from_their_means():
    X, y = make_bumps()
    side = np.random.default_rng(0).normal([5, -2], [1, 3], size=(len(X), 2))
    side[y == "b", 0] += 2
    rows = flatten_leads(X, side)
    classifier = CNNClassifier(**{**SMALL, "max_epochs": 10}, n_side_features=2).fit(rows, y)
    signal, of_side = saliency(classifier, rows, "b", "integrated_gradients", return_side=True)
    assert of_side.shape == (len(X), 2)
    ends = np.zeros_like(rows)
    ends[:, N_TIMEPOINTS:] = side.mean(axis=0)
    change = (classifier._forward(rows) - classifier._forward(ends))[:, 1]
    np.testing.assert_allclose(signal.sum(axis=(1, 2)) + of_side.sum(axis=1), change, atol=0.02 * np.ptp(change))
    at_mean = rows.copy()
    at_mean[:, N_TIMEPOINTS + 1] = side[:, 1].mean()
    _, of_side = saliency(classifier, at_mean, "b", "integrated_gradients", return_side=True)
    np.testing.assert_allclose(of_side[:, 1], 0, atol=1e-9)


def test_float32_agrees_with_float64():
    X, y = make_bumps()
    double = CNNClassifier(**{**SMALL, "max_epochs": 10}).fit(X, y)
    single = clone(double).set_params(precision="float32").fit(X, y)
    single.module_.load_state_dict(double.module_.state_dict())
    for function, arguments in ((grad_cam, {}), (saliency, {}), (saliency, {"method": "integrated_gradients"})):
        exact, found = (function(classifier, X, "b", **arguments) for classifier in (double, single))
        assert found.dtype == np.float64
        # a gradient is not continuous where a rectifier switches
        off = np.abs(found - exact) > 1e-3 * np.abs(exact).max()
        assert off.mean() < 0.01


def test_nothing_is_left_behind(fitted):
    classifier, X, _ = fitted
    before, state = classifier.predict_proba(X), torch.random.get_rng_state()
    gradients = [weight.grad for weight in classifier.module_.parameters()]  # as the training left them
    grad_cam(classifier, X)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # with few steps
        saliency(classifier, X, method="integrated_gradients", n_steps=2)
    np.testing.assert_array_equal(classifier.predict_proba(X), before)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.is_grad_enabled()
    for part in classifier.module_.modules():
        assert not part.training and not part._forward_hooks
    for weight, gradient in zip(classifier.module_.parameters(), gradients, strict=True):
        assert weight.grad is gradient and weight.requires_grad


def test_layout_and_batches_make_no_difference(fitted):
    classifier, X, y = fitted
    small = clone(classifier).fit(X, y).set_params(batch_size=7)
    for function in (partial(grad_cam, n_steps=4), saliency):
        whole = function(classifier, X, "a")
        np.testing.assert_array_equal(function(classifier, X[:, 0], "a"), whole)
        np.testing.assert_allclose(
            np.concatenate([function(classifier, X[i : i + 20], "a") for i in (0, 20, 40)]), whole, atol=1e-9
        )
        assert function(small, X, "a").shape == whole.shape


@pytest.mark.parametrize("n_leads", [1, 2])
@pytest.mark.parametrize("n_timepoints", [1, 2, 7, N_TIMEPOINTS])
def test_any_length_and_leads(n_leads, n_timepoints):
    X, y = make_bumps(20, n_leads)
    X = X[:, :, :n_timepoints]
    classifier = CNNLSTMAttention(**{**QUICK, "max_epochs": 1}).fit(X, y)
    relevance = grad_cam(classifier, X)
    assert relevance.shape == (20, n_timepoints) and relevance.dtype == np.float64
    assert (relevance >= 0).all() and np.isfinite(relevance).all()
    assert saliency(classifier, X).shape == X.shape
    assert grad_cam(classifier, X, layer="blocks.0").shape == relevance.shape


def test_pipelines_and_wrappers_are_opened():
    X, y = make_bumps()
    rows = flatten_leads(X, np.zeros((len(X), 2)))
    side = {"n_side_features": 2}
    classifier = CNNClassifier(**{**QUICK, "max_epochs": 10}, **side)
    pipeline = make_pipeline(ECGScaler(**side), ECGResampler(n_timepoints_out=80, **side), classifier).fit(rows, y)
    relevance = grad_cam(pipeline, rows, "b")
    assert relevance.shape == (len(X), N_TIMEPOINTS)
    assert 20 <= relevance[y == "b"].mean(axis=0).argmax() <= 32
    inner = saliency(pipeline[-1], pipeline[:-1].transform(rows), "b")
    outer = saliency(pipeline, rows, "b")
    np.testing.assert_allclose(outer, 2 * inner[:, :, ::2])
    np.testing.assert_array_equal(grad_cam(FrozenEstimator(pipeline), rows, "b"), relevance)
    sampled = make_sampling_pipeline(ECGScaler(**side), RandomOverSampler(random_state=0), classifier).fit(rows, y)
    inner = grad_cam(sampled[-1], sampled[0].transform(rows), "b")
    np.testing.assert_array_equal(grad_cam(sampled, rows, "b"), inner)
    search = GridSearchCV(make_pipeline(ECGScaler(**side), classifier), {"cnnclassifier__lr": [0.03]}, cv=2)
    search.fit(rows, y)
    np.testing.assert_array_equal(grad_cam(search, rows), grad_cam(search.best_estimator_, rows))
    np.testing.assert_array_equal(grad_cam(FrozenEstimator(search), rows), grad_cam(search, rows))
    adapted = AdaptedClassifier(FrozenEstimator(sampled), max_epochs=1).fit(rows, y)
    np.testing.assert_array_equal(grad_cam(adapted, rows), grad_cam(adapted.estimator_, rows))


@pytest.mark.parametrize("how", [{}, {"aggregate": "median"}, {"flatten": True}])
def test_beats_cut_from_records_have_no_place_on_the_time_axis(how):
    X, y = make_bumps(20)
    segmenter = BeatSegmenter(**SEGMENTS, n_beats=2, **how)
    classifier = CNNClassifier(**{**SMALL, "max_epochs": 1})
    pipeline = make_pipeline(segmenter, classifier).fit(X[:, 0], y)
    for function in (grad_cam, saliency):
        with pytest.raises(ValueError, match=r"cuts records into beats \(BeatSegmenter\)"):
            function(pipeline, X[:, 0])
    assert grad_cam(pipeline[-1], pipeline[:-1].transform(X[:, 0])).shape[0] == 20


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (grad_cam, {"target": 3}, r"target must be in classes_ \[2, 5, 7\], got \[3\]"),
        (grad_cam, {"target": [2, 5]}, "target must be one label or 10"),
        (grad_cam, {"layer": "deep"}, r"layer must be one of \['identity'\], got 'deep'"),
        (grad_cam, {}, "a convolution did not run"),
        (grad_cam, {"weights": "sum"}, 'weights must be "integrated", "elementwise" or "mean", got \'sum\''),
        (grad_cam, {"baseline": np.inf, "layer": "identity"}, "baseline must be finite"),
        (grad_cam, {"baseline": np.zeros(4), "layer": "identity"}, r"baseline must broadcast to \(10, 2, 5\)"),
        (grad_cam, {"n_steps": True, "layer": "identity"}, "n_steps must be an integer of at least 1, got True"),
        (saliency, {"method": "magic"}, "method must be"),
        (saliency, {"n_steps": 0}, "n_steps must be an integer of at least 1, got 0"),
        (saliency, {"baseline": np.nan}, "baseline must be finite"),
        (saliency, {"baseline": np.zeros(4)}, r"baseline must broadcast to \(10, 2, 5\)"),
    ],
)
def test_bad_arguments(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(LinearOwner().fit(), ROWS, **arguments)


@pytest.mark.parametrize("function", [grad_cam, saliency])
def test_ensembles_have_no_network(function):
    X, y = make_bumps(20)
    for ensemble in (RandomForestClassifier(2), BaggingClassifier(CNNClassifier(**QUICK), 1)):
        with pytest.raises(TypeError, match=f"{type(ensemble).__name__} has no module_: it is not a neural .* wanted"):
            function(make_pipeline(ensemble).fit(X[:, 0], y), X[:, 0])


def test_bad_estimators_and_layers():
    X, y = make_bumps(20)
    forest = LogisticRegression().fit(X[:, 0], y)
    with pytest.raises(TypeError, match="LogisticRegression has no module_"):
        grad_cam(forest, X[:, 0])
    classifier = CNNClassifier(**{**QUICK, "max_epochs": 1}).fit(X, y)
    with pytest.raises(ValueError, match=r"layer must give \(batch, channels, steps\), got \(1, 2\) from 'head'"):
        grad_cam(classifier, X, layer="head")
    with pytest.raises(ValueError, match="no step was fitted on"):
        grad_cam(classifier, X[:, 0, :-1])


def test_spans_move_and_keep_their_lengths():
    mask = np.array([0, 1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 0], dtype=bool)
    rng = np.random.default_rng(0)
    for _ in range(50):
        moved = _faithfulness.move_spans(mask, rng)
        runs = sorted(len(run) for run in "".join("x" if m else " " for m in moved).split())
        assert runs == [1, 2, 3]


def test_hiding_and_wave_shares_by_hand():
    rows, mask = np.array([[0.0, 9, 9, 3, 5, 77]]), np.array([[False, True, True, False, True]])
    np.testing.assert_allclose(_faithfulness.hide(rows, mask), [[0, 1, 2, 3, 3, 77]])
    np.testing.assert_allclose(_faithfulness.hide(rows, mask, "mean")[0, [1, 5]], [5.2, 77])
    relevance = np.array([[0, 2, 0, 1, 0, -1.0], [0, 0, 0, 0, 0, 0]])
    shares = _faithfulness.wave_shares(relevance, fs=10, r_sample=3)
    np.testing.assert_allclose([shares[wave][0] for wave in ("P", "QRS", "T")], [0.5 * 0 + 0.5, 0.25, 0.25])
    assert np.isnan(shares["P"][1])


class SumOwner(ClassifierMixin, BaseEstimator):
    """The probability of the first class is the sum of the first three of six samples."""

    def predict_proba(self, X):
        first = X[:, :3].sum(axis=1)
        return np.column_stack([first, 1 - first])


def test_occlusion_by_hand():
    X = np.array([[0, 0.9, 0, 0, 0, 0, 7.0]])
    # by the first sample of a window of two; one that is cut at the border takes its neighbour's value
    falls = {-1: -0.9, 0: 0.9, 1: 0.9, 2: -0.6, 3: 0, 4: 0, 5: 0}
    expected = [[(falls[i - 1] + falls[i]) / 2 for i in range(6)]]
    np.testing.assert_allclose(_faithfulness.occlusion(SumOwner(), X, n_side_features=1, width=2), expected)
