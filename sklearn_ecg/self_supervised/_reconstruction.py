"""What a pre-trained network fills in for hidden segments."""

import numpy as np
import torch
from sklearn.utils import check_random_state

from ..base._batches import RowBatches
from ..base._device import DTYPES, present_device, seeded
from ..base._pretrained import load_part
from ..nn.pretraining import MaskedSegments
from ..nn.segments import is_present
from ._pretraining import has_decoder


def reconstruct_beats(estimator, X, layout, hidden=None):
    """Signals with those of the hidden segments as the network fills them in, and which were hidden."""
    weights = estimator.pretrained_
    if not has_decoder(weights):
        raise ValueError("The pre-training has no decoder: stage 'autoencoder' or 'masked' is wanted last.")
    if hidden is not None:
        hidden = _check_hidden(hidden, layout.present(X))
    seed = int(check_random_state(estimator.random_state).randint(np.iinfo(np.int32).max))
    device, dtype = present_device(estimator.device), DTYPES[estimator.precision]
    batches = RowBatches(X, layout, device, dtype)
    filled, masks = np.array(layout.split(X)[0], dtype=np.float64), []
    with seeded(seed, device), torch.no_grad():
        network = _network(estimator, weights, layout, device, dtype).eval()
        for start in range(0, len(X), estimator.batch_size):
            piece = slice(start, start + estimator.batch_size)
            batch = batches[piece]
            signals, present = batch["signals"], is_present(batch["signals"])
            mask = network.draw(present) if hidden is None else torch.from_numpy(hidden[piece]).to(device)
            if "masked" in weights.get("stages", ()):
                inside = network.fill(**batch, hidden=mask)
            else:
                inside = network.decoder(network.segments.encoder(signals[mask]))
            masks.append(mask.cpu().numpy())
            filled[piece][masks[-1]] = inside.double().cpu().numpy()
    return filled, np.concatenate(masks)


def _network(estimator, weights, layout, device, dtype):
    segments = estimator._make_module(layout.n_leads, layout.n_timepoints, layout.n_side_features, 1).segments
    decoder = estimator._make_decoder(layout.n_leads, layout.n_timepoints)
    network = MaskedSegments(segments, decoder, 1.0, mask_ratio=estimator.mask_ratio, n_side_features=0)
    network.to(device, dtype)  # before the weights are loaded, which float32 would round
    load_part(segments, weights, "segments")
    load_part(decoder, weights, "decoder")
    return network


def _check_hidden(hidden, present):
    hidden = np.asarray(hidden)
    if hidden.dtype != bool or hidden.shape != present.shape:
        raise ValueError(f"hidden must be boolean of shape {present.shape}, got {hidden.dtype} of {hidden.shape}.")
    absent = np.argwhere(hidden & ~present)
    if len(absent):
        record, beat = absent[0]
        raise ValueError(f"hidden hides beat {beat} of record {record}, which is not there.")
    return hidden
