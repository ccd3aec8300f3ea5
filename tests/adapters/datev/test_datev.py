import io
import re
import zipfile
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tallybook.accounting.entry import Dimension, Entry, EntryKey, Line, LineRole
from tallybook.accounting.errors import (
    AccountingSettingInvalid,
    AccountUnknown,
    EntryRefused,
    EntryRejected,
    EntrySettingInvalid,
    TaxCodeUnknown,
)
from tallybook.accounting.handover import Names
from tallybook.accounting.system import Refused
from tallybook.adapters.datev import batch, columns, open_datev
from tallybook.adapters.datev.format import DatevFormat
from tallybook.adapters.datev.settings import DatevSettings
from tallybook.errors import SettingsError
from tallybook.import_files.system import FileBooks
from tests.adapters.datev import reader
from tests.adapters.datev.section import section
from tests.adapters.import_files.company import COMPANY, Make, files_in, hand_over, in_book, receipt, record

GOLDEN = Path(__file__).parent / "golden"


def stapel(folder: Path) -> list[reader.Stapel]:
    return [reader.read(path.read_bytes()) for path in files_in(folder, "EXTF_*.csv")]


def form(folder: Path, **changes: object) -> DatevFormat:
    return DatevFormat(DatevSettings.model_validate(section(folder / "book", folder / "import", **changes)))


def rows(folder: Path, entry: Entry, **changes: object) -> list[dict[str, str]]:
    """The rows of an entry, read back."""
    settings = form(folder, **changes).settings
    names = reader.cells_of(columns.COLUMN_LINE.decode("cp1252").removesuffix("\r\n"))
    written = batch.rows(settings, entry, has_receipts=False)
    return [
        dict(zip(names, reader.cells_of(row.decode("cp1252").removesuffix("\r\n")), strict=True)) for row in written
    ]


async def test_datev_books_what_the_book_holds(books: FileBooks, make: Make, tmp_path: Path, book_path: Path) -> None:
    """Read back with DATEV's own tax keys, the files move on every account what the book moves, entry by entry."""
    await hand_over(books, make.every_shape())
    booked: dict[str, Counter[str]] = {}
    for each in stapel(tmp_path / "import"):
        booked |= reader.booked(each)
    assert booked == in_book(book_path)
    assert len(booked) == 8


async def test_the_files_are_the_golden_ones(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """The same book gives the same bytes: header, columns and rows of one month each."""
    await hand_over(books, make.every_shape())
    for path in files_in(tmp_path, "EXTF_*.csv"):
        assert path.read_bytes() == (GOLDEN / path.name).read_bytes()


async def test_each_file_stays_in_its_month(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """The header's days lie in one calendar year and one fiscal year, and every row's day between them."""
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 6, 30), date(2026, 7, 1), date(2026, 7, 31)]
    await hand_over(books, [make.entry(str(day), on=day) for day in days])
    told = [(each.header[14], each.header[15], [row["Belegdatum"] for row in each.rows]) for each in stapel(tmp_path)]
    assert told == [
        ("20251201", "20251231", ["3112"]),
        ("20260101", "20260131", ["0101"]),
        ("20260601", "20260630", ["3006"]),
        ("20260701", "20260731", ["0107", "3107"]),
    ]


async def test_the_fiscal_year_begins_before_the_file(tmp_path: Path, book_path: Path, make: Make) -> None:
    """A fiscal year that begins in July is the one of the file's month."""
    books = open_datev(section(book_path, tmp_path / "import", fiscal_year_begins="07"))
    await hand_over(books, [make.entry("june", on=date(2026, 6, 30)), make.entry("july", on=date(2026, 7, 1))])
    await books.aclose()
    assert [each.header[12] for each in stapel(tmp_path)] == ["20250701", "20260701"]


async def test_rows_beyond_the_limit_go_into_another_file(
    books: FileBooks, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file never has more rows than DATEV takes, and the rows of one entry are never torn apart."""
    monkeypatch.setattr(batch, "ROWS_MAX", 3)  # the rule with fewer than 99,999 rows
    split = make.journal(make.cost(100), make.cost(200))
    await hand_over(books, [make.entry(str(number), split) for number in range(4)])
    assert [len(each.rows) for each in stapel(tmp_path)] == [2, 2, 2, 2]
    assert [path.name for path in files_in(tmp_path, "EXTF_*.csv")][1].endswith("2026-10_2.csv")


async def test_receipts_are_found_by_their_link(books: FileBooks, make: Make, tmp_path: Path) -> None:
    """A row's Beleglink is the guid of the document that names the entry's files, and the zip holds their bytes."""
    recorded = await record(books, [make.entry("a"), make.entry("b")])
    files = [receipt(tmp_path, b"%PDF-one"), receipt(tmp_path, b"a photo", 2, "image/jpeg")]
    assert await books.attach([(recorded[0], file) for file in files]) == []
    await books.settle(recorded)
    await books.finish(COMPANY, "job")
    linked, plain = stapel(tmp_path)[0].rows
    assert plain["Beleglink"] == ""
    guid = re.fullmatch(r'BEDI "([0-9a-f-]{36})"', linked["Beleglink"])
    assert guid is not None
    (path,) = files_in(tmp_path, "receipts-*.zip")
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as kept:
        archive = ET.fromstring(kept.read("document.xml"))  # noqa: S314 - we wrote it
        space = "{http://xml.datev.de/bedi/tps/document/v06.0}"
        (document,) = archive.iter(f"{space}document")
        names = [extension.attrib["name"] for extension in document.iter(f"{space}extension")]
        assert document.attrib["guid"] == guid[1] == recorded[0].key.entry_id
        assert [kept.read(name) for name in names] == [b"%PDF-one", b"a photo"]


def test_a_tag_becomes_a_cost_centre(tmp_path: Path, make: Make) -> None:
    """The groups that the settings name become KOST1 and KOST2; a tag of another group stands in the Beleginfo."""
    tags = (Dimension("cc", "100"), Dimension("PROJ", "P/1"), Dimension("Team", "Nord"))
    (row,) = rows(tmp_path, make.entry("a", make.journal(make.cost(100, "4650", None, *tags))))
    assert (row["KOST1 - Kostenstelle"], row["KOST2 - Kostenstelle"]) == ("100", "P/1")
    assert (row["Beleginfo - Art 1"], row["Beleginfo - Inhalt 1"]) == ("Team", "Nord")


def test_an_automatic_account_gets_no_key(tmp_path: Path, make: Make) -> None:
    """Where the account knows its tax, the row has none; without tax, the key that switches the automatic off."""
    taxed = make.journal(*make.taxed(100_00, 19_00, account="3400"))
    untaxed = make.journal(make.cost(50_00, "3400"))
    with_tax, without = rows(tmp_path, make.entry("a", taxed, untaxed))
    assert (with_tax["Umsatz (ohne Soll/Haben-Kz)"], with_tax["BU-Schlüssel"]) == ("119,00", "")
    assert (without["Umsatz (ohne Soll/Haben-Kz)"], without["BU-Schlüssel"]) == ("50,00", "40")


def test_own_rows_book_the_tax_where_the_book_does(tmp_path: Path, make: Make) -> None:
    """A tax code with own_rows leaves cost and tax in two rows without a key."""
    cost = Line("4980", 100_00, LineRole.COST, "EUST")
    document = make.journal(cost, Line("1576", 7_77, LineRole.TAX_IN, "EUST", 100_00))
    told = [
        (row["Gegenkonto (ohne BU-Schlüssel)"], row["BU-Schlüssel"])
        for row in rows(tmp_path, make.entry("a", document))
    ]
    assert told == [("4980", ""), ("1576", "")]


def test_the_invoice_number_may_be_the_document_number(tmp_path: Path, make: Make) -> None:
    """Belegfeld 1 takes the invoice number in the characters DATEV allows, and then the entry's id is kept beside."""
    entry = make.entry("a", make.bill(make.cost(100), number="=RE_2026/17 ä"))
    (row,) = rows(tmp_path, entry, document_number="invoice_number")
    assert row["Belegfeld 1"] == "RE2026/17a"
    assert (row["Beleginfo - Art 1"], row["Beleginfo - Inhalt 1"]) == ("Eintrag", entry.key.entry_id)


@pytest.mark.parametrize(
    ("document", "error", "said"),
    [
        (Make().journal(Make().cost(100, "46 50")), AccountUnknown, "'46 50' is no number of at most 5 digits"),
        (Make().journal(Make().cost(100, "465012")), AccountUnknown, "books.datev.account_length"),
        (Make().journal(Make().cost(100, "4650", "X9")), TaxCodeUnknown, "'X9'; add it to books.datev.tax_keys"),
        (Make("USD").journal(Make().cost(100)), EntrySettingInvalid, "in USD, and the DATEV client is kept in EUR"),
        (Make().journal(*Make().taxed(100_00, 7_00)), EntryRejected, "7.00 EUR will be computed anew as 17.08, 19 %"),
        (
            Make().journal(Make().cost(100, "4650", "R19"), Line("1577", 19, LineRole.TAX_IN, "R19", 100)),
            EntryRejected,
            "is reverse charge in books.datev.tax_keys, and in this entry it is not",
        ),
        (Make().journal(Make().cost(10**12)), EntryRejected, "larger than DATEV takes (10 digits)"),
        (
            Make().journal(Make().cost(100, "4650", None, Dimension("CC", "x" * 37))),
            EntryRejected,
            "cannot become KOST1 in DATEV",
        ),
    ],
)  # fmt: skip
def test_what_datev_cannot_hold_is_refused(
    tmp_path: Path, make: Make, document: object, error: type[EntryRefused], said: str
) -> None:
    """Each obstacle is refused as itself, with the value and the place to mend it."""
    with pytest.raises(error, match=re.escape(said)):
        form(tmp_path).check(make.entry("a", document))  # type: ignore[arg-type]


async def test_a_refused_entry_spoils_no_other(books: FileBooks, make: Make) -> None:
    """The entry that DATEV has no place for is not recorded, and the others of the batch are handed over."""
    entries = [make.entry("a"), make.entry("b", make.journal(*make.taxed(100_00, 7_00))), make.entry("c")]
    answers = await books.record(entries)
    assert [isinstance(answer, Refused) for answer in answers] == [False, True, False]
    assert await books.find([entries[1].key]) == {}
    assert [answer.key for answer in answers] == [entry.key for entry in entries]


@pytest.mark.parametrize(
    ("currency", "amount_minor", "written"), [("JPY", 1234, "1234,00"), ("EUR", 1, "0,01"), ("BHD", 1230, "1,23")]
)
def test_amounts_have_two_decimals(tmp_path: Path, currency: str, amount_minor: int, written: str) -> None:
    """Whatever the currency's own decimals are, DATEV gets two."""
    make = Make(currency)
    (row,) = rows(tmp_path, make.entry("a", make.journal(make.cost(amount_minor))), currency=currency)
    assert row["Umsatz (ohne Soll/Haben-Kz)"] == written


def test_thousandths_are_refused(tmp_path: Path) -> None:
    """An amount that two decimals cannot say is refused, never rounded."""
    make = Make("BHD")
    with pytest.raises(EntryRejected, match=re.escape("1.234 BHD has more than two decimals")):
        form(tmp_path, currency="BHD").check(make.entry("a", make.journal(make.cost(1234))))


def test_cost_groups_must_be_in_the_book(tmp_path: Path) -> None:
    """A tag group that the book does not have is said before a job begins."""
    with pytest.raises(AccountingSettingInvalid, match=re.escape("books.datev.cost_1 = 'CC' is no tag group")):
        form(tmp_path).check_books(Names())


def test_an_id_that_is_no_uuid_is_refused(tmp_path: Path, make: Make) -> None:
    """Belegfeld 1 takes few characters; an id with others would not come back as it was."""
    entry = replace(make.entry("a"), key=EntryKey(COMPANY, "a b"))
    with pytest.raises(EntryRefused, match="no UUID"):
        form(tmp_path).check(entry)


def test_settings_say_everything_wrong_at_once(tmp_path: Path) -> None:
    """Unknown, missing and impossible settings are named, each in a sentence."""
    told = section(tmp_path, tmp_path, consultant_number=7, chart="SKR03", kost=1)
    del told["client_number"]
    with pytest.raises(SettingsError) as caught:
        open_datev(told)
    assert {problem.split(":")[0] for problem in caught.value.problems} == {
        "books.datev.client_number is missing",
        "books.datev.consultant_number",
        "books.datev.chart",
        "books.datev.kost is unknown; did you mean cost_2?",
    }
