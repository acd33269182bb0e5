import csv
import itertools
from types import SimpleNamespace

import numpy as np
import pooch
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer

from sklearn_ecg.datasets import _download, fetch_ptbxl
from sklearn_ecg.datasets._wfdb import quiet_wfdb, read_plain_signal
from sklearn_ecg.metrics import INTERVALS
from sklearn_ecg.signals._annotations import STANDARD_LEADS

LEADS = [lead.upper() for lead in STANDARD_LEADS]
COLUMNS = ["ecg_id", "patient_id", "age", "sex", "report", "scp_codes", "strat_fold", "filename_lr", "filename_hr"]
CODES = {
    1: "{'NORM': 100.0, 'SR': 0.0}",
    2: "{'IMI': 35.0, 'LAFB': 100.0, 'ABQRS': 0.0}",
    3: "{'ASMI': 80.0, 'ISC_': 0.0}",
    4: "{'AFIB': 0.0}",
}
STATEMENTS = """,description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass
ISC_,non-specific ischemic,1.0,,,STTC,ISC_
LAFB,left anterior fascicular block,1.0,,,CD,LAFB/LPFB
NORM,normal ECG,1.0,,,NORM,NORM
LVH,left ventricular hypertrophy,1.0,,,HYP,LVH
IMI,inferior myocardial infarction,1.0,,,MI,IMI
ASMI,anteroseptal myocardial infarction,1.0,,,MI,AMI
ABQRS,abnormal QRS,,1.0,,,
AFIB,atrial fibrillation,,,1.0,,
"""


def write_sines(folder, name, fs, number):
    """Ten seconds of sines, a multiple of 1 Hz in every lead, around ``number`` µV, with a header as in PTB-XL."""
    time = np.arange(10 * fs) / fs
    sines = np.column_stack([np.sin(2 * np.pi * (place + 1) * time) for place in range(12)])
    raw = (number + np.rint(1000 * sines)).astype("<i2")
    lines = [f"{name}.dat 16 1000.0(0)/mV 16 0 0 0 0 {lead}" for lead in LEADS]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.hea").write_text("\n".join([f"{name} 12 {fs} {10 * fs}", *lines]) + "\n")
    (folder / f"{name}.dat").write_bytes(raw.tobytes())


def write_ptbxl(folder):
    """Four records in the layout of PTB-XL, in three folds, and the two tables."""
    table = []
    for number, (age, fold) in enumerate([("56.0", 3), ("300.0", 9), ("", 9), ("61.0", 10)], start=1):
        paths = [f"records{fs}/00000/0000{number}_{end}" for fs, end in ((100, "lr"), (500, "hr"))]
        for fs, path in zip((100, 500), paths, strict=True):
            name = path.rsplit("/", 1)[-1]
            write_sines(folder / f"records{fs}" / "00000", name, fs, number)
        patient = f"{100.0 + min(number, 3)}"
        table.append([number, patient, age, number % 2, "sinus,\nnormal", CODES[number], fold, *paths])
    with (folder / "ptbxl_database.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *table])
    (folder / "scp_statements.csv").write_text(STATEMENTS)


FEATURES = """T_Dur_Global,QRS_Dur_Global,ecg_id,RR_Mean_Global,PR_Int_Global,QT_Int_Global
200,92,1.0,1000,160,400
,110,3,750.0,,380.5
180,96,2,600,0,350
"""
"""Record 3 has no PR, record 2 an impossible one, record 4 no row; the key stands amid the columns, as in PTB-XL+."""


def write_features(folder):
    (folder / "features").mkdir(parents=True)
    (folder / "features" / "12sl_features.csv").write_text(FEATURES)


@pytest.fixture
def ptbxl(tmp_path):
    """Function that loads records 1 to 4 of a data home, which is in ``folder``."""
    write_ptbxl(tmp_path / "ptbxl")

    def fetch(**options):
        return fetch_ptbxl(**{"data_home": tmp_path, "download_if_missing": False, "records": [1, 2, 3, 4]} | options)

    fetch.folder = tmp_path / "ptbxl"
    return fetch


@pytest.fixture
def source(file_server, write_sums, monkeypatch):
    folder = file_server.folder / "ptb-xl" / "1.0.3"
    write_ptbxl(folder)
    write_sums(folder)
    monkeypatch.setattr(_download, "PHYSIONET_URL", file_server.url)
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
    return SimpleNamespace(folder=folder, asked=file_server.asked)


def test_rows(ptbxl):
    bunch = ptbxl()
    assert bunch.data.shape == (4, 12_000) and bunch.data.dtype == np.float32
    time = np.arange(1000) / 100
    signals = bunch.data.reshape(4, 12, 1000)
    for place in range(12):
        wanted = 0.003 + np.sin(2 * np.pi * (place + 1) * time)
        np.testing.assert_allclose(signals[2, place], wanted, atol=0.5 / 1000 + 1e-6)
    assert bunch.lead_names == STANDARD_LEADS and bunch.n_leads == 12 and bunch.fs == 100
    assert bunch.feature_names[[0, 3999, 11_999]].tolist() == ["I_0000", "aVR_0999", "V6_0999"]
    assert bunch.groups.tolist() == [101, 102, 103, 103] and bunch.fold.tolist() == [3, 9, 9, 10]
    assert bunch.ecg_id.tolist() == [1, 2, 3, 4] and bunch.sex.tolist() == ["F", "M", "F", "M"]
    np.testing.assert_array_equal(bunch.age, [56, 90, np.nan, 61])
    assert bunch.metadata["report"][0] == "sinus,\nnormal" and bunch.metadata["age"].tolist() == [
        "56.0",
        "300.0",
        "",
        "61.0",
    ]


def test_chosen_leads_at_500_hz(ptbxl):
    bunch, everything = ptbxl(fs=500, leads=["V1", "AVR"]), ptbxl(fs=500)
    assert bunch.data.shape == (4, 10_000) and bunch.lead_names == ("V1", "aVR") and bunch.fs == 500
    np.testing.assert_array_equal(bunch.data[:, :5000], everything.data[:, 6 * 5000 : 7 * 5000])
    np.testing.assert_array_equal(bunch.data[:, 5000:], everything.data[:, 3 * 5000 : 4 * 5000])
    np.testing.assert_array_equal(ptbxl(fs=500, leads="V1").data, bunch.data[:, :5000])


def test_superclasses(ptbxl):
    bunch = ptbxl()
    assert bunch.target_names == ["NORM", "MI", "STTC", "CD", "HYP"] and bunch.target.dtype.kind == "i"
    assert bunch.target.tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]


def test_likelihood(ptbxl):
    assert ptbxl(min_likelihood=1).target[2].tolist() == [0, 1, 0, 0, 0]
    assert ptbxl(min_likelihood=35).target[1].tolist() == [0, 1, 0, 1, 0]
    assert ptbxl(min_likelihood=36).target[1].tolist() == [0, 0, 0, 1, 0]


def test_finer_classes(ptbxl):
    fine = ptbxl(task="subclass")
    assert fine.target_names == ["NORM", "IMI", "AMI", "ISC_", "LAFB/LPFB", "LVH"]
    assert fine.target[2].tolist() == [0, 0, 1, 1, 0, 0]
    assert ptbxl(task="diagnostic").target_names == ["NORM", "IMI", "ASMI", "ISC_", "LAFB", "LVH"]


def test_side_features(ptbxl):
    with pytest.warns(UserWarning, match=r"age of 1 of the 4 records is unknown and NaN") as caught:
        bunch = ptbxl(leads="II", side_features=["sex", "age"])
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(bunch.data[:, -2:], [[1, 56], [0, 90], [1, np.nan], [0, 61]])
    assert bunch.n_side_features == 2 and bunch.feature_names[-2:].tolist() == ["sex", "age"]
    assert np.isfinite(bunch.data[:, :-1]).all()
    filled = ColumnTransformer([("signal", "passthrough", slice(0, -1)), ("age", SimpleImputer(), [-1])])
    X = filled.fit(bunch.data[[0, 3]]).transform(bunch.data)
    np.testing.assert_array_equal(X[:, :-1], bunch.data[:, :-1])
    assert X[2, -1] == 58.5
    assert ptbxl(records=[1, 2], side_features=("age",)).data[:, -1].tolist() == [56, 90]


def test_features(ptbxl):
    assert "features" not in ptbxl()
    with pytest.raises(FileNotFoundError, match=r"plus holds no features/12sl_features\.csv.*if_missing=True"):
        ptbxl(features=True)
    write_features(ptbxl.folder.parent / "ptbxl_plus")
    bunch = ptbxl(features=True, records=[4, 3, 2, 1])
    np.testing.assert_array_equal(bunch.features["PR_Int_Global"], [np.nan, np.nan, np.nan, 160])
    np.testing.assert_array_equal(bunch.features["RR_Mean_Global"], [np.nan, 750, 600, 1000])
    nothing = [np.nan] * 4
    wanted = [nothing, [80, np.nan, 110, 380.5], [100, np.nan, 96, 350], [60, 160, 92, 400]]
    np.testing.assert_array_equal(bunch.intervals, wanted)
    assert bunch.interval_names == INTERVALS and "12SL" in bunch.DESCR and "12SL" not in ptbxl().DESCR
    np.testing.assert_array_equal(bunch.data[::-1], ptbxl().data)


def test_features_of_another_kind(ptbxl):
    write_features(ptbxl.folder.parent / "ptbxl_plus")
    table = ptbxl.folder.parent / "ptbxl_plus" / "features" / "12sl_features.csv"
    for text, message in (
        (
            FEATURES.replace("ecg_id", "id"),
            "is not the table of PTB-XL\\+: it wants the columns ecg_id, RR_Mean",
        ),
        ("", "is not the table of PTB-XL"),
        (FEATURES.replace("750.0", "fast"), r"12sl_features\.csv is damaged"),
        (FEATURES + "180,96\n", r"12sl_features\.csv is damaged"),
    ):
        table.write_text(text)
        with pytest.raises(OSError, match=message):
            ptbxl(features=True)


def test_features_download(source, tmp_path, write_sums):
    plus = source.folder.parents[1] / "ptb-xl-plus" / "1.0.1"
    write_features(plus)
    write_sums(plus)
    bunch = fetch_ptbxl(data_home=tmp_path, records=[1], leads="II", features=True)
    assert bunch.intervals.tolist() == [[60, 160, 92, 400]]
    source.asked.clear()
    fetch_ptbxl(data_home=tmp_path, records=[1], leads="II", features=True)
    assert source.asked == []
    (tmp_path / "ptbxl_plus" / "features" / "12sl_features.csv").unlink()
    (plus / "features" / "12sl_features.csv").write_text(FEATURES.replace("160", "166"))
    with pytest.raises(OSError, match=r"12sl_features\.csv came damaged"):
        fetch_ptbxl(data_home=tmp_path, records=[1], leads="II", features=True)


def test_folds(ptbxl):
    assert ptbxl(folds=9).ecg_id.tolist() == [2, 3]
    assert ptbxl(records=[4, 3, 1], folds=[3, 10]).ecg_id.tolist() == [4, 1]
    with pytest.raises(ValueError, match=r"No record is left: .* in none of the folds \[1\]"):
        ptbxl(folds=1)


def test_forms(ptbxl):
    pd = pytest.importorskip("pandas")
    X, y = ptbxl(leads="I", return_X_y=True)
    assert X.shape == (4, 1000) and y.shape == (4, 5)
    bunch = ptbxl(leads="I", as_frame=True)
    assert isinstance(bunch.target, pd.DataFrame) and list(bunch.target.columns) == bunch.target_names
    assert bunch.frame.shape == (4, 1005) and bunch.frame["I_0001"].tolist() == X[:, 1].tolist()


def test_partial_table_is_named(ptbxl):
    with pytest.warns(UserWarning, match=r"lists 4 of the 21799 records of PTB-XL") as caught:
        assert len(ptbxl(records="all").data) == 4
    assert caught[0].filename == __file__


def test_partial_folder(ptbxl):
    (ptbxl.folder / "records100" / "00000" / "00002_lr.dat").unlink()
    with pytest.warns(UserWarning, match=r"holds 3 of the 4 .*; missing: 2 \(no .*00002_lr\.dat\)\.") as caught:
        bunch = ptbxl()
    assert caught[0].filename == __file__
    assert bunch.ecg_id.tolist() == [1, 3, 4] and bunch.target[1].tolist() == [0, 1, 1, 0, 0]
    np.testing.assert_allclose(bunch.data.mean(axis=1), [0.001, 0.003, 0.004], atol=1e-5)
    assert len(ptbxl(fs=500).data) == 4


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"fs": 250}, "fs must be 100 or 500.*got 250"),
        ({"leads": ["V7"]}, r"leads must be different ones of I, II.*got \['V7'\]"),
        ({"leads": ["aVR", "AVR"]}, "leads must be different"),
        ({"leads": ()}, "leads must be different"),
        ({"leads": [1]}, "leads must be different"),
        ({"task": "rhythm"}, "task must be 'superclass', 'subclass', 'diagnostic', got 'rhythm'"),
        ({"min_likelihood": 101}, "min_likelihood must be a percentage.*101"),
        ({"min_likelihood": np.nan}, "min_likelihood must be a percentage.*nan"),
        ({"side_features": ["height"]}, "side_features must be different ones of age, sex"),
        ({"folds": [0]}, r"folds must be at least one of 1 to 10, got \[0\]"),
        ({"folds": ()}, "folds must be at least one"),
        ({"records": [1, 5]}, "records must be an ecg_id.*unknown: 5"),
        ({"records": []}, "records must be 'all' or a list"),
        ({"records": "some"}, "records must be 'all' or a list"),
        ({"records": [1, 1]}, "records must be 'all' or a list of different"),
    ],
)
def test_bad_parameters(ptbxl, option, message):
    with pytest.raises(ValueError, match=message):
        ptbxl(**option)


def test_files_of_another_kind(ptbxl):
    header = ptbxl.folder / "records100" / "00000" / "00001_lr.hea"
    whole = header.read_text()
    header.write_text(whole.replace("AVF", "AUX"))
    with pytest.raises(OSError, match=r"Record 00001_lr: the header has the leads .*, not aVF"):
        ptbxl()
    header.write_text(whole.replace(" 100 1000", " 200 1000"))
    with pytest.raises(
        OSError, match=r"Record 00001_lr: 1000 samples at 100 Hz in mV are wanted, got 1000 .* at 200 Hz"
    ):
        ptbxl()
    (ptbxl.folder / "ptbxl_database.csv").write_text("ecg_id,age\n1,50\n")
    with pytest.raises(OSError, match=r"ptbxl_database\.csv is not the table of PTB-XL"):
        ptbxl()
    (ptbxl.folder / "ptbxl_database.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no ptbxl_database\.csv.*download_if_missing=True"):
        ptbxl()


def test_download(source, tmp_path):
    bunch = fetch_ptbxl(data_home=tmp_path, records=[2], leads="II")
    assert bunch.ecg_id.tolist() == [2]
    found = {path.name for path in (tmp_path / "ptbxl").rglob("*") if path.is_file()}
    assert found == {"ptbxl_database.csv", "scp_statements.csv", "SHA256SUMS.txt", "00002_lr.hea", "00002_lr.dat"}
    source.asked.clear()
    fetch_ptbxl(data_home=tmp_path, records=[2], leads="II")
    assert source.asked == []
    fetch_ptbxl(data_home=tmp_path, records=[2, 3], fs=500)
    assert sum(path.endswith("_hr.dat") for path in source.asked) == 2


def test_download_of_a_changed_table(source, tmp_path):
    table = source.folder / "ptbxl_database.csv"
    table.write_text(table.read_text().replace("NORM", "LAFB"))
    with pytest.raises(OSError, match=r"ptbxl_database\.csv came damaged"):
        fetch_ptbxl(data_home=tmp_path, records=[2])
    assert not (tmp_path / "ptbxl" / "ptbxl_database.csv").exists()


def test_plain_reader_agrees_with_wfdb(tmp_path):
    rng = np.random.default_rng(0)
    raw = rng.integers(-3000, 3000, size=(50, 2))
    raw[7, 1] = -(2**15)
    scales = {"adc_gain": [1000.0, 37.5], "baseline": [0, -12], "units": ["mV", "uV"]}
    with quiet_wfdb() as wfdb:
        wfdb.wrsamp(
            "r", fs=500, sig_name=["AVR", "a b"], d_signal=raw, fmt=["16"] * 2, write_dir=str(tmp_path), **scales
        )
        theirs = wfdb.rdrecord(str(tmp_path / "r"), return_res=32).p_signal.T
    ours, header = read_plain_signal(tmp_path, "r")
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == np.float32 and np.isnan(ours[1, 7])
    assert header.sig_name == ("AVR", "a b") and header.units == ("mV", "uV") and header.fs == 500


def test_plain_reader_of_a_bare_scale(tmp_path):
    raw = np.array([5, -195, 205], dtype="<i2")
    (tmp_path / "r.dat").write_bytes(raw.tobytes())
    (tmp_path / "r.hea").write_text("r 1 100 3\nr.dat 16 200 12 5 5 0 0 ECG\n# a comment\n")
    signal, header = read_plain_signal(tmp_path, "r")
    np.testing.assert_allclose(signal, [[0, -1, 1]])
    assert header.units == ("mV",)


def test_plain_reader_refuses_damage(tmp_path, write_record):
    write_record(tmp_path, "r", fmt="16")
    path = tmp_path / "r.dat"
    whole = path.read_bytes()
    path.write_bytes(whole[:-2])
    with pytest.raises(OSError, match=r"Record r: .*r\.dat is cut short: 3998 of 4000 bytes"):
        read_plain_signal(tmp_path, "r")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"Record r: the file .*r\.dat is missing"):
        read_plain_signal(tmp_path, "r")
    write_record(tmp_path, "s", fmt="212")
    with pytest.raises(OSError, match=r"Record s: the header .*s\.hea cannot be read \(2 leads of format 16"):
        read_plain_signal(tmp_path, "s")
    for nonsense in ("", "nonsense", "s 1 100 3\n", "s 1 100 3\ns.dat 16 mV 0 0 0 0 0 I\n"):
        (tmp_path / "s.hea").write_text(nonsense)
        with pytest.raises(OSError, match=r"Record s: the header .*s\.hea cannot be read"):
            read_plain_signal(tmp_path, "s")


def test_real_ptbxl(data_home):
    if not (data_home / "ptbxl" / "records100" / "00000" / "00499_lr.dat").is_file():
        pytest.skip("no PTB-XL in the data home")
    with pytest.warns(UserWarning, match="lists 400 of the 21799"):
        bunch = fetch_ptbxl(data_home=data_home, download_if_missing=False)
    assert bunch.data.shape == (400, 12_000) and np.isfinite(bunch.data).all()
    assert bunch.target.sum(axis=0).tolist() == [238, 59, 80, 60, 35]
    assert (bunch.target.sum(axis=1) == 0).sum() == 9 and (bunch.target.sum(axis=1) > 1).sum() == 62
    assert len(set(bunch.groups)) == 374
    pairs = set(zip(bunch.groups.tolist(), bunch.fold.tolist(), strict=True))
    assert len(pairs) == 374  # no patient crosses folds
    signals = bunch.data.reshape(400, 12, 1000)
    one, two, three, right, left, foot = (signals[:, place] for place in range(6))
    for lead, wanted in [(three, two - one), (right, -(one + two) / 2), (left, one - two / 2), (foot, two - one / 2)]:
        assert np.abs(lead - wanted).max() < 0.0025  # the files round to 1 µV, the leads apart
    with quiet_wfdb() as wfdb:
        for place, (fs, column) in itertools.product((0, 399), ((100, "filename_lr"), (500, "filename_hr"))):
            theirs = wfdb.rdrecord(str(data_home / "ptbxl" / bunch.metadata[column][place])).p_signal.T
            options = {"records": [bunch.ecg_id[place]], "download_if_missing": False}
            ours = fetch_ptbxl(data_home=data_home, fs=fs, **options).data.reshape(12, -1)
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
