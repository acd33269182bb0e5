"""The stages of pre-training: what runs after what, and what is kept of it."""

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator

from ..base._batches import RowBatches, WeightedRows
from ..base._callbacks import FiniteLoss, OneCycle, ProgressBar, plain_history
from ..base._device import DTYPES, resolve_device, seeded
from ..base._pretrained import load_part, named_arrays
from ..nn.losses import OwnLoss
from ..nn.pretraining import ContrastedSegments, MaskedSegments, SegmentAutoencoder

STAGES = ("autoencoder", "masked", "contrastive")
_RECORDS_AT_ONCE = 128


def pretrain_segments(estimator, X, layout, start, seed):
    """Run the stages of ``estimator`` on checked records; sets ``pretrained_`` and adds to ``history_``.

    ``start`` holds the weights to begin with, or is None.

    An interrupt is raised again, after what was learned so far has been kept.
    """
    device, dtype = resolve_device(estimator.device), DTYPES[estimator.precision]
    n_epochs = dict(zip(estimator.pretrain_stages, epochs_of_stages(estimator), strict=True))
    index = _records_for_stages(X, layout, n_epochs)
    ones = np.ones(len(X))
    with seeded(seed, device):
        segments = estimator._make_module(layout.n_leads, layout.n_timepoints, layout.n_side_features, 1).segments
        decoder = estimator._make_decoder(layout.n_leads, layout.n_timepoints).to(device, dtype)
        segments.to(device, dtype)  # before anything is loaded, which float32 would round
        variance, side_statistics = statistics_of_beats(X, layout, ones, np.flatnonzero(layout.present(X).any(axis=1)))
        segments.standardize.set_statistics(*side_statistics)
        if start is not None:
            load_part(segments, start, "segments")
            if has_decoder(start):
                load_part(decoder, start, "decoder")
        batches, stages, history = RowBatches(X, layout, device, dtype), [], []
        for stage in estimator.pretrain_stages:
            module = _module_of(stage, segments, decoder, variance, estimator.mask_ratio, layout.n_side_features)
            rows = WeightedRows(batches, ones, ones, index[stage], augment=estimator.augment)
            net = _train_stage(estimator, module.to(device, dtype), rows, n_epochs[stage])
            stages.append(stage)
            history += [{"stage": stage, **row} for row in plain_history(net.history)]
            if net.interrupt_ is not None:
                break
    estimator.pretrained_ = _weights_after(stages, segments, decoder)
    estimator.history_ = [*estimator.history_, *history]
    if net.interrupt_ is not None:
        raise net.interrupt_


def _records_for_stages(X, layout, stages):
    """Records that each stage can learn from: with a beat, and with two where one is compared to another."""
    counts = layout.present(X).sum(axis=1)
    index = {stage: np.flatnonzero(counts >= (1 if stage == "autoencoder" else 2)) for stage in stages}
    if not counts.any():
        raise ValueError("There is no beat in any record to pre-train on: every row of every record is NaN.")
    for stage, records in index.items():
        if not len(records):
            raise ValueError(f"Stage {stage!r} of the pre-training wants records of two or more beats; there are none.")
    return index


def _weights_after(stages, segments, decoder):
    """Weights as a dict of arrays: ``segments.…``, ``decoder.…`` where the last stage trained it, and ``stages``."""
    weights = {**named_arrays("segments", segments), "stages": np.array(stages)}
    if stages[-1] == "contrastive":  # a decoder from before no longer belongs to this encoder
        return weights
    return {**weights, **named_arrays("decoder", decoder)}


def epochs_of_stages(estimator):
    """Number of epochs of each stage."""
    n_epochs, stages = estimator.pretrain_epochs, estimator.pretrain_stages
    epochs = [n_epochs] * len(stages) if np.ndim(n_epochs) == 0 else list(n_epochs)
    if len(epochs) != len(stages) or not all(isinstance(n, (int, np.integer)) and n > 0 for n in epochs):
        raise ValueError(
            f"pretrain_epochs must be a positive integer, or one for each of {len(stages)} stages, got {n_epochs!r}."
        )
    return epochs


def check_stages(stages):
    if isinstance(stages, str) or not len(stages) or not set(stages) <= set(STAGES) or len(set(stages)) < len(stages):
        raise ValueError(
            f"pretrain_stages must be a non-empty sequence of different stages of {STAGES}, got {stages!r}."
        )


def _module_of(stage, segments, decoder, variance, mask_ratio, n_side_features):
    if stage == "autoencoder":
        return SegmentAutoencoder(segments, decoder, variance)
    if stage == "masked":
        return MaskedSegments(segments, decoder, variance, mask_ratio=mask_ratio, n_side_features=n_side_features)
    return ContrastedSegments(segments)


def _train_stage(estimator, module, rows, n_epochs):
    net = estimator._make_net(module, OwnLoss(), rows.batches.device)
    callbacks = [FiniteLoss()]
    if estimator.lr_schedule == "one-cycle":
        callbacks.append(OneCycle())
    if estimator.verbose:
        callbacks.append(ProgressBar())
    net.set_params(lr=estimator.pretrain_lr, max_epochs=n_epochs, callbacks=callbacks, frozen=(), anchor=0.0)
    return net.initialize().partial_fit(rows)


@np.errstate(over="ignore", invalid="ignore")  # the loss tells of values too large
def statistics_of_beats(X, layout, weight, index):
    """Variance of the signals, and mean and standard deviation of the side features, over the beats that are there."""
    sums = {}
    for start in range(0, len(index), _RECORDS_AT_ONCE):
        rows = index[start : start + _RECORDS_AT_ONCE]
        records = X[rows]
        present, (signals, side) = layout.present(records), layout.split(records)
        w = np.broadcast_to(weight[rows, None], present.shape)[present]
        for name, values in (("signals", signals[present].reshape(len(w), -1)), ("side", side[present])):
            values = values.astype(np.float64)
            part = np.array([w @ values, w @ values**2, np.full(values.shape[1], w.sum())])
            sums[name] = sums.get(name, 0) + part
    mean, square, total = sums["signals"].sum(axis=1)
    mean, square = mean / total, square / total
    variance = square - mean**2 if square - mean**2 > 1e-12 * square else 1.0  # of a flat line, there is only rounding
    side_mean, side_square, total = sums["side"]
    side_mean, side_square = side_mean / total, side_square / total
    scale = np.sqrt(np.maximum(side_square - side_mean**2, 0))
    scale[scale < 1e-6 * np.maximum(1, np.abs(side_mean))] = 1.0
    return variance, (torch.from_numpy(side_mean), torch.from_numpy(scale))


def read_pretrained(pretrained):
    """Weights as a dict of arrays: given as such, or those of a frozen estimator; None where there are none."""
    if pretrained is None:
        return None
    if isinstance(pretrained, FrozenEstimator):
        estimator = pretrained.estimator
        segments = getattr(getattr(estimator, "module_", None), "segments", None)
        weights = getattr(estimator, "pretrained_", None)
        if segments is None and weights is None:
            raise ValueError(
                "pretrained must hold an ECGSLClassifier after fit or pretrain, got a FrozenEstimator of "
                f"{type(estimator).__name__} without weights of segments."
            )
        return (
            weights if segments is None else named_arrays("segments", segments)
        )  # the decoder no longer belongs to these
    if not isinstance(pretrained, dict) or not any(str(name).startswith("segments.") for name in pretrained):
        raise ValueError(
            "pretrained must be a dict of arrays (pretrained_ of an ECGSLClassifier) or a FrozenEstimator, got "
            f"{type(pretrained).__name__}."
        )
    return pretrained


def has_decoder(weights):
    return any(name.startswith("decoder.") for name in weights)
