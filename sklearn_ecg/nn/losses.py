"""Elementwise losses: one value for each row, so that weights stay exact."""

import torch
from torch import nn


class CrossEntropy(nn.Module):
    """Cross-entropy of logits (batch, classes) and integer targets (batch,), one value for each row."""

    def forward(self, logits, target):
        return nn.functional.cross_entropy(
            logits.float() if logits.dtype == torch.bfloat16 else logits, target, reduction="none"
        )
