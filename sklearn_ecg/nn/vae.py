"""Variational autoencoders of signals; in the periodic one a filter is decoded and convolved with impulses."""

import torch
from torch import nn

from .blocks import SameConv1d, Standardize, make_norm

N_NOISES = 1024
_LARGEST_LOG_VARIANCE = 10.0
_NEAR_PRIOR = 0.1


class PreActivationBlock(nn.Module):
    """Normalisation, ReLU and convolution, twice, around which the input passes."""

    def __init__(self, in_channels, out_channels, kernel_size, *, stride=1, norm="batch", dropout=0.0):
        super().__init__()
        self.norm1 = make_norm(norm, in_channels)
        self.conv1 = SameConv1d(in_channels, out_channels, kernel_size, bias=False)
        self.norm2 = make_norm(norm, out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = SameConv1d(out_channels, out_channels, kernel_size, stride=stride)
        self.shortcut = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = SameConv1d(in_channels, out_channels, 1, stride=stride)

    def forward(self, x):  # (batch, in_channels, time) -> (batch, out_channels, ceil(time / stride))
        inner = self.conv1(torch.relu(self.norm1(x)))
        inner = self.conv2(self.dropout(torch.relu(self.norm2(inner))))
        return inner + self.shortcut(x)


class ResidualEncoder(nn.Module):
    """Signals and standardised side features to the mean and the log-variance of their latents."""

    def __init__(
        self, n_leads, n_timepoints, n_side_features, *, latent_size, channels, kernel_sizes, strides, **block
    ):
        super().__init__()
        self.stem = nn.Conv1d(n_leads, channels[0], 1)
        widths = zip([channels[0], *channels], channels, kernel_sizes, strides, strict=False)
        self.blocks = nn.Sequential(*(PreActivationBlock(*sizes, stride=stride, **block) for *sizes, stride in widths))
        self.norm = make_norm(block["norm"], channels[-1])
        flat = channels[-1] * lengths(n_timepoints, strides)[-1]
        self.head = nn.Linear(flat + n_side_features, 2 * latent_size)
        # near the prior, else the divergence begins in the hundreds of nats
        nn.init.normal_(self.head.weight, std=_NEAR_PRIOR / self.head.in_features**0.5)
        nn.init.zeros_(self.head.bias)

    def forward(self, signals, side):  # (batch, leads, time), (batch, side) -> two of (batch, latent)
        x = torch.relu(self.norm(self.blocks(self.stem(signals)))).flatten(1)
        mean, spread = _full(self.head(torch.cat([x, side], dim=1))).chunk(2, dim=1)
        return mean, _LARGEST_LOG_VARIANCE * torch.tanh(spread / _LARGEST_LOG_VARIANCE)


class ResidualDecoder(nn.Module):
    """The encoder backwards: each block repeats samples, where the encoder's left some out, and convolves."""

    def __init__(self, n_inputs, n_leads, n_timepoints, *, channels, kernel_sizes, strides, norm, dropout):
        super().__init__()
        self.lengths = lengths(n_timepoints, strides)[::-1]
        self.n_channels = channels[-1]
        self.dense = nn.Linear(n_inputs, self.n_channels * self.lengths[0])
        widths = zip(channels[::-1], [*channels[-2::-1], channels[0]], kernel_sizes[::-1], strict=True)
        self.blocks = nn.ModuleList(PreActivationBlock(*sizes, norm=norm, dropout=dropout) for sizes in widths)
        self.norm = make_norm(norm, channels[0])
        self.out = SameConv1d(channels[0], n_leads, kernel_sizes[0])

    def forward(self, z):  # (batch, inputs) -> (batch, leads, time)
        x = self.dense(z).unflatten(1, (self.n_channels, self.lengths[0]))
        for block, length in zip(self.blocks, self.lengths[1:], strict=True):
            if length != x.shape[2]:
                x = nn.functional.interpolate(x, size=length)
            x = block(x)
        return _full(self.out(torch.relu(self.norm(x))))


class VariationalAutoencoder(nn.Module):
    """Latents of signals, and signals from latents; with a ``filter_length`` by way of filters of impulse trains.

    Signals go in and come out in their own units; inside they are standardised. ``taper`` multiplies the filters, and
    ``stretch`` (factors, taps) makes one for each factor of them. ``limb`` holds the places of leads I and II and, for
    every lead that follows from them, its place and the factors of the two.
    """

    def __init__(
        self,
        n_leads,
        n_timepoints,
        n_side_features,
        n_classes,
        *,
        latent_size,
        filter_length=None,
        taper=None,
        stretch=None,
        limb=None,
        **sizes,
    ):
        super().__init__()
        self.latent_size, self.filter_length, self.limb = latent_size, filter_length, limb
        self.encoder = ResidualEncoder(n_leads, n_timepoints, n_side_features, latent_size=latent_size, **sizes)
        n_inputs = latent_size + n_classes
        self.decoder = ResidualDecoder(n_inputs, n_leads, filter_length or n_timepoints, **sizes)
        self.standardize = Standardize(n_side_features)
        self.side_head = nn.Linear(n_inputs, n_side_features) if n_side_features else None
        self.stretch = None if stretch is None else FilterStretch(filter_length, *stretch)
        self.register_buffer("taper", None if taper is None else torch.as_tensor(taper), persistent=False)
        for name, size in (("centre", n_leads), ("scale", n_leads), ("train_scale", 1)):
            self.register_buffer(name, torch.zeros(size) if name == "centre" else torch.ones(size))

    def set_side_statistics(self, mean, scale):
        self.standardize.set_statistics(mean, scale)

    def set_signal_statistics(self, centre, scale, train_scale):
        for name, value in (("centre", centre), ("scale", scale), ("train_scale", train_scale)):
            getattr(self, name).copy_(torch.as_tensor(value))

    def forward(self, signals, side=None, train=None, label=None, level=None, noise=None):
        """Squared error of each row, KL divergence of each of its latents, mean of each: (batch, 1 + 2 latents)."""
        scaled, side = self._scaled(signals), self._standardized(signals, side)
        mean, log_variance = self.encoder(scaled, side)
        z = mean
        if self.training:
            noises = torch.randn(N_NOISES, self.latent_size, device=mean.device, dtype=mean.dtype)
            z = mean + torch.exp(log_variance / 2) * noises[noise]
        decoded, decoded_side = self._decode_scaled(z, train, label, level)
        error = ((decoded - scaled) ** 2).mean(dim=(1, 2))
        if self.side_head is not None:
            error = error + ((decoded_side - side) ** 2).mean(dim=1)
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance) / 2
        return torch.cat([error[:, None], divergence, mean], dim=1)

    def encode(self, signals, side=None):  # -> (batch, latent)
        return self.encoder(self._scaled(signals), self._standardized(signals, side))[0]

    def _standardized(self, signals, side):
        return self.standardize(signals.new_zeros(len(signals), 0) if side is None else side)

    def decode(self, z, train=None, label=None, level=None):
        """Signals (batch, leads, time) and side features (batch, side), in their units."""
        decoded, side = self._decode_scaled(z, train, label, level)
        decoded = decoded * self.scale[:, None] + self.centre[:, None]
        return decoded, side * self.standardize.scale + self.standardize.mean

    def filters(self, z, label=None):
        """Filters (batch, leads, filter_length) of the standardised signals; or, without filters, the signals."""
        filters = self.decoder(_joined(z, label))
        return filters if self.taper is None else filters * self.taper

    def _scaled(self, signals):
        return (signals - self.centre[:, None]) / self.scale[:, None]

    def _decode_scaled(self, z, train, label, level):
        decoded = self.filters(z, label)
        if self.filter_length:
            trains, filters = (train / self.train_scale)[:, None], decoded[:, :, None]
            if self.stretch is not None:
                trains, filters = self.stretch.split(trains, level), self.stretch(decoded)
            decoded = convolve_same(trains, filters)
        side = z.new_zeros(len(z), 0) if self.side_head is None else _full(self.side_head(_joined(z, label)))
        return self._with_limb_leads(decoded), side

    def _with_limb_leads(self, decoded):
        if not self.limb:
            return decoded
        one, two, followers = self.limb
        leads = list((decoded * self.scale[:, None]).unbind(1))
        for place, (of_one, of_two) in followers.items():
            leads[place] = of_one * leads[one] + of_two * leads[two]
        return torch.stack(leads, dim=1) / self.scale[:, None]


class NegativeELBO(nn.Module):
    """Squared error plus β times the KL divergence, of which each latent is free of ``free_bits``, for each row.

    ``warmth`` is the share of β that counts in training; in validation all of it does.
    """

    def __init__(self, beta, free_bits):
        super().__init__()
        self.beta, self.free_bits, self.warmth = beta, free_bits, 1.0

    def forward(self, output, target):
        divergence = output[:, 1 : 1 + output.shape[1] // 2].clamp(min=self.free_bits).sum(dim=1)
        return output[:, 0] + self.beta * (self.warmth if self.training else 1.0) * divergence


class FilterStretch(nn.Module):
    """Filters stretched around their middle by each of some factors, but for the ``core`` taps next to it."""

    def __init__(self, n_taps, factors, core):
        super().__init__()
        offset = torch.arange(n_taps) - (n_taps - 1) // 2
        distance = offset.abs().double()
        factors = torch.as_tensor(factors, dtype=torch.float64)[:, None]
        source = torch.where(distance <= core, distance, core + (distance - core) / factors)  # (factors, taps)
        place = source * offset.sign() + (n_taps - 1) // 2
        low = place.floor().clamp(0, max(n_taps - 2, 0)).long()
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("share", place - low, persistent=False)
        self.register_buffer("inside", ((place >= 0) & (place <= n_taps - 1)).double(), persistent=False)

    def forward(self, filters):  # (batch, leads, taps) -> (batch, leads, factors, taps)
        low, high = filters[..., self.low], filters[..., (self.low + 1).clamp(max=filters.shape[-1] - 1)]
        return (low + self.share * (high - low)) * self.inside

    def split(self, trains, level):  # (batch, 1, time), (batch, time) -> (batch, factors, time)
        return trains * (level[:, None] == torch.arange(len(self.low), device=level.device)[:, None])


def convolve_same(trains, filters):
    """Trains (batch, k, time) convolved with filters (batch, leads, k, taps), centred, summed over k."""
    n_timepoints, n_taps = trains.shape[-1], filters.shape[-1]
    size = _fast_size(n_timepoints + n_taps - 1)
    product = (torch.fft.rfft(trains, size)[:, None] * torch.fft.rfft(filters, size)).sum(dim=2)
    start = (n_taps - 1) // 2
    return torch.fft.irfft(product, size)[..., start : start + n_timepoints]


def lengths(n_timepoints, strides):
    """Samples before and behind each block."""
    sizes = [n_timepoints]
    for stride in strides:
        sizes.append(-(-sizes[-1] // stride))
    return sizes


def _fast_size(n):
    """The next even size without prime factors above 5."""
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1 and n % 2 == 0:
            return n
        n += 1


def _joined(z, label):
    return z if label is None else torch.cat([z, label], dim=1)


def _full(x):
    return x.float() if x.dtype == torch.bfloat16 else x
