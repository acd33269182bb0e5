"""Where files pickled by version 0.1 look for records."""

from ..signals._record import ECGRecord

__all__ = ["ECGRecord"]
