import argparse
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import _results, results_tables
from sklearn_ecg.metrics import Interval, aami_report

PAYLOAD = {
    "protocol": "three beats",
    "metrics": {"f1": 0.9},
    "caption": "Three beats.",
    "table": {"columns": ["method", "F1", "beats"], "rows": [["ours", 0.98765, 3], ["a|b", None, 1000]]},
}

RENDERED = """Three beats.

| method | F1 | beats |
| --- | ---: | ---: |
| ours | 0.9877 | 3 |
| a\\|b | – | 1000 |

Made by `python -m benchmarks.demo --seed 3` on 2026-01-02."""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a results file with a fixed command line and read it back."""

    def write(payload, **keywords):
        monkeypatch.setattr(sys, "argv", ["/home/someone/benchmarks/demo.py", "--seed", "3", "--data-home", "/data/x"])
        path = _results.write_results("demo", payload, results_dir=tmp_path, **keywords)
        return json.loads(path.read_text(encoding="utf-8"))

    return write


def test_results_tell_how_they_were_made(written):
    record = written(PAYLOAD, args=argparse.Namespace(seed=3))
    assert " ".join(record) == "name caption command date seed environment protocol metrics table"
    assert record["command"] == "python -m benchmarks.demo --seed 3"
    assert record["seed"] == 3
    assert record["environment"]["packages"]["numpy"] == np.__version__
    assert len(record["date"]) == 10


def test_results_are_plain_rounded_numbers(written):
    report = aami_report(["N", "S"], ["N", "N"])
    metrics = {
        "pi": np.float32(3.14159265),
        "large": 123456789.0,
        "count": np.int64(123456789),
        "undefined": np.nan,
        "array": np.array([[1, 2]]),
        "interval": Interval(0.123456789, 0.1, np.inf, 0.95),
        "report": report,
    }
    read = written({"protocol": "none", "metrics": metrics})["metrics"]
    assert read["pi"] == 3.1416
    assert read["large"] == 123460000.0
    assert read["count"] == 123456789
    assert read["undefined"] is None
    assert read["array"] == [[1, 2]]
    assert read["interval"] == {"estimate": 0.12346, "low": 0.1, "high": None, "confidence": 0.95}
    assert read["report"]["confusion"] == report.confusion.tolist()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data", "/data/mitdb", "--fast"], "--fast"),
        (["--data-home=/data/mitdb", "--fast"], "--fast"),
        (["--weights", "/home/me/w.npz"], "--weights w.npz"),
        (["--weights=../w.npz"], "--weights=w.npz"),
        (["--protocol", "inter"], "--protocol inter"),
    ],
)
def test_command_names_no_place(arguments, expected):
    command = _results.command_line(["/home/someone/benchmarks/arrhythmia.py", *arguments])
    assert command == f"python -m benchmarks.arrhythmia {expected}"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"metrics": {}}, "lacks \\['protocol'\\]"),
        ({**PAYLOAD, "date": "today"}, "must leave \\['date'\\]"),
        ({**PAYLOAD, "table": {"columns": ["a", "b"], "rows": [["c"]]}}, "must have 2 cells"),
    ],
)
def test_bad_payloads_are_refused(written, payload, message):
    with pytest.raises(ValueError, match=message):
        written(payload)


def test_cpu_timer_counts_work_and_not_sleep(monkeypatch):
    ticks = iter([2.0, 2.5])
    monkeypatch.setattr(_results, "time", SimpleNamespace(process_time=lambda: next(ticks)))
    with _results.cpu_timer() as timer:
        assert timer.seconds is None
    assert timer.seconds == 0.5


@pytest.fixture
def project(tmp_path, written):
    """A README with an empty table, and the results that fill it."""
    record = written(PAYLOAD)
    (tmp_path / "demo.json").write_text(json.dumps({**record, "date": "2026-01-02"}), encoding="utf-8")
    readme = tmp_path / "README.md"
    readme.write_text("# Title\n<!-- results:demo:start -->\nold\n<!-- results:demo:end -->\nafter\n", encoding="utf-8")
    return readme


def test_a_page_is_filled_and_then_agrees(project, capsys):
    places = {"pages": [project], "results_dir": project.parent}
    assert results_tables.main(["--check"], **places) == 1
    assert "README.md differs" in capsys.readouterr().out
    assert "old" in project.read_text(encoding="utf-8")
    assert results_tables.main([], **places) == 0
    expected = f"# Title\n<!-- results:demo:start -->\n{RENDERED}\n<!-- results:demo:end -->\nafter\n"
    assert project.read_text(encoding="utf-8") == expected
    assert results_tables.main(["--check"], **places) == 0


@pytest.mark.parametrize(
    "text",
    [
        "<!-- results:demo:start -->",
        "<!-- results:demo:end --> <!-- results:demo:start -->",
        "<!-- results:demo:start --> <!-- results:other:end -->",
    ],
)
def test_unpaired_markers_are_refused(project, text):
    with pytest.raises(ValueError, match="pair of start and end"):
        results_tables.fill_tables(text, project.parent)


def test_missing_results_and_missing_tables(project):
    text = "<!-- results:{0}:start --><!-- results:{0}:end -->"
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        results_tables.fill_tables(text.format("absent"), project.parent)
    (project.parent / "bare.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"bare\.json has no table"):
        results_tables.fill_tables(text.format("bare"), project.parent)


def test_numbers_are_aligned_right():
    table = {"columns": ["a", "b", "c"], "rows": [[".53 [.41, .60]", "12 leads", "97 %"], ["−.02", "3", "1,234"]]}
    rendered = results_tables.render({"table": table, "command": "x", "date": "y"})
    assert rendered.splitlines()[1] == "| ---: | --- | ---: |"


def test_pages_agree_with_the_committed_results():
    assert results_tables.main(["--check"]) == 0
