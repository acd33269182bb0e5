"""Convolutional autoencoder of signals (batch, leads, time), for any length and any number of leads."""

import torch
from torch import nn

from .blocks import SpectralConv1d, make_norm

ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.2)}


class Stretch(nn.Module):
    """``factor`` times as many samples: each repeated, or followed by zeros.

    With zeros the convolution behind it is a transposed convolution of that stride.
    """

    def __init__(self, factor, kind):
        super().__init__()
        self.factor, self.kind = factor, kind

    def forward(self, x):  # (batch, channels, time) -> (batch, channels, factor * time)
        if self.kind == "upsample":
            return x.repeat_interleave(self.factor, dim=2)
        return nn.functional.pad(x.unsqueeze(-1), (0, self.factor - 1)).flatten(2)


class DecoderBlock(nn.Module):
    """Stretch the signal, cut it to a length, and convolve."""

    def __init__(self, stretch, layers):
        super().__init__()
        self.stretch, self.layers = stretch, layers

    def forward(self, x, n_timepoints):  # (batch, in_channels, time) -> (batch, out_channels, n_timepoints)
        return self.layers(self.stretch(x)[..., :n_timepoints])


class ConvAutoencoder(nn.Module):
    """Blocks of convolution and pooling, a dense latent or none, and the same blocks backwards.

    The output is the loss of each row: the mean squared error over the samples where ``punished`` is one. While
    ``path`` is set, a training batch also decodes points on the lines between the latents of two signals.
    """

    def __init__(
        self, n_leads, n_timepoints, *, channels, kernel_sizes, pools, latent_size, upsampling, punished=None, **layers
    ):
        super().__init__()
        sizes = list(zip([n_leads, *channels[:-1]], channels, kernel_sizes, pools, strict=True))
        self.lengths = [n_timepoints]
        for pool in pools:
            self.lengths.append(-(-self.lengths[-1] // pool))
        self.encoder = _make_encoder(sizes, **layers)
        self.decoder = _make_decoder(sizes, upsampling, **layers)
        self.bottleneck = channels[-1], self.lengths[-1]
        n_bottleneck = channels[-1] * self.lengths[-1]
        self.n_latent = latent_size or n_bottleneck
        self.to_latent = nn.Linear(n_bottleneck, latent_size) if latent_size else nn.Identity()
        self.from_latent = nn.Linear(latent_size, n_bottleneck) if latent_size else nn.Identity()
        punished = torch.ones(n_leads, n_timepoints) if punished is None else torch.as_tensor(punished).float()
        self.register_buffer("punished", punished, persistent=False)
        self.path = None

    def set_side_statistics(self, mean, scale):
        """Side features pass the network by."""

    def encode(self, signals):  # (batch, leads, time) -> (batch, latent)
        return self.to_latent(self.encoder(signals).flatten(1))

    def decode(self, latent):  # (batch, latent) -> (batch, leads, time)
        x = self.from_latent(latent).unflatten(1, self.bottleneck)
        for block, length in zip(self.decoder, self.lengths[-2::-1], strict=True):
            x = block(x, length)
        return x

    def error(self, decoded, signals):  # two of (batch, leads, time) -> (batch,)
        return ((decoded - signals) ** 2 * self.punished).sum(dim=(1, 2)) / self.punished.sum()

    def forward(self, signals, side=None):  # (batch, leads, time) -> (batch,)
        loss = self.error(self.decode(self.encode(signals)), signals)
        if self.training and self.path is not None:
            loss = loss + self.path.error(self, len(signals))
        return loss

    def transform(self, signals, side=None):
        return self.encode(signals)

    def inverse_transform(self, signals, side=None):  # (batch, 1, latent) -> (batch, leads, time)
        return self.decode(signals.flatten(1))

    def reconstruct(self, signals, side=None):
        return self.decode(self.encode(signals))


class PathTargets(nn.Module):
    """Where the decoded points between two latents shall be: ``weight`` times the error of as many as are drawn.

    ``signals`` are (rows, leads, time), ``pairs`` (targets, 2) the rows at the ends, ``times`` (targets,) from 0 to 1,
    ``targets`` (targets, leads, time).
    """

    def __init__(self, signals, pairs, times, targets, weight):
        super().__init__()
        self.weight = weight
        for name, values in {"signals": signals, "pairs": pairs, "times": times, "targets": targets}.items():
            self.register_buffer(name, values, persistent=False)

    def error(self, module, n):
        drawn = torch.randint(len(self.times), (n,), device=self.times.device)
        ends, place = self.pairs[drawn].unique(return_inverse=True)
        latent = module.encode(self.signals[ends])[place]  # (n, 2, latent)
        between = torch.lerp(latent[:, 0], latent[:, 1], self.times[drawn, None])
        return self.weight * module.error(module.decode(between), self.targets[drawn]).mean()


def _make_encoder(sizes, *, activation, norm, dropout):
    """Blocks of the sizes (channels in, channels out, kernel, pool); the last is not normalised."""
    layers = nn.Sequential()
    for i, (n_in, n_out, kernel_size, pool) in enumerate(sizes, start=1):
        conv = SpectralConv1d(n_in, n_out, kernel_size)
        layers += _shaped(conv, n_out, norm if i < len(sizes) else None, activation)
        layers += nn.Sequential(nn.MaxPool1d(pool, ceil_mode=True), nn.Dropout(dropout))
    return layers


def _make_decoder(sizes, upsampling, *, activation, norm, dropout):
    """The encoder's blocks backwards; the last convolution stands alone."""
    blocks = nn.ModuleList()
    for n_out, n_in, kernel_size, pool in reversed(sizes):
        layers = nn.Sequential(SpectralConv1d(n_in, n_out, kernel_size))
        if len(blocks) < len(sizes) - 1:
            layers = _shaped(layers[0], n_out, norm, activation) + nn.Sequential(nn.Dropout(dropout))
        blocks.append(DecoderBlock(Stretch(pool, upsampling), layers))
    return blocks


def _shaped(conv, n_channels, norm, activation):
    """A convolution with its normalisation and its activation."""
    norms = [] if norm is None else [make_norm(norm, n_channels)]
    return nn.Sequential(conv, *norms, ACTIVATIONS[activation]())
