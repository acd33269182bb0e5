"""The rules of the house: who imports whom, what an import costs, shared parameters, file sizes."""

import argparse
import ast
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_ecg
from benchmarks._results import add_threads
from sklearn_ecg._base_classifier import NeuralClassifier
from sklearn_ecg._parameters import (
    CLASSIFIER_CONSTRAINTS,
    CLASSIFIER_DEFAULTS,
    METHOD_CONSTRAINTS,
    METHOD_DEFAULTS,
    SHARED_CONSTRAINTS,
    SHARED_DEFAULTS,
)
from tests.instances import INSTANCES

PACKAGE = Path(sklearn_ecg.__file__).parent
NUMERIC = {"numpy", "scipy", "sklearn", "wfdb", "_annotations", "_beat_records", "_validation"}
OURS = {"_annotations", "_validation"}
ESTIMATOR = {
    "numpy",
    "scipy",
    "sklearn",
    "torch",
    "_base",
    "_base_classifier",
    "_parameters",
    "_validation",
    "nn",
    "preprocessing",
    "segmentation",
}
PACKAGES_OF_DATA = {"wfdb", "pooch", "pandas", "tqdm", "torch", "deepfakeecg"}
ALLOWED = {
    "__init__": set(),
    "_annotations": set(),
    "_rhythm": {"numpy"},
    "_validation": {"numpy", "sklearn", "_annotations"},
    "_beat_records": {"numpy", "sklearn", "_validation"},
    "_callbacks": {"sklearn", "skorch", "torch"},
    "_training": {"numpy", "torch", "skorch", "tqdm", "_callbacks"},
    "_parameters": {"sklearn"},
    "_splitting": {"numpy", "sklearn"},
    "_pretrained": {"numpy", "_training"},
    "_base": {
        "numpy",
        "sklearn",
        "torch",
        "skorch",
        "_callbacks",
        "_parameters",
        "_splitting",
        "_training",
        "_validation",
    },
    "_base_classifier": {"numpy", "scipy", "sklearn", "_base", "_parameters", "nn"},
    "nn": {"torch", "nn"},
    "preprocessing": NUMERIC | {"preprocessing"},
    "metrics": NUMERIC | {"metrics"},
    "interpolation": {"numpy", "scipy", "sklearn", *OURS, "preprocessing"},  # beats are found before they are matched
    "segmentation": ESTIMATOR,
    "classifiers": ESTIMATOR,
    "delineation": ESTIMATOR,
    "self_supervised": ESTIMATOR | {"_beat_records", "_pretrained", "_training"},
    "regression": ESTIMATOR | {"_pretrained"},
    # interpolation: the targets of the transport regulariser are points of the transport path
    "autoencoders": ESTIMATOR | {"skorch", "_annotations", "_rhythm", "_training", "interpolation"},
    "augmentation": ESTIMATOR | {"imblearn", "tqdm", "_training"},
    "adaptation": {"numpy", "scipy", "sklearn", "_base_classifier", "_validation"},
    "ensemble": {"numpy", "sklearn", "_validation"},
    "explain": {"numpy", "sklearn", "torch", "_beat_records", "_validation"},
    "datasets": {*PACKAGES_OF_DATA, "numpy", "scipy", "sklearn", *OURS, "_rhythm", "preprocessing"},
    "plotting": {"numpy", "sklearn", "matplotlib", "_annotations", "_validation", "metrics"},
}
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
    assert imported <= ALLOWED[room] | {room}, imported - ALLOWED[room]


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_within_their_room(path):
    assert len(path.read_text().splitlines()) <= 400


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


NEURAL = sorted({name.split("-")[0] for name in INSTANCES if hasattr(INSTANCES[name], "_make_module")})


@pytest.mark.parametrize("name", NEURAL)
def test_shared_parameters_agree_with_the_tables(name):
    estimator = getattr(sklearn_ecg, name)
    parameters = inspect.signature(estimator).parameters
    classifies = issubclass(estimator, NeuralClassifier)
    defaults = SHARED_DEFAULTS | (CLASSIFIER_DEFAULTS if classifies else {}) | METHOD_DEFAULTS.get(name, {})
    assert {key: parameters[key].default for key in defaults} == defaults
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())
    assert set(estimator._parameter_constraints) == set(parameters)
    constraints = SHARED_CONSTRAINTS | (CLASSIFIER_CONSTRAINTS if classifies else {})
    constraints |= METHOD_CONSTRAINTS.get(name, {})
    for key, constraint in constraints.items():
        assert estimator._parameter_constraints[key] == constraint


def _documented(estimator):
    """Parameter name → its lines in the numpydoc section."""
    lines = inspect.cleandoc(estimator.__doc__).split("\n")
    start, stop = lines.index("Parameters") + 2, lines.index("Attributes")
    entries, name = {}, None
    for line in lines[start:stop]:
        if line and not line.startswith(" "):
            name = line.split(" : ")[0]
            entries[name] = [line]
        elif line:
            entries[name].append(line.strip())
    return entries


@pytest.mark.parametrize("name", sorted(sklearn_ecg.__all__))
def test_every_parameter_is_documented_in_order(name):
    estimator = getattr(sklearn_ecg, name)
    assert list(_documented(estimator)) == list(inspect.signature(estimator).parameters)


@pytest.mark.parametrize("name", NEURAL)
def test_shared_parameters_are_worded_alike(name):
    reference, entries = _documented(sklearn_ecg.CNNLSTMAttention), _documented(getattr(sklearn_ecg, name))
    differs = {"augment", "n_leads", "n_side_features"} if "n_beats" in entries else set()
    if not issubclass(getattr(sklearn_ecg, name), NeuralClassifier):
        differs |= {"loss"}
    for key in (SHARED_DEFAULTS | CLASSIFIER_DEFAULTS).keys() - differs:
        if key in entries:
            assert entries[key][1:] == reference[key][1:]


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
