"""`tallybook book ...`: creating a book, looking into it, closing periods, and the export."""

import json
import os
import shutil
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tallybook.adapters.book import reading, recording, reference
from tallybook.adapters.book.database import BookFile, opened
from tallybook.adapters.book.export import export
from tallybook.adapters.book.texts import terminal_text
from tallybook.errors import SettingsError, TallybookError
from tallybook.money import decimal_text

app = typer.Typer(name="book", help="The embedded book.", no_args_is_help=True)

BookOption = Annotated[
    Path | None, typer.Option("--book", help="The book's file; else books.book.path of the settings.")
]
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="TALLYBOOK_CONFIG", help="The settings file that names the book.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FirstDay = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="FROM", help="The first day: 2026-10-01.")]
LastDay = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="TO", help="The last day: 2026-10-31.")]

CONFIG = Path("tallybook.toml")
_TOLD = {
    "accounts": "accounts",
    "tax_codes": "tax codes",
    "dimension_values": "tags",
    "vendors": "vendors",
    "closed_periods": "closed periods",
}


@contextmanager
def _said_plainly() -> Iterator[None]:
    """What goes wrong becomes sentences on stderr and the exit code: 2 for what the user set, else 1."""
    try:
        yield
    except SettingsError as error:
        for problem in error.problems:
            _say_wrong(problem)
        raise typer.Exit(2) from None
    except TallybookError as error:
        _say_wrong(str(error))
        raise typer.Exit(1) from None


@contextmanager
def _book(book: Path | None, config: Path) -> Iterator[BookFile]:
    """The book a command is about."""
    with _said_plainly(), opened(book or _path_in_settings(config)) as file:
        yield file


def _say_wrong(sentence: str) -> None:
    typer.echo(terminal_text(sentence), err=True)


def _path_in_settings(config: Path) -> Path:
    """`books.book.path`, from its variable or the settings file, whose folder relative paths count from."""
    if path := os.environ.get("TALLYBOOK_BOOKS_BOOK_PATH"):
        return Path(path)
    try:
        table: Any = tomllib.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError([f"name the book with --book: there is no settings file {config}"]) from None
    except OSError as error:
        raise SettingsError([f"{config} cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{config} is not valid TOML: {error}"]) from None
    for name in ("books", "book", "path"):
        table = table.get(name) if isinstance(table, dict) else None
    if not isinstance(table, str) or not table:
        raise SettingsError([f"{config} names no book: set books.book.path, or give --book"])
    return config.parent / Path(table).expanduser()


@app.command(epilog="\b\nExamples:\n  tallybook book init chart.toml --book book.sqlite")
def init(
    file: Annotated[Path, typer.Argument(help="TOML with accounts, tax codes, tag groups, vendors, closed periods.")],
    book: BookOption = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Create the book, or bring its reference data up to date; what FILE does not name stays as it is."""
    with _said_plainly():
        told = reference.read(file)  # before a file is made
        with opened(book or _path_in_settings(config), create=True) as opened_book:
            reference.update(opened_book, told)
            counts = ", ".join(
                f"{opened_book.value(f'SELECT COUNT(*) FROM {table}')} {words}" for table, words in _TOLD.items()
            )
    typer.echo(f"{opened_book.path}: {counts}")


@app.command("export", epilog="\b\nExamples:\n  tallybook book export ledger")
def export_command(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder, or an earlier export.")],
    book: BookOption = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Write the book as a Beancount ledger (main.beancount) and an hledger journal (main.journal)."""
    with _book(book, config) as opened_book:
        done = export(opened_book, folder)
    typer.echo(f"{folder}: {done.documents} documents in {done.months} months, {done.receipts} receipts")


@app.command(epilog="\b\nExamples:\n  tallybook book view --port 5001")
def view(
    book: BookOption = None,
    config: ConfigOption = CONFIG,
    folder: Annotated[Path | None, typer.Option("--dir", help="Export there; else beside the book.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
) -> None:
    """Export the book and open it in Fava, read-only."""
    with _book(book, config) as opened_book:
        fava = _program("fava")
        into = folder or opened_book.path.with_name(opened_book.path.name + ".ledger")
        export(opened_book, into)
    # Fava takes over this process, so Ctrl-C and the exit code are its own.
    os.execv(fava, [fava, "--read-only", "--host", host, "--port", str(port), str(into / "main.beancount")])  # noqa: S606 - no shell, fixed options


def _program(name: str) -> str:
    """Where a program is that was installed beside this Python, or anywhere on the path."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise SettingsError([f"{name} is not installed; in Tallybook's clone: pip install '.[view]'"])
    return found


@app.command(epilog="\b\nExamples:\n  tallybook book close 2026-09-01 2026-09-30")
def close(from_on: FirstDay, to_on: LastDay, book: BookOption = None, config: ConfigOption = CONFIG) -> None:
    """Close a period, both days included; its drafts must be posted before."""
    with _book(book, config) as opened_book:
        reference.close(opened_book, from_on.date(), to_on.date())
        _say_closed(opened_book)


@app.command(epilog="\b\nExamples:\n  tallybook book reopen 2026-09-01 2026-09-30")
def reopen(from_on: FirstDay, to_on: LastDay, book: BookOption = None, config: ConfigOption = CONFIG) -> None:
    """Open these days again."""
    with _book(book, config) as opened_book:
        reference.reopen(opened_book, from_on.date(), to_on.date())
        _say_closed(opened_book)


def _say_closed(file: BookFile) -> None:
    periods = reading.closed_periods(file)
    typer.echo("closed: " + (", ".join(f"{p.from_on} to {p.to_on}" for p in periods) or "nothing"))


@app.command(epilog="\b\nExamples:\n  tallybook book post 2026-09-01 2026-09-30")
def post(from_on: FirstDay, to_on: LastDay, book: BookOption = None, config: ConfigOption = CONFIG) -> None:
    """Finalise the drafts of these days."""
    with _book(book, config) as opened_book:
        posted = recording.post_days(opened_book, from_on.date(), to_on.date())
    typer.echo(f"{posted} entries posted")


@app.command(epilog="\b\nExamples:\n  tallybook book balances --until 2026-09-30")
def balances(
    book: BookOption = None,
    config: ConfigOption = CONFIG,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Up to this day.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what every account holds, by currency: debits minus credits."""
    with _book(book, config) as opened_book, opened_book.reading():
        names = dict(opened_book.execute("SELECT code, name FROM accounts").fetchall())
        rows = [
            {
                "account": balance.account,
                "name": names[balance.account],
                "currency": balance.currency,
                "balance_minor": balance.amount_minor,
                "balance": decimal_text(balance.amount_minor, balance.currency),
            }
            for balance in reading.balances(opened_book, until and date(until.year, until.month, until.day))
        ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    else:
        _table(("account", "name", "balance", "currency"), rows, right={"balance"})


@app.command(epilog="\b\nExamples:\n  tallybook book entries --json")
def entries(book: BookOption = None, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """List the entries by posting date."""
    with _book(book, config) as opened_book, opened_book.reading():
        rows = reading.entry_list(opened_book)
        if as_json:
            typer.echo("[", nl=False)
            for place, row in enumerate(rows):
                typer.echo(("," if place else "") + "\n" + json.dumps(row), nl=False)
            typer.echo("\n]")
        else:
            for row in rows:
                typer.echo(
                    terminal_text(
                        f"{row['posting_on']} {row['external_id']} {row['state']:6} {','.join(row['documents'])} "
                        f"{row['sort']} {row['description']} ({row['attachments']} files, {row['entry_id']})"
                    )
                )


def _table(columns: Sequence[str], rows: Sequence[dict[str, Any]], right: set[str]) -> None:
    """Columns as wide as their texts; made harmless, for names come from outside."""
    texts = [dict(zip(columns, columns, strict=True))] + [
        {column: terminal_text(str(row[column])) for column in columns} for row in rows
    ]
    widths = {column: max(len(text[column]) for text in texts) for column in columns}
    for text in texts:
        cells = (
            text[column].rjust(widths[column]) if column in right else text[column].ljust(widths[column])
            for column in columns
        )
        typer.echo("  ".join(cells).rstrip())
