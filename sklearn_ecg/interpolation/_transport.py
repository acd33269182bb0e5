"""Interpolation that moves waves instead of fading them."""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from ..signals._validation import check_fs
from ._delineation import delineate
from ._paths import check_ends, check_steps, mix

_PEDESTAL = 0.05  # of a wave's mass, spread evenly over its span: a part that vanishes flattens, instead of narrowing
_RAMP = 0.04  # s, beyond the border, over which what has left hands over to what is there
_OUT = 0.15  # s by which a QRS that a border cuts off moves out of it
_PEAK_IN = 0.03  # s from the border to the R peak of a beat that is not cut off
_ABSENT = 0.05  # of a QRS's height: a smaller R wave is none


def transport_path(
    a: ArrayLike, b: ArrayLike, n_steps: int = 100, *, fs: float, t: ArrayLike | None = None
) -> np.ndarray:
    """Move the waves of one ECG to their places in another.

    Beats are found in both signals (:func:`count_waves`) and matched one to one in order; where the counts differ, the
    matched block is the one with the least sum of squared ways, and the others leave or enter at the borders. Of each
    matched beat P, QRS and T are matched, and of the QRS its Q, R and S parts, cut at the zero crossings around the
    highest rise. What is transported is the deflection of each part from the chord between the ends of its wave:

    * its positive and its negative part, each divided by its mass, go from their place in ``a`` to that in ``b`` by
      averaging quantiles: the place of the mass fraction q at step t is (1 − t) Q_a(q) + t Q_b(q), the geodesic of the
      2-Wasserstein distance in one dimension;
    * the mass itself is interpolated, (1 − t) m_a + t m_b, so that the area of a wave is linear in t;
    * a pedestal of 5 % of the mass is spread evenly over the part, added to both signs: a part that only one of the
      signals has flattens, or grows, over the whole span of its wave, instead of narrowing to a spike.

    Parts keep their order, so that Q, R and S never cancel on the way; a QRS without an R wave is one whose R is
    between Q and S and of no mass. All spans of waves, and so beat times, PR, QRS, QT and RR intervals, are linear in
    t. What lies between and under the waves (baseline, ST segment, noise) is carried along, stretched linearly between
    the waves' edges, and mixed linearly: it fades. So does what lies before the first or after the last matched beat,
    where no beat leaves: it stays at the border or moves out of it, never in. Beats that leave move out unchanged.

    Parameters
    ----------
    a, b : array-like of shape (n_timepoints,)
        The two ends: one lead each, in the same unit. At least 1.5 s, or no beat is found.
    n_steps : int, default=100
        Number of steps, both ends included.
    fs : float
        Sampling frequency in Hz, from 50 to 4000.
    t : array-like of shape (n_steps,), default=None
        Places on the path, from 0 to 1, in any order; instead of ``n_steps``.

    Returns
    -------
    path : ndarray of shape (n_steps, n_timepoints)
        The steps t = 0 and t = 1 are ``a`` and ``b`` exactly. Where one of them has no beat there is nothing to match:
        the path is the linear one.

    Raises
    ------
    TypeError
        If ``fs`` is not a number.
    ValueError
        If the ends are not 1-D and of equal length, hold NaN or infinity, ``fs`` is out of range, or a place is
        outside 0 to 1.

    References
    ----------
    .. [1] R. J. McCann, "A convexity principle for interacting gases", Advances in Mathematics 128(1), 1997.

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange(512) / 128
    >>> a, b = (np.exp(-0.5 * (((time - start) % 0.8 - 0.4) / 0.015) ** 2) for start in (0.0, 0.2))
    >>> path = transport_path(a, b, 3, fs=128)
    >>> [int(step[:80].argmax()) for step in path]
    [51, 64, 77]
    >>> bool(path[1].max() > 0.9 * a.max())
    True
    """
    a, b = check_ends(a, b)
    t = check_steps(n_steps, t)
    fs = check_fs(fs)
    beats_a, beats_b = delineate(a, fs), delineate(b, fs)
    if not beats_a.whole.any() or not beats_b.whole.any():
        return mix(a, b, t)
    if beats_a.whole.sum() < beats_b.whole.sum():
        path = _move(b, a, beats_b, beats_a, 1 - t, fs)
    else:
        path = _move(a, b, beats_a, beats_b, t, fs)
    path[t == 0], path[t == 1] = a, b
    return path


def _move(a, b, beats_a, beats_b, t, fs):
    """Path (n_steps, n_timepoints) from ``a``, which has no fewer beats than ``b``."""
    n = len(a)
    a, b = a.copy(), b.copy()
    matched_a, matched_b = match_beats_of(beats_a, beats_b, n, fs)
    fragments = _take_fragments(a, beats_a, matched_a), _take_fragments(b, beats_b, matched_b)
    sides = [(beats.spans, beats.whole) for beats in (beats_a, beats_b)]
    left = _left_lead(sides[0], matched_a[0], sides[1], matched_b[0], fs)
    turned = [(n - spans[::-1, ::-1], whole[::-1]) for spans, whole in sides]
    last_a, last_b = len(beats_a) - 1 - matched_a[-1], len(beats_b) - 1 - matched_b[-1]
    right = _left_lead(turned[0], last_a, turned[1], last_b, fs)
    spans_a, spans_b = beats_a.spans[matched_a], beats_b.spans[matched_b]
    rest_a, parts_a = _take_waves(a, spans_a)
    rest_b, parts_b = _take_waves(b, spans_b)
    knots = spans_a.ravel().astype(float), spans_b.ravel().astype(float)
    path = _mix_rest(rest_a, rest_b, knots, (left, right), t, fs)
    path += _carry(_complete(parts_a, parts_b), _complete(parts_b, parts_a), t, n)
    path += _fade_fragments(*fragments, t, fs)
    return path


def match_beats_of(beats_a, beats_b, n, fs):
    """Indices of the matched beats of both: the block of whole beats with the least sum of squared ways.

    A beat next to it that is too near to a border to be counted is matched where its R peak is in view.
    """
    if beats_a.whole.sum() < beats_b.whole.sum():
        return match_beats_of(beats_b, beats_a, n, fs)[::-1]
    index_a, index_b = np.flatnonzero(beats_a.whole), np.flatnonzero(beats_b.whole)
    r_a, r_b = beats_a.r[index_a], beats_b.r[index_b]
    ways = [np.sum((r_a[i : i + len(r_b)] - r_b) ** 2) for i in range(len(r_a) - len(r_b) + 1)]
    first = int(np.argmin(ways))
    index_a = index_a[first : first + len(r_b)]
    for end, step in ((0, -1), (-1, 1)):
        next_a, next_b = index_a[end] + step, index_b[end] + step
        if _in_view(beats_a, next_a, n, fs) and _in_view(beats_b, next_b, n, fs):
            index_a, index_b = (
                np.insert(i, end % (len(i) + 1), new) for i, new in ((index_a, next_a), (index_b, next_b))
            )
    return index_a, index_b


def _in_view(beats, index, n, fs):
    """Whether there is such a beat, and its R peak is not at the border itself."""
    reach = _PEAK_IN * fs
    return 0 <= index < len(beats) and reach <= beats.r[index] <= n - 1 - reach


def _left_lead(beats_a, first_a, beats_b, first_b, fs):
    """Where what lies left of the first matched beat goes.

    Returns
    -------
    matched : tuple of two floats
        The first matched beat's edge in both signals.
    leaving : tuple of two floats or None
        The end of the last beat that leaves, in ``a`` and beyond or at the border of ``b``; None if none leaves.
    """
    (spans_a, whole_a), (spans_b, _) = beats_a, beats_b
    matched = float(spans_a[first_a, 0]), float(spans_b[first_b, 0])
    if not whole_a[:first_a].any():
        return matched, None
    end, qrs_end = float(spans_a[first_a - 1, 5]), float(spans_a[first_a - 1, 3])
    out = -qrs_end - _RAMP * fs
    shift = out if first_b else min(matched[1] - matched[0], out)  # a beat cut off at the border of b is where it goes
    return matched, (end, min(end + shift, matched[1] - 1))


def _mix_rest(rest_a, rest_b, knots, leads, t, fs):
    """What lies between and under the waves: warped to the intermediate times and mixed linearly."""
    n = len(rest_a)
    at = np.arange(n) + 0.5
    path = np.empty((len(t), n))
    for row, share in zip(path, t, strict=True):
        middle = (1 - share) * knots[0] + share * knots[1]
        place_a, place_b = np.interp(at, middle, knots[0]), np.interp(at, middle, knots[1])
        weight = np.full(n, share)
        for lead, turned in zip(leads, (False, True), strict=True):
            outside = at > middle[-1] if turned else at < middle[0]
            where = n - at[outside] if turned else at[outside]
            found = _follow_lead(where, lead, share, fs)
            sides = (n - found[0], n - found[1]) if turned else found[:2]
            place_a[outside], place_b[outside] = sides
            weight[outside] = found[2]
        row[:] = (1 - weight) * np.interp(place_a, at, rest_a) + weight * np.interp(place_b, at, rest_b)
    return path


def _follow_lead(at, lead, share, fs):
    """Places in ``a`` and ``b`` seen at the places ``at`` left of the first matched beat, and the weight of ``b``."""
    (edge_a, edge_b), leaving = lead
    edge = (1 - share) * edge_a + share * edge_b
    if leaving is None:
        # what is there moves out with the beat, or stays at the border while the beat moves in
        place_a = np.minimum(at + max(0.0, edge_a - edge), edge_a)
        place_b = np.minimum(at + max(0.0, edge_b - edge), edge_b)
        return place_a, place_b, np.full(at.shape, share)
    end_a, end_b = leaving
    end = (1 - share) * end_a + share * end_b
    place_a = np.where(at < end, at - end + end_a, np.interp(at, [end, edge], [end_a, edge_a]))
    place_b = np.where(at < end, at - end + end_b, np.interp(at, [end, edge], [end_b, edge_b]))
    return place_a, place_b, share * np.clip(1 + place_b / (_RAMP * fs), 0, 1)


def _take_waves(signal, spans):
    """Part a signal into what lies under and between the waves, and the deflections of its waves from their chords.

    Returns
    -------
    rest : ndarray of shape (n_timepoints,)
        The signal, with a straight line in place of each wave.
    parts : list of (start, stop, deflection)
        P, Q, R, S and T of each beat in order: first sample of and after the part, and its deflection from the chord
        (stop - start,), NaN beyond the signal.
    """
    rest, parts = signal.copy(), []
    for span in spans:
        p_wave, qrs, t_wave = (_take_wave(rest, *edges) for edges in span.reshape(3, 2))
        start, stop, deflection = qrs
        before, after = _cut_qrs(np.nan_to_num(deflection))
        edges = (start, start + before, start + after, stop)
        parts.append(p_wave)
        parts += [(lo, hi, deflection[lo - start : hi - start]) for lo, hi in pairwise(edges)]
        parts.append(t_wave)
    return rest, parts


def _take_wave(rest, start, stop):
    """Take a wave out of a signal, in place: its span and its deflection from the chord.

    The chord joins the values at the edges; where one is beyond the signal it is level, at the value of the other.
    """
    n = len(rest)
    known = [edge for edge in (start, stop) if 0 < edge < n] or [np.clip(start, 1, n - 1)]
    ends = [0.5 * (rest[edge - 1] + rest[edge]) for edge in known]
    line = ends[0] + (ends[-1] - ends[0]) * (np.arange(stop - start) + 0.5) / (stop - start)
    lo, hi = np.clip([start, stop], 0, n)
    seen = slice(lo - start, hi - start)
    deflection = np.full(stop - start, np.nan)
    deflection[seen] = rest[lo:hi] - line[seen]
    rest[lo:hi] = line[seen]
    return start, stop, deflection


def _complete(parts, others):
    """What the border hides of a wave is taken from its partner, stretched to the same span."""
    completed = []
    for (start, stop, deflection), (_, _, other) in zip(parts, others, strict=True):
        hidden = np.isnan(deflection)
        if hidden.any():
            place = (np.flatnonzero(hidden) + 0.5) / len(deflection) * len(other) - 0.5
            deflection = deflection.copy()
            deflection[hidden] = np.interp(place, np.arange(len(other)), np.nan_to_num(other))
        completed.append((start, stop, deflection))
    return completed


def _take_fragments(signal, beats, matched):
    """Take the QRS complexes that a border cuts off out of a signal, in place: those of the left and of the right."""
    n = len(signal)
    sides = np.zeros((2, n))
    for index in np.setdiff1d(np.flatnonzero(~beats.whole), matched):
        start, stop = beats.spans[index, 2:4]
        right = beats.r[index] > n / 2
        lo, hi = (start, n) if right else (0, stop)
        lo, hi = max(lo, 1), min(hi, n - 1) if not right else n
        level = signal[lo - 1] if right else signal[hi]
        lo = lo if right else 0
        sides[int(right), lo:hi] = signal[lo:hi] - level
        signal[lo:hi] = level
    return sides


def _fade_fragments(sides_a, sides_b, t, fs):
    """The complexes cut off at a border fade there, and move out of it meanwhile where the other signal has none."""
    n = sides_a.shape[1]
    at, path = np.arange(n), np.zeros((len(t), n))
    for sides, others, weight in ((sides_a, sides_b, 1 - t), (sides_b, sides_a, t)):
        for side, other, direction in zip(sides, others, (1, -1), strict=True):
            if side.any():
                way = 0.0 if other.any() else direction * _OUT * fs
                for row, share in zip(path, weight, strict=True):
                    row += share * np.interp(at + (1 - share) * way, at, side, left=0.0, right=0.0)
    return path


def _cut_qrs(deflection):
    """Where Q ends and S begins: the zero crossings around the R wave, the highest rise of the complex.

    A complex without an R wave is all S, and its Q and R are a sample each: R waves grow between Q and S.
    """
    n = len(deflection)
    top = int(np.argmax(deflection))
    if deflection[top] < _ABSENT * np.ptp(deflection):
        return np.array([1, 2])
    down = np.flatnonzero(deflection[:top] <= 0)
    up = np.flatnonzero(deflection[top:] <= 0)
    before = np.clip(down[-1] + 1 if down.size else 1, 1, n - 2)
    after = np.clip(top + up[0] if up.size else n - 1, before + 1, n - 1)
    return np.array([before, after])


def _carry(parts_a, parts_b, t, n):
    """Waves at the steps ``t``, (n_steps, n): the masses of their positive and negative parts moved by quantiles."""
    edges = np.arange(n + 1.0)
    carried = np.zeros((len(t), n))
    for sign in (1, -1):
        chains = _chains(parts_a, parts_b, sign)
        level = np.union1d(chains[0][0], chains[1][0])
        (place_a, mass_a), (place_b, mass_b) = ([np.interp(level, chain[0], y) for y in chain[1:]] for chain in chains)
        for row, share in zip(carried, t, strict=True):
            place, mass = (1 - share) * place_a + share * place_b, (1 - share) * mass_a + share * mass_b
            row += sign * np.diff(np.interp(edges, place, mass))
    return carried


def _chains(parts_a, parts_b, sign):
    """For both signals: level, place and running mass at the edges of all samples of all parts.

    A part's levels go from 2k to 2k + 1 in proportion to its mass; between two parts the place moves on without mass.
    """
    chains = [([], [], []), ([], [], [])]
    total = [0.0, 0.0]
    for k, pair in enumerate(zip(parts_a, parts_b, strict=True)):
        masses = [np.maximum(side * part[2], 0).sum() for part in pair for side in (1, -1)]
        pedestal = _PEDESTAL * max(masses) or 1.0
        for i, (start, stop, deflection) in enumerate(pair):
            density = np.maximum(sign * deflection, 0) + pedestal / (stop - start)
            running = np.concatenate([[0.0], np.cumsum(density)])
            level, place, mass = chains[i]
            level.append(2 * k + running / running[-1])
            place.append(np.arange(start, stop + 1.0))
            mass.append(total[i] + running)
            total[i] += running[-1]
    return [tuple(map(np.concatenate, chain)) for chain in chains]
