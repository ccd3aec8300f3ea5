"""Asking the books beforehand what they would refuse: for a plan, and before a correction takes anything back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar, cast

from tallybook.accounting.entry import EntryKey
from tallybook.accounting.errors import EntryRefused
from tallybook.accounting.patience import patiently
from tallybook.accounting.system import AccountingSystem, Refused, RehearsingReversals, RehearsingSystem
from tallybook.clock import Clock
from tallybook.postings.posting import Booking

_Thing = TypeVar("_Thing")


async def refusals_of_new(
    system: AccountingSystem, clock: Clock, bookings: Sequence[Booking]
) -> dict[EntryKey, EntryRefused]:
    """As `refusals`, but of what the books have already nothing is asked: it would be linked.

    Repeat: safe; writes nothing.
    Raises:
        AccountingError: the books did not answer.
    """
    found: set[EntryKey] = set()
    size = system.capabilities.batch_size
    for start in range(0, len(bookings) if system.capabilities.can_find else 0, size):
        found |= set(
            await patiently(clock, partial(system.find, [each.key for each in bookings[start : start + size]]))
        )
    return await refusals(system, clock, [each for each in bookings if each.key not in found])


async def refusals(system: AccountingSystem, clock: Clock, bookings: Sequence[Booking]) -> dict[EntryKey, EntryRefused]:
    """Say which of these the books would refuse, by identity: the entry, or the reversal of the version before it.

    Books that cannot be asked refuse nothing; their capabilities say so.

    Repeat: safe; writes nothing.
    Raises:
        AccountingError: the books did not answer.
    """
    found: dict[EntryKey, EntryRefused] = {}

    async def ask(
        things: Mapping[EntryKey, tuple[EntryKey, _Thing]],
        rehearse: Callable[[Sequence[_Thing]], Awaitable[Sequence[Refused]]],
    ) -> None:
        """`things` by the key they have in the books, each with the identity of its entry."""
        every, size = [thing for _, thing in things.values()], system.capabilities.batch_size
        for start in range(0, len(every), size):
            for refused in await patiently(clock, partial(rehearse, every[start : start + size])):
                if refused.key in things:
                    found.setdefault(things[refused.key][0], refused.error)

    if system.capabilities.rehearses:
        entries = {each.entry.key: (each.key, each.entry) for each in bookings}
        await ask(entries, cast("RehearsingSystem", system).rehearse)
    if system.capabilities.rehearses_reversals:
        reversals = {each.reversal.key: (each.key, each.reversal) for each in bookings if each.reversal is not None}
        await ask(reversals, cast("RehearsingReversals", system).rehearse_reversals)
    return found
