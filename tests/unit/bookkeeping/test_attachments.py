"""Attachments: which files are fetched, and which are refused or noted."""

from typing import TYPE_CHECKING, Any

import pytest

from tallybook.accounting.errors import AttachmentTooLarge, AttachmentUnavailable, EntryRefused, EntrySettingInvalid
from tallybook.bookkeeping.attachments import files_missing
from tallybook.bookkeeping.plan import FileToFetch
from tallybook.bookkeeping.rules import AttachmentRule

if TYPE_CHECKING:
    from tests.unit.bookkeeping.conftest import Desk

PDF = {"url": "https://files.example/1", "type": "application/pdf", "size": 30 * 1024 * 1024}
BARE = {"url": "https://files.example/2"}


def test_files_in_order(desk: "Desk") -> None:
    """Files keep Pleo's order and place; nulls are skipped, and a file without type or size is fetched too."""
    planned = desk.plan(desk.item(files=[PDF, None, BARE, BARE | {"size": -1}]))
    assert planned.files == (
        FileToFetch(1, "https://files.example/1", "application/pdf", 30 * 1024 * 1024),
        FileToFetch(3, "https://files.example/2", None, None),
        FileToFetch(4, "https://files.example/2", None, None),
    )
    assert planned.notes == ()


REFUSED: list[tuple[dict[str, Any], dict[str, Any], type[EntryRefused], str]] = [
    (PDF | {"size": 31_457_281}, {}, AttachmentTooLarge, "Attachment 1 has 31457281 bytes, but at most 31457280"),
    (PDF | {"size": 10**600}, {}, AttachmentTooLarge, "more than"),
    ({"url": " "}, {}, AttachmentUnavailable, "Attachment 1 has no link"),
    (PDF, {"attachments_supported": False}, EntrySettingInvalid, "keeps no files"),
]


@pytest.mark.parametrize(("file", "rules", "error", "text"), REFUSED)
def test_required(
    desk: "Desk", file: dict[str, Any], rules: dict[str, Any], error: type[EntryRefused], text: str
) -> None:
    """Under `required` a file that cannot be stored fails the entry."""
    with pytest.raises(error, match=text):
        desk.plan(desk.item(files=[file]), **rules)


@pytest.mark.parametrize(("file", "rules", "error", "text"), REFUSED)
def test_best_effort(
    desk: "Desk", file: dict[str, Any], rules: dict[str, Any], error: type[EntryRefused], text: str
) -> None:
    """Under `best_effort` it is left out and noted."""
    planned = desk.plan(desk.item(files=[file, None]), attachments=AttachmentRule.BEST_EFFORT, **rules)
    assert planned.files == ()
    assert len(planned.notes) == 1
    assert text in planned.notes[0], error


def test_none(desk: "Desk") -> None:
    """Under `none` no file is asked for."""
    planned = desk.plan(desk.item(files=[PDF | {"size": 10**9}, BARE]), attachments=AttachmentRule.NONE)
    assert (planned.files, planned.notes) == ((), ())


def test_books_without_files_take_an_entry_without_files(desk: "Desk") -> None:
    """Books that keep no files refuse no entry that has none."""
    assert desk.plan(desk.item(files=[None]), attachments_supported=False).files == ()


FILES = tuple(FileToFetch(position, f"https://files.example/{position}", None, None) for position in (1, 2, 4))


@pytest.mark.parametrize(
    ("attached", "files_max", "missing"),
    [
        (set(), None, (1, 2, 4)),
        ({1}, None, (2, 4)),
        ({1, 2, 4}, None, ()),
        ({1}, 3, (2, 4)),
        ({1}, 2, (1, 2, 4)),
        ({1, 2, 4}, 1, ()),
    ],
)
def test_what_is_there_is_not_fetched_again(
    attached: set[int], files_max: int | None, missing: tuple[int, ...]
) -> None:
    """Unless files were merged: then all are needed to tell whether the result is there."""
    assert tuple(file.position for file in files_missing(FILES, attached, files_max)) == missing
