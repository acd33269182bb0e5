"""Shapes of the waves of a synthetic ECG, and the ECGSYN model that draws them."""

import numpy as np
from scipy.signal import lfilter

from ..preprocessing import WAVE_DTYPE
from ..signals._annotations import LIMB_LEADS, STANDARD_LEADS
from ._noise import check_numbers

NORMAL = {"P": (-70, 1.2, 0.25), "Q": (-15, -5, 0.1), "R": (0, 30, 0.1), "S": (15, -7.5, 0.1), "T": (100, 0.75, 0.4)}
"""Waves of ECGSYN at 60 bpm: phase in degrees, strength a, width b in radians."""

ATRIAL = {**NORMAL, "P": (-62, -0.9, 0.18)}
VENTRICULAR = {"Q": (-20, -3.5, 0.12), "R": (0, 15.5, 0.16), "S": (25, -5.5, 0.16), "T": (115, -0.75, 0.45)}
TABLES = {"N": NORMAL, "S": ATRIAL, "V": VENTRICULAR}
"""Waves of each kind of beat; a fusion beat (F) is half normal, half ventricular."""

UNIT_PEAK = 30 * 0.1**2 / (2 * np.pi)
"""Height of the R wave in the units of the model."""

# wave heights relative to lead II, of the eight independent leads
_GAINS = {
    "P": (0.6, 1.0, 0.3, 0.4, 0.4, 0.4, 0.4, 0.4),
    "Q": (0.5, 1.0, 0.0, 0.0, 0.0, 0.3, 0.7, 0.8),
    "R": (0.6, 1.0, 0.2, 0.45, 0.8, 1.3, 1.2, 0.9),
    "S": (0.5, 1.0, 4.0, 5.0, 3.0, 1.8, 0.8, 0.3),
    "T": (0.6, 1.0, -0.3, 1.3, 1.4, 1.3, 1.0, 0.8),
}
_VENTRICULAR_GAIN = (0.7, 1.0, -0.9, -1.1, -0.6, 0.5, 1.0, 1.0)
FIBRILLATION_GAIN = (0.3, 0.7, 1.0, 0.6, 0.4, 0.3, 0.3, 0.3)

_BOUNDARY = 2.0  # widths b from a wave's centre to its end
_NEGLIGIBLE = 6.0  # widths b


def lead_matrix(leads):
    """Weights of the eight independent leads in each of ``leads``, (n_leads, 8): the limb leads follow Einthoven."""
    one, two, *chest = np.eye(8)
    limb = [of_one * one + of_two * two for of_one, of_two in LIMB_LEADS.values()]
    rows = [one, two, *limb, *chest]
    return np.array([rows[STANDARD_LEADS.index(lead)] for lead in leads])


def scaled_waves(tables, heart_rate):
    """Waves of each kind at a heart rate: list of (name, phase in radians, strength, width, gains of the 8 leads)."""
    root, stretch = _stretches(heart_rate)

    def scaled(table, part, gains):
        return [
            (name, np.deg2rad(angle) * stretch[name], part * strength, width * root, np.asarray(gains[name]))
            for name, (angle, strength, width) in table.items()
        ]

    ventricular = dict.fromkeys("PQRST", _VENTRICULAR_GAIN)
    waves = {kind: scaled(table, 1.0, ventricular if kind == "V" else _GAINS) for kind, table in tables.items()}
    waves["F"] = scaled(tables["N"], 0.5, _GAINS) + scaled(tables["V"], 0.5, ventricular)
    return waves


def _stretches(heart_rate):
    """By what the widths of all waves, and the phase of each, grow with the heart rate."""
    root = np.sqrt(heart_rate / 60.0)
    return root, {"P": np.sqrt(root), "Q": root, "R": 1.0, "S": root, "T": np.sqrt(root)}


def trace(beats, waves, weights, times, step, *, drive=0.0, variability=0.0, rng=None):
    """Solve ECGSYN's equation for z along the limit cycle, in every lead.

    On the cycle the phase turns by 2π a heartbeat, so ż = −Σ aᵢ Δθᵢ exp(−Δθᵢ²/2bᵢ²) − (z − z₀) is a linear equation
    driven by a known function of time: a first-order filter solves it, exactly but for taking the drive as linear
    between two samples.

    Parameters
    ----------
    beats : Beats
    waves : dict
        As from :func:`scaled_waves`.
    weights : ndarray of shape (n_leads, 8)
        As from :func:`lead_matrix`.
    times : ndarray of shape (n,)
        Times in s, ``step`` apart.
    drive : float or ndarray of shape (n,)
        The baseline z₀ of the independent leads.
    variability : float
        Standard deviation of the waves' strength from beat to beat, relative.

    Returns
    -------
    z : ndarray of shape (n_leads, n)
    """
    force = weights.sum(axis=1, keepdims=True) * np.broadcast_to(drive, len(times))
    for kind, table in waves.items():
        at = beats.kind == kind
        if not at.any():
            continue
        for _, angle, strength, width, gains in table:
            vary = 1.0 if rng is None else 1 + variability * rng.normal(size=(at.sum(), 1))
            pulse = _pulses(beats.time[at], beats.before[at], beats.after[at], angle, width, vary, times, step)
            force += (weights @ gains * strength)[:, None] * pulse
    decay = np.exp(-step)
    late = 1 + np.expm1(-step) / step
    return lfilter([late, 1 - decay - late], [1, -decay], force, axis=1)


def _pulses(at, before, after, angle, width, vary, times, step):
    """−Δθ exp(−Δθ²/2b²) of one wave of many beats on the time axis."""
    reach = _NEGLIGIBLE * width / (2 * np.pi) * max(before.max(), after.max())
    first = np.floor((_time_of(angle, at, before, after) - reach - times[0]) / step).astype(np.int64)
    index = first[:, None] + np.arange(int(2 * reach / step) + 2)  # (n_beats, window)
    since = times[0] + index * step - at[:, None]
    phase = 2 * np.pi * since / np.where(since < 0, before[:, None], after[:, None])
    offset = phase - angle
    pulse = -vary * offset * np.exp(-(offset**2) / (2 * width**2))
    inside = (index >= 0) & (index < len(times))
    return np.bincount(index[inside], pulse[inside], minlength=len(times))


def _time_of(angle, at, before, after):
    return at + angle / (2 * np.pi) * np.where(angle < 0, before, after)


def fiducials(beats, waves, fs, n_timepoints):
    """Boundaries of every P, QRS and T in samples, from the waves' phases and widths, in order of the peaks."""
    found = []
    for kind, table in waves.items():
        chosen = beats.kind == kind
        cycles = beats.time[chosen], beats.before[chosen], beats.after[chosen]
        centre, width = {}, {}
        for name, angle, _, b, _ in reversed(table):  # a fusion beat's normal waves come first and count
            centre[name], width[name] = angle, _BOUNDARY * b
        spans = {"QRS": (centre["Q"] - width["Q"], 0.0, centre["S"] + width["S"])}
        for name in [name for name in "PT" if name in centre]:
            spans[name] = (centre[name] - width[name], centre[name], centre[name] + width[name])
        for name, angles in spans.items():
            marks = [np.rint(_time_of(angle, *cycles) * fs) for angle in angles]
            rows = np.empty(len(marks[0]), dtype=WAVE_DTYPE)
            rows["wave"] = name
            for mark, column in zip(("onset", "peak", "offset"), marks, strict=True):
                rows[mark] = np.where((column >= 0) & (column < n_timepoints), column, -1)
            found.append(rows[rows["peak"] >= 0])
    found = np.concatenate(found)
    return found[np.argsort(found["peak"], kind="stable")]


def waves_of_intervals(
    *, heart_rate: float, pr: float, qrs: float, qt: float, p_duration: float = 110.0, t_duration: float = 182.0
) -> dict:
    """Waves with chosen intervals, for :func:`make_ecg`, which otherwise ties all of them to the heart rate.

    ECGSYN's own waves are wide (QRS takes 148 ms at 60 bpm) and their intervals follow from the heart rate alone, so
    that nothing is learnt from them about intervals. Here each wave gets the centre and the width that put its
    boundaries, two widths from the centre, where they are wanted, and ECGSYN's height.

    Parameters
    ----------
    heart_rate : float
        In bpm; give :func:`make_ecg` the same.
    pr, qrs, qt : float
        PR, QRS and QT at that heart rate in ms.
    p_duration, t_duration : float, default=110.0 and 182.0
        Durations of P and T in ms; the defaults are the medians that cardiologists marked in lead II of LUDB.

    Returns
    -------
    waves : dict
        For the parameter ``waves`` of :func:`make_ecg`. The intervals of its record are these on average; its RR
        intervals and, with them, PR and QT vary by what ``heart_rate_std`` makes them.

    Raises
    ------
    ValueError
        If a value is not a positive, finite number, or the waves do not follow one another: P before QRS, QRS before T,
        and T before the next P.

    Examples
    --------
    >>> from sklearn_ecg.datasets import make_ecg
    >>> from sklearn_ecg.preprocessing import wave_intervals
    >>> waves = waves_of_intervals(heart_rate=80, pr=150, qrs=90, qt=360)
    >>> record = make_ecg(10, fs=500, heart_rate=80, heart_rate_std=0, waves=waves, random_state=0)
    >>> wave_intervals([record.fiducials["II"]], fs=500).round().tolist()
    [[80.0, 150.0, 90.0, 360.0]]
    """
    spans = {"heart_rate": heart_rate, "pr": pr, "qrs": qrs, "qt": qt}
    spans |= {"p_duration": p_duration, "t_duration": t_duration}
    check_numbers(spans, {})
    rr = 60_000.0 / heart_rate
    if not (p_duration <= pr and qrs <= qt - t_duration and pr + qt <= rr):
        raise ValueError(f"The waves overlap: {', '.join(f'{name}={value:g}' for name, value in spans.items())}.")
    onset = -qrs / 2
    sharp = qrs / (3 * 2 * _BOUNDARY)  # Q and S take a third of QRS each
    centres_and_widths = {
        "P": (onset - pr + p_duration / 2, p_duration / (2 * _BOUNDARY)),
        "Q": (onset + _BOUNDARY * sharp, sharp),
        "R": (0.0, sharp),
        "S": (-onset - _BOUNDARY * sharp, sharp),
        "T": (onset + qt - t_duration / 2, t_duration / (2 * _BOUNDARY)),
    }
    return {name: _unscaled(name, *both, heart_rate) for name, both in centres_and_widths.items()}


def _unscaled(name, centre, width, heart_rate):
    """Phase in degrees, strength and width in radians that :func:`scaled_waves` turns into these milliseconds."""
    root, stretch = _stretches(heart_rate)
    to_radians = 2 * np.pi * heart_rate / 60_000.0
    _, strength, usual = NORMAL[name]
    b = width * to_radians / root
    return float(np.rad2deg(centre * to_radians / stretch[name])), float(strength * (usual / b) ** 2), float(b)
