"""Code tasks, decided: tests and their data, extraction, comparison of values. Nothing here runs a program."""
