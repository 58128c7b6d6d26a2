"""What all tests share: Hypothesis without deadlines (the machines are noisy), and libraries that reach for no host."""

import os

from hypothesis import settings

# Set before any test imports the libraries that read them; processes that tests start inherit them.
for name, value in {"HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0", "MLFLOW_DISABLE_TELEMETRY": "true"}.items():
    os.environ.setdefault(name, value)

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
