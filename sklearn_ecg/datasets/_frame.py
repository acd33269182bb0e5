"""The forms in which a loader of rows hands out its data."""

from ..signals._validation import signal_feature_names


def as_requested(bunch, n_timepoints, *, return_X_y, as_frame):
    """Add the column names; turn to pandas and reduce to (X, y) where asked."""
    bunch.feature_names = signal_feature_names(bunch.lead_names, n_timepoints, bunch.side_feature_names)
    if as_frame:
        import pandas as pd

        bunch.data = pd.DataFrame(bunch.data, columns=bunch.feature_names)
        if bunch.target.ndim == 2:
            bunch.target = pd.DataFrame(bunch.target, columns=bunch.target_names)
        else:
            bunch.target = pd.Series(bunch.target, name="target")
        bunch.frame = pd.concat([bunch.data, bunch.target], axis=1)
    return (bunch.data, bunch.target) if return_X_y else bunch
