"""Random changes of a batch of signals (batch, leads, time); each row is drawn anew."""

import math

import torch


def scale_amplitude(signals, spread):
    """Multiply each row by a factor whose logarithm has the standard deviation ``spread``."""
    return signals * torch.exp(spread * _normal(signals, len(signals), 1, 1))


def scale_time(signals, most, centre):
    """Stretch or shrink each row around the sample ``centre`` by up to the share ``most``; the border is held."""
    n_timepoints = signals.shape[-1]
    factor = 1 + most * (2 * _uniform(signals, len(signals), 1) - 1)
    time = torch.arange(n_timepoints, dtype=signals.dtype, device=signals.device)
    position = (centre + (time - centre) * factor).clamp(0, n_timepoints - 1)  # (batch, time)
    left = position.floor().long().clamp(max=max(n_timepoints - 2, 0))
    right = (left + 1).clamp(max=n_timepoints - 1)
    share = (position - left).unsqueeze(1)
    index = [side.unsqueeze(1).expand_as(signals) for side in (left, right)]
    return torch.lerp(signals.gather(2, index[0]), signals.gather(2, index[1]), share.expand_as(signals))


def add_wander(signals, amplitude, fs):
    """Add a sine of 0.05 to 0.7 Hz to each lead; ``amplitude`` is relative to the lead's standard deviation."""
    n_rows, n_leads, n_timepoints = signals.shape
    time = torch.arange(n_timepoints, dtype=signals.dtype, device=signals.device) / fs
    frequency = 0.05 + 0.65 * _uniform(signals, n_rows, 1, 1)
    phase = 2 * math.pi * _uniform(signals, n_rows, n_leads, 1)
    height = amplitude * _normal(signals, n_rows, n_leads, 1) * _deviation(signals)
    return signals + height * torch.sin(2 * math.pi * frequency * time + phase)


def add_muscle_noise(signals, amplitude):
    """Add noise without slow parts; ``amplitude`` is relative to the lead's standard deviation.

    The difference of neighbouring white samples holds little below a tenth of the sampling frequency.
    """
    n_rows, n_leads, n_timepoints = signals.shape
    white = _normal(signals, n_rows, n_leads, n_timepoints + 1)
    level = amplitude * _uniform(signals, n_rows, 1, 1)
    return signals + level * _deviation(signals) * white.diff(dim=2) / math.sqrt(2)


def drop_leads(signals, p):
    """Zero each lead with probability ``p``, but never all leads of a row."""
    n_rows, n_leads, _ = signals.shape
    kept = _uniform(signals, n_rows, n_leads) >= p
    spared = torch.randint(n_leads, (n_rows, 1), device=signals.device)
    return signals * kept.scatter(1, spared, True).unsqueeze(2)


def _deviation(signals):
    return signals.std(dim=2, correction=0, keepdim=True)


def _normal(like, *shape):
    return torch.randn(shape, dtype=like.dtype, device=like.device)


def _uniform(like, *shape):
    return torch.rand(shape, dtype=like.dtype, device=like.device)
