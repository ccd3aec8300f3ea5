"""`tallybook tryton ...`: preparing a Tryton, and looking at what it says of itself."""

import asyncio
import json
import os
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from tallybook.accounting.errors import AccountingNotAuthorized, AccountingSettingMissing
from tallybook.adapters.tryton import chart, company, preparing, trying
from tallybook.adapters.tryton.rpc import Refused, Session, Warned
from tallybook.adapters.tryton.settings import TrytonSettings, read_settings
from tallybook.adapters.tryton.texts import clean
from tallybook.errors import SettingsError, TallybookError

Result = TypeVar("Result")
app = typer.Typer(name="tryton", help="Tryton.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="TALLYBOOK_CONFIG", help="The settings file with [books.tryton].")
]
YearOption = Annotated[
    list[int] | None, typer.Option(help="A fiscal year of the company to found; else this year and the last.")
]
PayableOption = Annotated[
    list[str] | None, typer.Option(help="An account of the company to found that bills are owed on.")
]
_VARIABLES = "TALLYBOOK_BOOKS_TRYTON_"
_SENTENCE_LENGTH_MAX = 1000


@app.command(epilog="\b\nExamples:\n  tallybook tryton init --chart chart.toml")
def init(
    config: ConfigOption = Path("tallybook.toml"),
    chart_file: Annotated[
        Path | None, typer.Option("--chart", help="TOML with a whole company, for a Tryton that has none.")
    ] = None,
    year: YearOption = None,
    payable: PayableOption = None,
) -> None:
    """Prepare Tryton for Tallybook: the journal of its entries, and what keeps them from being written twice.

    With --chart a company is founded first, where there is none. Safe to repeat.
    """
    with _said_plainly():
        settings = _settings(config)
        told = chart.read(chart_file) if chart_file is not None else None

        async def work(session: Session) -> list[str]:
            made = []
            if told is not None and not session.context.get("company"):
                await company.found(session, told, years=_years(year), payable=_owed(told, payable))
                made.append(f"company {told.company.name}, {len(told.accounts)} accounts, {len(told.vendors)} parties")
            number = await _company(session, settings)
            return made + await preparing.prepare(session, number, settings.journal)

        made = asyncio.run(_with_session(settings, work))
    typer.echo(f"{settings.url}: " + (", ".join(made) if made else "it is prepared already"))


@app.command(epilog="\b\nExamples:\n  tallybook tryton serve --chart chart.toml --dir tryton")
def serve(
    chart_file: Annotated[Path, typer.Option("--chart", help="TOML with the company to found.")],
    folder: Annotated[Path, typer.Option("--dir", help="Where its database and password are kept.")] = Path("tryton"),
    year: YearOption = None,
    payable: PayableOption = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of this machine; 0 takes a free one.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it is as JSON.")] = False,
    with_stdin: Annotated[bool, typer.Option("--stop-with-stdin", hidden=True)] = False,
) -> None:
    """Run a Tryton of your own on this machine, for trying Tallybook; installs Tryton beside it on first use."""
    with _said_plainly():
        if with_stdin:
            trying.stop_with_stdin()
        told = chart.read(chart_file)
        owed = _owed(told, payable)
        asyncio.run(trying.serve(folder, told, years=_years(year), payable=owed, port=port, as_json=as_json))


@app.command(epilog="\b\nExamples:\n  tallybook tryton entries --json")
def entries(
    config: ConfigOption = Path("tallybook.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what Tallybook recorded in Tryton, with the id of each entry at its source."""
    with _said_plainly():
        found = asyncio.run(_known(trying.entries(_settings(config))))
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for entry in found:
            typer.echo(clean(f"{entry.get('external_id', 'in part')} {entry.get('state', '')} {entry['entry_id']}"))


def _years(given: list[int] | None) -> list[int]:
    this_year = datetime.now(UTC).year
    return given or [this_year - 1, this_year]


def _owed(told: chart.Chart, given: list[str] | None) -> list[str]:
    return sorted({*(given or []), *(vendor.account for vendor in told.vendors if vendor.account)})


async def _company(session: Session, settings: TrytonSettings) -> int:
    rows = await session.call("model.company.company.search_read", [], 0, None, None, ["rec_name"])
    names = {row["rec_name"]: int(row["id"]) for row in rows}
    wanted = settings.company
    number = names.get(wanted) if wanted is not None else session.context.get("company")
    if number is None:
        raise AccountingSettingMissing(
            f"The user {settings.user!r} has no company{f' {wanted!r}' if wanted else ''} in Tryton"
            f"{f' but {sorted(names)}' if names else ''}; add one there, or found one with --chart"
        )
    session.context["company"] = number
    return int(number)


async def _with_session(settings: TrytonSettings, work: Callable[[Session], Awaitable[list[str]]]) -> list[str]:
    session = Session(settings)
    try:
        await session.enter()
        return await _known(work(session))
    finally:
        await session.aclose()


async def _known(work: Awaitable[Result]) -> Result:
    """Wait for something that Tryton may refuse, and say that as an error for people."""
    try:
        return await work
    except (Refused, Warned) as error:
        raise AccountingNotAuthorized(
            f"Tryton refused: {error}; if it is for a right, the user needs the group Account Administration for this"
        ) from error


@contextmanager
def _said_plainly() -> Iterator[None]:
    """What goes wrong becomes sentences on stderr and the exit code: 2 for what the user set, else 1."""
    try:
        yield
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(clean(problem, _SENTENCE_LENGTH_MAX), err=True)
        raise typer.Exit(2) from None
    except TallybookError as error:
        typer.echo(clean(str(error), _SENTENCE_LENGTH_MAX), err=True)
        raise typer.Exit(1) from None


def _settings(config: Path) -> TrytonSettings:
    """Read `[books.tryton]` from the settings file, whose folder relative paths count from, and from variables."""
    table: Any = {}
    try:
        table = tomllib.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass  # variables may say everything
    except OSError as error:
        raise SettingsError([f"{config} cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{config} is not valid TOML: {error}"]) from None
    for name in ("books", "tryton"):
        table = table.get(name, {}) if isinstance(table, dict) else {}
    section = dict(table) if isinstance(table, dict) else {}
    if "password" in section:
        raise SettingsError(
            [f"books.tryton.password stands in {config}; set {_VARIABLES}PASSWORD or books.tryton.password_file"]
        )
    if isinstance(section.get("password_file"), str):
        section["password_file"] = str(config.parent / Path(section["password_file"]).expanduser())
    variables = {
        name.removeprefix(_VARIABLES).lower(): text for name, text in os.environ.items() if name.startswith(_VARIABLES)
    }
    settings = read_settings(section | variables)
    settings.secret()
    return settings
