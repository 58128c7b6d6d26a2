"""`python -m gopd_api generate [--check]`: write what is generated from the types, or say which file differs.

Decides where the generated files lie below the root of the checkout: `crds/*.yaml`, the Helm chart's copies of them,
and `docs/api.md`.
"""

import argparse
import sys
from pathlib import Path

from gopd_api import crd, reference

DEFINITIONS = (Path("crds"), Path("charts/gopd/files/crds"))
"""Folders with the CRDs: for `kubectl apply`, and inside the chart, which can read only files of its own."""


def generated() -> dict[Path, str]:
    """Every generated file below the root of the checkout, with its text."""
    definitions = {folder / name: text for folder in DEFINITIONS for name, text in crd.files().items()}
    return {**definitions, Path("docs/api.md"): reference.page()}


def main(arguments: list[str] | None = None) -> int:
    """0 when everything is written, or nothing differs; 1 when `--check` found a difference."""
    parser = argparse.ArgumentParser(prog="python -m gopd_api", description=__doc__)
    parser.add_argument("command", choices=["generate"])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 naming the files that differ")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the checkout (default: here)")
    options = parser.parse_args(arguments)
    if not (options.root / "crds").is_dir():
        parser.error(
            f"{options.root.resolve()} has no folder crds; start from the root of the checkout, or give --root"
        )
    different = [path for path, text in generated().items() if _read(options.root / path) != text]
    for path in different:
        if options.check:
            sys.stderr.write(f"{path} differs from the types: run `python -m gopd_api generate`\n")
        else:
            _write(options.root / path, generated()[path])
            sys.stdout.write(f"wrote {path}\n")
    return int(options.check and bool(different))


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
