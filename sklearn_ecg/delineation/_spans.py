"""The T and the P wave between two QRS complexes: the likeliest spans of samples, beat by beat alike."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

_LEAST_EVIDENCE = 4.0  # nats in the sum over a wave
_SHORTEST = {"T": 0.05, "P": 0.03}  # s
_LEAST_BEATS = 3  # of which something usual can be told
_SLACK = 0.02  # s from the usual time that cost one nat
_MOST = 10.0  # nats that no distance from the usual time exceeds


class Gap(NamedTuple):
    """Samples from ``start`` to ``stop``, between a QRS that began at ``before`` and one that begins at ``after``."""

    start: int
    stop: int
    before: int | None
    after: int | None

    def anchor(self, kind):
        """The beginning of the QRS that a wave belongs to: T to the one before, P to the one after."""
        return self.before if kind == "T" else self.after


def find_between(gains, complexes, rate):
    """T and P waves in every gap between QRS complexes, and before the first and after the last one.

    In each gap there is at most one T wave and after it at most one P wave: of all such pairs of spans, those with the
    largest sum over their samples of the log-odds of the wave against none. Where enough beats of the record have such
    a wave, they are found again, and a boundary now costs the more the farther it is from its usual time after, or
    ahead of, its QRS.

    Parameters
    ----------
    gains : dict of ndarray
        Log-odds against none of "T" and "P" at every sample.
    complexes : ndarray of shape (n_complexes, 2)
        First sample and the one after the last of each QRS.
    rate : float
        Samples per second.

    Returns
    -------
    found : list of list of (kind, start, stop)
        For each of the n_complexes + 1 gaps.
    """
    starts = [None, *complexes[:, 0].tolist(), None]
    edges = np.concatenate([[0], complexes.ravel(), [len(gains["T"])]]).reshape(-1, 2).tolist()
    gaps = [Gap(*edge, *around) for edge, around in zip(edges, pairwise(starts), strict=True)]
    found = [_in_gap(gains, gap, {}, rate) for gap in gaps]
    usual = _usual_times(found, gaps)
    return [_in_gap(gains, gap, usual, rate) for gap in gaps] if usual else found


def _usual_times(found, gaps):
    """Kind → medians over the beats of its start and stop after the start of its QRS."""
    times = {"T": [], "P": []}
    for spans, gap in zip(found, gaps, strict=True):
        for kind, start, stop in spans:
            if gap.anchor(kind) is not None:
                times[kind].append((start - gap.anchor(kind), stop - gap.anchor(kind)))
    return {kind: np.median(spans, axis=0) for kind, spans in times.items() if len(spans) >= _LEAST_BEATS}


def _in_gap(gains, gap, usual, rate):
    """The waves of one gap: (kind, start, stop)."""
    n = gap.stop - gap.start
    if not n:
        return []
    totals, costs = {}, {}
    for kind in ("T", "P"):
        totals[kind] = np.append(0, np.cumsum(gains[kind][gap.start : gap.stop]))
        costs[kind] = np.zeros((2, n + 1))
        if kind in usual and gap.anchor(kind) is not None:
            at = usual[kind] + gap.anchor(kind) - gap.start
            costs[kind] = np.minimum(np.abs(np.arange(n + 1) - at[:, None]) / (_SLACK * rate), _MOST)
    until = _best_until(totals["T"], *costs["T"])
    since = _best_until(-totals["P"][::-1], *costs["P"][::-1, ::-1])[::-1]
    split = int(np.argmax(until + since))
    found = []
    for kind, part in (("T", slice(0, split + 1)), ("P", slice(split, n + 1))):
        start, stop, evidence = _best_span(totals[kind][part], *costs[kind][:, part])
        if evidence >= _LEAST_EVIDENCE and stop - start >= _SHORTEST[kind] * rate:
            found.append((kind, gap.start + part.start + start, gap.start + part.start + stop))
    return found


def _best_until(total, start_cost, stop_cost):
    """The most that a span is worth which ends at each edge or before; at least 0, the worth of none."""
    worth = total - stop_cost - np.minimum.accumulate(total + start_cost)
    return np.maximum(np.maximum.accumulate(worth), 0)


def _best_span(total, start_cost, stop_cost):
    """Edges of the span that is worth most, and its worth."""
    lowest = np.minimum.accumulate(total + start_cost)
    stop = int(np.argmax(total - stop_cost - lowest))
    start = int(np.argmin((total + start_cost)[: stop + 1]))
    return start, stop, float(total[stop] - stop_cost[stop] - lowest[stop])
