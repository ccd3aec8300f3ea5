"""Details: what a reader of the books may want to know and no rule depends on."""

from collections.abc import Mapping
from typing import Any

from tallybook.accounting.entry import Details
from tallybook.bookkeeping.mapping import CodeMapping, Table, mapped
from tallybook.bookkeeping.wording import lines_kept, one_line
from tallybook.money import Money
from tallybook.pleo.models import ExportItem, NamedCode

_DESCRIPTION_LENGTH_MAX = 500
_NAME_LENGTH_MAX = 120
_REFERENCE_LENGTH_MAX = 200
_NOTE_LENGTH_MAX = 10_000
_URL_LENGTH_MAX = 2000


def details_of(item: ExportItem, supplier_amount: Money | None, mapping: CodeMapping) -> Details:
    """Collect the details; every text comes from people and is made harmless and bounded.

    Source: Pleo guide "Data mapping"; definition ExportItemV3.
    """
    extra = item.additional_information
    supplier = _line(item.supplier.name if item.supplier else None) or _line(item.vendor.name if item.vendor else None)
    person = _line(item.user.name if item.user else None)
    period = item.service_period
    return Details(
        description=_description(supplier, person, item.note, str(item.type)),
        reference=one_line(extra.reconciliation_id, _REFERENCE_LENGTH_MAX),
        sort=str(item.type),
        sub_sort=None if item.sub_type is None else str(item.sub_type),
        note=(lines_kept(item.note, _NOTE_LENGTH_MAX) or None) if item.note else None,
        supplier=supplier,
        person=person,
        person_code=_line(_code(item.user, mapping.employees)),
        team=_line(item.team.name if item.team else None),
        team_code=_line(_code(item.team, mapping.teams)),
        attendees=_lines(extra.attendees),
        # As given, even when it ends before it begins: it is only told, never reckoned with.
        service_from_on=period.from_.date() if period else None,
        service_to_on=period.to.date() if period else None,
        supplier_amount=supplier_amount,
        reconciled_references=_lines(extra.reconciled_entries),
        source_url=source_url(item.links),
    )


def _description(supplier: str | None, person: str | None, note: str | None, sort: str) -> str:
    parts = [supplier, person, one_line(note, _DESCRIPTION_LENGTH_MAX) if note else None]
    text = " - ".join(part for part in parts if part)
    return one_line(text or sort.replace("_", " "), _DESCRIPTION_LENGTH_MAX)


def _code(named: NamedCode | None, table: Table) -> str | None:
    return None if named is None else mapped(table, named.code) or named.code


def _line(text: str | None, length_max: int = _NAME_LENGTH_MAX) -> str | None:
    return (one_line(text, length_max) or None) if text else None


def _lines(texts: tuple[str | None, ...] | None) -> tuple[str, ...]:
    found = (_line(text, _REFERENCE_LENGTH_MAX) for text in texts or ())
    return tuple(dict.fromkeys(text for text in found if text))


def source_url(links: Mapping[str, Any]) -> str | None:
    """Give the address of an export item in Pleo's web app; None where its links name none that is one."""
    # Definition LinksResponse: three maps (api, mobile, web), each with the one entry `exportItem`.
    web = links.get("web")
    url = web.get("exportItem") if isinstance(web, Mapping) else None
    if not isinstance(url, str) or len(url) > _URL_LENGTH_MAX or " " in url or not url.isprintable():
        return None
    return url if url.startswith(("https://", "http://")) else None
