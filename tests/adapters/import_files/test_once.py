"""Every entry is handed over once: killed processes, processes side by side, repetitions."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tallybook.accounting.entry import Recorded, Reversal, replacement_key, reversal_key
from tallybook.accounting.errors import (
    AccountingNotAuthorized,
    AccountingSettingInvalid,
    AccountingTimeout,
    AttachmentNotStored,
)
from tallybook.accounting.system import Need
from tallybook.adapters.datev import open_datev
from tallybook.errors import SettingsError
from tallybook.import_files.system import FileBooks
from tests.adapters.datev import reader
from tests.adapters.datev.section import section
from tests.adapters.import_files.company import (
    COMPANY,
    Make,
    files_in,
    hand_over,
    in_book,
    receipt,
    record,
)

ROOT = Path(__file__).parents[3]


@contextmanager
def child() -> Iterator["subprocess.Popen[str]"]:
    """The process that hands over what it is told to; see child.py."""
    arguments = [sys.executable, "-m", "tests.adapters.import_files.child"]
    with subprocess.Popen(
        arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        yield process


def copy_book(book_path: Path, copy_path: Path) -> None:
    with closing(sqlite3.connect(book_path)) as whole, closing(sqlite3.connect(copy_path)) as copy:
        whole.backup(copy)
    Path(f"{copy_path}.files").symlink_to(f"{book_path}.files")


def tell(process: "subprocess.Popen[str]", book_path: Path, folder: Path, kill_at: int = 0) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{book_path} {folder} {kill_at}\n")


def answer(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def assert_whole(folder: Path, book_path: Path) -> None:
    """Every set is whole by its manifest, every entry is in one of them, and the rows are what the book holds."""
    names = [path.name for path in folder.iterdir()]
    assert not [name for name in names if name.startswith(".")]
    seen: Counter[str] = Counter()
    booked: dict[str, Counter[str]] = {}
    with closing(sqlite3.connect(book_path)) as connection:
        told = dict(connection.execute("SELECT number, sha256 FROM import_sets WHERE system = 'datev'").fetchall())
    for manifest in files_in(folder, "manifest.json"):
        content = manifest.read_bytes()
        said = json.loads(content)
        assert told.pop(said["number"]) == hashlib.sha256(content).hexdigest()
        assert {path.name for path in manifest.parent.iterdir()} == {"manifest.json"} | {
            file["name"] for file in said["files"]
        }
        for file in said["files"]:
            assert hashlib.sha256((manifest.parent / file["name"]).read_bytes()).hexdigest() == file["sha256"]
        for entry in said["entries"]:
            seen[entry["entry_id"]] += 1
            for place in entry["rows"]:
                lines = (manifest.parent / place["file"]).read_text(encoding="cp1252").splitlines()
                rows = lines[place["first_row"] - 1 :][: place["rows"]]
                assert len(rows) == place["rows"]
                assert all(entry["entry_id"] in row for row in rows)
        for path in manifest.parent.glob("EXTF_*.csv"):
            booked |= reader.booked(reader.read(path.read_bytes()))
    assert told == {}
    assert booked == in_book(book_path)
    assert set(seen.values()) == {1}
    assert set(seen) == {entry.key.entry_id for entry in Make().every_shape()}


async def filled(books: FileBooks, make: Make, tmp_path: Path) -> list[Recorded]:
    recorded = await record(books, make.every_shape())
    assert await books.attach([(recorded[0], receipt(tmp_path, b"%PDF-1"))]) == []
    return recorded


async def test_killed_at_every_touch_of_the_folder(
    books: FileBooks, make: Make, tmp_path: Path, book_path: Path
) -> None:
    """Wherever a process is killed, the next one completes what is missing, and no entry is handed over twice."""
    await filled(books, make, tmp_path)
    with child() as process:
        for kill_at in range(1, 200):
            folder, copy_path = tmp_path / f"import-{kill_at}", tmp_path / f"{kill_at}.db"
            copy_book(book_path, copy_path)
            tell(process, copy_path, folder, kill_at)
            if (said := answer(process)) != "killed":
                break
            taken_up = open_datev(section(copy_path, folder))
            found = await taken_up.find([entry.key for entry in make.every_shape()])
            assert await taken_up.settle(list(found.values())) == []
            await taken_up.finish(COMPANY, "the next run")
            await taken_up.aclose()
            assert_whole(folder, copy_path)
    assert int(said) == kill_at - 1 > 15


async def test_two_processes_at_once(books: FileBooks, make: Make, tmp_path: Path, book_path: Path) -> None:
    """Two processes that hand over the same entries at once leave each in one set."""
    await filled(books, make, tmp_path)
    folder = tmp_path / "import"
    with child() as one, child() as other:
        tell(one, book_path, folder)
        tell(other, book_path, folder)
        assert answer(one).isdigit()
        assert answer(other).isdigit()
    assert_whole(folder, book_path)


async def test_nothing_is_handed_over_twice(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """Settled and finished again, by the same job or another, entries stay in the set they are in."""
    recorded = await hand_over(books, make.every_shape())
    before = files_in(tmp_path / "import", "*")
    assert await books.settle(recorded) == []
    await books.finish(COMPANY, "another job")
    assert files_in(tmp_path / "import", "*") == before
    assert [made.entries for made in await books.hand_overs.sets(COMPANY)] == [8, 1]


async def test_only_settled_entries_are_handed_over(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """An entry that is recorded and not settled, since its receipt failed, waits for the job that completes it."""
    first, second = make.entry("first"), make.entry("second")
    recorded = await record(books, [first, second])
    await books.settle(recorded[:1])
    await books.finish(COMPANY, "job 1")
    await books.settle(recorded[1:])
    await books.finish(COMPANY, "job 2")
    sets = await books.hand_overs.sets(COMPANY)
    assert [(made.number, made.job_id, made.entries) for made in sets] == [(1, "job 1", 1), (2, "job 2", 1)]
    rows = [reader.read(path.read_bytes()).rows for path in files_in(tmp_path, "EXTF_*.csv")]
    assert [row["Belegfeld 1"] for (row,) in rows] == [first.key.entry_id, second.key.entry_id]


async def test_entries_of_another_company_stay_out(books: FileBooks, make: Make) -> None:
    """A job hands over the entries of its company and no other's."""
    recorded = await record(books, [make.entry("ours")])
    await books.settle(recorded)
    await books.finish("00000000-0000-4000-8000-000000000000", "their job")
    assert await books.hand_overs.sets(COMPANY) == []


async def test_again_with_a_reason(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """Asked for, the entries of a set are written into a new one that says which it repeats, and why."""
    await hand_over(books, [make.entry("a"), make.entry("b")])
    made = await books.again(1, "the office lost it")
    repeated = await books.again(made.number, "and again")
    assert (made.number, made.again_of, repeated.again_of) == (2, 1, 1)
    told = [json.loads(path.read_bytes()) for path in files_in(tmp_path, "manifest.json")]
    assert [(each["again_of"], each["reason"]) for each in told] == [
        (None, ""),
        (1, "the office lost it"),
        (1, "and again"),
    ]
    assert told[0]["entries"][0]["entry_id"] == told[1]["entries"][0]["entry_id"]
    rows = [reader.read(path.read_bytes()).rows for path in files_in(tmp_path, "EXTF_*.csv")]
    assert rows[0] == rows[1] == rows[2]


async def test_again_needs_a_set(books: FileBooks) -> None:
    """A number that no set has is said to be so."""
    with pytest.raises(SettingsError, match="no set of import files 7 for datev"):
        await books.again(7, "why not")


async def test_a_late_receipt_is_refused(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """A file that comes after its entry was handed over would never arrive, so it is refused and not stored."""
    (entry,) = await hand_over(books, [make.entry("a")])
    (refused,) = await books.attach([(entry, receipt(tmp_path, b"%PDF-late"))])
    assert isinstance(refused.error, AttachmentNotStored)
    assert "handed over in the datev files number 1 already, without attachment 1" in str(refused.error)
    assert (await books.find([entry.key]))[entry.key].attached == frozenset()


async def test_a_correction_takes_its_reversal_along(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """When a corrected entry is handed over, the reversal of the old one is too, and the sums are the new ones."""
    (old,) = await hand_over(books, [make.entry("a", make.journal(make.cost(100_00)))])
    new = make.entry("b", make.journal(make.cost(70_00)))
    key = replacement_key(old)
    reversal = Reversal(reversal_key(old), of=old, posting_on=new.posting_on, replaced_by=key)
    await books.reverse([reversal])
    recorded = await record(books, [type(new)(key, *[getattr(new, name) for name in list(new.__slots__)[1:]])])
    await books.settle(recorded)
    await books.finish(COMPANY, "job 2")
    moved: Counter[str] = Counter()
    for path in files_in(tmp_path, "EXTF_*.csv"):
        for sums in reader.booked(reader.read(path.read_bytes())).values():
            for account, cents in sums.items():
                moved[account] += cents
    assert moved == {"4650": 70_00, "1361": -70_00}


@pytest.mark.parametrize("first", ["entry", "reversal"])
async def test_an_entry_and_its_reversal_go_together(books: FileBooks, make: Make, first: str) -> None:
    """While only one of them waits, neither is in a set; others are."""
    entry, other = await record(books, [make.entry("a"), make.entry("b")])
    reversal = Reversal(reversal_key(entry), entry, make.entry("a").posting_on, replacement_key(entry))
    (taken_back,) = await books.reverse([reversal])
    assert isinstance(taken_back, Recorded)
    one, two = (entry, taken_back) if first == "entry" else (taken_back, entry)
    await books.settle([one, other])
    await books.finish(COMPANY, "job 1")
    assert await books.handed_over([one.key, other.key]) == {one.key: None, other.key: "the datev files number 1"}
    await books.settle([two])
    await books.finish(COMPANY, "job 2")
    assert set((await books.handed_over([one.key, two.key])).values()) == {"the datev files number 2"}


async def test_something_in_the_way(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """A folder that is not the set is never overwritten; moved away, the set is written."""
    stranger = tmp_path / "import" / "datev-000001-2026-10"
    stranger.mkdir(parents=True)
    (stranger / "notes.txt").write_text("mine")
    with pytest.raises(AccountingSettingInvalid, match="is in the way"):
        await hand_over(books, [make.entry("a")])
    assert (stranger / "notes.txt").read_text() == "mine"
    stranger.rename(tmp_path / "away")
    await books.finish(COMPANY, "job 2")
    assert len(files_in(tmp_path / "import", "EXTF_*.csv")) == 1


async def test_a_damaged_receipt_store_is_said(books: FileBooks, make: Make, tmp_path: Path, book_path: Path) -> None:
    """A receipt that somebody deleted stops the set, which is not there then, and nothing is lost."""
    recorded = await record(books, [make.entry("a")])
    file = receipt(tmp_path, b"%PDF-1")
    await books.attach([(recorded[0], file)])
    await books.settle(recorded)
    (kept,) = files_in(Path(f"{book_path}.files"), file.sha256)
    content = kept.read_bytes()
    kept.unlink()
    with pytest.raises(Exception, match="cannot be used"):
        await books.finish(COMPANY, "job")
    assert files_in(tmp_path / "import", "*") == []
    kept.write_bytes(content)
    await books.finish(COMPANY, "job")
    assert len(files_in(tmp_path / "import", "receipts-1.zip")) == 1


async def test_an_entry_the_settings_have_no_place_for_any_more_is_named(
    books: FileBooks, make: Make, tmp_path: Path, book_path: Path
) -> None:
    """It stops its set, with its number and what to mend; with the settings of before the set is written."""
    await books.settle(await record(books, [make.entry("a", make.journal(*make.taxed(100_00, 19_00)))]))
    changed = open_datev(section(book_path, tmp_path / "import", tax_keys={}))
    with pytest.raises(AccountingSettingInvalid, match=r"datev-000001-2026-10 cannot be written: 000001 .* 'V19'; add"):
        await changed.finish(COMPANY, "job")
    await changed.aclose()
    assert files_in(tmp_path / "import", "*") == []
    await books.finish(COMPANY, "job")
    assert len(files_in(tmp_path / "import", "EXTF_*.csv")) == 1


async def test_receipts_keep_the_suffix_of_their_type(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """Every type that Pleo hands over is known by its name in the zip, a text as much as a PDF."""
    (entry,) = await record(books, [make.entry("a")])
    office = "application/vnd.openxmlformats-officedocument"
    types = ["application/pdf", "text/plain", f"{office}.spreadsheetml.sheet", "application/msword"]
    files = [receipt(tmp_path, f"{n}".encode(), n, media_type) for n, media_type in enumerate(types, start=1)]
    assert await books.attach([(entry, file) for file in files]) == []
    await books.settle([entry])
    await books.finish(COMPANY, "job")
    (manifest,) = [json.loads(path.read_bytes()) for path in files_in(tmp_path, "manifest.json")]
    names = [file["name"] for file in manifest["entries"][0]["receipts"]]
    assert names == ["000001-1.pdf", "000001-2.txt", "000001-3.xlsx", "000001-4.doc"]


async def test_many_receipts_fill_several_zips(
    books: FileBooks, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No zip is larger than the settings say, and the files of one entry are in one zip."""
    settings = books.settings.model_copy(update={"receipts_size_bytes_max": 1_000_000})
    monkeypatch.setattr(books, "settings", settings)
    recorded = await record(books, [make.entry(str(number)) for number in range(3)])
    files = [
        (entry, receipt(tmp_path, f"{entry.external_id}-{position}".encode() * 50_000, position))
        for entry in recorded
        for position in (1, 2)
    ]
    assert await books.attach(files) == []
    await books.settle(recorded)
    await books.finish(COMPANY, "job")
    (manifest,) = [json.loads(path.read_bytes()) for path in files_in(tmp_path, "manifest.json")]
    zips = [{file["zip"] for file in entry["receipts"]} for entry in manifest["entries"]]
    assert zips == [{"receipts-1.zip"}, {"receipts-2.zip"}, {"receipts-3.zip"}]


async def test_another_writer_is_waited_for(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """While another program writes sets, ours waits, and says so when it takes too long."""
    import fcntl  # noqa: PLC0415 - the other program's
    import os  # noqa: PLC0415

    folder = tmp_path / "import"
    folder.mkdir()
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        with pytest.raises(AccountingTimeout, match="Another program is writing import files"):
            await hand_over(books, [make.entry("a")])
    finally:
        os.close(lock)
    await books.finish(COMPANY, "job")
    assert len(files_in(folder, "EXTF_*.csv")) == 1


@pytest.mark.parametrize("place", ["file", "file/below"])
async def test_no_place_for_files_is_said_before_a_job(
    books: FileBooks, tmp_path: Path, place: str, monkeypatch: Any
) -> None:
    """A folder that cannot be one is found out by check_ready."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(books, "settings", books.settings.model_copy(update={"import_dir": tmp_path / place}))
    need = Need(COMPANY, accounts_payable=True, attachments=True, posted=False)
    with pytest.raises((AccountingSettingInvalid, AccountingNotAuthorized), match="Import files cannot be put into"):
        await books.check_ready(need)


async def test_a_ready_book_is_ready(books: FileBooks) -> None:
    """Nothing is created by asking."""
    await books.check_ready(Need(COMPANY, accounts_payable=True, attachments=True, posted=False))
    assert not books.settings.import_dir.exists()


async def test_the_book_keeps_what_was_handed_over(books: FileBooks, make: Make, book_path: Path) -> None:
    """An entry that is in a set can be neither removed nor moved to another day, whoever tries."""
    await hand_over(books, [make.entry("a")])
    with closing(sqlite3.connect(book_path, isolation_level=None)) as stranger:
        for statement in (
            "DELETE FROM entries",
            "UPDATE entries SET posting_on = '2026-10-15'",
            "DELETE FROM hand_overs",
            "UPDATE hand_overs SET number = NULL",
            "INSERT OR REPLACE INTO hand_overs SELECT entry, system, NULL FROM hand_overs",
            "DELETE FROM import_sets",
            "UPDATE import_sets SET sha256 = NULL",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                stranger.execute(statement)
