"""Export items for the eye: what a page shows of a document, whatever shape a test gave it.

Nothing here raises: what is not as the definition has it is shown as far as it goes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallybook.money import MinorUnits, MoneyError, from_pleo
from tallybook.sandbox import documents
from tallybook.sandbox.documents import KeptDocument
from tallybook.sandbox.errors import Refusal
from tallybook.sandbox.links import Links
from tallybook.sandbox.webapp import words

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\[\]{},:"\s]+')
_RAW_LENGTH_MAX: Final = 200_000
_INDENTS_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Coded:
    """A thing with a code and a name, as the books and Pleo have it; `group` is a tag's."""

    code: str
    name: str = ""
    group: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.group, self.code, self.name) if part)


@dataclass(frozen=True, slots=True)
class LineShown:
    """A line of an expense; amounts are written in full."""

    position: int
    category: Coded | None
    tax: Coded | None
    tags: tuple[Coded, ...]
    amount: str
    net_amount: str
    tax_amount: str


@dataclass(frozen=True, slots=True)
class ReceiptShown:
    """A file of an expense: `position` names one that the sandbox draws, `link` one that lies elsewhere."""

    position: int | None
    type: str
    size_bytes: str
    link: str | None
    url: str


@dataclass(frozen=True, slots=True)
class ExpenseShown:
    """An expense as the pages show it."""

    type: str
    date: str
    supplier: str
    note: str
    person: str
    team: str
    amount: str
    supplier_amount: str
    vendor: Coded | None
    method: str
    lines: tuple[LineShown, ...]
    receipts: tuple[ReceiptShown, ...]

    @property
    def categories(self) -> list[Coded | None]:
        """The categories of its lines, each once; None for a line without."""
        return list(dict.fromkeys(line.category for line in self.lines))


def shown(text: str, vendor_part: str, links: Links) -> ExpenseShown:
    """Read a stored document for the eye."""
    return of_document(whole(text, vendor_part, links))


def whole(text: str, vendor_part: str, links: Links) -> Any:
    """Put a stored document together; None for one that cannot be read."""
    try:
        return documents.whole(KeptDocument(text, vendor_part), links)
    except Refusal:
        return None


def of_document(document: Any) -> ExpenseShown:
    """Read a whole document for the eye."""
    kind, sub_type = words.named(text_at(document, "type")), text_at(document, "subType")
    booked, spent = (amount_at(document, "amount", side=side) for side in ("inWalletCurrency", "inSupplierCurrency"))
    return ExpenseShown(
        type=f"{kind} ({words.named(sub_type).lower()})" if sub_type else kind,
        date=text_at(document, "date")[:10],
        supplier=text_at(document, "supplier", "name") or text_at(document, "vendor", "name"),
        note=text_at(document, "note"),
        person=text_at(document, "user", "name"),
        team=text_at(document, "team", "name"),
        amount=booked,
        supplier_amount="" if spent == booked else spent,
        vendor=_coded(_at(document, "vendor")),
        method=words.named(text_at(document, "bookkeeping", "method")),
        lines=tuple(_line(line, at) for at, line in enumerate(list_at(document, "accountingEntryLines"), start=1)),
        receipts=tuple(_receipt(file) for file in list_at(document, "files") if isinstance(file, dict)),
    )


def _line(line: Any, position: int) -> LineShown:
    return LineShown(
        position=position,
        category=_coded(_at(line, "account")),
        tax=_coded(_at(line, "tax")),
        tags=tuple(tag for part in list_at(line, "tags") if (tag := _coded(part))),
        amount=amount_at(line, "lineAmount"),
        net_amount=amount_at(line, "netAmount"),
        tax_amount=amount_at(line, "tax", "amount"),
    )


def _coded(part: Any) -> Coded | None:
    if not isinstance(part, Mapping):
        return None
    return Coded(text_at(part, "code"), text_at(part, "name"), text_at(part, "groupCode"))


def _receipt(file: Mapping[str, Any]) -> ReceiptShown:
    position, url = file.get("receipt"), text_at(file, "url")
    elsewhere = bool(url)  # a test may point to a server of its own
    return ReceiptShown(
        position=position if isinstance(position, int) and not elsewhere else None,
        type=text_at(file, "type"),
        size_bytes=text_at(file, "size"),
        link=words.web_link(url),
        url=url,
    )


def _at(document: Any, *path: str) -> Any:
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def text_at(document: Any, *path: str) -> str:
    """Give the text or number at a path of member names; empty where there is none."""
    value = _at(document, *path)
    if value is None or isinstance(value, (dict, list)):
        return ""
    return str(value).encode("utf-8", "replace").decode()  # JSON may hold half a surrogate pair, which no page can


def list_at(document: Any, *path: str) -> list[Any]:
    """Give the array at a path of member names; empty where there is none."""
    value = _at(document, *path)
    return value if isinstance(value, list) else []


def amount_at(document: Any, *path: str, side: str = "inWalletCurrency") -> str:
    """Write the amount at a path of member names: `1365.11 DKK`; as it came where it is no amount."""
    money = _at(document, *path, side)
    currency = text_at(money, "currency")
    try:
        return str(from_pleo(_at(money, "value"), currency, MinorUnits.HUNDREDTHS))
    except MoneyError:
        return f"{text_at(money, 'value')} {currency}".strip()


def indented(text: str) -> str:
    """Write JSON with line ends and indents and nothing else changed: every number and escape as it was sent."""
    parts: list[str] = []
    depth = length = 0
    previous = ""
    for piece in _TOKEN.findall(text):
        if piece in {"]", "}"}:
            depth -= 1
            parts.append("" if previous in {"[", "{"} else f"\n{'  ' * min(depth, _INDENTS_MAX)}")
        elif previous in {"[", "{", ","}:
            parts.append(f"\n{'  ' * min(depth, _INDENTS_MAX)}")
        parts.append(f"{piece} " if piece == ":" else piece)
        depth += piece in {"[", "{"}
        previous = piece
        length += len(piece)
        if length > _RAW_LENGTH_MAX:
            parts.append(f"\n… cut here, after {_RAW_LENGTH_MAX} characters")
            break
    return "".join(parts)
