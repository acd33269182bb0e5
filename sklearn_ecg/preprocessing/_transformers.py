"""Signal transformers over rows: filtering and resampling, and what every such transformer shares."""

from fractions import Fraction
from math import ceil
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage, signal
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_feature_names_in, _num_samples, check_is_fitted

from ..parameters import COUNT, POSITIVE, WithParameters, one_of, parameter
from ..signals._output import is_cube, lead_and_side_names, output_dtype, wants_frame
from ..signals._validation import RowLayout, check_fs, signal_feature_names, validate_rows

_VALUES_PER_CHUNK = 2**20
_NOTCH_QUALITY = 30.0
_MEDIAN_WINDOWS = (0.2, 0.6)  # s: the first removes QRS and P, the second T
_LARGEST_FACTOR = 1000
_DRIFT = 0.01  # samples until the end of a record that no one would see
_ROUNDING = 1e-6  # samples


def reflection_length(fs, *, low=None, high=None, notch=None):
    """Samples by which a filter with these edges in Hz wants a record continued at both ends."""
    # One period of the lowest edge; the notch rings for Q / (pi * f) seconds
    spans = [1 / low if low else 0, 3 / high if high else 0, _NOTCH_QUALITY / notch if notch else 0]
    return ceil(max(spans) * fs)


def filter_zero_phase(sos, signals, n_reflected):
    """Signals (…, n_timepoints) filtered forwards and backwards, continued by even reflection as far as they reach."""
    # A copy, because SciPy wants writeable sections and a memory-mapped pickle gives read-only ones
    padlen = min(n_reflected, signals.shape[-1] - 1)
    return signal.sosfiltfilt(sos.copy(), signals, axis=-1, padtype="even", padlen=padlen)


def map_signals(rows, layout, layout_out, function):
    """Rows with ``function`` applied to the signals, a chunk of rows at a time; side columns are carried over."""
    out = np.empty((len(rows), layout_out.n_features), output_dtype(rows))
    signals_out, side_out = layout_out.split(out)
    for batch in gen_batches(len(rows), max(1, _VALUES_PER_CHUNK // layout.n_features)):
        signals, side = layout.split(rows[batch])
        signals_out[batch] = function(signals.astype(np.float64))
        side_out[batch] = side
    return out


class LeadsInRows(WithParameters):
    """How 2-D rows are read."""

    n_leads: int = parameter("Number of leads in a 2-D row.", COUNT, default=1)
    n_side_features: int = parameter(
        "Number of columns at the end of a 2-D row that are not signal; they pass through untouched.",
        [Interval(Integral, 0, None, closed="left")],
        default=0,
    )


class SignalTransformer(LeadsInRows, TransformerMixin, BaseEstimator):
    """What the signal transformers share: the door, the form of the output, its names.

    A subclass gives ``_prepare``, which returns the layout of the output rows, and ``_apply``, from float64 signals
    (n_samples, n_leads, n_timepoints) that it may overwrite to signals of the output layout.
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check the parameters and learn the layout of the rows; nothing is learned from the values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals.
        y : None
            Ignored.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter is out of range, or ``X`` does not agree with ``n_leads`` and ``n_side_features``.
        """
        _, layout = self._read(X, reset=True)
        self.layout_out_ = self._prepare(layout)
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Transform each record by itself.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out) or (n_samples, n_leads_out, n_timepoints_out)
            In the form that came in, 2-D or 3-D; float32 if ``X`` is float32, else float64. Side columns are those
            of ``X``.

        Raises
        ------
        ValueError
            If ``X`` holds NaN or infinite values, or rows of another width than in ``fit``.
        """
        check_is_fitted(self)
        rows, layout = self._read(X, reset=False)
        out = map_signals(rows, layout, self.layout_out_, self._apply)
        if wants_frame(self) or not is_cube(X):
            return out.reshape(_num_samples(X), -1)
        return out.reshape(_num_samples(X), self._n_blocks_out(X), -1)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns of the (flattened) output.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input columns; by default those seen in ``fit``.

        Returns
        -------
        names : ndarray of str objects
            The input names where the width is kept; otherwise, and where the columns of several leads have no names,
            ``II_0000 …`` with the leads the input names tell, or ``lead0_0000 …``, and then the names of the side
            columns.
        """
        check_is_fitted(self)
        named = input_features is not None or hasattr(self, "feature_names_in_")
        if self.layout_out_ == self.layout_ and (named or self.layout_.n_leads == 1):
            return _check_feature_names_in(self, input_features)
        leads, sides = lead_and_side_names(self, input_features)
        return signal_feature_names(leads, self.layout_out_.n_timepoints, sides)

    def _read(self, X, *, reset):
        return validate_rows(self, X, reset=reset)

    def _n_blocks_out(self, X):
        """Length of the second axis, of leads or of beats, of what 3-D input becomes."""
        return np.shape(X)[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class ECGFilter(SignalTransformer):
    """Zero-phase band-pass filter with baseline removal and mains notch.

    A Butterworth filter is run forwards and backwards over each lead, so that no wave moves; its attenuation counts
    twice (6 dB at ``low`` and ``high``). Records are continued by reflection at both ends, by as much as their length
    allows. (Odd reflection, SciPy's default, shifts the baseline wherever a record ends within a wave: on excerpts of
    MIT-BIH records it makes three times the error of even reflection.)

    Attributes
    ----------
    sos_ : ndarray of shape (n_sections, 6)
        Second-order sections of one pass of the filter.
    n_reflected_ : int
        Samples by which records are continued at both ends, where they are that long.
    baseline_windows_ : tuple of int
        Windows of the running medians in samples; empty without ``baseline``.
    layout_, layout_out_ : RowLayout
        How the rows that come in and go out are read.
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where ``X`` has them.

    References
    ----------
    .. [1] P. de Chazal, M. O'Dwyer, R. B. Reilly, "Automatic classification of heartbeats using ECG morphology and
       heartbeat interval features", IEEE Trans. Biomed. Eng. 51(7), 2004.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(3600) / 360
    >>> heart, mains = np.sin(2 * np.pi * 8 * t), np.sin(2 * np.pi * 60 * t)
    >>> filtered = ECGFilter(fs=360, notch=60).fit_transform([heart + mains + 2.0])
    >>> bool(np.abs(filtered[0] - heart)[720:-720].max() < 0.02)
    True
    """

    fs: float = parameter("Sampling frequency in Hz.", POSITIVE)
    low: float | None = parameter(
        "Lower edge of the pass band in Hz; None passes everything from 0 Hz on.", [*POSITIVE, None], default=0.5
    )
    high: float | None = parameter(
        "Upper edge of the pass band in Hz, below ``fs / 2``; None passes everything up to there.",
        [*POSITIVE, None],
        default=40.0,
    )
    order: int = parameter("Order of the Butterworth prototype.", [Interval(Integral, 1, 12, closed="both")], default=2)
    notch: float | None = parameter(
        "Mains frequency to remove in Hz (50 or 60); the notch is ``notch / 30`` Hz wide.",
        [*POSITIVE, None],
        default=None,
    )
    baseline: str | None = parameter(
        '"median" first subtracts the baseline found by running medians of 200 ms and then 600 ms [1]_. It '
        "keeps the ST segment where a high-pass filter bends it: set ``low=None`` beside it.",
        [*one_of("median"), None],
        default=None,
    )

    def _prepare(self, layout):
        fs = check_fs(self.fs)
        for name in ("low", "high", "notch"):
            edge = getattr(self, name)
            if edge is not None and edge >= fs / 2:
                raise ValueError(f"{name} must be below fs / 2 = {fs / 2:g} Hz, got {name}={edge!r} with fs={fs:g}.")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low must be below high, got low={self.low!r} and high={self.high!r} Hz.")
        self.sos_ = self._sections(fs)
        self.n_reflected_ = reflection_length(fs, low=self.low, high=self.high, notch=self.notch)
        windows = () if self.baseline is None else _MEDIAN_WINDOWS
        self.baseline_windows_ = tuple(2 * round(window * fs / 2) + 1 for window in windows)
        return layout

    def _sections(self, fs):
        sections = [np.empty((0, 6))]
        edges = [edge for edge in (self.low, self.high) if edge is not None]
        if edges:
            kind = "bandpass" if len(edges) == 2 else "highpass" if self.high is None else "lowpass"
            sections.append(signal.butter(self.order, np.squeeze(edges), kind, output="sos", fs=fs))
        if self.notch is not None:
            sections.append(signal.tf2sos(*signal.iirnotch(self.notch, _NOTCH_QUALITY, fs=fs)))
        return np.concatenate(sections)

    def _apply(self, signals):
        if self.baseline_windows_:
            _subtract_median_baseline(signals, self.baseline_windows_)
        return filter_zero_phase(self.sos_, signals, self.n_reflected_) if len(self.sos_) else signals


def _subtract_median_baseline(signals, sizes):
    """Subtract the baseline in place; SciPy's running median is fast in one dimension only, hence lead by lead."""
    for lead in signals.reshape(-1, signals.shape[-1]):
        baseline = lead
        for size in sizes:
            baseline = ndimage.median_filter(baseline, size, mode="nearest")
        lead -= baseline


class ECGResampler(SignalTransformer):
    """Polyphase resampling to another sampling frequency or to an exact length.

    Each lead is resampled by a rational factor with a linear-phase low-pass (Kaiser window) against aliasing; its mean
    is taken out first and the ends are continued by odd reflection, so that a constant stays that constant. Where the
    ratio of the frequencies is no such factor (one of them was measured: 249.9 Hz), quintic splines then bring the
    samples to their exact times, so that nothing drifts in long records.

    Attributes
    ----------
    factor_ : tuple of two ints
        Up- and down-sampling factor, in lowest terms: the nearest fraction with a denominator of at most 1000, or that
        of the lengths with ``n_timepoints_out``.
    stretch_ : float
        Steps of the samples that come out, in samples of that factor: 1 where these are right to a hundredth of a
        sample until the end of a record.
    layout_, layout_out_ : RowLayout
        How the rows that come in and go out are read.
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where ``X`` has them.

    Examples
    --------
    >>> import numpy as np
    >>> ECGResampler(fs=360, fs_out=128).fit_transform(np.ones((2, 3600))).shape
    (2, 1280)
    >>> ECGResampler(n_timepoints_out=256).fit_transform(np.ones((2, 12, 300))).shape
    (2, 12, 256)
    """

    fs: float | None = parameter(
        "Sampling frequency of the signals in Hz; needed with ``fs_out``.", [*POSITIVE, None], default=None
    )
    fs_out: float | None = parameter(
        "Sampling frequency wanted in Hz. Records of n samples become ceil(n * fs_out / fs) samples.",
        [*POSITIVE, None],
        default=None,
    )
    n_timepoints_out: int | None = parameter(
        "Length wanted in samples, whatever the sampling frequency. Give this or ``fs_out``, not both.",
        [*COUNT, None],
        default=None,
    )

    def _prepare(self, layout):
        if self.fs is not None:
            check_fs(self.fs)
        if (self.fs_out is None) == (self.n_timepoints_out is None):
            raise ValueError(
                "Either fs_out or n_timepoints_out must be given, "
                f"got fs_out={self.fs_out!r} and n_timepoints_out={self.n_timepoints_out!r}."
            )
        n = layout.n_timepoints
        if self.fs_out is None:
            ratio = factor = Fraction(int(self.n_timepoints_out), n)
        else:
            ratio = self._frequency_ratio()
            factor = Fraction(ratio).limit_denominator(_LARGEST_FACTOR)
        self.factor_, self.stretch_ = (factor.numerator, factor.denominator), 1.0
        n_out = ceil(n * factor)
        if abs(n * (ratio - factor)) > _DRIFT:
            self.stretch_, n_out = float(factor) / ratio, ceil(n * ratio - _ROUNDING)
        return RowLayout(layout.n_leads, n_out, layout.n_side_features)

    def _frequency_ratio(self):
        ratio = check_fs(self.fs_out, name="fs_out") / check_fs(self.fs)
        if not 1 / _LARGEST_FACTOR <= ratio <= _LARGEST_FACTOR:
            raise ValueError(
                f"fs_out / fs must be between 1/{_LARGEST_FACTOR} and {_LARGEST_FACTOR}, "
                f"got fs_out={self.fs_out!r} and fs={self.fs!r} Hz."
            )
        return ratio

    def _apply(self, signals):
        n_out = self.layout_out_.n_timepoints
        if signals.shape[-1] == 1:  # SciPy divides by zero there
            return np.repeat(signals, n_out, axis=-1)
        mean = signals.mean(axis=-1, keepdims=True)
        out = signal.resample_poly(signals - mean, *self.factor_, axis=-1, padtype="antireflect")
        stretch = getattr(self, "stretch_", 1.0)  # 0.1 had none
        return (out if stretch == 1 else _read_at(out, np.arange(n_out) * stretch)) + mean


def _read_at(signals, moments):
    """Signals (…, n_timepoints) between their samples."""
    leads = signals.reshape(-1, signals.shape[-1])
    read = [ndimage.map_coordinates(lead, [moments], order=5, mode="nearest") for lead in leads]
    return np.reshape(read, (*signals.shape[:-1], len(moments)))
