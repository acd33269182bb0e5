"""What segments teach without labels: each module gives the loss of every record of a batch.

Signals are (batch, beats, leads, time), side features (batch, beats, side features); a beat of NaN is none.
"""

import torch
from torch import nn

from .segments import is_present


def noise_of_beats(present):
    """A uniform number for every beat, infinite where there is none; absent beats draw nothing."""
    noise = torch.full(present.shape, torch.inf, device=present.device)
    noise[present] = torch.rand(int(present.sum()), device=present.device)
    return noise


def mean_over_beats(loss, record, n_records):
    """Mean of the beats' losses for each record, zero where a record has none."""
    total = loss.new_zeros(n_records).index_add(0, record, loss)
    count = torch.bincount(record, minlength=n_records).clamp(min=1)
    return total / count


class SegmentAutoencoder(nn.Module):
    """Every segment from its own embedding; the error is a share of the signals' variance."""

    def __init__(self, segments, decoder, variance):
        super().__init__()
        self.segments, self.decoder = segments, decoder
        self.register_buffer("variance", torch.as_tensor(variance))

    def error(self, decoded, signals):  # (segments, leads, time) -> (segments,)
        return ((decoded - signals) ** 2).mean(dim=(1, 2)) / self.variance

    def forward(self, signals, side):
        present = is_present(signals)
        segments = signals[present]
        error = self.error(self.decoder(self.segments.encoder(segments)), segments)
        return mean_over_beats(error, present.nonzero()[:, 0], len(signals))


class MaskedSegments(SegmentAutoencoder):
    """Hidden segments from those around them, and the others from themselves; side features, too.

    Without the second part the state of a segment would forget what the segment itself is like.
    """

    def __init__(self, segments, decoder, variance, *, mask_ratio, n_side_features):
        super().__init__(segments, decoder, variance)
        self.mask_ratio = mask_ratio
        size = segments.mask_token.shape[0]
        self.side_out = nn.Linear(size, n_side_features) if n_side_features else None

    def draw(self, present):
        """Segments to hide, at random: a share of each record's, at least one, never all; (batch, beats)."""
        counts = present.sum(dim=1)
        n_hidden = torch.minimum((self.mask_ratio * counts).round().clamp(min=1), (counts - 1).clamp(min=0))
        return (noise_of_beats(present).argsort(dim=1).argsort(dim=1) < n_hidden[:, None]) & present

    def states(self, signals, side, hidden):
        """States (segments, embedding) of the segments that are there, in the order of ``signals[present]``.

        Hidden segments are not even encoded, so that batch norm tells nothing of them.
        """
        present = is_present(signals)
        seen = self.segments.tokens(signals, side, present & ~hidden)
        tokens = self.segments.mask_token.to(seen.dtype).repeat(int(present.sum()), 1)
        tokens[~hidden[present]] = seen
        states, there = self.segments.in_context(tokens, present)
        return states[there & present.any(dim=1)[:, None]]

    def fill(self, signals, side, hidden):
        """What the hidden segments are taken for, in the order of ``signals[hidden]``."""
        return self.decoder(self.states(signals, side, hidden)[hidden[is_present(signals)]])

    def forward(self, signals, side):
        present = is_present(signals)
        hidden = self.draw(present)
        states = self.states(signals, side, hidden)
        error = self.error(self.decoder(states), signals[present])
        if self.side_out is not None:
            wanted = self.segments.standardize(side[present])
            error = error + ((self.side_out(states) - wanted) ** 2).mean(dim=1)
        record, was_hidden = present.nonzero()[:, 0], hidden[present]
        return sum(mean_over_beats(error[part], record[part], len(signals)) for part in (was_hidden, ~was_hidden))


class ContrastedSegments(nn.Module):
    """Two segments of one record shall be more alike than segments of two records (InfoNCE)."""

    def __init__(self, segments, *, temperature=0.1):
        super().__init__()
        self.segments, self.temperature = segments, temperature
        size = segments.mask_token.shape[0]
        self.project = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, size))

    def forward(self, signals, side):
        present = is_present(signals)
        paired = (present.sum(dim=1) > 1).nonzero()[:, 0]
        drawn = noise_of_beats(present)[paired].topk(2, dim=1, largest=False).indices  # (paired, 2)
        rows = paired[:, None].expand(-1, 2)
        encoded = self.project(self.segments.encoder(signals[rows, drawn].flatten(0, 1)))
        one, other = nn.functional.normalize(encoded, dim=1).unflatten(0, (-1, 2)).unbind(dim=1)
        alike = one @ other.T / self.temperature  # (paired, paired)
        own = torch.arange(len(paired), device=signals.device)
        loss = nn.functional.cross_entropy(alike, own, reduction="none")
        loss = (loss + nn.functional.cross_entropy(alike.T, own, reduction="none")) / 2
        return loss.new_zeros(len(signals)).index_add(0, paired, loss)
