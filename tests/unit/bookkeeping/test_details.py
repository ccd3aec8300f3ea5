"""Details: texts from people, made harmless and bounded."""

from typing import TYPE_CHECKING, Any

import pytest

from tallybook.bookkeeping.wording import is_plain, lines_kept, one_line, shown

if TYPE_CHECKING:
    from tests.unit.bookkeeping.conftest import Desk

UUID = "11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    ("fields", "description"),
    [
        (
            {"supplier": {"name": "Café"}, "user": {"id": UUID, "name": "Jo"}, "note": "Team\nlunch"},
            "Café - Jo - Team lunch",
        ),
        ({"supplier": {"name": None}, "note": "  "}, "card purchase"),
        ({"user": {"id": UUID, "name": "Jo"}}, "Jo"),
        ({"supplier": {"name": "\u202eevil\x00\x1b[31m"}}, "evil [31m"),
    ],
)
def test_description(desk: "Desk", fields: dict[str, Any], description: str) -> None:
    """The description is supplier, person and note on one harmless line, else the type in words."""
    assert desk.plan(desk.item(**fields)).entry.details.description == description


def test_note_of_a_thousand_lines(desk: "Desk") -> None:
    """A long note is kept with its lines, up to a bound that shows; the description stays one short line."""
    note = "\r\n".join(f"line {number}\t\x07" for number in range(1000))
    details = desk.plan(desk.item(note=note)).entry.details
    assert details.note is not None
    assert details.note.splitlines()[1] == "line 1  "
    assert 9_900 < len(details.note) <= 10_000
    assert details.note.endswith("…")
    assert len(details.description) <= 500
    assert details.description.isprintable()


def test_what_a_reader_wants_to_know(desk: "Desk") -> None:
    """References, people, team, guests and the link to Pleo are carried."""
    details = desk.plan(
        desk.item(
            "fee",
            subType="interest",
            user={"id": UUID, "name": "Jo", "code": "E7"},
            team={"id": UUID, "name": "Sales", "code": "T1"},
            additionalInformation={"reconciliationId": "B-1", "attendees": ["Ann", None, "", "Bob", "Ann"]},
            _links={"web": {"exportItem": "https://app.pleo.io/e/1"}},
        )
    ).entry.details
    assert (details.reference, details.sort, details.sub_sort) == ("B-1", "fee", "interest")
    assert (details.person, details.person_code, details.team, details.team_code) == ("Jo", "E7", "Sales", "T1")
    assert details.attendees == ("Ann", "Bob")
    assert details.source_url == "https://app.pleo.io/e/1"


@pytest.mark.parametrize(
    "links",
    [{}, {"web": None}, {"web": {"exportItem": 7}}, {"web": {"exportItem": "javascript:alert(1)"}}, {"web": []}]
    + [{"web": {"exportItem": f"https://x/{odd}"}} for odd in (" ", "\n", "a" * 3000)],
)
def test_odd_links_are_left_out(desk: "Desk", links: dict[str, Any]) -> None:
    """A link that is no plain web address is left out."""
    assert desk.plan(desk.item(_links=links)).entry.details.source_url is None


def test_vendor_stands_for_a_nameless_supplier(desk: "Desk") -> None:
    """Without a supplier's name the vendor's is told."""
    assert desk.plan(desk.item(vendor=desk.vendor("Paper Ltd"))).entry.details.supplier == "Paper Ltd"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("a\r\nb\tc\u2028d\u00a0e", "a b c d e"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("lone \ud800 half", "lone \N{REPLACEMENT CHARACTER} half"),
        ("x" * 21, "x" * 19 + "…"),
        ("x" * 1_000_000, "x" * 19 + "…"),
        ("\x00" * 500, "…"),
        ("", ""),
    ],
)
def test_one_line(text: str, line: str) -> None:
    """One printable line of at most so many characters is left of any text."""
    assert one_line(text, 20) == line


def test_lines_kept() -> None:
    """Line breaks are kept, other control characters are not."""
    assert lines_kept("a\r\n\x1bb\u202e\n\n c\n", 100) == "a\n b\n\n c"


@pytest.mark.parametrize(
    ("value", "text"),
    [("a\nb", '"a b"'), (10**50, '"a number of more than 40 digits"'), ([[]], '"a value of the kind list"')],
)
def test_shown(value: object, text: str) -> None:
    """A value in a sentence is quoted, short and on one line."""
    assert shown(value) == text


@pytest.mark.parametrize(
    ("code", "plain"), [("6110", True), (None, False), (" ", False), ("a\n", False), ("9" * 201, False)]
)
def test_is_plain(code: str | None, plain: bool) -> None:
    """A code is used as it stands only if it is printable, short and not blank."""
    assert is_plain(code) is plain
