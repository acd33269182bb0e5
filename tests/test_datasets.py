import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pooch
import pytest

from sklearn_ecg.datasets import ECGRecord, _download, _mitdb, fetch_ludb, fetch_mitdb, fetch_mitdb_beats, get_data_home
from sklearn_ecg.datasets._wfdb import _SYMBOLS, quiet_wfdb, read_annotations, read_signal
from sklearn_ecg.signals._annotations import MITDB_DS1, MITDB_DS2, MITDB_PACED, MITDB_RECORDS, STANDARD_LEADS

MARKS = [(18, "+", "(N"), (100, "N"), (400, "V"), (500, "["), (600, "]"), (700, "~"), (800, "A")]
LUDB_HEADER = "ID,Sex,Age,Rhythms,Hypertrophies"


@pytest.fixture
def mitdb(tmp_path, write_record):
    """A data home with two records of MIT-BIH, shorter than the real ones; 114 has MLII second."""
    home = tmp_path / "home"
    write_record(home / "mitdb", "100", marks=MARKS)
    write_record(home / "mitdb", "114", lead_names=("V5", "MLII"), marks=[(50, "N"), (990, "V")])
    return home


@pytest.fixture
def source(file_server, write_record, write_sums, monkeypatch):
    """Records 100 and 101 on a local server that stands for PhysioNet, without sleeps and without our registry."""
    folder = file_server.folder / "mitdb" / "1.0.0"
    for name in ("100", "101"):
        write_record(folder, name, marks=MARKS)
    write_sums(folder)
    monkeypatch.setattr(_download, "PHYSIONET_URL", file_server.url)
    monkeypatch.setattr(_download, "_known_sums", lambda database: {})
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
    return SimpleNamespace(database=folder, asked=file_server.asked, failures=file_server.failures)


def ludb_folder(folder, write_record, write_annotations, names=("1", "2")):
    rows = []
    for name in names:
        leads = [lead.lower() for lead in STANDARD_LEADS]
        write_record(folder / "data", name, n_timepoints=5000, fs=500, lead_names=leads, fmt="16")
        for lead in leads:
            marks = [(90, "("), (100, "p"), (110, ")"), (130, "N"), (150, ")"), (200, "("), (230, "t")]
            write_annotations(folder / "data", name, lead, marks)
        rows.append(f'{name},"F\n",">89\n",Sinus rhythm,"Left ventricular overload\nLeft atrial hypertrophy\n"')
    (folder / "ludb.csv").write_text("\n".join([LUDB_HEADER, *rows]) + "\n")


def test_import_is_cheap():
    heavy = ("wfdb", "torch", "pooch", "matplotlib")
    code = f"import sklearn_ecg.datasets, sys; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_data_home(monkeypatch, tmp_path):
    monkeypatch.setenv("SKLEARN_ECG_DATA", str(tmp_path))
    assert get_data_home() == tmp_path
    assert get_data_home("elsewhere").name == "elsewhere"
    monkeypatch.delenv("SKLEARN_ECG_DATA")
    assert get_data_home().name == "sklearn_ecg_data"
    assert "~" not in str(get_data_home("~/x"))


def test_record_leads():
    signal = np.arange(12, dtype=float).reshape(2, 6)
    record = ECGRecord("r", signal, 360, ["MLII", "V5"], peaks=[2], symbols=["V"], fiducials={"V5": np.empty(0)})
    assert record.signal.dtype == np.float32 and record.patient == "r" and record.duration == 6 / 360
    assert record.target.tolist() == ["V"]
    np.testing.assert_array_equal(record.lead("II"), signal[0])
    swapped = record.select_leads(["V5", "MLII"])
    assert swapped.lead_names == ("V5", "MLII") and swapped.peaks.tolist() == [2] and list(swapped.fiducials) == ["V5"]
    np.testing.assert_array_equal(swapped.signal, signal[::-1])
    with pytest.raises(ValueError, match="Record r has no lead 'V1'; it has MLII, V5"):
        record.lead("V1")
    with pytest.raises(ValueError, match="no lead 'V1'"):
        record.select_leads(["V5", "V1"])
    with pytest.raises(ValueError, match="signal must have shape"):
        ECGRecord("r", signal[0], 360, ["II"])
    with pytest.raises(ValueError, match="as many symbols"):
        ECGRecord("r", signal, 360, ["II", "V5"], peaks=[1, 2], symbols=["N"])
    with pytest.raises(ValueError, match="fs must be positive"):
        ECGRecord("r", signal, 0, ["II", "V5"])


@pytest.mark.parametrize(
    ("peaks", "seen"),
    [([1.9, 2], r"1\.9"), ([6, 2], "6"), ([-1], "-1"), ([np.nan], "nan"), (["2"], "'2'"), ([True], "True")],
)
def test_peaks_are_samples_of_the_record(peaks, seen):
    with pytest.raises(ValueError, match=rf"Record r: peaks must be integers in \[0, 6\), got {seen} at position 0"):
        ECGRecord("r", np.zeros((1, 6)), 360, ["II"], peaks=peaks)
    whole = ECGRecord("r", np.zeros((1, 6)), 360, ["II"], peaks=[2.0, 5.0])
    assert whole.peaks.dtype == np.int64 and whole.peaks.tolist() == [2, 5]


def test_symbols_are_told_apart():
    with pytest.raises(ValueError, match=r"Record r: symbols must be single characters, got 'PVC' at position 1"):
        ECGRecord("r", np.zeros((1, 6)), 360, ["II"], peaks=[1, 2], symbols=["N", "PVC"])
    record = ECGRecord("r", np.zeros((1, 6)), 360, ["II"], peaks=[1, 2], symbols=["N", "B"])
    with pytest.raises(ValueError, match=r"symbols with a class are those in 'NLRej.*', got 'B' at position 1"):
        record.target  # noqa: B018


def test_episodes():
    marks = np.array([(5, "["), (9, "]"), (20, "[")], dtype=[("sample", int), ("symbol", "U1")])
    record = ECGRecord("r", np.zeros((1, 30)), 360, ["II"], annotations=marks)
    assert record.episodes().tolist() == [[5, 9], [20, 29]]
    assert ECGRecord("r", np.zeros((1, 30)), 360, ["II"]).episodes().shape == (0, 2)


def test_annotation_reader_agrees_with_wfdb(tmp_path, write_annotations):
    with quiet_wfdb() as wfdb:
        table = wfdb.io.annotation.ann_label_table
    known = dict(zip(table["label_store"], table["symbol"], strict=True))
    assert {code: _SYMBOLS[code] for code in known} == known
    marks = [(3, "+", "(AFIB"), (1000, "N"), (2100, "V", "odd"), (500_000, "Q"), (500_001, "|"), (500_400, "r")]
    write_annotations(tmp_path, "x", "atr", marks)
    ours = read_annotations(tmp_path, "x", "atr")
    with quiet_wfdb() as wfdb:
        theirs = wfdb.rdann(str(tmp_path / "x"), "atr")
    assert ours["sample"].tolist() == theirs.sample.tolist() == [mark[0] for mark in marks]
    assert ours["symbol"].tolist() == theirs.symbol
    assert ours["note"].tolist() == ["(AFIB", "", "odd", "", "", ""]


def test_fetch_mitdb(mitdb):
    with pytest.warns(UserWarning, match="holds 2 of the 48 records wanted; missing: 101, 102") as caught:
        bunch = fetch_mitdb(data_home=mitdb, download_if_missing=False)
    assert caught[0].filename == __file__ and [record.name for record in bunch.records] == ["100", "114"]
    record = bunch.records[0]
    assert record.signal.shape == (2, 1000) and record.signal.dtype == np.float32
    assert record.peaks.tolist() == [100, 400, 800] and record.symbols.tolist() == ["N", "V", "A"]
    assert bunch.target[0].tolist() == ["N", "V", "S"]
    assert record.annotations["note"][0] == "(N" and len(record.annotations) == len(MARKS)
    assert bunch.flutter[0].tolist() == [[500, 600]] and bunch.flutter[1].shape == (0, 2)
    assert bunch.fs == 360 and bunch.lead_names == [("MLII", "V5"), ("V5", "MLII")]


def test_signal_is_in_millivolt(tmp_path, write_record):
    wanted = write_record(tmp_path, "100")
    signal, header = read_signal(tmp_path, "100")
    np.testing.assert_allclose(signal, wanted, atol=0.5 / 200 + 1e-6)
    assert header.fs == 360 and signal.flags.c_contiguous


def test_fetch_mitdb_beats(mitdb):
    options = {"data_home": mitdb, "download_if_missing": False, "records": ["100", "114"]}
    beats = fetch_mitdb_beats(**options)
    assert beats.data.shape == (5, 260) and beats.data.dtype == np.float32
    assert beats.target.tolist() == ["N", "V", "S", "N", "V"] and beats.symbol.tolist() == ["N", "V", "A", "N", "V"]
    assert beats.record.tolist() == ["100"] * 3 + ["114"] * 2 and beats.position.tolist() == [100, 400, 800, 50, 990]
    assert beats.record_lead_names == {"100": ("MLII",), "114": ("MLII",)} and beats.fs == 360
    assert beats.feature_names[[0, 255, 256]].tolist() == ["MLII_0000", "MLII_0255", "rr_previous"]
    both = fetch_mitdb_beats(leads=2, **options)
    assert both.n_leads == 2 and both.lead_names == ("MLII", "lead2")
    assert both.record_lead_names["114"] == ("MLII", "V5")
    np.testing.assert_array_equal(both.data[:, :256], beats.data[:, :256])
    fallback = fetch_mitdb_beats(leads=["V1"], **options)
    assert fallback.record_lead_names == {"100": ("MLII",), "114": ("V5",)}
    X, y = fetch_mitdb_beats(return_X_y=True, side_features=None, **options)
    assert X.shape == (5, 256) and y.tolist() == beats.target.tolist()
    with pytest.raises(ValueError, match="has 2 leads"):
        fetch_mitdb_beats(leads=3, **options)


def test_beats_as_frame(mitdb):
    pd = pytest.importorskip("pandas")
    beats = fetch_mitdb_beats(data_home=mitdb, download_if_missing=False, records=["100"], as_frame=True)
    assert isinstance(beats.data, pd.DataFrame) and list(beats.data.columns) == list(beats.feature_names)
    assert beats.frame.columns[-1] == "target" and len(beats.frame) == 3


@pytest.mark.parametrize(
    ("leads", "message"),
    [
        (("V7",), r"out of MLII, V1, V2, V4, V5, .*got \('V7',\)"),
        (None, "got None"),
        (("II", "MLII"), r"leads must name each lead once, got \('II', 'MLII'\)"),
    ],
)
def test_leads_that_no_record_has(mitdb, leads, message):
    with pytest.raises(ValueError, match=message):
        fetch_mitdb_beats(data_home=mitdb, download_if_missing=False, records=["100"], leads=leads)


def test_real_mitdb_leads(data_home):
    need(data_home, "mitdb", MITDB_RECORDS)
    headers = [(data_home / "mitdb" / f"{name}.hea").read_text().splitlines()[1:3] for name in MITDB_RECORDS]
    assert sorted({line.split()[-1] for lines in headers for line in lines}) == sorted(_mitdb._LEADS)


@pytest.mark.parametrize("fetch", [fetch_mitdb, fetch_mitdb_beats, fetch_ludb])
@pytest.mark.parametrize(
    ("records", "message"),
    [
        ("ds3", "records must be 'all'.* or a list of at least one record of .*, got 'ds3'"),
        (201, "got 201"),
        ([], r"records must be 'all'.*, got \[\]"),
        (["100", "999"], r"records must be of .*; unknown: \['999'\]"),
    ],
)
def test_unknown_records(fetch, records, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        fetch(data_home=tmp_path, download_if_missing=False, records=records)


def test_nothing_there(tmp_path):
    with pytest.raises(OSError, match=r"None of the 48 .*mitdb.*download_if_missing=True.*data_home.*SKLEARN_ECG_DATA"):
        fetch_mitdb(data_home=tmp_path, download_if_missing=False)
    with pytest.raises(OSError, match=r"download_if_missing=True.*data_home.*SKLEARN_ECG_DATA"):
        fetch_ludb(data_home=tmp_path, download_if_missing=False)


def test_a_missing_file_of_a_record_is_named(mitdb):
    (mitdb / "mitdb" / "100.atr").unlink()
    with pytest.raises(OSError, match=r"None of the 1 record\(s\) .*; missing: 100 \(no 100\.atr\)\."):
        fetch_mitdb(data_home=mitdb, download_if_missing=False, records=["100"])
    with pytest.warns(UserWarning, match=r"holds 1 of the 3 records wanted; missing: 100 \(no 100\.atr\), 101\."):
        fetch_mitdb(data_home=mitdb, download_if_missing=False, records=["100", "101", "114"])


def test_truncated_signal(mitdb):
    path = mitdb / "mitdb" / "100.dat"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(OSError, match=r"Record 100: .*100\.dat is cut short: 2900 of 3000 bytes"):
        fetch_mitdb(data_home=mitdb, download_if_missing=False, records=["100"])


def test_unreadable_files(mitdb):
    folder = mitdb / "mitdb"
    (folder / "100.hea").write_text("nonsense")
    with pytest.raises(OSError, match=r"Record 100: the header .*100\.hea cannot be read"):
        fetch_mitdb(data_home=mitdb, download_if_missing=False, records=["100"])
    whole = (folder / "114.atr").read_bytes()
    for damaged in (whole[:-1], whole[:-2], b"\x00\xb8\x00\x00", whole[:1], b""):
        (folder / "114.atr").write_bytes(damaged)
        with pytest.raises(OSError, match=r"Record 114: the annotation file .*114\.atr is damaged"):
            fetch_mitdb(data_home=mitdb, download_if_missing=False, records=["114"])
    (folder / "114.dat").unlink()
    with pytest.raises(FileNotFoundError, match=r"Record 114: the file .*114\.dat is missing"):
        read_signal(folder, "114")


def test_annotations_beyond_the_signal(mitdb, write_annotations):
    write_annotations(mitdb / "mitdb", "100", "atr", [(5000, "N")])
    with pytest.raises(OSError, match=r"Record 100: annotations .* beyond the signal's 1000 samples"):
        fetch_mitdb(data_home=mitdb, download_if_missing=False, records=["100"])


def test_download(source, tmp_path):
    bunch = fetch_mitdb(data_home=tmp_path, records=["100", "101"])
    assert [record.name for record in bunch.records] == ["100", "101"]
    found = sorted(path.name for path in (tmp_path / "mitdb").iterdir())
    assert found == ["100.atr", "100.dat", "100.hea", "101.atr", "101.dat", "101.hea", "SHA256SUMS.txt"]
    asked = len(source.asked)
    fetch_mitdb(data_home=tmp_path, records=["100", "101"])
    assert len(source.asked) == asked


def test_partial_folder_is_completed(source, tmp_path):
    fetch_mitdb(data_home=tmp_path, records=["100"])
    (tmp_path / "mitdb" / "100.atr").unlink()
    source.asked.clear()
    fetch_mitdb(data_home=tmp_path, records=["100", "101"])
    asked = sorted(path.rsplit("/", 1)[-1] for path in source.asked)
    assert asked == ["100.atr", "101.atr", "101.dat", "101.hea", "SHA256SUMS.txt"]


def test_retry_after_a_busy_server(source, tmp_path):
    source.failures["100.dat"] = [503, 503]
    fetch_mitdb(data_home=tmp_path, records=["100"])
    assert sum(path.endswith("100.dat") for path in source.asked) == 3


def test_corrupted_file_is_refused(source, tmp_path):
    path = source.database / "100.dat"
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    with pytest.raises(OSError, match=r"100\.dat came damaged 4 times"):
        fetch_mitdb(data_home=tmp_path, records=["100"])
    left = {path.name for path in (tmp_path / "mitdb").iterdir()}
    assert left <= {"100.atr", "100.hea", "SHA256SUMS.txt"}


def test_shipped_registry_refuses_what_is_published_otherwise(source, tmp_path, monkeypatch):
    known = {"100.dat": "0" * 64}
    monkeypatch.setattr(_download, "_known_sums", lambda database: known)
    with pytest.raises(OSError, match=r"100\.dat came damaged"):
        fetch_mitdb(data_home=tmp_path, records=["100"])


def test_shipped_registry():
    known = _download._known_sums("mitdb")
    assert set(known) == {f"{name}.{end}" for name in MITDB_RECORDS for end in ("atr", "dat")}
    assert all(len(digest) == 64 for digest in known.values())
    assert _download._known_sums("none") == {}


def test_file_missing_on_the_server(source, tmp_path):
    (source.database / "101.dat").unlink()
    with pytest.raises(FileNotFoundError, match=r"101\.dat is not on the server"):
        fetch_mitdb(data_home=tmp_path, records=["100", "101"])
    assert sum(path.endswith("101.dat") for path in source.asked) == 1
    with pytest.raises(OSError, match=r"does not list 102\.atr, 102\.dat, 102\.hea"):
        fetch_mitdb(data_home=tmp_path, records=["102"])


def test_server_down(source, tmp_path, monkeypatch):
    monkeypatch.setattr(_download, "PHYSIONET_URL", "http://127.0.0.1:9/")
    with pytest.raises(OSError, match=r"cannot be downloaded .*download_if_missing=False.*SKLEARN_ECG_DATA"):
        fetch_mitdb(data_home=tmp_path, records=["100"])


def test_data_home_is_a_file(source, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot be made .*SKLEARN_ECG_DATA"):
        fetch_mitdb(data_home=tmp_path / "file", records=["100"])


def test_fetch_ludb(tmp_path, write_record, write_annotations):
    home = tmp_path / "home"
    ludb_folder(home / "ludb", write_record, write_annotations)
    with pytest.warns(UserWarning, match="holds 2 of the 200 records"):
        bunch = fetch_ludb(data_home=home, download_if_missing=False)
    assert bunch.data.shape == (2, 12, 5000) and bunch.data.dtype == np.float32
    counts = np.fromfile(home / "ludb" / "data" / "1.dat", dtype="<i2").reshape(5000, 12).T
    np.testing.assert_allclose(bunch.data[0], counts / 1000, atol=1e-7)  # µV, whatever the gain of 200 says
    assert bunch.lead_names == STANDARD_LEADS and bunch.fs == 500
    assert bunch.target.tolist() == ["Sinus rhythm"] * 2 and bunch.age.tolist() == [90, 90] and bunch.sex[0] == "F"
    assert bunch.diagnoses[0]["Hypertrophies"] == ["Left ventricular overload", "Left atrial hypertrophy"]
    wanted = [("P", 90, 100, 110), ("QRS", -1, 130, 150), ("T", 200, 230, -1)]
    assert bunch.boundaries[1]["aVF"].tolist() == wanted
    assert bunch.records[0].peaks.tolist() == [130] and bunch.records[0].target is None


def test_ludb_download(source, tmp_path, write_record, write_annotations, write_sums):
    folder = source.database.parents[1] / "ludb" / "1.0.1"
    ludb_folder(folder, write_record, write_annotations, names=("1",))
    write_sums(folder)
    bunch = fetch_ludb(data_home=tmp_path / "home", records=[1])
    assert bunch.data.shape == (1, 12, 5000)
    assert sum("/data/" in path for path in source.asked) == 14


def test_ludb_bad_input(tmp_path, write_record, write_annotations):
    home = tmp_path / "home"
    ludb_folder(home / "ludb", write_record, write_annotations, names=("1",))
    with pytest.raises(ValueError, match=r"records must be of LUDB, 1 to 200; unknown: \['0'\]"):
        fetch_ludb(data_home=home, download_if_missing=False, records=[0])
    write_annotations(home / "ludb" / "data", "1", "avf", [(9000, "N")])
    with pytest.raises(OSError, match=r"Record 1: annotations .* beyond the signal's 5000 samples"):
        fetch_ludb(data_home=home, download_if_missing=False, records=[1])
    (home / "ludb" / "ludb.csv").write_text(LUDB_HEADER + "\n")
    with pytest.raises(OSError, match=r"ludb\.csv has no row for record\(s\) 1"):
        fetch_ludb(data_home=home, download_if_missing=False, records=[1])
    (home / "ludb" / "ludb.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no ludb\.csv"):
        fetch_ludb(data_home=home, download_if_missing=False, records=[1])


def need(data_home, folder, records=("100",)):
    if not all((data_home / folder / f"{name}.dat").is_file() for name in records):
        pytest.skip(f"{folder} is not whole in the data home")


def test_real_mitdb_beats(data_home):
    need(data_home, "mitdb", MITDB_RECORDS)
    beats = fetch_mitdb_beats(data_home=data_home, download_if_missing=False)
    assert beats.data.shape == (109_494, 260) and np.isfinite(beats.data).all()
    wanted = {
        MITDB_DS1: [45866, 944, 3788, 415, 8],
        MITDB_DS2: [44259, 1837, 3221, 388, 7],
        MITDB_PACED: [506, 0, 227, 0, 8028],
    }
    for records, numbers in wanted.items():
        target = beats.target[np.isin(beats.record, records)]
        assert [int((target == name).sum()) for name in "NSVFQ"] == numbers
    assert len(set(beats.groups)) == 47 and set(beats.groups[beats.record == "202"]) == {"201"}
    others = {name: leads for name, leads in beats.record_lead_names.items() if leads != ("MLII",)}
    assert others == {"102": ("V5",), "104": ("V5",)}


def test_real_mitdb_records(data_home):
    need(data_home, "mitdb", ["114", "207"])
    bunch = fetch_mitdb(data_home=data_home, download_if_missing=False, records=["114", "207"])
    assert bunch.lead_names[0] == ("V5", "MLII") and bunch.data[0].shape == (2, 650_000)
    assert len(bunch.flutter[0]) == 0
    assert bunch.flutter[1].tolist()[0] == [14665, 18350] and len(bunch.flutter[1]) == 6
    with quiet_wfdb() as wfdb:
        theirs = wfdb.rdrecord(str(data_home / "mitdb" / "207"), sampto=2000).p_signal.T
    np.testing.assert_allclose(bunch.data[1][:, :2000], theirs, atol=1e-6)


def test_real_ludb(data_home):
    need(data_home, "ludb/data", ["104"])
    present = [name for name in map(str, range(1, 201)) if (data_home / "ludb" / "data" / f"{name}.hea").is_file()]
    bunch = fetch_ludb(data_home=data_home, download_if_missing=False, records=present)
    if len(present) == 160:
        wanted = {"II": [1129, 1462, 1311], "V6": [1126, 1461, 1312]}
        for lead, numbers in wanted.items():
            waves = np.concatenate([marks[lead]["wave"] for marks in bunch.boundaries])
            assert [int((waves == wave).sum()) for wave in ("P", "QRS", "T")] == numbers
    marks = bunch.boundaries[present.index("104")]["II"]
    qrs = marks[marks["wave"] == "QRS"]
    assert len(qrs) and (qrs["onset"] == -1).all()
    assert bunch.data.shape == (len(present), 12, 5000) and np.isfinite(bunch.data).all()
    one, two, three, right, left, foot = (bunch.data[:, place] for place in range(6))
    for lead, wanted in [(three, two - one), (right, -(one + two) / 2), (left, one - two / 2), (foot, two - one / 2)]:
        assert np.abs(lead - wanted).max() < 0.00051
    assert 1.0 < np.median(np.ptp(two, axis=1)) < 2.0  # mV
