"""Interpolation: quantile averages by hand, ends, mass, order, admissible paths, and signals without beats."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import resample_poly
from sklearn.decomposition import PCA

from sklearn_ecg.datasets import fetch_ludb, make_ecg
from sklearn_ecg.interpolation import count_waves, latent_path, linear_path, path_report, transport_path, wave_drift
from sklearn_ecg.interpolation._delineation import delineate
from sklearn_ecg.interpolation._transport import _carry, _complete, _take_wave

FS = 128
RNG = np.random.default_rng(0)


def ecg(heart_rate=70, seed=0, seconds=4, fs=FS, **kwargs):
    return make_ecg(seconds, fs=fs, heart_rate=heart_rate, random_state=seed, **kwargs).signal[0].astype(np.float64)


def carried(a, b, t, spans_a, spans_b):
    """Parts of two signals, whose chords are level, moved on their own."""
    parts = [[_take_wave(x.copy(), *span) for span in spans] for x, spans in ((a, spans_a), (b, spans_b))]
    return _carry(_complete(*parts), _complete(*parts[::-1]), np.asarray(t), len(a))


def test_a_box_moves_to_its_new_place():
    """A box of 4 samples whose span moves by 20 is, half way, the same box 10 samples on."""
    a, b, wanted = np.zeros((3, 64))
    a[14:18], b[34:38], wanted[24:28] = 1, 1, 1
    np.testing.assert_allclose(carried(a, b, [0.5], [(8, 24)], [(28, 44)])[0], wanted, atol=1e-12)


def test_a_box_that_widens_by_hand():
    """Mass 8 over 4 samples to mass 8 over 8 samples of the same span: half way 6 samples wide, 8/6 high."""
    a, b = np.zeros((2, 64))
    a[20:24], b[18:26] = 2, 1
    middle = carried(a, b, [0.5], [(10, 34)], [(10, 34)])[0]
    wanted = np.zeros(64)
    wanted[19:25] = 8 / 6
    np.testing.assert_allclose(middle, wanted, atol=0.08)  # the pedestal moves a little of it
    assert middle.sum() == pytest.approx(8)


@pytest.mark.parametrize("t", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_mass_is_interpolated(t):
    a, b = np.zeros((2, 64))
    a[20:24], b[40:46] = (1, 3, 2, 1), (2, 4, -1, 1, 1, 5)
    assert carried(a, b, [t], [(16, 30)], [(36, 50)]).sum() == pytest.approx((1 - t) * 7 + t * 12)


def test_a_wave_that_only_one_signal_has_flattens_where_it_is():
    a, b = np.zeros((2, 64))
    a[20:24] = 1
    path = carried(a, b, [0.5, 0.9], [(14, 30)], [(14, 30)])
    assert path.sum(axis=1) == pytest.approx([2, 0.4])
    assert path[1].max() < 0.1


@pytest.mark.parametrize("rates", [(60, 60), (55, 75), (100, 62)])
def test_both_ends_are_exact(rates):
    a, b = (ecg(rate, seed) for seed, rate in enumerate(rates))
    path = transport_path(a, b, 7, fs=FS)
    np.testing.assert_array_equal(path[[0, -1]], [a, b])
    near = transport_path(a, b, fs=FS, t=[1e-13, 1 - 1e-13])  # where nothing is put in by hand
    np.testing.assert_allclose(near, [a, b], atol=1e-10)


def test_places_may_be_asked_for_in_any_order():
    a, b = ecg(60), ecg(80, 1)
    path = transport_path(a, b, 5, fs=FS)
    np.testing.assert_allclose(transport_path(a, b, fs=FS, t=[0.75, 0.0, 0.25]), path[[3, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(linear_path(a, b, t=[0.25]), linear_path(a, b, 5)[1:2])


def test_the_way_back_is_the_way():
    a, b = ecg(60), ecg(80, 1)
    np.testing.assert_allclose(transport_path(b, a, 5, fs=FS), transport_path(a, b, 5, fs=FS)[::-1], atol=1e-12)


def test_a_signal_stays_itself():
    a = ecg(66)
    np.testing.assert_allclose(transport_path(a, a, 5, fs=FS), np.tile(a, (5, 1)), atol=1e-10)


@pytest.mark.parametrize("scale", [1e-3, -1.0, 40.0])
def test_amplitude_scales_the_path(scale):
    """Waves turned over keep their parts apart as well, but R and S change roles: linear in positive factors only."""
    a, b = ecg(60), ecg(72, 1)
    scaled = transport_path(scale * a, scale * b, 5, fs=FS)
    if scale > 0:
        np.testing.assert_allclose(scaled, scale * transport_path(a, b, 5, fs=FS), rtol=1e-6, atol=1e-9 * scale)
    assert path_report(transport_path(scale * a, scale * b, 50, fs=FS), fs=FS).admissible


def test_a_time_shift_of_both_shifts_the_path():
    """Inside, far from what enters and leaves at the borders."""
    a, b = ecg(70, seconds=8), ecg(70, 1, seconds=8)
    shift = 20
    early = transport_path(a[:900], b[:900], 3, fs=FS)[1]
    late = transport_path(a[shift : 900 + shift], b[shift : 900 + shift], 3, fs=FS)[1]
    inside = slice(200, 700)
    assert np.corrcoef(early[inside.start + shift : inside.stop + shift], late[inside])[0, 1] > 0.99


def test_the_sampling_frequency_does_not_matter():
    a, b = ecg(60, fs=256), ecg(72, 1, fs=256)
    fine = transport_path(a, b, 5, fs=256)
    coarse = transport_path(resample_poly(a, 1, 2), resample_poly(b, 1, 2), 5, fs=128)
    for row, other in zip(resample_poly(fine, 1, 2, axis=1), coarse, strict=True):
        assert np.corrcoef(row, other)[0, 1] > 0.97


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("rates", [(60, 60), (50, 62), (62, 90), (110, 70), (45, 120)])
def test_paths_between_synthetic_ecg_are_admissible(rates, seed):
    a, b = (ecg(rate, 2 * seed + i) for i, rate in enumerate(rates))
    report = path_report(transport_path(a, b, 60, fs=FS), fs=FS)
    assert report.admissible
    assert report.n_qrs[0] == count_waves(a, fs=FS).n_qrs


def test_a_linear_path_is_not_admissible():
    report = path_report(linear_path(ecg(60), ecg(75, 1)), fs=FS)
    assert not report.admissible
    assert report.steps[0]


@pytest.mark.parametrize(("height", "owned"), [(1.0, False), (-1.0, False), (0.5, True), (-0.5, True)])
def test_a_stray_wave_is_as_high_as_a_t_wave(height, owned):
    """At -0.5 it is the lowest place between a T wave and the next QRS, over which both tower higher than that."""
    end = ecg(50, heart_rate_std=0, baseline=0)
    qrs, t = (getattr(count_waves(end, fs=FS), wave)[1] for wave in ("qrs", "t"))
    wave = end[t - 15 : t + 16] - np.linspace(end[t - 15], end[t + 15], 31)
    place = qrs + round(0.75 * FS)
    middle = end.copy()
    middle[place - 15 : place + 16] += height * wave
    report = path_report([end, middle, end], fs=FS)
    assert report.owned.tolist() == [True, owned, True]


@pytest.mark.parametrize("width", [50, 220])
def test_flat_tops_are_judged_without_a_warning(width):
    square = np.where(np.arange(4 * FS) // width % 2, 1.0, -1.0)
    assert path_report([square, square], fs=FS).owned.all()


@pytest.mark.parametrize(
    ("jump", "error", "message"),
    [(-1, ValueError, "jump == -1, must be >= 0"), ("x", TypeError, "jump must be an instance of float")],
)
def test_jump_that_is_refused(jump, error, message):
    with pytest.raises(error, match=message):
        path_report([ecg(70), ecg(70)], fs=FS, jump=jump)


def test_matched_waves_move_monotonically():
    a, b = ecg(60, seconds=6), ecg(64, 1, seconds=6)
    drift = wave_drift(transport_path(a, b, 30, fs=FS), fs=FS)
    assert len(drift.wave) > 5
    along = drift.step * np.sign(drift.displacement)[:, None]
    assert (along > -0.3 / FS).all()  # a centre of mass is read off samples


def test_motion_and_fading_are_told_apart():
    a = ecg(50, seconds=5)
    pair = a[: 4 * FS], a[16 : 4 * FS + 16]
    moved = wave_drift(transport_path(*pair, 21, fs=FS), fs=FS)
    faded = wave_drift(linear_path(*pair, 21), fs=FS)
    np.testing.assert_allclose(moved.displacement, faded.displacement, atol=1e-9)
    assert (moved.displacement < -4 / FS).all()
    assert np.nanmax(moved.fading) < 0.3
    np.testing.assert_allclose(faded.fading, 1)


def test_drift_of_a_bump_by_hand():
    """A QRS alone: 10 samples on, half of the way at half of the path."""
    time = np.arange(4 * FS)
    a, b = (np.exp(-0.5 * (((time - start) % 100 - 50) / 2) ** 2) for start in (0, 10))
    moved, faded = (wave_drift(path, fs=FS) for path in (transport_path(a, b, 11, fs=FS), linear_path(a, b, 11)))
    for drift in (moved, faded):
        np.testing.assert_allclose(drift.displacement, 10 / FS, atol=0.1 / FS)
        np.testing.assert_allclose(drift.place[:, 5], drift.place[:, [0, -1]].mean(axis=1), atol=0.1 / FS)
    assert moved.fading.max() < 0.02
    np.testing.assert_allclose(faded.fading, 1)


def test_surplus_beats_leave_at_a_border_whole():
    a, b = ecg(90), ecg(50, 1)
    path = transport_path(a, b, 60, fs=FS)
    height = np.ptp(path, axis=1)
    assert height.min() > 0.9 * min(height[0], height[-1])
    report = path_report(path, fs=FS)
    assert set(np.diff(report.n_qrs)) <= {0, -1}


ODD = {
    "flat": np.zeros(4 * FS),
    "constant": np.full(4 * FS, 3.0),
    "noise": 0.1 * RNG.normal(size=4 * FS),
    "step": (np.arange(4 * FS) > 200).astype(float),
    "one spike": np.eye(1, 4 * FS, 250)[0],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_signals_do_no_harm(name):
    for a, b in ((ODD[name], ecg(70)), (ecg(70), ODD[name]), (ODD[name], ODD[name])):
        path = transport_path(a, b, 9, fs=FS)
        assert np.isfinite(path).all()
        np.testing.assert_array_equal(path[[0, -1]], [a, b])
        assert np.abs(path).max() < 3 * max(np.abs(a).max(), np.abs(b).max()) + 1e-9
        path_report(path, fs=FS)
        wave_drift(path, fs=FS)


@pytest.mark.parametrize("fs", [100, 128, 500])
@pytest.mark.parametrize("kind", ["noise", "tachycardia"])
def test_waves_of_hasty_beats_keep_their_order(kind, fs):
    """QRS complexes nearer to each other than they are long: their spans must not overlap."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        time = np.arange(4 * fs) / fs
        bumps = np.exp(-0.5 * ((time % rng.uniform(0.23, 0.3) - 0.1) / 0.05) ** 2)
        signal = rng.normal(size=len(time)) if kind == "noise" else bumps + 0.01 * rng.normal(size=len(time))
        beats = delineate(signal, float(fs))
        assert len(beats) > 3
        assert (np.diff(beats.spans.ravel()) > 0).all()
        assert ((beats.spans[:, 2] <= beats.r) & (beats.r < beats.spans[:, 3])).all()
        path = transport_path(signal, signal[::-1], 5, fs=fs)
        assert np.abs(path).max() < 2 * np.abs(signal).max()


def test_without_beats_the_path_is_linear():
    a, b = np.zeros(4 * FS), ecg(70)
    np.testing.assert_array_equal(transport_path(a, b, 9, fs=FS), linear_path(a, b, 9))
    short = b[:FS]
    np.testing.assert_array_equal(transport_path(short, short[::-1], 3, fs=FS), linear_path(short, short[::-1], 3))


@pytest.mark.parametrize("n_timepoints", [1, 2, 7])
def test_signals_too_short_for_a_beat_have_none(n_timepoints):
    a, b = np.random.default_rng(0).normal(size=(2, n_timepoints))
    path = transport_path(a, b, 3, fs=FS)
    np.testing.assert_array_equal(path, linear_path(a, b, 3))
    assert path_report(path, fs=FS).n_qrs.tolist() == [0, 0, 0]
    assert len(wave_drift(path, fs=FS).wave) == 0
    assert count_waves(a, fs=FS).n_qrs == 0


@pytest.mark.parametrize("function", [linear_path, lambda a, b, **k: transport_path(a, b, fs=FS, **k)])
def test_what_is_refused(function):
    a, b = ecg(60), ecg(70)
    broken = a.copy()
    broken[5] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        function(broken, b)
    with pytest.raises(ValueError, match="equal length"):
        function(a, b[:-1])
    with pytest.raises(ValueError, match="from 0 to 1"):
        function(a, b, t=[0.5, 1.1])
    with pytest.raises(ValueError, match="n_steps"):
        function(a, b, n_steps=1)


def test_sampling_frequencies_that_are_refused():
    for function in (partial_path, lambda fs: count_waves(ecg(), fs=fs)):
        with pytest.raises(ValueError, match="fs"):
            function(40)


def partial_path(fs):
    return transport_path(np.zeros(9), np.zeros(9), fs=fs)


def test_latent_path_decodes_the_line():
    X = RNG.normal(size=(30, 12))
    pca = PCA(3).fit(X)
    path = latent_path(pca, X[0], X[1], 4)
    np.testing.assert_allclose(path, linear_path(*pca.inverse_transform(pca.transform(X[:2])), 4), atol=1e-12)


def test_latent_paths_of_frames_are_those_of_arrays():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 12))).add_prefix("II_")
    ends = X.iloc[0], X.iloc[1]
    wanted = latent_path(PCA(3).fit(X.to_numpy()), *ends, 4)
    for pca in (PCA(3), PCA(3).set_output(transform="pandas")):
        np.testing.assert_array_equal(latent_path(pca.fit(X), *ends, 4), wanted)


def test_counts_of_a_synthetic_ecg():
    record = make_ecg(10, fs=250, heart_rate=66, random_state=1)
    waves = count_waves(record.signal[0], fs=250)
    marks = record.fiducials["II"]
    for name, found in {"P": waves.p, "QRS": waves.qrs, "T": waves.t}.items():
        marked = marks["peak"][marks["wave"] == name]
        found, marked = (at[(at > 50) & (at < record.n_timepoints - 50)] for at in (found, marked))
        assert len(found) == len(marked)
        assert np.abs(found - marked).max() < 0.06 * 250
    np.testing.assert_array_equal(waves.t > waves.qrs[waves.t_of], True)


@pytest.mark.parametrize("change", [lambda x: 1e-3 * x, lambda x: x + 5.0])
def test_counts_do_not_depend_on_the_unit(change):
    signal = ecg(70, seconds=10)
    a, b = count_waves(np.stack([signal, change(signal)]), fs=FS)
    for name in ("p", "qrs", "t", "p_of", "t_of"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_atrial_fibrillation_has_no_p_waves():
    waves = count_waves(ecg(80, seconds=30, rhythm="af"), fs=FS)
    assert waves.n_qrs > 25
    assert waves.n_p < 0.2 * waves.n_qrs


def test_counts_on_real_ecg(data_home):
    ludb = fetch_ludb(data_home=data_home, download_if_missing=False, records=[1, 2, 3, 4, 6, 7])
    right = 0
    for signal, marks in zip(ludb.data[:, 1], ludb.boundaries, strict=True):
        at = marks["II"]["peak"]
        qrs = count_waves(signal, fs=500).qrs
        right += ((qrs > at.min() - 50) & (qrs < at.max() + 50)).sum() == (marks["II"]["wave"] == "QRS").sum()
    assert right == 6
