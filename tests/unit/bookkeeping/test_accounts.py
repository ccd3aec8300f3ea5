"""Accounts: where they come from, and what is said when one cannot be used."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tallybook.accounting.errors import (
    AccountUnknown,
    DimensionUnknown,
    EntryRefused,
    EntrySettingInvalid,
    EntrySettingMissing,
    TaxCodeUnknown,
)
from tallybook.accounting.system import Account, ReferenceData
from tallybook.bookkeeping.rules import AccountRoles

if TYPE_CHECKING:
    from tests.unit.bookkeeping.conftest import Desk


@pytest.mark.parametrize(
    ("item_type", "missing"),
    [
        ("card_purchase", "wallet"),
        ("out_of_pocket", "out_of_pocket"),
        ("wallet_topup", "contra"),
        ("invoice", "accounts_payable"),
        ("external_reimbursement", "reimbursement_contra"),
    ],
)
def test_missing_setting_is_named(desk: "Desk", item_type: str, missing: str) -> None:
    """An account the settings lack is named as the setting to fill, for the entries that need it."""
    with pytest.raises(EntrySettingMissing, match=rf"accounts\.{missing} "):
        desk.plan(desk.item(item_type), accounts=replace(desk.rules.accounts, **{missing: None}))


def test_contra_account_comes_before_the_setting(desk: "Desk") -> None:
    """Pleo's contra account stands for the wallet, found by the accounting system's id or by number."""
    for code, identifier in (("1931", None), ("nowhere", "id-1931"), ("1931", "unknown")):
        item = desk.item(contraAccount=desk.ledger_account(code, identifier))
        assert desk.told(desk.plan(item)) == ["Dr Office supplies 100.00, Cr Wallet EUR 100.00"]


def test_contra_account_is_for_the_wallet_alone(desk: "Desk") -> None:
    """A type that does not touch the wallet takes no notice of a contra account."""
    item = desk.item("out_of_pocket", contraAccount=desk.ledger_account("1931"))
    assert desk.told(desk.plan(item)) == ["Dr Office supplies 100.00, Cr Out of pocket 100.00"]


@pytest.mark.parametrize("item_type", ["wallet_topup", "direct_reimbursement", "invoice_payment"])
def test_movements_need_no_category(desk: "Desk", item_type: str) -> None:
    """Where money only moves, a line needs no category."""
    assert desk.plan(desk.item(item_type, desk.line(account=None))).entry.documents


def test_missing_category(desk: "Desk") -> None:
    """A line without a category is refused by its number in a split."""
    item = desk.item("card_purchase", desk.line(), desk.line(account=None))
    with pytest.raises(EntrySettingMissing, match=r"Line 2 has no category; choose a Category in Pleo"):
        desk.plan(item)


@pytest.mark.parametrize("item_type", ["atm_withdrawal", "personal_spend"])
def test_employee_owes_what_has_no_category(desk: "Desk", item_type: str) -> None:
    """Cash and private spend without a category are what the employee owes."""
    item = desk.item(item_type, desk.line(account=None))
    assert desk.told(desk.plan(item)) == ["Dr Employees 100.00, Cr Wallet 100.00"]
    with pytest.raises(EntrySettingMissing, match=r"choose a Category in Pleo, or set accounts\.employee_receivable"):
        desk.plan(item, accounts=AccountRoles(wallet="1930"))


def _category(**fields: Any) -> dict[str, Any]:
    return {"account": {"id": "1", "name": "Travel"} | fields}


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        (_category(code="8888"), AccountUnknown, '"8888" of the Category "Travel" is not in the accounting system'),
        (_category(code="6999"), AccountUnknown, '"6999" of the Category "Travel" is closed'),
        (_category(code="6111"), EntrySettingInvalid, "is kept in USD, but the expense is in EUR"),
        (_category(), AccountUnknown, 'no account number for the Category "Travel"'),
        ({"tags": [{"id": "1", "code": "Mars", "groupCode": "CostCentre"}]}, DimensionUnknown, 'Tag.*"Mars".*"CostCen'),
        ({"tags": [{"id": "1", "code": "Sales", "groupCode": "Planet"}]}, DimensionUnknown, '"Sales".*"Planet"'),
    ],
)
def test_line_is_refused(desk: "Desk", fields: dict[str, Any], error: type[EntryRefused], text: str) -> None:
    """What a line names and the books lack is refused with the value and the place to mend it."""
    with pytest.raises(error, match=text):
        desk.plan(desk.item("card_purchase", desk.line(**fields)))


def test_identifier_comes_before_the_number(desk: "Desk") -> None:
    """The accounting system's own id finds an account that was renumbered since."""
    item = desk.item("card_purchase", desk.line(**_category(code="6071", identifier="id-6110")))
    assert desk.told(desk.plan(item)) == ["Dr Office supplies 100.00, Cr Wallet 100.00"]


@pytest.mark.parametrize(
    ("fields", "booked"),
    [
        ({"code": "VAT25", "ingoingTaxAccount": "2645"}, "Tax in RC"),
        ({"code": "VAT25", "ingoingTaxAccount": "id-2645"}, "Tax in RC"),
        ({"code": "RC25"}, "Tax in RC"),
        ({"code": "VAT25"}, "Tax in"),
        ({"code": None}, "Tax in"),
    ],
)
def test_tax_account(desk: "Desk", fields: dict[str, Any], booked: str) -> None:
    """The tax account is the item's, else the tax code's, else the settings'."""
    item = desk.item("card_purchase", desk.line(12500, 10000, tax=desk.tax(2500, **fields)))
    assert f"Dr {booked} 25.00" in desk.told(desk.plan(item))[0]


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"code": "VAT99"}, TaxCodeUnknown, '"VAT99" is not in the accounting system'),
        ({"ingoingTaxAccount": "2699"}, AccountUnknown, '"2699" of the Tax code is not in the accounting system'),
        ({}, EntrySettingMissing, r"accounts\.tax_in"),
    ],
)
def test_tax_is_refused(desk: "Desk", fields: dict[str, Any], error: type[EntryRefused], text: str) -> None:
    """A tax code or tax account that is not there is named."""
    item = desk.item("card_purchase", desk.line(12500, 10000, tax=desk.tax(2500, **fields)))
    with pytest.raises(error, match=text):
        desk.plan(item, accounts=AccountRoles(wallet="1930"))


def test_no_tax_needs_no_tax_account(desk: "Desk") -> None:
    """A tax of zero needs no account, but its code goes onto the cost line and must be known."""
    item = desk.item("card_purchase", desk.line(tax=desk.tax(0)))
    planned = desk.plan(item, accounts=AccountRoles(wallet="1930"))
    assert [line.tax_code for line in planned.entry.documents[0].lines] == ["VAT25", None]
    with pytest.raises(TaxCodeUnknown):
        desk.plan(desk.item("card_purchase", desk.line(tax=desk.tax(0, code="VAT99"))))


def test_setting_that_names_no_account(desk: "Desk") -> None:
    """An account of the settings that the books lack is the settings' fault, not the item's."""
    with pytest.raises(EntrySettingInvalid, match=r'"1999" of the setting accounts\.wallet is not in the accounting'):
        desk.plan(desk.item(), accounts=replace(desk.rules.accounts, wallet="1999"))


def test_dimensions(desk: "Desk") -> None:
    """Tags become dimensions of the cost line in the books' own spelling, each once; nulls are skipped."""
    tags = [
        {"id": "1", "code": "SALES", "groupCode": "costcentre"},
        None,
        {"id": "2", "code": "p1", "groupCode": "Project"},
        {"id": "3", "code": "sales", "groupCode": "CostCentre"},
    ]
    lines = desk.plan(desk.item("card_purchase", desk.line(tags=tags))).entry.documents[0].lines
    found = [(dimension.group, dimension.code) for dimension in lines[0].dimensions]
    assert found == [("CostCentre", "Sales"), ("Project", "P1")]
    assert lines[1].dimensions == ()


def test_books_that_cannot_tell(desk: "Desk") -> None:
    """Where the accounting system cannot list what it has, Pleo's codes are taken as they are."""
    tags = [{"id": "1", "code": "Mars", "groupCode": "Planet"}]
    item = desk.item(
        "card_purchase", desk.line(12500, 10000, account="8888", tags=tags, tax=desk.tax(2500, code="VAT99"))
    )
    lines = desk.plan(item, known=ReferenceData()).entry.documents[0].lines
    assert [line.account for line in lines] == ["8888", "2641", "1930"]
    assert lines[0].tax_code == "VAT99"
    assert lines[0].dimensions[0].code == "Mars"


def test_odd_codes_are_not_taken_on_trust(desk: "Desk") -> None:
    """An account number with a line break is refused even where nothing is known to check it against."""
    item = desk.item("card_purchase", desk.line(account="88\n88"))
    with pytest.raises(AccountUnknown, match='"88 88"'):
        desk.plan(item, known=ReferenceData())


def test_two_accounts_of_one_number(desk: "Desk") -> None:
    """Of two accounts with one number the first is taken, the same one every time."""
    known = ReferenceData(accounts=[Account("1930", "W"), Account("6110", "A"), Account("6110", "B", open=False)])
    assert desk.told(desk.plan(desk.item(), known=known)) == ["Dr Office supplies 100.00, Cr Wallet 100.00"]
