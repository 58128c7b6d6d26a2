"""The tests. A package, so that `python -m tests.cluster` finds this folder and not the `tests` that verl installs."""
