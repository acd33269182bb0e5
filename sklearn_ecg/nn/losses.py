"""Elementwise losses: one value for each row, so that weights stay exact."""

import torch
from torch import nn


class CrossEntropy(nn.Module):
    """Cross-entropy of logits (batch, classes) and integer targets (batch,), one value for each row."""

    def forward(self, logits, target):
        return nn.functional.cross_entropy(_at_least_float32(logits), target, reduction="none")


class FocalLoss(nn.Module):
    """Cross-entropy times (1 − p)^γ, where p is the probability of the true class (Lin et al. 2017).

    With γ = 0 it is the cross-entropy. The paper's class factors α are weights of the rows, and come from outside.
    """

    def __init__(self, gamma):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, target):
        cross_entropy = nn.functional.cross_entropy(_at_least_float32(logits), target, reduction="none")
        wrong = -torch.expm1(-cross_entropy)  # 1 − p
        tiny = torch.finfo(wrong.dtype).tiny  # the slope of wrong^γ at 0 is infinite where γ < 1
        return wrong.clamp(min=tiny) ** self.gamma * cross_entropy


def _at_least_float32(logits):
    return logits.float() if logits.dtype == torch.bfloat16 else logits
