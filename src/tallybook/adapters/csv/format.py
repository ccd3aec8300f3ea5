"""CSV as a format of import files: documents laid out in rows by templates."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from tallybook.accounting.entry import Document, Entry, LineRole
from tallybook.accounting.errors import (
    AccountingSettingInvalid,
    AccountingSettingMissing,
    AccountUnknown,
    DimensionUnknown,
    EntryRefused,
    EntryRejected,
    EntrySettingInvalid,
    TaxCodeUnknown,
    VendorUnknown,
)
from tallybook.accounting.handover import Booked, ImportSet, Names, Period
from tallybook.adapters.csv import fields
from tallybook.adapters.csv.fields import Row
from tallybook.adapters.csv.settings import Column, CsvSettings, TaxName, Template
from tallybook.import_files.amounts import GrossLine, check_tax, gross_lines, pairs
from tallybook.import_files.format import Place, Receipt, month_of, year_of
from tallybook.import_files.rows import RowFiles
from tallybook.import_files.texts import cell, plain

# As what a code is refused that a column cannot hold.
_UNKNOWN: Mapping[str, type[EntryRefused]] = {
    "account": AccountUnknown,
    "against": AccountUnknown,
    "tax_name": TaxCodeUnknown,
    "tag1": DimensionUnknown,
    "tag2": DimensionUnknown,
    "vendor": VendorUnknown,
}


class CsvFormat:
    """CSV files of one month, or of one year, one for each template."""

    name = "csv"

    def __init__(self, settings: CsvSettings) -> None:
        self.settings = settings
        self.templates = settings.chosen()

    def period_of(self, posting_on: date) -> Period:
        """Give the month or the year. Repeat: safe."""
        return month_of(posting_on) if self.settings.period == "month" else year_of(posting_on)

    def check_books(self, names: Names) -> None:
        """See that the settings name every tag group of the book, and no other. Repeat: safe."""
        groups = {group.casefold(): group for group in names.dimensions}
        named = {group.casefold() for group in (*self.settings.tag_groups, *self.settings.tag_groups_left_out)}
        if missing := sorted(set(groups) - named):
            raise AccountingSettingMissing(
                f"books.csv.tag_groups does not name {', '.join(groups[group] for group in missing)}; add the group, "
                "or name it in books.csv.tag_groups_left_out"
            )
        if strange := sorted(named - set(groups)):
            raise AccountingSettingInvalid(f"books.csv.tag_groups: {strange[0]!r} is no tag group of the book")

    def check(self, entry: Entry) -> None:
        """Find out whether an entry can be written. Repeat: safe."""
        for _ in laid_out(self, entry, "000000", Names()):
            pass

    def writer(self, folder: Path, made: ImportSet, names: Names) -> "CsvWriter":
        """Begin the files of a set."""
        return CsvWriter(self, folder, made, names)

    def receipts_index(self, files: Sequence[Receipt], made: ImportSet) -> None:
        """Write no index: receipts are named after the book's number."""

    def template_of(self, document: Document) -> tuple[str, Template]:
        """Find the template whose file a document goes into.

        Raises:
            EntrySettingInvalid: none takes its kind.
        """
        for name, template in self.templates:
            if document.kind in template.kinds:
                return name, template
        raise EntrySettingInvalid(
            f"None of books.csv.templates takes a {document.kind}; add one that does, or book this entry by hand"
        )

    def tax_name(self, code: str) -> TaxName:
        """Find what the importing system calls a tax code.

        Raises:
            TaxCodeUnknown: the settings do not say.
        """
        found = self.settings.tax_names.get(code)
        if found is None:
            raise TaxCodeUnknown(
                f"There is no name for the tax code {code!r}; add it to books.csv.tax_names, or correct the Tax Code "
                "of the expense"
            )
        return found


def laid_out(form: CsvFormat, entry: Entry, number: str, names: Names) -> Iterator[tuple[str, bytes]]:
    """Write the rows of an entry, each with the name of the template it is for.

    Raises:
        EntryRefused: a template has no place for it; the leaf says why, with the value, and where to mend it.
    """
    for position, document in enumerate(entry.documents, start=1):
        name, template = form.template_of(document)
        document_number = number if position == 1 else f"{number}-{position}"
        for line, against in _rows(form, template, document):
            tax_name = form.settings.no_tax if line.tax_code is None else form.tax_name(line.tax_code).name
            row = Row(entry, document, document_number, line, against, tax_name, form.settings.tag_groups, names)
            yield name, written(template, [_cell(template, column, row) for column in template.columns])


def _rows(form: CsvFormat, template: Template, document: Document) -> Iterator[tuple[GrossLine, str]]:
    folds = template.rows != "lines"
    lines = gross_lines(document, lambda code: folds and not form.tax_name(code).own_rows)
    for line in lines:
        if line.tax_code is not None:
            name = form.tax_name(line.tax_code)
            if name.percent is not None:
                check_tax(line, document.currency, name.percent, reverse=name.reverse, setting="books.csv.tax_names")
    if template.rows == "pairs":
        for pair in pairs(lines):
            yield pair.line, pair.against
    else:
        for line in lines:
            moves = line.amount_minor or line.net_minor  # importers take no line of zero
            if moves and (template.rows != "costs" or line.role is not LineRole.COUNTER):
                yield line, ""


def _cell(template: Template, column: Column, row: Row) -> str:
    def value_of(name: str) -> str:
        return fields.value(name, row, template.date_format, template.decimal_sign)

    only = next((name for name in fields.alone(column.value) if value_of(name)), None)
    if only in fields.AMOUNTS or only in fields.DAYS:
        return value_of(only or "")
    text = fields.filled(column.value, value_of)
    made = cell(text, template.encoding, column.length_max)
    if only in fields.CODES and made != text:
        raise _UNKNOWN.get(only or "", EntryRejected)(
            f"{text[:80]!r} cannot be written into the column {column.name!r} as it is, so the importing system "
            f"would not know it: it takes {column.length_max} plain characters; correct the code"
        )
    return made


def written(template: Template, cells: Sequence[str]) -> bytes:
    """Write one row."""
    text = io.StringIO()
    csv.writer(text, delimiter=template.delimiter, lineterminator="\r\n").writerow(cells)
    # The mark of an encoding with one stands at the beginning of the file alone.
    return text.getvalue().encode("utf-8" if template.encoding.lower() == "utf-8-sig" else template.encoding)


class CsvWriter:
    """Writes one set: `xero_bills-000007-2026-10.csv` and the like, one for each template that has rows."""

    def __init__(self, form: CsvFormat, folder: Path, made: ImportSet, names: Names) -> None:
        self._form, self._names = form, names
        self._files: Mapping[str, RowFiles] = {
            name: RowFiles(
                folder,
                f"{name}-{made.number:06d}-{made.period.name}",
                "csv",
                head=_head(template),
                rows_max=template.rows_max,
            )
            for name, template in form.templates
        }

    def add(self, booked: Booked) -> Sequence[Place]:
        """Write an entry."""
        rows: dict[str, list[bytes]] = {}
        for name, row in laid_out(self._form, booked.entry, booked.recorded.external_id, self._names):
            rows.setdefault(name, []).append(row)
        places = [self._files[name].add(its_rows) for name, its_rows in rows.items()]
        return [place for place in places if place is not None]

    def close(self) -> None:
        """End the files. Repeat: safe."""
        for files in self._files.values():
            files.close()


def _head(template: Template) -> list[bytes]:
    if not template.header:
        return []
    names = [plain(column.name, template.encoding, 200) for column in template.columns]
    mark = "".encode(template.encoding)
    return [mark + written(template, names)]
