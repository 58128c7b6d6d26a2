"""`python -m gopd_eval`: see `shell.cli`."""

from gopd_eval.shell.cli import main

main()
