"""When the beats of a synthetic ECG come: sinus rhythm with its variability, ectopic beats, atrial fibrillation."""

from dataclasses import dataclass

import numpy as np

from ..signals._rhythm import SHORTEST_RR, fibrillation_intervals, sinus_intervals

LEAD_IN = 5.0
"""Seconds simulated ahead of the record, so that nothing of the start is left in it."""

COUPLING = {"S": (0.55, 0.8), "V": (0.5, 0.75), "F": (0.88, 0.97)}
"""Range of the interval before an ectopic beat, as a part of the sinus interval it cuts short."""

FASTEST_ECTOPIC = {kind: 60 * high / SHORTEST_RR for kind, (_, high) in COUPLING.items()}
"""Heart rate in bpm from which on an ectopic beat cannot come early, since the shortest interval forbids it."""


@dataclass(frozen=True)
class Beats:
    """Beats in order: R times (s from the start of the record), kinds, and the cycle lengths that shape the waves.

    A cycle (s) is the time the phase takes for a full turn, before and after the R peak. In undisturbed sinus rhythm
    it is the RR interval, as in ECGSYN; around ectopic beats it stays the sinus interval, since an early beat or a
    pause shortens or stretches the rest between the waves and not the waves.
    """

    time: np.ndarray
    kind: np.ndarray
    before: np.ndarray
    after: np.ndarray


def make_rhythm(rng, duration, *, rhythm, heart_rate, heart_rate_std, lf_hf_ratio, ectopic, coupling=COUPLING):
    """Beats from :data:`LEAD_IN` seconds ahead of the record to a second behind it."""
    span = 1.5 * (duration + LEAD_IN) + 10 * 60.0 / heart_rate  # early beats use up time
    if rhythm == "sinus":
        cycle = sinus_intervals(rng, span, heart_rate, heart_rate_std, lf_hf_ratio)
        rr = cycle.copy()
    else:
        rr = fibrillation_intervals(rng, span, heart_rate)
        cycle = np.full(len(rr), 60.0 / heart_rate)
    kind = _draw_ectopic(rng, len(rr), ectopic)
    rr = _shift_ectopic(rng, rr, kind, coupling)
    time = np.cumsum(rr) - LEAD_IN - rng.uniform() * rr[0]  # beat k ends interval k
    after = np.append(cycle[1:], cycle[-1])
    keep = time < duration + 1.0
    return Beats(time[keep], kind[keep], cycle[keep], after[keep])


def _draw_ectopic(rng, n, ectopic):
    """Kind of every beat; an ectopic beat is never followed by another."""
    names = ["N", *ectopic]
    kind = rng.choice(names, size=n, p=[1 - sum(ectopic.values()), *ectopic.values()])
    kind[:2] = "N"
    early = np.flatnonzero(kind != "N")
    run = np.diff(early, prepend=-9) == 1
    # every second one of a run falls back to normal
    start = np.maximum.accumulate(np.where(run, 0, np.arange(len(early))))
    kind[early[(np.arange(len(early)) - start) % 2 == 1]] = "N"
    return kind


def _shift_ectopic(rng, rr, kind, coupling):
    """Intervals with the ectopic beats early; a full pause after V and F, a reset sinus after S."""
    shifted = rr.copy()
    for name, (low, high) in coupling.items():
        at = np.flatnonzero(kind[:-1] == name)
        early = np.maximum(rr[at] * rng.uniform(low, high, size=len(at)), SHORTEST_RR)
        shifted[at] = np.minimum(early, rr[at])
        if name == "S":
            shifted[at + 1] *= rng.uniform(1.0, 1.15, size=len(at))
        else:
            shifted[at + 1] += rr[at] - shifted[at]
    return shifted
