"""Results files: what was measured, and all that is needed to measure it again."""

import dataclasses
import importlib.metadata
import json
import math
import os
import platform
import shlex
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePath

import numpy as np

RESULTS = Path(__file__).parent / "results"

_PACKAGES = ("sklearn_ecg", "scikit-learn", "skorch", "torch", "numpy", "scipy", "wfdb")
_WRITTEN_HERE = ("name", "command", "date", "environment")
_DATA_HOME_OPTIONS = ("--data-home", "--data_home", "--data")


def write_results(name, payload, *, args=None, results_dir=RESULTS):
    """Write ``benchmarks/results/<name>.json``.

    Floats are rounded to five significant digits, NaN becomes null, keys keep their order. The command line is
    recorded without the data home, and of other paths only the last part.

    Parameters
    ----------
    name : str
        Name of the file, without its ending.
    payload : dict
        ``protocol`` (how it was measured) and ``metrics`` are needed. ``caption`` and ``table``, a dict of ``columns``
        and ``rows``, make a table for the pages (see :mod:`benchmarks.results_tables`). Values may be NumPy's,
        dataclasses, or have a ``to_dict``.
    args : argparse.Namespace, default=None
        Parsed arguments; their ``seed`` is recorded where the payload has none.
    results_dir : path-like, default=RESULTS
        Where to write.

    Returns
    -------
    path : Path
        The file written.

    Raises
    ------
    ValueError
        If ``protocol`` or ``metrics`` is missing, a key is one that is written here, or a row of the table does not
        fit its columns.
    """
    _check_payload(payload)
    record = {
        "name": name,
        "caption": payload.get("caption", ""),
        "command": command_line(),
        "date": datetime.now(UTC).date().isoformat(),
        "seed": payload.get("seed", getattr(args, "seed", None)),
        "environment": environment(),
        **{key: value for key, value in payload.items() if key not in ("caption", "seed")},
    }
    path = Path(results_dir) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(as_plain(record), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def print_table(columns, rows):
    """Print the columns and the rows of a table, line after line."""
    for row in [columns, *rows]:
        print(*row, sep=" | ", flush=True)


def command_line(argv=None):
    """The command that runs this benchmark, without the data home and without the machine's paths."""
    program, *arguments = sys.argv if argv is None else argv
    kept, is_value = [], False
    for argument in arguments:
        option, has_value, value = argument.partition("=")
        if not is_value and option not in _DATA_HOME_OPTIONS:
            kept.append(f"{option}={_last_part(value)}" if has_value else _last_part(argument))
        is_value = not is_value and option in _DATA_HOME_OPTIONS and not has_value
    path = PurePath(program)
    name = path.parent.name if path.stem == "__main__" else path.stem
    return shlex.join(["python", "-m", f"benchmarks.{name}", *kept])


def add_threads(parser):
    """Give ``parser`` the option ``--threads``: by default those of OMP_NUM_THREADS, and one where that is not set."""
    usual = int(os.environ.get("OMP_NUM_THREADS", "1").split(",")[0])
    parser.add_argument("--threads", type=int, default=usual, help="of torch; by default OMP_NUM_THREADS, or 1")


def environment():
    """Versions, number of processors and of torch's threads."""
    torch = sys.modules.get("torch")
    return {
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in _PACKAGES},
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads() if torch else None,
    }


@contextmanager
def cpu_timer():
    """Measure CPU time: ``with cpu_timer() as timer: …``, then ``timer.seconds``.

    The time is that of all threads of this process; child processes and waiting are left out.
    """
    timer = CPUTime()
    start = time.process_time()
    try:
        yield timer
    finally:
        timer.seconds = time.process_time() - start


@dataclasses.dataclass
class CPUTime:
    """CPU seconds of a block, set when the block ends."""

    seconds: float | None = None


def as_plain(value):
    """``value`` in types JSON knows: floats of five significant digits, null for NaN and infinity."""
    if hasattr(value, "to_dict"):
        return as_plain(value.to_dict())
    if dataclasses.is_dataclass(value):
        return as_plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return as_plain(value.tolist())
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value


def _check_payload(payload):
    missing = [key for key in ("protocol", "metrics") if key not in payload]
    taken = [key for key in _WRITTEN_HERE if key in payload]
    if missing or taken:
        raise ValueError(f"The payload lacks {missing} and must leave {taken} to write_results.")
    table = payload.get("table")
    if table and any(len(row) != len(table["columns"]) for row in table["rows"]):
        raise ValueError(f"Every row of the table must have {len(table['columns'])} cells.")


def _last_part(argument):
    return PurePath(argument).name if argument.startswith(("/", "~", "..")) else argument


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
