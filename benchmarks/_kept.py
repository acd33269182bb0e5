"""What took long is kept on disk, so that a benchmark that was stopped goes on where it was."""

import hashlib
import pickle
from pathlib import Path

CHECKPOINTS = Path(__file__).parent / "checkpoints"


def kept(benchmark, name, key, make, *, resume):
    """What ``make()`` returns: read where it was kept under ``name`` and ``key`` (and ``resume``), made otherwise."""
    path = CHECKPOINTS / benchmark / f"{name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:12]}.pkl"
    if resume and path.exists():
        return pickle.loads(path.read_bytes())
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(pickle.dumps(made))
    part.replace(path)
    return made
