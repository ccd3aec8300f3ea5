"""Proofs of readiness and reference data: before a job, the books say whether and with what they can be used."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from tallybook.accounting.errors import AccountingError
from tallybook.accounting.system import AccountingSystem, Need
from tallybook.errors import SettingsError
from tallybook.testkit.bench import Bench
from tallybook.testkit.oracle import Oracle
from tallybook.testkit.verdict import Unproven, not_applicable, require


class ReadinessProof:
    """`open`, `check_ready` and `reference_data`."""

    async def test_ready_for_what_it_says_it_can(self, bench: Bench, system: AccountingSystem) -> None:
        """The test company is ready for everything the capabilities promise."""
        await system.check_ready(_need(bench, system))

    async def test_getting_ready_writes_nothing(self, bench: Bench, system: AccountingSystem, oracle: Oracle) -> None:
        """Checking readiness and reading reference data, twice, leave the books as they were."""
        for _ in range(2):
            await system.check_ready(_need(bench, system))
            await system.reference_data()
        await oracle.require_held([])

    async def test_what_it_cannot_do_is_said_before_a_job(self, bench: Bench, system: AccountingSystem) -> None:
        """A job that needs bills or attachments of books that have none is refused before it begins."""
        can = system.capabilities
        need = _need(bench, system)
        beyond = [replace(need, accounts_payable=True)] if not can.accounts_payable else []
        beyond += [replace(need, attachments=True)] if not can.attachments else []
        if not beyond:
            not_applicable("the adapter can do everything a job may need")
        for each in beyond:
            with pytest.raises(AccountingError):
                await system.check_ready(each)

    async def test_each_way_of_not_being_ready_is_its_own_error(self, bench: Bench, oracle: Oracle) -> None:
        """Books that are not there, not ours or not open to us are refused by the leaf that says so, in a sentence."""
        require(bench.unready, "The bench names no settings that lead to unusable books; give at least one Unready")
        for unready in bench.unready:
            system = bench.adapter.open(unready.settings)
            try:
                await system.check_ready(_need(bench, system))
            except AccountingError as error:
                oracle.require_harmless(error)
                require(
                    isinstance(error, unready.error),
                    f"{unready.what}: {type(error).__name__} instead of {unready.error.__name__}: {error}",
                )
            else:
                raise Unproven(f"{unready.what}: the books say they are ready")
            finally:
                await system.aclose()

    async def test_an_unknown_setting_is_refused_by_name(self, bench: Bench) -> None:
        """A setting that is misspelt is refused when the books are opened, and named."""
        settings = {**bench.settings, "no_such_setting": "1"}
        with pytest.raises(SettingsError, match="no_such_setting"):
            await _open_and_close(bench, settings)

    async def test_it_says_which_books_it_is(self, bench: Bench, system: AccountingSystem, oracle: Oracle) -> None:
        """The books have an identity, the same when they are opened anew, and it holds no secret."""
        identity = system.capabilities.identity
        if not identity:
            not_applicable("the capabilities do not say which books these are; set `identity`")
        oracle.require_harmless(Exception(identity))
        again = bench.adapter.open(bench.settings)
        try:
            require(again.capabilities.identity == identity, "Opened anew, the books have another identity")
        finally:
            await again.aclose()

    async def test_closing_twice_is_safe(self, bench: Bench) -> None:
        """Books that were closed may be closed again, used or not."""
        system = bench.adapter.open(bench.settings)
        await system.aclose()
        system = bench.adapter.open(bench.settings)
        await system.reference_data()
        await system.aclose()
        await system.aclose()

    async def test_reference_accounts(self, bench: Bench, system: AccountingSystem) -> None:
        """The accounts of the test company are listed, each once; a closed one is shown as closed or not at all."""
        company = bench.company
        accounts = (await system.reference_data()).accounts
        if accounts is None:
            not_applicable("the books cannot tell their accounts")
        is_open = {account.code: account.open for account in accounts}
        require(len(is_open) == len(accounts), "An account is listed twice")
        wanted = {*company.cost_accounts, company.wallet_account, company.payable_account}
        wanted |= {account for account in (company.tax_in_account, company.tax_out_account) if account}
        _require_known("accounts", wanted, [code for code, open_ in is_open.items() if open_])
        require(
            not is_open.get(company.closed_account or "", False),
            f"The closed account {company.closed_account!r} is said to be open",
        )

    async def test_reference_tax_codes(self, bench: Bench, system: AccountingSystem) -> None:
        """The tax code of the test company is listed with the accounts its tax goes to, where it has any."""
        company = bench.company
        codes = (await system.reference_data()).tax_codes
        if codes is None or company.tax_code is None:
            not_applicable("the books cannot tell tax codes, or have none")
        _require_known("tax codes", {company.tax_code}, [code.code for code in codes])
        (found,) = [code for code in codes if code.code == company.tax_code]
        require(
            found.ingoing_account in {None, company.tax_in_account},
            f"Tax of {found.code!r} goes to {company.tax_in_account!r}, not to {found.ingoing_account!r}",
        )

    async def test_reference_dimensions(self, bench: Bench, system: AccountingSystem) -> None:
        """The dimensions of the test company are listed with their values."""
        dimensions = (await system.reference_data()).dimensions
        if dimensions is None or not bench.company.dimensions:
            not_applicable("the books cannot tell dimensions, or have none")
        known = {(group.casefold(), code.casefold()) for group, codes in dimensions.items() for code in codes}
        for each in bench.company.dimensions:
            require(
                (each.group.casefold(), each.code.casefold()) in known,
                f"The reference data lack the value {each.code!r} of the dimension {each.group!r}",
            )

    async def test_reference_vendors(self, bench: Bench, system: AccountingSystem) -> None:
        """The vendors of the test company are listed; a blocked one is shown as blocked or not at all."""
        vendors = (await system.reference_data()).vendors
        company = bench.company
        if vendors is None or company.vendor is None:
            not_applicable("the books cannot tell vendors, or have none")
        _require_known("vendors", {company.vendor}, [vendor.code for vendor in vendors if not vendor.blocked])
        usable = {vendor.code for vendor in vendors if not vendor.blocked}
        require(
            company.blocked_vendor not in usable, f"The blocked vendor {company.blocked_vendor!r} is said to be usable"
        )

    async def test_reference_periods(self, bench: Bench, system: AccountingSystem) -> None:
        """The closed day is in a closed period, the open one in none."""
        periods = (await system.reference_data()).closed_periods
        closed_on = bench.company.closed_on

        def closed(day: object) -> bool:
            return any(period.from_on <= day <= period.to_on for period in periods)  # type: ignore[operator]

        require(not closed(bench.company.open_on), f"{bench.company.open_on} is open, and said to be closed")
        if closed_on is None:
            not_applicable("the books know no closed periods")
        require(closed(closed_on), f"{closed_on} is closed, and said to be open")


def _need(bench: Bench, system: AccountingSystem) -> Need:
    can = system.capabilities
    return Need(
        company_id=bench.company.company_id,
        accounts_payable=can.accounts_payable,
        attachments=can.attachments,
        posted=True,
    )


async def _open_and_close(bench: Bench, settings: dict[str, object]) -> None:
    await bench.adapter.open(settings).aclose()


def _require_known(what: str, wanted: Iterable[str], known: Iterable[str]) -> None:
    missing = sorted(set(wanted) - set(known))
    require(not missing, f"The reference data lack the {what} {', '.join(map(repr, missing))}")
