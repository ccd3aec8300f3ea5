import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tallybook.accounting.entry import Dimension, Document, Entry, Reversal, replacement_key, reversal_key
from tallybook.accounting.errors import (
    AccountingSettingInvalid,
    AccountingSettingMissing,
    AccountUnknown,
    EntryRefused,
    EntryRejected,
    EntrySettingInvalid,
    TaxCodeUnknown,
)
from tallybook.accounting.handover import Names, Tags
from tallybook.accounting.system import Refused
from tallybook.adapters.csv import open_csv
from tallybook.adapters.csv.format import CsvFormat, laid_out
from tallybook.adapters.csv.settings import CsvSettings, read_template, ready_templates
from tallybook.errors import SettingsError
from tallybook.import_files.system import open_file_books
from tests.adapters.csv import reader
from tests.adapters.csv.section import section
from tests.adapters.import_files.company import Make, StillClock, files_in, hand_over, in_book

GOLDEN = Path(__file__).parent / "golden"


async def written(tmp_path: Path, book_path: Path, *templates: str, **changes: object) -> list[Path]:
    """Hand over one entry of every shape with some templates."""
    settings = CsvSettings.model_validate(section(book_path, tmp_path / "import", *templates, **changes))
    books = open_file_books(CsvFormat(settings), settings, StillClock())
    await hand_over(books, Make().every_shape())
    await books.aclose()
    return files_in(tmp_path / "import", "*.csv")


def numbered(book_path: Path) -> reader.Sums:
    """What the book holds, by its numbers, which count the entries of `every_shape`."""
    held = in_book(book_path)
    keys = [entry.key.entry_id for entry in Make().every_shape()]
    return {f"{number:06d}": held[key] for number, key in enumerate(keys, start=1) if key in held}


def rows_of(paths: list[Path], stem: str, encoding: str = "utf-8", delimiter: str = ",") -> reader.Rows:
    return [
        row
        for path in paths
        if path.name.startswith(stem)
        for row in reader.read(path.read_bytes(), encoding, delimiter)
    ]


async def test_xero_books_what_the_book_holds(tmp_path: Path, book_path: Path) -> None:
    """Bills and manual journals together, read as Xero reads them, move what the book moves."""
    paths = await written(tmp_path, book_path)
    bills = reader.xero_bills(rows_of(paths, "xero_bills"), "70001")
    journals = reader.xero_journals(rows_of(paths, "xero_manual"))
    assert reader.by_entry(bills, journals) == numbered(book_path)


async def test_quickbooks_books_what_the_book_holds(tmp_path: Path, book_path: Path) -> None:
    """Debits and credits by account name, read as QuickBooks reads them, move what the book moves."""
    paths = await written(tmp_path, book_path, "quickbooks_journals")
    names = {"Bewirtung": "4650", "Vorsteuer 19 %": "1576", "Pleo-Geldbörse": "1361", "Geldtransit": "1360"}
    names |= {'Betriebsbedarf; "sonstiger"': "4980", "Vorsteuer § 13b": "1577", "Umsatzsteuer § 13b": "1787"}
    sums = reader.quickbooks(rows_of(paths, "quickbooks"), names | {"Bäckerei Öl": "70001"})
    assert reader.by_entry(sums) == numbered(book_path)


async def test_economic_books_what_the_book_holds(tmp_path: Path, book_path: Path) -> None:
    """Rows with an account and the one against it, read as e-conomic reads them, move what the book moves."""
    paths = await written(tmp_path, book_path, "economic")
    assert reader.by_entry(reader.economic(rows_of(paths, "economic", "cp1252", ";"))) == numbered(book_path)


@pytest.mark.parametrize("templates", [("xero_bills", "xero_manual_journals"), ("quickbooks_journals",), ("economic",)])
async def test_the_files_are_the_golden_ones(tmp_path: Path, book_path: Path, templates: tuple[str, ...]) -> None:
    """The same book gives the same bytes."""
    paths = await written(tmp_path, book_path, *templates)
    assert {path.name for path in paths} == {
        path.name for template in templates for path in GOLDEN.glob(f"{template}-*.csv")
    }
    for path in paths:
        assert path.read_bytes() == (GOLDEN / path.name).read_bytes()


def form(folder: Path, template: Mapping[str, object], **changes: object) -> CsvFormat:
    told = section(folder / "book", folder / "import", "own", template={"own": template}, **changes)
    return CsvFormat(CsvSettings.model_validate(told))


def cells(form: CsvFormat, entry: Entry, names: Names | None = None) -> list[str]:
    return [row.decode(form.templates[0][1].encoding) for _, row in laid_out(form, entry, "000001", names or Names())]


def columns(*values: str) -> list[dict[str, object]]:
    return [{"name": f"c{place}", "value": value} for place, value in enumerate(values)]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u202e=1", "\uff1d1+1", "\uff20x", '=cmd|" /C calc"!A0'],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_no_text_starts_a_formula(tmp_path: Path, make: Make, text: str, encoding: str) -> None:
    """Whatever people write, the cell begins with an apostrophe where a spreadsheet would compute."""
    template = {"columns": columns("{description}", "{note|description}", "{description}: x"), "encoding": encoding}
    entry = make.entry("a")
    entry = replace(entry, details=replace(entry.details, description=text, note=None))
    for row in cells(form(tmp_path, template), entry):
        for cell in row.removesuffix("\r\n").split(","):
            assert cell.lstrip('"')[:1] not in {"=", "+", "-", "@", "\t", "\uff1d", "\uff20"}


def test_a_negative_amount_stays_a_number(tmp_path: Path, make: Make) -> None:
    """An amount is a number, and a minus before it no formula."""
    template = {"columns": columns("{amount}", "{debit}", "{credit}"), "decimal_sign": ",", "delimiter": ";"}
    assert cells(form(tmp_path, template), make.entry("a")) == ["100,00;100,00;\r\n", "-100,00;;100,00\r\n"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("lines", ["4650,100.00", "1576,19.00", "1361,-119.00"]),
        ("gross", ["4650,119.00", "1361,-119.00"]),
        ("pairs", ["4650,119.00"]),
        ("costs", ["4650,119.00"]),
    ],
)
def test_what_a_row_is(tmp_path: Path, make: Make, rows: str, expected: list[str]) -> None:
    """Every line, every line with its tax in it, an amount between two accounts, or what was bought alone."""
    made = form(tmp_path, {"columns": columns("{account}", "{amount}"), "rows": rows})
    entry = make.entry("a", make.journal(*make.taxed(100_00, 19_00)))
    assert [row.removesuffix("\r\n") for row in cells(made, entry)] == expected


@pytest.mark.parametrize(("currency", "expected"), [("JPY", "1234"), ("EUR", "12.34"), ("BHD", "1.234")])
def test_amounts_have_their_currencys_decimals(tmp_path: Path, currency: str, expected: str) -> None:
    """No decimal is added to a currency without any, and none is lost."""
    make = Make(currency)
    (row, _) = cells(form(tmp_path, {"columns": columns("{amount}")}), make.entry("a", make.journal(make.cost(1234))))
    assert row == f"{expected}\r\n"


def test_days_are_written_as_the_template_says(tmp_path: Path, make: Make) -> None:
    """Days follow the template's format; a day that is not there is an empty cell, or the next one named."""
    template = {"columns": columns("{date}", "{due_date}", "{due_date|date}"), "date_format": "%m/%d/%y"}
    assert cells(form(tmp_path, template), make.entry("a"))[0] == "10/14/26,,10/14/26\r\n"


async def test_a_mark_stands_once(tmp_path: Path, book_path: Path) -> None:
    """The byte order mark stands at the beginning of the file alone, before the header."""
    template = {"columns": columns("{amount}"), "encoding": "utf-8-sig"}
    paths = await written(tmp_path, book_path, "own", template={"own": template})
    assert all(path.read_bytes().startswith(b"\xef\xbb\xbfc0\r\n") for path in paths)
    assert all(path.read_bytes().count(b"\xef\xbb\xbf") == 1 for path in paths)


async def test_a_header_may_be_left_out(tmp_path: Path, book_path: Path) -> None:
    """Without a header the first line is the first row, and the manifest counts from it."""
    template = {"columns": columns("{document}"), "header": False}
    paths = await written(tmp_path, book_path, "own", template={"own": template})
    assert paths[0].read_bytes().startswith(b"000001\r\n")


async def test_long_files_are_split_between_entries(tmp_path: Path, book_path: Path) -> None:
    """No file has more rows than its template allows, and the rows of an entry stay in one file."""
    template = {"columns": columns("{document}", "{account}", "{amount}"), "rows": "gross", "rows_max": 5}
    paths = await written(tmp_path, book_path, "own", template={"own": template})
    told = [[row["c0"].split("-")[0] for row in reader.read(path.read_bytes())] for path in paths]
    assert all(len(numbers) <= 5 for numbers in told)
    assert sum(map(len, told)) == 20
    places = [set(numbers) for numbers in told]
    assert not any(one & other for place, one in enumerate(places) for other in places[place + 1 :])


@pytest.mark.parametrize(
    ("document", "changes", "error", "said"),
    [
        (Make().journal(Make().cost(100, "4650", "X9")), {}, TaxCodeUnknown, "'X9'; add it to books.csv.tax_names"),
        (Make().journal(*Make().taxed(100_00, 7_00)), {}, EntryRejected, "19 % for the tax code 'V19'"),
        (Make().payment(100), {"kinds": ["bill"]}, EntrySettingInvalid, "None of books.csv.templates takes a payment"),
        (Make().journal(Make().cost(100, "=46")), {}, AccountUnknown, "'=46' cannot be written into the column 'c0'"),
        (Make().journal(Make().cost(100, "x" * 300)), {}, AccountUnknown, "it takes 250 plain characters"),
    ],
)  # fmt: skip
def test_what_a_template_cannot_hold_is_refused(
    tmp_path: Path, make: Make, document: Document, changes: dict[str, object], error: type[EntryRefused], said: str
) -> None:
    """Each obstacle is refused as itself, with the value and the place to mend it."""
    template: dict[str, object] = {"columns": columns("{account}"), "rows": "gross"}
    with pytest.raises(error, match=re.escape(said)):
        form(tmp_path, template | changes).check(make.entry("a", document))


def test_tags_go_where_the_settings_say(tmp_path: Path, make: Make) -> None:
    """The first tag group is {tag1}, its name {tag1_group}, and both are empty on a line without such a tag."""
    made = form(tmp_path, {"columns": columns("{tag1_group}", "{tag1}", "{tag2}")})
    names = Names(dimensions={"cc": Tags("Kostenstelle", {}), "PROJ": Tags("", {})})
    entry = make.entry("a", make.journal(make.cost(100, "4650", None, Dimension("CC", "100"))))
    assert cells(made, entry, names) == ["Kostenstelle,100,\r\n", ",,\r\n"]


def test_every_tag_group_is_named(tmp_path: Path) -> None:
    """A tag group that the settings do not name is said before a job begins, and one the book does not have."""
    made = form(tmp_path, {"columns": columns("{amount}")}, tag_groups=["CC"])
    with pytest.raises(AccountingSettingMissing, match="does not name Team"):
        made.check_books(Names(dimensions={"cc": Tags("", {}), "Team": Tags("", {})}))
    with pytest.raises(AccountingSettingInvalid, match="'cc' is no tag group of the book"):
        made.check_books(Names())


@pytest.mark.parametrize("name", ready_templates())
def test_a_ready_template_is_whole(name: str) -> None:
    """Every template that comes with Tallybook is valid and takes something."""
    assert read_template(name).kinds


def test_mistakes_in_a_template_are_said(tmp_path: Path) -> None:
    """A field that is none, a brace too many, an encoding that is none: all are named at once."""
    template = {"columns": columns("{suplier}", "{", "{a.b}"), "encoding": "utf-16", "date_format": "%H"}
    with pytest.raises(SettingsError) as caught:
        open_csv(section(tmp_path, tmp_path, "own", template={"own": template}))
    told = "\n".join(caught.value.problems)
    assert "columns[1].value: {suplier} is no field; did you mean {supplier}?" in told
    assert "columns[2].value: a brace stands for a field" in told
    assert "columns[3].value: a brace stands for a field" in told
    assert 'encoding: is no encoding for CSV; use "utf-8"' in told
    assert "date_format" in told


def test_an_unknown_template_is_said(tmp_path: Path) -> None:
    """The nearest template is named."""
    with pytest.raises(SettingsError, match="no template 'xero_bill'; did you mean xero_bills"):
        open_csv(section(tmp_path, tmp_path, "xero_bill"))


def test_a_supplier_stands_in_for_an_empty_field(tmp_path: Path, make: Make) -> None:
    """Of names with bars between them the first that is not empty counts."""
    made = form(tmp_path, {"columns": columns("{vendor_name|supplier|description}")})
    entry = make.entry("a")
    nameless = replace(entry, details=replace(entry.details, supplier=None))
    assert [cells(made, each)[0] for each in (entry, nameless)] == ["Café Öl\r\n", "Café Öl - Lunch\r\n"]


def test_by_year(tmp_path: Path) -> None:
    """By year, a file holds the entries of a calendar year."""
    made = form(tmp_path, {"columns": columns("{amount}")}, period="year")
    assert made.period_of(date(2026, 7, 1)).name == "2026"


async def test_a_reversal_that_no_template_takes_is_refused_and_blocks_nothing(tmp_path: Path, book_path: Path) -> None:
    """Templates for bills alone: a bill that was handed over is not reversed, and the next set is written."""
    template = {"columns": columns("{amount}"), "kinds": ["bill"]}
    changes = section(book_path, tmp_path / "import", "own", template={"own": template})
    settings = CsvSettings.model_validate(changes)
    books = open_file_books(CsvFormat(settings), settings, StillClock())
    make = Make()
    (old,) = await hand_over(books, [make.entry("a", make.bill(make.cost(100_00)))])
    reversal = Reversal(reversal_key(old), of=old, posting_on=date(2026, 10, 14), replaced_by=replacement_key(old))
    (answer,) = await books.reverse([reversal])
    assert isinstance(answer, Refused)
    assert "None of books.csv.templates takes a credit_note" in str(answer.error)
    assert await books.find([reversal.key]) == {}
    await hand_over(books, [make.entry("b", make.bill(make.cost(50_00), number="RE-2026/18"))])
    await books.aclose()
    assert len(files_in(tmp_path / "import", "*.csv")) == 2
