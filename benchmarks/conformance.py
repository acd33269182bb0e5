"""scikit-learn's whole ``check_estimator`` on the estimators as a user constructs them: float32, dropout, batch norm.

    python -m benchmarks.conformance

The tests run the suite on instances that compute exactly. Here nothing is set but ``fs``, ``random_state``, what a
meta-estimator must be given, and GANSampler's ``n_steps``, because the suite fits some sixty times. A check that fails
is named with its message, and the identity that single precision, dropout, batch norm or minibatches break can be read
off it.
"""

import os

os.environ["SCIPY_ARRAY_API"] = "1"  # without it scikit-learn skips checks

import argparse
import time
import warnings

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator

from sklearn_ecg import (
    AdaptedClassifier,
    BeatSegmenter,
    CNNClassifier,
    CNNLSTMAttention,
    CNNLSTMClassifier,
    ConvAutoencoder,
    ECGFilter,
    ECGResampler,
    ECGScaler,
    ECGSLClassifier,
    GANSampler,
    ResNetClassifier,
    TopKVotingClassifier,
)

from ._results import write_results

DEFAULTS = (
    CNNClassifier(random_state=0),
    CNNLSTMClassifier(random_state=0),
    CNNLSTMAttention(random_state=0),
    ResNetClassifier(random_state=0),
    ECGSLClassifier(random_state=0),
    ConvAutoencoder(random_state=0),
    AdaptedClassifier(CNNClassifier(random_state=0), random_state=0),
    TopKVotingClassifier([("linear", LogisticRegression()), ("tree", DecisionTreeClassifier(random_state=0))]),
    GANSampler(n_steps=20, random_state=0),
    ECGFilter(fs=360),
    ECGResampler(fs=360, fs_out=128),
    ECGScaler(),
    BeatSegmenter(fs=360),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, failures = [], {}
    for estimator in DEFAULTS:
        name, start = type(estimator).__name__, time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = check_estimator(estimator, on_fail=None, on_skip=None)
        status = [result["status"] for result in results]
        failures[name] = {r["check_name"]: str(r["exception"])[:300] for r in results if r["status"] == "failed"}
        counts = [status.count(kind) for kind in ("passed", "failed", "skipped")]
        rows.append([name, *counts, ", ".join(failures[name]) or "–", round(time.process_time() - start, 1)])
        print(*rows[-1])
        for check, message in failures[name].items():
            print(f"    {check}: {message}")
    write_results(
        "conformance",
        {
            "protocol": "check_estimator with SCIPY_ARRAY_API=1 on default-constructed estimators, 1 torch thread",
            "metrics": {"failures": failures},
            "caption": "scikit-learn's checks on default-constructed estimators",
            "table": {"columns": ["estimator", "passed", "failed", "skipped", "failed checks", "CPU s"], "rows": rows},
        },
        args=args,
    )


if __name__ == "__main__":
    main()
