"""Vision transformer of signals: patches of time, all leads together."""

import torch
from torch import nn


class PatchTransformer(nn.Module):
    """Patches of a signal, embedded with learned positions, through a transformer; a class token sums them up.

    The last patch is filled up with zeros.
    """

    def __init__(
        self, n_leads, n_timepoints, *, patch_size, embedding_size, n_layers, n_heads, feedforward_size, dropout
    ):
        super().__init__()
        self.patch_size, self.size = patch_size, embedding_size
        n_patches = -(-n_timepoints // patch_size)
        self.embed = nn.Linear(n_leads * patch_size, embedding_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, embedding_size))
        self.positions = nn.Parameter(0.02 * torch.randn(1, n_patches + 1, embedding_size))
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            embedding_size, n_heads, feedforward_size, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(
            layer, n_layers, norm=nn.LayerNorm(embedding_size), enable_nested_tensor=False
        )

    def forward(self, signals):  # (batch, leads, time) -> (batch, embedding)
        missing = -signals.shape[2] % self.patch_size
        patches = nn.functional.pad(signals, (0, missing)).unflatten(2, (-1, self.patch_size))
        tokens = self.embed(patches.transpose(1, 2).flatten(2))  # (batch, patches, embedding)
        tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1)
        return self.transformer(self.dropout(tokens + self.positions))[:, 0]
