"""New ECG from the trained generator Pulse2Pulse."""

import warnings
from contextlib import contextmanager
from importlib.resources import files
from numbers import Integral

import numpy as np
from sklearn.utils import Bunch, check_random_state

from ..parameters import RandomState
from ..signals._annotations import INDEPENDENT_LEADS
from ..signals._validation import signal_feature_names
from ._deepfake import FS, MICROVOLT, N_TIMEPOINTS

_FULL_SCALE = 6000 * MICROVOLT
_CHECKPOINT = ("checkpoints", "g_stat.pt")
_ABOUT = """Pulse2Pulse (Thambawita et al. 2021, doi:10.1038/s41598-021-01295-2), with the weights of the package
deepfake-ecg 1.1.2 (MIT licence): a generative adversarial network that was trained on 7,233 normal recordings. The
signals carry no labels.
"""


def make_pulse2pulse(n_samples: int = 100, *, random_state: RandomState | None = None) -> Bunch:
    """Make normal ECG of ten seconds in eight leads with the trained generator of DeepFake ECG.

    Needs the package ``deepfake-ecg``, which carries the weights: ``pip install sklearn_ecg[deepfake]``. A record takes
    about 30 ms on one CPU core. Where the package's own function deviates: it rounds to whole µV towards zero and
    writes text files; here the numbers stay as the network gives them.

    Parameters
    ----------
    n_samples : int, default=100
        Number of records.
    random_state : int, RandomState instance or None, default=None
        Seed of the noise from which the records are made; more records with the same seed begin with the same ones.

    Returns
    -------
    pulse2pulse : Bunch
        ``data`` : float32 of shape (n_samples, 8 * 5000), lead after lead in mV.
        ``fs`` (Hz, 500), ``lead_names`` (I, II, V1 to V6), ``n_leads``, ``n_side_features``, ``feature_names``,
        ``DESCR``.

    Raises
    ------
    ImportError
        If the package is missing or carries no weights.
    ValueError
        If ``n_samples`` is not a positive integer.

    References
    ----------
    V. Thambawita et al., "DeepFake electrocardiograms using generative adversarial networks are the beginning of the
    end for privacy issues in medicine", Scientific Reports 11, 21896, 2021, doi:10.1038/s41598-021-01295-2.
    """
    if not isinstance(n_samples, Integral) or isinstance(n_samples, bool) or n_samples < 1:
        raise ValueError(f"n_samples must be a positive integer, got {n_samples!r}.")
    rng = check_random_state(random_state)
    generator = load_generator()
    data = np.empty((n_samples, len(INDEPENDENT_LEADS) * N_TIMEPOINTS), dtype=np.float32)
    for row in data:  # one by one, so that a record does not depend on those beside it
        noise = rng.uniform(-1.0, 1.0, size=(1, len(INDEPENDENT_LEADS), N_TIMEPOINTS))
        row[:] = generate(generator, noise).ravel()
    return Bunch(
        data=data,
        fs=float(FS),
        lead_names=INDEPENDENT_LEADS,
        n_leads=len(INDEPENDENT_LEADS),
        n_side_features=0,
        feature_names=signal_feature_names(INDEPENDENT_LEADS, N_TIMEPOINTS),
        DESCR=_ABOUT,
    )


def generate(generator, noise):
    """Signals in mV, (n, 8, 5000), that ``generator`` makes of ``noise`` of the same shape."""
    import torch

    with torch.inference_mode():
        return generator(torch.as_tensor(noise, dtype=torch.float32)).numpy() * np.float32(_FULL_SCALE)


def load_generator():
    """The trained network, built without a trace in the global generators."""
    import torch

    with _quiet(), torch.random.fork_rng(devices=[]):
        try:
            from deepfakeecg import Generator
        except ImportError as error:
            raise ImportError(
                "make_pulse2pulse needs the package deepfake-ecg: pip install sklearn_ecg[deepfake]"
            ) from error
        generator = Generator()
    path = files("deepfakeecg").joinpath(*_CHECKPOINT)
    if not path.is_file():
        raise ImportError(f"The package deepfake-ecg carries no {'/'.join(_CHECKPOINT)}: version 1.1.2 does.")
    with path.open("rb") as file:
        generator.load_state_dict(torch.load(file, map_location="cpu", weights_only=True)["stat_dict"])
    return generator.eval()


@contextmanager
def _quiet():
    """The package initialises its network by a deprecated name, which is no concern of the caller."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
