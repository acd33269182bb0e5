"""How much of the variance of signals is reconstructed, a part of the rows at a time."""

import numpy as np
from sklearn.utils import gen_batches

_ROWS_AT_ONCE = 1024


def pooled_r2(n_rows, true_of, decoded_of):
    """One minus the squared error over the squared deviation from the mean of all values.

    ``true_of`` and ``decoded_of`` give the values of a slice of the rows, in one shape. Values without any deviation
    give 1 where they are decoded exactly, else 0.
    """
    batches = list(gen_batches(n_rows, _ROWS_AT_ONCE))
    mean = sum(true_of(batch).mean(dtype=np.float64) * (batch.stop - batch.start) for batch in batches) / n_rows
    error = spread = 0.0
    low, high = np.inf, -np.inf
    for batch in batches:
        true = true_of(batch).astype(np.float64)
        error += ((decoded_of(batch) - true) ** 2).sum()
        spread += ((true - mean) ** 2).sum()
        low, high = min(low, true.min()), max(high, true.max())
    return float(1 - error / spread) if spread and low < high else float(error == 0)
