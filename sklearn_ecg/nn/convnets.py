"""Convolutional and recurrent classifiers of beats and short strips.

Each maps the signals to a feature map (``blocks``), sums it up in one vector (``summarize``) and joins that with the
side features (``head``).
"""

from itertools import pairwise

import torch
from torch import nn

from .blocks import AdditiveAttention, ConvBlock, JointHead, ResidualBlock, SameConv1d, make_norm


class _SignalNet(nn.Module):
    """Blocks, summary, head; a subclass makes them."""

    def set_side_statistics(self, mean, scale):
        self.head.standardize.set_statistics(mean, scale)

    def forward(self, signals, side=None):  # (batch, leads, time), (batch, side features) -> (batch, outputs)
        return self.head(self.summarize(self.blocks(signals)), side)


def _conv_blocks(n_leads, channels, kernel_size, *, pool, norm, dropout):
    widths = [n_leads, *channels]
    blocks = (ConvBlock(a, b, kernel_size, pool=pool, norm=norm) for a, b in pairwise(widths))
    return nn.Sequential(*blocks, nn.Dropout(dropout))


class ConvNet(_SignalNet):
    """Convolution blocks, whose last feature map is averaged in a few spans of time."""

    def __init__(
        self, n_leads, n_side_features, n_outputs, *, channels, kernel_size, pool, summary_steps, norm, dropout, **head
    ):
        super().__init__()
        self.blocks = _conv_blocks(n_leads, channels, kernel_size, pool=pool, norm=norm, dropout=dropout)
        self.summarize = nn.Sequential(nn.AdaptiveAvgPool1d(summary_steps), nn.Flatten())
        self.head = JointHead(channels[-1] * summary_steps, n_side_features, n_outputs, dropout=dropout, **head)


class ResNet(_SignalNet):
    """A stem and stages of residual blocks, each stage after the first at half the rate of the one before."""

    def __init__(
        self,
        n_leads,
        n_side_features,
        n_outputs,
        *,
        channels,
        n_blocks,
        kernel_size,
        summary_steps,
        norm,
        dropout,
        **head,
    ):
        super().__init__()
        layers = [SameConv1d(n_leads, channels[0], kernel_size, bias=False), make_norm(norm, channels[0]), nn.ReLU()]
        for stage, (a, b) in enumerate(pairwise([channels[0], *channels])):
            layers.append(ResidualBlock(a, b, kernel_size, stride=2 if stage else 1, norm=norm, dropout=dropout))
            layers += [ResidualBlock(b, b, kernel_size, norm=norm, dropout=dropout) for _ in range(n_blocks - 1)]
        self.blocks = nn.Sequential(*layers)
        self.summarize = nn.Sequential(nn.AdaptiveAvgPool1d(summary_steps), nn.Flatten())
        self.head = JointHead(channels[-1] * summary_steps, n_side_features, n_outputs, dropout=dropout, **head)


class _Recurrent(_SignalNet):
    """Convolution blocks and a bidirectional LSTM over what they leave."""

    def __init__(
        self, n_leads, n_side_features, n_outputs, *, channels, kernel_size, pool, lstm_size, norm, dropout, **head
    ):
        super().__init__()
        self.blocks = _conv_blocks(n_leads, channels, kernel_size, pool=pool, norm=norm, dropout=dropout)
        self.lstm = nn.LSTM(channels[-1], lstm_size, batch_first=True, bidirectional=True)
        self.head = JointHead(2 * lstm_size, n_side_features, n_outputs, dropout=dropout, **head)

    def states(self, features):  # (batch, channels, steps) -> (batch, steps, 2 * lstm_size)
        return self.lstm(features.transpose(1, 2))[0]


class ConvLSTM(_Recurrent):
    """The state of each direction after it has read the whole signal is the summary."""

    def summarize(self, features):
        last = self.lstm(features.transpose(1, 2))[1][0]  # (2 directions, batch, lstm_size)
        return torch.cat([last[0], last[1]], dim=1)


class ConvLSTMAttention(_Recurrent):
    """The mean of the states, weighted by additive attention, is the summary."""

    def __init__(self, *sizes, channels, pool, lstm_size, attention_size, **others):
        super().__init__(*sizes, channels=channels, pool=pool, lstm_size=lstm_size, **others)
        self.attention = AdditiveAttention(2 * lstm_size, attention_size)
        self.n_samples_per_step = pool ** len(channels)

    def summarize(self, features):
        return self.attention(self.states(features))

    def attention_weights(self, signals, side=None):  # (batch, leads, time) -> (batch, steps)
        return self.attention.weights(self.states(self.blocks(signals)))
