"""`tallybook console`: the password of the web pages that `tallybook serve` shows."""

import os
import secrets
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from tallybook.errors import SettingsError, TallybookError

PASSWORD_LENGTH_MIN: Final = 12  # ours: what is shorter can be guessed

app = typer.Typer(help="The web pages that `tallybook serve` shows.", no_args_is_help=True)


@app.callback()
def console() -> None:
    """The web pages that `tallybook serve` shows."""


@app.command()
def password(
    to: Annotated[
        Path | None, typer.Option("--to", help="Write the hash to this new file, for its owner alone.")
    ] = None,
    make: Annotated[bool, typer.Option("--make", help="Make up a password and show it once, on stderr.")] = False,
) -> None:
    """Make the hash of a password for console.password_hash or, with --to, for console.password_hash_file.

    The password is asked for twice, or read from stdin where that is no terminal.
    """
    from argon2 import PasswordHasher  # noqa: PLC0415 - no other command waits for it

    chosen = secrets.token_urlsafe(24) if make else _asked()
    if len(chosen) < PASSWORD_LENGTH_MIN:
        raise SettingsError([f"the password has fewer than {PASSWORD_LENGTH_MIN} letters; choose a longer one"])
    made = PasswordHasher().hash(chosen)
    if to is not None:
        _write(to, made)
    if make:
        typer.echo(f"The password, shown only now: {chosen}", err=True)
    typer.echo(
        f"The hash is in {to}; set console.password_hash_file = {str(to)!r}" if to else f'password_hash = "{made}"'
    )


def _asked() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password of the console", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


def _write(to: Path, made: str) -> None:
    try:
        # Made by us with these rights, or not at all: an older file may be a link elsewhere.
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{made}\n")
    except OSError as error:
        raise TallybookError(f"the hash cannot be written to {to}: {error.strerror}; name a new file") from error
