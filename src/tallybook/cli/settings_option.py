"""The options --config and --company that most commands share, and reading settings by them."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tallybook import companies, settings
from tallybook.errors import SettingsError
from tallybook.settings import Settings

DEFAULT_CONFIG = Path("tallybook.toml")

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="Settings file; by default TALLYBOOK_CONFIG, else tallybook.toml.", show_default=False
    ),
]

Company = Annotated[
    str | None,
    typer.Option(
        "--company",
        metavar="NAME|ID",
        help="One of the companies of the settings; needed where they have several.",
        show_default=False,
    ),
]


def load(config: Path | None, company: str | None = None) -> Settings:
    """Read the settings of one company: the one named, or the only one there is.

    Raises:
        SettingsError: everything that is wrong, a sentence each.
    """
    return companies.chosen(load_all(config), company)


def load_some(config: Path | None, company: str | None) -> list[Settings]:
    """Read the settings of the company named, or of all.

    Raises:
        SettingsError: everything that is wrong, a sentence each.
    """
    return load_all(config) if company is None else [load(config, company)]


def load_all(config: Path | None) -> list[Settings]:
    """Read the settings of every company from the file named, and from the variables, or from the variables alone.

    Raises:
        SettingsError: everything that is wrong, a sentence each.
    """
    named = config or (Path(os.environ[settings.CONFIG_VARIABLE]) if os.environ.get(settings.CONFIG_VARIABLE) else None)
    if named is None and DEFAULT_CONFIG.exists():
        named = DEFAULT_CONFIG
    try:
        return companies.load_all(named, os.environ)
    except SettingsError as error:
        if named is not None:
            raise
        nowhere = (
            f"there is no settings file {DEFAULT_CONFIG} here; name one with --config or {settings.CONFIG_VARIABLE}"
        )
        raise SettingsError([nowhere, *error.problems]) from None
