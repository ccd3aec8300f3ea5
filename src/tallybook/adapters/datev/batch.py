"""A Buchungsstapel: the header of a file, and the rows of an entry.

A row moves a gross amount between Konto and Gegenkonto; DATEV takes the tax out of it by the BU-Schluessel, which
belongs to the Gegenkonto. So the account that money moved on is the Konto, and what was bought the Gegenkonto.

Source: developer.datev.de, DATEV-Format, "Buchungsstapel" and "Header".
"""

import re
from collections.abc import Iterator, Mapping

from tallybook.accounting.entry import Document, DocumentKind, Entry
from tallybook.accounting.errors import (
    AccountUnknown,
    EntryInvalid,
    EntryRejected,
    EntrySettingInvalid,
    TaxCodeUnknown,
)
from tallybook.accounting.handover import ImportSet
from tallybook.adapters.datev.columns import ENCODING, quoted, row
from tallybook.adapters.datev.settings import DatevSettings, TaxKey
from tallybook.import_files.amounts import GrossLine, Pair, check_tax, gross_lines, pairs, two_decimals
from tallybook.import_files.texts import cell, spelt
from tallybook.money import decimal_text

ROWS_MAX = 99_999
_DIGITS_MAX = 10  # of the amount, before the decimal comma
_TEXT_MAX, _COST_MAX, _NUMBER_MAX = 60, 36, 36
_INFO_KIND_MAX, _INFO_MAX, _INFOS = 20, 210, 8
_NO_AUTOMATIC = "40"  # BU-Schluessel "Aufhebung der Automatik"
_NOT_IN_NUMBER = re.compile(r"[^A-Za-z0-9$&%*+\-/]")


def header(settings: DatevSettings, made: ImportSet) -> bytes:
    """Write the first line of a file: 31 fields."""
    period = made.period
    begins = int(settings.fiscal_year_begins)
    year = period.from_on.year - (1 if period.from_on.month < begins else 0)
    fields = [
        '"EXTF"', "700", "21", '"Buchungsstapel"', "13",
        f"{made.made_at:%Y%m%d%H%M%S}{made.made_at.microsecond // 1000:03d}", "", '"RE"', '""', '""',
        str(settings.consultant_number), str(settings.client_number), f"{year}{begins:02d}01",
        str(settings.account_length), f"{period.from_on:%Y%m%d}", f"{period.to_on:%Y%m%d}",
        quoted(f"Tallybook {made.number:06d}"), quoted(settings.initials), "1", "0", "1" if settings.locked else "0",
        quoted(settings.currency), "", '""', "", "", quoted(settings.chart), "", "", '""', '""',
    ]  # fmt: skip
    return (";".join(fields) + "\r\n").encode(ENCODING)


def rows(settings: DatevSettings, entry: Entry, *, has_receipts: bool) -> list[bytes]:
    """Write the rows of an entry; an entry of zeros has none, for DATEV knows no amount of zero.

    Raises:
        EntryRefused: DATEV has no place for it; the leaf says why, with the value, and where to mend it.
    """
    return [row(cells) for cells in _cells(settings, entry, has_receipts=has_receipts)]


def _cells(settings: DatevSettings, entry: Entry, *, has_receipts: bool) -> Iterator[Mapping[str, str]]:
    if _NOT_IN_NUMBER.search(entry.key.entry_id) or len(entry.key.entry_id) > _NUMBER_MAX:
        raise EntryInvalid(f"The entry's id {entry.key.entry_id[:80]!r} is no UUID, and DATEV has no place for it")
    for document in entry.documents:
        if document.currency != settings.currency:
            raise EntrySettingInvalid(
                f"The entry is in {document.currency}, and the DATEV client is kept in {settings.currency}; "
                "book this entry by hand, or correct books.datev.currency"
            )
        folded = gross_lines(document, lambda code: not _tax_key(settings, code).own_rows)
        for pair in pairs(folded):
            yield _row_cells(settings, entry, document, pair) | _document_link(entry, has_receipts=has_receipts)


def _tax_key(settings: DatevSettings, code: str) -> TaxKey:
    found = settings.tax_keys.get(code)
    if found is None:
        raise TaxCodeUnknown(
            f"There is no BU-Schlüssel for the tax code {code!r}; add it to books.datev.tax_keys, or correct the Tax "
            "Code of the expense"
        )
    return found


def _row_cells(settings: DatevSettings, entry: Entry, document: Document, pair: Pair) -> dict[str, str]:
    line, details = pair.line, entry.details
    described = " - ".join(text for text in (details.description, line.text) if text)
    return {
        "Umsatz (ohne Soll/Haben-Kz)": _amount(line.amount_minor, document.currency),
        "Soll/Haben-Kennzeichen": "H" if line.amount_minor > 0 else "S",  # of the Konto, which is credited for a cost
        "WKZ Umsatz": document.currency,
        "Konto": _account(settings, pair.against),
        "Gegenkonto (ohne BU-Schlüssel)": _account(settings, line.account),
        "BU-Schlüssel": _key_of(settings, line, document.currency),
        "Belegdatum": f"{entry.posting_on:%d%m}",
        "Belegfeld 1": _document_number(settings, entry, document),
        "Buchungstext": cell(described, ENCODING, _TEXT_MAX),
        **_infos(settings, entry, document, line),
        **_costs(settings, line),
        **_due(document),
    }


def _amount(amount_minor: int, currency: str) -> str:
    text = two_decimals(abs(amount_minor), currency).replace(".", ",")
    if len(text) > _DIGITS_MAX + 3:
        raise EntryRejected(
            f"The amount {decimal_text(amount_minor, currency)} {currency} is larger than DATEV takes (10 digits); "
            "book this entry by hand"
        )
    return text


def _account(settings: DatevSettings, code: str) -> str:
    longest = settings.account_length + 1
    if not (code.isascii() and code.isdigit() and len(code) <= longest):
        raise AccountUnknown(
            f"The account {code[:80]!r} is no number of at most {longest} digits, as DATEV wants it; correct the "
            "account of the Category, or books.datev.account_length"
        )
    return code


def _key_of(settings: DatevSettings, line: GrossLine, currency: str) -> str:
    """Find the BU-Schluessel of a line, and see that DATEV will come to the tax the book has."""
    automatic = line.account in settings.automatic_accounts
    if line.tax_code is None:
        return _NO_AUTOMATIC if automatic else ""
    key = _tax_key(settings, line.tax_code)
    check_tax(line, currency, key.percent, reverse=key.reverse, setting="books.datev.tax_keys")
    return "" if automatic else key.key or ""


def _document_number(settings: DatevSettings, entry: Entry, document: Document) -> str:
    if settings.document_number == "invoice_number" and document.invoice_number:
        number = _NOT_IN_NUMBER.sub("", spelt(document.invoice_number, "ascii")).lstrip("+-*")[:_NUMBER_MAX]
        if number:
            return number
    return entry.key.entry_id


def _infos(settings: DatevSettings, entry: Entry, document: Document, line: GrossLine) -> dict[str, str]:
    """What has no column of its own, in the pairs of kind and content that DATEV shows with the document."""
    details = entry.details
    moved = entry.original_on != entry.posting_on
    by_entry = settings.document_number == "entry_id"
    costs = {group.casefold() for group in (settings.cost_1, settings.cost_2) if group is not None}
    told = [
        ("Rechnung", document.invoice_number) if by_entry else ("Eintrag", entry.key.entry_id),
        ("Kreditor", document.vendor),
        *((tag.group, tag.code) for tag in line.dimensions if tag.group.casefold() not in costs),
        ("Belegdatum", entry.original_on.isoformat() if moved else None),
        ("Fremdwährung", str(details.supplier_amount) if details.supplier_amount else None),
        ("Person", details.person),
        ("Team", details.team),
        ("Notiz", details.note),
    ]
    kept = [(kind, text) for kind, text in told if text][:_INFOS]
    cells = {}
    for number, (kind, text) in enumerate(kept, start=1):
        cells[f"Beleginfo - Art {number}"] = cell(kind, ENCODING, _INFO_KIND_MAX)
        cells[f"Beleginfo - Inhalt {number}"] = cell(text, ENCODING, _INFO_MAX)
    return cells


def _costs(settings: DatevSettings, line: GrossLine) -> dict[str, str]:
    costs = {}
    for column, group in (("KOST1 - Kostenstelle", settings.cost_1), ("KOST2 - Kostenstelle", settings.cost_2)):
        codes = [tag.code for tag in line.dimensions if group and tag.group.casefold() == group.casefold()]
        if not codes:
            continue
        if len(codes) > 1 or len(codes[0]) > _COST_MAX or cell(codes[0], ENCODING, _COST_MAX) != codes[0]:
            raise EntryRejected(
                f"The tag {codes[0][:80]!r} of {group!r} cannot become {column[:5]} in DATEV: one tag of at most "
                f"{_COST_MAX} plain characters can; correct the Tag"
            )
        costs[column] = codes[0]
    return costs


def _due(document: Document) -> dict[str, str]:
    if document.kind not in {DocumentKind.BILL, DocumentKind.CREDIT_NOTE} or document.due_on is None:
        return {}
    return {"Fälligkeit": f"{document.due_on:%d%m%Y}"}


def _document_link(entry: Entry, *, has_receipts: bool) -> dict[str, str]:
    return {"Beleglink": f'BEDI "{entry.key.entry_id}"'} if has_receipts else {}
