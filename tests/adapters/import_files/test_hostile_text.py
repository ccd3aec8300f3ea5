"""Text from outside stays text, in every format: the readers find the same rows, accounts and sums whatever it is."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.accounting.entry import Entry
from tallybook.accounting.system import Adapter
from tallybook.adapters.csv import ADAPTER as CSV
from tallybook.adapters.datev import ADAPTER as DATEV
from tallybook.adapters.sie import ADAPTER as SIE
from tallybook.import_files.system import FileBooks
from tallybook.import_files.texts import cell, one_line, plain, spelt
from tests.adapters.csv import reader as csv_reader
from tests.adapters.csv.section import section as csv_section
from tests.adapters.datev import reader as datev_reader
from tests.adapters.datev.section import section as datev_section
from tests.adapters.import_files.company import Make, files_in, hand_over, in_book, make_book
from tests.adapters.sie import reader as sie_reader
from tests.adapters.sie.section import section as sie_section

ATTACKS = [
    '";"H";"EUR"\r\n1,00;"S"', "\n", "\r", "\r\n\r\n", "\u2028\u2029\x85\x0b\x0c\x1c", '"', '""', "'", "\\", '\\"',
    '"\\', "text \\", "}", "{", '{}\r\n}\r\n#VER "A" 1', "#TRANS 1920 {} 1.00", "=1+1", "@x", "+", "-", "\t=2", ";",
    ",", "|", "\u202egnirts\u202c", "\u200f\u200e", "\ufeffbom", "a\0b", "\x1b[2J\x07", "\ud83d half", "\U0001f600",
    "\U0001f468\u200d\U0001f469", "x" * 10_000, "line\n" * 2_000, '"\\\n' * 3_000, "ÅÄÖ åäö ß éü ñ", "Łódź Şişli Ǿ",
    "漢字 かな 한국어", "€ £ § ø Ø", "", " ", "\xa0\u3000", "%s {supplier} {0}", 'BEDI "x"', "\x7f\x80\x9f",
]  # fmt: skip


def hostile(make: Make, text: str, place: int) -> Entry:
    """Put a text in every place of an entry that takes text."""
    cost, tax = make.taxed(100 * (place + 1), 19 * (place + 1))
    bill = replace(make.bill(replace(cost, text=text), tax), invoice_number=text)
    entry = make.entry(f"hostile {place}", bill, make.payment(500))
    return replace(
        entry,
        original_on=date(2026, 1, 1),
        details=replace(
            entry.details, description=text, supplier=text, note=text, person=text, person_code=text, team=text,
            team_code=text, attendees=(text, text), sort=text, reference=text, source_url=text,
        ),
    )  # fmt: skip


def _datev(path: Path) -> datev_reader.Sums:
    return datev_reader.booked(datev_reader.read(path.read_bytes()))


def _sie(path: Path) -> Mapping[str, Counter[str]]:
    return sie_reader.booked(sie_reader.read(path.read_bytes()))


def _csv(path: Path) -> Mapping[str, Counter[str]]:
    sums: dict[str, Counter[str]] = {}
    for row in csv_reader.read(path.read_bytes(), "cp1252", ";"):
        assert not any(value.lstrip().startswith(("=", "+", "@", "\t")) for value in row.values())
        csv_reader.taxed(
            sums.setdefault(row["id"], Counter()), row["account"], csv_reader.minor(row["amount"]), row["tax"]
        )
        sums[row["id"]][row["against"]] -= csv_reader.minor(row["amount"])
    return {key: Counter({account: cents for account, cents in moved.items() if cents}) for key, moved in sums.items()}


TEMPLATE = {
    "rows": "pairs",
    "delimiter": ";",
    "encoding": "cp1252",
    "columns": [
        {"name": "id", "value": "{entry_id}"},
        {"name": "account", "value": "{account}"},
        {"name": "against", "value": "{against}"},
        {"name": "amount", "value": "{amount}"},
        {"name": "tax", "value": "{tax_name}"},
        {"name": "text", "value": "{supplier}{description}"},
        {"name": "note", "value": "{note}", "length_max": 20},
        {"name": "more", "value": "{person} {team} {line_text} {invoice_number} {reference}", "length_max": 5000},
    ],
}


@pytest.mark.parametrize(("adapter", "pattern"), [(DATEV, "EXTF_*.csv"), (SIE, "*.si"), (CSV, "own-*.csv")])
async def test_text_stays_text(tmp_path: Path, adapter: Adapter, pattern: str) -> None:
    """Every text in every place: the file parses, and moves on every account what the book moves."""
    path, into = make_book(tmp_path), tmp_path / "import"
    section = {
        "datev": datev_section(path, into, document_number="entry_id"),
        "sie": sie_section(path, into),
        "csv": csv_section(path, into, "own", template={"own": TEMPLATE}),
    }[adapter.name]
    books = adapter.open(section)
    assert isinstance(books, FileBooks)
    entries = [hostile(Make(), text, place) for place, text in enumerate(ATTACKS)]
    await hand_over(books, entries)
    await books.aclose()
    read = {"datev": _datev, "sie": _sie, "csv": _csv}[adapter.name]
    booked: dict[str, Counter[str]] = {}
    for file in files_in(into, pattern):
        booked |= read(file)
    assert booked == in_book(path)
    assert len(booked) == len(ATTACKS)


@given(st.text(), st.sampled_from(["cp1252", "cp437", "utf-8", "latin-1", "ascii"]), st.integers(1, 50))
def test_a_cell_fits_and_is_one_line(text: str, encoding: str, length_max: int) -> None:
    """A cell can be encoded, is no longer than allowed, has no control character and starts no formula."""
    made = cell(text, encoding, length_max)
    assert len(made) <= length_max
    decoded = made.encode(encoding).decode(encoding)
    assert decoded == made
    assert not any(character < " " or character in "\x7f\x85\u2028\u2029\u202e\u200f" for character in made)
    assert made[:1] not in {*"=+-@", "\uff1d", "\uff0b", "\uff0d", "\uff20"}


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("Søren paid 5 €", "cp437", "Soren paid 5 EUR"),
        ("Søren paid 5 €", "cp1252", "Søren paid 5 €"),
        ("Łódź \u2013 \u201cok\u201d", "cp437", 'Lódz - "ok"'),
        ("Łódź", "cp1252", "Lódz"),
        ("漢字 \U0001f600", "cp1252", "?? ?"),
        ("漢字 \U0001f600 €", "utf-8", "漢字 \U0001f600 €"),
        ("\ud83d", "utf-8", "?"),
        ("\ufb01ne \u2160", "cp437", "fine I"),
    ],
)
def test_what_an_encoding_lacks_is_spelt(text: str, encoding: str, expected: str) -> None:
    """Letters lose their marks, signs become words, and what cannot be spelt a question mark."""
    assert spelt(text, encoding) == expected


def test_lines_become_one() -> None:
    """Breaks and controls become one blank, and marks that nobody sees vanish."""
    assert one_line("a\r\n\tb\x00c\u202ed\u200be \ufeff") == "a b cde"
    assert plain("long text", "ascii", 5) == "long"
