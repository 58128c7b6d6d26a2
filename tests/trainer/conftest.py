"""The platform verl runs on in these tests. verl reads it once, at its first import, by whichever test file that is."""

import os

os.environ.update(
    VERL_PLATFORM="cpu", VERL_USE_EXTERNAL_MODULES="gopd_trainer.shell.loss,gopd_trainer.shell.cpu.platform"
)
