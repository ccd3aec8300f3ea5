"""Proofs of refusal: what the books do not know is refused as itself, and one bad entry spoils no other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

import pytest

from tallybook.accounting.entry import Entry
from tallybook.accounting.errors import (
    AccountUnknown,
    DimensionUnknown,
    EntryInvalid,
    EntryRefused,
    EntryRejected,
    EntrySettingInvalid,
    PeriodClosed,
    TaxCodeUnknown,
    VendorUnknown,
)
from tallybook.accounting.system import AccountingSystem, ReferenceData, Refused
from tallybook.testkit.bench import Bench
from tallybook.testkit.entries import Entries
from tallybook.testkit.oracle import Oracle, answers_of, recorded, refusal
from tallybook.testkit.verdict import not_applicable, require

UNKNOWN = "0815-unknown"


@dataclass(frozen=True, slots=True)
class Bad:
    """An entry that must be refused, by which leaf, and the value its sentence must name."""

    make: Callable[[Entries], Entry]
    errors: tuple[type[EntryRefused], ...]
    names: str = UNKNOWN
    can_tell: Callable[[ReferenceData], object] = lambda _: True  # whether these books know such things at all
    payable: bool = False


def _needed(value: str | None, what: str) -> str:
    return value if value is not None else not_applicable(f"the test company has no {what}")


def _closed_account(make: Entries) -> Entry:
    return make.first_line(account=_needed(make.company.closed_account, "closed account"))


def _blocked_vendor(make: Entries) -> Entry:
    return make.entry(make.bill(5_00, vendor=_needed(make.company.blocked_vendor, "blocked vendor")))


def _closed_day(make: Entries) -> Entry:
    return make.entry(on=make.company.closed_on or not_applicable("the books know no closed periods"))


def _unbalanced(make: Entries) -> Entry:
    return make.first_line(amount_minor=12_35)


BAD: Mapping[str, Bad] = {
    "an unknown account": Bad(
        lambda make: make.first_line(account=UNKNOWN), (AccountUnknown,), can_tell=lambda data: data.accounts
    ),
    "an unknown account on the other side": Bad(
        lambda make: make.entry(
            replace(
                document := make.purchase(12_34),
                lines=(*document.lines[:-1], replace(document.lines[-1], account=UNKNOWN)),
            )
        ),
        (AccountUnknown,),
        can_tell=lambda data: data.accounts,
    ),
    "a closed account": Bad(_closed_account, (AccountUnknown,), names="", can_tell=lambda data: data.accounts),
    "an unknown tax code": Bad(
        lambda make: make.first_line(tax_code=UNKNOWN),
        (TaxCodeUnknown,),
        can_tell=lambda data: data.tax_codes is not None,
    ),
    "an unknown value of a dimension": Bad(
        lambda make: make.dimension(code=UNKNOWN),
        (DimensionUnknown,),
        can_tell=lambda data: data.dimensions is not None,
    ),
    "an unknown dimension": Bad(
        lambda make: make.dimension(group=UNKNOWN),
        (DimensionUnknown,),
        can_tell=lambda data: data.dimensions is not None,
    ),
    "an unknown vendor": Bad(
        lambda make: make.entry(make.bill(5_00, vendor=UNKNOWN)),
        (VendorUnknown,),
        can_tell=lambda data: data.vendors is not None,
        payable=True,
    ),
    "a blocked vendor": Bad(
        _blocked_vendor, (VendorUnknown,), "", can_tell=lambda data: data.vendors is not None, payable=True
    ),
    "a bill without a vendor": Bad(
        lambda make: make.entry(replace(make.bill(5_00), vendor=None)), (VendorUnknown,), "", payable=True
    ),
    "a closed period": Bad(_closed_day, (PeriodClosed,), names=""),
    "sums that differ": Bad(_unbalanced, (EntryInvalid, EntryRejected), names=""),
    "a document without lines": Bad(
        lambda make: make.entry(replace(make.purchase(1), lines=())), (EntryInvalid, EntryRejected), names=""
    ),
    "no documents": Bad(lambda make: replace(make.entry(), documents=()), (EntryInvalid, EntryRejected), names=""),
    "a currency nobody knows": Bad(
        lambda make: make.entry(make.purchase(12_34, currency="XXX")),
        (EntryInvalid, EntryRejected, EntrySettingInvalid),
        names="XXX",
    ),
}


class RefusalsProof:
    """What `record` refuses."""

    @pytest.mark.parametrize("kind", BAD)
    async def test_refused_as_itself(
        self, kind: str, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """A bad entry is refused by its own leaf, in a sentence that names the value, and leaves nothing behind."""
        bad = BAD[kind]
        await _require_applicable(bad, system)
        good, wrong = entries.entry(), bad.make(entries)
        answers = await answers_of(system, [wrong, good])
        error = refusal(answers[0])
        oracle.require_harmless(error)
        wanted = " or ".join(leaf.__name__ for leaf in bad.errors)
        require(isinstance(error, bad.errors), f"{kind}: {type(error).__name__} instead of {wanted}: {error}")
        require(bad.names in str(error), f"{kind}: the sentence does not name {bad.names!r}: {error}")
        await oracle.require_held([good])

    async def test_one_bad_entry_spoils_no_other(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """In a full batch one entry names an unknown account: it alone is refused, and all others are recorded."""
        await _require_applicable(BAD["an unknown account"], system)
        batch = entries.batch(system.capabilities.batch_size)
        place = len(batch) * 2 // 3
        batch[place] = entries.first_line(account=UNKNOWN)
        answers = await answers_of(system, batch)
        require(isinstance(refusal(answers[place]), AccountUnknown), "The bad entry is refused for another reason")
        refused = [answer for answer in answers if isinstance(answer, Refused)]
        require(len(refused) == 1, f"{len(refused) - 1} good entries were refused beside a bad one")
        await oracle.require_held([*batch[:place], *batch[place + 1 :]])

    async def test_several_bad_entries_are_told_apart(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """First, middle and last of a batch are bad for different reasons: each is refused for its own."""
        data = await system.reference_data()
        account, tax_code, sums = (BAD[k] for k in ("an unknown account", "an unknown tax code", "sums that differ"))
        kinds = [bad for bad in (account, tax_code, sums) if bad.can_tell(data)]
        good = entries.batch(6)
        batch = list(good)
        for place, bad in zip((0, 4, len(good) + 2), kinds, strict=False):
            batch.insert(place, bad.make(entries))
        answers = {answer.key: answer for answer in await answers_of(system, batch)}
        wrong = [entry for entry in batch if entry not in good]
        for entry, bad in zip(wrong, kinds, strict=True):
            error = refusal(answers[entry.key])
            require(isinstance(error, bad.errors), f"{type(error).__name__} for {bad.errors[0].__name__}: {error}")
        await oracle.require_held(good)

    async def test_a_refused_entry_is_recorded_once_mended(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """An entry that was refused is not in the books, and is recorded under the same key when it is right."""
        wrong = _unbalanced(entries)
        refusal((await answers_of(system, [wrong]))[0])
        if system.capabilities.can_find:
            require(not await system.find([wrong.key]), "A refused entry is found in the books")
        mended = replace(wrong, documents=(entries.purchase(12_34),))
        await recorded(system, [mended])
        await oracle.require_held([mended])

    async def test_a_period_closed_after_it_was_read(
        self, bench: Bench, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """A period that somebody closes during a job is closed for the next entry, whatever was read before."""
        day = bench.company.open_on
        await system.reference_data()
        first, second = entries.batch(2)
        await recorded(system, [first])
        if not await bench.close_period(day):
            not_applicable("the bench cannot close a period")
        try:
            error = refusal((await answers_of(system, [second]))[0])
            require(isinstance(error, PeriodClosed), f"{type(error).__name__} instead of PeriodClosed: {error}")
            require(_names_day(str(error), day), f"The sentence does not name the day {day}: {error}")
        finally:
            await bench.reopen_period(day)
        await oracle.require_held([first])


def _names_day(text: str, day: date) -> bool:
    return day.isoformat() in text or day.strftime("%Y-%m") in text or day.strftime("%m/%d/%Y") in text


async def _require_applicable(bad: Bad, system: AccountingSystem) -> None:
    if bad.payable and not system.capabilities.accounts_payable:
        not_applicable("the books have no accounts payable")
    if not bad.can_tell(await system.reference_data()):
        not_applicable("the books cannot tell which they have")
