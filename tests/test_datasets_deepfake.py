"""DeepFake ECG: the published layouts in small, the generator by a package of its interface and by the real one."""

import sys
import warnings

import numpy as np
import pytest
import torch

from sklearn_ecg import LeadConverter
from sklearn_ecg.datasets import fetch_deepfake, make_pulse2pulse
from sklearn_ecg.datasets._pulse2pulse import generate, load_generator
from sklearn_ecg.metrics import INTERVALS
from sklearn_ecg.preprocessing import detect_r_peaks
from sklearn_ecg.signals._annotations import INDEPENDENT_LEADS

HEADER = ("TestID", "patid", "avgrrinterval", "VentRate", "pr", "qrs", "qt", "samplerate_ECG", "ecgcategory")
ROWS = {
    3: ("750.0", "80", "160", "92", "400", "500", "Normal ECG"),
    0: ("1000", "60", "", "88", "410", "500", "Normal ECG"),
    7: ("600", "100", "0", "104", "350", "500", "Abnormal ECG"),
}
TARGET = {3: [80, 160, 92, 400], 0: [60, np.nan, 88, 410], 7: [100, np.nan, 104, 350]}


def write_table(path, names, *, delimiter=",", without=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [HEADER, *(("1400", str(name), *ROWS[name]) for name in names)]
    kept = [place for place, column in enumerate(HEADER) if column not in without]
    path.write_text("\n".join(delimiter.join(row[place] for place in kept) for row in rows) + "\n")


def write_signal(folder, name):
    """Lead number l of record ``name`` rises by one µV a sample from 100 l + name."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = np.arange(5000)[:, None] + 100 * np.arange(8) + name
    np.savetxt(folder / f"{name}.asc", counts, fmt="%i")


@pytest.fixture
def home(tmp_path):
    small = tmp_path / "deepfake" / "deepfake-ecg-small"
    for table, folder, names in (("train", "train", (3, 0)), ("validate", "validation", (7,)), ("test", "test", (3,))):
        write_table(small / f"{table}.csv", names, without=("ecgcategory",))
        for name in names:
            write_signal(small / folder, name)
    return tmp_path


def test_rows_and_intervals(home):
    bunch = fetch_deepfake(data_home=home)
    assert bunch.data.shape == (2, 40_000) and bunch.data.dtype == np.float32
    signals = bunch.data.reshape(2, 8, 5000)
    np.testing.assert_allclose(signals[0, 2], (np.arange(5000) + 203) / 1000, rtol=1e-6)  # V1 of record 3
    np.testing.assert_allclose(signals[1, 7, [0, 4999]], [0.7, 5.699], rtol=1e-6)
    np.testing.assert_array_equal(bunch.target, [TARGET[3], TARGET[0]])
    assert bunch.target_names == list(INTERVALS) and bunch.record.tolist() == [3, 0] and set(bunch.split) == {"train"}
    assert bunch.lead_names == INDEPENDENT_LEADS and bunch.fs == 500 and bunch.n_leads == 8
    assert bunch.feature_names[[0, 5000, -1]].tolist() == ["I_0000", "II_0000", "V6_4999"]
    twelve = LeadConverter(leads_out="standard", n_leads=8).fit_transform(bunch.data)
    assert twelve.shape == (2, 60_000)


def test_splits(home):
    assert fetch_deepfake(data_home=home, split="validation").record.tolist() == [7]
    whole = fetch_deepfake(data_home=home, split="all")
    assert whole.record.tolist() == [3, 0, 7, 3] and whole.split.tolist() == ["train", "train", "validation", "test"]
    first = fetch_deepfake(data_home=home, split="all", max_records=3)
    np.testing.assert_array_equal(first.data, whole.data[:3])


def test_forms_and_leads(home):
    pytest.importorskip("pandas")
    X, y = fetch_deepfake(data_home=home, leads=["V1", "II"], return_X_y=True)
    assert X.shape == (2, 10_000) and y.shape == (2, 4)
    np.testing.assert_allclose(X[0, [0, 5000]], [0.203, 0.103], rtol=1e-6)
    frame = fetch_deepfake(data_home=home, leads="V6", as_frame=True)
    assert list(frame.target.columns) == list(INTERVALS) and frame.frame.shape == (2, 5004)


def test_the_full_set_and_its_tables_in_clean(home):
    folder = home / "deepfake" / "deepfake_ecg_full_train_validation_test"
    write_table(folder / "clean" / "validation.csv", [0])
    write_signal(folder / "validation", 0)
    assert fetch_deepfake(data_home=home, subset="full", split="validation").record.tolist() == [0]


def test_normal_records_of_the_whole_set(home):
    write_table(home / "deepfake" / "pulse2pulse_150k_ground_truth.csv", [7, 3, 0], delimiter=";")
    for name in (0, 3, 7):
        write_signal(home / "deepfake" / "from_006_chkp_2500_150k", name)
    normal = fetch_deepfake(data_home=home, subset="150k", split="all")
    assert normal.record.tolist() == [3, 0] and set(normal.split) == {"all"}
    everything = fetch_deepfake(data_home=home, subset="150k", split="all", normal_only=False)
    np.testing.assert_array_equal(everything.target, [TARGET[7], TARGET[3], TARGET[0]])
    with pytest.raises(ValueError, match="The set '150k' is not divided: split must be 'all', got 'train'"):
        fetch_deepfake(data_home=home, subset="150k")
    write_table(home / "deepfake" / "pulse2pulse_150k_ground_truth.csv", [7], without=("ecgcategory",))
    with pytest.raises(OSError, match=r"lacks the column\(s\) ecgcategory"):
        fetch_deepfake(data_home=home, subset="150k", split="all")


def test_decimal_commas_beside_semicolons(home):
    write_table(home / "deepfake" / "filtered_all_normals_121977_ground_truth.csv", [3], delimiter=";")
    table = home / "deepfake" / "filtered_all_normals_121977_ground_truth.csv"
    table.write_text(table.read_text().replace("750.0", "750,0"))
    write_signal(home / "deepfake" / "from_006_chck_2500_150k_filtered_all_normals_121977", 3)
    bunch = fetch_deepfake(data_home=home, subset="normals", split="all")
    np.testing.assert_array_equal(bunch.target, [TARGET[3]])


def test_partial_sets_are_named(home):
    small = home / "deepfake" / "deepfake-ecg-small"
    (small / "train" / "3.asc").unlink()
    with pytest.warns(UserWarning, match=r"deepfake-ecg-small holds 1 of the 2 records wanted") as caught:
        bunch = fetch_deepfake(data_home=home)
    assert caught[0].filename == __file__
    assert bunch.record.tolist() == [0] and bunch.data[0, 0] == 0
    (small / "train" / "0.asc").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"holds none of the 2 signal\(s\) wanted of the set 'small': .*SKLEARN_ECG_DATA"
    ):
        fetch_deepfake(data_home=home)
    with pytest.raises(
        FileNotFoundError, match=r"holds no train\.csv or clean/train\.csv, .* SKLEARN_ECG_DATA.* deepfake/"
    ):
        fetch_deepfake(data_home=home, subset="full")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patid,pr\n3,160\n", r"lacks the column\(s\) avgrrinterval, qrs, qt"),
        ("", r"lacks the column\(s\)"),
        ("patid,avgrrinterval,pr,qrs,qt\n3,slow,1,1,1\n", r"train\.csv is damaged"),
        ("patid,avgrrinterval,pr,qrs,qt\n3,800,1\n", r"train\.csv is damaged"),
    ],
)
def test_damaged_tables(home, text, message):
    (home / "deepfake" / "deepfake-ecg-small" / "train.csv").write_text(text)
    with pytest.raises(OSError, match=message):
        fetch_deepfake(data_home=home)


@pytest.mark.parametrize("text", ["1 2 3\n", "1 2 3 4 5 6 7 8\n" * 4999, "a b c d e f g h\n" * 5000])
def test_damaged_signals(home, text):
    (home / "deepfake" / "deepfake-ecg-small" / "train" / "3.asc").write_text(text)
    with pytest.raises(OSError, match=r"3\.asc is damaged"):
        fetch_deepfake(data_home=home)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"subset": "large"}, "subset must be 'small', 'full', 'normals', '150k', got 'large'"),
        ({"split": "valid"}, "split must be 'train', 'validation', 'test' or 'all', got 'valid'"),
        ({"max_records": 0}, "max_records must be a positive integer or None, got 0"),
        ({"leads": ["III"]}, r"leads must be different ones of I, II, V1.*got \['III'\]"),
        ({"leads": ["I", "I"]}, "leads must be different"),
    ],
)
def test_bad_parameters(home, option, message):
    with pytest.raises(ValueError, match=message):
        fetch_deepfake(data_home=home, **option)


PACKAGE = """
import torch

class Generator(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = torch.nn.Conv1d(8, 8, 3, padding=1)
        torch.nn.init.kaiming_normal(self.mix.weight)  # deprecated, as in the real one

    def forward(self, noise):
        return torch.tanh(self.mix(noise))
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A package deepfakeecg with an untrained generator; gives the weights of its one layer."""
    folder = tmp_path / "site" / "deepfakeecg"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "__init__.py").write_text(PACKAGE)
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(8, 8, 3)) / 5, rng.normal(size=8) / 5
    state = {"mix.weight": torch.tensor(weight).float(), "mix.bias": torch.tensor(bias).float()}
    torch.save({"stat_dict": state}, folder / "checkpoints" / "g_stat.pt")
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.delitem(sys.modules, "deepfakeecg", raising=False)
    yield folder, weight, bias
    sys.modules.pop("deepfakeecg", None)


def test_pulse2pulse_scales_what_the_network_gives(stand_in):
    _, weight, bias = stand_in
    bunch = make_pulse2pulse(2, random_state=0)
    assert bunch.data.shape == (2, 40_000) and bunch.data.dtype == np.float32 and bunch.fs == 500
    assert bunch.lead_names == INDEPENDENT_LEADS and bunch.feature_names[-1] == "V6_4999"
    noise = np.random.RandomState(0).uniform(-1, 1, size=(8, 5000))
    expected = 6 * np.tanh(bias + sum(weight[:, :, i] @ noise[:, 99 + i] for i in range(3)))  # mV, at sample 100
    np.testing.assert_allclose(bunch.data.reshape(2, 8, 5000)[0, :, 100], expected, rtol=1e-4)


@pytest.mark.usefixtures("stand_in")
def test_pulse2pulse_follows_its_seed_alone():
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    few, many = make_pulse2pulse(2, random_state=3), make_pulse2pulse(4, random_state=3)
    np.testing.assert_array_equal(few.data, many.data[:2])
    assert not np.array_equal(few.data, make_pulse2pulse(2, random_state=4).data)
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(torch_before, torch.random.get_rng_state())


def test_pulse2pulse_names_what_is_missing(stand_in, monkeypatch):
    for number in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="n_samples must be a positive integer"):
            make_pulse2pulse(number)
    (stand_in[0] / "checkpoints" / "g_stat.pt").unlink()
    with pytest.raises(ImportError, match=r"deepfake-ecg carries no checkpoints/g_stat\.pt: version 1\.1\.2 does"):
        make_pulse2pulse(1)
    with monkeypatch.context() as absent:
        absent.setitem(sys.modules, "deepfakeecg", None)
        with pytest.raises(ImportError, match=r"pip install sklearn_ecg\[deepfake\]"):
            make_pulse2pulse(1)


def test_the_real_generator(tmp_path):
    """Against the package's own files, from the same noise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        deepfakeecg = pytest.importorskip("deepfakeecg")
    bunch = make_pulse2pulse(2, random_state=0)
    signals = bunch.data.reshape(2, 8, 5000)
    assert (np.ptp(signals, axis=2).max(axis=1) > 1).all() and (np.ptp(signals, axis=2) < 6).all()
    for signal in signals:
        rr = np.diff(detect_r_peaks(signal[1], fs=bunch.fs)) / bunch.fs
        assert 40 < 60 / np.median(rr) < 120 and rr.std() < 0.2 * rr.mean()
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        deepfakeecg.generate(1, str(tmp_path))
        torch.manual_seed(0)
        deepfakeecg.Generator()  # draws its first weights
        noise = torch.Tensor(1, 8, 5000).uniform_(-1, 1)
    theirs = np.loadtxt(tmp_path / "0.asc").T
    ours = generate(load_generator(), noise)[0] * 1000
    np.testing.assert_allclose(ours, theirs, atol=1.1)  # theirs are cut to whole µV
