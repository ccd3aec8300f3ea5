"""A bench for the counting house, with the kit's proxy between the adapter and the server."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from tallybook.accounting.entry import Dimension, DocumentKind, EntryKey, PostingState
from tallybook.accounting.errors import (
    AccountingAuthenticationFailed,
    AccountingSettingInvalid,
    AccountingUnreachable,
)
from tallybook.accounting.system import Adapter
from tallybook.testkit.bench import Bench, TrialCompany, Unready
from tallybook.testkit.content import Held, HeldDocument, HeldLine
from tallybook.testkit.proxy import FaultProxy
from tests.adapters.kit.counting_house import PASSWORD, CountingHouse
from tests.adapters.kit.counting_house_adapter import ADAPTER

COMPANY = TrialCompany(
    company_id="3f2b8a52-6c1d-4a11-9c40-0a5ad5a1f001",
    currency="EUR",
    cost_accounts=("6071", "5410"),
    wallet_account="1920",
    payable_account="2440",
    open_on=date(2026, 2, 3),
    closed_on=date(2025, 1, 31),
    tax_code="25",
    tax_in_account="2640",
    dimensions=(Dimension("project", "P/1"),),
    vendor="V1",
)


@dataclass(kw_only=True)
class HouseBench(Bench):
    house: CountingHouse

    async def contents(self) -> Sequence[Held]:
        with self.house.ledger.lock:
            return [_held(entry) for entry in self.house.ledger.entries]

    async def close_period(self, on: date) -> bool:
        self.house.ledger.closed.add(on.isoformat())
        return True

    async def reopen_period(self, on: date) -> None:
        self.house.ledger.closed.discard(on.isoformat())

    async def end_sessions(self) -> bool:
        self.house.ledger.sessions.clear()
        return True


def _held(entry: dict[str, Any]) -> Held:
    company_id, _, entry_id = entry["reference"].partition("/")
    return Held(
        key=EntryKey(company_id, entry_id),
        posting_on=date.fromisoformat(entry["on"]),
        documents=tuple(
            HeldDocument(
                kind=DocumentKind(document["kind"]),
                currency=document["currency"],
                lines=tuple(
                    HeldLine(
                        line["account"],
                        line["amount_minor"],
                        line["tax_code"],
                        frozenset((group, code) for group, code in line["dimensions"]),
                    )
                    for line in document["lines"]
                ),
                vendor=document["vendor"],
                invoice_number=document["invoice_number"],
            )
            for document in entry["documents"]
        ),
        state=PostingState(entry["state"]),
        files=tuple(sorted(sha256(content).hexdigest() for content in entry["files"].values())),
    )


@contextmanager
def house_bench(*, unique: bool, one_writer: bool = False, adapter: Adapter = ADAPTER) -> Iterator[HouseBench]:
    """A server, the proxy before it, and the bench for both."""
    house = CountingHouse(unique=unique)
    proxy = FaultProxy(house.url)
    settings = {"url": proxy.url, "password": PASSWORD, "company_id": COMPANY.company_id, "timeout_s": 0.5}
    try:
        yield HouseBench(
            adapter=adapter,
            settings=settings,
            company=COMPANY,
            proxy=proxy,
            house=house,
            one_writer=one_writer,
            secrets=[PASSWORD],
            unready=[
                Unready("nobody there", {**settings, "url": "http://127.0.0.1:9"}, AccountingUnreachable),
                Unready("wrong password", {**settings, "password": "wrong"}, AccountingAuthenticationFailed),
                Unready("another company's", {**settings, "company_id": "another"}, AccountingSettingInvalid),
            ],
        )
    finally:
        proxy.close()
        house.close()
