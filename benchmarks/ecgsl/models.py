"""The sizes that two CPU cores train in minutes: smaller than the estimator's defaults."""

from sklearn_ecg import BeatSegmenter

SIZES = {
    "channels": (8, 16, 32, 32, 64, 64),
    "embedding_size": 64,
    "n_layers": 2,
    "n_heads": 4,
    "feedforward_size": 128,
    "attention_size": 32,
    "head_size": 64,
}
TRAINING = {"max_epochs": 3, "batch_size": 128, "lr": 2e-3, "lr_schedule": "one-cycle", "weight_decay": 1e-2}
N_TIMEPOINTS = 64
N_CHANNELS = 2  # of a segment of MIT-BIH: as it is, and beside the median segment of its window
STEP = 2.5  # seconds from one window that trains to the next, which overlap; those that test do not
SIDE_FEATURES = ("log_rr", "log_rr_previous_to_record", "log_rr_next_to_record", "amplitude")
RHYTHM_FEATURES = (
    *("log_rr", "log_rr_previous_to_record", "log_rr_next_to_record", "log_rr_previous_to_next", "log_rr_spread"),
    "log_amplitude_to_record",
)
"""Side features that were tried on MIT-BIH."""

NEW_PATIENTS = {"side_noise": 0.3, "signal_dropout": 0.5}
"""Settings that were tried on MIT-BIH."""

ROWS = (N_TIMEPOINTS, N_CHANNELS, STEP, SIDE_FEATURES)
"""What tells rows from those of another recipe."""


def make_segmenter(fs, *, n_beats=None, n_leads=1, detector="logistic", deviation=None, side_features=SIDE_FEATURES):
    return BeatSegmenter(
        fs=fs,
        window="rr",
        n_timepoints=N_TIMEPOINTS,
        side_features=side_features,
        n_beats=n_beats,
        n_leads=n_leads,
        detector=detector,
        deviation=deviation,
    )
