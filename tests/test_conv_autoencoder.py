"""ConvAutoencoder: our contract for signals, the loss and the score by hand, and what it must learn."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ecg import ConvAutoencoder
from sklearn_ecg.autoencoders import _transport
from sklearn_ecg.autoencoders._unpunished import punished_samples
from sklearn_ecg.base import _pooled_r2
from sklearn_ecg.interpolation import transport_path
from sklearn_ecg.nn.autoencoders import ConvAutoencoder as Module
from sklearn_ecg.nn.autoencoders import SpectralConv1d, Stretch
from sklearn_ecg.nn.blocks import SameConv1d
from sklearn_ecg.signals._validation import RowLayout, flatten_leads, signal_feature_names
from tests.instances import AUTOENCODERS as ALL_AUTOENCODERS
from tests.instances import QUICK

AUTOENCODERS = {name: value for name, value in ALL_AUTOENCODERS.items() if name.startswith("ConvAutoencoder")}

INSTANCES = {name: instance for name, instance in AUTOENCODERS.items() if isinstance(instance, ConvAutoencoder)}
N_LEADS, N_TIMEPOINTS, N_SIDE = 2, 16, 3
SIZES = {
    "channels": (4, 3),
    "kernel_sizes": (20, 3),
    "pools": (2, 3),
    "latent_size": 5,
    "activation": "relu",
    "upsampling": "upsample",
    "norm": "batch",
    "dropout": 0.1,
}
VARIANTS = {
    "dense": {},
    "group-norm": {"norm": "group"},
    "convolutional": {"latent_size": None, "upsampling": "transposed", "activation": "leaky_relu", "norm": None},
    "wide pools": {"pools": (7, 9), "upsampling": "transposed"},
}
SINGLE_SIGNAL = {
    "channels": (10, 10, 5),
    "kernel_sizes": (100, 80, 50),
    "latent_size": None,
    "activation": "leaky_relu",
    "upsampling": "transposed",
    "norm": None,
    "dropout": 0.0,
}


@pytest.fixture
def signals():
    """Bumps whose place in both leads is the one thing that varies."""
    rng = np.random.default_rng(0)
    place = rng.uniform(4, 12, size=(40, 1, 1))
    bumps = np.exp(-(((np.arange(N_TIMEPOINTS) - place) / 2) ** 2)) * [[1.0], [-0.5]]
    return bumps + 0.02 * rng.normal(size=bumps.shape)


@pytest.fixture
def side():
    return np.random.default_rng(1).normal(2.0, 5.0, size=(40, N_SIDE))


@pytest.fixture(params=INSTANCES)
def net(request):
    return clone(INSTANCES[request.param]).set_params(**QUICK)


def make_module(n_leads, length, punished=None, **settings):
    return Module(n_leads, length, punished=punished, **{**SIZES, **settings})


@pytest.mark.parametrize("n_leads", [1, 2, 12])
@pytest.mark.parametrize("length", [1, 2, 7, 250])
@pytest.mark.parametrize("name", VARIANTS)
def test_any_length_and_any_number_of_leads(name, length, n_leads):
    torch.manual_seed(0)
    module, x = make_module(n_leads, length, **VARIANTS[name]), torch.randn(3, n_leads, length)
    latent = module.encode(x)
    assert latent.shape == (3, module.n_latent)
    assert module.decode(latent).shape == x.shape
    loss = module(x, None)
    assert loss.shape == (3,)
    loss.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


@pytest.mark.parametrize("p, n_latent", [(3, 2085), (7, 895)])
def test_networks_of_one_signal_have_the_published_bottleneck(p, n_latent):
    module = Module(1, 5000, pools=(2, p, 2), **SINGLE_SIGNAL)
    assert module.n_latent == n_latent
    assert module.decode(module.encode(torch.zeros(1, 1, 5000))).shape == (1, 1, 5000)


def test_default_sizes_are_those_of_table_one():
    module = ConvAutoencoder()._make_module(1, 512, 0, 1)
    assert module.bottleneck == (5, 32)
    assert module.n_latent == 30
    filters = [tuple(m.conv.weight.shape) for m in module.modules() if isinstance(m, SameConv1d)]
    assert filters[:4] == [(30, 1, 100), (15, 30, 100), (15, 15, 30), (5, 15, 20)]
    assert filters[4:] == [(15, 5, 20), (15, 15, 30), (30, 15, 100), (1, 30, 100)]


def test_network_of_single_cycles_is_reached_by_parameters():
    module = ConvAutoencoder(pools=(2, 7, 2, 2), dropout=0.2)._make_module(1, 560, 0, 1)
    assert module.bottleneck == (5, 10)
    assert module.lengths == [560, 280, 40, 20, 10]
    assert {m.p for m in module.modules() if isinstance(m, torch.nn.Dropout)} == {0.2}


@pytest.mark.parametrize("kernel_size", [15, 16, 17, 100])
@pytest.mark.parametrize("length", [1, 2, 7, 250])
def test_product_of_spectra_is_the_same_convolution(kernel_size, length):
    torch.manual_seed(0)
    spectral, x = SpectralConv1d(2, 3, kernel_size).double(), torch.randn(4, 2, length).double()
    direct = SameConv1d(2, 3, kernel_size).double()
    direct.load_state_dict(spectral.state_dict())
    torch.testing.assert_close(spectral(x), direct(x), rtol=1e-10, atol=1e-12)
    grads = [torch.autograd.grad(conv(x).square().sum(), conv.parameters()) for conv in (spectral, direct)]
    for ours, wanted in zip(*grads, strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-10)


def test_zeros_before_a_convolution_make_a_transposed_convolution():
    torch.manual_seed(0)
    conv, x = SameConv1d(3, 2, 5), torch.randn(1, 3, 8)
    transposed = torch.nn.functional.conv_transpose1d(
        x, conv.conv.weight.flip(-1).transpose(0, 1), conv.conv.bias, stride=3
    )
    torch.testing.assert_close(conv(Stretch(3, "transposed")(x))[..., :22], transposed[..., 2:24])
    assert Stretch(3, "upsample")(torch.tensor([[[1.0, 2.0]]])).tolist() == [[[1, 1, 1, 2, 2, 2]]]


def test_loss_is_the_mean_squared_error_over_punished_samples():
    punished = np.ones((2, 4))
    punished[:, 1:3] = 0
    module = make_module(2, 4, punished)
    decoded = torch.arange(16.0).reshape(2, 2, 4).requires_grad_()
    error = module.error(decoded, torch.zeros(2, 2, 4))
    assert error.tolist() == [(0 + 9 + 16 + 49) / 4, (64 + 121 + 144 + 225) / 4]
    (gradient,) = torch.autograd.grad(error.sum(), decoded)
    assert (gradient[..., 1:3] == 0).all()
    assert (gradient[..., 3] == decoded[..., 3] / 2).all()


def test_masks_and_intervals_name_the_same_samples():
    expected = np.array([1, 0, 0, 1, 1, 0.0])
    mask = expected == 0
    for unpunished in (
        mask,
        mask.tolist(),
        np.tile(mask, (2, 1)),
        [(1, 3), (5, 6)],
        np.array([(1, 2), (2, 3), (5, 6)]),
    ):
        np.testing.assert_array_equal(punished_samples(unpunished, 2, 6), np.tile(expected, (2, 1)))
    for nothing in (None, [], ()):
        assert punished_samples(nothing, 2, 6).all()


@pytest.mark.parametrize(
    "unpunished, message",
    [
        (np.zeros(5, dtype=bool), r"mask must be of shape \(16,\) or \(2, 16\), got \(5,\)"),
        (np.ones(16, dtype=bool), "leaves no sample"),
        ([(0, 17)], "0 <= start < stop <= 16"),
        ([(4, 4)], "0 <= start < stop <= 16"),
        ([(-1, 4)], "0 <= start < stop <= 16"),
        ([0.5, 1.0], "a boolean mask or intervals"),
        ((2, 8), "a boolean mask or intervals"),
        ([(2, 8), (10,)], r"a boolean mask or intervals .* got \[\(2, 8\), \(10,\)\]"),
    ],
)
def test_unpunished_samples_that_do_not_fit_are_an_error(net, signals, unpunished, message):
    with pytest.raises(ValueError, match=message):
        net.set_params(unpunished=unpunished).fit(signals)


def test_unpunished_samples_are_free_and_count_in_no_score(net, signals):
    region = [(6, 10)]
    free = np.zeros(N_TIMEPOINTS, dtype=bool)
    free[6:10] = True
    fitted = net.set_params(unpunished=region, max_epochs=100).fit(signals)
    decoded = fitted.reconstruct(signals)
    error = (decoded - signals) ** 2
    assert error[..., free].mean() > 2 * error[..., ~free].mean()
    expected = r2_score(signals[..., ~free].ravel(), decoded[..., ~free].ravel())
    assert fitted.score(signals) == pytest.approx(expected, rel=1e-12)


def test_score_is_the_pooled_r2(net, signals):
    fitted = net.set_params(batch_size=7).fit(signals)
    expected = r2_score(signals.ravel(), fitted.reconstruct(signals).ravel())
    assert fitted.score(signals) == pytest.approx(expected, rel=1e-12)
    assert fitted.score(flatten_leads(signals)) == fitted.score(signals)


def test_score_decodes_a_part_of_the_rows_at_a_time(net, signals, monkeypatch):
    fitted = net.fit(signals)
    whole, outputs, decoded = fitted.score(signals), fitted._outputs, []
    monkeypatch.setattr(_pooled_r2, "_ROWS_AT_ONCE", 7)
    monkeypatch.setattr(fitted, "_outputs", lambda rows, *args: decoded.append(len(rows)) or outputs(rows, *args))
    assert fitted.score(signals) == pytest.approx(whole, rel=1e-12)
    assert max(decoded) == 7 and sum(decoded) == len(signals)


def test_score_of_signals_without_deviation_is_a_number(net):
    flat = np.zeros((10, 8))
    fitted = net.fit(flat)
    for level in (0.0, 0.1, 1 / 3):  # whose mean may be off by a rounding
        assert [fitted.score(flat[:n] + level) for n in (10, 7, 1)] == [0.0] * 3


@pytest.mark.parametrize("name", INSTANCES)
def test_learns_the_one_thing_that_varies(name, signals):
    fitted = clone(INSTANCES[name]).set_params(max_epochs=150, lr=0.01, batch_size=20, random_state=0)
    fitted.fit(signals[:30])
    held_out = signals[30:]
    mean = np.broadcast_to(signals[:30].mean(axis=0), held_out.shape)
    assert fitted.score(held_out) > 0.75
    assert r2_score(held_out.ravel(), mean.ravel()) < 0.6


def test_three_d_and_flat_rows_are_interchangeable(net, signals):
    flat = flatten_leads(signals)
    cube, rows = clone(net).fit(signals), clone(net).set_params(n_leads=N_LEADS).fit(flat)
    expected = cube.transform(signals)
    for fitted, given in ((cube, flat), (rows, signals), (rows, flat), (cube, signals.tolist())):
        np.testing.assert_array_equal(fitted.transform(given), expected)
    decoded = cube.reconstruct(signals)
    assert decoded.shape == signals.shape
    np.testing.assert_array_equal(cube.reconstruct(flat), flatten_leads(decoded))
    np.testing.assert_allclose(cube.inverse_transform(expected), flatten_leads(decoded), rtol=1e-12, atol=1e-15)


def test_side_columns_pass_and_change_nothing(net, signals, side):
    rows = flatten_leads(signals, side)
    alone = clone(net).fit(signals)
    fitted = net.set_params(n_leads=N_LEADS, n_side_features=N_SIDE).fit(rows)
    latent = fitted.transform(rows)
    np.testing.assert_array_equal(latent[:, :-N_SIDE], alone.transform(signals))
    for out in (latent, fitted.inverse_transform(latent), fitted.reconstruct(rows)):
        np.testing.assert_array_equal(out[:, -N_SIDE:], side)
    assert fitted.score(rows) == alone.score(signals)
    assert list(fitted.get_feature_names_out())[-N_SIDE:] == ["side0", "side1", "side2"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_of_what_comes_in_is_kept(net, signals, dtype):
    X = signals.astype(dtype)
    fitted = net.fit(X)
    latent = fitted.transform(X)
    assert {out.dtype for out in (latent, fitted.reconstruct(X), fitted.inverse_transform(latent))} == {np.dtype(dtype)}
    integers = np.rint(100 * flatten_leads(signals)).astype(int)
    assert fitted.reconstruct(integers).dtype == np.float64


def test_frames_keep_the_names_of_the_side_columns(net, signals, side):
    names = signal_feature_names(["II", "V1"], N_TIMEPOINTS, ["rr", "age", "x"])
    frame = pd.DataFrame(flatten_leads(signals, side), columns=names)
    with pytest.raises(ValueError, match=r"The column names tell 2 lead\(s\) \(II, V1\).*n_leads=1"):
        clone(net).set_params(n_side_features=N_SIDE).fit(frame)
    fitted = net.set_params(n_leads=N_LEADS, n_side_features=N_SIDE).set_output(transform="pandas").fit(frame)
    out = fitted.transform(frame)
    assert list(out.columns) == [*(f"latent{i}" for i in range(fitted.n_latent_)), "rr", "age", "x"]
    np.testing.assert_array_equal(out["age"], side[:, 1])


def test_latents_of_another_width_or_not_finite_are_refused(net, signals):
    fitted = net.fit(signals)
    with pytest.raises(ValueError, match=r"Z has \d+ columns, but ConvAutoencoder was fitted with \d+ for the latent"):
        fitted.inverse_transform(np.zeros((2, fitted.n_latent_ + 1)))
    with pytest.raises(ValueError, match="Z contains NaN"):
        fitted.inverse_transform(np.full((2, fitted.n_latent_), np.nan))
    with pytest.raises(ValueError, match=r"records of shape \(1, 32\).* records of shape \(2, 16\)"):
        fitted.reconstruct(signals.reshape(40, 1, 32))
    with pytest.raises(NotFittedError):
        clone(net).inverse_transform(np.zeros((2, 3)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_signals_are_refused(net, signals, value):
    bad = signals.copy()
    bad[3, 1, 5] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        clone(net).fit(bad)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        net.fit(signals).score(bad)


def test_sizes_that_do_not_go_together_are_an_error(net, signals):
    with pytest.raises(ValueError, match="channels, kernel_sizes and pools must be of one length"):
        clone(net).set_params(pools=(2,)).fit(signals)
    with pytest.raises(
        ValueError,
        match="'kernel_sizes' parameter of ConvAutoencoder must be a non-empty sequence",
    ):
        net.set_params(kernel_sizes=(0, 3)).fit(signals)


def test_output_does_not_depend_on_the_batch(net, signals):
    fitted = net.fit(signals)
    alone = np.vstack([fitted.transform(row[None]) for row in signals])
    np.testing.assert_allclose(fitted.transform(signals), alone, rtol=1e-10, atol=1e-12)


def test_same_seed_same_model_and_global_generators_untouched(net, signals):
    net.set_params(batch_size=8, dropout=0.3)
    torch_state = torch.get_rng_state()
    first, second = clone(net).fit(signals), clone(net).fit(signals)
    np.testing.assert_array_equal(first.transform(signals), second.transform(signals))
    assert torch.equal(torch.get_rng_state(), torch_state)
    other = clone(net).set_params(random_state=1).fit(signals)
    assert not np.array_equal(other.transform(signals), first.transform(signals))


def test_weights_equal_repeated_rows_and_zero_weights_removal(net, signals):
    weight = np.random.default_rng(1).integers(0, 4, len(signals))
    weighted = clone(net).fit(signals, sample_weight=weight).transform(signals)
    repeated = clone(net).fit(np.repeat(signals, weight, axis=0)).transform(signals)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match="at least one non-zero"):
        net.fit(signals, sample_weight=np.zeros(len(signals)))


def test_early_stopping_splits_by_patient(net, signals):
    net.set_params(early_stopping=True, validation_fraction=0.25, max_epochs=5)
    fitted = clone(net).fit(signals, groups=np.arange(40) // 10)
    assert all(np.isfinite(row["valid_loss"]) for row in fitted.history_)
    with pytest.raises(ValueError, match=r"groups must be of shape \(40,\)"):
        clone(net).fit(signals, groups=np.zeros(3))
    with pytest.warns(UserWarning, match="without groups"):
        net.fit(signals)


def test_pickle_keeps_the_latent_and_holds_no_torch_object(net, signals):
    fitted = net.set_params(unpunished=[(2, 4)]).fit(signals)
    state = pickle.dumps(fitted)
    assert b"torch" not in state
    loaded = pickle.loads(state)
    fitted.set_params(unpunished=None, latent_size=2)  # what was fitted stays
    for one in (fitted, loaded):
        latent = one.transform(signals)
        assert one.n_latent_ == latent.shape[1]
        np.testing.assert_array_equal(latent, pickle.loads(state).transform(signals))
        assert one.score(signals) == pickle.loads(state).score(signals)


def test_skops_trusts_our_classes_alone(net, signals):
    rows = flatten_leads(signals)
    pipeline = make_pipeline(StandardScaler(), net.set_params(n_leads=N_LEADS)).fit(rows)
    stored = skops.io.dumps(pipeline)
    unknown = skops.io.get_untrusted_types(data=stored)
    assert all(name.startswith("sklearn_ecg.") for name in unknown), unknown
    loaded = skops.io.loads(stored, trusted=unknown)
    np.testing.assert_array_equal(loaded.transform(rows), pipeline.transform(rows))
    np.testing.assert_array_equal(
        loaded.inverse_transform(loaded.transform(rows)), pipeline.inverse_transform(pipeline.transform(rows))
    )


def test_memory_mapped_signals_give_the_same_model(net, signals, tmp_path):
    np.save(tmp_path / "X.npy", flatten_leads(signals).astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = clone(net).fit(np.array(mapped)).score(np.array(mapped))
    assert net.fit(mapped).score(mapped) == expected


def test_warm_start_continues_and_may_spare_other_samples(net, signals):
    fitted = net.set_params(warm_start=True, optimizer="sgd", max_epochs=2).fit(signals)
    fitted.set_params(unpunished=[(0, 8)], max_epochs=3).fit(signals)
    assert fitted.n_iter_ == 5
    assert fitted.module_.punished.sum() == N_LEADS * 8
    with pytest.raises(ValueError, match="warm_start=True continues a module fitted with channels"):
        fitted.set_params(channels=(3, 3)).fit(signals)


def test_augmented_signals_are_what_is_reconstructed(net, signals):
    flat = np.ones_like(signals)
    fitted = net.set_params(augment=_doubled, max_epochs=100).fit(flat)
    np.testing.assert_allclose(fitted.reconstruct(2 * flat), 2.0, atol=0.2)


def _doubled(signals):
    return 2 * signals


def moving_bump(a, b, t, fs):
    """Stands in for the transport path: the bump of both leads moves from its place in ``a`` to that in ``b``."""
    time, share = np.arange(N_TIMEPOINTS), np.asarray(t)[:, None, None]
    start, stop = ((np.clip(x[0], 0, None) @ time) / np.clip(x[0], 0, None).sum() for x in (a, b))
    return np.exp(-(((time - (1 - share) * start - share * stop) / 2) ** 2)) * [[1.0], [-0.5]]


def test_path_targets_are_points_between_training_rows(monkeypatch, signals):
    asked = []

    def straight(a, b, t, fs):
        asked.append((len(t), fs))
        share = t[:, None, None]
        return (1 - share) * a + share * b

    monkeypatch.setattr(_transport, "path_between", straight)
    layout = RowLayout(N_LEADS, N_TIMEPOINTS, N_SIDE)
    rows = flatten_leads(signals, np.zeros((40, N_SIDE)))
    bank = _transport.path_targets(rows, layout, np.arange(5, 12), n_pairs=6, weight=2.0, fs=100.0, seed=0)
    assert asked == [(2, 100.0)] * 6
    assert len(bank.times.unique()) == len(bank.targets) == len(bank.pairs) == 6 * 2
    ends = bank.signals[bank.pairs]  # (targets, 2, leads, time)
    expected = torch.lerp(ends[:, 0], ends[:, 1], bank.times[:, None, None])
    torch.testing.assert_close(bank.targets.double(), expected, rtol=1e-6, atol=1e-6)
    assert (bank.pairs[:, 0] != bank.pairs[:, 1]).all()
    training = torch.from_numpy(signals[5:12])
    assert (bank.signals.unsqueeze(1) == training).all(dim=(2, 3)).any(dim=1).all()


def test_regulariser_is_the_weighted_error_of_decoded_points(monkeypatch, signals):
    monkeypatch.setattr(_transport, "path_between", moving_bump)
    layout = RowLayout(N_LEADS, N_TIMEPOINTS)
    bank = _transport.path_targets(flatten_leads(signals), layout, np.arange(2), n_pairs=1, weight=3.0, fs=1.0, seed=0)
    bank.times, bank.targets, bank.pairs = bank.times[1:], bank.targets[1:], bank.pairs[1:]
    module = make_module(N_LEADS, N_TIMEPOINTS, norm="group", dropout=0.0).double()
    ends = module.encode(bank.signals[bank.pairs[0]])
    decoded = module.decode((1 - bank.times) * ends[:1] + bank.times * ends[1:])
    expected = 3 * ((decoded - bank.targets) ** 2).mean()
    torch.testing.assert_close(bank.error(module, 5), expected)
    x = torch.from_numpy(signals)
    plain = module(x, None)
    module.path = bank
    torch.testing.assert_close(module(x, None) - plain, expected.expand(40))
    torch.testing.assert_close(module.eval()(x, None), plain)


def test_regulariser_brings_decoded_points_to_the_path(monkeypatch, signals):
    monkeypatch.setattr(_transport, "path_between", moving_bump)
    settings = {**QUICK, "max_epochs": 100, "lr": 0.01, "batch_size": 20, "fs": 100}
    error = {}
    for transport in (0.0, 1.0):
        fitted = clone(INSTANCES["ConvAutoencoder"]).set_params(transport=transport, **settings).fit(signals)
        assert fitted.module_.path is None
        latent = fitted.transform(signals)
        middle = fitted.inverse_transform((latent[:-1] + latent[1:]) / 2).reshape(-1, N_LEADS, N_TIMEPOINTS)
        wanted = [moving_bump(a, b, [0.5], 100)[0] for a, b in pairwise(signals)]
        error[transport] = np.mean((middle - wanted) ** 2)
    assert error[1.0] < 0.7 * error[0.0]
    assert b"torch" not in pickle.dumps(fitted)


def test_targets_lead_from_one_signal_to_the_other_on_the_transport_path():
    time = np.arange(512) / 128
    a, b = (np.exp(-0.5 * (((time - start) % 0.8 - 0.4) / 0.015) ** 2) for start in (0.0, 0.2))
    rows = np.stack([np.concatenate([a, -a]), np.concatenate([b, -b])])
    settings = {"n_pairs": 1, "weight": 1.0, "fs": 128.0, "seed": 0}
    bank = _transport.path_targets(rows, RowLayout(2, 512), np.arange(2), **settings)
    first, last = bank.signals[bank.pairs[0]][:, 0].numpy()
    expected = transport_path(first, last, fs=128, t=bank.times)
    np.testing.assert_allclose(bank.targets[:, 0], expected, atol=1e-6)
    assert (bank.targets[:, 1].amin(dim=1) < -0.9).all()


def test_transport_wants_the_sampling_frequency_and_two_rows(net, signals):
    with pytest.raises(TypeError, match="fs must be a number, the sampling frequency in Hz, got None"):
        clone(net).set_params(transport=1.0).fit(signals)
    with pytest.raises(ValueError, match="transport wants at least 2 training rows, got 1"):
        net.set_params(transport=1.0, fs=100).fit(signals[:1])
