"""Every module accepts any length and any number of leads; hand-worked values of the blocks."""

from functools import partial

import numpy as np
import pytest
import torch

from sklearn_ecg.nn.blocks import AdditiveAttention, ResidualBlock, SameConv1d, SpectralConv1d, make_norm
from sklearn_ecg.nn.convnets import ConvLSTM, ConvLSTMAttention, ConvNet, ResNet
from sklearn_ecg.nn.losses import RegressionLoss
from sklearn_ecg.nn.pretraining import ContrastedSegments, MaskedSegments, SegmentAutoencoder
from sklearn_ecg.nn.regression import DenseBackbone, LearnedAverage, Regressor, ResidualBackbone
from sklearn_ecg.nn.segments import SegmentClassifier, SegmentDecoder, SegmentTransformer, pool, positions
from sklearn_ecg.nn.transformer import PatchTransformer
from sklearn_ecg.nn.unet import StandardizeLeads, UNet

SIZES = {
    "channels": (4, 6),
    "kernel_size": 7,
    "side_sizes": (2,),
    "side_noise": 0.1,
    "signal_dropout": 0.3,
    "head_size": 5,
    "dropout": 0.1,
}
ARCHITECTURES = {
    ConvNet: {"pool": 2, "summary_steps": 3},
    ConvLSTM: {"pool": 2, "lstm_size": 4},
    ConvLSTMAttention: {"pool": 2, "lstm_size": 4, "attention_size": 3},
    ResNet: {"n_blocks": 2, "summary_steps": 3},
}
MODULES = {
    f"{net.__name__}-{norm}": partial(net, norm=norm, **SIZES, **sizes)
    for net, sizes in ARCHITECTURES.items()
    for norm in ("batch", "group")
}


@pytest.mark.parametrize("n_side", [0, 2])
@pytest.mark.parametrize("n_leads", [1, 2, 12])
@pytest.mark.parametrize("length", [1, 2, 7, 250])
@pytest.mark.parametrize("name", MODULES)
def test_any_length_and_any_number_of_leads(name, length, n_leads, n_side):
    module = MODULES[name](n_leads, n_side, 3)
    output = module(torch.randn(3, n_leads, length), torch.randn(3, n_side))
    assert output.shape == (3, 3)
    output.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("n_side", [0, 2])
@pytest.mark.parametrize("n_leads", [1, 2, 12])
@pytest.mark.parametrize("length", [1, 2, 7, 250])
def test_scores_at_every_sample_of_any_length(length, n_leads, n_side, norm):
    module = UNet(n_leads, n_side, 3, channels=(4, 6, 8), kernel_size=4, norm=norm, dropout=0.1)
    output = module(torch.randn(3, n_leads, length), torch.randn(3, n_side))
    assert output.shape == (3, 3, length)
    output.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


def test_leads_are_scaled_by_their_own_record():
    x = torch.randn(2, 3, 200, dtype=torch.float64)
    standardize = StandardizeLeads(3, 100).double()
    scaled = standardize(x)
    np.testing.assert_allclose(standardize(5 * x + 7), scaled, atol=1e-12)
    np.testing.assert_allclose(scaled.mean(dim=2), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.abs().mean(dim=2), 1)
    assert not standardize(torch.full((1, 3, 200), 0.1).double()).any()  # not even rounding
    spike = torch.zeros(1, 3, 200).double()
    spike[:, :, 7] = 1e-3
    assert standardize(spike).abs().max() == 50
    short = standardize(x[:, :, :99])
    np.testing.assert_array_equal(short, x[:, :, :99])  # no statistics of training rows were set


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_convolution_keeps_ceil_of_length_over_stride(kernel_size, stride):
    for length in (1, 2, 7, 50):
        output = SameConv1d(1, 1, kernel_size, stride=stride)(torch.randn(1, 1, length))
        assert output.shape[-1] == -(-length // stride)


BACKBONES = {
    f"resnet-{pooling}-{norm}": lambda n_leads, length, pooling=pooling, norm=norm: ResidualBackbone(
        n_leads,
        channels=(4, 6),
        n_blocks=2,
        kernel_size=20,
        expansion=2,
        stem_kernel_sizes=(8, 3),
        stem_stride=3,
        stem_pool=2,
        pooling=pooling,
        norm=norm,
        dropout=0.1,
    )
    for pooling in ("mean", "attention")
    for norm in ("batch", "group")
} | {
    "vit": lambda n_leads, length: PatchTransformer(
        n_leads, length, patch_size=4, embedding_size=8, n_layers=2, n_heads=2, feedforward_size=4, dropout=0.1
    ),
    "mlp": lambda n_leads, length: DenseBackbone(n_leads, length, hidden_sizes=(5, 4), dropout=0.1),
}


@pytest.mark.parametrize("head_size, n_side", [(None, 0), (3, 2)])
@pytest.mark.parametrize("n_leads", [1, 2, 12])
@pytest.mark.parametrize("length", [1, 2, 7, 250])
@pytest.mark.parametrize("name", BACKBONES)
def test_regressors_take_any_length_and_any_number_of_leads(name, length, n_leads, head_size, n_side):
    module = Regressor(BACKBONES[name](n_leads, length), n_side, 4, head_size=head_size, dropout=0.1)
    output = module(torch.randn(3, n_leads, length), torch.randn(3, n_side))
    assert output.shape == (3, 4)
    output.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


def test_regression_loss_leaves_unknown_targets_out():
    output = torch.tensor([[1.0, 5.0], [3.0, -2.5], [0.5, 1.0]], requires_grad=True)
    target = torch.tensor([[2.0, float("nan")], [0.0, -2.0], [float("nan"), float("nan")]])
    for kind, expected in {
        "l1": [0.5, (3 + 3 * 0.5) / 2, 0],
        "mse": [0.5, (9 + 3 * 0.25) / 2, 0],
        "huber": [0.25, (2.5 + 3 * 0.125) / 2, 0],
    }.items():
        loss = RegressionLoss(kind, [1.0, 3.0])(output, target)
        assert loss.tolist() == pytest.approx(expected)
    loss.sum().backward()
    assert output.grad[0, 1] == output.grad[2, 0] == output.grad[2, 1] == 0
    assert torch.isfinite(output.grad).all()


def test_head_in_other_units_tells_the_same():
    module = Regressor(BACKBONES["mlp"](1, 7), 0, 2, head_size=3, dropout=0).eval()
    signals, side = torch.randn(4, 1, 7), torch.zeros(4, 0)
    before, factor, shift = module(signals, side), torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    module.head.change_units(factor, shift)
    torch.testing.assert_close(module(signals, side), factor * before + shift)


def test_learned_average_weighs_what_scores_high():
    average = LearnedAverage(1)
    for conv, weight in ((average.value, 2.0), (average.score, 100.0)):
        torch.nn.init.constant_(conv.weight, weight)
        torch.nn.init.zeros_(conv.bias)
    torch.testing.assert_close(average(torch.tensor([[[0.0, 1.0, 3.0, 0.0]]])), torch.tensor([[1.0, 6.0]]))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_size", [7, 16, 31])
def test_long_filters_of_residual_blocks_are_plain_convolutions(kernel_size, stride):
    conv = SpectralConv1d(2, 3, kernel_size, stride=stride).double()
    plain = SameConv1d(2, 3, kernel_size, stride=stride).double()
    plain.load_state_dict(conv.state_dict())
    x = torch.randn(4, 2, 45).double()
    torch.testing.assert_close(conv(x), plain(x))


def test_wider_blocks_end_with_their_own_channels():
    block = ResidualBlock(4, 4, 50, inner_channels=8)
    assert block.conv1.conv.weight.shape == (8, 4, 50)
    assert block(torch.randn(2, 4, 30)).shape == (2, 4, 30)


def test_group_norm_never_has_one_value_a_group():
    for n_channels in (2, 3, 5, 6, 16, 30, 64):
        norm = make_norm("group", n_channels)
        assert n_channels % norm.num_groups == 0
        assert n_channels // norm.num_groups >= 2


def test_attention_with_equal_scores_is_the_mean():
    attention = AdditiveAttention(3, 2)
    with torch.no_grad():
        attention.context.weight.zero_()
    states = torch.arange(12.0).reshape(1, 4, 3)
    np.testing.assert_allclose(attention(states).detach(), states.mean(dim=1))


SEGMENT = {"channels": (4, 6), "kernel_size": 7, "embedding_size": 6}
CONTEXT = {"n_layers": 1, "n_heads": 2, "feedforward_size": 5, "dropout": 0.1}
HEAD = {"pooling": "attention", "attention_size": 3, "head_size": 4, "side_noise": 0.0, "signal_dropout": 0.0}


def _batch_of_beats(n_leads, length, n_beats, n_side):
    """Four records: all beats there, the last alone, none, the first two."""
    signals, side = torch.randn(4, n_beats, n_leads, length), torch.randn(4, n_beats, n_side)
    absent = torch.zeros(4, n_beats, dtype=torch.bool)
    absent[1, : n_beats - 1], absent[2], absent[3, 2:] = True, True, True
    signals[absent], side[absent] = torch.nan, torch.nan
    return signals, side, ~absent


@pytest.mark.parametrize("n_beats", [1, 3])
@pytest.mark.parametrize("n_leads", [1, 2, 12])
@pytest.mark.parametrize("length", [1, 2, 7, 250])
@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("pooling", ["attention", "mean", "max"])
def test_segments_of_any_length_leads_and_number(pooling, norm, length, n_leads, n_beats):
    settings = {**SEGMENT, **CONTEXT, **HEAD, "pooling": pooling, "norm": norm}
    module = SegmentClassifier(n_leads, 2, 3, **settings)
    signals, side, present = _batch_of_beats(n_leads, length, n_beats, 2)
    output = module(signals, side)
    assert output.shape == (4, 3)
    assert torch.isfinite(output).all()
    output.sum().backward()
    unused = {"segments.mask_token"}
    assert all(torch.isfinite(p.grad).all() for name, p in module.named_parameters() if name not in unused)
    if pooling == "attention":
        weights = module.beat_weights(signals, side)
        assert weights.shape == (4, n_beats)
        torch.testing.assert_close(weights.sum(dim=1), present.any(dim=1).float())
        assert (weights[~present] == 0).all()


@pytest.mark.parametrize("n_side", [0, 2])
@pytest.mark.parametrize("n_leads", [1, 12])
@pytest.mark.parametrize("length", [1, 2, 7, 250])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_pretraining_gives_a_finite_loss_for_every_record(norm, length, n_leads, n_side):
    signals, side, present = _batch_of_beats(n_leads, length, 5, n_side)
    for stage in ("autoencoder", "masked", "contrastive"):
        segments = SegmentTransformer(n_leads, n_side, **SEGMENT, **CONTEXT, norm=norm)
        decoder = SegmentDecoder(n_leads, length, **SEGMENT, norm=norm)
        module = {
            "autoencoder": lambda s, d: SegmentAutoencoder(s, d, 2.0),
            "masked": lambda s, d: MaskedSegments(s, d, 2.0, mask_ratio=0.5, n_side_features=n_side),
            "contrastive": lambda s, d: ContrastedSegments(s),
        }[stage](segments, decoder)
        loss = module(signals, side)
        assert torch.isfinite(loss).all()
        assert torch.equal(loss > 0, present.sum(dim=1) > (stage == "contrastive"))  # one beat has none beside it
        loss.sum().backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in module.parameters())
        assert segments.encoder.project.weight.grad is not None


@pytest.mark.parametrize("channels", [(4,), (4, 6), (4, 6, 8, 8, 8, 8)])
@pytest.mark.parametrize("length", [*range(1, 10), 31, 128, 250])
def test_decoder_gives_back_the_length(length, channels):
    sizes = {**SEGMENT, "channels": channels, "norm": "group"}
    assert SegmentDecoder(3, length, **sizes)(torch.randn(2, 6)).shape == (2, 3, length)


def test_hidden_share_of_the_beats():
    segments = SegmentTransformer(1, 0, **SEGMENT, **CONTEXT, norm="group")
    decoder = SegmentDecoder(1, 4, **SEGMENT, norm="group")
    present = torch.arange(10) < torch.tensor([0, 1, 2, 3, 5, 8, 10])[:, None]
    for ratio, expected in ((0.01, [0, 0, 1, 1, 1, 1, 1]), (0.5, [0, 0, 1, 2, 2, 4, 5]), (0.99, [0, 0, 1, 2, 4, 7, 9])):
        network = MaskedSegments(segments, decoder, 1.0, mask_ratio=ratio, n_side_features=0)
        drawn = torch.stack([network.draw(present) for _ in range(200)])
        assert (drawn.sum(dim=2) == torch.tensor(expected)).all()
        assert not (drawn & ~present).any()
        assert torch.equal(drawn.any(dim=0).any(dim=1), torch.tensor(expected) > 0)
        assert drawn[:, -1].any(dim=0).all()  # every beat has its turn


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_positions_are_sines_and_cosines_of_geometric_wavelengths(size):
    place, wave = np.arange(300)[:, None], np.arange(0, size, 2)
    angles = place * 10_000.0 ** (-wave / size)
    expected = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(300, -1)[:, :size]
    like = torch.zeros(1, size, dtype=torch.float64)
    np.testing.assert_allclose(positions(300, like), expected, atol=1e-12)
    np.testing.assert_allclose(positions(300, like.bfloat16()).float(), expected, atol=4e-3)  # rounded at the end only


def test_pooling_by_hand():
    states, there = torch.arange(12.0).reshape(2, 3, 2), torch.tensor([[True, True, False], [True, True, True]])
    np.testing.assert_array_equal(pool(states, there, "mean"), [[1, 2], [8, 9]])
    np.testing.assert_array_equal(pool(states, there, "max"), [[2, 3], [10, 11]])
    np.testing.assert_array_equal(pool(-states, there, "max"), [[0, -1], [-6, -7]])


def test_attention_leaves_out_what_is_not_there():
    attention, states = AdditiveAttention(3, 2), torch.randn(1, 4, 3)
    there = torch.tensor([[True, False, True, False]])
    weights = attention.weights(states, there)
    assert (weights[~there] == 0).all()
    torch.testing.assert_close(attention(states, there), attention(states[:, ::2]))


def test_segment_of_several_beats_is_seen_in_its_order():
    module = SegmentTransformer(1, 0, **SEGMENT, **{**CONTEXT, "dropout": 0.0}, norm="group")
    signals, side = torch.randn(2, 3, 1, 9), torch.zeros(2, 3, 0)
    states, _ = module(signals, side)
    turned, _ = module(signals.flip(1), side)
    assert not torch.allclose(turned.flip(1), states, atol=1e-3)


@pytest.mark.parametrize("n_padding", [0, 3])
def test_signals_are_withheld_and_side_features_disturbed_in_training_alone(n_padding):
    calm = {**SEGMENT, **CONTEXT, **HEAD, "dropout": 0.0, "pooling": "mean", "norm": "group"}
    signals, side, _ = _batch_of_beats(1, 20, 4, 2)
    padding = torch.full((4, n_padding, 1, 20), torch.nan), torch.full((4, n_padding, 2), torch.nan)
    padded = torch.cat([signals, padding[0]], dim=1), torch.cat([side, padding[1]], dim=1)
    answers = {}
    for name, change in {"plain": {}, "noise": {"side_noise": 0.3}, "withheld": {"signal_dropout": 0.99999}}.items():
        torch.manual_seed(0)
        module = SegmentClassifier(1, 2, 3, **{**calm, **change})
        answers[name] = module.eval()(*padded)
        torch.manual_seed(1)
        answers[f"{name}, training"] = module.train()(*padded)
        torch.manual_seed(1)
        torch.testing.assert_close(module(signals, side), answers[f"{name}, training"])
    for name in ("noise", "withheld", "plain, training"):
        torch.testing.assert_close(answers[name], answers["plain"])
    for name in ("noise, training", "withheld, training"):
        assert not torch.allclose(answers[name][:2], answers["plain"][:2], atol=1e-4)
    torch.testing.assert_close(module(10 * signals, side), answers["withheld, training"])


def test_batch_norm_takes_a_single_value_a_channel():
    norm, plain = make_norm("batch", 3), torch.nn.BatchNorm1d(3)
    several = torch.randn(4, 3, 5)
    torch.testing.assert_close(norm(several), plain(several))
    one = torch.randn(1, 3, 1)
    torch.testing.assert_close(norm(one), plain.eval()(one))
    torch.testing.assert_close(norm.running_mean, plain.running_mean)
