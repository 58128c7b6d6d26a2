"""`python -m gopd_eval`: see `shell.cli`."""

import os

# Read when torch is imported. Waiting threads that spin make two threads on busy cores 20 times slower than one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from gopd_eval.shell.cli import main

main()
