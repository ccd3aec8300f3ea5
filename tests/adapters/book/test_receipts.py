import hashlib
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallybook.accounting.entry import Attachment, Recorded
from tallybook.accounting.errors import AccountingUnreachable, AttachmentNotStored, AttachmentUnavailable
from tallybook.adapters.book.system import Book


def _file(folder: Path, content: bytes, position: int = 1) -> Attachment:
    path = folder / f"spooled-{hashlib.sha256(content).hexdigest()[:8]}"
    path.write_bytes(content)
    return Attachment(position, path, "application/pdf", hashlib.sha256(content).hexdigest(), len(content))


def _stored(book_path: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in Path(f"{book_path}.files").rglob("*") if path.is_file())


@pytest.fixture
def no_store(book_path: Path) -> None:
    Path(f"{book_path}.files").write_text("in the way")


async def _entry(book: Book, make: Any) -> Recorded:
    (answer,) = await book.record([make.entry()])
    assert isinstance(answer, Recorded)
    return answer


async def test_stored_by_content(book: Book, make: Any, book_path: Path, tmp_path: Path) -> None:
    """A file is stored under its sha256, write-protected, outlives the spool and shows on the entry."""
    entry, file = await _entry(book, make), _file(tmp_path, b"receipt" * 100_000)
    assert await book.attach([(entry, file)]) == []
    file.path.unlink()
    stored = Path(f"{book_path}.files") / file.sha256[:2] / file.sha256
    assert stored.read_bytes() == b"receipt" * 100_000
    assert stored.stat().st_mode & 0o222 == 0
    found = await book.find([entry.key])
    assert found[entry.key].attached == {(1, file.sha256)}


async def test_repeat(book: Book, make: Any, book_path: Path, tmp_path: Path) -> None:
    """The same file again, also by another entry and another position, is stored once."""
    one, other, file = await _entry(book, make), await _entry(book, make), _file(tmp_path, b"same")
    for _ in range(2):
        assert await book.attach([(one, file), (one, replace(file, position=2)), (other, file)]) == []
    assert _stored(book_path) == [b"same"]
    found = await book.find([one.key, other.key])
    assert [len(found[key].attached) for key in (one.key, other.key)] == [2, 1]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"sha256": "0" * 64}, AttachmentNotStored),
        ({"size_bytes": 4}, AttachmentNotStored),
        ({"sha256": "../" * 20 + "etc1"}, AttachmentNotStored),
        ({"path": Path("/nowhere/at/all")}, AttachmentUnavailable),
        ({"path": Path("/")}, AttachmentUnavailable),
    ],
)
async def test_bad_file_spoils_no_other(
    book: Book, make: Any, book_path: Path, tmp_path: Path, changes: dict[str, Any], error: type[Exception]
) -> None:
    """A file that is gone or not the announced one is refused alone, and leaves nothing behind."""
    bad, good = await _entry(book, make), await _entry(book, make)
    pairs = [(bad, replace(_file(tmp_path, b"bad"), **changes)), (good, _file(tmp_path, b"good"))]
    (refused,) = await book.attach(pairs)
    assert type(refused.error) is error
    assert refused.key == bad.key
    assert _stored(book_path) == [b"good"]


async def test_second_source_of_a_refused_file(book: Book, make: Any, book_path: Path, tmp_path: Path) -> None:
    """A content whose first source is gone is stored from the next."""
    entry, file = await _entry(book, make), _file(tmp_path, b"twice")
    refused = await book.attach([(entry, replace(file, path=tmp_path / "gone")), (entry, replace(file, position=2))])
    assert len(refused) == 1
    assert _stored(book_path) == [b"twice"]


async def test_entry_not_in_the_book(book: Book, make: Any, tmp_path: Path) -> None:
    """A file of an entry that the book does not have is refused."""
    unknown = replace(await _entry(book, make), key=make.entry().key)
    (refused,) = await book.attach([(unknown, _file(tmp_path, b"x"))])
    assert isinstance(refused.error, AttachmentNotStored)


async def test_after_posting(book: Book, make: Any, tmp_path: Path) -> None:
    """A file can still be added to a posted entry, whose receipt came late."""
    entry = await _entry(book, make)
    await book.post([entry])
    assert await book.attach([(entry, _file(tmp_path, b"late"))]) == []


@pytest.mark.usefixtures("no_store")
async def test_store_that_cannot_be_written(
    book: Book, make: Any, tmp_path: Path, stranger: sqlite3.Connection
) -> None:
    """Where the store cannot be, the whole call fails in words and no file is claimed to be there."""
    entry = await _entry(book, make)
    with pytest.raises(AccountingUnreachable, match=r"company\.tallybook\.files"):
        await book.attach([(entry, _file(tmp_path, b"x"))])
    assert stranger.execute("SELECT COUNT(*) FROM attachments").fetchone() == (0,)


async def test_budget(book: Book, make: Any, tmp_path: Path) -> None:
    """A call costs one transaction whatever the number of files, and syncs each file and each folder once."""
    entry = await _entry(book, make)
    files = [_file(tmp_path, b"%d" % n, n + 1) for n in range(50)]
    commits = book.counts.commits
    await book.attach([(entry, file) for file in files])
    folders = len({file.sha256[:2] for file in files}) + 2  # and the store, and the folder it is in
    assert book.counts.commits - commits == 1
    assert book.counts.file_syncs == 50 + folders
