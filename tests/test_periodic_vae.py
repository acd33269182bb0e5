"""PeriodicVAE and the plain autoencoder: convolution, losses, beats where impulses are, rhythm, classes, limb leads."""

import os
import pickle
import signal

import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_ecg import ImpulseTrainExtractor, PeriodicVAE
from sklearn_ecg.autoencoders._annealing import BetaAnnealing
from sklearn_ecg.autoencoders._impulses import STRETCHES, draw_trains, steady_train, stretch_levels
from sklearn_ecg.autoencoders._latent_mixture import evenly_drawn, fit_mixture
from sklearn_ecg.datasets import make_ecg
from sklearn_ecg.nn.vae import FilterStretch, NegativeELBO, VariationalAutoencoder, convolve_same
from sklearn_ecg.signals._annotations import STANDARD_LEADS
from sklearn_ecg.signals._validation import flatten_leads, signal_feature_names

FS, N_TIMEPOINTS = 100, 300
TINY = {"fs": FS, "channels": (8, 8), "kernel_size": 3, "latent_size": 3, "max_epochs": 3, "random_state": 0}
EXACT = {**TINY, "precision": "float64", "norm": "group", "batch_size": 64}
KINDS = {
    "energy": {},
    "peaks": {"impulse": "peaks"},
    "binary": {"impulse": "peaks", "binary": True},
    "fixed": {"impulse": "fixed_period"},
    "stretched": {"stretch": True},
    "plain": {"periodic": False},
}
SIDE = {"n_side_features": 2}


def ecgs(n=12, seed=0, leads=("II",), **params):
    rng = np.random.default_rng(seed)
    rates = rng.uniform(60, 100, size=n)
    return np.stack(
        [
            make_ecg(N_TIMEPOINTS / FS, fs=FS, heart_rate=rate, leads=leads, random_state=seed + i, **params).signal
            for i, rate in enumerate(rates)
        ]
    ).astype(np.float64)


@pytest.fixture(scope="module")
def X():
    return flatten_leads(ecgs())


@pytest.fixture(params=KINDS)
def vae(request):
    return PeriodicVAE(**EXACT, **KINDS[request.param])


@pytest.fixture(params=[True, False], ids=["periodic", "plain"])
def either(request):
    return PeriodicVAE(**EXACT, periodic=request.param)


@pytest.mark.parametrize("n_taps", [1, 3, 9, 41])
@pytest.mark.parametrize("n_timepoints", [1, 2, 7, 20])
def test_convolution_is_that_of_numpy(n_timepoints, n_taps):
    rng = np.random.default_rng(0)
    train, filters = rng.normal(size=(2, 2, n_timepoints)), rng.normal(size=(2, 3, 2, n_taps))
    out = convolve_same(torch.from_numpy(train), torch.from_numpy(filters)).numpy()
    start = (n_taps - 1) // 2
    for row in range(2):
        for lead in range(3):
            expected = sum(np.convolve(train[row, k], filters[row, lead, k]) for k in range(2))
            expected = expected[start : start + n_timepoints]
            np.testing.assert_allclose(out[row, lead], expected, atol=1e-12)


@pytest.mark.parametrize(("filter_length", "stretch"), [(None, None), (9, None), (9, ([0.5, 1.0], 1))])
@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("n_leads", [1, 2, 12])
@pytest.mark.parametrize("n_timepoints", [1, 2, 7, 250])
def test_any_length_and_any_leads(n_timepoints, n_leads, norm, filter_length, stretch):
    sizes = {"channels": (4, 6, 8), "kernel_sizes": (3, 4, 5), "strides": (2, 1, 3), "norm": norm, "dropout": 0.0}
    sizes |= {"latent_size": 5, "filter_length": filter_length, "stretch": stretch}
    module = VariationalAutoencoder(n_leads, n_timepoints, 2, 3, **sizes)
    signals, side, train = torch.randn(4, n_leads, n_timepoints), torch.randn(4, 2), torch.rand(4, n_timepoints)
    label, level, noise = torch.eye(3)[[0, 1, 2, 0]], torch.ones(4, n_timepoints).int(), torch.tensor([0, 1, 2, 3])
    output = module(signals, side, train, label, level, noise)
    assert output.shape == (4, 11)
    assert torch.isfinite(output).all()
    assert (output[:, :6] >= 0).all()
    decoded, decoded_side = module.decode(torch.randn(4, 5), train, label, level)
    assert decoded.shape == signals.shape
    assert decoded_side.shape == side.shape
    output.sum().backward()
    unused = [name for name, weight in module.named_parameters() if weight.grad is None]
    assert not unused


def test_filters_are_stretched_around_their_core():
    filters = torch.zeros(1, 1, 41)
    filters[..., [10, 18, 20, 23, 26]] = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])  # offsets -10, -2, 0, 3, 6
    stretched = FilterStretch(41, [1.0, 2.0, 0.5], 2).float()(filters)[0, 0].numpy()
    np.testing.assert_array_equal(stretched[0], filters[0, 0])
    for offset, value in ((-18, 1.0), (-2, 2.0), (0, 3.0), (4, 4.0), (10, 5.0)):  # 2 + 2 (d - 2)
        assert stretched[1, 20 + offset] == value
    for offset, value in ((-6, 1.0), (-2, 2.0), (0, 3.0), (4, 5.0)):
        assert stretched[2, 20 + offset] == value
    assert FilterStretch(1, [1.0, 2.0], 0).float()(torch.ones(1, 2, 1)).shape == (1, 2, 2, 1)


def test_each_beat_is_stretched_by_the_interval_before_it():
    trains = np.zeros((3, 500))
    trains[0, [50, 150, 190, 350]] = 1.0  # 1, 0.4 and 1.6 s
    trains[1, 100] = 1.0
    levels = stretch_levels(trains, 100)
    one = np.abs(STRETCHES - 1).argmin()
    assert STRETCHES[[0, -1]] == pytest.approx(np.sqrt([0.4, 1.6]))
    assert [levels[0, at] for at in (0, 50, 99, 140, 169, 190, 269, 350, 499)] == [one] * 5 + [0, 0, 7, 7]
    assert (levels[1:] == one).all()


def test_the_t_wave_moves_with_the_rhythm_where_the_filter_is_stretched(X):
    fitted = PeriodicVAE(**EXACT, impulse="peaks", binary=True, stretch=True, taper=False).fit(X)
    short, long = np.zeros((2, N_TIMEPOINTS))
    short[[100, 140]], long[[0, 150]] = 1.0, 1.0
    filters = fitted.module_.stretch(fitted.module_.filters(torch.zeros(1, 3, dtype=torch.float64)))
    filters = filters.detach().numpy()[0, 0]
    decoded = fitted.inverse_transform(np.zeros((1, 3)), long)[0]
    scale, centre = fitted.module_.scale.item(), fitted.module_.centre.item()
    taps = np.arange(-20, 21)
    expected = filters[7, filters.shape[1] // 2 + taps] / fitted.module_.train_scale.item() * scale + centre
    np.testing.assert_allclose(decoded[150 + taps], expected, atol=1e-10)
    assert not np.allclose(filters[0], filters[7])
    assert np.isfinite(fitted.inverse_transform(np.zeros((1, 3)), short)).all()


def test_divergence_and_loss_by_hand():
    module = VariationalAutoencoder(1, 8, 0, 0, latent_size=2, **_sizes()).eval()
    signals = torch.randn(3, 1, 8)
    output = module(signals, torch.empty(3, 0))
    mean, log_variance = module.encoder(signals, torch.empty(3, 0))
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(normal(mean, torch.exp(log_variance / 2)), normal(0.0, 1.0))
    torch.testing.assert_close(output[:, 1:3], divergence)
    torch.testing.assert_close(output[:, 0], ((module.decode(mean)[0] - signals) ** 2).mean(dim=(1, 2)))
    criterion = NegativeELBO(beta=0.5, free_bits=0.2)
    criterion.warmth = 0.1
    output = torch.tensor([[1.0, 0.1, 0.7, 9.0, 9.0]])
    torch.testing.assert_close(criterion.train()(output, None), torch.tensor([1 + 0.05 * 0.9]))
    torch.testing.assert_close(criterion.eval()(output, None), torch.tensor([1 + 0.5 * 0.9]))


def _sizes():
    return {"channels": (4,), "kernel_sizes": (3,), "strides": (2,), "norm": "group", "dropout": 0.0}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("monotone", [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]), ("cyclical", [0, 1] * 4), (None, [1] * 8)],
)
def test_beta_grows_as_told(kind, expected, monkeypatch, X):
    warmth = []
    forward = NegativeELBO.forward

    def record(self, output, target):
        warmth.append(self.warmth)
        return forward(self, output, target)

    monkeypatch.setattr(NegativeELBO, "forward", record)
    fitted = PeriodicVAE(**{**EXACT, "max_epochs": 4, "batch_size": 6}, annealing=kind).fit(X)
    assert warmth == expected
    assert fitted.net_.criterion_.warmth == 1.0
    assert set(BetaAnnealing.__init__.__code__.co_varnames) == {"self", "kind"}


@pytest.mark.parametrize(
    ("n_timepoints", "beats"), [(300, [50, 150, 250]), (100, [50]), (40, [20]), (2, [1]), (1, [0])]
)
def test_latents_alone_are_decoded_at_a_steady_rate(n_timepoints, beats):
    train = steady_train(n_timepoints, fs=100, heart_rate=60.0, pulse=np.array([0.0, 1.0, 0.0]))
    assert np.flatnonzero(train).tolist() == beats


@pytest.mark.parametrize("kind", ["energy", "binary"])
def test_what_is_decoded_moves_with_its_impulses(kind, X):
    fitted = PeriodicVAE(**{**EXACT, "filter_length": 0.5}, **KINDS[kind]).fit(X)
    Z = np.random.default_rng(0).normal(size=(2, 3))
    one, two = np.zeros((2, 1, N_TIMEPOINTS))
    one[0, 100], two[0, 160] = 1.0, 1.0
    first, second, both = (fitted.inverse_transform(Z, train) for train in (one, two, one + 2 * two))
    rest = fitted.inverse_transform(Z, np.zeros(N_TIMEPOINTS))
    np.testing.assert_allclose(rest, np.broadcast_to(rest[0, 0], rest.shape))
    assert np.abs(first - rest).max() > 1e-3
    np.testing.assert_allclose(second[:, 130:190], first[:, 70:130], atol=1e-10)
    np.testing.assert_allclose(both - rest, (first - rest) + 2 * (second - rest), atol=1e-10)


def test_reconstruction_is_the_latent_mean_with_the_train_of_the_record(vae, X):
    fitted = vae.fit(X)
    trains = None
    if vae.periodic:
        trains = ImpulseTrainExtractor(fs=FS, method=vae.impulse, binary=vae.binary).fit_transform(X)
    expected = fitted.inverse_transform(fitted.transform(X), trains)
    np.testing.assert_allclose(fitted.reconstruct(X), expected, atol=1e-12)
    error = ((expected - X) ** 2).sum() / ((X - X.mean()) ** 2).sum()
    assert fitted.score(X) == pytest.approx(1 - error)


def test_learning_floor_and_history(either, X):
    either.set_params(max_epochs=70, latent_size=6, lr=1e-2, norm="batch", precision="float32", beta=1e-4)
    fitted = either.fit(X)
    assert fitted.score(X) > 0.8
    first, last = fitted.history_[0], fitted.history_[-1]
    assert last["reconstruction"] < 0.3 * first["reconstruction"]
    assert 0 < last["kl"] < 200
    assert 1 <= last["active_units"] <= 6
    assert last["train_loss"] == pytest.approx(last["reconstruction"] + 1e-4 * last["kl"], rel=1e-4)
    assert fitted.n_iter_ == len(fitted.history_) == 70


def test_a_large_beta_makes_latents_vanish_and_free_bits_keep_them(X):
    silent = PeriodicVAE(**{**EXACT, "max_epochs": 60, "lr": 1e-2}, beta=10.0, annealing=None).fit(X)
    assert silent.history_[-1]["kl"] < 0.05
    assert silent.history_[-1]["active_units"] == 0
    kept = clone(silent).set_params(free_bits=1.0).fit(X)
    assert 0.3 < kept.history_[-1]["kl"] < 6


def test_samples_have_a_beat_at_every_impulse():
    X = flatten_leads(ecgs(40))
    settings = {"max_epochs": 40, "lr": 1e-2, "batch_size": 8}
    fitted = PeriodicVAE(**{**TINY, **settings}, impulse="peaks", binary=True).fit(X)
    train = np.zeros((5, N_TIMEPOINTS))
    train[:, [50, 120, 200, 260]] = 1.0
    for row in fitted.sample(5, impulse_trains=train, random_state=0):
        peaks = np.flatnonzero(ImpulseTrainExtractor(fs=FS, binary=True).fit_transform(row[None])[0])
        np.testing.assert_allclose(peaks, [50, 120, 200, 260], atol=3)


def test_samples_follow_the_rhythm(X):
    fitted = PeriodicVAE(**TINY, **KINDS["binary"]).fit(X)

    def beats(n=20, **rhythm):
        return [np.flatnonzero(train) / FS for train in fitted._draw_trains(_generator(), n, **_none(rhythm))]

    for rate in (50, 110):
        intervals = np.concatenate([np.diff(times) for times in beats(heart_rate=rate)])
        assert intervals.mean() == pytest.approx(60 / rate, rel=0.05)
        assert 0.01 < intervals.std() * rate / 60 < 0.1
    irregular = np.concatenate([np.diff(times) for times in beats(heart_rate=110, rr="af")])
    assert irregular.std() * 110 / 60 > 0.12
    rates = np.linspace(60, 150, 20)
    counts = [len(times) for times in beats(heart_rate=rates)]
    assert np.corrcoef(rates, counts)[0, 1] > 0.9
    for times in beats(3, rr=[0.5, 0.75, 1.0, 0.9]):
        np.testing.assert_allclose(times, [0.5, 1.25, 2.25])
    usual = np.concatenate([np.diff(times) for times in beats()])
    assert 60 / usual.mean() == pytest.approx(fitted.heart_rate_[0], rel=0.1)
    assert fitted.heart_rate_[0] == pytest.approx(80, abs=8)


def test_fast_hearts_are_drawn_as_asked_and_as_trained():
    settings = {"n_timepoints": 6000, "fs": 500, "pulse": np.ones(1), "rr": None}

    def rates(**given):
        trains = draw_trains(_generator(), 40, **settings, **given)
        return np.array([60 / np.diff(np.flatnonzero(train)).mean() * 500 for train in trains])

    assert rates(heart_rate=250, usual_rate=None) == pytest.approx(250, rel=0.02)
    drawn = rates(heart_rate=None, usual_rate=(230, 10))
    assert drawn.mean() == pytest.approx(230, rel=0.02) and drawn.std() > 5
    for mean in (600, 20):
        with pytest.raises(ValueError, match=f"the mean of the training records is {mean} bpm: give heart_rate, rr"):
            rates(heart_rate=None, usual_rate=(mean, 5))


def _generator():
    return np.random.default_rng(0)


def _none(rhythm):
    return {"heart_rate": None, "rr": None, "impulse_trains": None, **rhythm}


@pytest.mark.parametrize("leads", [("II",), ("II", "V5")])
def test_the_usual_rate_is_that_of_the_hearts_also_where_t_waves_are_tall(leads):
    X = ecgs(8, leads=leads, waves={"T": (100, 2.0, 0.4)})
    rates = np.random.default_rng(0).uniform(60, 100, size=8)  # those of ecgs
    fitted = PeriodicVAE(**{**TINY, "max_epochs": 1}).fit(X)
    assert fitted.heart_rate_ == pytest.approx((rates.mean(), rates.std()), abs=2)
    weight = np.eye(8)[2]
    assert fitted.fit(X, sample_weight=weight).heart_rate_ == pytest.approx((rates[2], 0), abs=2)
    assert fitted.fit(X[..., : FS // 2]).heart_rate_ == (60, 0)  # too short for two beats
    slow = PeriodicVAE(**{**TINY, "max_epochs": 1, "fs": FS // 2, "binary": True}).fit(ecgs(8)[..., ::2])
    assert slow.heart_rate_ == pytest.approx((rates.mean(), rates.std()), abs=4)


def test_the_pulse_is_the_mean_soft_pulse_of_the_training(X):
    fitted = PeriodicVAE(**TINY).fit(X)
    assert len(fitted.pulse_) == 21
    assert fitted.pulse_.argmax() == 10
    train = fitted._draw_trains(_generator(), 1, **_none({"rr": [1.0, 1.0, 1.5]}))[0]
    np.testing.assert_allclose(train[90:111], fitted.pulse_)
    np.testing.assert_allclose(train[190:211], fitted.pulse_)
    soft = ImpulseTrainExtractor(fs=FS).fit_transform(X)
    assert fitted.pulse_.max() == pytest.approx(soft.max(axis=1).mean(), rel=0.2)


def test_samples_are_the_same_for_a_seed_and_global_generators_are_untouched(vae, X):
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    vae.set_params(batch_size=5, dropout=0.2)
    first, second = clone(vae).fit(X), clone(vae).fit(X)
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    np.testing.assert_array_equal(first.sample(4, random_state=1), second.sample(4, random_state=1))
    assert not np.array_equal(first.sample(4, random_state=1), first.sample(4, random_state=2))
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert not np.array_equal(first.sample(4), first.sample(4))


def test_pickle_and_skops_keep_everything_and_hold_no_torch_object(vae, X):
    pipeline = make_pipeline(StandardScaler(), vae).fit(X)
    state = pickle.dumps(pipeline)
    assert b"torch" not in state
    assert b"skorch" not in state
    stored = skops.io.dumps(pipeline)
    unknown = skops.io.get_untrusted_types(data=stored)
    assert all(name.startswith("sklearn_ecg.") for name in unknown), unknown
    for loaded in (pickle.loads(state), skops.io.loads(stored, trusted=unknown)):
        np.testing.assert_array_equal(loaded.transform(X), pipeline.transform(X))
        np.testing.assert_array_equal(loaded[-1].sample(3, random_state=0), pipeline[-1].sample(3, random_state=0))
        np.testing.assert_array_equal(loaded[-1].reconstruct(X), pipeline[-1].reconstruct(X))


def test_batches_and_the_rest_of_the_rows_do_not_matter(vae, X):
    fitted = vae.fit(X)
    np.testing.assert_allclose(np.vstack([fitted.transform(row[None]) for row in X]), fitted.transform(X), rtol=1e-10)
    whole = fitted.reconstruct(X)
    np.testing.assert_allclose(np.vstack([fitted.reconstruct(row[None]) for row in X]), whole, atol=1e-10)
    np.testing.assert_allclose(fitted.set_params(batch_size=5).reconstruct(X), whole, atol=1e-10)


def test_signals_are_standardised_about_the_mean_of_the_medians(either):
    records = ecgs(8, leads=("II", "V5")) + np.array([[7.0], [-1.0]])
    weight = np.r_[0.0, 2.0, np.ones(6)]
    module = either.fit(records, sample_weight=weight).module_
    centre = np.average(np.median(records, axis=2), axis=0, weights=weight)
    scale = np.sqrt(np.average(((records - centre[:, None]) ** 2).mean(axis=2), axis=0, weights=weight))
    np.testing.assert_allclose(module.centre.numpy(), centre)
    np.testing.assert_allclose(module.scale.numpy(), scale)
    assert np.median(either.sample(50, random_state=0)[:, :N_TIMEPOINTS]) == pytest.approx(7, abs=0.3)


def test_records_rows_frames_and_memory_maps(either, tmp_path):
    records = ecgs(10, leads=("II", "V5"))
    rows = flatten_leads(records)
    cube, flat = clone(either).fit(records), clone(either).set_params(n_leads=2).fit(rows)
    np.testing.assert_allclose(cube.transform(rows), flat.transform(records), rtol=1e-9)
    assert cube.reconstruct(records).shape == records.shape
    np.testing.assert_allclose(flatten_leads(cube.reconstruct(records)), flat.reconstruct(rows), atol=1e-9)
    np.save(tmp_path / "X.npy", rows)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_allclose(clone(flat).fit(mapped).transform(mapped), flat.transform(rows), rtol=1e-9)
    frame = clone(flat).set_output(transform="pandas").fit_transform(pd.DataFrame(rows, index=list("abcdefghij")))
    assert list(frame.columns) == ["latent0", "latent1", "latent2"]
    assert list(frame.index) == list("abcdefghij")
    np.testing.assert_allclose(frame, flat.transform(rows), rtol=1e-9)
    with pytest.raises(ValueError, match=r"records of shape \(1, 600\)"):
        cube.transform(records.reshape(10, 1, 600))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_rows_come_back_in_the_dtype_of_the_training(either, X, dtype):
    rows = (1000 * X).astype(dtype)
    fitted = either.set_params(precision="float32").fit(rows)
    wanted = np.float32 if dtype == np.float32 else np.float64
    assert fitted.transform(rows).dtype == fitted.reconstruct(rows).dtype == fitted.sample(2).dtype == wanted


def test_warm_start_goes_on(either, X):
    either.set_params(warm_start=True, annealing=None)
    fitted = either.fit(X)
    before = fitted.history_[-1]["reconstruction"]
    fitted.set_params(max_epochs=20, beta=0.0).fit(X)
    assert fitted.n_iter_ == 23
    assert [row["epoch"] for row in fitted.history_] == list(range(1, 24))
    assert fitted.history_[-1]["reconstruction"] < before
    with pytest.raises(ValueError, match="warm_start=True continues a module fitted with latent_size=3"):
        fitted.set_params(latent_size=4).fit(X)
    with pytest.raises(ValueError, match="warm_start=True continues a module fitted with fs=100, got fs=250"):
        fitted.set_params(latent_size=3, fs=250).fit(X)


def test_early_stopping_follows_groups_and_the_whole_beta(either, X):
    groups = np.repeat(np.arange(6), 2)
    either.set_params(early_stopping=True, validation_fraction=0.34, max_epochs=6, beta=0.1)
    fitted = either.fit(X, groups=groups)
    row = fitted.history_[0]
    assert row["valid_loss"] == pytest.approx(row["valid_reconstruction"] + 0.1 * row["valid_kl"])
    with pytest.warns(UserWarning, match="without groups"):
        clone(either).fit(X)
    with pytest.raises(ValueError, match="groups must be of shape"):
        clone(either).fit(X, groups=groups[1:])


def test_grid_search_by_reconstruction(X):
    search = GridSearchCV(PeriodicVAE(**EXACT, periodic=False), {"latent_size": [1, 3]}, cv=2)
    search.fit(X, np.repeat([0, 1], 6))  # y passes by
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def by_class(n=40, *, periodic=True):
    """Two classes: beats that point up and down; without beats in their place, baselines above and below zero."""
    X = flatten_leads(ecgs(n))
    y = np.array(["up", "down"] * (n // 2))
    sign = np.where(y == "up", 1, -1)[:, None]
    return (sign * X if periodic else X + sign), y


def points_up(rows, periodic):
    middle = np.median(rows, axis=1)
    return rows.max(axis=1) - middle > middle - rows.min(axis=1) if periodic else middle > 0


@pytest.mark.parametrize("periodic", [True, False])
def test_classes_decide_what_is_decoded_and_are_not_seen_by_the_encoder(periodic):
    X, y = by_class(periodic=periodic)
    settings = {**EXACT, "max_epochs": 60, "lr": 1e-2, "conditional": True, "beta": 0.1}
    fitted = PeriodicVAE(**settings, periodic=periodic).fit(X, y)
    assert list(fitted.classes_) == ["down", "up"]
    np.testing.assert_allclose(fitted.class_prior_, [0.5, 0.5])
    assert points_up(fitted.sample(20, y="up", random_state=0), periodic).mean() > 0.9
    assert points_up(fitted.sample(20, y="down", random_state=0), periodic).mean() < 0.1
    mixed = np.array(["up", "down"] * 10)
    np.testing.assert_array_equal(points_up(fitted.sample(20, y=mixed, random_state=0), periodic), mixed == "up")
    assert 0.1 < points_up(fitted.sample(40, random_state=0), periodic).mean() < 0.9
    assert fitted.score(X, y) > fitted.score(X, np.where(y == "up", "down", "up"))
    both = fitted.inverse_transform(np.zeros((2, 3)), y=["up", "down"])
    np.testing.assert_allclose(both[1], fitted.inverse_transform(np.zeros((1, 3)), y="down")[0])
    assert fitted.inverse_transform(fitted.transform(X)).shape == X.shape


def latents_drawn(fitted, n, monkeypatch, **how):
    """Latents that ``sample`` decodes."""
    drawn = []
    decode = VariationalAutoencoder.decode

    def record(self, Z, *rest):
        drawn.append(Z.numpy())
        return decode(self, Z, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(VariationalAutoencoder, "decode", record)
        fitted.sample(n, random_state=0, **how)
    return np.concatenate(drawn)


def test_latents_are_drawn_as_those_of_the_training_rows_are_distributed(either, monkeypatch):
    X = flatten_leads(ecgs(60))
    weight = np.r_[np.zeros(10), np.ones(50)]
    fitted = either.set_params(max_epochs=20, lr=1e-2).fit(X, sample_weight=weight)
    Z, drawn = fitted.transform(X[10:]), latents_drawn(fitted, 4000, monkeypatch)
    np.testing.assert_allclose(drawn.mean(axis=0), Z.mean(axis=0), atol=0.1 * Z.std(axis=0).max())
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(Z.T, bias=True), atol=0.15 * np.cov(Z.T).max())
    (mixture,) = fitted.mixtures_
    assert len(mixture.weights_) == 4  # 50 rows, 4 × 3 of them for each component at least
    assert mixture.score(drawn) == pytest.approx(mixture.score(mixture.sample(4000)[0]), abs=0.2)
    prior = clone(either).set_params(n_components=None).fit(X, sample_weight=weight)
    assert prior.mixtures_ is None
    np.testing.assert_array_equal(prior.transform(X), fitted.transform(X))
    drawn = latents_drawn(prior, 4000, monkeypatch)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.06)
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(3), atol=0.1)


def test_each_class_has_its_mixture(monkeypatch):
    X = flatten_leads(ecgs(60))
    large = X[:, 100:200].max(axis=1) > np.median(X[:, 100:200].max(axis=1))
    X[large] *= 3  # the encoder does not see the class, and the latent tells of it
    y = np.where(large, "large", "small")
    settings = {**EXACT, "max_epochs": 40, "lr": 1e-2, "beta": 1e-3, "annealing": None}
    fitted = PeriodicVAE(**settings, conditional=True).fit(X, y)
    Z = fitted.transform(X)
    gap = np.abs(Z[large].mean(axis=0) - Z[~large].mean(axis=0)).max()
    for label in ("large", "small"):
        drawn = latents_drawn(fitted, 1000, monkeypatch, y=label)
        np.testing.assert_allclose(drawn.mean(axis=0), Z[y == label].mean(axis=0), atol=0.2 * gap)
    mixed = np.array(["large", "small"] * 500)
    drawn = latents_drawn(fitted, 1000, monkeypatch, y=mixed)
    for label in ("large", "small"):
        np.testing.assert_allclose(drawn[mixed == label].mean(axis=0), Z[y == label].mean(axis=0), atol=0.2 * gap)


def test_a_class_of_one_row_or_of_validation_rows_alone_is_sampled():
    X, y = by_class(12)
    y[0] = "V"
    settings = {**EXACT, "conditional": True}
    assert np.isfinite(PeriodicVAE(**settings).fit(X, y).sample(3, y="V", random_state=0)).all()
    groups = np.arange(12) // 3
    y[:] = np.array(["up", "down", "V", "F"])[groups]
    stopped = PeriodicVAE(**settings, early_stopping=True, validation_fraction=0.25)
    with pytest.warns(UserWarning, match="to the validation rows alone"):
        stopped.fit(X, y, groups=groups)
    assert len(stopped.mixtures_) == 4
    assert all(np.isfinite(stopped.sample(3, y=label)).all() for label in stopped.classes_)


def test_mixtures_follow_the_network_that_is_trained_on(either, X, interrupts):
    fitted = either.set_params(warm_start=True, annealing=None).fit(X)
    for n_components in (2, None, 3):
        fitted.set_params(n_components=n_components).fit(X)
        if n_components is None:
            assert fitted.mixtures_ is None
        else:
            np.testing.assert_allclose(fitted.mixtures_[0].means_[0], fitted.transform(X).mean(axis=0))

    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fitted.set_params(callbacks=[Stop()], lr=0.1).fit(X)
    np.testing.assert_allclose(fitted.mixtures_[0].means_[0], fitted.transform(X).mean(axis=0))


def test_a_continued_fit_that_diverges_leaves_the_estimator_as_it_was(either, X):
    fitted = either.set_params(warm_start=True, precision="float32").fit(X)
    module, mixtures, samples = fitted.module_, fitted.mixtures_, fitted.sample(2, random_state=0)
    with pytest.raises(FloatingPointError, match="loss became NaN or infinite"):
        fitted.set_params(lr=1e30).fit(1e30 * X)
    assert fitted.module_ is module and fitted.mixtures_ is mixtures
    np.testing.assert_array_equal(fitted.sample(2, random_state=0), samples)


def test_weights_are_how_often_a_row_is_drawn():
    assert evenly_drawn(np.full(7, 0.3), 7).tolist() == list(range(7))
    assert evenly_drawn(np.array([0.0, 2, 0, 1, 1, 0]), 8).tolist() == [1, 1, 1, 1, 3, 3, 4, 4]
    assert evenly_drawn(np.ones(100), 4).tolist() == [12, 37, 62, 87]
    assert evenly_drawn(np.array([3.0]), 2).tolist() == [0, 0]


def test_few_rows_make_few_components():
    Z = np.random.default_rng(0).normal(size=(80, 2))
    assert [len(fit_mixture(Z[:n], 5, 0).weights_) for n in (2, 15, 16, 39, 80)] == [1, 1, 2, 4, 5]
    equal = fit_mixture(np.ones((40, 2)), 5, 0)
    np.testing.assert_allclose(equal.weights_ @ equal.means_, 1)


def test_classes_are_checked():
    X, y = by_class(8)
    with pytest.raises(ValueError, match="conditional=True wants the classes y"):
        PeriodicVAE(**TINY, conditional=True).fit(X)
    fitted = PeriodicVAE(**TINY, conditional=True, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"y must hold classes seen in fit, \['down', 'up'\], got \['V'\]"):
        fitted.sample(2, y="V")
    with pytest.raises(ValueError, match="new classes"):
        fitted.fit(X, np.where(y == "up", "up", "V"))
    with pytest.raises(ValueError, match="one for each of 3 rows"):
        fitted.sample(3, y=["up", "down"])
    unconditional = PeriodicVAE(**TINY).fit(X, y)
    assert unconditional.score(X, y) == unconditional.score(X)  # pipelines pass y always
    for decode in (
        lambda: unconditional.sample(2, y="up"),
        lambda: unconditional.inverse_transform(np.zeros((2, 3)), y="up"),
        lambda: unconditional.reconstruct(X, y),
    ):
        with pytest.raises(ValueError, match="conditional=False has not learned classes: y must be None"):
            decode()
    part = PeriodicVAE(**TINY, conditional=True).fit(X, y, sample_weight=(y == "up").astype(float))
    assert list(part.classes_) == ["up"]


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limb_leads_obey_einthoven_and_goldberger_exactly(periodic, dtype):
    records = ecgs(6, leads="all").astype(dtype)
    fitted = PeriodicVAE(**TINY, periodic=periodic, lead_names=STANDARD_LEADS).fit(records)
    samples = fitted.sample(5, random_state=0)
    decoded = fitted.inverse_transform(np.zeros((1, 3), dtype=dtype))
    for rows in (samples, decoded, flatten_leads(fitted.reconstruct(records))):
        leads = dict(zip(STANDARD_LEADS, np.swapaxes(rows.reshape(len(rows), 12, -1), 0, 1), strict=True))
        one, two = leads["I"], leads["II"]
        np.testing.assert_array_equal(leads["III"], two - one)
        np.testing.assert_array_equal(leads["aVR"], -(one + two) / 2)
        np.testing.assert_array_equal(leads["aVL"], one - two / 2)
        np.testing.assert_array_equal(leads["aVF"], two - one / 2)
    free = PeriodicVAE(**TINY, periodic=periodic).fit(records).sample(5, random_state=0).reshape(5, 12, -1)
    assert np.abs(free[:, 2] - (free[:, 1] - free[:, 0])).max() > 1e-3


def test_leads_that_do_not_follow_from_others_are_left_alone():
    records = ecgs(6, leads=("II", "V1", "I"))
    fitted = PeriodicVAE(**TINY, lead_names=("II", "V1", "I")).fit(records)
    plain = PeriodicVAE(**TINY).fit(records)
    np.testing.assert_array_equal(fitted.sample(3, random_state=0), plain.sample(3, random_state=0))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("I", "II"), r"lead_names has 2 name\(s\), but X is read with 3"),
        (("I", "II", "ii"), "lead_names must hold at least one lead, none twice"),
        (("I", "II", 3), "lead_names must hold at least one lead"),
        (("II", "I", "III"), "The column names tell the leads I, II, III, but lead_names II, I, III"),
    ],
)
def test_lead_names_that_contradict_the_rows_are_refused(names, message):
    frame = pd.DataFrame(flatten_leads(ecgs(6, leads=("I", "II", "III"))))
    frame.columns = signal_feature_names(("I", "II", "III"), N_TIMEPOINTS)
    with pytest.raises(ValueError, match=message):
        PeriodicVAE(**TINY, n_leads=3, lead_names=names).fit(frame)


def test_lead_names_are_read_in_any_case():
    records = ecgs(6, leads=("aVF", "I", "II"))
    fitted = PeriodicVAE(**TINY, lead_names=("AVF", "i", "ii")).fit(records)
    avf, one, two = np.swapaxes(fitted.sample(3, random_state=0).reshape(3, 3, -1), 0, 1)
    np.testing.assert_array_equal(avf, two - one / 2)


def test_side_features_are_learned_with_the_signal(either):
    X = flatten_leads(ecgs(40))
    height = X.max(axis=1)
    side = np.column_stack([100 * height + 7, np.random.default_rng(0).normal(5, 2, size=40)])
    rows = np.hstack([X, side])
    fitted = either.set_params(max_epochs=60, lr=1e-2, beta=1e-3, **SIDE).fit(rows)
    assert fitted.transform(rows).shape == (40, 3)
    assert list(fitted.get_feature_names_out()) == ["latent0", "latent1", "latent2"]
    decoded = fitted.reconstruct(rows)
    assert decoded.shape == rows.shape
    samples = fitted.sample(200, random_state=0)
    assert samples.shape == (200, rows.shape[1])
    assert samples[:, -2].mean() == pytest.approx(side[:, 0].mean(), rel=0.1)
    assert samples[:, -1].mean() == pytest.approx(side[:, 1].mean(), abs=1)
    assert np.corrcoef(decoded[:, -2], side[:, 0])[0, 1] > 0.5


def test_records_without_beats_are_taken(either):
    X = np.vstack([flatten_leads(ecgs(6)), np.zeros((2, N_TIMEPOINTS)), np.full((1, N_TIMEPOINTS), 0.5)])
    fitted = clone(either).fit(X)
    assert np.isfinite(fitted.reconstruct(X)).all()
    flat = clone(either).fit(np.full((4, N_TIMEPOINTS), 0.5))
    assert np.isfinite(flat.sample(2, random_state=0)).all()
    np.testing.assert_allclose(flat.reconstruct(np.full((1, N_TIMEPOINTS), 0.5)), 0.5, atol=2.0)


def test_divergence_to_infinity_stops_with_a_clear_error(either, X):
    with pytest.raises(FloatingPointError, match="loss became NaN or infinite"):
        either.set_params(optimizer="sgd", lr=1e6, weight_decay=0.0, max_epochs=50).fit(X)
    assert not hasattr(either, "module_")
    fitted = clone(either).set_params(optimizer="adamw", lr=1e-3, precision="float32", max_epochs=1).fit(X)
    with pytest.raises(FloatingPointError, match="values too large"):
        fitted.transform(1e38 * (1 + X**2))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"channels": ()}, "'channels' parameter of PeriodicVAE must be a non-empty sequence"),
        ({"kernel_size": (3,)}, "kernel_size must be a positive integer, or one for each of the 2 blocks"),
        ({"stride": (2, 0)}, "stride must be a positive integer, or one for each of the 2 blocks"),
        ({"impulse": "sound"}, "'impulse' parameter of PeriodicVAE"),
        ({"impulse": "peaks", "fs": 49}, "fs must be between 50 and 4000"),
        ({"beta": -1}, "'beta' parameter of PeriodicVAE"),
        ({"n_components": 0}, "'n_components' parameter of PeriodicVAE"),
        ({"annealing": "fast"}, "'annealing' parameter of PeriodicVAE"),
    ],
)
def test_bad_parameters_are_named(params, message, X):
    with pytest.raises(ValueError, match=message):
        PeriodicVAE(**{**TINY, **params}).fit(X)


def test_zero_weights_are_an_error_where_all_are(X):
    with pytest.raises(ValueError, match="at least one non-zero"):
        PeriodicVAE(**TINY).fit(X, sample_weight=np.zeros(len(X)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"n": 0}, "n must be an integer of at least 1"),
        ({"heart_rate": -1}, "heart_rate must be a positive number"),
        ({"heart_rate": [60, 70]}, "or 3 of them"),
        ({"heart_rate": 301}, "heart_rate must be at most 300 bpm, got 301"),
        ({"heart_rate": [60, 70, 301]}, "heart_rate must be at most 300 bpm, got .*301"),
        ({"heart_rate": 250, "rr": "af"}, "heart_rate must be under 200 bpm in atrial fibrillation, got 250"),
        ({"rr": "flutter"}, "rr must be 'sinus', 'af' or an array"),
        ({"rr": [0.5, 0.5]}, "rr covers 1 s of the 3 s"),
        ({"rr": [[0.5, 3.0]] * 2}, r"rr must have shape \(n_intervals,\) or \(3, n_intervals\)"),
        ({"rr": [0.5, -1.0, 9.0]}, "rr must hold positive numbers"),
        ({"rr": [800.0, 820.0]}, "rr must hold seconds, .* one of 800 s at the beginning leaves a record of 3 s"),
        ({"rr": ["a"]}, "rr must hold numbers"),
        ({"heart_rate": "fast"}, "heart_rate must hold numbers, got 'fast'"),
        ({"impulse_trains": "none"}, "impulse_trains must hold numbers"),
        ({"rr": [1.0] * 4, "heart_rate": 60}, "Give either heart_rate or the intervals"),
        ({"impulse_trains": np.zeros(5)}, r"impulse_trains must be of shape \(300,\) or \(3, 300\)"),
        ({"impulse_trains": np.full(300, np.nan)}, "impulse_trains must be finite"),
        ({"impulse_trains": np.zeros(300), "rr": "af"}, "Give either impulse_trains or heart_rate and rr"),
    ],
)
def test_what_cannot_be_sampled_is_told(call, message, X):
    fitted = PeriodicVAE(**{**TINY, "max_epochs": 1}).fit(X)
    with pytest.raises(ValueError, match=message):
        fitted.sample(**{"n": 3, **call})


def test_a_plain_autoencoder_has_no_rhythm(X):
    fitted = PeriodicVAE(**TINY, periodic=False).fit(X)
    for rhythm in ({"heart_rate": 60}, {"rr": "af"}):
        with pytest.raises(ValueError, match="without a rhythm"):
            fitted.sample(2, **rhythm)
    with pytest.raises(ValueError, match="without impulse trains"):
        fitted.inverse_transform(np.zeros((2, 3)), np.zeros(N_TIMEPOINTS))
    with pytest.raises(ValueError, match="Z has 2 columns, but PeriodicVAE makes 3"):
        fitted.inverse_transform(np.zeros((2, 2)))
