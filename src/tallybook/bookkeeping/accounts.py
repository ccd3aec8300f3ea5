"""Accounts: which account of the books each amount goes to, checked before anything is written."""

from tallybook.accounting.errors import AccountUnknown, EntryRefused, EntrySettingInvalid, EntrySettingMissing
from tallybook.accounting.system import Account, TaxCode, Vendor
from tallybook.bookkeeping.books import Books
from tallybook.bookkeeping.mapping import CodeMapping, both, mapped, mend
from tallybook.bookkeeping.rules import AccountRoles
from tallybook.bookkeeping.sides import Side, Sides
from tallybook.bookkeeping.wording import shown
from tallybook.pleo.models import ItemLine, LedgerAccount, Tax

_SETTING_OF_SIDE = {
    Side.WALLET: "wallet",
    Side.OUT_OF_POCKET: "out_of_pocket",
    Side.CONTRA: "contra",
    Side.PAYABLE: "accounts_payable",
    Side.REIMBURSEMENT_CONTRA: "reimbursement_contra",
}
_IN_CATEGORY = "choose another Category in Pleo, or mend the account in the accounting system"
_IN_CONTRA_ACCOUNTS = "choose another one under Settings > Accounting > Contra accounts in Pleo"
_IN_TAX_CODE = "correct the accounts of the Tax code in Pleo"


class AccountFinder:
    """Finds the accounts of one entry: open ones that take its currency.

    Source: Pleo guides "Accounts mapping" and "How to determine accounts mapping".
    """

    def __init__(self, roles: AccountRoles, mapping: CodeMapping, books: Books, currency: str) -> None:
        self._roles = roles
        self._mapping = mapping
        self._books = books
        self._currency = currency

    def of_side(self, side: Side, contra_account: LedgerAccount | None) -> str:
        """Find the account of a side other than the category; Pleo's contra account stands for the wallet if given.

        Raises:
            EntrySettingMissing: the setting is not set.
            EntrySettingInvalid: the setting names an account that cannot be used.
            AccountUnknown: the contra account is not in the books, or is closed.
        """
        if side is Side.WALLET and contra_account is not None:
            return self._named(
                contra_account.code,
                contra_account.identifier,
                f"the contra account {shown(contra_account.name)}",
                _IN_CONTRA_ACCOUNTS,
                called=contra_account.name,
            )
        return self._of_setting(_SETTING_OF_SIDE[side])

    def of_vendor(self, vendor: Vendor) -> str:
        """Find the payable account of a vendor: its own, else the fallback of the settings.

        Raises:
            EntrySettingMissing: the vendor has none and the fallback is not set.
            EntrySettingInvalid: the account cannot be used.
        """
        if not vendor.account:
            return self._of_setting("accounts_payable")
        what = f"The payable account {shown(vendor.account)} of the vendor {shown(vendor.code)}"
        return self._of_books(vendor.account, what, "mend the vendor in the accounting system")

    def of_line(self, line: ItemLine, sides: Sides, label: str) -> str:
        """Find the account of a line's category.

        Raises:
            EntrySettingMissing: the line has no category, and no setting stands in for it.
            AccountUnknown: the account is not in the books, or is closed.
            EntrySettingInvalid: the account takes another currency.
        """
        account = line.account
        if account is not None:
            owner = f"the Category {shown(account.name)}"
            return self._named(account.code, account.identifier, owner, _IN_CATEGORY, called=account.name)
        if not sides.receivable_without_category:
            raise EntrySettingMissing(f"{label} has no category; choose a Category in Pleo and export it again.")
        if not self._roles.employee_receivable:
            raise EntrySettingMissing(
                f"{label} has no category; choose a Category in Pleo, or set accounts.employee_receivable "
                "in the settings of Tallybook."
            )
        return self._of_setting("employee_receivable")

    def of_tax_in(self, tax: Tax, tax_code: TaxCode | None) -> str:
        """Find the account of reclaimable tax: the item's, else the tax code's, else the settings'.

        Raises:
            AccountUnknown: the item names an account that is not in the books, or is closed.
            EntrySettingMissing: nobody names an account.
            EntrySettingInvalid: the tax code or the setting names an account that cannot be used.
        """
        return self._of_tax(tax.ingoing_tax_account, tax_code.ingoing_account if tax_code else None, "tax_in")

    def of_tax_out(self, tax: Tax, tax_code: TaxCode | None) -> str:
        """Find the account of tax owed under reverse charge; as `of_tax_in`."""
        return self._of_tax(tax.outgoing_tax_account, tax_code.outgoing_account if tax_code else None, "tax_out")

    def _of_tax(self, of_item: str | None, of_tax_code: str | None, setting: str) -> str:
        if of_item:
            # The definition does not say whether this is the number or the accounting system's id.
            return self._named(of_item, of_item, "the Tax code", _IN_TAX_CODE)
        if of_tax_code:
            what = f"The account {shown(of_tax_code)} of the tax code"
            return self._of_books(of_tax_code, what, "mend the tax code in the accounting system")
        return self._of_setting(setting)

    def _of_setting(self, setting: str) -> str:
        code: str | None = getattr(self._roles, setting)
        if not code:
            raise EntrySettingMissing(
                f"The account accounts.{setting} is missing; set it in the settings of Tallybook."
            )
        what = f"The account {shown(code)} of the setting accounts.{setting}"
        return self._of_books(code, what, "correct it in the settings of Tallybook")

    def _of_books(self, code: str, what: str, how: str) -> str:
        account = self._books.account(code)
        if account is None:
            raise EntrySettingInvalid(f"{what} is not in the accounting system; {how}.", sought=code)
        return self._usable(account, what, how, EntrySettingInvalid)

    def _named(
        self, code: str | None, identifier: str | None, owner: str, otherwise: str, *, called: str | None = None
    ) -> str:
        number = code or identifier
        if not number:
            raise AccountUnknown(f"There is no account number for {owner}; {otherwise}.")
        to = mapped(self._mapping.accounts, code, identifier)
        how = mend("accounts", to, otherwise)
        what = f"Account number {both(number, to)} of {owner}"
        # What a number is mapped to is a number of the books: the id Pleo has is that of another account.
        account = self._books.account(code, identifier) if to is None else self._books.account(to)
        if account is None:
            raise AccountUnknown(f"{what} is not in the accounting system; {how}.", sought=to or number, called=called)
        return self._usable(account, what, how, AccountUnknown)

    def _usable(self, account: Account, what: str, how: str, closed: type[EntryRefused]) -> str:
        if not account.open:
            raise closed(f"{what} is closed in the accounting system; {how}.", sought=account.code)
        if account.currency is not None and account.currency.upper() != self._currency:
            raise EntrySettingInvalid(
                f"{what} is kept in {account.currency}, but the expense is in {self._currency}; {how}.",
                sought=account.code,
            )
        return account.code
