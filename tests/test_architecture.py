"""The rules of the house: who imports whom, what an import costs, shared parameters, file sizes."""

import argparse
import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_ecg
from benchmarks._results import add_threads

PACKAGE = Path(sklearn_ecg.__file__).parent
GROUND = {"parameters", "signals"}
NUMERIC = {"numpy", "scipy", "sklearn"}
METHOD = {*NUMERIC, "torch", "base", "nn", "preprocessing", "segmentation"}
ALLOWED = {
    "__init__": set(),
    "parameters": {"numpy", "sklearn"},
    "signals": {"numpy", "sklearn"},
    "_validation": set(),
    "nn": {"torch", "nn"},
    "preprocessing": {*NUMERIC, "wfdb"},
    "metrics": NUMERIC,
    "interpolation": {*NUMERIC, "preprocessing"},  # beats are found before they are matched
    "base": {*NUMERIC, "joblib", "torch", "skorch", "tqdm", "nn"},
    "segmentation": METHOD,
    "classifiers": METHOD,
    "delineation": METHOD,
    "self_supervised": METHOD,
    "regression": METHOD,
    # interpolation: the targets of the transport regulariser are points of the transport path
    "autoencoders": {*METHOD, "skorch", "interpolation"},
    "augmentation": {*METHOD, "imblearn", "tqdm"},
    "adaptation": {*NUMERIC, "base"},
    "ensemble": {"numpy", "sklearn"},
    "explain": {"numpy", "sklearn", "torch"},
    "datasets": {*NUMERIC, "wfdb", "pooch", "pandas", "tqdm", "torch", "deepfakeecg", "preprocessing"},
    "plotting": {"numpy", "sklearn", "matplotlib", "metrics"},
}
"""Room → what its files may import besides one another, the ground floor and the standard library."""
HEAVY = {"torch", "skorch", "wfdb", "pandas", "matplotlib", "optuna", "pooch", "imblearn", "deepfakeecg"}


def _sources():
    return sorted(PACKAGE.rglob("*.py"))


def _room(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def _imports(path):
    """Names of the packages, or of our own rooms, that a file imports anywhere."""
    package = ("sklearn_ecg", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [stem] if node.module else [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield parts[1] if parts[0] == "sklearn_ecg" and len(parts) > 1 else parts[0]


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_import_only_what_they_may(path):
    room = _room(path)
    assert room in ALLOWED, f"{room} is a new room: say here what it may import"
    imported = {name for name in _imports(path) if name not in sys.stdlib_module_names}
    ground = set() if room in GROUND else GROUND
    assert imported <= ALLOWED[room] | {room, *ground}, imported - ALLOWED[room]


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_within_their_room(path):
    assert len(path.read_text().splitlines()) <= 400


def _lines(function):
    """Lines of a function without its docstring."""
    first = function.body[0]
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    docstring = first.end_lineno - first.lineno + 1 if told else 0
    return function.end_lineno - function.lineno + 1 - docstring


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_functions_are_short(path):
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    assert not [function.name for function in functions if _lines(function) > 45]


@pytest.mark.parametrize(
    "module", ["", ".preprocessing", ".datasets", ".metrics", ".segmentation", ".ensemble", ".interpolation"]
)
def test_imports_leave_the_heavy_packages_alone(module):
    code = (
        "import sys, json, sklearn; before = set(sys.modules); "
        f"import sklearn_ecg{module}; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert not HEAVY & set(loaded)


ROOT = PACKAGE.parent
SCRIPTS = sorted(path for folder in ("benchmarks", "examples", "sklearn_ecg") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_s_number_of_threads_is_overridden(path):
    source = path.read_text(encoding="utf-8")
    for chosen in re.findall(r"set_num_threads\((.*)\)", source):
        assert chosen == "args.threads" and "add_threads(parser)" in source
    if path.parent.name == "examples":
        assert source.index('os.environ.setdefault("OMP_NUM_THREADS", "1")') < source.index("import matplotlib")
    assert not re.search(r"environ(\.update|\[[^]]*(THREAD|variable)[^]]*\] *=)", source)


@pytest.mark.parametrize("module", ["benchmarks.rpeaks", "benchmarks.intervals.__main__"])
def test_benchmarks_keep_the_threads_of_the_environment(module):
    code = f"import os, {module}; print(os.environ['OMP_NUM_THREADS'], os.environ['MKL_NUM_THREADS'])"
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    environment.pop("MKL_NUM_THREADS", None)
    told = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert told.stdout.split() == ["3", "1"], told.stderr


@pytest.mark.parametrize(("set_to", "threads"), [(None, 1), ("3", 3), ("2,1", 2)])
def test_benchmarks_take_the_threads_of_the_environment(set_to, threads, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS") if set_to is None else monkeypatch.setenv("OMP_NUM_THREADS", set_to)
    parser = argparse.ArgumentParser()
    add_threads(parser)
    assert parser.parse_args([]).threads == threads and parser.parse_args(["--threads", "5"]).threads == 5
