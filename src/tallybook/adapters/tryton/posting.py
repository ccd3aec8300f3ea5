"""Posting: drafts become final; Tryton's warnings are answered knowingly, and a refused one spoils no other."""

from collections import deque
from collections.abc import Sequence

from tallybook.accounting.entry import EntryKey
from tallybook.accounting.errors import EntryRefused, EntryRejected, PeriodClosed
from tallybook.adapters.tryton.facts import periods_of
from tallybook.adapters.tryton.known import Company
from tallybook.adapters.tryton.recording import INVOICE, MOVE, Found, Written
from tallybook.adapters.tryton.rpc import Refused, Session, Warned

# Two expenses may pay parts of one bill, so bills of ours may look alike; one entered by hand was refused before.
_SIMILAR = ".invoice_similar"


async def post(session: Session, company: Company, found: Found) -> dict[EntryKey, EntryRefused]:
    """Post every draft of these entries, bills before payments; says which were refused and why.

    Repeat: safe; what is posted is left alone.
    Raises:
        AccountingError: Tryton could not be asked; a part may be posted.
    """
    refused: dict[EntryKey, EntryRefused] = {}
    for model in (INVOICE, MOVE):
        drafts = [
            (key, written)
            for key, there in found.items()
            for written in there.values()
            if written.model == model and not written.posted and key not in refused
        ]
        refused |= await _post(session, company, model, drafts)
    return refused


async def _post(
    session: Session, company: Company, model: str, drafts: Sequence[tuple[EntryKey, Written]]
) -> dict[EntryKey, EntryRefused]:
    refused = await _in_closed_periods(session, company, model, drafts)
    group = [(key, written) for key, written in drafts if key not in refused]
    queue = deque([group] if group else [])
    while queue:
        group = queue.popleft()
        try:
            await _post_together(session, model, [written.id for _, written in group])
        except (Refused, Warned) as error:
            if len(group) > 1:
                half = len(group) // 2
                queue.extendleft([group[half:], group[:half]])
                continue
            ((key, written),) = group
            refused[key] = EntryRejected(f"{written.reference} is recorded in Tryton and not posted: {error}")
    return refused


async def _in_closed_periods(
    session: Session, company: Company, model: str, drafts: Sequence[tuple[EntryKey, Written]]
) -> dict[EntryKey, EntryRefused]:
    """Refuse what is dated in a period, or in a journal's period, that was closed since it was recorded.

    Tryton would post into a period that is closed for the journal alone.
    """
    if not drafts:
        return {}
    day, journal = ("accounting_date", company.bill_journal) if model == INVOICE else ("date", company.journal)
    rows = await session.call(f"model.{model}.read", [written.id for _, written in drafts], [day])
    days = {row["id"]: row[day] for row in rows}
    periods = await periods_of(session, company, [])
    refused: dict[EntryKey, EntryRefused] = {}
    for key, written in drafts:
        on = days.get(written.id)
        period = next((each for each in periods if on is not None and each.from_on <= on <= each.to_on), None)
        if period is not None and (not period.open or journal in period.closed_journals):
            refused[key] = PeriodClosed(
                f"{written.reference} of {on} is recorded in Tryton and not posted: the period {period.from_on} to "
                f"{period.to_on} is closed; reopen it there"
            )
    return refused


async def _post_together(session: Session, model: str, ids: Sequence[int]) -> None:
    """Post records, all or none.

    Raises:
        Refused: Tryton did not.
        Warned: it wants an answer to something we cannot answer for a bookkeeper.
    """
    for _ in range(len(ids) + 1):
        try:
            await session.call(f"model.{model}.post", list(ids))
        except Warned as warning:
            if not warning.name.endswith(_SIMILAR):
                raise
            await session.call("model.res.user.warning.skip", warning.name, False)
        else:
            return
    raise Refused("it warns again of what was answered")
