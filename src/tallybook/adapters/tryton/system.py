"""Tryton as an accounting system: one session, one writer at a time, spoken to over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tallybook.accounting.entry import Attachment, Entry, EntryKey, Held, Recorded, Reversal
from tallybook.accounting.errors import AccountingNotAuthorized, AttachmentNotStored, EntryRejected
from tallybook.accounting.system import Capabilities, Need, ReferenceData, Refused
from tallybook.adapters.tryton import (
    facts,
    open_items,
    posting,
    readiness,
    reading_back,
    receipts,
    recording,
    reversing,
    rpc,
)
from tallybook.adapters.tryton.known import Company
from tallybook.adapters.tryton.settings import TrytonSettings, read_settings


class Tryton:
    """An `AccountingSystem` that is a company in a Tryton server.

    Entries are found by a mark in their description and written behind a fence (`recording`), so a key is written
    once even by two writers, and by a write that was thought lost.
    """

    def __init__(self, settings: TrytonSettings) -> None:
        self.settings = settings
        books = f"tryton {settings.url.rstrip('/')}/{settings.database} {settings.company or ''}".rstrip()
        self.capabilities = Capabilities(
            batch_size=100,
            reversals=True,
            rehearses=True,
            rehearses_reversals=True,
            reads_back=True,
            identity=books,
        )
        self._session = rpc.Session(settings)
        self._company: Company | None = None
        self._entering = asyncio.Lock()
        self._writing = asyncio.Lock()  # the fence would let one of two in anyway; this spares the other the way
        base = (settings.view_url or "").rstrip("/")
        self._view_url = f"{base}/#{settings.database}" if base else None

    @asynccontextmanager
    async def _entered(self) -> AsyncIterator[Company]:
        """Know who we are in Tryton; what it refuses outside of a write is a right that is missing."""
        try:
            async with self._entering:
                if self._company is None:
                    self._company = await readiness.enter(self._session, self.settings)
            yield self._company
        except (rpc.Refused, rpc.Warned, rpc.Overtaken) as error:
            raise AccountingNotAuthorized(
                f"Tryton at {self.settings.url} refused: {error} "
                f"(if that is for a right: the user {self.settings.user!r} needs the group Accounting)"
            ) from error

    async def check_ready(self, need: Need) -> None:
        """Find out whether a job could be recorded now; reads only.

        Repeat: safe.
        Raises:
            AccountingUnreachable: nobody answers at `books.tryton.url`, or it is no Tryton.
            AccountingTimeout: no answer within `books.tryton.read_timeout_s`.
            AccountingRateLimited: Tryton asks for fewer calls, after wrong passwords for instance.
            AccountingAuthenticationFailed: Tryton does not accept the user or the password.
            AccountingNotAuthorized: the user lacks a right.
            AccountingSettingInvalid: another series of Tryton, no such database, company or journal.
            AccountingSettingMissing: Tryton is not prepared, has no open period, or the user has no company.
        """
        self._company = None  # a bookkeeper may have changed it since
        async with self._entered() as company:
            await readiness.check(self._session, company, self.settings, need)

    async def reference_data(self) -> ReferenceData:
        """Read accounts, taxes, analytic accounts, parties and periods.

        Repeat: safe.
        """
        async with self._entered() as company:
            return await facts.reference_data(self._session, company)

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        """Say which of these entries are in Tryton with all their documents.

        Repeat: safe.
        """
        async with self._entered() as company:
            there = await recording.search(self._session, company, keys)
            return await recording.recorded(self._session, there, self._view_url)

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        """Record entries as drafts, one answer for each in the same order; one bad entry spoils no other.

        Repeat: a key already in Tryton is not written again; one of which a document is missing is completed.
        """
        if not entries:
            return []
        async with self._entered() as company, self._writing:
            answers = await recording.Batch(self._session, company, entries).record(self._view_url)
            return [answers[entry.key] for entry in entries]

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        """Store files with the first document of their entries; returns those not taken.

        Repeat: safe; a file is known by entry, position and sha256.
        """
        refused: list[Refused] = []
        async with self._entered() as company, self._writing:
            there = await recording.search(self._session, company, [each.key for each, _ in files])
            stored = await receipts.attached(self._session, [each[1].reference for each in there.values() if 1 in each])
            for each, file in files:
                first = there.get(each.key, {}).get(1)
                if first is None:
                    refused.append(
                        Refused(each.key, AttachmentNotStored(f"Tryton has no entry {each.key.entry_id[:80]}"))
                    )
                    continue
                known = stored.setdefault(first.reference, set())
                if file.is_among(known):
                    continue
                error = await receipts.attach(self._session, first.reference, file)
                if error is not None:
                    refused.append(Refused(each.key, error))
                else:
                    known.add((file.position, file.sha256))
        return refused

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        """Post entries, and reconcile bills with payments, reversals with originals; answers in the same order.

        Repeat: safe; a posted entry stays as it is.
        """
        async with self._entered() as company, self._writing:
            there = await recording.search(self._session, company, [entry.key for entry in entries])
            refused = await reversing.make_room(self._session, there)
            ready = {key: documents for key, documents in there.items() if key not in refused}
            refused |= await posting.post(self._session, company, ready)
            posted = await recording.search(self._session, company, list(there))
            documents = [each for found in posted.values() for each in found.values()]
            # What a reversal made room in, also one that was refused then.
            made_open = {each.takes_back for each in documents if each.takes_back is not None}
            await open_items.settle(
                self._session, company, {each.reference for each in documents if each.posted} | made_open
            )
            await reversing.name_reversals(self._session, posted)
            answers = await recording.recorded(self._session, posted, self._view_url)
        return [
            Refused(entry.key, refused[entry.key]) if entry.key in refused else self._posted(entry, answers)
            for entry in entries
        ]

    async def reverse(self, reversals: Sequence[Reversal]) -> Sequence[Recorded | Refused]:
        """Record reversals as drafts, one answer for each in the same order; the entries they reverse stay.

        Repeat: a key already in Tryton is not written again; one of which a document is missing is completed.
        """
        async with self._entered() as company, self._writing:
            return await reversing.reverse(self._session, company, reversals, self._view_url)

    def _posted(self, entry: Recorded, answers: Mapping[EntryKey, Recorded]) -> Recorded | Refused:
        if entry.key in answers:
            return answers[entry.key]
        return Refused(entry.key, EntryRejected(f"{entry.external_id} is no longer in Tryton; export the entry again"))

    async def rehearse(self, entries: Sequence[Entry]) -> Sequence[Refused]:
        """Say which of these entries Tryton's state would have us refuse now, and why; writes nothing.

        Repeat: safe.
        """
        async with self._entered() as company:
            return await reading_back.rehearse(self._session, company, entries)

    async def rehearse_reversals(self, reversals: Sequence[Reversal]) -> Sequence[Refused]:
        """Say which of these reversals Tryton's state would have us refuse now, and why; writes nothing.

        Repeat: safe.
        """
        async with self._entered() as company:
            return await reversing.rehearse(self._session, company, reversals)

    async def read_back(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Held]:
        """Read what Tryton holds of these entries now.

        Repeat: safe.
        """
        async with self._entered() as company:
            return await reading_back.read_back(self._session, company, keys)

    async def aclose(self) -> None:
        """Close the connections.

        Repeat: safe.
        """
        await self._session.aclose()


def open_tryton(section: Mapping[str, Any]) -> Tryton:
    """Open the Tryton that the section `[books.tryton]` names; the first call connects to it.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong with the section.
    """
    settings = read_settings(section)
    settings.secret()  # a missing password is said now, not in the middle of a job
    return Tryton(settings)
