import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline
from scipy.signal import welch
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from sklearn_ecg.datasets import make_beats, make_ecg, make_noise, waves_of_intervals
from sklearn_ecg.datasets._rhythm import Beats
from sklearn_ecg.datasets._waves import NORMAL, TABLES, lead_matrix, scaled_waves, trace
from sklearn_ecg.preprocessing import wave_intervals
from sklearn_ecg.signals._annotations import STANDARD_LEADS
from sklearn_ecg.signals._rhythm import sinus_intervals

ECTOPIC = {"S": 0.1, "V": 0.1, "F": 0.05}


def waves_of(record, wave):
    marks = record.fiducials[record.lead_names[0]]
    return marks[marks["wave"] == wave]


def test_form_of_a_record():
    record = make_ecg(10, fs=500, leads=["II", "V1"], random_state=0)
    assert record.signal.shape == (2, 5000) and record.signal.dtype == np.float32
    assert record.fs == 500 and record.lead_names == ("II", "V1")
    assert len(record.peaks) == len(record.symbols) and set(record.symbols) == {"N"}
    assert record.annotations["note"][0] == "(N" and record.annotations["sample"].tolist()[1:] == record.peaks.tolist()
    assert 0.7 < record.signal[0].max() < 1.3


def test_same_seed_same_record():
    first, second = (make_ecg(5, ectopic=ECTOPIC, muscle=0.02, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first.signal, second.signal)
    other = make_ecg(5, ectopic=ECTOPIC, muscle=0.02, random_state=4)
    assert not np.array_equal(first.signal, other.signal)
    quiet = make_ecg(5, ectopic=ECTOPIC, random_state=3)
    np.testing.assert_array_equal(first.peaks, quiet.peaks)


def test_global_generator_is_untouched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_ecg(2, random_state=0)
    make_beats(1, duration=5, random_state=0)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("heart_rate", [60, 90])
def test_filter_solves_the_limit_cycle(heart_rate):
    rr, step, n = 60 / heart_rate, 1 / 720, 4320
    times = np.arange(n) * step
    at = np.arange(0, 8, rr)
    cycle = np.full(len(at), rr)
    beats = Beats(at, np.full(len(at), "N"), cycle, cycle)
    scaled = scaled_waves(TABLES, heart_rate)
    ours = trace(beats, scaled, lead_matrix(["II"]), times, step)[0]
    angles, strengths, widths = (np.array([wave[i] for wave in scaled["N"]]) for i in (1, 2, 3))

    def cycle_of_mcsharry(t, state):
        x, y, z = state
        alpha, omega = 1 - np.hypot(x, y), 2 * np.pi / rr
        away = (np.arctan2(y, x) - angles + np.pi) % (2 * np.pi) - np.pi
        pull = -np.sum(strengths * away * np.exp(-(away**2) / (2 * widths**2))) - z
        return [alpha * x - omega * y, alpha * y + omega * x, pull]

    late = times > 2.0
    solution = solve_ivp(
        cycle_of_mcsharry, (0, times[-1]), [1, 0, 0], t_eval=times, rtol=1e-7, atol=1e-9, max_step=0.01
    )
    np.testing.assert_allclose(ours[late], solution.y[2][late], atol=2e-3 * solution.y[2].max())


@pytest.mark.parametrize("fs", [100, 360, 1000])
@pytest.mark.parametrize("heart_rate", [45, 75, 120])
def test_peaks_are_at_the_top(fs, heart_rate):
    record = make_ecg(30, fs=fs, heart_rate=heart_rate, ectopic={"S": 0.1, "V": 0.15}, random_state=1)
    reach = round(0.08 * fs)
    inner = record.peaks[(record.peaks > reach) & (record.peaks < record.n_timepoints - reach)]
    tops = inner - reach + np.argmax(record.signal[0][inner[:, None] + np.arange(-reach, reach + 1)], axis=1)
    assert len(inner) > 15 and np.abs(tops - inner).max() <= max(0.010 * fs, 1)


@pytest.mark.parametrize("rhythm", ["sinus", "af"])
@pytest.mark.parametrize("heart_rate", [50, 80, 110])
def test_heart_rate(rhythm, heart_rate):
    record = make_ecg(300, fs=100, heart_rate=heart_rate, heart_rate_std=2, rhythm=rhythm, random_state=0)
    assert 60 / np.mean(np.diff(record.peaks) / 100) == pytest.approx(heart_rate, rel=0.05)


@pytest.mark.parametrize("heart_rate", [190, 205, 250, 300])
def test_fast_hearts_are_made_as_asked(heart_rate):
    record = make_ecg(60, fs=500, heart_rate=heart_rate, heart_rate_std=5, random_state=0)
    rr = np.diff(record.peaks) / 500
    assert 60 / rr.mean() == pytest.approx(heart_rate, rel=0.003)
    assert (60 / rr).std() == pytest.approx(5, rel=0.15)
    clean = make_ecg(10, fs=1000, heart_rate=heart_rate, respiration=0, random_state=0)
    inner = clean.peaks[(clean.peaks > 100) & (clean.peaks < 9900)]
    beats = clean.signal[0][inner[:, None] + np.arange(-80, 81)]
    assert (abs(beats.argmax(axis=1) - 80) <= 2).all()  # ms; the R peak towers above the waves around it
    assert beats[:, 80].min() > 2.5 * np.delete(beats, slice(60, 101), axis=1).max()
    assert set(waves_of(clean, "T")["wave"]) == {"T"} and len(waves_of(clean, "P")) >= len(inner)


def test_ectopic_beats_of_a_fast_heart_are_early_all_the_same():
    for kind, heart_rate in (("V", 145), ("S", 155), ("F", 190)):
        record = make_ecg(120, fs=500, heart_rate=heart_rate, heart_rate_std=8, ectopic={kind: 0.2}, random_state=0)
        rr, usual = np.diff(record.peaks) / 500, np.median(np.diff(record.peaks)) / 500
        ectopic = rr[record.symbols[1:] != "N"]
        assert len(ectopic) > 30 and np.mean(ectopic) < usual and ectopic.min() > 0.24


def test_heart_rate_variability():
    rr = sinus_intervals(np.random.default_rng(0), 2000, 60, 2, 0.5)
    assert np.std(60 / rr) == pytest.approx(2, rel=0.15)
    beats = np.cumsum(rr)
    even = CubicSpline(beats, rr)(np.arange(1, beats[-1], 0.25))
    frequency, power = welch(even - even.mean(), fs=4, nperseg=1024)
    low, high = (power[np.abs(frequency - centre) < 0.04].sum() for centre in (0.1, 0.25))
    assert low + high > 0.9 * power.sum()
    assert 0.4 < low / high < 0.7


def test_steady_heart():
    record = make_ecg(20, fs=1000, heart_rate_std=0, random_state=0)
    assert set(np.diff(record.peaks)) <= {999, 1000, 1001}


def test_ectopic_beats():
    record = make_ecg(600, fs=250, heart_rate=70, heart_rate_std=0, ectopic=ECTOPIC, random_state=0)
    rr = np.diff(record.peaks) / 250 / (60 / 70)
    before, after = rr[:-1], rr[1:]
    inner = record.symbols[1:-1]
    assert not ((record.symbols[1:] != "N") & (record.symbols[:-1] != "N")).any()
    for symbol, least in (("A", 40), ("V", 40), ("F", 15)):
        assert (inner == symbol).sum() > least
    assert (before[inner == "A"] < 0.82).all() and (after[inner == "A"] > 0.98).all()
    assert (before[inner == "V"] < 0.77).all()
    np.testing.assert_allclose((before + after)[inner == "V"], 2, atol=0.02)

    qrs, p = waves_of(record, "QRS"), waves_of(record, "P")
    width = dict(zip(qrs["peak"], (qrs["offset"] - qrs["onset"]) / 250, strict=True))
    widths = {symbol: np.mean([width[at] for at in record.peaks[1:-1][inner == symbol]]) for symbol in "NAV"}
    assert widths["V"] > 1.3 * widths["N"] and widths["A"] == pytest.approx(widths["N"], rel=0.02)
    with_p = {symbol: _beats_with_p(record.peaks[1:-1][inner == symbol], p["peak"], 250) for symbol in "NAV"}
    assert with_p == {"N": 1.0, "A": 1.0, "V": 0.0}


def _beats_with_p(peaks, p_peaks, fs):
    gap = (peaks[:, None] - p_peaks) / fs
    return ((gap > 0.1) & (gap < 0.25)).any(axis=1).mean()


def test_atrial_fibrillation():
    fibrillating, sinus = (make_ecg(120, heart_rate=80, rhythm=rhythm, random_state=0) for rhythm in ("af", "sinus"))
    rr = np.diff(fibrillating.peaks)
    assert rr.std() / rr.mean() > 0.15 and rr.min() > 0.29 * 360
    assert len(waves_of(fibrillating, "P")) == 0 and len(waves_of(sinus, "P")) > 150
    assert fibrillating.annotations["note"][0] == "(AFIB"
    assert abs(np.corrcoef(rr[:-1], rr[1:])[0, 1]) < 0.25


def test_fiducials_are_in_order():
    record = make_ecg(30, fs=500, heart_rate=70, random_state=2, leads=("II", "V5"))
    assert set(record.fiducials) == {"II", "V5"}
    marks = waves_of(record, "P"), waves_of(record, "QRS"), waves_of(record, "T")
    for wave in marks:
        whole = wave[(wave["onset"] >= 0) & (wave["offset"] >= 0)]
        assert len(whole) > 30
        assert (whole["onset"] < whole["peak"]).all() and (whole["peak"] < whole["offset"]).all()
    every = record.fiducials["II"]
    assert (np.diff(every["peak"]) > 0).all()
    assert waves_of(record, "QRS")["peak"].tolist() == record.peaks.tolist()
    assert every["wave"][every["peak"] > record.peaks[0]][:6].tolist() == ["T", "P", "QRS", "T", "P", "QRS"]


def test_p_and_t_peaks_are_local_maxima():
    record = make_ecg(30, fs=500, respiration=0, random_state=0)
    for wave, reach in (("P", 20), ("T", 40)):
        at = waves_of(record, wave)["peak"]
        at = at[(at > reach) & (at < record.n_timepoints - reach)]
        tops = np.argmax(record.signal[0][at[:, None] + np.arange(-reach, reach + 1)], axis=1) - reach
        assert np.abs(tops).max() <= 8


def test_limb_leads_follow_einthoven():
    record = make_ecg(3, leads="all", muscle=0.05, baseline=0.1, random_state=0)
    lead = {name: record.lead(name).astype(float) for name in STANDARD_LEADS}
    np.testing.assert_allclose(lead["III"], lead["II"] - lead["I"], atol=1e-6)
    np.testing.assert_allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0, atol=1e-6)
    np.testing.assert_allclose(lead["aVF"], lead["II"] - lead["I"] / 2, atol=1e-6)


@pytest.mark.parametrize("kind", ["baseline", "muscle", "mains", "motion"])
def test_noise_has_the_level_asked_for(kind):
    clean, noisy = (make_ecg(60, random_state=0, **{kind: level}).signal.astype(float) for level in (0.0, 0.1))
    assert np.sqrt(np.mean((noisy - clean) ** 2)) == pytest.approx(0.1, rel=1e-3)
    if kind != "motion":
        frequency, power = welch((noisy - clean)[0], fs=360, nperseg=4096)
        low, high = {"baseline": (0, 1), "muscle": (15, 180), "mains": (49, 51)}[kind]
        assert power[(frequency >= low) & (frequency <= high)].sum() > 0.9 * power.sum()


def test_own_waves_and_amplitude():
    flat = make_ecg(5, waves={"T": (100, 0, 0.4)}, amplitude=2.0, respiration=0, random_state=0)
    plain = make_ecg(5, respiration=0, random_state=0)
    at = waves_of(plain, "T")["peak"]
    at = at[at < plain.n_timepoints - 1]
    assert plain.signal[0][at].mean() > flat.signal[0][at].mean() + 0.2
    assert flat.signal.max() == pytest.approx(2 * plain.signal.max(), rel=0.2)


@pytest.mark.parametrize(
    "intervals", [(60, 160, 90, 400), (45, 220, 130, 460), (90, 120, 75, 340), (120, 125, 80, 300)]
)
def test_chosen_intervals(intervals):
    heart_rate, pr, qrs, qt = intervals
    waves = waves_of_intervals(heart_rate=heart_rate, pr=pr, qrs=qrs, qt=qt)
    settings = {"fs": 1000, "heart_rate": heart_rate, "waves": waves, "respiration": 0, "random_state": 0}
    steady, varied = (make_ecg(30, heart_rate_std=std, **settings) for std in (0, 1))
    measured = wave_intervals([steady.fiducials["II"]], fs=1000)[0]
    np.testing.assert_allclose(measured, intervals, atol=1.0)
    np.testing.assert_allclose(wave_intervals([varied.fiducials["II"]], fs=1000)[0], intervals, rtol=0.03)
    for wave, tall in (("P", 0.15), ("QRS", 0.9), ("T", 0.25)):
        marks = waves_of(steady, wave)[2]
        trace_of_wave = steady.signal[0][marks["onset"] : marks["offset"] + 1]
        height = np.ptp(trace_of_wave)
        assert height > 0.8 * tall and abs(trace_of_wave[0] - steady.signal[0][marks["onset"] - 10]) < 0.1 * height


def test_usual_waves_come_back_from_their_own_boundaries():
    """ECGSYN's P and T at 60 bpm: centres at -70° and 100°, four widths of 0.25 and 0.4 rad long."""
    to_ms = 1000 / (2 * np.pi)
    waves = waves_of_intervals(
        heart_rate=60, pr=(np.deg2rad(70) + 0.5) * to_ms - 60, qrs=120, qt=(np.deg2rad(100) + 0.8) * to_ms + 60,
        p_duration=to_ms, t_duration=1.6 * to_ms,
    )  # fmt: skip
    np.testing.assert_allclose(waves["P"], NORMAL["P"])
    np.testing.assert_allclose(waves["T"], NORMAL["T"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"qrs": 0}, "qrs must be a finite number, positive, got 0"),
        ({"qt": np.nan}, "qt must be a finite number, positive"),
        ({"pr": "long"}, "pr must be a finite number, positive, got 'long'"),
        ({"pr": 100}, "The waves overlap: heart_rate=60, pr=100"),
        ({"qt": 250}, "The waves overlap"),
        ({"heart_rate": 120}, "The waves overlap"),
    ],
)
def test_intervals_that_cannot_be(changed, message):
    with pytest.raises(ValueError, match=message):
        waves_of_intervals(**{"heart_rate": 60, "pr": 160, "qrs": 90, "qt": 400, **changed})


@pytest.mark.parametrize("duration", [0.002, 0.3, 1.0])
def test_short_records(duration):
    record = make_ecg(duration, ectopic=ECTOPIC, baseline=0.1, motion=0.1, random_state=0)
    assert record.n_timepoints == max(round(duration * 360), 1) and np.isfinite(record.signal).all()


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"fs": 0}, "fs must be"),
        ({"fs": 49}, "fs must be"),
        ({"duration": 0}, "duration must be a finite number, positive"),
        ({"heart_rate": -1}, "heart_rate must be"),
        ({"muscle": -0.1}, "muscle must be a finite number, 0 or more"),
        ({"baseline": np.nan}, "baseline must be"),
        ({"rhythm": "vt"}, "rhythm must be 'sinus' or 'af'"),
        ({"ectopic": {"X": 0.1}}, "ectopic must have the keys"),
        ({"ectopic": {"S": 0.1}, "rhythm": "af"}, "ectopic must have the keys"),
        ({"ectopic": {"S": 0.7, "V": 0.7}}, "sum to 1 at most"),
        ({"heart_rate": 220, "rhythm": "af"}, "heart_rate must be under 200 bpm in atrial fibrillation, got 220"),
        ({"heart_rate": 301}, "heart_rate must be at most 300 bpm, got 301"),
        (
            {"heart_rate": 150, "ectopic": {"V": 0.1}},
            "heart_rate must be under 150 bpm for ectopic beats 'V', .* got 150",
        ),
        (
            {"heart_rate": 170, "ectopic": {"S": 0.1}},
            "heart_rate must be under 160 bpm for ectopic beats 'S', .* got 170",
        ),
        ({"heart_rate": 60, "heart_rate_std": 60}, "heart_rate_std=60 bpm is too large for heart_rate=60 bpm"),
        ({"leads": ["V9"]}, r"leads must be different ones of I, .*, got \['V9'\]"),
        ({"waves": {"U": (150, 1, 0.1)}}, r"Unknown wave\(s\) \['U'\]"),
    ],
)
def test_bad_parameters(wrong, message):
    with pytest.raises(ValueError, match=message):
        make_ecg(random_state=0, **wrong)


def test_beats_have_the_fields_of_the_real_ones():
    beats = make_beats(5, duration=30, leads=("II", "V1"), random_state=0)
    n_beats = len(beats.target)
    assert beats.data.shape == (n_beats, 2 * 256 + 4) and beats.data.dtype == np.float32
    assert set(beats) == {
        "data", "target", "groups", "record", "position", "symbol", "fs", "lead_names", "n_leads", "n_side_features",
        "side_feature_names", "feature_names", "DESCR",
    }  # fmt: skip
    for name in ("groups", "record", "position", "symbol"):
        assert len(beats[name]) == n_beats
    assert beats.fs == 360 and beats.n_leads == 2 and len(np.unique(beats.groups)) == 5
    assert beats.feature_names[256] == "V1_0000" and set(beats.target) <= set("NSVF")
    X, y = make_beats(5, duration=30, leads=("II", "V1"), random_state=0, return_X_y=True)
    np.testing.assert_array_equal(X, beats.data)
    np.testing.assert_array_equal(y, beats.target)


def test_more_records_keep_the_first_ones():
    few, many = (make_beats(n, duration=20, random_state=5) for n in (2, 4))
    np.testing.assert_array_equal(few.data, many.data[: len(few.data)])


def test_beats_are_a_task():
    beats = make_beats(24, duration=60, random_state=0)
    assert {name: (beats.target == name).sum() > 10 for name in "NSVF"} == dict.fromkeys("NSVF", True)

    def score(model):
        predicted = cross_val_predict(model, beats.data, beats.target, groups=beats.groups, cv=GroupKFold(3))
        return f1_score(beats.target, predicted, average="macro")

    learnt = score(ExtraTreesClassifier(50, class_weight="balanced", random_state=0))
    assert score(DummyClassifier()) + 0.2 < learnt < 0.95


def test_beats_bad_parameters():
    with pytest.raises(ValueError, match="n_records must be a positive integer"):
        make_beats(0)
    with pytest.raises(ValueError, match="duration must be"):
        make_beats(1, duration=-1)
    with pytest.raises(ValueError, match="Unknown side feature"):
        make_beats(1, duration=5, side_features=["age"])


def test_wave_table_is_that_of_the_paper():
    assert NORMAL["R"] == (0, 30, 0.1) and NORMAL["T"] == (100, 0.75, 0.4) and list(NORMAL) == list("PQRST")


@pytest.mark.parametrize("kind", ["white", "baseline", "muscle", "mains", "motion"])
def test_noise_to_be_added_has_its_level_and_its_seed(kind):
    noise, again, other = (make_noise((2, 20_000), fs=250, **{kind: 0.3}, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_allclose(noise.std(axis=1), 0.3, rtol=0.05)
    np.testing.assert_array_equal(noise, again)
    assert not np.array_equal(noise, other)
    assert not np.array_equal(noise[0], noise[1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (2, 0)}, r"shape must be \(n_signals, n_timepoints\), two positive integers, got"),
        ({"shape": 250}, "shape must be .*, got 250"),
        ({"muscle": -1}, "muscle must be a finite number, 0 or more, got -1"),
        ({"mains_frequency": 0}, "mains_frequency must be a finite number, positive, got 0"),
        ({"white": "loud"}, "white must be a finite number, 0 or more, got 'loud'"),
        ({"fs": 20}, "fs must be"),
    ],
)
def test_noise_that_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_noise(**{"shape": (2, 500), "fs": 250, **settings})
