"""A synthetic classification task: the beats of patients who differ."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state

from ..parameters import RandomState
from ..preprocessing._beat_features import RR_FEATURES
from ..preprocessing._beats import BEAT_TIMEPOINTS, BEAT_WINDOW, extract_beats
from ..signals._annotations import AAMI_OF_SYMBOL
from ..signals._validation import check_fs
from ._frame import as_requested
from ._synthetic import check_leads, simulate
from ._waves import ATRIAL, NORMAL, VENTRICULAR

_COUPLING = {"S": (0.6, 0.9), "V": (0.5, 0.9), "F": (0.88, 1.0)}

_ABOUT = """Beats of synthetic ECG, made with the dynamical model of McSharry et al. (2003) by `make_ecg`.

Every record is a patient with waves, heart rate, noise and ectopic beats of his own: some have inverted T waves, some
wide normal beats, some ventricular beats of negative polarity, some atrial fibrillation, in which early beats are
normal. Classes after ANSI/AAMI EC57: N normal, S supraventricular, V ventricular, F fusion.
"""


def make_beats(
    n_records: int = 20,
    *,
    duration: float = 60.0,
    fs: float = 360.0,
    leads: Sequence[str] | str = ("II",),
    window: Any = BEAT_WINDOW,
    n_timepoints: Any = BEAT_TIMEPOINTS,
    side_features: Any = RR_FEATURES,
    bandpass: Any = (0.5, 40.0),
    scale: Any = None,
    random_state: RandomState | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch:
    """Make a heartbeat classification task of synthetic patients, in the form of :func:`fetch_mitdb_beats`.

    The patients differ more from each other than the classes do from beat to beat, and the classes overlap: judge a
    classifier by patients it has not seen.

    Parameters
    ----------
    n_records : int, default=20
        Number of patients, one record each.
    duration : float, default=60.0
        Length of a record in seconds.
    fs : float, default=360.0
        Sampling frequency of the records in Hz.
    leads : sequence of str or "all", default=("II",)
        Standard leads.
    window, n_timepoints, side_features, bandpass, scale
        As in :func:`sklearn_ecg.preprocessing.extract_beats`.
    random_state : int, RandomState instance or None, default=None
        Determines the patients. The first ones stay the same when ``n_records`` grows.
    return_X_y : bool, default=False
        Return (data, target) only.
    as_frame : bool, default=False
        ``data`` as a pandas DataFrame and ``target`` as a Series; both together in ``frame``.

    Returns
    -------
    beats : Bunch
        ``data`` (float32 of shape (n_beats, n_leads * n_timepoints + n_side_features): lead after lead in mV, side
        features last), ``target`` ("N", "S", "V", "F"), and for every beat ``groups`` (patient), ``record`` (name),
        ``position`` (sample) and ``symbol``. Besides, ``fs`` of a row (Hz), ``lead_names``, ``n_leads``,
        ``n_side_features``, ``side_feature_names``, ``feature_names`` and ``DESCR``.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from sklearn_ecg.datasets import make_beats
    >>> beats = make_beats(4, duration=30, random_state=0)
    >>> beats.data.shape[1], beats.n_leads, beats.n_side_features
    (260, 1, 4)
    """
    _check_amount(n_records, duration)
    fs, leads = check_fs(fs, low=80.0), check_leads(leads)
    window, side_features = tuple(window), list(side_features or ())
    random_state = check_random_state(random_state)
    seeds = random_state.randint(np.iinfo(np.int32).max, size=n_records)
    records = [_patient(seed, f"synthetic{i:03d}", duration, fs, leads) for i, seed in enumerate(seeds)]
    form = {"window": window, "n_timepoints": n_timepoints, "side_features": side_features}
    signals, peaks = [record.signal for record in records], [record.peaks for record in records]
    beats = extract_beats(signals, peaks, fs=fs, bandpass=bandpass, scale=scale, **form)
    symbol = np.concatenate([record.symbols for record in records])
    names = np.array([record.name for record in records])[beats.record]
    bunch = Bunch(
        data=beats.data,
        target=np.array([AAMI_OF_SYMBOL[mark] for mark in symbol], dtype="U1"),
        groups=names,
        record=names.copy(),
        position=beats.position,
        symbol=symbol,
        fs=round(n_timepoints / sum(window), 9),
        lead_names=leads,
        n_leads=beats.n_leads,
        n_side_features=len(side_features),
        side_feature_names=side_features,
        DESCR=_ABOUT,
    )
    return as_requested(bunch, n_timepoints, return_X_y=return_X_y, as_frame=as_frame)


def _check_amount(n_records, duration):
    if not isinstance(n_records, (int, np.integer)) or n_records < 1:
        raise ValueError(f"n_records must be a positive integer, got {n_records!r}.")
    if not (np.isfinite(duration) and duration > 0):
        raise ValueError(f"duration must be a positive number of seconds, got {duration!r}.")


def _patient(seed, name, duration, fs, leads):
    """Record of a patient drawn at random."""
    rng = np.random.default_rng(seed)
    fibrillating = rng.uniform() < 0.12
    ectopic = _burden(rng)
    if fibrillating:
        del ectopic["S"]
    return simulate(
        np.random.RandomState(seed),
        duration=duration,
        fs=fs,
        leads=leads,
        tables=_anatomy(rng),
        amplitude=rng.lognormal(0.0, 0.3),
        respiration=rng.uniform(0.0, 0.15),
        noise={
            "baseline": rng.uniform(0.02, 0.2),
            "muscle": rng.lognormal(np.log(0.02), 0.6),
            "mains": rng.uniform(0.0, 0.02),
            "motion": rng.uniform(0.0, 0.1),
            "mains_frequency": rng.choice([50.0, 60.0]),
        },
        rhythm={
            "rhythm": "af" if fibrillating else "sinus",
            "heart_rate": rng.uniform(52, 105),
            "heart_rate_std": rng.uniform(1.0, 4.0),
            "lf_hf_ratio": rng.uniform(0.3, 2.0),
            "ectopic": ectopic,
            "coupling": _COUPLING,
        },
        name=name,
        variability=rng.uniform(0.03, 0.12),
    )


def _burden(rng):
    """Probability of each ectopic kind: a few patients have most of the beats."""
    weight = rng.uniform(size=3) ** 2
    return dict(zip("SVF", weight * (0.2, 0.25, 0.06), strict=True))


def _anatomy(rng):
    """Wave tables of one patient."""
    normal = _varied(rng, NORMAL)
    if rng.uniform() < 0.15:
        normal["T"] = _times(normal["T"], strength=-0.7)
    if rng.uniform() < 0.2:  # bundle branch block
        normal |= {"R": _times(normal["R"], strength=0.5, width=1.4), "S": _times(normal["S"], width=1.5)}
    ventricular = _varied(rng, VENTRICULAR)
    sign = -1.0 if rng.uniform() < 0.4 else 1.0
    narrow = rng.uniform(0.75, 1.15)
    ventricular = {wave: _times(shape, strength=sign / narrow**2, width=narrow) for wave, shape in ventricular.items()}
    atrial = {**normal, "P": _varied(rng, {"P": ATRIAL["P"]})["P"]}
    if rng.uniform() < 0.5:
        atrial["P"] = _times(atrial["P"], strength=-1.0)
    return {"N": normal, "S": atrial, "V": ventricular}


def _varied(rng, table):
    return {
        wave: (
            angle + (0.0 if wave == "R" else rng.normal(0.0, 2.0 + abs(angle) / 30)),
            strength * rng.lognormal(0.0, 0.3),
            width * rng.lognormal(0.0, 0.1),
        )
        for wave, (angle, strength, width) in table.items()
    }


def _times(shape, strength=1.0, width=1.0):
    return (shape[0], shape[1] * strength, shape[2] * width)
