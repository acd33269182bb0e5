"""Whether relevance is faithful: what hiding relevant samples does, and on which waves relevance lies."""

import numpy as np

WAVES_MS = {"P": (-240, -60), "QRS": (-60, 60), "T": (60, 350)}
"""Windows of the waves in ms from the R peak; the end of a window is not in it."""


def probability_fall(
    estimator, X, relevance, *, n_side_features=0, share=0.2, fill="interpolate", n_draws=10, random_state=0
):
    """Fall of the predicted class's probability when samples of one-lead rows are hidden.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted classifier.
    X : ndarray of shape (n_samples, n_timepoints + n_side_features)
        Rows of one lead.
    relevance : ndarray of shape (n_samples, n_timepoints)
        Relevance of every sample; the largest are hidden.
    n_side_features : int, default=0
        Columns at the end that stay as they are.
    share : float, default=0.2
        Share of the samples hidden.
    fill : {"interpolate", "mean"}, default="interpolate"
        What stands in for them: a straight line between the borders of a hidden span, or the mean of the row.
    n_draws : int, default=10
        Number of random hidings, each with as many spans of the same lengths at random places.
    random_state : int, default=0
        Seed of the places.

    Returns
    -------
    relevant, random : ndarray of shape (n_samples,)
        Fall by the most relevant samples, and mean fall by the random spans.
    """
    X, relevance = np.asarray(X), np.asarray(relevance)
    n_timepoints = X.shape[1] - n_side_features
    if relevance.shape != (len(X), n_timepoints):
        raise ValueError(f"relevance must have shape {(len(X), n_timepoints)}, got {relevance.shape}.")
    before = estimator.predict_proba(X)
    predicted = before.argmax(axis=1)
    rows = np.arange(len(X))

    def fall(hidden):
        return (before - estimator.predict_proba(hide(X, hidden, fill)))[rows, predicted]

    top = most_relevant(relevance, round(share * n_timepoints))
    rng = np.random.default_rng(random_state)
    draws = [fall(np.array([move_spans(mask, rng) for mask in top])) for _ in range(n_draws)]
    return fall(top), np.mean(draws, axis=0)


def occlusion(estimator, X, *, n_side_features=0, width=9, fill="interpolate"):
    """Relevance by trial: what hiding the windows around a sample costs.

    Parameters
    ----------
    estimator, X, n_side_features, fill
        As in :func:`probability_fall`.
    width : int, default=9
        Samples of a window; at the borders of the signal it holds fewer.

    Returns
    -------
    relevance : ndarray of shape (n_samples, n_timepoints)
        Mean fall of the predicted class's probability over the windows that hold a sample.
    """
    X = np.asarray(X)
    n_timepoints = X.shape[1] - n_side_features
    before = estimator.predict_proba(X)
    rows, predicted = np.arange(len(X)), before.argmax(axis=1)
    total, n_windows = np.zeros((len(X), n_timepoints)), np.zeros(n_timepoints)
    for start in range(1 - width, n_timepoints):
        window = slice(max(start, 0), start + width)
        mask = np.zeros((len(X), n_timepoints), dtype=bool)
        mask[:, window] = True
        fall = (before - estimator.predict_proba(hide(X, mask, fill)))[rows, predicted]
        total[:, window] += fall[:, np.newaxis]
        n_windows[window] += 1
    return total / n_windows


def most_relevant(relevance, n_hidden):
    """Mask of the ``n_hidden`` largest values of each row."""
    order = np.argsort(-relevance, axis=1, kind="stable")[:, :n_hidden]
    mask = np.zeros(relevance.shape, dtype=bool)
    np.put_along_axis(mask, order, True, axis=1)
    return mask


def move_spans(mask, rng):
    """A mask with spans of the same number and lengths in random order at random places, at least a sample apart."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    lengths = rng.permutation(edges[1::2] - edges[::2])
    n_free = len(mask) - lengths.sum()
    before = np.sort(rng.choice(n_free + 1, size=len(lengths), replace=False))  # free samples before each span
    starts = before + np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(int)
    moved = np.zeros(len(mask), dtype=bool)
    for start, length in zip(starts, lengths, strict=True):
        moved[start : start + length] = True
    return moved


def hide(X, hidden, fill="interpolate"):
    """A copy of the rows whose hidden samples are filled; columns behind the mask's are side features."""
    if fill not in ("interpolate", "mean"):
        raise ValueError(f'fill must be "interpolate" or "mean", got {fill!r}.')
    filled, samples = np.array(X, dtype=float), np.arange(hidden.shape[1])
    for row, mask in zip(filled, hidden, strict=True):
        signal = row[: len(mask)]  # a view
        if fill == "mean" or mask.all():
            signal[mask] = signal.mean()
        else:
            signal[mask] = np.interp(samples[mask], samples[~mask], signal[~mask])
    return filled


def wave_shares(relevance, *, fs, r_sample, windows=WAVES_MS):
    """Share of every row's absolute relevance in each wave's window; NaN for a row without any.

    Returns
    -------
    shares : dict of ndarray of shape (n_samples,)
    """
    size = np.abs(relevance)
    total = size.sum(axis=1)
    time = (np.arange(size.shape[1]) - r_sample) * 1000 / fs
    return {
        wave: np.divide(
            size[:, (time >= low) & (time < high)].sum(axis=1), total, out=np.full(len(size), np.nan), where=total > 0
        )
        for wave, (low, high) in windows.items()
    }
