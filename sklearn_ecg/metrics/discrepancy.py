"""How far a set of generated rows is from a set of real ones, in units of how far real ones are from each other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from ..parameters import RandomState
from ._reports import as_rows, none_for_nan, plain, ratio
from .bootstrap import Interval
from .classification import check_lengths, record_codes
from .surrogates import phase_randomised, white_noise_like

__all__ = ["MMDReport", "median_bandwidth", "mmd_report", "squared_mmd"]

_ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class MMDReport:
    """Outcome of :func:`mmd_report`.

    Attributes
    ----------
    squared : Interval
        Squared maximum mean discrepancy of the generated rows and half of the real groups: mean over the splits, and
        percentiles.
    floor : Interval
        That of the two halves of the real groups: root mean square over the splits, and percentiles.
    surrogates : dict of Interval
        As ``squared``, for rows that are no ECG.
    bandwidth : float
        Of the kernel, in standard deviations of the columns where these were standardised.
    standardised : bool
        Whether the columns were.
    n_real, n_groups, n_generated, n_splits : int
        Rows, groups of real rows, generated rows, splits.
    """

    squared: Interval
    floor: Interval
    surrogates: dict
    bandwidth: float
    standardised: bool
    n_real: int
    n_groups: int
    n_generated: int
    n_splits: int

    @property
    def multiple(self) -> float:
        """``squared`` over ``floor``; NaN where that is 0."""
        return ratio(self.squared.estimate, self.floor.estimate)

    @property
    def surrogate_multiples(self) -> dict:
        """The same of every surrogate."""
        return {name: ratio(value.estimate, self.floor.estimate) for name, value in self.surrogates.items()}

    @property
    def rejected(self) -> dict:
        """Of every surrogate, whether it lies above the floor's interval with the whole of its own."""
        return {name: value.low > self.floor.high for name, value in self.surrogates.items()}

    @property
    def below_surrogates(self) -> bool:
        """Whether the generated rows are nearer to real ones than every surrogate is, interval against interval."""
        return all(self.squared.high < value.low for value in self.surrogates.values())

    def to_dict(self) -> dict:
        """Plain Python values, ready for JSON: None stands for NaN."""
        derived = ("multiple", "surrogate_multiples", "rejected", "below_surrogates")
        return plain(self) | none_for_nan({name: getattr(self, name) for name in derived})


def median_bandwidth(X: ArrayLike, *, max_rows: int = 1000, random_state: RandomState | None = None) -> float:
    """Median distance between two rows: the usual bandwidth of a Gaussian kernel.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows, two at least.
    max_rows : int, default=1000
        Of more rows, so many drawn at random tell the median.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    bandwidth : float

    Raises
    ------
    ValueError
        If ``X`` is not 2-D and finite, has one row only, or half of the pairs of rows are equal.

    Examples
    --------
    >>> median_bandwidth([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    5.0
    """
    X = as_rows(X, "X")
    if len(X) > max_rows:
        X = X[check_random_state(random_state).choice(len(X), max_rows, replace=False)]
    if len(X) < 2:
        raise ValueError("X must have two rows at least to tell their distance.")
    distances = np.sqrt(_squared_distances(X, X)[np.triu_indices(len(X), 1)])
    bandwidth = float(np.median(distances))
    if bandwidth == 0:
        raise ValueError("The median distance between two rows of X is 0: no kernel can be as narrow.")
    return bandwidth


def squared_mmd(X: ArrayLike, Y: ArrayLike, *, bandwidth: float) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy with a Gaussian kernel.

    The kernel is exp(-|x - y|² / (2 bandwidth²)); a row is never paired with itself, so that the estimate is zero on
    average, and often negative, for two samples of the same distribution.

    Parameters
    ----------
    X, Y : array-like of shape (n_x, n_features), (n_y, n_features)
        Two samples, each of two rows at least.
    bandwidth : float
        Standard deviation of the kernel.

    Returns
    -------
    squared : float

    Raises
    ------
    ValueError
        If an array is not 2-D and finite or has one row, the widths differ, or ``bandwidth`` is not positive.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf and Smola (2012), A kernel two-sample test, JMLR 13, lemma 6.

    Examples
    --------
    >>> round(squared_mmd([[0.0], [0.0]], [[9.0], [9.0]], bandwidth=1.0), 6)  # both are points, far apart
    2.0
    """
    X, Y = _two_sets(X, Y, ("X", "Y"))
    if not bandwidth > 0:
        raise ValueError(f"bandwidth must be positive, got {bandwidth!r}.")
    across = _kernel_sums(X, Y, bandwidth).sum() / (len(X) * len(Y))
    return float(_mean_of_pairs(X, bandwidth) + _mean_of_pairs(Y, bandwidth) - 2 * across)


def mmd_report(
    real: ArrayLike,
    generated: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    standardise: bool = True,
    surrogates: dict | None = None,
    n_leads: int = 1,
    n_side_features: int = 0,
    n_splits: int = 200,
    confidence: float = 0.95,
    random_state: RandomState | None = None,
) -> Any:
    """Squared maximum mean discrepancy of generated and real rows, beside that of real and real, and of surrogates.

    The groups (patients) of the real rows are split into halves at random, many times. In each split, one half is
    compared with the other, which gives the floor, and with all generated rows. So both carry the same share of the
    difference between patients, which keeps the discrepancy of two sets of real beats above zero. The kernel is that of
    :func:`squared_mmd`, its bandwidth :func:`median_bandwidth` of the real rows, one for all comparisons.

    Rows must be aligned beats (:func:`sklearn_ecg.preprocessing.extract_beats`) or features, not whole leads: see
    :func:`white_noise_like`. A measure that does not reject the surrogates says nothing about generated rows: look at
    ``rejected``.

    Parameters
    ----------
    real : array-like of shape (n_real, n_features)
        Real rows, of patients that the generator did not learn from.
    generated : array-like of shape (n_generated, n_features)
        Generated rows.
    groups : array-like of shape (n_real,), default=None
        Patient (or record) of each real row; None takes every row as a group of its own.
    standardise : bool, default=True
        Divide the columns by their standard deviation over the real rows, after subtracting the mean.
    surrogates : dict of str → array-like, default=None
        Rows that must be rejected; None makes "white noise" (:func:`white_noise_like`) and "phase-randomised"
        (:func:`phase_randomised`) of the real rows.
    n_leads, n_side_features : int, default=1, 0
        How the surrogates read a row.
    n_splits : int, default=200
        Splits of the groups into halves.
    confidence : float, default=0.95
        Share of the splits within each interval. They describe the halves; they are not the errors of the means.
    random_state : int, RandomState instance or None, default=None
        Seed of the splits and the surrogates.

    Returns
    -------
    report : MMDReport
        ``report.multiple`` is the discrepancy in units of the floor. The floor's estimate is a root mean square,
        because the mean is zero where every row is a group of its own.

    Raises
    ------
    ValueError
        If an array is not 2-D and finite, widths or lengths differ, there are fewer than four groups, or a parameter
        is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> wave = np.hanning(30)
    >>> real, good, poor = (rng.normal(size, 0.1, (80, 1)) * wave for size in (1, 1, 2))
    >>> [mmd_report(real, rows, random_state=0).multiple < 3 for rows in (good, poor)]
    [True, False]
    """
    real, generated = _two_sets(real, generated, ("real", "generated"))
    codes = np.arange(len(real)) if groups is None else record_codes(groups)
    check_lengths({"real": real, "groups": codes})
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}.")
    random_state = check_random_state(random_state)
    halves = draw_halves(codes, n_splits, random_state)
    if surrogates is None:
        layout = {"n_leads": n_leads, "n_side_features": n_side_features, "random_state": random_state}
        surrogates = {"white noise": white_noise_like(real, **layout)}
        surrogates["phase-randomised"] = phase_randomised(real, **layout)
    surrogates = {name: _two_sets(real, rows, ("real", name))[1] for name, rows in surrogates.items()}
    if standardise:
        scale = Standardisation(real)
        real, generated = scale(real), scale(generated)
        surrogates = {name: scale(rows) for name, rows in surrogates.items()}
    bandwidth = median_bandwidth(real, random_state=random_state)
    halved = _HalvedRows(real, codes, halves, bandwidth)
    floor = halved.against_each_other()
    return MMDReport(
        squared=percentiles(halved.against(generated), confidence),
        floor=percentiles(floor, confidence, estimate=np.sqrt(np.mean(floor**2))),
        surrogates={name: percentiles(halved.against(rows), confidence) for name, rows in surrogates.items()},
        bandwidth=bandwidth,
        standardised=bool(standardise),
        n_real=len(real),
        n_groups=int(codes.max() + 1),
        n_generated=len(generated),
        n_splits=int(n_splits),
    )


class _HalvedRows:
    """Squared discrepancies of halves of groups of rows, from sums of the kernel over pairs of groups."""

    def __init__(self, rows, codes, halves, bandwidth):
        self.rows, self.codes, self.bandwidth = rows, codes, bandwidth
        self.halves = halves.astype(np.float64)
        self.sums = self._by_group(_kernel_sums(rows, rows, bandwidth, codes))
        self.counts = np.bincount(codes).astype(np.float64)

    def _by_group(self, of_rows):
        sums = np.zeros((self.codes.max() + 1, *of_rows.shape[1:]))
        np.add.at(sums, self.codes, of_rows)
        return sums

    def _within(self, halves):
        n = halves @ self.counts
        return (np.einsum("sg,gh,sh->s", halves, self.sums, halves, optimize=True) - n) / (n * (n - 1))

    def against_each_other(self):
        one, other = self.halves, 1 - self.halves
        across = np.einsum("sg,gh,sh->s", one, self.sums, other, optimize=True)
        across /= (one @ self.counts) * (other @ self.counts)
        return self._within(one) + self._within(other) - 2 * across

    def against(self, rows):
        across = self._by_group(_kernel_sums(self.rows, rows, self.bandwidth)) / len(rows)
        across = (self.halves @ across) / (self.halves @ self.counts)
        return self._within(self.halves) + _mean_of_pairs(rows, self.bandwidth) - 2 * across


class Standardisation:
    """Columns less their mean over ``rows``, divided by their standard deviation where there is any."""

    def __init__(self, rows):
        self.mean, spread = rows.mean(axis=0), rows.std(axis=0)
        self.spread = np.where(spread > 0, spread, 1)

    def __call__(self, rows):
        return (rows - self.mean) / self.spread


def draw_halves(codes, n_splits, random_state):
    """Which groups are in the first half of each split: boolean (n_splits, n_groups)."""
    n_groups = int(codes.max() + 1)
    if n_groups < 4:
        raise ValueError(f"Halves of at least two groups each need four groups, got {n_groups}.")
    if n_splits < 1:
        raise ValueError(f"n_splits must be a positive integer, got {n_splits!r}.")
    ranks = random_state.random_sample((int(n_splits), n_groups)).argsort(axis=1)
    return ranks < n_groups // 2


def percentiles(values, confidence, estimate=None):
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(np.mean(values) if estimate is None else estimate), float(low), float(high), confidence)


def _two_sets(X, Y, names):
    X, Y = as_rows(X, names[0]), as_rows(Y, names[1])
    if X.shape[1] != Y.shape[1]:
        raise ValueError(f"{names[0]} has {X.shape[1]} columns and {names[1]} {Y.shape[1]}.")
    if min(len(X), len(Y)) < 2:
        raise ValueError(f"{names[0]} and {names[1]} must have two rows at least, got {len(X)} and {len(Y)}.")
    return X, Y


def _squared_distances(X, Y):
    middle = Y.mean(axis=0)  # far from the origin the difference of squares would lose its digits
    X, Y = X - middle, Y - middle
    squared = (X**2).sum(axis=1)[:, None] + (Y**2).sum(axis=1) - 2 * X @ Y.T
    return np.maximum(squared, 0)


def _kernel_sums(X, Y, bandwidth, codes=None):
    """Of every row of ``X``, the kernel summed over the rows of ``Y``, or over those of each group of them."""
    if codes is not None:
        order = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[order], np.arange(codes.max() + 1))
    sums = []
    for start in range(0, len(X), _ROWS_AT_ONCE):
        kernel = np.exp(_squared_distances(X[start : start + _ROWS_AT_ONCE], Y) / (-2 * bandwidth**2))
        sums.append(kernel.sum(axis=1) if codes is None else np.add.reduceat(kernel[:, order], starts, axis=1))
    return np.concatenate(sums)


def _mean_of_pairs(X, bandwidth):
    """Mean of the kernel over pairs of different rows."""
    return (_kernel_sums(X, X, bandwidth).sum() - len(X)) / (len(X) * (len(X) - 1))
