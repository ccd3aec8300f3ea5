"""Proofs over a disturbed connection: cut, silence, 429, 503 and lost sessions, at every request in turn.

After each, Tallybook does what it always does after a doubt: it asks what is there and records the rest.
"""

from collections.abc import Awaitable, Callable

import pytest

from tallybook.accounting.errors import (
    AccountingAuthenticationFailed,
    AccountingError,
    AccountingRateLimited,
    AccountingTimeout,
    AccountingUnreachable,
)
from tallybook.accounting.system import AccountingSystem, Need
from tallybook.testkit.attachments import Files
from tallybook.testkit.bench import Bench
from tallybook.testkit.entries import Entries
from tallybook.testkit.killed import opened
from tallybook.testkit.oracle import Oracle, all_recorded, interrupted, recorded, take_up
from tallybook.testkit.proxy import Fault, FaultProxy
from tallybook.testkit.verdict import Unproven, not_applicable, require

REQUESTS_MAX = 60  # of one call; more mean that it never comes to an end
ALWAYS = 1_000_000

_PASSING = (AccountingUnreachable, AccountingTimeout, AccountingRateLimited)
# What an adapter may raise when one request meets with this; it may as well cope by itself.
ONCE: dict[Fault, tuple[type[AccountingError], ...]] = {
    Fault.CUT_BEFORE: (AccountingUnreachable, AccountingTimeout),
    Fault.CUT_AFTER: (AccountingUnreachable, AccountingTimeout),
    Fault.SILENT_AFTER: (AccountingTimeout, AccountingUnreachable),
    Fault.STATUS_401: (AccountingAuthenticationFailed,),
    Fault.STATUS_429: (AccountingRateLimited,),
    Fault.STATUS_503: _PASSING,
}
# What it must raise when every request does.
FOR_EVER: dict[Fault, tuple[type[AccountingError], ...]] = {
    Fault.CUT_BEFORE: (AccountingUnreachable, AccountingTimeout),
    Fault.SILENT_AFTER: (AccountingTimeout,),
    Fault.STATUS_401: (AccountingAuthenticationFailed,),
    Fault.STATUS_429: (AccountingRateLimited,),
    Fault.STATUS_503: _PASSING,
}


class DoubtProof:
    """A connection that cannot be relied on; where nothing lies between adapter and books, none of it applies."""

    @pytest.mark.parametrize("fault", ONCE, ids=lambda fault: fault.name.lower())
    async def test_any_request_of_record_is_disturbed(
        self, fault: Fault, bench: Bench, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """Whichever request of `record` meets with this, each entry is in the books once after the next look."""
        proxy = _proxy(bench)
        for at in bench.requests(REQUESTS_MAX, [*ONCE].index(fault)):
            await oracle.look()
            batch = entries.batch(3)
            async with opened(bench) as fresh:  # so that logging in is among the requests
                with proxy.fault(fault, at) as armed:
                    error = await interrupted(fresh, batch)
                if not armed.happened:
                    break
                _require_leaf(error, ONCE[fault], f"{fault.name} at request {at} of record", oracle)
                if not system.capabilities.can_find:
                    await oracle.require_held_at_most(batch)
                    continue
                await take_up(fresh, batch)
            await oracle.require_held(batch)
        else:
            raise Unproven(f"record makes {REQUESTS_MAX} requests for three entries and comes to no end")
        await oracle.require_held(batch)

    @pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER], ids=lambda fault: fault.name.lower())
    async def test_any_request_of_attach_is_disturbed(
        self, fault: Fault, bench: Bench, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files
    ) -> None:
        """Whichever request of `attach` is cut, a second `attach` completes it, and each file is there once."""

        async def attach(fresh: AccountingSystem) -> None:
            await fresh.attach(pairs)  # files it could not send may be refused this time

        proxy = _proxy(bench)
        for at in bench.requests(REQUESTS_MAX, [*ONCE].index(fault)):
            await oracle.look()
            (there,) = await recorded(system, [entry := entries.entry()])
            both = [files.pdf(1), files.pdf(2)]
            pairs = [(there, file) for file in both]
            happened = await _disturbed(proxy, bench, oracle, fault, at, attach)
            require(not await system.attach(pairs), "A good file was refused after a cut")
            await oracle.require_held([entry], files={entry.key: both})
            if not happened:
                return
        raise Unproven(f"attach makes {REQUESTS_MAX} requests for two files and comes to no end")

    @pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER], ids=lambda fault: fault.name.lower())
    async def test_any_request_of_post_is_disturbed(
        self, fault: Fault, bench: Bench, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """Whichever request of `post` is cut, a second `post` completes it."""

        async def post(fresh: AccountingSystem) -> None:
            all_recorded(await fresh.post(there))

        proxy = _proxy(bench)
        for at in bench.requests(REQUESTS_MAX, [*ONCE].index(fault)):
            await oracle.look()
            there = await recorded(system, batch := entries.batch(2))
            happened = await _disturbed(proxy, bench, oracle, fault, at, post)
            all_recorded(await system.post(there))
            await oracle.require_held(batch, posted=True)
            if not happened:
                return
        raise Unproven(f"post makes {REQUESTS_MAX} requests for two entries and comes to no end")

    @pytest.mark.parametrize("fault", FOR_EVER, ids=lambda fault: fault.name.lower())
    async def test_every_request_is_disturbed(
        self, fault: Fault, bench: Bench, system: AccountingSystem, oracle: Oracle
    ) -> None:
        """Books that meet every request like this are not ready, and the leaf says why."""
        can = system.capabilities
        need = Need(bench.company.company_id, can.accounts_payable, can.attachments, posted=True)
        with _proxy(bench).fault(fault, times=ALWAYS):
            async with opened(bench) as fresh:
                try:
                    await fresh.check_ready(need)
                except AccountingError as error:
                    _require_leaf(error, FOR_EVER[fault], f"{fault.name} at every request", oracle)
                else:
                    raise Unproven(f"{fault.name} at every request, and the books say they are ready")

    async def test_a_record_that_never_gets_through(self, bench: Bench, oracle: Oracle, entries: Entries) -> None:
        """A `record` that no request of gets through raises, refuses no entry, and leaves nothing behind."""
        with _proxy(bench).fault(Fault.CUT_BEFORE, times=ALWAYS):
            async with opened(bench) as fresh:
                error = await interrupted(fresh, entries.batch(2))
        _require_leaf(error, FOR_EVER[Fault.CUT_BEFORE], "CUT_BEFORE at every request of record", oracle)
        require(error is not None, "record answered without having reached the books")
        await oracle.require_held([])

    async def test_sessions_that_ended(
        self, bench: Bench, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """When the system has forgotten who is logged in, the adapter logs in again and records each entry once."""
        first = entries.batch(2)
        await recorded(system, first)
        if not await bench.end_sessions():
            not_applicable("the books know no sessions, or the bench cannot end them")
        second = entries.batch(2)
        await recorded(system, second)
        await oracle.require_held([*first, *second])


def _proxy(bench: Bench) -> FaultProxy:
    return bench.proxy or not_applicable("nothing lies between the adapter and its books")


async def _disturbed(
    proxy: FaultProxy,
    bench: Bench,
    oracle: Oracle,
    fault: Fault,
    at: int,
    work: Callable[[AccountingSystem], Awaitable[None]],
) -> bool:
    """Call while a request is disturbed; says whether it came to that."""
    error = None
    async with opened(bench) as fresh:
        with proxy.fault(fault, at) as armed:
            try:
                await work(fresh)
            except AccountingError as raised:
                error = raised
    _require_leaf(error, ONCE[fault], f"{fault.name} at request {at}", oracle)
    return armed.happened > 0


def _require_leaf(
    error: AccountingError | None, leaves: tuple[type[AccountingError], ...], what: str, oracle: Oracle
) -> None:
    if error is None:
        return
    oracle.require_harmless(error)
    wanted = " or ".join(leaf.__name__ for leaf in leaves)
    require(isinstance(error, leaves), f"{what}: {type(error).__name__} instead of {wanted}: {error}")
