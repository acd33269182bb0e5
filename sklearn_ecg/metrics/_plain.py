"""Numbers as the reports show them and hand them out."""

import numpy as np


def ratio(part, whole):
    return part / whole if whole else float("nan")


def none_for_nan(value):
    return None if np.isnan(value) else value


def cell(value, form=".3f"):
    return "-" if np.isnan(value) else format(value, form)
