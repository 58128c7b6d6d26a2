"""Where the setting of a report is read: what was kept beside the answers when they were drawn, and versions here."""

import json
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gopd_api
from gopd_api.reports import Setting
from gopd_api.requests import EvalRequest
from gopd_eval.core.measures import Measure
from gopd_eval.core.setting import setting_of
from gopd_eval.shell.data import read_index

GRADING = ("math-verify", "latex2sympy2_extended", "sympy", "numpy", "scipy")


def read_setting(request: EvalRequest, measures: Sequence[Measure]) -> Setting:
    """The setting of a request whose answers are in the store."""
    manifests: dict[tuple[str, str], dict[str, Any]] = {}
    for key, entry in read_index(request).items():
        path = Path(request.paths.store) / "generations" / entry.generations / "manifest.json"
        manifests[key] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return setting_of(request, measures, manifests, versions())


def versions() -> dict[str, str]:
    """Of this project, Python and the libraries that grade."""
    found = {"gopd": gopd_api.__version__, "python": platform.python_version()}
    for name in GRADING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
