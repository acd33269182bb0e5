"""A one-dimensional U-Net that gives scores for every sample of a signal."""

from itertools import pairwise

import torch
from torch import nn

from .blocks import SameConv1d, Standardize, make_norm

_CLIPPED = 50.0  # scales from the centre
_FLAT = 1e-6  # of the centre; a smaller scale is rounding


class StandardizeLeads(nn.Module):
    """Centre each lead of each record at its mean and divide it by its scale, so that no unit matters.

    The scale is the mean distance from the mean: a spike of an electrode moves it little. Records of fewer than
    ``shortest`` samples have none of their own to speak of: theirs are the centre and scale of the training rows.
    """

    def __init__(self, n_leads, shortest):
        super().__init__()
        self.shortest = shortest
        self.register_buffer("centre", torch.zeros(n_leads, 1))
        self.register_buffer("scale", torch.ones(n_leads, 1))

    def set_statistics(self, centre, scale):
        self.centre.copy_(centre[:, None])
        self.scale.copy_(scale[:, None])

    def forward(self, x):  # (batch, leads, time)
        if x.shape[2] < self.shortest:
            return (x - self.centre) / self.scale
        centre = x.mean(dim=2, keepdim=True)
        x = x - centre
        scale = x.abs().mean(dim=2, keepdim=True)
        alive = scale > _FLAT * centre.abs()
        return torch.where(alive, x / torch.where(alive, scale, 1), 0).clamp(-_CLIPPED, _CLIPPED)


class _TwoConvs(nn.Sequential):
    def __init__(self, in_channels, out_channels, kernel_size, norm):
        layers = []
        for a, b in ((in_channels, out_channels), (out_channels, out_channels)):
            layers += [SameConv1d(a, b, kernel_size, bias=False), make_norm(norm, b), nn.ReLU()]
        super().__init__(*layers)


class UNet(nn.Module):
    """Scores of the classes at every sample: down through levels at half the rate each, and up again.

    The first convolution already halves the rate, and the scores are interpolated back to it: boundaries of waves are
    smooth enough in the scores for that, and it halves the cost. The lowest level is joined by its mean over time,
    which tells the rhythm, and by the side features.

    In training the records of a batch are rolled in time, end joined to beginning: experts leave the first and the last
    beats unmarked, and a network that knows where in the record it is learns odd things there.
    """

    def __init__(
        self, n_leads, n_side_features, n_outputs, *, channels, kernel_size, norm, dropout, shortest=1, stem_stride=2
    ):
        super().__init__()
        self.standardize = StandardizeLeads(n_leads, shortest)
        self.stem = nn.Sequential(SameConv1d(n_leads, channels[0], kernel_size, stride=stem_stride), nn.ReLU())
        self.down = nn.ModuleList(_TwoConvs(a, b, kernel_size, norm) for a, b in pairwise([channels[0], *channels]))
        self.up = nn.ModuleList(_TwoConvs(b + a, a, kernel_size, norm) for a, b in pairwise(channels))
        self.pool = nn.MaxPool1d(2, ceil_mode=True)
        self.context = nn.Linear(channels[-1], channels[-1])
        self.standardize_side, self.side = Standardize(n_side_features), None
        if n_side_features:
            self.side = nn.Linear(n_side_features, channels[-1])
        self.dropout = nn.Dropout(dropout)
        self.scores = nn.Conv1d(channels[0], n_outputs, 1)

    def set_side_statistics(self, mean, scale):
        self.standardize_side.set_statistics(mean, scale)

    def forward(self, signals, side=None):  # (batch, leads, time), (batch, side features) -> (batch, outputs, time)
        shift = 0
        if self.training and signals.shape[2] >= self.standardize.shortest:
            shift = int(torch.randint(signals.shape[2], ()))
        x, passed = self.stem(self.standardize(signals).roll(shift, dims=2)), []
        for level, convs in enumerate(self.down):
            x = convs(x if level == 0 else self.pool(x))
            passed.append(x)
        x = x + self.context(x.mean(dim=2)).unsqueeze(2)
        if self.side is not None:
            x = x + self.side(self.standardize_side(side)).unsqueeze(2)
        x = self.dropout(x)
        for convs, across in zip(reversed(self.up), passed[-2::-1], strict=True):
            x = x.repeat_interleave(2, dim=2)[:, :, : across.shape[2]]
            x = convs(torch.cat([x, across], dim=1))
        return _to_length(self.scores(self.dropout(x)), signals.shape[2]).roll(-shift, dims=2)


def _to_length(scores, n_timepoints):
    if scores.shape[2] == n_timepoints:
        return scores
    return nn.functional.interpolate(scores, size=n_timepoints, mode="linear")
