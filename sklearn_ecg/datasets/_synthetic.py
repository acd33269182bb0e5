"""Synthetic ECG: a dynamical model with rhythm, ectopic beats, noise and known fiducial points."""

from collections.abc import Sequence

import numpy as np
from sklearn.utils import check_random_state

from ..parameters import RandomState
from ..signals._annotations import STANDARD_LEADS
from ..signals._record import ECGRecord
from ..signals._rhythm import check_fastest
from ..signals._validation import check_fs
from . import _rows
from ._noise import check_numbers, draw_noise
from ._rhythm import COUPLING, FASTEST_ECTOPIC, LEAD_IN, make_rhythm
from ._waves import (
    FIBRILLATION_GAIN,
    NORMAL,
    TABLES,
    UNIT_PEAK,
    fiducials,
    lead_matrix,
    scaled_waves,
    trace,
)
from ._wfdb import ANNOTATION_DTYPE

_FINEST = 500.0  # Hz, at least, of the simulation
_RESPIRATION = 0.25  # Hz
_SYMBOL_OF_KIND = {"N": "N", "S": "A", "V": "V", "F": "F"}


def make_ecg(
    duration: float = 10.0,
    *,
    fs: float = 360.0,
    heart_rate: float = 60.0,
    heart_rate_std: float = 1.0,
    lf_hf_ratio: float = 0.5,
    rhythm: str = "sinus",
    ectopic: dict | None = None,
    leads: Sequence[str] | str = ("II",),
    waves: dict | None = None,
    amplitude: float = 1.0,
    respiration: float = 0.15,
    baseline: float = 0.0,
    muscle: float = 0.0,
    mains: float = 0.0,
    motion: float = 0.0,
    mains_frequency: float = 50.0,
    random_state: RandomState | None = None,
    name: str = "synthetic",
) -> ECGRecord:
    """Make an ECG with the dynamical model ECGSYN, and everything there is to know about it.

    Parameters
    ----------
    duration : float, default=10.0
        Length in seconds.
    fs : float, default=360.0
        Sampling frequency in Hz, at least 50.
    heart_rate, heart_rate_std : float, default=60.0 and 1.0
        Mean and standard deviation of the heart rate in bpm; the latter holds for sinus rhythm. At most 300 bpm, in
        atrial fibrillation under 200. From about 190 bpm on, P begins before T ends.
    lf_hf_ratio : float, default=0.5
        Power of the tachogram at 0.1 Hz over its power at 0.25 Hz.
    rhythm : {"sinus", "af"}, default="sinus"
        Sinus rhythm, or atrial fibrillation: irregular intervals, f-waves in place of P waves.
    ectopic : dict, default=None
        Probability of a beat to be "S" (atrial: early, abnormal P, normal QRS), "V" (ventricular: early, wide, no P,
        compensatory pause) or "F" (fusion of a normal and a ventricular beat). Two ectopic beats are never adjacent,
        so that there are somewhat fewer. None comes sooner than 0.3 s after the beat before, so that a fast heart has
        no room for early ones: "V" wants a heart rate under 150 bpm, "S" under 160, "F" under 194. "S" goes with sinus
        rhythm only.
    leads : sequence of str or "all", default=("II",)
        Standard leads. Eight are independent, the others follow from I and II.
    waves : dict, default=None
        Wave ("P", "Q", "R", "S", "T") → (phase in degrees, strength a, width b in radians) of the normal beat at 60
        bpm, in place of ECGSYN's; :func:`waves_of_intervals` makes them for chosen PR, QRS and QT.
    amplitude : float, default=1.0
        Height of ECGSYN's R wave in lead II, in mV.
    respiration : float, default=0.15
        Amplitude in mV of ECGSYN's baseline z₀ at 0.25 Hz.
    baseline, muscle, mains, motion : float, default=0.0
        Noise in mV (root mean square in each independent lead): wander under 0.5 Hz; muscle noise above 20 Hz;
        mains hum; electrode jumps.
    mains_frequency : float, default=50.0
        Frequency of the hum in Hz; from ``fs / 2`` on it is seen folded, as by a recorder without a filter.
    random_state : int, RandomState instance or None, default=None
        The same seed gives the same heart whatever the noise.
    name : str, default="synthetic"
        Name of the record.

    Returns
    -------
    record : ECGRecord
        ``signal`` in mV, ``peaks`` (R, in samples), ``symbols`` (N, A, V, F), ``annotations`` with the rhythm, and
        ``fiducials``: for every lead the same P, QRS and T with onset, peak and offset, which lie two widths b from
        the centre of the (outermost) wave. The peak of a QRS is the R peak of lead II.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or ``heart_rate_std`` makes an RR interval shorter than 0.15 s.

    Notes
    -----
    The model is that of McSharry et al. [1]_. Where it deviates: z is computed by an exact filter and not by a
    Runge–Kutta scheme; amplitudes are fixed in mV rather than scaled to the record's extremes; ectopic beats, atrial
    fibrillation, leads other than II and noise are ours. ECGSYN stretches all waves with the RR interval. Around an
    ectopic beat they keep the timing of the sinus interval here: a premature beat shortens, and a pause lengthens, the
    rest between the waves, but not P and T themselves.

    References
    ----------
    .. [1] P. E. McSharry, G. D. Clifford, L. Tarassenko, L. A. Smith, "A dynamical model for generating synthetic
       electrocardiogram signals", IEEE Trans. Biomed. Eng. 50(3), 2003, doi:10.1109/TBME.2003.808805.

    Examples
    --------
    >>> from sklearn_ecg.datasets import make_ecg
    >>> record = make_ecg(10, fs=500, heart_rate=75, leads=("II", "V5"), random_state=0)
    >>> record.signal.shape
    (2, 5000)
    """
    fs = check_fs(fs, low=50.0)
    noise = {"baseline": baseline, "muscle": muscle, "mains": mains, "motion": motion}
    others = {"heart_rate_std": heart_rate_std, "lf_hf_ratio": lf_hf_ratio, "respiration": respiration, **noise}
    check_numbers({"duration": duration, "heart_rate": heart_rate, "amplitude": amplitude}, others)
    check_fastest(heart_rate, heart_rate)
    normal = _normal_beat(waves)
    return simulate(
        check_random_state(random_state),
        duration=duration,
        fs=fs,
        leads=check_leads(leads),
        tables={**TABLES, "N": normal, "S": {**normal, "P": TABLES["S"]["P"]}},
        amplitude=amplitude,
        respiration=respiration,
        noise={**noise, "mains_frequency": mains_frequency},
        rhythm={
            "rhythm": rhythm,
            "heart_rate": heart_rate,
            "heart_rate_std": heart_rate_std,
            "lf_hf_ratio": lf_hf_ratio,
            "ectopic": _check_ectopic(ectopic, rhythm, heart_rate),
        },
        name=name,
    )


def _normal_beat(waves):
    unknown = set(waves or {}) - set(NORMAL)
    if unknown:
        raise ValueError(f"Unknown wave(s) {sorted(unknown)}; known are {list(NORMAL)}.")
    return {**NORMAL, **(waves or {})}


def simulate(
    random_state, *, duration, fs, leads, tables, amplitude, respiration, noise, rhythm, name, variability=0.0
):
    """Record of checked parameters; ``rhythm`` and ``noise`` go to the functions of these names."""
    # one generator a purpose, so that more noise leaves the heart as it is
    seeds = random_state.randint(np.iinfo(np.int32).max, size=4)
    beat_rng, wave_rng, atrial_rng, noise_rng = (np.random.default_rng(seed) for seed in seeds)
    beats = make_rhythm(beat_rng, duration, **{"coupling": COUPLING, **rhythm})
    fibrillating = rhythm["rhythm"] == "af"
    waves = scaled_waves(_without_p(tables) if fibrillating else tables, rhythm["heart_rate"])
    finer = int(np.ceil(_FINEST / fs))
    n_timepoints = max(round(duration * fs), 1)
    step = 1 / (fs * finer)
    start = int(LEAD_IN * fs) * finer  # samples of the lead-in
    times = (np.arange(start + n_timepoints * finer) - start) * step

    weights = lead_matrix(leads)
    drive = respiration / amplitude * UNIT_PEAK * np.sin(2 * np.pi * _RESPIRATION * times)
    z = trace(beats, waves, weights, times, step, drive=drive, variability=variability, rng=wave_rng)
    signal = z[:, start::finer] * (amplitude / UNIT_PEAK)
    if fibrillating:
        signal += (weights @ FIBRILLATION_GAIN)[:, None] * amplitude * _f_waves(atrial_rng, n_timepoints, fs)
    signal += weights @ draw_noise(noise_rng, (weights.shape[1], n_timepoints), fs, **noise)

    peaks = np.rint(beats.time * fs).astype(np.int64)
    inside = (peaks >= 0) & (peaks < n_timepoints)
    symbols = np.array([_SYMBOL_OF_KIND[kind] for kind in beats.kind[inside]], dtype="U1")
    marks = fiducials(beats, waves, fs, n_timepoints)
    note = [(0, "+", "(AFIB" if fibrillating else "(N")]
    return ECGRecord(
        name=name,
        signal=signal,
        fs=fs,
        lead_names=leads,
        peaks=peaks[inside],
        symbols=symbols,
        fiducials=dict.fromkeys(leads, marks),
        annotations=np.array(
            note + [(at, symbol, "") for at, symbol in zip(peaks[inside], symbols, strict=True)], dtype=ANNOTATION_DTYPE
        ),
    )


def _without_p(tables):
    return {kind: {wave: shape for wave, shape in table.items() if wave != "P"} for kind, table in tables.items()}


def _f_waves(rng, n_timepoints, fs, height=0.08):
    """Fibrillatory waves: a sawtooth of two harmonics at 5 to 7 Hz, whose rate and size wander."""
    time = np.arange(n_timepoints) / fs
    rate = rng.uniform(5.0, 7.0) + 0.4 * np.sin(2 * np.pi * (0.13 * time + rng.uniform()))
    phase = 2 * np.pi * (np.cumsum(rate) / fs + rng.uniform())
    swell = 1 + 0.4 * np.sin(2 * np.pi * (0.31 * time + rng.uniform()))
    return height * swell * (np.sin(phase) + 0.4 * np.sin(2 * phase))


def check_leads(leads):
    """Tuple of standard leads, of which "all" is every one."""
    return _rows.check_leads(STANDARD_LEADS if isinstance(leads, str) and leads == "all" else leads)


def _check_ectopic(ectopic, rhythm, heart_rate):
    if rhythm not in ("sinus", "af"):
        raise ValueError(f"rhythm must be 'sinus' or 'af', got {rhythm!r}.")
    ectopic = dict(ectopic or {})
    allowed = ("S", "V", "F") if rhythm == "sinus" else ("V", "F")
    if not set(ectopic) <= set(allowed):
        raise ValueError(f"ectopic must have the keys {allowed} in rhythm {rhythm!r}, got {sorted(ectopic)}.")
    if any(not 0 <= value <= 1 for value in ectopic.values()) or sum(ectopic.values()) > 1:
        raise ValueError(f"ectopic must hold probabilities that sum to 1 at most, got {ectopic}.")
    for kind in ectopic:
        if ectopic[kind] and heart_rate >= FASTEST_ECTOPIC[kind]:
            raise ValueError(
                f"heart_rate must be under {FASTEST_ECTOPIC[kind]:g} bpm for ectopic beats {kind!r}, which come early, "
                f"got {heart_rate!r}."
            )
    return ectopic
