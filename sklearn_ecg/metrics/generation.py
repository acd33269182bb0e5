"""Spread of generated rows, and whether they are copies.

The discrepancy of aligned beats is :func:`sklearn_ecg.metrics.mmd_report`, periods and RR intervals are measured in
``rhythm``, and what a classifier learns from generated rows in ``synthetic_training``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import pdist
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from ..parameters import RandomState
from ._reports import as_rows, mean, plain, ratio
from .discrepancy import Standardisation

__all__ = ["DiversityReport", "MemorisationReport", "diversity", "memorisation"]

_COPIED_SHARE = 0.05


@dataclass(frozen=True)
class DiversityReport:
    """Outcome of :func:`diversity`.

    Attributes
    ----------
    distance_ratio : float
        Mean distance of two generated rows over that of two real ones.
    dimensions, dimensions_real : float
        exp(entropy) of the shares of variance on the principal axes: 1 where all rows lie on a line, the number of
        columns where they spread evenly.
    n_rows : int
        Rows compared, of each kind.
    """

    distance_ratio: float
    dimensions: float
    dimensions_real: float
    n_rows: int

    @property
    def dimension_ratio(self) -> float:
        """``dimensions`` over ``dimensions_real``."""
        return self.dimensions / self.dimensions_real

    def to_dict(self) -> dict:
        """Plain Python values, ready for JSON."""
        return plain(self) | {"dimension_ratio": self.dimension_ratio}


def diversity(
    real: ArrayLike, generated: ArrayLike, *, max_rows: int = 1000, random_state: RandomState | None = None
) -> Any:
    """Spread of generated rows (beats, or the filters of a periodic decoder) over that of real ones.

    Both are 1 for generated rows that spread as real ones do, and small where a generator repeats a few of them. Noise
    spreads, too: read them beside a discrepancy.

    Parameters
    ----------
    real, generated : array-like of shape (n_real, n_features), (n_generated, n_features)
        Rows in one unit.
    max_rows : int, default=1000
        Rows compared, at most, drawn at random. As many are drawn of either kind, since the number of dimensions grows
        with that of rows.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    report : DiversityReport

    Raises
    ------
    ValueError
        If an array is not 2-D and finite, the widths differ, or the real rows are all equal.
    """
    real, generated = as_rows(real, "real"), as_rows(generated, "generated")
    _same_width({"real": real, "generated": generated})
    random_state = check_random_state(random_state)
    n = min(len(real), len(generated), max_rows)
    if n < 2:
        raise ValueError("Two rows of either kind are needed to tell how they spread.")
    real, generated = (rows[random_state.permutation(len(rows))[:n]] for rows in (real, generated))
    apart, apart_real = (pdist(rows).mean() for rows in (generated, real))
    if apart_real == 0:
        raise ValueError("The real rows are all equal.")
    return DiversityReport(float(apart / apart_real), _dimensions(generated), _dimensions(real), n)


def _dimensions(rows):
    variance = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    if not variance.sum():
        return 0.0
    share = variance[variance > 0] / variance.sum()
    return float(np.exp(-np.sum(share * np.log(share))))


@dataclass(frozen=True)
class MemorisationReport:
    """Outcome of :func:`memorisation`.

    Attributes
    ----------
    ratio : float
        Median distance of generated rows to the nearest training row over that of held-out real rows.
    copied : float
        Share of the generated rows that are copies: nearer to a training row than 99 % of the held-out rows are, and
        at most half as far from it as from any held-out row.
    n_train, n_generated, n_held_out : int
        Rows.
    """

    ratio: float
    copied: float
    n_train: int
    n_generated: int
    n_held_out: int

    @property
    def memorised(self) -> bool:
        """Whether more than 5 % of the generated rows are copies."""
        return self.copied > _COPIED_SHARE

    def to_dict(self) -> dict:
        """Plain Python values, ready for JSON."""
        return plain(self) | {"memorised": self.memorised}


def memorisation(train: ArrayLike, generated: ArrayLike, held_out: ArrayLike, *, standardise: bool = True) -> Any:
    """Whether generated rows are training rows over again, by their nearest neighbours.

    A ratio below 1 alone is no proof: rows without noise, near the middle of real ones, are near to all of them.
    Such rows are near to held-out rows, too, which is why a copy must be much nearer to a training row. Where the
    held-out rows are of other patients, likeness to a training patient counts as well: other real beats of the same
    patients of MIT-BIH are then called copies at 55 to 73 %, by class. Measure such rows beside the generated ones.

    Parameters
    ----------
    train : array-like of shape (n_train, n_features)
        Rows that the generator learned from.
    generated : array-like of shape (n_generated, n_features)
        Rows that it made.
    held_out : array-like of shape (n_held_out, n_features)
        Real rows that it has not seen; best of as many as ``train``, of the same distribution.
    standardise : bool, default=True
        Measure distances in standard deviations of the columns over ``train``.

    Returns
    -------
    report : MemorisationReport

    Raises
    ------
    ValueError
        If an array is not 2-D and finite, or the widths differ.

    Examples
    --------
    >>> import numpy as np
    >>> train, held_out, fresh = np.random.default_rng(0).normal(size=(3, 100, 8))
    >>> memorisation(train, train + 0.01, held_out).memorised, memorisation(train, fresh, held_out).memorised
    (True, False)
    """
    rows = {"train": train, "generated": generated, "held_out": held_out}
    rows = {name: as_rows(X, name) for name, X in rows.items()}
    _same_width(rows)
    n_train, n_generated, n_held_out = map(len, rows.values())
    train, generated, held_out = rows.values()
    if standardise:
        scale = Standardisation(train)
        train, generated, held_out = scale(train), scale(generated), scale(held_out)
    index = NearestNeighbors(n_neighbors=1).fit(train)
    to_train, real_to_train = (index.kneighbors(X)[0][:, 0] for X in (generated, held_out))
    to_held_out = NearestNeighbors(n_neighbors=1).fit(held_out).kneighbors(generated)[0][:, 0]
    copied = (to_train < np.quantile(real_to_train, 0.01)) & (to_train <= to_held_out / 2)
    return MemorisationReport(
        ratio=ratio(np.median(to_train), np.median(real_to_train)),
        copied=mean(copied),
        n_train=n_train,
        n_generated=n_generated,
        n_held_out=n_held_out,
    )


def _same_width(rows):
    if len({X.shape[1] for X in rows.values()}) > 1:
        raise ValueError(f"The widths differ: {', '.join(f'{name} has {X.shape[1]}' for name, X in rows.items())}.")
