"""Which rows of a training set are set aside for early stopping."""

import warnings

import numpy as np
from sklearn.model_selection import GroupKFold, ShuffleSplit, StratifiedGroupKFold, StratifiedShuffleSplit


def validation_split(n_samples, labels, groups, fraction, seed):
    """Positions of the training and the validation rows: stratified where that is possible, plain otherwise.

    With groups, ``fraction`` is rounded to one of k folds.
    """
    rows = np.zeros(n_samples)
    if groups is not None:
        return _group_split(rows, labels, groups, fraction, seed)
    plain = ShuffleSplit(1, test_size=fraction, random_state=seed)
    if labels is not None:
        try:
            return next(StratifiedShuffleSplit(1, test_size=fraction, random_state=seed).split(rows, labels))
        except ValueError:  # a class with one member, or more classes than validation rows
            pass
    return next(plain.split(rows))


def _group_split(rows, labels, groups, fraction, seed):
    """A fold of whole groups, drawn by ``seed`` among those that leave every class to the training rows.

    scikit-learn's stratified folds begin with the most unusual group, whatever the seed: taking the first would always
    validate on the patient who holds most of a rare class. Folds with more than half of a class come last.
    """
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError("early_stopping=True with groups wants at least 2 groups, got 1.")
    n_splits = min(max(2, round(1 / fraction)), n_groups)
    if labels is None:
        return next(GroupKFold(n_splits, shuffle=True, random_state=seed).split(rows, groups=groups))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with few members: split as well as it goes
        try:
            folds = list(StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed).split(rows, labels, groups))
        except ValueError:  # every class has fewer members than there are folds
            folds = list(GroupKFold(n_splits, shuffle=True, random_state=seed).split(rows, groups=groups))
    counts = np.bincount(labels)
    cost = []
    for train, valid in folds:
        held_out = np.bincount(labels[valid], minlength=len(counts)) / np.maximum(counts, 1)
        cost.append((not len(train) or not len(valid), (held_out == 1).sum(), (held_out > 0.5).sum()))
    order = np.random.default_rng(seed).permutation(len(folds))
    train, valid = folds[min(order, key=lambda i: cost[i])]
    lost = np.setdiff1d(labels, labels[train])
    if len(lost):
        warnings.warn(
            f"The groups leave {len(lost)} class(es) to the validation rows alone.", UserWarning, stacklevel=7
        )
    return train, valid


def check_groups(groups, n_samples):
    """The patients of the rows as an array, one for each."""
    groups = np.asarray(groups)
    if groups.shape != (n_samples,):
        raise ValueError(f"groups must be of shape ({n_samples},), one patient for each row, got {groups.shape}.")
    return groups
