"""Measurements of ovseg itself, for a checkout: ``python -m benchmarks --help``."""
