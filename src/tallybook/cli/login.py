"""`tallybook login` and `tallybook logout`: let a person allow Tallybook at Pleo in the browser, or take that back."""

import asyncio
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallybook import app as composition
from tallybook.cli import output
from tallybook.cli.settings_option import Company, Config, load_some
from tallybook.clock import SystemClock
from tallybook.errors import SettingsError, TallybookError
from tallybook.pleo.errors import PleoError, PleoLoginNeeded
from tallybook.settings import Settings

if TYPE_CHECKING:
    from tallybook.pleo.oauth import Question

ANSWER_WITHIN_S = 600.0


def login(
    config: Config = None,
    company: Company = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address; open no browser.")] = False,
    paste: Annotated[
        bool, typer.Option("--paste", help="For a browser elsewhere: read the address it ended at from here.")
    ] = False,
) -> None:
    """Log in at Pleo with the browser; Tallybook then renews the login by itself.

    The tokens are kept encrypted in the database, under the name `pleo.login`. A new login takes the old one's place.
    Companies that name the same login share it.
    """
    from tallybook.credentials import access  # noqa: PLC0415 - cryptography, which no other command should wait for
    from tallybook.credentials.loopback import listening  # noqa: PLC0415 - as above

    sharing = _sharing(config, company)
    settings = sharing[0]

    async def ask(question_to: Callable[[str], "Question"]) -> tuple["Question", str]:
        if paste:
            question = question_to(settings.oauth.redirect_uri)
            _show(question.url, browser=False)
            typer.echo("Then paste the whole address the browser ended at, even if it shows an error there:", err=True)
            return question, await asyncio.to_thread(sys.stdin.readline)
        async with listening(settings.oauth.redirect_uri) as listener:
            question = question_to(listener.redirect_uri)
            _show(question.url, browser=not no_browser)
            try:
                return question, await listener.answer(question.state, ANSWER_WITHIN_S)
            except TimeoutError:
                raise TallybookError(
                    f"nobody answered within {ANSWER_WITHIN_S / 60:g} minutes; run `tallybook login` again, with"
                    " --paste where the browser is on another machine"
                ) from None

    async def reaches(access_token: str) -> None:
        async with composition.pleo_client(settings, SystemClock(), access_token=access_token) as client:
            for each in sharing:
                try:
                    await client.list_jobs(company_id=each.pleo.company_id, limit=1)
                except PleoError as error:
                    raise TallybookError(
                        f"the login does not reach company {each.pleo.company_id}, so it is not kept: {error}"
                    ) from error

    def key_made() -> None:
        kept = f"Made a key in {settings.secrets.key_file}: keep a copy of it, apart from the database."
        typer.echo(kept, err=True)

    name = asyncio.run(access.log_in(settings, SystemClock(), ask=ask, reaches=reaches, key_made=key_made))
    typer.echo(f"Logged in at Pleo as {name}; `tallybook check` tries it.")


def logout(
    config: Config = None,
    company: Company = None,
    only_here: Annotated[
        bool, typer.Option("--only-here", help="Forget the login here; leave the installation at Pleo.")
    ] = False,
) -> None:
    """End the login: Pleo ends the installation with all its tokens, and Tallybook forgets them."""
    from tallybook.credentials import access  # noqa: PLC0415 - as in `login`

    settings = _sharing(config, company)[0]
    held = access.login_of(settings, SystemClock())
    if not only_here:
        asyncio.run(_end_at_pleo(settings))
    typer.echo("Logged out." if held.forget() else "There was no login.")


def _sharing(config: Path | None, company: str | None) -> list[Settings]:
    """Give the companies whose login this is about: the one named, or all where they have one login."""
    every = load_some(config, company)
    if len({each.pleo.login for each in every}) > 1:
        raise SettingsError(["the companies of the settings have different logins; name one with --company"])
    return every


async def _end_at_pleo(settings: Settings) -> None:
    from tallybook.credentials.login import LoginUnreadable  # noqa: PLC0415 - as in `login`

    try:
        async with composition.pleo_client(settings, SystemClock()) as client:
            await client.installation.end()
    except PleoError as error:
        if isinstance(error, PleoLoginNeeded) and not isinstance(error, LoginUnreadable):
            return  # Pleo has ended it already
        raise TallybookError(
            f"{error}; with --only-here the login is forgotten here and lives on at Pleo until it ends by itself"
        ) from error


def _show(url: str, *, browser: bool) -> None:
    typer.echo(f"Allow Tallybook in the browser{', at this address if it does not open' if browser else ''}:", err=True)
    typer.echo(output.harmless(url))
    sys.stdout.flush()
    if browser:  # one without windows returns when it is closed, which must not keep us from hearing it
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
