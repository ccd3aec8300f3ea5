import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tallybook.accounting.entry import Recorded
from tallybook.adapters.book import ADAPTER
from tallybook.adapters.book.commands import app
from tallybook.adapters.book.system import Book

Command = Callable[..., Result]


@pytest.fixture
def command(book_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run `tallybook book ...` on the book of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TALLYBOOK_BOOKS_BOOK_PATH", raising=False)
    monkeypatch.delenv("TALLYBOOK_CONFIG", raising=False)

    def run(*arguments: object, book: bool = True) -> Result:
        return CliRunner().invoke(app, [*map(str, arguments), *(["--book", str(book_path)] if book else [])])

    return run


def test_adapter_names_the_commands() -> None:
    """The entry point leads to these commands."""
    module, _, attribute = str(ADAPTER.commands).partition(":")
    assert getattr(sys.modules[module], attribute) is app


def test_init(command: Command, reference_file: Path) -> None:
    """`init` says what the book holds then; a second time it says the same."""
    for _ in range(2):
        done = command("init", reference_file)
        assert done.exit_code == 0
        assert "7 accounts, 1 tax codes, 3 tags, 2 vendors, 1 closed periods" in done.stdout


def test_init_makes_nothing_of_a_bad_file(command: Command, tmp_path: Path) -> None:
    """With a bad file `init` names everything wrong, ends with 2 and makes no book that could be taken for one."""
    bad = tmp_path / "bad.toml"
    bad.write_text('[[account_list]]\n[[vendors]]\nname = "x"\n')
    done = command("init", bad, "--book", tmp_path / "new.book", book=False)
    assert done.exit_code == 2
    assert done.stderr.splitlines() == ["vendors[1].code is missing", "account_list is unknown; did you mean accounts?"]
    assert command("balances", "--book", tmp_path / "new.book", book=False).exit_code == 1


async def test_balances_and_entries(command: Command, book: Book, make: Any) -> None:
    """`balances` and `entries` show the book, as a table or as JSON."""
    (entry,) = await book.record([make.entry(make.purchase(1234, "JPY"))])
    assert isinstance(entry, Recorded)
    table = command("balances").stdout.splitlines()
    assert [line.split() for line in table[:2]] == [
        ["account", "name", "balance", "currency"],
        ["1920", "Wallet", "-1234", "JPY"],
    ]
    rows = json.loads(command("balances", "--json").stdout)
    assert rows[0] == {
        "account": "1920", "name": "Wallet", "currency": "JPY", "balance_minor": -1234, "balance": "-1234",
    }  # fmt: skip
    assert json.loads(command("balances", "--json", "--until", "2026-02-02").stdout) == []
    (row,) = json.loads(command("entries", "--json").stdout)
    assert (row["external_id"], row["entry_id"], row["state"]) == ("000001", entry.key.entry_id, "draft")
    assert "2026-02-03 000001 draft  journal_entry card_purchase Lunch" in command("entries").stdout


async def test_text_on_a_terminal(command: Command, book: Book, make: Any) -> None:
    """Control characters in a text of the book do not reach the terminal."""
    entry = make.entry()
    await book.record([replace(entry, details=replace(entry.details, description="\x1b[2Jboo\r\nfake line"))])
    shown = command("entries").stdout
    assert "\N{SYMBOL FOR ESCAPE}[2Jboo" in shown
    assert len(shown.splitlines()) == 1
    assert "\x1b" not in command("entries", "--json").stdout


async def test_closing_a_month(command: Command, book: Book, make: Any) -> None:
    """A month is closed after its drafts are posted, and can be opened again."""
    await book.record([make.entry()])
    month = ("2026-02-01", "2026-02-28")
    refused = command("close", *month)
    assert refused.exit_code == 2
    assert "tallybook book post 2026-02-01 2026-02-28" in refused.stderr
    assert command("post", *month).stdout == "1 entries posted\n"
    assert command("post", *month).stdout == "0 entries posted\n"
    closed = command("close", *month)
    assert closed.stdout == "closed: 2025-01-01 to 2025-01-31, 2026-02-01 to 2026-02-28\n"
    assert command("reopen", *month).stdout == "closed: 2025-01-01 to 2025-01-31\n"
    assert command("close", "2026-02-02", "2026-02-01").exit_code == 2


async def test_drafts_in_a_closed_month(command: Command, book: Book, make: Any, stranger: Any) -> None:
    """Drafts that another program left in a closed month are not posted, in words."""
    await book.record([make.entry()])
    stranger.execute("INSERT INTO closed_periods VALUES ('2026-02-01', '2026-02-28')")
    refused = command("post", "2026-02-01", "2026-02-28")
    assert refused.exit_code == 2
    assert "reopen it first" in refused.stderr


async def test_export(command: Command, book: Book, make: Any, tmp_path: Path) -> None:
    """`export` says what it wrote, and refuses a folder of others with the exit code 2."""
    await book.record([make.entry()])
    assert command("export", tmp_path / "out").stdout == f"{tmp_path / 'out'}: 1 documents in 1 months, 0 receipts\n"
    assert command("export", tmp_path).exit_code == 2


def test_book_of_the_settings(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --book the settings name the book, relative to their own folder, and a variable wins over the file."""
    config = tmp_path / "sub" / "tallybook.toml"
    config.parent.mkdir()
    config.write_text('[books.book]\npath = "../company.tallybook"\n')
    assert command("balances", "--config", config, book=False).exit_code == 0
    monkeypatch.setenv("TALLYBOOK_BOOKS_BOOK_PATH", str(tmp_path / "elsewhere"))
    assert "no book at" in command("balances", "--config", config, book=False).stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "name the book with --book"),
        ("books = 1", "names no book"),
        ("[books.book]\npath = 5", "names no book"),
        ("[books", "not valid TOML"),
    ],
)
def test_settings_without_a_book(command: Command, tmp_path: Path, content: str | None, words: str) -> None:
    """Settings that name no book are said in words with the exit code 2."""
    if content:
        (tmp_path / "tallybook.toml").write_text(content)
    done = command("balances", book=False)
    assert done.exit_code == 2
    assert words in done.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_view(book: Book, book_path: Path, make: Any, tmp_path: Path) -> None:
    """`view` shows the book in Fava, and an entry's link leads to its documents there."""
    (entry,) = await book.record([make.entry()])
    assert isinstance(entry, Recorded)
    port = _free_port()
    fava = _start_view("--book", book_path, "--port", str(port), "--dir", tmp_path / "ledger")
    try:
        page, address = _page(fava, f"http://127.0.0.1:{port}/")
        assert "ACME" in page
        view_url = re.sub(r"/income_statement/?.*$", "", address)
        linked = Book(book.settings.model_copy(update={"view_url": view_url}), book._clock)
        found = await linked.find([entry.key])
        await linked.aclose()
        link = found[entry.key].external_url
        assert link is not None
        assert _page(fava, link)[1].startswith(view_url)
    finally:
        fava.kill()  # a signal that nobody can have told it to ignore
        fava.communicate()


def _start_view(*options: str | Path) -> "subprocess.Popen[bytes]":
    program = "from tallybook.adapters.book.commands import app; app()"
    view = subprocess.Popen(
        [sys.executable, "-c", program, "view", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert view.stdout is not None
    assert b"Starting Fava" in view.stdout.readline()
    return view


def _page(server: "subprocess.Popen[bytes]", address: str) -> tuple[str, str]:
    """Ask until the server answers; its own end is an answer too."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, server.communicate()[0]
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - 127.0.0.1
                return answer.read().decode(), answer.url
        except urllib.error.URLError:
            os.sched_yield()
    raise AssertionError(address)


def test_view_without_fava(book_path: Path, tmp_path: Path) -> None:
    """Without Fava `view` says how to install it."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    program = f"import sys; sys.executable = {str(python)!r}; from tallybook.adapters.book.commands import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", program, "view", "--book", book_path],
        check=False, capture_output=True, text=True, env={"PATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "fava is not installed; in Tallybook's clone: pip install '.[view]'\n"
