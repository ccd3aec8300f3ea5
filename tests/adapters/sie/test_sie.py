import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from tallybook import __version__
from tallybook.accounting.entry import Dimension
from tallybook.accounting.errors import (
    AccountingSettingMissing,
    AccountUnknown,
    DimensionUnknown,
    EntryRefused,
    EntryRejected,
    EntrySettingInvalid,
)
from tallybook.accounting.handover import Names, Period, Tags
from tallybook.adapters.sie import open_sie
from tallybook.adapters.sie.format import SieFormat
from tallybook.adapters.sie.settings import SieSettings
from tallybook.adapters.sie.voucher import voucher
from tallybook.errors import SettingsError
from tallybook.import_files.system import FileBooks
from tests.adapters.import_files.company import COMPANY, Make, files_in, hand_over, in_book, receipt, record
from tests.adapters.sie import reader
from tests.adapters.sie.section import section

GOLDEN = Path(__file__).parent / "golden"


def form(folder: Path, **changes: object) -> SieFormat:
    return SieFormat(SieSettings.model_validate(section(folder / "book", folder / "import", **changes)))


def read_all(folder: Path) -> list[reader.Sie]:
    return [reader.read(path.read_bytes()) for path in files_in(folder, "*.si")]


async def test_the_vouchers_are_what_the_book_holds(
    books: FileBooks, make: Make, tmp_path: Path, book_path: Path
) -> None:
    """Read back, each entry is one balanced voucher that moves on every account what the book moves."""
    await hand_over(books, make.every_shape())
    booked: dict[str, Counter[str]] = {}
    for each in read_all(tmp_path):
        booked |= reader.booked(each)
    assert booked == in_book(book_path)
    assert [len(each.vouchers) for each in read_all(tmp_path)] == [8, 1]


async def test_the_files_are_the_golden_ones(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """The same book gives the same bytes, but for Tallybook's own version."""
    await hand_over(books, make.every_shape())
    for path in files_in(tmp_path, "*.si"):
        golden = (GOLDEN / path.name).read_bytes().replace(b'"0.1.0"', f'"{__version__}"'.encode())
        assert path.read_bytes() == golden


async def test_the_head_says_whose_books_they_are(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """Labels, fiscal year, accounts, dimensions and objects stand before the first voucher, in the format's order."""
    await hand_over(books, [make.entry("a")])
    (sie,) = read_all(tmp_path)
    assert list(sie.labels) == [
        "#FLAGGA", "#PROGRAM", "#FORMAT", "#GEN", "#SIETYP", "#PROSA", "#ORGNR", "#FNAMN", "#RAR", "#VALUTA", "#KONTO",
        "#DIM", "#OBJEKT",
    ]  # fmt: skip
    assert sie.labels["#FORMAT"] == [["PC8"]]
    assert sie.labels["#SIETYP"] == [["4"]]
    assert sie.labels["#GEN"] == [["20261122"]]
    assert sie.labels["#RAR"] == [["0", "20260101", "20261231"]]
    assert sie.labels["#FNAMN"] == [["Müller & Son GmbH"]]
    assert ["4980", 'Betriebsbedarf; "sonstiger"'] in sie.labels["#KONTO"]
    assert sie.labels["#DIM"] == [["1", "Kostenstelle"], ["6", "Projekt"]]
    assert ["1", "100", "Vertrieb"] in sie.labels["#OBJEKT"]


async def test_tags_become_objects_and_vat_has_its_own_line(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """A line names its objects by dimension, and the VAT stands beside the net amount."""
    await hand_over(books, make.every_shape()[:1])
    (written,) = read_all(tmp_path)[0].vouchers
    assert [(line[0], reader.objects(line), line[2]) for line in written.lines] == [
        ("4650", {"1": "100", "6": "P/1"}, "100.00"),
        ("1576", {}, "19.00"),
        ("1361", {}, "-119.00"),
    ]
    assert (written.series, written.number, written.on, written.registered_on) == ("P", "", "20261014", "20261122")


async def test_a_fiscal_year_in_one_file(tmp_path: Path, book_path: Path, make: Make) -> None:
    """By year, the vouchers of a fiscal year go into one file, whichever month it begins in."""
    books = open_sie(section(book_path, tmp_path / "import", period="year", fiscal_year_begins="05"))
    days = [date(2026, 4, 30), date(2026, 5, 1), date(2027, 4, 30)]
    await hand_over(books, [make.entry(str(day), on=day) for day in days])
    await books.aclose()
    told = [(each.labels["#RAR"][0][1:], [each_one.on for each_one in each.vouchers]) for each in read_all(tmp_path)]
    assert told == [
        (["20250501", "20260430"], ["20260430"]),
        (["20260501", "20270430"], ["20260501", "20270430"]),
    ]


async def test_receipts_stand_beside_the_file(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """SIE knows no receipts; they are in a zip, named after the number that the voucher's text begins with."""
    recorded = await record(books, [make.entry("a")])
    await books.attach([(recorded[0], receipt(tmp_path, b"%PDF-1"))])
    await books.settle(recorded)
    await books.finish(COMPANY, "job")
    (written,) = read_all(tmp_path)[0].vouchers
    assert written.text.startswith("000001 ")
    assert len(files_in(tmp_path, "receipts-1.zip")) == 1


@pytest.mark.parametrize(
    ("currency", "amount_minor", "written"), [("JPY", 1234, "1234.00"), ("EUR", -1, "-0.01"), ("BHD", 1230, "1.23")]
)
def test_amounts_have_two_decimals(tmp_path: Path, currency: str, amount_minor: int, written: str) -> None:
    """Whatever the currency's own decimals are, SIE gets two and a point."""
    make = Make(currency)
    entry = make.entry("a", make.journal(make.cost(amount_minor)))
    lines = voucher(form(tmp_path, currency=currency).settings, entry, None, "1")
    assert f" {{}} {written} ".encode() in lines[2]


@pytest.mark.parametrize(
    ("document", "error", "said"),
    [
        (Make().journal(Make().cost(100, "46A")), AccountUnknown, "'46A' is no number"),
        (Make("SEK").journal(Make().cost(100)), EntrySettingInvalid, "in SEK, and the SIE file in EUR"),
        (
            Make().journal(Make().cost(100, "4650", None, Dimension("Team", "Nord"))),
            DimensionUnknown,
            "'Team' has no number in books.sie.dimensions",
        ),
        (
            Make().journal(Make().cost(100, "4650", None, Dimension("CC", "Łódź"))),
            DimensionUnknown,
            "cannot be written in SIE",
        ),
        (
            Make().journal(Make().cost(100, "4650", None, Dimension("CC", "P\\1"))),
            DimensionUnknown,
            "and no backslash",
        ),
    ],
)
def test_what_sie_cannot_hold_is_refused(
    tmp_path: Path, make: Make, document: object, error: type[EntryRefused], said: str
) -> None:
    """Each obstacle is refused as itself, with the value and the place to mend it."""
    with pytest.raises(error, match=re.escape(said)):
        form(tmp_path).check(make.entry("a", document))  # type: ignore[arg-type]


def test_thousandths_are_refused(tmp_path: Path) -> None:
    """An amount that two decimals cannot say is refused, never rounded."""
    make = Make("BHD")
    with pytest.raises(EntryRejected, match="more than two decimals"):
        form(tmp_path, currency="BHD").check(make.entry("a", make.journal(make.cost(1234))))


def test_every_tag_group_needs_a_number(tmp_path: Path) -> None:
    """A tag group of the book without a number is said before a job begins; 0 leaves it out."""
    names = Names(dimensions={"cc": Tags("", {}), "Team": Tags("", {})})
    with pytest.raises(AccountingSettingMissing, match="no number for the tag groups Team"):
        form(tmp_path).check_books(names)
    left_out = form(tmp_path, dimensions={"CC": 1, "team": 0})
    left_out.check_books(names)
    left_out.check(Make().entry("a", Make().journal(Make().cost(100, "4650", None, Dimension("Team", "Łódź")))))


def test_a_period_is_named_after_its_year(tmp_path: Path) -> None:
    """A fiscal year bears the year it begins in."""
    by_year = form(tmp_path, period="year", fiscal_year_begins="09")
    assert by_year.period_of(date(2026, 8, 31)) == Period("2025", date(2025, 9, 1), date(2026, 8, 31))


def test_a_wrong_number_is_named(tmp_path: Path) -> None:
    """A setting of the wrong form is named with its place."""
    with pytest.raises(SettingsError, match=re.escape("books.sie.dimensions.CC")):
        open_sie(section(tmp_path, tmp_path, dimensions={"CC": -1}))
