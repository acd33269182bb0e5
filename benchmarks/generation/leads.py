"""Four seconds of lead II from variational autoencoders, beside what real windows of other patients are like."""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import convolve1d

from sklearn_ecg import ImpulseTrainExtractor, PeriodicVAE
from sklearn_ecg.datasets import make_ecg
from sklearn_ecg.metrics import diversity, memorisation, mmd_report, periodicity, rr_distance

from .._kept import kept
from .._results import cpu_timer, print_table, write_results
from . import data

SETTINGS = {
    "fs": data.FS,
    "latent_size": 16,
    "channels": (8, 16, 24, 32, 48),
    "max_epochs": 40,
    "lr": 2e-3,
    "lr_schedule": "one-cycle",
    "beta": 3e-3,
    "n_components": 5,
}
HELD_OUT, DRAWN, OWN, NO_TRAIN = "trains of held-out patients", "trains of drawn beats", "sample()", "no train"
PRIOR = ", latents from the prior"
REAL = "real, training patients"


@dataclass(frozen=True)
class Net:
    """A network: settings that differ from ``SETTINGS``, and whether several seeds tell its stability."""

    settings: dict = field(default_factory=dict)
    many_seeds: bool = False

    def fit(self, X, seed):
        return PeriodicVAE(**(SETTINGS | self.settings), random_state=seed).fit(X)

    def samples(self, vae, test, seed):
        """Name of how they were made → windows, as many as ``test`` has.

        Latents are drawn from the mixture that the autoencoder was fitted with, and once from its prior.
        """
        n = len(test)
        Z = np.random.default_rng(seed).normal(size=(n, vae.n_latent_))
        if not self.settings.get("periodic", True):
            return {NO_TRAIN: vae.sample(n, random_state=seed), NO_TRAIN + PRIOR: vae.inverse_transform(Z)}
        method = self.settings.get("impulse", "energy")
        real = ImpulseTrainExtractor(fs=data.FS, method=method).fit_transform(test)
        drawn = place_pulses(draw_rhythm(n, *vae.heart_rate_), vae.pulse_)
        samples = {OWN: vae.sample(n, random_state=seed)}
        for made, trains in ((HELD_OUT, real), (DRAWN, drawn)):
            samples[made] = vae.sample(n, impulse_trains=trains, random_state=seed)
            samples[made + PRIOR] = vae.inverse_transform(Z, impulse_trains=trains)
        return samples


NETS = {
    "plain": Net({"periodic": False}),
    "periodic, energy": Net(many_seeds=True),
    "periodic, peaks": Net({"impulse": "peaks"}),
    "periodic, fixed period": Net({"impulse": "fixed_period"}),
}


@dataclass(frozen=True)
class Fit:
    """What is kept of a fit."""

    samples: dict
    history: list
    heart_rate: tuple  # of the training windows: mean and standard deviation, None without trains
    r2: float
    cpu_seconds: float


class Measure:
    """Measures of windows beside the real ones of the test patients."""

    def __init__(self, train, test, seed):
        self.test, self.seed = test, seed
        self.beats, window = data.cut_beats(test.X, test.peaks)
        self.patients_of_beats = test.patient[window]
        self.train_beats, _ = data.cut_beats(train.X, train.peaks)
        self.rr, window = data.rr_of(test.peaks)
        self.patients_of_rr = test.patient[window]

    def __call__(self, X, expected=None):
        peaks = data.find_peaks(X)
        beats, _ = data.cut_beats(X, peaks)
        rr, _ = data.rr_of(peaks)
        by_patient = {"groups": self.patients_of_beats, "random_state": self.seed}
        settings = {"fs": data.FS, "n_timepoints": data.WIDTH, "expected": expected}
        return {
            "periodicity": periodicity(peaks, **settings).to_dict(),
            "rr": rr_distance(self.rr, rr, groups=self.patients_of_rr, random_state=self.seed).to_dict(),
            "mmd": mmd_report(self.beats, beats, **by_patient).to_dict(),
            "diversity": diversity(self.beats, beats, random_state=self.seed).to_dict(),
            "memorisation": memorisation(self.train_beats, beats, self.beats).to_dict(),
        }


def leads(args):
    """Networks fitted to the windows of some patients, measured on those of the others."""
    train, test = data.load_windows(args.data_home, args.seed)
    if args.only:
        fitted(NETS[args.only], args.only, train, test, args.seed + args.skip, args)
        return
    measure = Measure(train, test, args.seed)
    other = np.random.default_rng(args.seed).permutation(len(train))[: len(test)]
    measured = {REAL: [measure(train[other].X, train[other].peaks)]}
    fits = {}
    for name, net in NETS.items():
        for seed in range(args.seed, args.seed + ((args.n_seeds or 5) if net.many_seeds else 1)):
            fit = fitted(net, name, train, test, seed, args)
            fits.setdefault(name, []).append(fit)
            for made, X in fit.samples.items():
                measured.setdefault(f"{name}: {made}", []).append(measure(X, expected_in(made, test, fit)))
    report(measured, fits, train, test, args)


def fitted(net, name, train, test, seed, args):
    """One fit: read where it was kept, or made and kept."""

    def make():
        with cpu_timer() as timer:
            vae = net.fit(train.X, seed)
        print(name, seed, f"{timer.seconds:.0f} CPU s", vae.history_[-1], flush=True)
        samples = {made: X.astype(np.float32) for made, X in net.samples(vae, test.X, seed).items()}
        heart_rate = getattr(vae, "heart_rate_", None)
        return Fit(samples, vae.history_, heart_rate, vae.score(test.X), timer.seconds)

    return kept("generation", f"leads-{name}-{seed}", (net, SETTINGS, seed, args.seed), make, resume=args.resume)


def expected_in(made, test, fit):
    """Samples where the windows should have beats; None without trains."""
    if made.startswith(HELD_OUT):
        return test.peaks
    return draw_rhythm(len(test), *fit.heart_rate) if made.startswith(DRAWN) else None


def draw_rhythm(n, mean, deviation):
    """Beats of ``n`` windows in sinus rhythm, whose rates are normally distributed; the same at every call."""
    rng = np.random.default_rng(0)
    rhythms = []
    for rate in np.clip(rng.normal(mean, deviation, n), 40, 160):
        start = rng.integers(2 * data.FS)
        settings = {"heart_rate": rate, "heart_rate_std": 0.04 * rate, "random_state": int(rng.integers(2**31))}
        record = make_ecg(data.SECONDS + 2, fs=data.FS, **settings)
        inside = record.peaks[(record.peaks >= start) & (record.peaks < start + data.WIDTH)]
        rhythms.append(inside - start)
    return rhythms


def place_pulses(rhythms, pulse):
    """Impulse trains: a pulse at each beat."""
    trains = np.zeros((len(rhythms), data.WIDTH))
    for train, beats in zip(trains, rhythms, strict=True):
        train[beats] = 1
    return convolve1d(trains, pulse, axis=1, mode="constant")


COLUMNS = {
    "every beat is there": ("periodicity", "complete", "{:.3f}"),
    "no gap": ("periodicity", "gap_free", "{:.3f}"),
    "irregularity of RR": ("periodicity", "irregularity", "{:.3f}"),
    "RR distance, × floor": ("rr", "multiple", "{:.1f}"),
    "MMD² of beats, × floor": ("mmd", "multiple", "{:.1f}"),
    "distance between beats, × real": ("diversity", "distance_ratio", "{:.2f}"),
    "dimensions, × real": ("diversity", "dimension_ratio", "{:.2f}"),
    "nearest training beat, × real": ("memorisation", "ratio", "{:.2f}"),
    "copies": ("memorisation", "copied", "{:.3f}"),
}


def report(measured, fits, train, test, args):
    rows = [[name, *(_cell(runs, *where) for where in COLUMNS.values())] for name, runs in measured.items()]
    surrogates = measured[REAL][0]["mmd"]["surrogate_multiples"]
    rows += [
        [name, *("–" if key != "MMD² of beats, × floor" else f"{value:.1f}" for key in COLUMNS)]
        for name, value in surrogates.items()
    ]
    training = {
        name: [
            {
                "r2": fit.r2,
                "cpu_seconds": fit.cpu_seconds,
                **{key: fit.history[-1][key] for key in ("reconstruction", "kl", "active_units")},
                "kl_by_epoch": [round(epoch["kl"], 2) for epoch in fit.history],
            }
            for fit in of_net
        ]
        for name, of_net in fits.items()
    }
    write_results(
        "generation_leads",
        {
            "protocol": protocol(measured, train, test),
            "metrics": {"samples": measured, "training": training},
            "caption": "Generated windows of lead II, 4 s at 250 Hz; in brackets least and largest of the seeds",
            "table": {"columns": ["windows", *COLUMNS], "rows": rows},
        },
        args=args,
    )
    print_table(["windows", *COLUMNS], rows)
    for name, runs in training.items():
        for run in runs:
            print(name, {key: value for key, value in run.items() if key != "kl_by_epoch"}, flush=True)


def protocol(measured, train, test):
    mmd = measured[REAL][0]["mmd"]
    before, after = data.BEAT["window"]
    beat = f"{data.BEAT['n_timepoints']} samples, {before} s before R to {after} s behind it"
    return (
        "LUDB and PTB-XL, lead II, 0.5 to 40 Hz, each window with mean 0 and standard deviation 1; "
        f"{len(train)} windows of {len(set(train.patient))} patients train, {len(test)} of {len(set(test.patient))} "
        "others test; as many are generated, R peaks found in them by the library's detector. Floor: halves of the "
        f"test patients, {mmd['n_splits']} times. MMD²: unbiased, Gaussian kernel, bandwidth {mmd['bandwidth']:.2f} "
        f"(median distance), columns standardised, {mmd['n_real']} real beats of {beat}. No gap: none of more than 1.5 "
        "median RR intervals. Every beat is there: where the R peaks of the held-out patients are, or the drawn beats "
        "of sinus rhythm, rates as in the training windows, on which the mean pulse is put; sample() draws its own "
        "rhythm. Windows above 4 mV or with fewer than two beats are left out. "
        "Copies: much nearer to a training beat than real beats are. Latents are of the "
        f"mixture of {SETTINGS['n_components']} normal distributions that the autoencoder fits to those of training "
        "windows, or from its prior. Settings were chosen on the split of seed 0"
    )


def _cell(runs, report, key, form):
    values = [run[report][key] for run in runs]
    if None in values:
        return "–"
    text = form.format(np.mean(values))
    return text if len(values) == 1 else f"{text} [{form.format(min(values))}, {form.format(max(values))}]"
