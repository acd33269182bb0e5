"""Convolutional and recurrent classifiers of beats and short strips."""

from itertools import pairwise

import torch
from torch import nn

from .blocks import AdditiveAttention, ConvBlock, Standardize


class ConvLSTM(nn.Module):
    """Convolution blocks, a bidirectional LSTM over what they leave, additive attention, and a head.

    Side features are standardised, pass a small layer of their own and join the summary of the signal.
    """

    def __init__(
        self,
        n_leads,
        n_side_features,
        n_outputs,
        *,
        channels,
        kernel_size,
        pool,
        lstm_size,
        attention_size,
        side_size,
        dropout,
        norm,
    ):
        super().__init__()
        widths = [n_leads, *channels]
        self.n_samples_per_step = pool ** len(channels)
        self.blocks = nn.Sequential(*(ConvBlock(a, b, kernel_size, pool=pool, norm=norm) for a, b in pairwise(widths)))
        self.lstm = nn.LSTM(widths[-1], lstm_size, batch_first=True, bidirectional=True)
        self.attention = AdditiveAttention(2 * lstm_size, attention_size)
        self.side = None
        if n_side_features:
            self.side = nn.Sequential(Standardize(n_side_features), nn.Linear(n_side_features, side_size), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * lstm_size + (side_size if n_side_features else 0), n_outputs)

    def states(self, signals):  # (batch, leads, time) -> (batch, steps, 2 * lstm_size)
        return self.lstm(self.blocks(signals).transpose(1, 2))[0]

    def forward(self, signals, side):  # (batch, leads, time), (batch, side features) -> (batch, outputs)
        summary = self.attention(self.states(signals))
        if self.side is not None:
            summary = torch.cat([summary, self.side(side)], dim=1)
        return self.head(self.dropout(summary))

    def set_side_statistics(self, mean, scale):
        self.side[0].set_statistics(mean, scale)

    def attention_weights(self, signals, side):  # (batch, leads, time) -> (batch, steps)
        return self.attention.weights(self.states(signals))
