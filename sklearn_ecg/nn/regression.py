"""Regression of numbers from whole records: a backbone that sums up the signals, and a head.

A backbone maps signals (batch, leads, time) to (batch, ``size``).
"""

from itertools import pairwise

import torch
from torch import nn

from .blocks import ResidualBlock, SameConv1d, Standardize, dense_layers, make_norm


class Regressor(nn.Module):
    """Backbone, then dense layers that read its summary and the standardised side features."""

    def __init__(self, backbone, n_side_features, n_outputs, *, head_size, dropout):
        super().__init__()
        self.backbone = backbone
        self.head = RegressionHead(backbone.size, n_side_features, n_outputs, head_size=head_size, dropout=dropout)

    def set_side_statistics(self, mean, scale):
        self.head.standardize.set_statistics(mean, scale)

    def forward(self, signals, side=None):  # (batch, leads, time), (batch, side features) -> (batch, outputs)
        side = signals.new_zeros(len(signals), 0) if side is None else side
        return self.head(self.backbone(signals), side)


class RegressionHead(nn.Module):
    """Outputs from a summary of the signals and the side features; ``head_size`` None makes them linear."""

    def __init__(self, summary_size, n_side_features, n_outputs, *, head_size, dropout):
        super().__init__()
        self.standardize, self.dropout = Standardize(n_side_features), nn.Dropout(dropout)
        sizes = [summary_size + n_side_features, *([head_size] if head_size else [])]
        self.hidden = dense_layers(sizes, dropout)
        self.out = nn.Linear(sizes[-1], n_outputs)

    def forward(self, summary, side):
        joined = torch.cat([self.dropout(summary), self.standardize(side)], dim=1)
        return self.out(self.hidden(joined))

    @torch.no_grad()
    def change_units(self, factor, shift):
        """Make the outputs ``factor`` times what they were, plus ``shift``: two tensors (outputs,)."""
        self.out.weight.mul_(factor[:, None])
        self.out.bias.mul_(factor).add_(shift)


class ResidualBackbone(nn.Module):
    """A stem of convolutions, stages of residual blocks, and a summary over time.

    Each stage after the first runs at half the rate of the one before. The first convolution of the stem has a stride;
    behind the stem, ``stem_pool`` samples are averaged. Within a block there are ``expansion`` times as many filters.
    """

    def __init__(
        self,
        n_leads,
        *,
        channels,
        n_blocks,
        kernel_size,
        expansion,
        stem_kernel_sizes,
        stem_stride,
        stem_pool,
        pooling,
        norm,
        dropout,
    ):
        super().__init__()
        layers, widths = [], [n_leads, *[expansion * channels[0]] * (len(stem_kernel_sizes) - 1), channels[0]]
        for place, ((a, b), size) in enumerate(zip(pairwise(widths), stem_kernel_sizes, strict=True)):
            stride = 1 if place else stem_stride
            layers += [SameConv1d(a, b, size, stride=stride, bias=False), make_norm(norm, b), nn.ReLU()]
        layers.append(nn.AvgPool1d(stem_pool, ceil_mode=True) if stem_pool > 1 else nn.Identity())
        for stage, (a, b) in enumerate(pairwise([channels[0], *channels])):
            for block in range(n_blocks):
                sizes = {"inner_channels": expansion * b, "stride": 2 if stage and not block else 1}
                layers.append(ResidualBlock(b if block else a, b, kernel_size, **sizes, norm=norm, dropout=dropout))
        self.blocks = nn.Sequential(*layers)
        self.summarize = TimeAverage(channels[-1]) if pooling == "mean" else LearnedAverage(channels[-1])
        self.size = self.summarize.size

    def forward(self, signals):
        return self.summarize(self.blocks(signals))


class TimeAverage(nn.Module):
    """Mean over time."""

    def __init__(self, n_channels):
        super().__init__()
        self.size = n_channels

    def forward(self, x):  # (batch, channels, time) -> (batch, channels)
        return x.mean(dim=2)


class LearnedAverage(nn.Module):
    """Mean over time, and beside it, for each channel, a mean of local values with weights of its own.

    What is measured at each heartbeat, such as the duration of a wave, is so averaged over the heartbeats alone.
    """

    def __init__(self, n_channels):
        super().__init__()
        self.size = 2 * n_channels
        self.value, self.score = nn.Conv1d(n_channels, n_channels, 1), nn.Conv1d(n_channels, n_channels, 1)

    def forward(self, x):  # (batch, channels, time) -> (batch, 2 * channels)
        weights = torch.softmax(self.score(x), dim=2)
        return torch.cat([x.mean(dim=2), (weights * self.value(x)).sum(dim=2)], dim=1)


class DenseBackbone(nn.Module):
    """Dense layers over all samples of all leads."""

    def __init__(self, n_leads, n_timepoints, *, hidden_sizes, dropout):
        super().__init__()
        self.size = hidden_sizes[-1]
        self.layers = dense_layers([n_leads * n_timepoints, *hidden_sizes], dropout)

    def forward(self, signals):
        return self.layers(signals.flatten(1))
