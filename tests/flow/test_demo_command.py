import csv
import io
import json
import signal
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallybook import demo
from tallybook.errors import TallybookError
from tests.flow.command import Command, Ended, assert_accepted, program

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Played:
    """A demo that was run, and where."""

    tallybook: Command
    place: Path
    ended: Ended
    told: dict[str, Any]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("demo")
    tallybook = Command(folder)
    ended = tallybook("demo", "--json", "--dir", "shown")
    return Played(tallybook, folder / "shown", ended, json.loads(ended.out))


def test_it_prints_one_json_object_and_nothing_else(played: Played) -> None:
    """The first job ends completed_with_errors, the second, of the mended items, completed."""
    assert (played.ended.code, played.ended.err) == (0, "")
    assert played.told.keys() == {"jobs", "book", "sandbox"}
    first, second = played.told["jobs"]
    assert first.keys() == second.keys() == {"id", "event", "items", "successful", "failed", "seconds"}
    assert (first["event"], second["event"]) == ("completed_with_errors", "completed")
    assert first["items"] == first["successful"] + first["failed"] == 60
    assert (second["items"], second["successful"], second["failed"]) == (first["failed"], first["failed"], 0)


def test_it_leaves_the_book_and_no_sandbox(played: Played) -> None:
    """Every expense is in the book once; nobody listens where the sandbox was; nothing waits in temporary files."""
    assert Path(played.told["book"]) == (played.place / "book.sqlite").resolve()
    with closing(sqlite3.connect(f"file:{played.told['book']}?mode=ro", uri=True)) as book:
        assert book.execute("SELECT COUNT(*), COUNT(DISTINCT entry_id) FROM entries").fetchone() == (60, 60)
    with pytest.raises(httpx.ConnectError):
        httpx.get(played.told["sandbox"], trust_env=False)
    assert list(played.tallybook.temporary.iterdir()) == []


def test_independent_programs_accept_the_export_and_agree_with_the_book(played: Played) -> None:
    """Beancount and hledger find the balances of every account and currency that the book says it has."""
    ledger = played.place.parent / "ledger"
    exported = played.tallybook("book", "export", ledger, "--book", played.told["book"])
    assert (exported.code, exported.err) == (0, "")
    assert_accepted(ledger)
    listed = played.tallybook("book", "balances", "--json", "--book", played.told["book"])
    own = {(row["account"], row["currency"], row["balance"]) for row in json.loads(listed.out) if row["balance_minor"]}
    assert len(own) > 20
    assert len({currency for _, currency, _ in own}) > 1
    query = "SELECT account, currency, sum(number) AS total GROUP BY account, currency"
    layout = ("--no-total", "--flat", "-O", "csv", "--layout", "bare")
    for done in (
        program("bean-query", "-f", "csv", ledger / "main.beancount", query),
        program("hledger", "-f", ledger / "main.journal", "balance", *layout),
    ):
        rows = list(csv.reader(io.StringIO(done.stdout)))[1:]
        seen = {(name.rpartition(":Account-")[2], currency, total.strip()) for name, currency, total in rows}
        assert {row for row in seen if row[2].strip("0.")} == own


def test_a_second_demo_in_the_same_folder_starts_anew(played: Played) -> None:
    """The same seed ends the same; the settings it leaves are good for the other commands."""
    ended = played.tallybook("demo", "--dir", "shown")
    assert (ended.code, ended.err) == (0, "")
    assert "Pleo and the book agree on every entry." in ended.out
    listed = played.tallybook("book", "entries", "--json", "--config", played.place / "tallybook.toml")
    assert len(json.loads(listed.out)) == 60
    unreachable = played.tallybook("jobs", "-c", played.place / "tallybook.toml", TALLYBOOK_PLEO_CALL_TIMEOUT_S="1")
    assert unreachable.code == 1
    assert "could not be reached to list export jobs" in unreachable.told


def test_a_folder_that_is_not_the_demos_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Exit code 1, a way out, and not a file touched."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("years of work", encoding="utf-8")
    ended = Command(tmp_path)("demo", "--json", "--dir", theirs)
    assert (ended.code, ended.out) == (1, "")
    assert "is there already and no earlier demo's; name another folder with --dir" in ended.told
    assert [path.name for path in theirs.iterdir()] == ["thesis.txt"]


def test_ctrl_c_before_the_first_export_ends_with_a_word(tmp_path: Path) -> None:
    """Exit code 1; the sandbox goes with it, and the next demo may have the folder."""
    tallybook = Command(tmp_path)
    with tallybook.started("demo", "--items", "300") as running:
        while not (tmp_path / "tallybook-demo" / "pleo.sqlite").exists():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        ended = tallybook.ended(running)
    assert (ended.code, ended.err) == (1, "")
    assert "Stopped. Start again with: tallybook demo --items 300 --seed 1" in ended.out
    assert demo.place(tmp_path / "tallybook-demo").folder.exists()


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    """There is nothing in it to lose."""
    assert demo.place(tmp_path).folder == tmp_path


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """Because a file is in its way, or a link stands for it."""
    (tmp_path / "file").touch()
    demo.place(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("file", "file/inner", "link"):
        with pytest.raises(TallybookError, match="name another"):
            demo.place(tmp_path / name)
    assert (tmp_path / "real" / "tallybook-demo").exists()
