"""The installation's settings from their YAML file, for the operator and for `gopd plan -o manifests`. No kopf here."""

import sys
from pathlib import Path

import click
import yaml
from pydantic import ValidationError

from gopd_operator.core.settings import OperatorSettings


def read_settings(path: str | None) -> OperatorSettings:
    """The settings in a YAML file; ends the program with code 2 and one sentence when they are wrong."""
    if path is None:
        return OperatorSettings()
    try:
        return OperatorSettings.model_validate(yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})
    except OSError as error:
        click.echo(f"--settings: {path} cannot be read ({error.strerror}); name a YAML file", err=True)
    except yaml.YAMLError as error:
        click.echo(f"--settings: {path} is not YAML ({str(error).splitlines()[0]}); correct it", err=True)
    except ValidationError as error:
        for one in error.errors():
            where = ".".join(str(part) for part in one["loc"]) or "the file"
            click.echo(f"--settings: {where} of {path}: {one['msg']}; correct it", err=True)
    sys.exit(2)
