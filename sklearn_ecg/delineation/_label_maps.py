"""Label maps: how labels at any number of equally spaced times meet scores at the network's rate."""

import numpy as np
import torch
from torch import nn

UNKNOWN = -1
_ROWS_AT_ONCE = 1024


def at_columns(scores, n_columns, moments):
    """Scores (batch, classes, time) of a label map's columns: interpolated at ``moments``, or else means over spans."""
    n_timepoints = scores.shape[2]
    if moments is None:
        return nn.functional.adaptive_avg_pool1d(scores, n_columns)
    if np.array_equal(moments, np.arange(n_timepoints)):
        return scores
    left = np.minimum(moments.astype(np.int64), max(n_timepoints - 2, 0))
    share = torch.as_tensor(moments - left, dtype=scores.dtype, device=scores.device)
    right = np.minimum(left + 1, n_timepoints - 1)
    return torch.lerp(scores[:, :, left], scores[:, :, right], share)


def column_moments(n_columns, n_timepoints, n_network, factor):
    """Times of the columns in samples of the network, which has ``factor`` for one of the record's ``n_timepoints``.

    As many columns as samples, or more, are moments; fewer are spans of time, which have none.
    """
    if n_columns < n_timepoints:
        return None
    middle = (np.arange(n_columns) + 0.5) * n_timepoints / n_columns - 0.5
    return np.clip(middle * factor, 0, n_network - 1)


class LabelMapLoss(nn.Module):
    """Cross-entropy of each record, the mean over its labelled columns; targets of -1 are not labelled."""

    def __init__(self, moments):
        super().__init__()
        self.moments = moments

    def forward(self, scores, target):  # (batch, classes, time), (batch, columns) -> (batch,)
        scores = at_columns(scores.float() if scores.dtype == torch.bfloat16 else scores, target.shape[1], self.moments)
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
