"""Numbers measured from whole records: intervals of the ECG."""

from ._interval_regressor import IntervalRegressor

__all__ = ["IntervalRegressor"]
