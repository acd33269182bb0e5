"""Networks over the heartbeat segments of a record; a segment of NaN is none.

Signals are (batch, beats, leads, time), side features (batch, beats, side features). Beats that are there are encoded
one by one; the others take no part, so that their number and their place do not matter.
"""

from itertools import pairwise

import torch
from torch import nn

from .blocks import AdditiveAttention, ConvBlock, SameConv1d, Standardize, make_norm

_STEPS = 4  # of the last feature map, at which a segment is summed up
_ENDS = 10_000.0  # ratio of the longest to the shortest wave of the positional encoding


class SegmentEncoder(nn.Module):
    """Convolution blocks, each but the last at half the rate of the one before, and one embedding of the segment."""

    def __init__(self, n_leads, *, channels, kernel_size, embedding_size, norm):
        super().__init__()
        widths, last = [n_leads, *channels], len(channels) - 1
        self.blocks = nn.Sequential(
            *(
                ConvBlock(a, b, kernel_size, pool=1 if i == last else 2, norm=norm)
                for i, (a, b) in enumerate(pairwise(widths))
            )
        )
        self.summarize = nn.Sequential(nn.AdaptiveAvgPool1d(_STEPS), nn.Flatten())
        self.project = nn.Linear(channels[-1] * _STEPS, embedding_size)

    def forward(self, segments):  # (segments, leads, time) -> (segments, embedding)
        return self.project(self.summarize(self.blocks(segments)))


class SegmentDecoder(nn.Module):
    """The encoder's way back: the embedding as a short feature map, made longer and finer block by block."""

    def __init__(self, n_leads, n_timepoints, *, channels, kernel_size, embedding_size, norm):
        super().__init__()
        self.lengths = [n_timepoints]
        for _ in channels[:-1]:
            self.lengths.insert(0, -(-self.lengths[0] // 2))
        widths = [channels[-1], *channels[::-1][1:], channels[0]]
        self.project = nn.Linear(embedding_size, channels[-1] * _STEPS)
        self.blocks = nn.ModuleList(
            nn.Sequential(SameConv1d(a, b, kernel_size, bias=False), make_norm(norm, b), nn.ReLU())
            for a, b in pairwise(widths)
        )
        self.out = SameConv1d(channels[0], n_leads, kernel_size)

    def forward(self, embeddings):  # (segments, embedding) -> (segments, leads, time)
        x = self.project(embeddings).unflatten(1, (-1, _STEPS))
        for length, block in zip(self.lengths, self.blocks, strict=True):
            if x.shape[2] != length:
                x = nn.functional.interpolate(x, size=length, mode="linear")
            x = block(x)
        return self.out(x)


class SegmentTransformer(nn.Module):
    """Embeddings of the segments, with their side features and their place in the order, through a transformer."""

    def __init__(
        self,
        n_leads,
        n_side_features,
        *,
        channels,
        kernel_size,
        embedding_size,
        n_layers,
        n_heads,
        feedforward_size,
        norm,
        dropout,
    ):
        super().__init__()
        self.encoder = SegmentEncoder(
            n_leads, channels=channels, kernel_size=kernel_size, embedding_size=embedding_size, norm=norm
        )
        self.standardize = Standardize(n_side_features)
        self.side = nn.Linear(n_side_features, embedding_size) if n_side_features else None
        self.mask_token = nn.Parameter(torch.zeros(embedding_size))
        layer = nn.TransformerEncoderLayer(
            embedding_size, n_heads, feedforward_size, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(
            layer, n_layers, norm=nn.LayerNorm(embedding_size), enable_nested_tensor=False
        )

    def tokens(self, signals, side, present, withheld=None):
        """(present segments, embedding), without their places; of the records ``withheld`` (batch,) no signal is in."""
        embedded = self.encoder(signals[present])
        if withheld is not None:
            embedded = embedded.masked_fill(withheld[present.nonzero()[:, 0], None], 0.0)
        return embedded if self.side is None else embedded + self.side(self.standardize(side[present]))

    def in_context(self, tokens, present):
        """Tokens of the segments that are there, moved together, through the transformer.

        Returns (batch, longest, embedding), and which of these are segments. A record without any has one empty place
        that counts as one, so that nothing becomes NaN; what comes of it means nothing.
        """
        counts = present.sum(dim=1)
        longest = max(int(counts.max()), 1)
        record = present.nonzero()[:, 0]
        place = (present.cumsum(dim=1) - 1)[present]
        together = tokens.new_zeros(len(present), longest, tokens.shape[1])
        together[record, place] = tokens + positions(longest, tokens)[place]
        there = torch.arange(longest, device=present.device) < counts.clamp(min=1)[:, None]
        return self.transformer(together, src_key_padding_mask=~there), there

    def forward(self, signals, side=None, withheld=None):
        present = is_present(signals)
        return self.in_context(self.tokens(signals, side, present, withheld), present)


def is_present(signals):  # (batch, beats, leads, time) -> (batch, beats)
    return ~torch.isnan(signals[:, :, 0, 0])


def positions(n_places, like):
    """Sines and cosines of geometric wavelengths: (n_places, embedding), with the type and device of ``like``."""
    size, dtype = like.shape[1], torch.promote_types(like.dtype, torch.float32)  # bfloat16 cannot count beyond 256
    waves = torch.arange(0, size, 2, dtype=dtype, device=like.device)
    angles = torch.arange(n_places, dtype=dtype, device=like.device)[:, None] * _ENDS ** (-waves / size)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :size].to(like.dtype)


class SegmentClassifier(nn.Module):
    """Segments in context, pooled over the record, and dense layers.

    In training the standardised side features get noise, and the signals are withheld from a share of the records, so
    that neither part leans on the other; pre-training, which has ``segments`` alone, knows of neither.
    """

    def __init__(
        self,
        n_leads,
        n_side_features,
        n_outputs,
        *,
        pooling,
        attention_size,
        head_size,
        side_noise,
        signal_dropout,
        dropout,
        **segments,
    ):
        super().__init__()
        self.side_noise, self.signal_dropout = side_noise, signal_dropout
        self.segments = SegmentTransformer(n_leads, n_side_features, dropout=dropout, **segments)
        size = segments["embedding_size"]
        self.pooling = pooling
        self.attention = AdditiveAttention(size, attention_size) if pooling == "attention" else None
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(size, head_size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(head_size, n_outputs),
        )

    def set_side_statistics(self, mean, scale):
        self.segments.standardize.set_statistics(mean, scale)

    def embed(self, signals, side=None):  # -> (batch, embedding)
        withheld = None
        if self.training and self.signal_dropout:
            withheld = torch.rand(len(signals), device=signals.device) < self.signal_dropout
        if self.training and self.side_noise and side is not None:
            side = self._noisy(side, is_present(signals))
        return pool(*self.segments(signals, side, withheld), self.pooling, self.attention)

    def _noisy(self, side, present):
        side = side.clone()
        noise = torch.randn_like(side[present])  # absent beats draw nothing
        side[present] += self.side_noise * self.segments.standardize.scale * noise
        return side

    def forward(self, signals, side=None):  # -> (batch, outputs)
        return self.head(self.embed(signals, side))

    def beat_weights(self, signals, side=None):  # -> (batch, beats), zero where there is no beat
        present = is_present(signals)
        weights = self.attention.weights(*self.segments(signals, side))
        places = (present.cumsum(dim=1) - 1).clamp(min=0)
        return weights.gather(1, places) * present


def pool(states, there, pooling, attention=None):  # (batch, places, embedding), (batch, places) -> (batch, embedding)
    if pooling == "attention":
        return attention(states, there)
    if pooling == "max":
        return states.masked_fill(~there[:, :, None], -torch.inf).amax(dim=1)
    return (states * there[:, :, None]).sum(dim=1) / there.sum(dim=1, keepdim=True)
