"""Label maps: how labels at any number of equally spaced times meet scores at the network's rate."""

import numpy as np
import torch
from torch import nn

UNKNOWN = -1
_ROWS_AT_ONCE = 1024


def at_columns(scores, n_columns, positions):
    """Scores (batch, classes, time) at ``n_columns`` equally spaced spans or moments of the record.

    Fewer columns than samples are spans, over which the scores are averaged; as many or more are moments, between whose
    neighbours they are interpolated: ``positions``, in samples of the network.
    """
    n_timepoints = scores.shape[2]
    if n_columns < n_timepoints:
        return nn.functional.adaptive_avg_pool1d(scores, n_columns)
    if n_columns == n_timepoints and np.array_equal(positions, np.arange(n_columns)):
        return scores
    left = np.minimum(positions.astype(np.int64), max(n_timepoints - 2, 0))
    share = torch.as_tensor(positions - left, dtype=scores.dtype, device=scores.device)
    right = np.minimum(left + 1, n_timepoints - 1)
    return torch.lerp(scores[:, :, left], scores[:, :, right], share)


def column_positions(n_columns, n_timepoints, n_network, factor):
    """Middle of each column in samples of the network, which has ``factor`` samples for one of the record."""
    middle = (np.arange(n_columns) + 0.5) * n_timepoints / n_columns - 0.5
    return np.clip(middle * factor, 0, n_network - 1)


class LabelMapLoss(nn.Module):
    """Cross-entropy of each record, the mean over its labelled columns; targets of -1 are not labelled."""

    def __init__(self, positions):
        super().__init__()
        self.positions = positions

    def forward(self, scores, target):  # (batch, classes, time), (batch, columns) -> (batch,)
        scores = at_columns(
            scores.float() if scores.dtype == torch.bfloat16 else scores, target.shape[1], self.positions
        )
        loss = nn.functional.cross_entropy(scores, target, reduction="none", ignore_index=UNKNOWN)
        return loss.sum(dim=1) / (target != UNKNOWN).sum(dim=1).clamp(min=1)


def lead_statistics(X, layout, weight):
    """Weighted mean and standard deviation of each lead over the rows with weight; 1 is the deviation of a flat one."""
    rows, moments = np.flatnonzero(weight), np.zeros((2, layout.n_leads))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        signals = layout.split(np.ascontiguousarray(X[part]))[0].astype(np.float64)
        moments += [weight[part] @ (signals**power).mean(axis=2) for power in (1, 2)]
    mean, square = moments / weight.sum()
    scale = np.sqrt(np.maximum(square - mean**2, 0))
    return mean, np.where(scale > 1e-8 * np.maximum(1, np.abs(mean)), scale, 1.0)
