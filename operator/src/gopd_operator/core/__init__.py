"""Decides: plans, paths, names, verdicts. Standard library and gopd_api only; no clock, environment or file."""
