from typing import Any

from tallybook.sandbox.world import books, company


def test_codes_are_unique(held: dict[str, Any]) -> None:
    """No two accounts, tax codes, tag groups or vendors share a code."""
    for kind in ("accounts", "taxCodes", "tagGroups", "vendors"):
        codes = [one["code"] for one in held[kind]]
        assert len(codes) == len(set(codes))


def test_every_account_named_in_the_books_is_there(held: dict[str, Any]) -> None:
    """Roles, tax codes, vendors and wallets point to accounts of the chart."""
    codes = {account["code"] for account in held["accounts"]}
    named = set(held["roles"].values()) | {wallet.account for wallet in company(7).wallets}
    named |= {tax[side] for tax in held["taxCodes"] for side in ("ingoingAccount", "outgoingAccount") if tax[side]}
    named |= {vendor["account"] for vendor in held["vendors"] if vendor["account"]}

    assert named <= codes


def test_reverse_charge_has_an_account_for_each_direction(held: dict[str, Any]) -> None:
    """Two tax codes are for reverse charge and have both accounts; all others have no outgoing one."""
    both = [tax["code"] for tax in held["taxCodes"] if tax["outgoingAccount"]]

    assert both == ["REU25", "RW25"]
    assert all(tax["ingoingAccount"] for tax in held["taxCodes"] if tax["code"] in both)


def test_roles_cover_what_a_plan_may_need(held: dict[str, Any]) -> None:
    """Every role an entry may need an account for is filled."""
    assert set(held["roles"]) == {
        "wallet",
        "out_of_pocket",
        "contra",
        "accounts_payable",
        "reimbursement_contra",
        "employee_receivable",
        "tax_in",
        "tax_out",
    }


def test_the_company_is_of_a_real_size() -> None:
    """Twelve people with numbers in four teams with codes."""
    people = company(7).employees

    assert len({person.code for person in people}) == 12
    assert len({person.team.code for person in people}) == 4


def test_books_are_new_each_time() -> None:
    """A caller may change what it was given without changing anybody else's."""
    books(7)["accounts"].clear()

    assert books(7)["accounts"]
