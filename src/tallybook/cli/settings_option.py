"""The option --config that most commands share, and reading settings from it."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tallybook import settings
from tallybook.errors import SettingsError
from tallybook.settings import Settings

DEFAULT_CONFIG = Path("tallybook.toml")

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="Settings file; by default TALLYBOOK_CONFIG, else tallybook.toml.", show_default=False
    ),
]


def load(config: Path | None) -> Settings:
    """Read settings from the file named, and from the variables; without any file, from the variables alone.

    Raises:
        SettingsError: everything that is wrong, a sentence each.
    """
    named = config or (Path(os.environ[settings.CONFIG_VARIABLE]) if os.environ.get(settings.CONFIG_VARIABLE) else None)
    if named is None and DEFAULT_CONFIG.exists():
        named = DEFAULT_CONFIG
    try:
        return settings.load(named, os.environ)
    except SettingsError as error:
        if named is not None:
            raise
        nowhere = (
            f"there is no settings file {DEFAULT_CONFIG} here; name one with --config or {settings.CONFIG_VARIABLE}"
        )
        raise SettingsError([nowhere, *error.problems]) from None
