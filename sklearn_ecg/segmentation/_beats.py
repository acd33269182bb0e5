"""Beats cut out of records."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..parameters import BOOLEAN, COUNT, POSITIVE, one_of, parameter
from ..preprocessing._rpeaks import detect_r_peaks
from ..preprocessing._transformers import LeadsInRows
from ..signals._output import beat_feature_names, lead_and_side_names, output_dtype, wants_frame
from ..signals._validation import RowLayout, check_fs, signal_feature_names, validate_rows
from ._segment_features import BEAT_FEATURES, rr_intervals, segment_features

_RR_WINDOW = (0.35, 0.65)  # RR intervals before and after the R peak
_RR_TIMEPOINTS = 128
_AGGREGATES = {"median": np.median, "mean": np.mean}
_LATE = 75  # percentile of the RR intervals before the beats, from which on beats are late


class BeatSegmenter(LeadsInRows, TransformerMixin, BaseEstimator):
    """Cut records into beats around their R peaks.

    The number of records is kept: each record gives the same number of beats, fixed in ``fit``, and a row of NaN
    where it has no beat. Records with more beats keep the first ones. Only complete beats count: those whose window
    lies within the record, and whose RR interval is known where it is needed. A record too short or too flat for any
    R peak is NaN throughout. (Several beats a record as samples of their own, with the index of their record, are what
    :func:`~sklearn_ecg.preprocessing.extract_beats` is for.)

    The RR interval of a beat is half the time from the R peak before it to the one after it, so that the window of a
    premature beat stays that of the rhythm around it; at the ends of a record, and beside two seconds and more that are
    flat, it is the one interval there is.

    Attributes
    ----------
    n_beats_ : int
        Number of beats of a record in the output; 1 where beats are aggregated.
    fitted_params_ : dict
        The parameters as they were in ``fit``: those set later take effect in the next ``fit``.
    layout_, layout_out_ : RowLayout
        How a row that comes in, and one beat that goes out, are read.
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where ``X`` has them.

    References
    ----------
    .. [1] "ECG-SL: Electrocardiogram Segment Learning", arXiv:2310.00818. It cuts one segment a heartbeat; the extent
       of the window is ours.

    Examples
    --------
    >>> import numpy as np
    >>> def peaks_above_half(signal, fs):
    ...     return np.flatnonzero(signal > 0.5)
    >>> X = np.zeros((2, 400))
    >>> X[0, [50, 150, 250, 350]] = X[1, [100, 200]] = 1.0
    >>> segmenter = BeatSegmenter(fs=100, detector=peaks_above_half)
    >>> beats = segmenter.fit_transform(X)
    >>> beats.shape
    (2, 4, 70)
    >>> np.isnan(beats).all(axis=2)
    array([[False, False, False, False],
           [False, False,  True,  True]])
    """

    fs: float = parameter("Sampling frequency of the records in Hz, from 50 to 4000.", POSITIVE)
    window: Any = parameter(
        'Seconds before and after the R peak. "rr" cuts from 0.35 RR intervals before it to 0.65 after it [1]_.',
        [*one_of("rr"), tuple, list],
        default=(0.25, 0.45),
        kind='tuple of two floats or "rr"',
    )
    n_timepoints: int | None = parameter(
        "Number of samples of a beat, interpolated linearly, with the R peak on one of them. None keeps the "
        'samples of a window in seconds as they are, and gives 128 with "rr". There is no anti-aliasing: '
        "filter first.",
        [*COUNT, None],
        default=None,
    )
    n_beats: int | None = parameter(
        "Number of beats of a record. None takes the largest number seen in ``fit``, or all beats where "
        "they are aggregated.",
        [*COUNT, None],
        default=None,
    )
    aggregate: str | None = parameter(
        "One beat a record: the median or mean of its beats, sample by sample.",
        [StrOptions(set(_AGGREGATES)), None],
        default=None,
    )
    flatten: bool = parameter(
        "Return 2-D rows, beat after beat, instead of 3-D. Data frames (``set_output``) are always flat.",
        BOOLEAN,
        default=False,
    )
    detector: str | Callable = parameter(
        "R-peak detector: a ``method`` of :func:`~sklearn_ecg.preprocessing.detect_r_peaks`, or a callable "
        "``detector(signal, fs)`` that returns the samples of the R peaks in a signal of shape "
        "(n_timepoints,).",
        [*one_of("logistic", "xqrs"), callable],
        default="logistic",
    )
    detection_lead: int | None = parameter(
        'Index of the lead in which R peaks are detected. None is all leads together with "logistic", and '
        "the first lead with the others.",
        [Interval(Integral, 0, None, closed="left"), None],
        default=None,
    )
    deviation: str | None = parameter(
        "Write after the leads of a beat what sets it apart in its record, as leads of their own: each lead "
        "minus that of the record's median beat, sample by sample, or of the median of its late beats. Late "
        "is the quarter of the beats with the longest intervals before them: sinus rhythm even where "
        "premature beats are the majority. What comes next wants twice the ``n_leads``.",
        [*one_of("median", "late"), None],
        default=None,
    )
    side_features: Sequence[str] = parameter(
        'Features of each beat, written after its signal: "log_rr", the natural logarithm of its RR '
        'interval in seconds; "log_rr_previous_to_record" and "log_rr_next_to_record", that of the interval '
        "from the R peak before it, and to the one after it, over the median interval of the record; "
        '"log_rr_previous_to_next", that of the one over the other; "log_rr_spread", the standard deviation '
        "of the logarithm of the intervals before the beats of the record, the same for each of them; "
        '"amplitude", the range of its signal, in the units of the signal, in ``detection_lead`` (the first '
        'lead if that is None); "log_amplitude_to_record", the logarithm of the amplitude over the record\'s '
        "median, within ±4.6 (a factor of 100). At the ends of a record the one interval there is stands "
        "for the other. What comes next wants ``n_side_features`` more by as many.",
        [tuple, list],
        default=(),
        kind="sequence of str",
    )
    n_side_features: int = parameter(
        "Number of columns at the end of a 2-D row that are not signal. They are written, untouched, at the "
        "end of each beat of the record.",
    )

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn the layout of the rows and the number of beats.

        Parameters
        ----------
        X : array-like of shape (n_records, n_features) or (n_records, n_leads, n_timepoints)
            Records.
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
        self._fit(X)
        return self

    def fit_transform(self, X: ArrayLike, y: Any = None) -> np.ndarray:
        """Fit and transform; R peaks are detected once only.

        Parameters
        ----------
        X : array-like of shape (n_records, n_features) or (n_records, n_leads, n_timepoints)
            Records.
        y : None
            Ignored.

        Returns
        -------
        beats : ndarray
            As in :meth:`transform`.
        """
        rows, located = self._fit(X)
        return self._assemble(rows, located or self._locate_all(rows))

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Cut each record into beats.

        Parameters
        ----------
        X : array-like of shape (n_records, n_features) or (n_records, n_leads, n_timepoints)
            Records.

        Returns
        -------
        beats : ndarray of shape (n_records, n_beats_, n_columns), (n_records, n_columns) or \
                (n_records, n_beats_ * n_columns)
            Rows of beats: lead after lead, their deviations, then the ``side_features`` of the beat, then the side
            columns of the record; NaN where there is no beat. 2-D with ``aggregate``, or with ``flatten`` and in data
            frames. float32 if ``X`` is float32, else float64.

        Raises
        ------
        ValueError
            If ``X`` holds NaN or infinite values, or rows of another width than in ``fit``; if the detector returns
            anything but samples of the record.
        """
        check_is_fitted(self)
        rows, _ = validate_rows(self, X, reset=False)
        return self._assemble(rows, self._locate_all(rows))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns of the flattened output.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input columns; by default those seen in ``fit``.

        Returns
        -------
        names : ndarray of str objects
            ``II_0000 … log_rr …`` for aggregated beats, with the leads the input names tell or ``lead0 …``; otherwise
            ``II_0000_beat000 …``, beat after beat.
        """
        check_is_fitted(self)
        fitted = self.fitted_params_
        leads, sides = lead_and_side_names(self, input_features)
        if fitted["deviation"] is not None:
            leads = [*leads, *(f"{lead}_deviation" for lead in leads)]
        names = signal_feature_names(leads, self.layout_out_.n_timepoints, [*fitted["side_features"], *sides])
        return names if fitted["aggregate"] is not None else beat_feature_names(names, self.n_beats_)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X):
        """Fit, and return the rows with the beats located in them, None where there was no need to."""
        rows, layout = validate_rows(self, X, reset=True)
        if self.detection_lead is not None and self.detection_lead >= layout.n_leads:
            raise ValueError(f"detection_lead must be below the {layout.n_leads} lead(s), got {self.detection_lead}.")
        unknown = [name for name in self.side_features if name not in BEAT_FEATURES]
        if unknown:
            raise ValueError(f"side_features must be among {BEAT_FEATURES}, got {unknown}.")
        self._grid = self._window_grid(check_fs(self.fs))
        self.fitted_params_ = {**self.get_params(deep=False), "side_features": tuple(self.side_features)}
        n_side = len(self.side_features) + layout.n_side_features
        n_leads_out = layout.n_leads * (1 if self.deviation is None else 2)
        self.layout_out_ = RowLayout(n_leads_out, len(self._grid), n_side)
        if self.aggregate is not None or self.n_beats is not None:
            self.n_beats_ = 1 if self.aggregate is not None else int(self.n_beats)
            return rows, None
        located = self._locate_all(rows)
        self.n_beats_ = max(1, *(len(peaks) for peaks, _ in located))
        return rows, located

    def _window_grid(self, fs):
        """Where a beat is sampled, from its R peak: in samples, or in RR intervals."""
        if self.window == "rr":
            return _grid_through_zero(*_RR_WINDOW, self.n_timepoints or _RR_TIMEPOINTS)
        bounds = np.asarray(self.window, dtype=object)
        if bounds.shape != (2,) or not all(isinstance(b, Real) and 0 <= b < np.inf for b in bounds):
            raise ValueError(f"window must be 'rr' or two times >= 0 in seconds (before, after), got {self.window!r}.")
        before, after = (round(seconds * fs) for seconds in bounds)
        if before + after < 1:
            raise ValueError(f"window must span at least one sample at fs={fs:g} Hz, got {self.window!r} s.")
        return _grid_through_zero(before, after, self.n_timepoints or before + after)

    def _locate_all(self, rows):
        signals, _ = self.layout_.split(rows)
        return [self._locate(record) for record in signals]

    def _locate(self, record):
        """R peaks of the complete beats of a record (n_leads, n_timepoints), and RR intervals, all in samples.

        The intervals (n_beats, 3) are those before and after each beat, and the median of the record. At the ends of
        the record, and beside a dead stretch of two seconds, the one there is stands for the other.
        """
        peaks = self._detect(record)
        intervals = rr_intervals(self._searched(record), peaks, self.fitted_params_["fs"])
        span = intervals[:, :2].mean(axis=1) if self.fitted_params_["window"] == "rr" else 1.0
        first, last = peaks + self._grid[0] * span, peaks + self._grid[-1] * span
        complete = (first >= 0) & (last <= record.shape[-1] - 1)
        if any(name.startswith("log_rr") for name in self.fitted_params_["side_features"]):
            complete &= (intervals > 0).all(axis=1)
        return peaks[complete], intervals[complete]

    def _detect(self, record):
        """R peaks of a record (n_leads, n_timepoints), in order."""
        fs, detector = (self.fitted_params_[name] for name in ("fs", "detector"))
        leads = np.array(self._searched(record), dtype=np.float64)
        if callable(detector):
            peaks = np.unique(detector(leads[0], fs))
        else:
            peaks = detect_r_peaks(leads if detector == "logistic" else leads[0], fs=fs, method=detector)
        n_timepoints = record.shape[-1]
        if not ((peaks == np.rint(peaks)) & (peaks >= 0) & (peaks < n_timepoints)).all():
            raise ValueError(f"The detector must return integers in [0, {n_timepoints}), samples of the record.")
        return peaks.astype(np.int64)

    def _searched(self, record):
        """The leads of a record that the detector sees."""
        detector, lead = (self.fitted_params_[name] for name in ("detector", "detection_lead"))
        return record if detector == "logistic" and lead is None else record[[lead or 0]]

    def _assemble(self, rows, located):
        """Beats of all records in one array, NaN where there is none."""
        aggregate, flatten = (self.fitted_params_[name] for name in ("aggregate", "flatten"))
        signals, side = self.layout_.split(rows)
        shape = len(rows), self.n_beats_, self.layout_out_.n_features
        out = np.full(shape, np.nan, dtype=output_dtype(rows))
        for beats_out, record, record_side, (peaks, intervals) in zip(out, signals, side, located, strict=True):
            kept = slice(self.n_beats_ if aggregate is None else self.fitted_params_["n_beats"])
            beats = self._cut(record, peaks, intervals)[kept]
            if aggregate is not None and len(beats):
                beats = _AGGREGATES[aggregate](beats, axis=0, keepdims=True)
            n_columns = beats.shape[1]
            beats_out[: len(beats), :n_columns] = beats
            beats_out[: len(beats), n_columns:] = record_side
        if aggregate is not None:
            return out[:, 0]
        return out.reshape(len(out), -1) if flatten or wants_frame(self) else out

    def _cut(self, record, peaks, intervals):
        """Rows of the beats at ``peaks``: leads, deviations, side features of the beat."""
        fitted = self.fitted_params_
        before, after, typical = intervals.T
        rr = (before + after) / 2
        span = rr if fitted["window"] == "rr" else np.ones(len(peaks))
        positions = peaks[:, None] + self._grid * span[:, None]  # (n_beats, n_timepoints)
        floor = np.floor(positions).astype(np.int64)
        ceiling = np.minimum(floor + 1, record.shape[-1] - 1)
        left, right = (record[:, at].astype(np.float64) for at in (floor, ceiling))
        beats = left + (positions - floor) * (right - left)  # (n_leads, n_beats, n_timepoints)
        amplitude = np.ptp(beats[fitted["detection_lead"] or 0], axis=-1)
        features = segment_features(rr / fitted["fs"], before, after, typical, amplitude)
        columns = [features[name]()[:, None] for name in fitted["side_features"]]
        if fitted["deviation"] is not None:
            beats = np.concatenate([beats, beats - self._usual_beat(beats, before)])
        return np.hstack([np.swapaxes(beats, 0, 1).reshape(len(peaks), len(beats) * len(self._grid)), *columns])

    def _usual_beat(self, beats, before):
        """The beat (n_leads, 1, n_timepoints) that the others are compared to; NaN where there is no beat."""
        if not len(before):
            return np.full((len(beats), 1, len(self._grid)), np.nan)
        if self.fitted_params_["deviation"] == "late" and len(before) > 1:
            beats = beats[:, before >= np.percentile(before, _LATE)]
        return np.median(beats, axis=1, keepdims=True)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _grid_through_zero(before, after, n_points):
    """``n_points`` equal steps from about ``-before`` to ``after``, one of them at zero."""
    step = (before + after) / n_points
    return (np.arange(n_points) - round(before / step)) * step
