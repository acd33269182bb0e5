"""The training of a class-conditional Wasserstein GAN on rows that are read a batch at a time."""

import copy

import numpy as np
import torch

from ..nn.gan import gradient_penalty

_BETAS = (0.0, 0.9)  # no momentum: the two networks move against each other
_ROWS_AT_ONCE = 4096


class ClassRows:
    """The rows of each class and what they measure; of the data, only the rows in hand are copied."""

    def __init__(self, X, codes, layout):
        self.X, self.layout = X, layout
        self.counts = np.bincount(codes)
        self.starts = np.cumsum(self.counts) - self.counts
        self.order = np.argsort(codes, kind="stable")
        self._measure()

    def _measure(self):
        """Mean and scale over all classes alike; the smallest and the largest values of each class.

        Signals have one scale for each lead, so that a quiet stretch of the beat is not blown up.
        """
        rows = np.split(self.order, self.starts[1:])
        with np.errstate(over="ignore", invalid="ignore"):
            mean, variance, self.low, self.high = map(
                np.array, zip(*(column_statistics(self.X, part) for part in rows), strict=True)
            )
            self.mean = mean.mean(axis=0)
            variance = (variance + (mean - self.mean) ** 2).mean(axis=0)
        if not np.isfinite(variance).all():
            raise ValueError("X has values too large for their variance to be computed in float64; scale X first.")
        n_signal = self.layout.n_signal_features
        of_leads = variance[:n_signal].reshape(self.layout.n_leads, -1).mean(axis=1)
        variance[:n_signal] = np.repeat(of_leads, self.layout.n_timepoints)
        self.scale = np.sqrt(variance)
        self.scale[self.scale < 1e-8 * np.maximum(1, np.abs(self.mean))] = 1.0

    def draw(self, n, rng):
        """``n`` standardised rows drawn with replacement, each class as often as the others, and their classes."""
        n_classes = len(self.counts)
        codes = (np.arange(n) + rng.integers(n_classes)) % n_classes
        chosen = self.order[self.starts[codes] + rng.integers(self.counts[codes])]
        rows = np.take(self.X, chosen, axis=0).astype(np.float64)
        return (rows - self.mean) / self.scale, codes


def column_statistics(X, index):
    """Mean, variance, smallest and largest value of every column over the rows ``index``, in float64."""
    parts = [index[start : start + _ROWS_AT_ONCE] for start in range(0, len(index), _ROWS_AT_ONCE)]
    mean = sum(X[part].sum(axis=0, dtype=np.float64) for part in parts) / len(index)
    variance = sum(((X[part] - mean) ** 2).sum(axis=0, dtype=np.float64) for part in parts) / len(index)
    low = np.min([X[part].min(axis=0) for part in parts], axis=0).astype(np.float64)
    high = np.max([X[part].max(axis=0) for part in parts], axis=0).astype(np.float64)
    return mean, variance, low, high


class WassersteinTraining:
    """A generator and a critic, their optimizers, and the running average of the generator's weights."""

    def __init__(self, generator, critic, rows, rng, *, n_critic, penalty, averaging, batch_size, lr):
        self.generator, self.critic, self.rows, self.rng = generator, critic, rows, rng
        self.n_critic, self.penalty, self.averaging = n_critic, penalty, averaging
        self.batch_size, self.lr = batch_size, lr
        self.average = copy.deepcopy(generator).requires_grad_(False)
        self.optimizers = [torch.optim.Adam(module.parameters(), lr, betas=_BETAS) for module in (generator, critic)]
        self.history = []

    def run(self, n_steps, verbose):
        """Make ``n_steps`` steps of the generator; the learning rate falls linearly towards zero."""
        steps = range(n_steps)
        if verbose:
            from tqdm.auto import tqdm

            steps = tqdm(steps, unit="step", mininterval=1.0)
        for step in steps:
            for optimizer in self.optimizers:
                optimizer.param_groups[0]["lr"] = self.lr * (1 - step / n_steps)
            losses = {key: value.item() for key, value in self._step().items()}
            if not np.isfinite(list(losses.values())).all():
                raise FloatingPointError(
                    f"A loss became NaN or infinite in step {step + 1}: {losses}. Lower lr (now {self.lr:g}) or "
                    f"scale the signals (ECGScaler)."
                )
            self._average(step)
            self.history.append({"step": step + 1, **losses})
            if verbose:
                steps.set_postfix({key: f"{value:.3f}" for key, value in losses.items()}, refresh=False)

    def _step(self):
        for _ in range(self.n_critic):
            distance, penalty, label = self._train_critic()
        return {"distance": distance, "penalty": penalty, "generator_loss": self._train_generator(label)}

    def _train_critic(self):
        real, label = self._real()
        with torch.no_grad():
            fake = self.generator(self._noise(), label)
        both = [torch.cat(pair) for pair in zip(real, fake, strict=True)]
        of_real, of_fake = self.critic(*both, label.repeat(2)).split(self.batch_size)
        distance = of_real.mean() - of_fake.mean()
        penalty = gradient_penalty(self.critic, real, fake, label)
        self._descend(self.optimizers[1], self.penalty * penalty - distance)
        return distance.detach(), penalty.detach(), label

    def _train_generator(self, label):
        self.critic.requires_grad_(False)
        loss = -self.critic(*self.generator(self._noise(), label), label).mean()
        self._descend(self.optimizers[0], loss)
        self.critic.requires_grad_(True)
        return loss.detach()

    @staticmethod
    def _descend(optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def _average(self, step):
        """Follow the generator's weights slowly, but forget the first ones."""
        share = 1 - min(self.averaging, step / (step + 10))
        for kept, new in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            kept.lerp_(new.detach(), share)

    def _real(self):
        rows, codes = self.rows.draw(self.batch_size, self.rng)
        like = next(self.generator.parameters())
        signals, side = self.rows.layout.split(torch.from_numpy(rows).to(like))
        return (signals, side), torch.from_numpy(codes).to(like.device)

    def _noise(self):
        like = next(self.generator.parameters())
        return torch.randn(self.batch_size, self.generator.latent_size, dtype=like.dtype, device=like.device)


@torch.inference_mode()
def generate(generator, codes):
    """One standardised row for each of the classes ``codes``, as an ndarray."""
    like = next(generator.parameters())
    noise = torch.randn(len(codes), generator.latent_size, dtype=like.dtype, device=like.device)
    signals, side = generator(noise, torch.from_numpy(codes).to(like.device))
    return torch.cat([signals.flatten(1), side], dim=1).cpu().numpy()
