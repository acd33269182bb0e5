"""Impulse trains: a signal for each record that is large where it has a heartbeat and about zero elsewhere."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage
from sklearn.utils.validation import check_is_fitted

from ..parameters import BOOLEAN, POSITIVE, one_of, parameter
from ..preprocessing._rpeaks import MAX_FS, MIN_FS, REFRACTORY, detect_r_peaks
from ..preprocessing._transformers import SignalTransformer, map_signals
from ..signals._output import lead_and_side_names
from ..signals._validation import RowLayout, check_fs, signal_feature_names

_LOWEST_PULSE = 1 / 3  # of the largest value of a train
_PERIODS = (0.3, 2.0)  # s, shortest and longest
_RECORDS_AT_ONCE = 256


class ImpulseTrainExtractor(SignalTransformer):
    """Mark the heartbeats of each record in a train of impulses.

    "energy" is the soft train of the publication [1]_: the signal over twice its standard deviation, to the fourth
    power, smoothed by a Hamming window, log(1 + x). It is large in the QRS complexes, whose shape it still shows, and
    next to nothing elsewhere, but for T waves that are about as tall: they have a pulse of their own, and ``binary``
    counts them. The other two methods are those that its authors tried before and rejected: "peaks" places an impulse
    on each R peak that a detector finds; "fixed_period" places them at the constant period told by the second peak of
    the autocorrelation (the first is at lag zero).

    The record has one train, whatever its number of leads. That is ours, as are these: the mean of each lead is taken
    out first; the fourth powers are averaged over the leads, each over its own standard deviation, before they are
    smoothed, and flat leads are left out; the window sums to one; the detector sees all leads; the autocorrelation is
    the mean of those of the leads, its highest peak between lags of 0.3 and 2 s counts, and the impulses lie where they
    cover the most of the soft train. A record that is flat, or without a beat, gives zeros.

    Attributes
    ----------
    window_ : ndarray of shape (n_window,)
        The smoothing window.
    fitted_params_ : dict
        The parameters as they were in ``fit``: those set later take effect in the next ``fit``.
    layout_, layout_out_ : RowLayout
        How the rows that come in and go out are read: those that go out have one lead.
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where ``X`` has them.

    References
    ----------
    .. [1] "This ECG Does Not Exist: using VAEs to generate periodic ECG signals".

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange(2000) / 500
    >>> ecg = np.exp(-0.5 * ((time % 0.8 - 0.4) / 0.012) ** 2)
    >>> train = ImpulseTrainExtractor(fs=500, binary=True).fit_transform([ecg])
    >>> np.flatnonzero(train[0])
    array([ 200,  600, 1000, 1400, 1800])
    """

    fs: float = parameter('Sampling frequency in Hz; from 50 to 4000 with ``method="peaks"``.', POSITIVE)
    method: str = parameter("What tells the heartbeats.", one_of("energy", "peaks", "fixed_period"), default="energy")
    binary: bool = parameter(
        'One at each beat and zero elsewhere. The beats of "energy" are the maxima of the soft train, of '
        'those above a third of its largest value, that are the largest within 0.22 s. Otherwise "peaks" '
        'and "fixed_period" have the window, scaled to a height of one, around each beat.',
        BOOLEAN,
        default=False,
    )
    window: float = parameter(
        "Length of the Hamming window in seconds; rounded to an odd number of samples: 11 at 500 Hz.",
        POSITIVE,
        default=0.022,
    )

    def transform(self, X: ArrayLike) -> np.ndarray:
        """The impulse train of each record.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals.

        Returns
        -------
        trains : ndarray of shape (n_samples, n_timepoints + n_side_features)
            Always 2-D, since there is one train for all leads; float32 if ``X`` is float32, else float64. Side columns
            are those of ``X``.

        Raises
        ------
        ValueError
            If ``X`` holds NaN or infinite values, or rows of another width than in ``fit``.
        """
        check_is_fitted(self)
        rows, layout = self._read(X, reset=False)
        return map_signals(rows, layout, self.layout_out_, self._apply)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns of the output.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input columns; by default those seen in ``fit``.

        Returns
        -------
        names : ndarray of str objects
            ``impulse_0000 …``, then the names of the side columns.
        """
        check_is_fitted(self)
        _, sides = lead_and_side_names(self, input_features)
        return signal_feature_names(["impulse"], self.layout_out_.n_timepoints, sides)

    def _prepare(self, layout):
        by_detector = self.method == "peaks"
        fs = check_fs(self.fs, low=MIN_FS, high=MAX_FS) if by_detector else check_fs(self.fs)
        half = max(0, round((self.window * fs - 1) / 2))
        half = min(half, layout.n_timepoints)  # what is further away never meets the record
        window = np.hamming(2 * half + 1)
        self.window_ = window / window.sum()
        self.fitted_params_ = self.get_params(deep=False)
        return RowLayout(1, layout.n_timepoints, layout.n_side_features)

    def _apply(self, signals):
        method, binary, fs = (self.fitted_params_[name] for name in ("method", "binary", "fs"))
        if method == "energy":
            train = soft_train(signals, self.window_)
            train = train_maxima(train, fs) if binary else train
        else:
            train = np.zeros((len(signals), signals.shape[-1]))
            for line, beats in zip(train, _BEATS[method](signals, fs, self.window_), strict=True):
                line[beats] = 1.0
            if not binary:
                train = place_pulses(train, self.window_ / self.window_.max())
        return train[:, None]


def soft_train(signals, window):
    """Fourth power of the leads (…, n_leads, n_timepoints), smoothed, log(1 + x): (…, n_timepoints)."""
    power = _over_deviation(signals)
    power /= 2
    power = np.square(np.square(power)).sum(axis=-2) / np.maximum(_varies(signals).sum(axis=-2), 1)
    return np.log1p(np.maximum(ndimage.convolve1d(power, window, axis=-1, mode="constant"), 0))


def train_maxima(train, fs):
    """One at the largest value within the refractory period, zero elsewhere; (n_records, n_timepoints)."""
    reach = max(1, round(REFRACTORY * fs))
    largest = ndimage.maximum_filter1d(train, min(2 * reach + 1, 2 * train.shape[-1] + 1), axis=-1, mode="constant")
    floor = _LOWEST_PULSE * train.max(axis=-1, keepdims=True, initial=0)
    record, at = np.nonzero((train == largest) & (train > 0) & (train >= floor))
    tied = (np.diff(at, prepend=-1) <= reach) & (np.diff(record, prepend=-1) == 0)  # the first of them counts
    maxima = np.zeros_like(train)
    maxima[record[~tied], at[~tied]] = 1.0
    return maxima


def place_pulses(train, pulse):
    """A pulse of odd length around each impulse of a train (…, n_timepoints); where two overlap, the larger counts."""
    out = np.zeros_like(train)
    n_timepoints, half = train.shape[-1], len(pulse) // 2
    for shift in range(-min(half, n_timepoints - 1), min(half, n_timepoints - 1) + 1):
        to, of = (slice(max(0, d), n_timepoints + min(0, d)) for d in (shift, -shift))
        np.maximum(out[..., to], train[..., of] * pulse[half + shift], out=out[..., to])
    return out


def _varies(signals):
    return np.ptp(signals, axis=-1, keepdims=True) > 0


def _over_deviation(signals):
    """Signals without their means over their standard deviations; zeros where a lead is flat."""
    largest = np.abs(signals).max(axis=-1, keepdims=True)  # else the squares of very large values overflow
    scaled = signals / np.where(largest > 0, largest, 1)
    scaled = np.where(_varies(signals), scaled - scaled.mean(axis=-1, keepdims=True), 0)
    deviation = scaled.std(axis=-1, keepdims=True)
    return scaled / np.where(deviation > 0, deviation, 1)


def _r_peaks(signals, fs, window):
    for record in signals:
        yield detect_r_peaks(record, fs=fs)


def _periodic_beats(signals, fs, window):
    """Samples of beats at the period of each record, where they cover the most of its soft train."""
    for start in range(0, len(signals), _RECORDS_AT_ONCE):
        piece = signals[start : start + _RECORDS_AT_ONCE]
        for period, train in zip(_periods(piece, fs), soft_train(piece, window), strict=True):
            yield _best_grid(train, period)


def _periods(signals, fs):
    """Lag, in samples, of the second peak of the autocorrelation of each record; NaN where there is none."""
    n_timepoints = signals.shape[-1]
    spectrum = np.fft.rfft(_over_deviation(signals), 2 * n_timepoints, axis=-1)
    autocorrelation = np.fft.irfft((np.abs(spectrum) ** 2).mean(axis=-2), 2 * n_timepoints, axis=-1)[:, :n_timepoints]
    middle = autocorrelation[:, 1:-1]
    left, right = autocorrelation[:, :-2], autocorrelation[:, 2:]
    lags = np.arange(1, n_timepoints - 1)
    shortest, longest = (seconds * fs for seconds in _PERIODS)
    peak = (middle > left) & (middle >= right) & (middle > 0) & (lags >= shortest) & (lags <= longest)
    periods = np.full(len(signals), np.nan)
    found = np.flatnonzero(peak.any(axis=1))
    if len(found):
        at = np.where(peak[found], middle[found], -np.inf).argmax(axis=1)
        low, high = left[found, at] - middle[found, at], right[found, at] - middle[found, at]
        periods[found] = lags[at] + (low - high) / (2 * (low + high))  # vertex of the parabola through three points
    return periods


def _best_grid(train, period):
    """Samples at equal steps of ``period`` where ``train`` sums to the most."""
    if not period >= 1:
        return np.empty(0, dtype=np.int64)
    steps = np.arange(int(np.ceil(len(train) / period)) + 1) * period
    places = np.rint(np.arange(int(np.ceil(period)))[:, None] + steps).astype(np.int64)  # (n_phases, n_steps)
    inside = places < len(train)
    covered = np.where(inside, train[np.minimum(places, len(train) - 1)], 0).sum(axis=1)
    best = covered.argmax()
    return places[best][inside[best]]


_BEATS = {"peaks": _r_peaks, "fixed_period": _periodic_beats}
