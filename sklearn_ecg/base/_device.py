"""Where a network computes, with which numbers, and from which seed."""

import threading
from contextlib import contextmanager

import torch

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bf16-mixed": torch.float32}


def resolve_device(device):
    """The torch device of ``"auto"`` (a GPU if there is one) or of a device string; an error if it is not there."""
    found = _named_device(device)
    if not _is_present(found):
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise ValueError(
            f"device={device!r} is not on this machine, which has {', '.join(there)}; 'auto' takes what is there."
        )
    return found


def present_device(device):
    """``device`` where this machine has it, the CPU otherwise: a model fitted on a GPU opens anywhere."""
    found = _named_device(device)
    return found if _is_present(found) else torch.device("cpu")


def _named_device(device):
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device must be 'auto' or a torch device ('cpu', 'cuda:0'), got {device!r}.") from error


def _is_present(device):
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):  # not compiled in, no driver, or fewer GPUs
        return False
    return True


_GENERATOR_LOCK = threading.RLock()


@contextmanager
def seeded(seed, device):
    """Seed torch inside the block and leave its global generators as they were.

    The generators belong to the process: one fit at a time draws from them, so that seeds hold in threads, too.
    """
    with _GENERATOR_LOCK, _forked(seed, device):
        yield


@contextmanager
def _forked(seed, device):
    devices = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.random.default_generator.manual_seed(seed)
        for index in devices:
            with torch.cuda.device(index):
                torch.cuda.manual_seed(seed)
        yield
