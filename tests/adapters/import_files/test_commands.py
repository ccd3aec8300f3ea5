"""`tallybook datev ...` and its likes, as a user runs them."""

import asyncio
from pathlib import Path

import pytest
import tomli_w
from typer.testing import CliRunner, Result

from tallybook.adapters.datev import open_datev
from tallybook.adapters.datev.commands import app
from tests.adapters.datev.section import section
from tests.adapters.import_files.company import COMPANY, Make, files_in, hand_over, make_book, record


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--config", str(config)])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file, and a book with one entry handed over and one that waits."""
    told = section(make_book(tmp_path), tmp_path / "import")
    path = tmp_path / "tallybook.toml"
    settings = {"pleo": {"company_id": COMPANY.upper()}, "books": {"adapter": "datev", "datev": told}}
    path.write_text(tomli_w.dumps(settings), encoding="utf-8")

    async def fill() -> None:
        books = open_datev(told)
        await hand_over(books, [Make().entry("a")], "job 1")
        await books.settle(await record(books, [Make().entry("b")]))
        await books.aclose()

    asyncio.run(fill())
    return path


def test_sets_are_listed(config: Path) -> None:
    """A line for each set: number, period, entries and job."""
    result = run(config, "sets")
    assert result.exit_code == 0
    assert result.stdout.startswith("000001  2026-10  1 entries  ")
    assert result.stdout.endswith("  job 1\n")


def test_what_waits_is_handed_over_by_hand(config: Path, tmp_path: Path) -> None:
    """Export writes what waits, and nothing when it is run again."""
    assert run(config, "export").stdout == "1 sets written\n"
    assert run(config, "export").stdout == "0 sets written\n"
    assert len(files_in(tmp_path / "import", "EXTF_*.csv")) == 2
    assert run(config, "sets").stdout.endswith("  by hand\n")


def test_again_asks_for_a_reason(config: Path, tmp_path: Path) -> None:
    """Without a reason nothing is written; with one the list says which set is repeated, and why."""
    assert run(config, "again", "1").exit_code == 2
    assert run(config, "again", "1", "--reason", "  ").exit_code == 2
    assert len(files_in(tmp_path / "import", "EXTF_*.csv")) == 1
    result = run(config, "again", "1", "--reason", "the office\nlost it")
    assert result.stdout == "000002 written, with the 1 entries of 000001\n"
    assert "again 000001: the office lost it" in run(config, "sets").stdout


def test_a_mistake_is_a_sentence(config: Path) -> None:
    """A set that is not there is said on stderr, with the exit code of a user's mistake."""
    result = run(config, "again", "9", "--reason", "x")
    assert (result.exit_code, result.stderr) == (2, "the book has no set of import files 9 for datev\n")
