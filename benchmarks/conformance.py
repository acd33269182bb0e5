"""scikit-learn's whole ``check_estimator`` on the estimators as a user constructs them: float32, dropout, batch norm.

    python -m benchmarks.conformance [--missing]

The tests run the suite on instances that compute exactly. Here every public estimator is constructed with nothing but
what it asks for (``fs``, ``fs_out``, other estimators), ``random_state``, GANSampler's ``n_steps`` and PeriodicVAE's
``max_epochs``, because the suite fits some sixty times. A check that fails is named with its message, and the identity
that single precision, dropout, batch norm or minibatches break can be read off it.

The results are written after each estimator. With ``--missing`` those that the results file has already are left as
they are, so that a stopped run goes on where it was, and a new estimator costs its own time alone.
"""

import os

os.environ["SCIPY_ARRAY_API"] = "1"  # without it scikit-learn skips checks

import argparse
import inspect
import json
import time
import warnings

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator
from torch import nn

import sklearn_ecg

from . import _results


class ToyNetwork(nn.Module):
    """What stands in for the network that the user gives."""

    def __init__(self, n_leads, n_outputs):
        super().__init__()
        self.convolve = nn.Sequential(nn.Conv1d(n_leads, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(4))
        self.out = nn.Linear(64, n_outputs)

    def forward(self, x):
        return self.out(self.convolve(x).flatten(1))


NAME = "conformance"
SETTINGS = {
    "AdaptedClassifier": {"estimator": sklearn_ecg.CNNClassifier(random_state=0)},
    "ECGResampler": {"fs": 360, "fs_out": 128},
    "GANSampler": {"n_steps": 20},
    "PeriodicVAE": {"max_epochs": 5},
    **{f"Torch{kind}": {"module": ToyNetwork} for kind in ("Classifier", "Regressor", "Transformer")},
    "TopKVotingClassifier": {
        "estimators": [("linear", LogisticRegression()), ("tree", DecisionTreeClassifier(random_state=0))]
    },
}
COLUMNS = ["estimator", "passed", "failed", "skipped", "failed checks", "CPU s"]


def default(name):
    """A public estimator by its name, with its defaults wherever it has any."""
    estimator, settings = getattr(sklearn_ecg, name), {"fs": 360, "random_state": 0, **SETTINGS.get(name, {})}
    parameters = inspect.signature(estimator).parameters
    required = {key for key, parameter in parameters.items() if parameter.default is parameter.empty}
    taken = required | SETTINGS.get(name, {}).keys() | {"random_state"}
    return estimator(**{key: settings[key] for key in parameters if key in taken})


def checked(name):
    """Row of the table, and check → message of those that failed."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(default(name), on_fail=None, on_skip=None)
    status = [result["status"] for result in results]
    failures = {r["check_name"]: str(r["exception"])[:300] for r in results if r["status"] == "failed"}
    counts = [status.count(kind) for kind in ("passed", "failed", "skipped")]
    return [name, *counts, ", ".join(failures) or "–", round(time.process_time() - start, 1)], failures


def done_before(path):
    """Rows and failures by estimator that a results file holds; none where other versions made it."""
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    if record is None or record["environment"]["packages"] != _results.environment()["packages"]:
        return {}
    return {row[0]: (row, record["metrics"]["failures"][row[0]]) for row in record["table"]["rows"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--missing", action="store_true", help="run only what the results file lacks")
    _results.add_threads(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    done = done_before(_results.RESULTS / f"{NAME}.json") if args.missing else {}
    for name in sklearn_ecg.__all__:
        if name in done:
            continue
        done[name] = row, failures = checked(name)
        print(*row, flush=True)
        for check, message in failures.items():
            print(f"    {check}: {message}", flush=True)
        write(done, args)


def write(done, args):
    """Write the results of the estimators that are done, in the order of their names."""
    done = {name: done[name] for name in sklearn_ecg.__all__ if name in done}
    _results.write_results(
        NAME,
        {
            "protocol": "check_estimator with SCIPY_ARRAY_API=1 on default-constructed estimators; "
            "GANSampler has n_steps=20 and PeriodicVAE max_epochs=5, since the suite fits some sixty times",
            "metrics": {"failures": {name: failures for name, (_, failures) in done.items()}},
            "caption": "scikit-learn's checks on default-constructed estimators",
            "table": {"columns": COLUMNS, "rows": [row for row, _ in done.values()]},
        },
        args=args,
        results_dir=_results.RESULTS,
    )


if __name__ == "__main__":
    main()
