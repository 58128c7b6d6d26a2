"""`python -m gopd_trainer`."""

from gopd_trainer.shell.main import main

main()
