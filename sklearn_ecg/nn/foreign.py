"""Networks that come from elsewhere, beside what the neural base wants of a module."""

import copy
import inspect

import torch
from torch import nn

from .blocks import Standardize


class ForeignNetwork(nn.Module):
    """A network from signals (batch, leads, time) to (batch, n_outputs); its outputs are checked.

    Side features are standardised, and given to a network whose ``forward`` takes two arguments or more.
    """

    def __init__(self, network, n_side_features, n_outputs):
        super().__init__()
        self.network, self.n_outputs = network, n_outputs
        self.standardize = Standardize(n_side_features) if n_side_features else None
        if n_side_features and not takes_side(network):
            raise ValueError(
                f"module must take the side features as the second argument of its forward, since n_side_features="
                f"{n_side_features}; {type(network).__name__} takes signals alone."
            )

    def set_side_statistics(self, mean, scale):
        self.standardize.set_statistics(mean, scale)

    def forward(self, signals, side=None):  # (batch, leads, time), (batch, side features) -> (batch, outputs)
        output = self.network(signals) if self.standardize is None else self.network(signals, self.standardize(side))
        wanted = len(signals), self.n_outputs
        if not isinstance(output, torch.Tensor) or output.shape != wanted:
            seen = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            raise ValueError(f"module must give (batch, n_outputs), which is {wanted}, got {seen}.")
        return output


class EncoderDecoder(nn.Module):
    """A network as an encoder, and a decoder from what it gives back to its signals; called, the loss of each row."""

    def __init__(self, encoder, decoder, n_leads, n_timepoints):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.shape = n_leads, n_timepoints
        self.n_latent = encoder.n_outputs
        self.register_buffer("punished", torch.ones(n_leads, n_timepoints, dtype=torch.bool), persistent=False)

    def set_side_statistics(self, mean, scale):
        """The encoder sees no side features."""

    def forward(self, signals, side=None):  # (batch, leads, time) -> (batch,)
        return ((self.reconstruct(signals) - signals) ** 2).mean(dim=(1, 2))

    def transform(self, signals, side=None):
        return self.encoder(signals)

    def inverse_transform(self, signals, side=None):  # (batch, 1, latent) -> (batch, leads, time)
        return self._decode(signals[:, 0])

    def reconstruct(self, signals, side=None):
        return self._decode(self.encoder(signals))

    def _decode(self, latent):
        signals = self.decoder(latent)
        wanted = (len(latent), *self.shape)
        if tuple(signals.shape) not in (wanted, (len(latent), self.shape[0] * self.shape[1])):
            raise ValueError(
                f"decoder must give (batch, leads, samples), which is {wanted}, or that in flat rows, got "
                f"{tuple(signals.shape)}."
            )
        return signals.reshape(wanted)


def takes_side(network):
    """Whether the ``forward`` of a network has a second argument."""
    taken = [
        parameter
        for parameter in inspect.signature(network.forward).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    return len(taken) > 1 or any(parameter.kind is parameter.VAR_POSITIONAL for parameter in taken)


def build_network(module, params, sizes):
    """A network from a class or callable: ``params``, and those of the ``sizes`` that its signature names."""
    if isinstance(module, nn.Module):
        raise TypeError(
            f"module must be a class of torch.nn.Module or a callable that makes one, got an instance of "
            f"{type(module).__name__}: each fit makes a network of its own."
        )
    try:
        known = inspect.signature(module).parameters
    except ValueError:  # a callable written in C
        known = {}
    bound = getattr(module, "keywords", {})  # of a partial
    given = {name: value for name, value in sizes.items() if name in known and name not in bound}
    network = module(**{**given, **copy.deepcopy(params)})
    if not isinstance(network, nn.Module):
        raise TypeError(f"module must make a torch.nn.Module, got {type(network).__name__}.")
    return network
