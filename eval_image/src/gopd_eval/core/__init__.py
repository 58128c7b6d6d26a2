"""Decisions of the evaluation: pure functions of requests, records and numbers."""
