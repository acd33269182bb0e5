"""Generator and critic of a class-conditional Wasserstein GAN over signals and the features beside them."""

from itertools import pairwise

import torch
from torch import nn

from .blocks import SameConv1d, make_norm

_SLOPE = 0.2


class ConditionalNorm(nn.Module):
    """Group normalisation with a scale and a shift for each class."""

    def __init__(self, n_channels, n_classes):
        super().__init__()
        self.norm = make_norm("group", n_channels)
        self.scale = nn.Parameter(torch.ones(n_classes, n_channels))
        self.shift = nn.Parameter(torch.zeros(n_classes, n_channels))

    def forward(self, x, label):  # (batch, channels, time), (batch,)
        return self.norm(x) * self.scale[label].unsqueeze(2) + self.shift[label].unsqueeze(2)


class UpBlock(nn.Module):
    """Twice as many samples by linear interpolation, convolution, conditional normalisation, leaky ReLU."""

    def __init__(self, in_channels, out_channels, kernel_size, n_classes):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="linear", align_corners=False)
        self.conv = SameConv1d(in_channels, out_channels, kernel_size)
        self.norm = ConditionalNorm(out_channels, n_classes)

    def forward(self, x, label):  # (batch, in_channels, time) -> (batch, out_channels, 2 * time)
        return nn.functional.leaky_relu(self.norm(self.conv(self.up(x)), label), _SLOPE)


class Generator(nn.Module):
    """From noise and a class to a signal and its side features.

    A dense layer reads the noise and the class; from what it finds, one layer makes the side features and another a
    coarse signal, which each block refines to twice as many samples.
    """

    def __init__(
        self, n_leads, n_timepoints, n_side_features, n_classes, *, latent_size, hidden_size, channels, kernel_size
    ):
        super().__init__()
        self.latent_size, self.n_timepoints = latent_size, n_timepoints
        n_coarse = -(-n_timepoints // 2 ** len(channels))
        self.embed = nn.Embedding(n_classes, latent_size)
        self.dense = nn.Linear(2 * latent_size, hidden_size)
        self.coarse = nn.Linear(hidden_size, channels[0] * n_coarse)
        self.unflatten = nn.Unflatten(1, (channels[0], n_coarse))
        self.blocks = nn.ModuleList(
            UpBlock(n_in, n_out, kernel_size, n_classes) for n_in, n_out in pairwise([channels[0], *channels])
        )
        self.to_signal = SameConv1d(channels[-1], n_leads, kernel_size)
        self.to_side = None  # torch warns of layers without outputs
        if n_side_features:
            self.to_side = nn.Sequential(
                nn.Linear(hidden_size, hidden_size), nn.LeakyReLU(_SLOPE), nn.Linear(hidden_size, n_side_features)
            )

    def forward(self, noise, label):  # (batch, latent), (batch,) -> (batch, leads, time), (batch, side)
        hidden = self.dense(torch.cat([noise, self.embed(label)], dim=1))
        hidden = nn.functional.leaky_relu(hidden, _SLOPE)
        x = self.unflatten(self.coarse(hidden))
        for block in self.blocks:
            x = block(x, label)
        side = hidden[:, :0] if self.to_side is None else self.to_side(hidden)
        return self.to_signal(x)[..., : self.n_timepoints], side


class Critic(nn.Module):
    """From a signal, its side features and its class to a score; nothing in it depends on the rest of the batch."""

    def __init__(self, n_leads, n_timepoints, n_side_features, n_classes, *, hidden_size, channels, kernel_size):
        super().__init__()
        layers = []
        for n_in, n_out in pairwise([n_leads, *channels]):
            layers += [SameConv1d(n_in, n_out, kernel_size, stride=2), nn.LeakyReLU(_SLOPE)]
        self.convolve = nn.Sequential(*layers, nn.Flatten())
        n_coarse = -(-n_timepoints // 2 ** len(channels))
        self.dense = nn.Sequential(
            nn.Linear(channels[-1] * n_coarse + n_side_features, hidden_size),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(hidden_size, hidden_size),
            nn.LeakyReLU(_SLOPE),
        )
        self.score = nn.Linear(hidden_size, n_classes)

    def forward(self, signals, side, label):  # (batch, leads, time), (batch, side), (batch,) -> (batch,)
        hidden = self.dense(torch.cat([self.convolve(signals), side], dim=1))
        return self.score(hidden).gather(1, label.unsqueeze(1)).squeeze(1)


def gradient_penalty(critic, real, fake, label):
    """Mean squared distance from one of the critic's gradient norm, at random points between real and made rows.

    ``real`` and ``fake`` are pairs of signals and side features of the same classes.
    """
    share = torch.rand(len(label), 1, dtype=real[0].dtype, device=real[0].device)
    signals = torch.lerp(real[0], fake[0], share.unsqueeze(2)).requires_grad_()
    side = torch.lerp(real[1], fake[1], share).requires_grad_()
    gradients = torch.autograd.grad(critic(signals, side, label).sum(), (signals, side), create_graph=True)
    squares = sum(gradient.flatten(1).square().sum(dim=1) for gradient in gradients)
    return ((squares + 1e-12).sqrt() - 1).square().mean()
