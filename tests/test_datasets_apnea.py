from types import SimpleNamespace

import numpy as np
import pooch
import pytest

from sklearn_ecg.datasets import _download, fetch_apnea_ecg

MINUTE = 6000
PEOPLE = """Additional information about the recordings

Record\tLength\tnon-apn\tapnea\thours\tAI\tHI\tAHI\tAge\tSex\theight\tweight
\tminutes\tminutes\tminutes\tw/apnea\t\t\t\t\t\t(cm)\t(kg)

a01\t7\t3\t4\t0\t12.5\t57.1\t69.6\t51\tM\t175\t102\t\t
a02\t6\t6\t0\t0\t0\t1\t1\t38\tF\t170\t60\t\t
c05\t6\t6\t0\t0\t0\t0\t0\t33\tM\t180\t80\t\t
c06\t6\t6\t0\t0\t0\t0\t0\t34\tM\t181\t80\t\t
x01\t5\t3\t2\t0\t12.5\t57.1\t69.6\t51\tM\t175\t102\t\t
x35\t5\t5\t0\t0\t0\t0\t0\t34\tM\t181\t80\t\t
"""
LABELS = {"a01": "NAANAAN", "a02": "NNNNNN", "c05": "NNNNNN", "x01": "NAANN", "x35": "NNNNN"}
ANSWERS = "x01\n 0 " + "N" * 60 + "\n 1 NA\n\nx35\n 0 NNANN\n\n"


def write_night(folder, name, minutes, write_annotations=None, labels=""):
    """Record of a saw-tooth of 1 mV on steps of 1 mV a minute, with a header as in Apnea-ECG."""
    folder.mkdir(parents=True, exist_ok=True)
    n_samples = round(minutes * MINUTE)
    raw = ramp(n_samples).astype("<i2")
    (folder / f"{name}.dat").write_bytes(raw.tobytes())
    (folder / f"{name}.hea").write_text(f"{name} 1 100 {n_samples}\n{name}.dat 16 200 12 0 0 0 0 ECG\n")
    if labels:
        marks = [(MINUTE * minute, label) for minute, label in enumerate(labels)]
        write_annotations(folder, name, "apn", marks)


def ramp(n_samples):
    minute, rest = np.divmod(np.arange(n_samples), MINUTE)
    return 200 * minute + rest % 200


@pytest.fixture
def write_apnea(write_annotations):
    """Function that writes three released and two withheld records in the layout of Apnea-ECG."""

    def write(folder):
        for name, labels in LABELS.items():
            write_night(folder, name, len(labels) + 0.5, write_annotations, labels)
        (folder / "additional-information.txt").write_text(PEOPLE)

    return write


@pytest.fixture
def apnea(tmp_path, write_apnea):
    """Function that loads records of a data home, which is in ``folder``."""
    write_apnea(tmp_path / "apnea-ecg")

    def fetch(records=("a01",), **options):
        return fetch_apnea_ecg(data_home=tmp_path, download_if_missing=False, records=records, **options)

    fetch.folder = tmp_path / "apnea-ecg"
    return fetch


@pytest.fixture
def source(file_server, write_apnea, write_sums, monkeypatch):
    """The records on a local server; as on PhysioNet, the labels of withheld records have no sum."""
    folder = file_server.folder / "apnea-ecg" / "1.0.0"
    write_apnea(folder)
    write_sums(folder)
    listed = (folder / "SHA256SUMS.txt").read_text().splitlines()
    unlisted = {f"{name}.apn" for name in ("x01", "x35")}
    (folder / "SHA256SUMS.txt").write_text("\n".join(line for line in listed if line.split()[1] not in unlisted))
    monkeypatch.setattr(_download, "PHYSIONET_URL", file_server.url)
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
    return SimpleNamespace(folder=folder, asked=file_server.asked)


@pytest.mark.parametrize("context", [0, 1, 2, 3])
def test_rows_stand_around_their_minute(apnea, context):
    bunch = apnea(context=context)
    n_rows, width = 7 - 2 * context, (2 * context + 1) * MINUTE
    assert bunch.data.shape == (n_rows, width) and bunch.data.dtype == np.float32
    signal = ramp(int(7.5 * MINUTE)) / 200
    for row, minute in enumerate(range(context, 7 - context)):
        start = (minute - context) * MINUTE
        np.testing.assert_allclose(bunch.data[row], signal[start : start + width], atol=1e-6)
    assert bunch.minute.tolist() == list(range(context, 7 - context))
    assert "".join(bunch.target) == LABELS["a01"][context : 7 - context]
    assert bunch.n_dropped == 2 * context


def test_last_minute_may_be_cut(apnea, write_annotations):
    write_night(apnea.folder, "a01", 6.9, write_annotations, LABELS["a01"])
    bunch = apnea(context=0)
    assert bunch.minute.tolist() == [0, 1, 2, 3, 4, 5] and bunch.n_dropped == 1


def test_records_together(apnea):
    bunch = apnea(["c05", "a01"], context=1)
    assert bunch.data.shape == (4 + 5, 3 * MINUTE) and bunch.n_dropped == 4
    assert bunch.record.tolist() == ["c05"] * 4 + ["a01"] * 5
    assert bunch.minute.tolist() == [1, 2, 3, 4, 1, 2, 3, 4, 5] and "".join(bunch.target) == "NNNNAANAA"
    assert (bunch.fs, bunch.lead_names, bunch.n_leads, bunch.n_side_features) == (100, ("ECG",), 1, 0)
    assert bunch.feature_names[[0, -1]].tolist() == ["ECG_0000", "ECG_17999"]
    X, y = apnea(["c05", "a01"], context=1, return_X_y=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)


def test_rows_that_share_memory(apnea):
    stacked, views = apnea(["c05", "a01"]), apnea(["c05", "a01"], stack=False)
    assert [rows.shape for rows in views.data] == [(2, 5 * MINUTE), (3, 5 * MINUTE)]
    np.testing.assert_array_equal(np.concatenate(views.data), stacked.data)
    first, second = views.data[1][:2]
    assert first[MINUTE:].__array_interface__["data"][0] == second.__array_interface__["data"][0]
    assert not views.data[0].flags.writeable and stacked.data.flags.writeable
    assert views.target.tolist() == stacked.target.tolist() and views.minute.tolist() == stacked.minute.tolist()


def test_missing_labels_leave_a_gap(apnea, write_annotations):
    write_annotations(apnea.folder, "a01", "apn", [(0, "N"), (MINUTE, "A"), (4 * MINUTE, "A"), (6 * MINUTE, "N")])
    for options in ({"context": 1}, {"context": 1, "stack": False}):
        bunch = apnea(**options)
        rows = bunch.data if options.get("stack", True) else bunch.data[0]
        assert bunch.minute.tolist() == [1, 4] and "".join(bunch.target) == "AA" and bunch.n_dropped == 2
        np.testing.assert_allclose(rows[:, 0], [0, 3], atol=1e-6)
        assert rows.flags.writeable == options.get("stack", True)


def test_subjects(apnea):
    bunch = apnea(["x35", "c05", "x01", "a01", "a02"], context=0)
    groups = dict(zip(bunch.record.tolist(), bunch.groups.tolist(), strict=True))
    # x01 has the age, sex, height and weight of a01, x35 those of c06, which is c05 shifted
    assert groups == {"x35": "c05", "c05": "c05", "x01": "a01", "a01": "a01", "a02": "a02"}


def test_sets(apnea):
    for records, n_wanted, names in [("released", 35, ["a01", "a02", "c05"]), ("withheld", 35, ["x01", "x35"])]:
        with pytest.warns(UserWarning, match=f"holds {len(names)} of the {n_wanted} records wanted") as caught:
            bunch = apnea(records, context=0)
        assert caught[0].filename == __file__ and list(dict.fromkeys(bunch.record)) == names
    with pytest.warns(UserWarning, match="holds 5 of the 70 records"):
        apnea("all", context=0)


def test_text_of_labels(apnea):
    """The challenge's text serves where a withheld record has no annotation file, and only there."""
    (apnea.folder / "event-2-answers").write_text(ANSWERS)
    (apnea.folder / "x35.apn").unlink()
    bunch = apnea(["x01", "x35"], context=0)
    assert "".join(bunch.target[bunch.record == "x01"]) == LABELS["x01"]
    assert "".join(bunch.target[bunch.record == "x35"]) == "NNANN"
    (apnea.folder / "x01.apn").unlink()
    write_night(apnea.folder, "x01", 62)
    bunch = apnea(["x01"], context=0)
    assert bunch.minute.tolist() == list(range(62)) and np.flatnonzero(bunch.target == "A").tolist() == [61]
    (apnea.folder / "event-2-answers").write_text("x01\n 0 NN\n")
    with pytest.raises(OSError, match=r"Record x35: .*event-2-answers has no labels for it"):
        apnea(["x35"])
    for damaged in ("x01\n 0 NQ\n", " 0 NN\n", "x01\n 0 " + "N" * 61 + "\n", "x01\nNN\n"):
        (apnea.folder / "event-2-answers").write_text(damaged)
        with pytest.raises(OSError, match=r"event-2-answers is damaged at line"):
            apnea(["x35"])


@pytest.mark.parametrize(
    "marks", [[(0, "N"), (6001, "A")], [(0, "N"), (6000, "V")], [(0, "N"), (0, "A")], [(0, "N"), (6000, "+", "note")]]
)
def test_labels_of_another_kind(apnea, write_annotations, marks):
    write_annotations(apnea.folder, "a01", "apn", marks)
    with pytest.raises(
        OSError, match=r"Record a01: .*a01\.apn has marks other than one A or N at the start of a minute"
    ):
        apnea()


def test_files_of_another_kind(apnea, write_record):
    write_record(apnea.folder, "a01", n_timepoints=7 * MINUTE, fs=100, fmt="16")
    with pytest.raises(OSError, match="Record a01: one lead at 100 Hz is wanted, got 2 at 100 Hz"):
        apnea()
    write_record(apnea.folder, "a01", n_timepoints=7 * MINUTE, fs=128, lead_names=["ECG"], fmt="16")
    with pytest.raises(OSError, match="got 1 at 128 Hz"):
        apnea()
    path = apnea.folder / "additional-information.txt"
    path.write_text(PEOPLE.replace("a02", "a03"))
    with pytest.raises(OSError, match=r"additional-information\.txt has no row for record\(s\) a02"):
        apnea(["a02"])
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no additional-information\.txt"):
        apnea()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": -1}, "context must be an integer of at least 0, got -1"),
        ({"context": 1.0}, r"context must be an integer of at least 0, got 1\.0"),
        ({"context": True}, "context must be an integer"),
        ({"context": 4}, r"No row is left: no labelled minute of 1 record\(s\) has 4 on either side"),
        ({"records": "x"}, "records must be 'released', 'withheld', 'all' or a list"),
        ({"records": ["a21"]}, r"records must be of Apnea-ECG, a01 to x35; unknown: \['a21'\]"),
    ],
)
def test_bad_parameters(apnea, options, message):
    with pytest.raises(ValueError, match=message):
        apnea(**options)


def test_download(source, tmp_path):
    bunch = fetch_apnea_ecg(data_home=tmp_path, records=["a01", "x01"], context=0)
    assert "".join(bunch.target) == LABELS["a01"] + LABELS["x01"]
    found = {path.name for path in (tmp_path / "apnea-ecg").iterdir()}
    wanted = {f"{name}.{end}" for name in ("a01", "x01") for end in ("apn", "dat", "hea")}
    assert found == wanted | {"additional-information.txt", "SHA256SUMS.txt"}
    source.asked.clear()
    fetch_apnea_ecg(data_home=tmp_path, records=["a01", "x01"], context=0)
    assert source.asked == []


def test_download_beside_the_text_of_labels(source, tmp_path):
    folder = tmp_path / "apnea-ecg"
    folder.mkdir()
    (folder / "event-2-answers").write_text(ANSWERS)
    bunch = fetch_apnea_ecg(data_home=tmp_path, records=["x35"], context=0)
    assert "".join(bunch.target) == "NNANN" and not any(path.endswith(".apn") for path in source.asked)


def test_only_labels_of_withheld_records_go_without_a_sum(source, tmp_path):
    sums = source.folder / "SHA256SUMS.txt"
    sums.write_text("\n".join(line for line in sums.read_text().splitlines() if not line.endswith("a01.apn")))
    with pytest.raises(OSError, match=r"does not list a01\.apn"):
        fetch_apnea_ecg(data_home=tmp_path, records=["a01"])
    lines = sums.read_text().splitlines()
    sums.write_text("\n".join([*lines, "0" * 64 + " x01.apn"]))
    with pytest.raises(OSError, match=r"x01\.apn came damaged"):
        fetch_apnea_ecg(data_home=tmp_path, records=["x01"])
