"""What the README and the examples show runs as it stands."""

import doctest
import importlib
import pkgutil
import re
import runpy
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import sklearn_ecg

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
MODULES = [module.name for module in pkgutil.walk_packages(sklearn_ecg.__path__, "sklearn_ecg.")]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_show_what_happens(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_readme_block_runs_when_pasted(block, capsys):
    exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


def test_demo_prints_a_report_and_saves_its_figures(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["demo.py", "--output", str(tmp_path), "--patients", "9", "--epochs", "1"])
    runpy.run_path(str(ROOT / "examples" / "demo.py"), run_name="__main__")
    assert "macro-F1 over N, S, V, F on unseen patients" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"attention.png", "beats.png", "confusion.png", "history.png"}


GALLERY = sorted(path.name for path in (ROOT / "examples").glob("plot_*.py"))


@pytest.mark.parametrize("name", GALLERY)
def test_gallery_prints_what_it_finds_and_saves_its_figure(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr(sys, "argv", [name, str(tmp_path / "figure.png")])
    runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
    plt.close("all")
    assert capsys.readouterr().out.strip()
    height, width, _ = plt.imread(tmp_path / "figure.png").shape
    assert min(height, width) > 300


def test_every_example_is_run():
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == {"demo.py", *GALLERY}
