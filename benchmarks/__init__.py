"""Measurements of this package and its peers: each module is run with ``python -m benchmarks.<name>``."""
