"""Convolutional and recurrent classifiers of beats and short strips."""

from itertools import pairwise

import torch
from torch import nn

from .blocks import AdditiveAttention, ConvBlock, DropRows, Standardize, dense_layers


class ConvLSTM(nn.Module):
    """Convolution blocks, a bidirectional LSTM over what they leave, additive attention, and a head.

    Side features are standardised, pass layers of their own and join the summary of the signal. In training they get
    noise, and the summary is withheld from a share of the rows, so that neither part leans on the other.
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
        side_sizes,
        side_noise,
        signal_dropout,
        head_size,
        dropout,
        norm,
    ):
        super().__init__()
        widths = [n_leads, *channels]
        self.n_samples_per_step = pool ** len(channels)
        self.blocks = nn.Sequential(
            *(ConvBlock(a, b, kernel_size, pool=pool, norm=norm) for a, b in pairwise(widths)), nn.Dropout(dropout)
        )
        self.lstm = nn.LSTM(widths[-1], lstm_size, batch_first=True, bidirectional=True)
        self.attention = AdditiveAttention(2 * lstm_size, attention_size)
        self.signal_dropout = DropRows(signal_dropout)
        self.standardize, self.side = Standardize(n_side_features, side_noise), None
        if n_side_features:
            self.side = dense_layers([n_side_features, *side_sizes], dropout)
        joined = 2 * lstm_size + (side_sizes[-1] if n_side_features else 0)
        self.head = nn.Sequential(
            nn.Dropout(dropout), dense_layers([joined, head_size], dropout), nn.Linear(head_size, n_outputs)
        )

    def set_side_statistics(self, mean, scale):
        self.standardize.set_statistics(mean, scale)

    def states(self, signals):  # (batch, leads, time) -> (batch, steps, 2 * lstm_size)
        return self.lstm(self.blocks(signals).transpose(1, 2))[0]

    def forward(self, signals, side):  # (batch, leads, time), (batch, side features) -> (batch, outputs)
        summary = self.signal_dropout(self.attention(self.states(signals)))
        if self.side is not None:
            summary = torch.cat([summary, self.side(self.standardize(side))], dim=1)
        return self.head(summary)

    def attention_weights(self, signals, side):  # (batch, leads, time) -> (batch, steps)
        return self.attention.weights(self.states(signals))
