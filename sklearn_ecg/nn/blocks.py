"""Building blocks that work for any length and any number of leads."""

from itertools import pairwise, product

import torch
from torch import nn

_LONG_KERNEL = 16  # samples from which the product of spectra is quicker
_FAST_LENGTHS = sorted(2**a * 3**b * 5**c for a, b, c in product(range(24), range(4), range(3)))


class SameConv1d(nn.Module):
    """Convolution whose output has ceil(time / stride) samples, for odd and even kernels alike."""

    def __init__(self, in_channels, out_channels, kernel_size, *, stride=1, bias=True):
        super().__init__()
        self.padding = ((kernel_size - 1) // 2, kernel_size // 2)
        self.conv = nn.Conv1d(in_channels, out_channels, kernel_size, stride=stride, bias=bias)

    def forward(self, x):  # (batch, in_channels, time)
        left, right = self.padding
        if left == right:  # the common odd kernel: padding inside the convolution saves a copy
            return nn.functional.conv1d(x, self.conv.weight, self.conv.bias, self.conv.stride, left)
        return self.conv(nn.functional.pad(x, self.padding))


class SpectralConv1d(SameConv1d):
    """The same convolution by the product of spectra where the kernel is long: ten times quicker at 100 samples."""

    def forward(self, x):  # (batch, in_channels, time) -> (batch, out_channels, ceil(time / stride))
        if self.conv.kernel_size[0] < _LONG_KERNEL or self.conv.stride[0] > 1:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):  # no spectrum in half precision
            return self._by_spectrum(x.to(self.conv.weight.dtype))

    def _by_spectrum(self, x):
        weight, right = self.conv.weight, self.padding[1]
        n_timepoints = x.shape[-1]
        n = _fast_length(n_timepoints + weight.shape[-1] - 1)
        spectra = torch.fft.rfft(x, n).permute(2, 0, 1)  # (frequency, batch, in_channels)
        filters = torch.fft.rfft(weight.flip(-1), n).permute(2, 1, 0)
        out = torch.fft.irfft(torch.bmm(spectra, filters).permute(1, 2, 0), n)
        out = out[..., right : right + n_timepoints]
        return out if self.conv.bias is None else out + self.conv.bias[:, None]


def _fast_length(n):
    """The next length whose factors are 2, 3 and 5."""
    return next((length for length in _FAST_LENGTHS if length >= n), n)


def make_norm(kind, n_channels, *, max_groups=8):
    """Normalisation over (batch, channels, time): ``"batch"``, or ``"group"`` with two or more channels a group."""
    if kind == "batch":
        return BatchNorm(n_channels)
    n_groups = next((g for g in range(min(max_groups, n_channels // 2), 0, -1) if n_channels % g == 0), 1)
    return nn.GroupNorm(n_groups, n_channels)


class BatchNorm(nn.BatchNorm1d):
    """Batch norm that takes its running statistics where a batch has one value a channel, which has no spread."""

    def forward(self, x):  # (batch, channels, time)
        if not self.training or x.shape[0] * x.shape[2] > 1:
            return super().forward(x)
        return nn.functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class ConvBlock(nn.Module):
    """Convolution, normalisation, ReLU, max pooling that keeps the last incomplete window."""

    def __init__(self, in_channels, out_channels, kernel_size, *, pool=2, norm="batch"):
        super().__init__()
        self.conv = SameConv1d(in_channels, out_channels, kernel_size, bias=False)
        self.norm = make_norm(norm, out_channels)
        self.pool = nn.MaxPool1d(pool, ceil_mode=True) if pool > 1 else nn.Identity()

    def forward(self, x):  # (batch, in_channels, time) -> (batch, out_channels, ceil(time / pool))
        return self.pool(torch.relu(self.norm(self.conv(x))))


class AdditiveAttention(nn.Module):
    """Weighted mean over time; the score of a step is its alignment with a learned context vector."""

    def __init__(self, n_features, n_hidden):
        super().__init__()
        self.project = nn.Linear(n_features, n_hidden)
        self.context = nn.Linear(n_hidden, 1, bias=False)

    def weights(self, states, present=None):  # (batch, steps, features), (batch, steps) -> (batch, steps)
        scores = self.context(torch.tanh(self.project(states))).squeeze(-1)
        if present is not None:
            scores = scores.masked_fill(~present, -torch.inf)
        return torch.softmax(scores, dim=1)

    def forward(self, states, present=None):  # (batch, steps, features) -> (batch, features)
        return torch.bmm(self.weights(states, present).unsqueeze(1), states).squeeze(1)


class DropRows(nn.Module):
    """In training, zero a share of the rows as a whole; the others stay as they are."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):  # (batch, features)
        if not self.training or self.p == 0:
            return x
        return x * (torch.rand(len(x), 1, device=x.device) >= self.p)


def dense_layers(sizes, dropout):
    """Linear layers of these sizes with ReLU after each and dropout between."""
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


class ResidualBlock(nn.Module):
    """Two convolutions around which the input passes; with a stride or new channels it passes a 1×1 convolution."""

    def __init__(
        self, in_channels, out_channels, kernel_size, *, inner_channels=None, stride=1, norm="batch", dropout=0.0
    ):
        super().__init__()
        inner = inner_channels or out_channels
        self.conv1 = SpectralConv1d(in_channels, inner, kernel_size, stride=stride, bias=False)
        self.norm1 = make_norm(norm, inner)
        self.conv2 = SpectralConv1d(inner, out_channels, kernel_size, bias=False)
        self.norm2 = make_norm(norm, out_channels)
        self.dropout = nn.Dropout(dropout)
        self.shortcut = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                SameConv1d(in_channels, out_channels, 1, stride=stride, bias=False), make_norm(norm, out_channels)
            )

    def forward(self, x):  # (batch, in_channels, time) -> (batch, out_channels, ceil(time / stride))
        inner = self.dropout(torch.relu(self.norm1(self.conv1(x))))
        return torch.relu(self.norm2(self.conv2(inner)) + self.shortcut(x))


class Standardize(nn.Module):
    """Centre and scale side features with statistics of the training rows, kept beside the weights.

    What lies more than five standard deviations out is clipped; ``noise`` is the standard deviation of what is added in
    training.
    """

    def __init__(self, n_features, noise=0.0):
        super().__init__()
        self.noise = noise
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))

    def set_statistics(self, mean, scale):
        self.mean.copy_(mean)
        self.scale.copy_(scale)

    def forward(self, x):  # (batch, features)
        x = ((x - self.mean) / self.scale).clamp(-5, 5)
        return x + self.noise * torch.randn_like(x) if self.training and self.noise else x


class JointHead(nn.Module):
    """Outputs from the summary of a signal and the side features beside it.

    Side features are standardised, pass layers of their own and join the summary. In training they get noise, and the
    summary is withheld from a share of the rows, so that neither part leans on the other.
    """

    def __init__(
        self,
        summary_size,
        n_side_features,
        n_outputs,
        *,
        side_sizes,
        side_noise,
        signal_dropout,
        head_size,
        dropout,
    ):
        super().__init__()
        self.signal_dropout = DropRows(signal_dropout)
        self.standardize, self.side = Standardize(n_side_features, side_noise), None
        if n_side_features:
            self.side = dense_layers([n_side_features, *side_sizes], dropout)
        joined = summary_size + (side_sizes[-1] if n_side_features else 0)
        self.layers = nn.Sequential(
            nn.Dropout(dropout), dense_layers([joined, head_size], dropout), nn.Linear(head_size, n_outputs)
        )

    def forward(self, summary, side):  # (batch, summary size), (batch, side features) -> (batch, outputs)
        summary = self.signal_dropout(summary)
        if self.side is not None:
            summary = torch.cat([summary, self.side(self.standardize(side))], dim=1)
        return self.layers(summary)
