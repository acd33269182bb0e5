"""Where the steps of a feature map lie in the signal."""

import numpy as np
import pytest
import torch

from sklearn_ecg.explain._grad_cam import _find_layer
from sklearn_ecg.nn.blocks import ResidualBlock, SameConv1d
from tests.test_explain import Plain


def make_centres(n_timepoints, *layers):
    module = Plain(*layers)
    signals = torch.zeros(1, 1, n_timepoints)
    return _find_layer(module, "layers", signals, torch.zeros(1, 0))[1]


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
