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
from matplotlib.figure import Figure

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
    labels, save = {}, Figure.savefig

    def read_and_save(figure, path, **options):
        labels[path.stem] = [figure.get_suptitle(), figure.axes[0].get_ylabel()]
        save(figure, path, **options)

    monkeypatch.setattr(Figure, "savefig", read_and_save)
    monkeypatch.setattr(sys, "argv", ["demo.py", "--output", str(tmp_path), "--patients", "9", "--epochs", "1"])
    runpy.run_path(str(ROOT / "examples" / "demo.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "macro-F1 over N, S, V, F on unseen patients" in printed and f"figures in {tmp_path}" in printed
    for title, label in (labels["beats"], labels["attention"]):
        assert "a flat line is the usual beat" in title and "deviation from the usual beat" in label
    assert {path.name for path in tmp_path.iterdir()} == {"attention.png", "beats.png", "confusion.png", "history.png"}


GALLERY = sorted(path.name for path in (ROOT / "examples").glob("plot_*.py"))


def run_example(name, arguments, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    drawn = runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
    plt.close("all")
    return drawn["figure"]


@pytest.mark.parametrize("name", GALLERY)
def test_gallery_prints_what_it_finds_and_saves_its_figure(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["mine.png"] if name == GALLERY[0] else []  # the others save by default
    figure = run_example(name, arguments, monkeypatch)
    *found, saved = capsys.readouterr().out.strip().splitlines()
    (path,) = arguments or [Path(name).with_suffix(".png")]
    assert found and saved == f"figure saved as {path}"
    height, width, _ = plt.imread(path).shape
    assert min(height, width) > 300
    assert_nothing_is_covered(figure)


@pytest.mark.parametrize("name", GALLERY)
def test_gallery_says_where_the_figure_goes(name):
    source = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert "[FIGURE]" in source and f"``{Path(name).with_suffix('.png')}``, or as FIGURE" in source


def assert_nothing_is_covered(figure):
    """No label of a line crosses the frame, no legend hides the signal, and times below one another are the same."""
    figure.canvas.draw()
    panels = [ax for ax in figure.axes if ax.axison and ax.get_label() != "<colorbar>"]
    for ax in panels:
        frame = ax.get_window_extent()
        for text in ax.texts:
            box = text.get_window_extent()
            assert not (box.y0 < frame.y1 < box.y1 and box.x0 < frame.x1), text
        times = [line for line in ax.lines if len(line.get_xdata()) > 500]
        legend = ax.get_legend()
        if times and legend is not None:
            shown = legend.get_window_extent()
            for line in times:
                points = ax.transData.transform(line.get_xydata())
                assert not shown.count_contains(points)
    if len({ax.get_position().x0 for ax in panels}) == 1:
        assert len({ax.get_xlim() for ax in panels}) == 1


def test_every_example_is_run():
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == {"demo.py", *GALLERY}
