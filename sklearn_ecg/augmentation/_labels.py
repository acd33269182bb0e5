"""Labels of rows to be over-sampled."""

import numpy as np
from imblearn.utils import check_target_type
from scipy.sparse import issparse
from sklearn.utils.multiclass import type_of_target


def read_labels(y):
    """Labels (n_samples,) and whether they came as a column for each class.

    Raises
    ------
    ValueError
        If a row has several labels, or none: imbalanced-learn would take that for the first class.
    """
    if type_of_target(y) == "multilabel-indicator":
        y = y if issparse(y) else np.asarray(y)
        unlabelled = np.asarray(y.sum(axis=1)).ravel() == 0
        if unlabelled.any():
            raise ValueError(
                f"y has no label in {unlabelled.sum()} of {len(unlabelled)} rows, and each row must be of one class: "
                "give these rows a column of their own, or leave them out and put them back afterwards."
            )
    return check_target_type(y, indicate_one_vs_all=True)
