"""Results of fits that are kept on disk, so that a benchmark that was stopped goes on where it was."""

from .. import _kept
from . import models


def kept(name, key, make, *, resume):
    """What ``make()`` returns: read where it was kept under ``name`` and ``key`` (and ``resume``), made otherwise."""
    return _kept.kept("ecgsl", name, (key, models.ROWS), make, resume=resume)
