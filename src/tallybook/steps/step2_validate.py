"""Step 2: find out, before anything is written, whether this job can be recorded at all.

Source: Pleo guide "Perform pre-export validation".
"""

from functools import partial

from tallybook.accounting.entry import PostingState
from tallybook.accounting.errors import AccountingSettingInvalid, AccountingSettingMissing
from tallybook.accounting.patience import patiently
from tallybook.accounting.system import AccountingSystem, Need, ReferenceData
from tallybook.bookkeeping.rules import AccountRoles, Rules
from tallybook.clock import Clock


async def validate(
    books: AccountingSystem, rules: Rules, clock: Clock, *, company_id: str, job_company_id: str
) -> ReferenceData:
    """Check company, settings and books against a job; returns what the books know, for planning.

    Books that are only passingly away are asked again: a job fails as a whole for what lasts.

    Repeat: safe; reads only.
    Raises:
        AccountingError: the job cannot be recorded; the text says why and where to mend it.
    """
    if job_company_id != company_id:
        raise AccountingSettingInvalid(
            f"This export job belongs to Pleo company {job_company_id}, but Tallybook is connected to company "
            f"{company_id}; correct pleo.company_id in the Settings"
        )
    _require_accounts(rules)
    need = Need(
        company_id=company_id,
        accounts_payable=rules.vendor_based,
        attachments=True,
        posted=rules.posting is PostingState.POSTED,
    )
    await patiently(clock, partial(books.check_ready, need))
    if rules.vendor_based and not books.capabilities.accounts_payable:
        raise AccountingSettingInvalid(
            "This export job asks for vendor-based bookkeeping (accounts payable), which the accounting system "
            "cannot do; export without vendors, or connect books that keep vendors"
        )
    reference = await patiently(clock, books.reference_data)
    _require_known(rules.accounts, reference)
    return reference


def missing_accounts(accounts: AccountRoles, *, vendor_based: bool) -> list[str]:
    """Name the settings, such as accounts.wallet, without which a job of this kind cannot be recorded."""
    needed = ["wallet", "out_of_pocket", "contra"] + (["accounts_payable"] if vendor_based else [])
    return [f"accounts.{role}" for role in needed if getattr(accounts, role) is None]


def _require_accounts(rules: Rules) -> None:
    if missing := missing_accounts(rules.accounts, vendor_based=rules.vendor_based):
        raise AccountingSettingMissing(
            f"No account is set for {', '.join(missing)}; enter the account numbers in the Settings and export again"
        )


def _require_known(accounts: AccountRoles, reference: ReferenceData) -> None:
    if reference.accounts is None:
        return
    known = {account.code for account in reference.accounts if account.open}
    unknown = [
        f"accounts.{role} = {code}"
        for role in AccountRoles.__dataclass_fields__
        if (code := getattr(accounts, role)) is not None and code not in known
    ]
    if unknown:
        raise AccountingSettingInvalid(
            f"The accounting system has no open account for {', '.join(unknown)}; "
            "correct the Settings or open the account"
        )
