"""Preparing Tryton for Tallybook, once: the journal of its entries, and the fence that every write passes."""

from collections.abc import Sequence
from datetime import date

from tallybook.accounting.errors import AccountingSettingInvalid
from tallybook.adapters.tryton import wire
from tallybook.adapters.tryton.rpc import Session

FENCE_TEXT = "Tallybook: keeps entries from being written twice; leave in place"


async def journals(session: Session, codes: Sequence[str]) -> list[tuple[int, str, str]]:
    """Find journals by their codes: id, code and type, the oldest first.

    Repeat: safe.
    """
    rows = await session.call(
        "model.account.journal.search_read",
        [["code", "in", list(codes)]], 0, None, [["id", "ASC"]], ["code", "type"],
    )  # fmt: skip
    return [(row["id"], row["code"], row["type"]) for row in rows]


async def fence(session: Session, company: int, journal: int) -> int | None:
    """Find the fence's line: the oldest posted entry of the journal with its text; None where there is none.

    Repeat: safe.
    """
    found: list[int] = await session.call(
        "model.account.move.line.search",
        [
            ["move.company", "=", company], ["move.journal", "=", journal], ["move.state", "=", "posted"],
            ["move.description", "=", FENCE_TEXT],
        ],
        0, 1, [["id", "ASC"]],
    )  # fmt: skip
    return found[0] if found else None


async def prepare(session: Session, company: int, code: str) -> list[str]:
    """Make what is missing; says in a sentence each what was made.

    The fence is a posted entry of nothing: only a posted one keeps no period from being closed.

    Repeat: safe; what is there stays. Two at once may make two fences, of which the older one is used.
    Raises:
        AccountingSettingInvalid: there is no open period, or no account that can be posted to.
        Refused: the user may not.
    """
    made = []
    found = next((number for number, _, _ in await journals(session, [code])), None)
    if found is None:
        created = await session.call(
            "model.account.journal.create", [{"name": "Tallybook", "code": code, "type": "general"}]
        )
        found = int(created[0])
        made.append(f"journal {code}")
    if await fence(session, company, found) is None:
        period, on = await _open_period(session, company)
        line = {"account": await _plain_account(session, company), "debit": _nothing(), "credit": _nothing()}
        moves = await session.call(
            "model.account.move.create",
            [
                {
                    "company": company,
                    "journal": found,
                    "period": period,
                    "date": wire.day(on),
                    "description": FENCE_TEXT,
                    "lines": [["create", [line]]],
                }
            ],
        )
        await session.call("model.account.move.post", moves)
        made.append(f"an entry of nothing in the journal {code}, which keeps others from being written twice")
    return made


def _nothing() -> dict[str, str]:
    return wire.amount(0, "EUR")


async def _open_period(session: Session, company: int) -> tuple[int, date]:
    rows = await session.call(
        "model.account.period.search_read",
        [["company", "=", company], ["type", "=", "standard"], ["state", "=", "open"]],
        0, 1, [["start_date", "ASC"]], ["start_date"],
    )  # fmt: skip
    if not rows:
        raise AccountingSettingInvalid("Tryton has no open period; add a fiscal year with periods there first")
    return rows[0]["id"], rows[0]["start_date"]


async def _plain_account(session: Session, company: int) -> int:
    found: list[int] = await session.call(
        "model.account.account.search",
        [
            ["company", "=", company], ["type", "!=", None], ["closed", "!=", True],
            ["party_required", "!=", True], ["reconcile", "!=", True], ["second_currency", "=", None],
        ],
        0, 1, [["code", "ASC"]],
    )  # fmt: skip
    if not found:
        raise AccountingSettingInvalid("Tryton has no account that entries can be posted to; add a chart of accounts")
    return found[0]
