"""Where the steps of a feature map lie in the signal."""

import numpy as np
import pytest
import torch

from sklearn_ecg.explain._layer import find_layer, spread_steps
from sklearn_ecg.nn.blocks import ConvBlock, ResidualBlock, SameConv1d
from sklearn_ecg.nn.convnets import ConvNet, ResNet
from tests.test_explain import Plain


def make_centres(n_timepoints, *layers):
    module = Plain(*layers)
    signals = torch.zeros(1, 1, n_timepoints)
    return find_layer(module, "layers", signals, torch.zeros(1, 0))[1]


@pytest.mark.parametrize(
    ("n_timepoints", "layers", "centres"),
    [
        (4, [torch.nn.MaxPool1d(2)], [0.5, 2.5]),
        (9, [torch.nn.MaxPool1d(2, ceil_mode=True), torch.nn.AvgPool1d(2, ceil_mode=True)], [1.5, 5.5, 8]),
        (7, [SameConv1d(1, 1, 5, stride=2)], [0, 2, 4, 6]),
        (7, [SameConv1d(1, 1, 4, stride=2)], [0, 2, 4, 6]),
        (8, [ResidualBlock(1, 2, 3, stride=2), ResidualBlock(2, 4, 3, stride=2)], [0, 4]),
        (8, [SameConv1d(1, 1, 3, stride=2), torch.nn.MaxPool1d(2)], [1, 5]),
        (7, [torch.nn.Identity()], range(7)),
        (8, [torch.nn.AdaptiveAvgPool1d(2)], [1.5, 5.5]),
        (2, [torch.nn.Upsample(scale_factor=2)], [-0.25, 0.25, 0.75, 1.25]),
    ],
)
def test_centres_of_steps(n_timepoints, layers, centres):
    np.testing.assert_allclose(make_centres(n_timepoints, *layers), centres)


@pytest.mark.parametrize(
    "layers",
    [[SameConv1d(1, 1, 3, stride=2), SameConv1d(1, 1, 3, stride=2)], [SameConv1d(1, 1, 3), torch.nn.AvgPool1d(4)]],
)
def test_centres_are_where_a_step_looks(layers):
    """With kernels all of ones, the mean position a step reads is its centre."""
    for layer in layers:
        if isinstance(layer, SameConv1d):
            torch.nn.init.ones_(layer.conv.weight)
    signals = torch.zeros(1, 1, 40, requires_grad=True)
    features = torch.nn.Sequential(*layers)(signals)[0, 0]
    seen = np.array([torch.autograd.grad(step, signals, retain_graph=True)[0].numpy().ravel() for step in features])
    inside = slice(1, -1)
    read = seen @ np.arange(40) / seen.sum(axis=1)
    np.testing.assert_allclose(make_centres(40, *layers)[inside], read[inside], rtol=1e-6)


@pytest.mark.parametrize(
    "layers",
    [
        [SameConv1d(1, 1, 7)],
        [SameConv1d(1, 1, 5), torch.nn.AvgPool1d(2)],
        [SameConv1d(1, 1, 3, stride=2), SameConv1d(1, 1, 5)],
        [SameConv1d(1, 1, 3), torch.nn.AvgPool1d(4), SameConv1d(1, 1, 3)],
    ],
)
def test_a_step_is_shared_among_the_samples_it_reads(layers):
    signals = torch.zeros(1, 1, 40, requires_grad=True)
    module = Plain(*layers)
    _, centres, reach = find_layer(module, "layers", signals.detach(), torch.zeros(1, 0))
    weights = spread_steps(centres, reach, 40)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    for step, shared in list(zip(module.layers(signals)[0, 0], weights, strict=True))[3:-3]:
        read = torch.autograd.grad(step, signals, retain_graph=True)[0].numpy().ravel() != 0
        assert read.sum() == reach
        np.testing.assert_allclose(shared, read / reach)


def test_padding_around_a_convolution_is_counted_once():
    module = Plain(SameConv1d(1, 1, 4), torch.nn.AvgPool1d(2))
    assert find_layer(module, "layers", torch.zeros(1, 1, 40), torch.zeros(1, 0))[2] == 5


def test_steps_that_read_little_are_shared_among_the_samples_they_stand_for():
    np.testing.assert_allclose(spread_steps(np.array([1.5, 5.5]), 1, 8), np.repeat(np.eye(2), 4, axis=1) / 4)
    np.testing.assert_allclose(spread_steps(np.array([0.0]), 7, 1), [[1]])


SIZES = {"channels": (2, 2, 2), "kernel_size": 7, "norm": "batch", "dropout": 0.0, "summary_steps": 1}
HEAD = {"side_sizes": (), "side_noise": 0.0, "signal_dropout": 0.0, "head_size": 2}


@pytest.mark.parametrize(
    ("n_timepoints", "conv", "residual"), [(20, (0, 8), (2, 7)), (72, (0, 8), (2, 7)), (120, (1, 22), (3, 19))]
)
def test_the_layer_is_the_last_whose_steps_read_a_fifth(n_timepoints, conv, residual):
    signals, side = torch.zeros(1, 1, n_timepoints), torch.zeros(1, 0)
    nets = (ConvNet(1, 0, 2, pool=2, **SIZES, **HEAD), conv), (ResNet(1, 0, 2, n_blocks=1, **SIZES, **HEAD), residual)
    for net, (number, reach) in nets:
        found = find_layer(net.eval(), None, signals, side, local=True)
        assert found[0] is net.blocks[number] and found[2] == reach
        assert find_layer(net, None, signals, side)[0] is net.blocks
        signal = torch.zeros(1, 1, 1000)
        assert find_layer(net, None, signal, side, local=True)[0] is net.blocks[-1]


def test_blocks_of_one_part():
    module = Plain(torch.nn.Identity())
    module.blocks = module.layers[0]
    assert find_layer(module, None, torch.zeros(1, 1, 9), torch.zeros(1, 0), local=True)[0] is module.blocks
    module = Plain(ConvBlock(1, 1, 3), torch.nn.Flatten(2), torch.nn.Flatten())
    module.blocks = module.layers
    module.forward = lambda signals, side: module.layers(signals)
    assert find_layer(module, None, torch.zeros(1, 1, 90), torch.zeros(1, 0), local=True)[0] is module.layers[1]
