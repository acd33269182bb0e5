"""Elementwise losses: one value for each row, so that weights stay exact."""

import torch
from torch import nn

_OF_DIFFERENCE = {"l1": nn.functional.l1_loss, "huber": nn.functional.huber_loss, "mse": nn.functional.mse_loss}


class CrossEntropy(nn.Module):
    """Cross-entropy of logits (batch, classes) and integer targets (batch,), one value for each row."""

    def forward(self, logits, target):
        return nn.functional.cross_entropy(_at_least_float32(logits), target, reduction="none")


class BinaryCrossEntropy(nn.Module):
    """Cross-entropy of independent labels: logits and indicators (batch, labels), one mean over labels for each row.

    Each label counts by its factor, and, as in the focal loss, by (1 − p)^γ, where p is the probability of what is true
    of it.
    """

    def __init__(self, factors, gamma=0.0):
        super().__init__()
        self.gamma = gamma
        self.register_buffer("factors", torch.as_tensor(factors))

    def forward(self, logits, target):
        logits = _at_least_float32(logits)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), reduction="none")
        return (_focused(loss, self.gamma) * self.factors.to(loss.dtype)).mean(dim=1)


class OwnLoss(nn.Module):
    """The module's output is the loss of each row already: reconstruction has no target but its input."""

    def forward(self, loss, target):
        return _at_least_float32(loss)


class RegressionLoss(nn.Module):
    """Mean over the outputs of "l1", "huber" (quadratic up to 1) or "mse", one value for each row.

    Where the target is NaN there is no loss; the loss of each output is multiplied by its factor.
    """

    def __init__(self, kind, factors):
        super().__init__()
        self.loss = _OF_DIFFERENCE[kind]
        self.register_buffer("factors", torch.as_tensor(factors))

    def forward(self, output, target):  # two of (batch, outputs) -> (batch,)
        output = _at_least_float32(output)
        known, target = ~torch.isnan(target), torch.nan_to_num(target).to(output.dtype)
        loss = self.loss(output, target, reduction="none") * known
        return (loss * self.factors.to(loss.dtype)).mean(dim=1)


class FocalLoss(nn.Module):
    """Cross-entropy times (1 − p)^γ, where p is the probability of the true class (Lin et al. 2017).

    With γ = 0 it is the cross-entropy. The paper's class factors α are weights of the rows, and come from outside.
    """

    def __init__(self, gamma):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, target):
        cross_entropy = nn.functional.cross_entropy(_at_least_float32(logits), target, reduction="none")
        return _focused(cross_entropy, self.gamma)


def _focused(cross_entropy, gamma):
    """(1 − p)^γ times −log p."""
    if gamma == 0:
        return cross_entropy
    wrong = -torch.expm1(-cross_entropy)  # 1 − p
    tiny = torch.finfo(wrong.dtype).tiny  # the slope of wrong^γ at 0 is infinite where γ < 1
    return wrong.clamp(min=tiny) ** gamma * cross_entropy


def _at_least_float32(logits):
    return logits.float() if logits.dtype == torch.bfloat16 else logits
