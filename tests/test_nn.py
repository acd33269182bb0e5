"""Every module accepts any length and any number of leads; hand-worked values of the blocks."""

from functools import partial

import numpy as np
import pytest
import torch

from sklearn_ecg.nn.blocks import AdditiveAttention, SameConv1d, make_norm
from sklearn_ecg.nn.convnets import ConvLSTM, ConvLSTMAttention, ConvNet, ResNet

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


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_convolution_keeps_ceil_of_length_over_stride(kernel_size, stride):
    for length in (1, 2, 7, 50):
        output = SameConv1d(1, 1, kernel_size, stride=stride)(torch.randn(1, 1, length))
        assert output.shape[-1] == -(-length // stride)


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
