"""CPU time of ``fit`` and ``predict_proba`` against a hand-written torch loop on the same module and data.

    python -m benchmarks.overhead [--n-beats 8192] [--epochs 2] [--repeats 5] [--threads 1]

Both sides alternate in one run; medians of the process's CPU time are compared.
"""

import argparse
import copy
import statistics
import subprocess
import sys

import numpy as np
import torch

from sklearn_ecg import CNNLSTMAttention

from ._results import add_threads, cpu_timer, write_results

N_TIMEPOINTS, N_SIDE, N_CLASSES = 256, 4, 4


def make_rows(n_beats, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_beats, N_TIMEPOINTS + N_SIDE)).astype(np.float32), rng.integers(0, N_CLASSES, n_beats)


def hand_written_fit(module, X, y, epochs, batch_size, lr, weight_decay):
    """The loop one writes without a library: shuffled batches, cross-entropy, AdamW."""
    rows, target = torch.from_numpy(X), torch.from_numpy(y)
    optimizer = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=weight_decay)
    module.train()
    for _ in range(epochs):
        order = torch.randperm(len(rows))
        for start in range(0, len(rows), batch_size):
            batch = order[start : start + batch_size]
            signals, side = rows[batch, :N_TIMEPOINTS].unsqueeze(1), rows[batch, N_TIMEPOINTS:]
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(module(signals, side), target[batch])
            loss.backward()
            optimizer.step()


def hand_written_proba(module, X, batch_size):
    rows = torch.from_numpy(X)
    module.eval()
    with torch.inference_mode():
        parts = [
            torch.softmax(module(batch[:, :N_TIMEPOINTS].unsqueeze(1), batch[:, N_TIMEPOINTS:]), dim=1)
            for batch in rows.split(batch_size)
        ]
    return torch.cat(parts).numpy()


def timed(call, *args, **kwargs):
    with cpu_timer() as timer:
        call(*args, **kwargs)
    return timer.seconds


def import_seconds():
    """Wall-clock seconds that ``import sklearn_ecg`` takes in a fresh interpreter that has imported scikit-learn."""
    code = "import time, sklearn; t = time.perf_counter(); import sklearn_ecg; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-beats", type=int, default=8192)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    add_threads(parser)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    X, y = make_rows(args.n_beats, args.seed)
    clf = CNNLSTMAttention(n_side_features=N_SIDE, max_epochs=args.epochs, random_state=args.seed, device="cpu")
    clf.fit(X, y)
    params = {key: getattr(clf, key) for key in ("batch_size", "lr", "weight_decay")}
    difference = np.abs(clf.predict_proba(X) - hand_written_proba(clf.module_, X, clf.batch_size)).max()
    if difference > 1e-6:
        raise AssertionError(f"the two predict_proba differ by {difference}")

    seconds = {key: [] for key in ("fit", "fit by hand", "predict_proba", "predict_proba by hand", "import")}
    for repeat in range(args.repeats):
        module = copy.deepcopy(clf.module_)
        seconds["fit"].append(timed(clf.fit, X, y))
        seconds["fit by hand"].append(timed(hand_written_fit, module, X, y, args.epochs, **params))
        seconds["predict_proba"].append(timed(clf.predict_proba, X))
        seconds["predict_proba by hand"].append(timed(hand_written_proba, clf.module_, X, clf.batch_size))
        seconds["import"].append(import_seconds())
        print(f"repeat {repeat + 1}/{args.repeats}", {key: round(values[-1], 4) for key, values in seconds.items()})

    median = {key: statistics.median(values) for key, values in seconds.items()}
    ratio = {name: median[name] / median[f"{name} by hand"] for name in ("fit", "predict_proba")}
    rows = [
        [name, round(median[name], 3), round(median[f"{name} by hand"], 3), round(ratio[name], 3)] for name in ratio
    ]
    for name, ours, by_hand, quotient in rows:
        print(f"{name}: {ours:.3f} s against {by_hand:.3f} s by hand, ratio {quotient:.3f}")
    print(f"import sklearn_ecg after scikit-learn: {median['import']:.4f} s")
    write_results(
        "overhead",
        {
            "protocol": f"{args.n_beats} rows of {N_TIMEPOINTS} samples and {N_SIDE} side features, "
            f"{args.epochs} epochs, default CNNLSTMAttention, {args.threads} torch thread(s), medians of "
            f"{args.repeats}; importing sklearn_ecg after scikit-learn took {median['import']:.4f} s",
            "metrics": {"ratio": ratio, "median_cpu_seconds": median, "cpu_seconds": seconds},
            "caption": "CPU seconds against a hand-written torch loop on the same module and data",
            "table": {"columns": ["", "sklearn_ecg [s]", "by hand [s]", "ratio"], "rows": rows},
        },
        args=args,
    )


if __name__ == "__main__":
    main()
