"""PeriodicVAE: a variational autoencoder that decodes a filter of the record's impulse train, and the plain one."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..base._estimator import NetworkLayers
from ..parameters import BOOLEAN, COUNT, NOT_NEGATIVE, POSITIVE, SIZES, RandomState, one_of, parameter
from ._variational import VariationalTransformer


class PeriodicVAE(NetworkLayers, VariationalTransformer):
    """Variational autoencoder of ECG whose signals are periodic by construction, and a generator of ECG [1]_.

    The encoder tells the mean and the variance of a latent from a record. The decoder makes a *filter* of the latent,
    and the record is the filter convolved with the record's impulse train
    (:class:`~sklearn_ecg.ImpulseTrainExtractor`): where there is an impulse there is a beat. A plain variational
    autoencoder (``periodic=False``), whose decoder makes the signal itself, loses periods. The squared error, as a
    share of the variance of the signals and averaged over their samples, plus ``beta`` times the KL divergence is
    minimised.

    A soft train (``impulse="energy"``, the default) still shows the QRS complexes of the record it comes from. Two
    things follow. The reconstruction is given more than the latent, so that its error is not comparable with that of a
    plain variational autoencoder. And what is sampled with the soft train of a real record shows that person's QRS
    complexes and rhythm: it is *not private*. Samples whose trains come from the model of the RR intervals, the default
    of :meth:`sample`, use no train of a single record; where the network knows soft trains, the mean pulse of those of
    the training is placed on each beat.

    The latents of the training rows are not distributed as the prior of the variational autoencoder, N(0, I): with a
    small β they lie in a part of it, and the decoder has not learned what to make of the rest. :meth:`sample`
    therefore draws latents from a mixture of normal distributions that ``fit`` fits to the latents of the training
    rows, one for each class where there are classes. What is kept of the rows are its weights, means and covariances.
    They are averages over many rows, since there is at most one component for each 4 × ``latent_size`` of them, but
    that guarantees no privacy: a component can settle on the rows of one patient, or on a few that lie apart from the
    others, as a class of a few rows does, and its samples are like these rows. The weight of a component times the rows
    is how many it stands for.

    Both encoder and decoder are residual networks: a 1×1 convolution, blocks of twice normalisation, ReLU and
    convolution with 1×1 convolutions around them where they shorten the signal, and dense layers. The decoder is the
    encoder backwards; it repeats samples before the convolutions of stride one that transposed convolutions of stride
    one are. The default sizes are small. Those of [1]_, made for 4 s at 500 Hz, are ``channels=(16, 16, 16, 32, 48, 64,
    64, 80, 80, 80)`` with ``kernel_size`` 19 or 9; which blocks have a stride of two is not told.

    Ours are: standardised signals (about the mean of the records' medians) and trains (to unit energy of a beat), with
    which β has one meaning for all data; free bits; a bounded log-variance; the mixture; sampling without a real ECG;
    several leads, which share one train and have a filter each; classes. Rows that are equal get equal noise, so that a
    weight of two is two rows.

    While ``fit`` runs, the impulse trains of all rows are held in memory: as much as one lead of ``X``.

    Side columns do not pass through: they are standardised, seen by the encoder, and decoded from the latent by a
    linear layer, so that ``sample`` makes complete rows. ``transform`` therefore gives the latent alone.

    Attributes
    ----------
    n_latent_ : int
        Numbers that a signal becomes.
    classes_, class_prior_ : ndarray of shape (n_classes,)
        Labels and the weighted share of each in the training rows; with ``conditional`` only.
    mixtures_ : list of GaussianMixture, or None
        Distribution of the latents of the training rows: one, or one for each of ``classes_``. None where
        ``n_components`` is None.
    pulse_ : ndarray of shape (n_samples,)
        Mean of the training trains around an impulse, 0.1 s to both sides; with ``periodic`` only.
    heart_rate_ : tuple of float
        Mean and standard deviation, in bpm, over the training records, by their R peaks or, where ``fs`` is not between
        100 and 1000 Hz, by the maxima of their trains; with ``periodic`` only. Where no record has two: 60 and 0.
    history_ : list of dict
        For each epoch: number, training and validation loss, squared error ("reconstruction"), KL divergence in nats
        ("kl"), number of latents whose mean varies ("active_units"), seconds.

    References
    ----------
    .. [1] "This ECG Does Not Exist: using VAEs to generate periodic ECG signals".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecg import PeriodicVAE
    >>> from sklearn_ecg.datasets import make_ecg
    >>> X = np.vstack([make_ecg(4, fs=100, heart_rate=60 + i, random_state=i).signal for i in range(20)])
    >>> vae = PeriodicVAE(fs=100, latent_size=4, channels=(8, 8), max_epochs=2, random_state=0).fit(X)
    >>> vae.transform(X).shape
    (20, 4)
    >>> vae.sample(3, heart_rate=75, random_state=0).shape
    (3, 400)
    """

    fs: float = parameter("Sampling frequency of rows and trains in Hz.", POSITIVE)
    periodic: bool = parameter(
        "Decode a filter of the impulse train; otherwise the signal itself, and the next five parameters say nothing.",
        BOOLEAN,
        default=True,
    )
    impulse: str = parameter(
        "``method`` of the :class:`~sklearn_ecg.ImpulseTrainExtractor`.",
        one_of("energy", "peaks", "fixed_period"),
        default="energy",
    )
    binary: bool = parameter(
        "``binary`` of the :class:`~sklearn_ecg.ImpulseTrainExtractor`: impulses of one sample.", BOOLEAN, default=False
    )
    filter_length: float = parameter(
        "Length of the filter in seconds, its middle on the impulse; rounded to an odd number of samples.",
        POSITIVE,
        default=1.26,
    )
    taper: bool = parameter(
        "Multiply the filter by a bell, its middle 80 ms behind the impulse, of standard deviation 0.2 s. "
        "In a regular rhythm a wave can stand before its beat or, as well, behind the beat before; the bell "
        "makes the network learn the nearer place, so that the wave is right in other rhythms, too.",
        BOOLEAN,
        default=True,
    )
    stretch: bool = parameter(
        "Let P and T waves move with the rhythm: the filter is that of 60 bpm, and what is further than 60 "
        "ms from the impulse is stretched around it by the square root of the RR interval (in seconds) "
        "before the beat, rounded to one of eight factors.",
        BOOLEAN,
        default=False,
    )
    latent_size: int = parameter("Numbers that a signal becomes.", COUNT, default=60)
    channels: Sequence[int] = parameter(
        "Filters of each block of the encoder; the decoder has them in reverse order.",
        SIZES,
        default=(16, 24, 32, 48, 64),
    )
    kernel_size: int | Sequence[int] = parameter(
        "Samples in each filter, or in those of each block.",
        [*COUNT, "array-like"],
        default=9,
        kind="int or sequence of int",
    )
    stride: int | Sequence[int] = parameter(
        "Factor by which each block, or each one of them, shortens the signal.",
        [*COUNT, "array-like"],
        default=2,
        kind="int or sequence of int",
    )
    beta: float = parameter(
        "Weight of the KL divergence, in nats, summed over the latents: more of it makes samples more alike "
        "real ECG, and reconstructions coarser.",
        NOT_NEGATIVE,
        default=5e-3,
        training=True,
    )
    annealing: str | None = parameter(
        "How the weight grows to ``beta`` in training: once, linearly over the first half; in each of four "
        "cycles so; or not at all.",
        [*one_of("monotone", "cyclical"), None],
        default="monotone",
        training=True,
    )
    free_bits: float = parameter(
        "Divergence, in nats, that each latent of a record has for free.", NOT_NEGATIVE, default=0.0, training=True
    )
    n_components: int | None = parameter(
        "Normal distributions in the mixture that :meth:`sample` draws latents from, at most, for each "
        "class. None draws them from the prior.",
        [*COUNT, None],
        default=5,
        training=True,
    )
    conditional: bool = parameter(
        "Learn signals of the classes ``y``: the decoder is given the class, the encoder never sees it. "
        "Otherwise ``y``, which pipelines pass always, is ignored.",
        BOOLEAN,
        default=False,
    )
    lead_names: Sequence[str] | None = parameter(
        "Names of the leads, all different, upper or lower case; column names that tell others are an "
        "error. Where they are standard ones and I and II are among them, the limb leads that follow from "
        "the two are computed from them, so that what is decoded obeys Einthoven's and Goldberger's "
        "equations exactly.",
        ["array-like", None],
        default=None,
        kind="sequence of str or None",
    )
    max_epochs: int = parameter(default=100)
    batch_size: int = parameter(default=32)
    dropout: float = parameter(default=0.0)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train encoder and decoder, and fit the mixture to the latents of the training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_leads, n_timepoints)
            Signals.
        y : array-like of shape (n_samples,), default=None
            Labels of any kind; ignored unless ``conditional``.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; rows of weight zero are left out. The mixture takes each row as often as its weight
            says, rounded.
        groups : array-like of shape (n_samples,), default=None
            Patient of each row; the validation rows of ``early_stopping`` never share one with the training rows.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter is out of range; if ``X`` has NaN or infinite values, or does not agree with ``n_leads``,
            ``n_side_features`` or ``lead_names``; if ``conditional`` and there is no ``y``.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        self._begin_fit()
        X, weight, target = self._read_rows(X, y, sample_weight)
        index = np.flatnonzero(weight)
        labels = target[index] if self.conditional else None
        train, valid, seed = self._split_rows(index, labels, groups, len(X))
        trains = self._describe(X, weight, train)
        beside = self._beside(X, trains, target)
        n_classes = len(self.classes_) if self.conditional else 0
        if not self._continues():
            self.mixtures_ = None
        before = getattr(self, "module_", None)
        try:
            return self._train(n_classes, X, target, weight, train, valid, seed, beside)
        finally:  # an interrupted training is kept, too, one that diverges is not
            if getattr(self, "module_", None) is not before:
                self.mixtures_ = self._mix(X, weight, target, train, seed)

    def sample(
        self,
        n: int,
        *,
        heart_rate: ArrayLike | None = None,
        rr: str | ArrayLike | None = None,
        y: Any = None,
        impulse_trains: ArrayLike | None = None,
        random_state: RandomState | None = None,
    ) -> np.ndarray:
        """Make ECG of nobody: latents as those of the training rows are distributed, beats in a rhythm.

        Parameters
        ----------
        n : int
            Number of rows.
        heart_rate : float or array-like of shape (n,), default=None
            Mean heart rate in bpm, at most 300, in atrial fibrillation under 200. None draws one for each row, normally
            distributed as in the training records; rates under 30 bpm become 30, those over 300 bpm (in atrial
            fibrillation 180) become that.
        rr : {"sinus", "af"} or array-like of shape (n_intervals,) or (n, n_intervals), default=None
            What the intervals between beats are: those of sinus rhythm, the default, whose rate varies by 4 %, at 0.1
            Hz and, with twice the power, at 0.25 Hz; those of atrial fibrillation; or RR intervals in seconds, each of
            which ends with a beat, that together are as long as a record.
        y : label or array-like of shape (n,), default=None
            Class of the rows; with ``conditional`` only. None draws them as often as in the training rows.
        impulse_trains : array-like of shape (n_timepoints,) or (n, n_timepoints), default=None
            Trains in place of those of ``heart_rate`` and ``rr``. Soft trains of real records show their QRS complexes:
            the samples are not private then.
        random_state : int, RandomState instance or None, default=None
            Seed of latents and rhythm. None gives other rows at each call.

        Returns
        -------
        X : ndarray of shape (n, n_features_in_)
            Rows of signal and side features, in the units of the training rows.

        Raises
        ------
        ValueError
            If ``n`` is no positive integer, a class was not in the training rows, the rhythm contradicts itself or is
            too fast, or it is given to a plain variational autoencoder, which has none; if rates are drawn and the
            mean of the training records is not between 30 and 300 bpm (in atrial fibrillation 180).
        """
        check_is_fitted(self, "module_")
        if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
            raise ValueError(f"n must be an integer of at least 1, got {n!r}.")
        rng = np.random.default_rng(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        label = self._draw_labels(y, n, rng)
        Z = self._draw_latents(n, label, rng)
        trains = self._draw_trains(rng, n, heart_rate, rr, impulse_trains)
        return self._decode(Z, trains, label, self._dtype)
