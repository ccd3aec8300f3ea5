"""SIE type 4I: the lines at the beginning of a file, and one #VER for each entry with its VAT in lines of its own.

Source: sie.se, "SIE filformat", edition 4B, sections 5 (elements) and 11 (labels).
"""

from collections.abc import Iterator

from tallybook import __version__
from tallybook.accounting.entry import Entry, Line
from tallybook.accounting.errors import AccountUnknown, DimensionUnknown, EntrySettingInvalid
from tallybook.accounting.handover import ImportSet, Names
from tallybook.adapters.sie.settings import SieSettings
from tallybook.import_files.amounts import two_decimals
from tallybook.import_files.format import year_of
from tallybook.import_files.texts import plain

ENCODING = "cp437"  # "PC8", the only character set of the format
_TEXT_MAX = 200
_CODE_MAX = 60


def head(settings: SieSettings, made: ImportSet, names: Names) -> list[bytes]:
    """Write everything that stands before the first voucher."""
    year = year_of(made.period.from_on, int(settings.fiscal_year_begins))
    lines = [
        "#FLAGGA 0",
        f'#PROGRAM "Tallybook" {_quoted(__version__)}',
        "#FORMAT PC8",
        f"#GEN {made.made_at:%Y%m%d}",
        "#SIETYP 4",
        f"#PROSA {_quoted(f'Set {made.number:06d}')}",
    ]
    if settings.organisation_number is not None:
        lines.append(f"#ORGNR {settings.organisation_number}")
    lines.append(f"#FNAMN {_quoted(settings.company_name or names.company or 'Tallybook')}")
    lines.append(f"#RAR 0 {year.from_on:%Y%m%d} {year.to_on:%Y%m%d}")
    lines.append(f"#VALUTA {settings.currency}")
    lines += [f"#KONTO {code} {_quoted(name or code)}" for code, name in names.accounts.items() if _is_number(code)]
    numbers = _numbers(settings)
    for group, tags in names.dimensions.items():
        if number := numbers.get(group.casefold()):
            lines.append(f"#DIM {number} {_quoted(tags.name or group)}")
            lines += [f"#OBJEKT {number} {_quoted(code)} {_quoted(name or code)}" for code, name in tags.values.items()]
    return [_line(line) for line in lines]


def voucher(settings: SieSettings, entry: Entry, made: ImportSet | None, number: str) -> list[bytes]:
    """Write one entry as one #VER; its documents balance, so it does. `number` is the book's; SIE's is given on import.

    Raises:
        EntryRefused: SIE has no place for it; the leaf says why, with the value, and where to mend it.
    """
    details = entry.details
    amount = str(details.supplier_amount) if details.supplier_amount else None
    moved = f"({entry.original_on})" if entry.original_on != entry.posting_on else None
    invoice = next((document.invoice_number for document in entry.documents if document.invoice_number), None)
    text = " - ".join(text for text in (details.description, invoice, amount, moved) if text)
    registered = f" {made.made_at:%Y%m%d}" if made else ""
    lines = [f'#VER "{settings.series}" "" {entry.posting_on:%Y%m%d} {_quoted(f"{number} {text}")}{registered}', "{"]
    for document in entry.documents:
        if document.currency != settings.currency:
            raise EntrySettingInvalid(
                f"The entry is in {document.currency}, and the SIE file in {settings.currency}; book this entry by "
                "hand, or correct books.sie.currency"
            )
        lines += [_transaction(settings, entry, line, document.currency) for line in document.lines]
    return [_line(line) for line in (*lines, "}")]


def _transaction(settings: SieSettings, entry: Entry, line: Line, currency: str) -> str:
    if not _is_number(line.account):
        raise AccountUnknown(
            f"The account {line.account[:80]!r} is no number, as SIE wants it; correct the account of the Category"
        )
    objects = " ".join(_objects(settings, line))
    text = _quoted(f"{entry.key.entry_id} {line.text}")
    return (
        f"#TRANS {line.account} {{{objects}}} {two_decimals(line.amount_minor, currency)} "
        f"{entry.posting_on:%Y%m%d} {text}"
    )


def _objects(settings: SieSettings, line: Line) -> Iterator[str]:
    numbers = _numbers(settings)
    for tag in line.dimensions:
        number = numbers.get(tag.group.casefold())
        if number is None:
            raise DimensionUnknown(
                f"The tag group {tag.group[:80]!r} has no number in books.sie.dimensions; add it there, with 0 to "
                "leave it out of the files"
            )
        if number and ("\\" in tag.code or plain(tag.code, ENCODING, _CODE_MAX) != tag.code):
            raise DimensionUnknown(
                f"The tag {tag.code[:80]!r} cannot be written in SIE: at most {_CODE_MAX} characters of the code page "
                "437, and no backslash; correct the Tag"
            )
        if number:
            yield f"{_quoted(str(number))} {_quoted(tag.code)}"


def _numbers(settings: SieSettings) -> dict[str, int]:
    return {group.casefold(): number for group, number in settings.dimensions.items()}


def _is_number(code: str) -> bool:
    return code.isascii() and code.isdigit()


def _quoted(text: str) -> str:
    # The format escapes quotes alone, so a backslash at the end of a text would escape the quote that ends it.
    return '"' + plain(text, ENCODING, _TEXT_MAX).replace("\\", "/").replace('"', '\\"') + '"'


def _line(text: str) -> bytes:
    return f"{text}\r\n".encode(ENCODING)
