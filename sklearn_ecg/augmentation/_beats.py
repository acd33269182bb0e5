"""Random changes of beats in training."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

from ..signals._validation import check_fs


@dataclass(frozen=True, kw_only=True)
class BeatAugmentation:
    """Random changes of the signals in training, drawn anew for every batch: the ``augment`` of the classifiers.

    All amplitudes are relative, so that it does not matter how the signals were scaled. Side features stay as they are.

    Parameters
    ----------
    fs : float
        Sampling frequency of the signals in Hz.
    amplitude : float, default=0.1
        Standard deviation of the logarithm of the factor that multiplies each row.
    time : float, default=0.05
        Largest share, below 1, by which each row is stretched or shrunk in time.
    centre : float, default=0.5
        Where the stretching leaves the signal in place, as a share of the row: the R peak of a beat.
    wander : float, default=0.1
        Standard deviation of the height of a sine of 0.05 to 0.7 Hz that is added to each lead, relative to the lead's
        own standard deviation in the row.
    noise : float, default=0.05
        Largest standard deviation of the muscle noise added, likewise relative.
    lead_dropout : float, default=0.0
        Probability, below 1, with which each lead is set to zero; of every row one lead drawn at random is spared.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ecg.augmentation import BeatAugmentation
    >>> augment = BeatAugmentation(fs=360, noise=0.0, wander=0.0)
    >>> augment(torch.zeros(4, 2, 256)).shape
    torch.Size([4, 2, 256])
    """

    fs: float
    amplitude: float = 0.1
    time: float = 0.05
    centre: float = 0.5
    wander: float = 0.1
    noise: float = 0.05
    lead_dropout: float = 0.0

    def __call__(self, signals: Any) -> Any:
        """Changed copies of the signals.

        Parameters
        ----------
        signals : torch.Tensor of shape (n_samples, n_leads, n_timepoints)
            Signals, in any one unit.

        Returns
        -------
        changed : torch.Tensor of shape (n_samples, n_leads, n_timepoints)

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        TypeError
            If a parameter is no number.
        """
        from ..nn import augmentations as change

        self._check()
        if self.time:
            signals = change.scale_time(signals, self.time, self.centre * (signals.shape[-1] - 1))
        if self.amplitude:
            signals = change.scale_amplitude(signals, self.amplitude)
        if self.wander:
            signals = change.add_wander(signals, self.wander, self.fs)
        if self.noise:
            signals = change.add_muscle_noise(signals, self.noise)
        return change.drop_leads(signals, self.lead_dropout) if self.lead_dropout else signals

    def _check(self):
        check_fs(self.fs)
        most = {"time": 1, "lead_dropout": 1, "centre": 1 + 1e-12}
        for name in ("amplitude", "time", "centre", "wander", "noise", "lead_dropout"):
            value, bound = getattr(self, name), most.get(name, float("inf"))
            if not isinstance(value, Real) or isinstance(value, bool):
                raise TypeError(f"{name} must be a number, got {value!r}.")
            if not 0 <= value < bound:
                wanted = "in [0, 1]" if name == "centre" else "in [0, 1)" if bound == 1 else "at least 0 and finite"
                raise ValueError(f"{name} must be {wanted}, got {value!r}.")
