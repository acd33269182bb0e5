from types import SimpleNamespace

import numpy as np
import pooch
import pytest

from sklearn_ecg.datasets import _download, fetch_chapman
from sklearn_ecg.datasets._wfdb import quiet_wfdb, read_plain_signal
from sklearn_ecg.signals._annotations import STANDARD_LEADS

NAMES = """Acronym Name,Full Name,Snomed_CT
IDC,Interior differences conduction,698252002
IVB,Intraventricular block,698252002
TWC,T wave change,164934002
SB,Sinus Bradycardia,426177001
AFIB,Atrial Fibrillation,164889003
AF,Atrial Flutter,164890007
SAAWR,Sinus Atrium to Atrial Wandering Rhythm,195101003
"""
RECORDS = {
    "01/010/JS00001": ("85", "Male", "164889003,59118001,164934002"),
    "01/010/JS00002": ("59", "Female", "426177001, 164934002"),
    "01/019/JS01101": ("NaN", "Unknown", "164890007,195101003"),
    "10/109/JS10700": ("20", "Female", "698252002"),
}


def write_sines(folder, name, age, sex, codes):
    """Ten seconds of sines, a multiple of 1 Hz in every lead, in the two files of a record."""
    number = int(name[2:])
    time = np.arange(5000) / 500
    raw = np.column_stack([np.sin(2 * np.pi * (place + 1) * time) for place in range(12)])
    raw = (number % 100 + np.rint(1000 * raw)).astype("<i2")
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name}.mat 16+24 1000/mV 16 0 {raw[0, 0]} 0 0 {lead}" for lead in STANDARD_LEADS]
    comments = [f"#Age: {age}", f"#Sex: {sex}", f"#Dx: {codes}", "#Rx: Unknown", "#Hx: Unknown"]
    (folder / f"{name}.hea").write_text("\n".join([f"{name} 12 500 5000", *lines, *comments]) + "\n")
    header = np.array([30, 12, 5000, 0, 4], dtype="<i4").tobytes() + b"val\0"  # of a level 4 MAT file
    (folder / f"{name}.mat").write_bytes(header + raw.tobytes())


def write_chapman(folder):
    for path, about in RECORDS.items():
        where, name = path.rsplit("/", 1)
        write_sines(folder / "WFDBRecords" / where, name, *about)
    (folder / "ConditionNames_SNOMED-CT.csv").write_text(NAMES, encoding="utf-8-sig")


@pytest.fixture
def chapman(tmp_path, write_sums):
    """Function that loads three records of Shaoxing of a data home, which is in ``folder``."""
    write_chapman(tmp_path / "chapman")
    write_sums(tmp_path / "chapman")

    def fetch(**options):
        names = ["JS00001", "JS00002", "JS01101"]
        return fetch_chapman(**{"data_home": tmp_path, "download_if_missing": False, "records": names} | options)

    fetch.folder = tmp_path / "chapman"
    return fetch


@pytest.fixture
def source(file_server, write_sums, monkeypatch):
    folder = file_server.folder / "ecg-arrhythmia" / "1.0.0"
    write_chapman(folder)
    write_sums(folder)
    monkeypatch.setattr(_download, "PHYSIONET_URL", file_server.url)
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
    return SimpleNamespace(folder=folder, asked=file_server.asked, failures=file_server.failures)


def test_rows(chapman):
    bunch = chapman()
    assert bunch.data.shape == (3, 60_000) and bunch.data.dtype == np.float32
    time = np.arange(5000) / 500
    for place in range(12):
        wanted = 0.002 + np.sin(2 * np.pi * (place + 1) * time)
        np.testing.assert_allclose(bunch.data.reshape(3, 12, 5000)[1, place], wanted, atol=0.5 / 1000 + 1e-6)
    assert bunch.lead_names == STANDARD_LEADS and (bunch.n_leads, bunch.fs) == (12, 500)
    assert bunch.feature_names[[0, 19_999, 59_999]].tolist() == ["I_0000", "aVR_4999", "V6_4999"]
    assert bunch.record.tolist() == bunch.groups.tolist() == ["JS00001", "JS00002", "JS01101"]
    np.testing.assert_array_equal(bunch.age, [85, 59, np.nan])
    assert bunch.sex.tolist() == ["M", "F", ""]


def test_statements(chapman):
    bunch = chapman(records=["JS10700", "JS01101", "JS00001"])
    assert bunch.target.tolist() == ["", "AF; SAAWR", "AFIB"]
    assert bunch.diagnoses == [["IDC"], ["AF", "SAAWR"], ["AFIB", "59118001", "TWC"]]
    assert bunch.codes[2] == ["164889003", "59118001", "164934002"]
    assert chapman(task="group").target.tolist() == ["AFIB", "SB", "AFIB; GSVT"]


def test_chosen_leads(chapman):
    bunch, everything = chapman(leads=["V1", "AVR"]), chapman()
    assert bunch.lead_names == ("V1", "aVR")
    np.testing.assert_array_equal(bunch.data[:, :5000], everything.data[:, 6 * 5000 : 7 * 5000])
    np.testing.assert_array_equal(bunch.data[:, 5000:], everything.data[:, 3 * 5000 : 4 * 5000])


def test_side_features(chapman):
    with pytest.warns(UserWarning, match=r"of 1 of the 3 records is unknown and NaN") as caught:
        bunch = chapman(leads="II", side_features=["sex", "age"])
    assert [warning.filename for warning in caught] == [__file__] * 2
    np.testing.assert_array_equal(bunch.data[:, -2:], [[0, 85], [1, 59], [np.nan, np.nan]])
    assert bunch.n_side_features == 2 and bunch.feature_names[-2:].tolist() == ["sex", "age"]


def test_forms(chapman):
    pytest.importorskip("pandas")
    X, y = chapman(leads="I", return_X_y=True)
    assert X.shape == (3, 5000) and y.tolist() == ["AFIB", "SB", "AF; SAAWR"]
    bunch = chapman(leads="I", as_frame=True)
    assert bunch.frame.shape == (3, 5001) and bunch.frame["target"].tolist() == y.tolist()


@pytest.mark.parametrize(
    ("records", "names", "whole"),
    [
        ("chapman", ["JS00001", "JS00002", "JS01101"], 10_246),
        ("ningbo", ["JS10700"], 34_904),
        ("all", ["JS00001", "JS00002", "JS01101", "JS10700"], 45_150),
    ],
)
def test_sets(chapman, records, names, whole):
    with pytest.warns(UserWarning, match=f"lists {len(names)} of the {whole} records of this set") as caught:
        assert chapman(records=records, leads="I").record.tolist() == names
    assert caught[0].filename == __file__


def test_partial_folder(chapman):
    (chapman.folder / "WFDBRecords" / "01" / "010" / "JS00002.mat").unlink()
    with pytest.warns(UserWarning, match=r"holds 2 of the 3 .*; missing: JS00002 \(no .*JS00002\.mat\)\.") as caught:
        bunch = chapman(leads="I")
    assert caught[0].filename == __file__
    assert bunch.record.tolist() == ["JS00001", "JS01101"] and bunch.target.tolist() == ["AFIB", "AF; SAAWR"]


def test_folder_without_the_list(chapman):
    (chapman.folder / "SHA256SUMS.txt").unlink()
    assert chapman(leads="I").record.tolist() == ["JS00001", "JS00002", "JS01101"]
    with pytest.raises(ValueError, match=r"listed in SHA256SUMS\.txt or, without that file, lie on disk.*JS00003"):
        chapman(records=["JS00003"])


def test_malformed_header_of_the_source(chapman):
    where = chapman.folder / "WFDBRecords" / "01" / "019"
    write_sines(where, "JS01052", "50", "Male", "426177001")
    assert chapman(records=["JS01101"], leads="I").record.tolist() == ["JS01101"]
    (chapman.folder / "SHA256SUMS.txt").unlink()
    header = where / "JS01052.hea"
    whole = header.read_text()
    header.write_text(whole.replace("5000\nJS01052.mat 16+24 10", "5000", 1))  # what PhysioNet has
    with pytest.warns(UserWarning, match="lists 3 of the 10246"):
        assert "JS01052" not in chapman(records="chapman", leads="I").record
    with pytest.raises(OSError, match=r"Record JS01052: the header .* cannot be read"):
        chapman(records=["JS01052"])
    header.write_text(whole)
    assert chapman(records=["JS01052"], leads="I").target.tolist() == ["SB"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"leads": ["V7"]}, r"leads must be different ones of I, II.*got \['V7'\]"),
        ({"task": "diagnosis"}, "task must be 'rhythm' or 'group', got 'diagnosis'"),
        ({"side_features": ["height"]}, "side_features must be different ones of age, sex"),
        ({"records": "some"}, "records must be 'chapman', 'ningbo', 'all' or a list"),
        ({"records": []}, "records must be 'chapman'"),
        ({"records": ["JS00001", "JS00001"]}, "records must be 'chapman'"),
        ({"records": ["JS00001", "HR00001"]}, r"unknown: \['HR00001'\]"),
    ],
)
def test_bad_parameters(chapman, option, message):
    with pytest.raises(ValueError, match=message):
        chapman(**option)


def test_damaged_files(chapman):
    path = chapman.folder / "WFDBRecords" / "01" / "010" / "JS00001"
    signal = path.with_suffix(".mat")
    whole = signal.read_bytes()
    signal.write_bytes(whole[:-2])
    with pytest.raises(OSError, match=r"Record JS00001: .*JS00001\.mat is cut short: 119998 of 120000 bytes"):
        chapman()
    invalid = np.frombuffer(whole, dtype="<i2").copy()
    invalid[12:24] = -(2**15)  # the first sample of every lead
    signal.write_bytes(invalid.tobytes())
    with pytest.warns(UserWarning, match=r"1 of the 3 records have samples that are marked invalid") as caught:
        assert np.isnan(chapman().data).sum() == 12
    assert caught[0].filename == __file__
    header = path.with_suffix(".hea")
    text = header.read_text()
    header.write_text(text.replace("500 5000", "250 5000"))
    with pytest.raises(OSError, match=r"Record JS00001: 5000 samples at 500 Hz in mV are wanted, got .* at 250 Hz"):
        chapman()
    header.write_text(text.replace("#Dx", "#Dy"))
    signal.write_bytes(whole)
    with pytest.raises(OSError, match="Record JS00001: the header has no line '#Dx:'"):
        chapman()


def test_missing_tables(chapman, tmp_path):
    table = chapman.folder / "ConditionNames_SNOMED-CT.csv"
    table.write_text("a,b\n1,2\n")
    with pytest.raises(OSError, match=r"ConditionNames_SNOMED-CT\.csv is not the table of conditions"):
        chapman()
    table.unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no ConditionNames_SNOMED-CT\.csv.*download_if_missing=True"):
        chapman()
    with pytest.raises(FileNotFoundError, match=r"ecg-arrhythmia/1\.0\.0/"):
        fetch_chapman(data_home=tmp_path / "nowhere", download_if_missing=False)
    empty = tmp_path / "empty"
    (empty / "chapman").mkdir(parents=True)
    (empty / "chapman" / table.name).write_text(NAMES)
    with pytest.raises(OSError, match="holds no record of the set 'chapman'"):
        fetch_chapman(data_home=empty, download_if_missing=False)


def test_download(source, tmp_path):
    bunch = fetch_chapman(data_home=tmp_path, records=["JS01101"], leads="II")
    assert bunch.record.tolist() == ["JS01101"]
    found = {path.name for path in (tmp_path / "chapman").rglob("*") if path.is_file()}
    assert found == {"ConditionNames_SNOMED-CT.csv", "SHA256SUMS.txt", "JS01101.hea", "JS01101.mat"}
    source.asked.clear()
    fetch_chapman(data_home=tmp_path, records=["JS01101"], leads="II")
    assert source.asked == []
    with pytest.warns(UserWarning, match="lists 3 of the 10246"):
        assert len(fetch_chapman(data_home=tmp_path, leads="II").data) == 3


def test_download_of_damaged_and_missing_files(source, tmp_path):
    path = source.folder / "WFDBRecords" / "01" / "010" / "JS00001.mat"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(OSError, match=r"JS00001\.mat came damaged"):
        fetch_chapman(data_home=tmp_path, records=["JS00001"])
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"JS00001\.mat is not on the server"):
        fetch_chapman(data_home=tmp_path, records=["JS00001"])
    assert fetch_chapman(data_home=tmp_path, records=["JS00002"], leads="I").target.tolist() == ["SB"]


def test_plain_reader_agrees_with_wfdb(tmp_path):
    write_sines(tmp_path, "JS00003", "50", "Male", "426177001")
    ours, header = read_plain_signal(tmp_path, "JS00003")
    with quiet_wfdb() as wfdb:
        theirs = wfdb.rdrecord(str(tmp_path / "JS00003"), return_res=32)
    np.testing.assert_array_equal(ours, theirs.p_signal.T)
    assert [f"{name}: {value}" for name, value in header.comments.items()] == theirs.comments
    assert header.offset == 24
