"""Where the segments of a window lie in it."""

import numpy as np

from . import data, models

R_COLUMN = round(0.35 * models.N_TIMEPOINTS)  # of a segment, which begins 0.35 RR intervals before its R peak


def sample_times(raw, fs=data.FS):
    """Samples of the window that the columns of its segments stand for: (n_windows, N_BEATS, N_TIMEPOINTS).

    The segmenter cuts a second lead that counts the samples, beside the signal, in which R peaks are detected.
    """
    count = np.broadcast_to(np.arange(raw.shape[1], dtype=np.float64), raw.shape)
    segmenter = models.make_segmenter(fs, n_beats=data.N_BEATS, n_leads=2).set_params(detection_lead=0)
    beats = segmenter.fit_transform(np.concatenate([raw.astype(np.float64), count], axis=1))
    return beats[:, :, models.N_TIMEPOINTS : 2 * models.N_TIMEPOINTS]


def times_of(windows):
    """``sample_times`` of windows whose segments are there already, which must be the same ones."""
    times = sample_times(windows.raw)
    if not np.array_equal(np.isnan(times[:, :, 0]), np.isnan(windows.beats[:, :, 0])):
        raise ValueError("The segments of these windows were cut in another way than models.make_segmenter cuts.")
    return times


def count_segments(beats):
    return (~np.isnan(beats[:, :, 0])).sum(axis=1)
