"""Open items: what bills, credit notes and payments leave open, and which of them settle each other.

Counterparts are documents of one company, vendor and currency with one reference in common, whichever was recorded
first. A payment settles what it can and leaves the rest open; several payments may settle one bill. A returned payment
(a payment with the sign reversed) settles an open credit note; otherwise it undoes the payment it shares a reference
with, and the bill that payment had settled is open again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from tallybook.accounting.entry import Document, DocumentKind, LineRole
from tallybook.adapters.book.database import BookFile


def claims(document: Document) -> bool:
    """Whether a document opens or settles an item."""
    return document.kind is not DocumentKind.JOURNAL_ENTRY


def owed_minor(document: Document) -> int:
    """What we owe the vendor by a document: positive for a bill, negative for a credit note and for a payment.

    On bills and credit notes that is the other side of their cost. A payment moves money between the vendor's
    account and ours, and its first line is the vendor's.
    """
    if document.kind is DocumentKind.PAYMENT:
        return -document.lines[0].amount_minor
    return -sum(line.amount_minor for line in document.lines if line.role is LineRole.COUNTER)


@dataclass(slots=True)
class _Item:
    document: int
    kind: str
    owed_minor: int
    open_minor: int
    refs: set[tuple[object, ...]] = field(default_factory=set)

    @property
    def is_payment(self) -> bool:
        return self.kind == DocumentKind.PAYMENT


@dataclass(slots=True)
class _Settlement:
    """The state of the items a batch touches, and the rows to write."""

    items: dict[int, _Item]
    bills: set[int]  # also those that share no reference with the batch, but a payment with one that does
    settled: dict[tuple[int, int], int]  # (document, payment) -> amount, oldest first
    rows: list[tuple[int, int, int]] = field(default_factory=list)
    moved: dict[int, int] = field(default_factory=dict)

    def tie(self, document: int, payment: int, amount_minor: int, sign: int) -> None:
        """Settle `document` by `payment` (or undo it, if negative); `sign` is that of the document."""
        self.rows.append((document, payment, amount_minor))
        pair = (document, payment)
        self.settled[pair] = self.settled.pop(pair, 0) + amount_minor
        for place, change in ((document, -sign * amount_minor), (payment, sign * amount_minor)):
            self.moved[place] = self.moved.get(place, 0) + change
            if place in self.items:
                self.items[place].open_minor += change

    def _earlier(self, item: _Item) -> list[_Item]:
        """Earlier items that share a reference."""
        return [other for other in self.items.values() if other.document < item.document and other.refs & item.refs]

    def settle(self, item: _Item) -> None:
        """Let one new item find its counterparts: bills and credit notes before payments, the oldest first."""
        earlier = self._earlier(item)
        fitting = [
            other
            for other in earlier
            if item.open_minor * other.open_minor < 0 and (item.is_payment or other.is_payment)
        ]
        for other in sorted(fitting, key=lambda other: (other.is_payment, other.document)):
            amount = min(abs(item.open_minor), abs(other.open_minor))
            if amount == 0:
                break
            # The payment of the two pays; of two payments the one that went out does.
            pays = item if item.is_payment and (not other.is_payment or item.open_minor < 0) else other
            claim = other if pays is item else item
            self.tie(claim.document, pays.document, amount, 1 if claim.open_minor > 0 else -1)
        if item.is_payment:
            for other in sorted(earlier, key=lambda other: other.document):
                if other.is_payment:
                    self._return(item, other)
                    self._return(other, item)

    def _return(self, returned: _Item, payment: _Item) -> None:
        """Undo what a payment settled, newest first, as far as money came back."""
        if returned.open_minor <= 0 or payment.owed_minor >= 0:
            return
        for (document, paid_by), amount in reversed(list(self.settled.items())):
            undone = min(amount, returned.open_minor)
            if paid_by == payment.document and document in self.bills and undone > 0:
                self.tie(document, payment.document, -undone, 1)
                self.tie(returned.document, payment.document, undone, 1)


def settle(file: BookFile, first_document: int, refs: Sequence[tuple[object, ...]], recorded_at: str) -> None:
    """Settle the documents from `first_document` on, which stand in the tables already, with all that fits them.

    Repeat: only inside the transaction that wrote the documents; the items would be tied twice.
    """
    state = _read(file, refs)
    for document in sorted(state.items):
        if document >= first_document:
            state.settle(state.items[document])
    if not state.rows:
        return
    file.executemany(
        "INSERT INTO reconciliations (document, payment, amount_minor, recorded_at) VALUES (?, ?, ?, ?)",
        [(*row, recorded_at) for row in state.rows],
    )
    file.executemany(
        "UPDATE open_items SET open_minor = open_minor + ? WHERE document = ?",
        [(change, document) for document, change in state.moved.items() if change],
    )


def _read(file: BookFile, refs: Sequence[tuple[object, ...]]) -> _Settlement:
    items: dict[int, _Item] = {}
    wanted = json.dumps(sorted({tuple(str(part) for part in ref[:4]) for ref in refs}))
    for *ref, document, kind, owed, still_open in file.execute(
        """
        SELECT r.company_id, r.vendor, r.currency, r.ref, r.document, d.kind, o.owed_minor, o.open_minor
        FROM json_each(?) AS wanted
        JOIN open_item_refs r ON r.company_id = wanted.value ->> 0 AND r.vendor = wanted.value ->> 1
            AND r.currency = wanted.value ->> 2 AND r.ref = wanted.value ->> 3
        JOIN open_items o ON o.document = r.document
        JOIN documents d ON d.id = r.document
        """,
        (wanted,),
    ):
        items.setdefault(document, _Item(document, kind, owed, still_open)).refs.add(tuple(ref))
    payments = json.dumps([item.document for item in items.values() if item.is_payment])
    bills = {item.document for item in items.values() if item.kind == DocumentKind.BILL}
    settled: dict[tuple[int, int], int] = {}
    for document, payment, kind, amount in file.execute(
        """
        SELECT r.document, r.payment, d.kind, SUM(r.amount_minor) FROM reconciliations r
        JOIN documents d ON d.id = r.document
        WHERE r.payment IN (SELECT value FROM json_each(?))
        GROUP BY r.document, r.payment HAVING SUM(r.amount_minor) <> 0 ORDER BY MAX(r.id)
        """,
        (payments,),
    ):
        settled[document, payment] = amount
        if kind == DocumentKind.BILL:
            bills.add(document)
    return _Settlement(items, bills, settled)


def take_back(file: BookFile, pairs: Sequence[tuple[int, int]], recorded_at: str) -> None:
    """Close documents with those that reverse them; `pairs` are (document, the one that reverses it).

    What had settled a document is undone, so that a bill is open again whose payment was reversed, and a payment whose
    bill was: the corrected entry finds it.

    Repeat: only inside the transaction that wrote the reversals.
    """
    wanted = (json.dumps([original for original, _ in pairs]),)
    ties = [
        (document, payment, -amount)
        for document, payment, amount in file.execute(
            """
            SELECT r.document, r.payment, SUM(r.amount_minor) FROM reconciliations r
            WHERE r.document IN (SELECT value FROM json_each(?1)) OR r.payment IN (SELECT value FROM json_each(?1))
            GROUP BY r.document, r.payment HAVING SUM(r.amount_minor) <> 0 ORDER BY MIN(r.id)
            """,
            wanted,
        )
    ]
    reverses = dict(pairs)
    for original, owed, kind in file.execute(
        "SELECT o.document, o.owed_minor, d.kind FROM open_items o JOIN documents d ON d.id = o.document"
        " WHERE o.owed_minor <> 0 AND o.document IN (SELECT value FROM json_each(?))",
        wanted,
    ):
        # The payment of the two pays; of two payments the one that went out does.
        paid_first = kind == DocumentKind.PAYMENT and owed < 0
        tie = (reverses[original], original) if paid_first else (original, reverses[original])
        ties.append((*tie, abs(owed)))
    file.executemany(
        "INSERT INTO reconciliations (document, payment, amount_minor, recorded_at) VALUES (?, ?, ?, ?)",
        [(*tie, recorded_at) for tie in ties],
    )
    # All ties of one document are of one direction: that of what is owed by it.
    file.executemany(
        "UPDATE open_items SET open_minor = open_minor + (CASE WHEN owed_minor > 0 THEN -?2 ELSE ?2 END)"
        " WHERE document = ?1",
        [(place, amount) for document, payment, amount in ties for place in (document, payment)],
    )
