"""Mapping Pleo's codes to those of the books, and what the books lack of them."""

from typing import TYPE_CHECKING

import pytest

from tallybook.accounting.errors import AccountUnknown, DimensionUnknown, EntryRefused, TaxCodeUnknown, VendorUnknown
from tallybook.bookkeeping.lacking import FINDINGS_MAX, Lacking, unknown_targets
from tallybook.bookkeeping.mapping import CodeMapping
from tests.unit.bookkeeping.conftest import BOOKS, TODAY, UUID

if TYPE_CHECKING:
    from tests.unit.bookkeeping.conftest import Desk


def tag(code: str, group: str) -> dict[str, str]:
    return {"id": UUID, "code": code, "groupCode": group}


def test_codes_are_translated_before_the_books_are_asked(desk: "Desk") -> None:
    """Account, tax code, tag and its group, team and employee all come out in the books' own codes."""
    mapping = CodeMapping(
        accounts={"4999": "6110"},
        tax_codes={"DK25": "VAT25"},
        tag_groups={"Department": "CostCentre"},
        tags={"Department": {"100": "Sales"}},
        teams={"T1": "team-1"},
        employees={"E1": "employee-1"},
    )
    line = desk.line(12500, 10000, account="4999", tax=desk.tax(2500, code="DK25"), tags=[tag("100", "Department")])
    item = desk.item(
        "card_purchase",
        line,
        team={"id": UUID, "name": "One", "code": "T1"},
        user={"id": UUID, "name": "Jo", "code": "E1"},
    )
    entry = desk.plan(item, mapping=mapping).entry
    cost = entry.documents[0].lines[0]
    assert (cost.account, cost.tax_code) == ("6110", "VAT25")
    assert [(each.group, each.code) for each in cost.dimensions] == [("CostCentre", "Sales")]
    assert (entry.details.team_code, entry.details.person_code) == ("team-1", "employee-1")


def test_a_mapped_account_is_not_looked_up_by_the_id_pleo_has(desk: "Desk") -> None:
    """The id is that of the account the number stood for before."""
    line = desk.line(account=desk.ledger_account("6071", "id-6071"))
    entry = desk.plan(desk.item("card_purchase", line), mapping=CodeMapping(accounts={"6071": "6110"})).entry
    assert entry.documents[0].lines[0].account == "6110"


@pytest.mark.parametrize("keys", [{"code": "P-1"}, {"externalId": "P-1"}, {"code": "P-1", "externalId": "x-1"}])
def test_a_mapped_vendor_is_looked_up_by_that_code_alone(desk: "Desk", keys: dict[str, str]) -> None:
    """By its code in Pleo or its external id."""
    item = desk.item("invoice", vendor=desk.vendor("ACME", **keys), bookkeeping={"method": "accounts_payable"})
    planned = desk.plan(item, vendor_based=True, mapping=CodeMapping(vendors={"P-1": "V2"}))
    assert planned.entry.documents[0].vendor == "V2"


def test_the_content_hash_knows_no_mapping(desk: "Desk") -> None:
    """An entry that is in the books already stays linked when the mapping changes."""
    item = desk.item()
    assert (
        desk.plan(item).entry.content_hash
        == desk.plan(item, mapping=CodeMapping(accounts={"6110": "6071"})).entry.content_hash
    )


WRONG = CodeMapping(
    accounts={"4999": "3999"},
    tax_codes={"DK25": "VAT99"},
    tags={"CostCentre": {"100": "Sale"}},
    vendors={"P-1": "V99"},
)


@pytest.mark.parametrize(
    ("fields", "refusal", "text"),
    [
        (
            {"account": "4999"},
            AccountUnknown,
            r'"4999" \(mapped to "3999"\) of the Category .* correct mapping\.accounts',
        ),
        ({"tax": True}, TaxCodeUnknown, r'"DK25" \(mapped to "VAT99"\) .* correct mapping\.tax_codes'),
        (
            {"tags": [tag("100", "CostCentre")]},
            DimensionUnknown,
            r'"100" \(mapped to "Sale"\) .* correct mapping\.tags',
        ),
        ({"vendor": True}, VendorUnknown, r'"Paper Ltd" \(mapped to "V99"\) .* correct mapping\.vendors'),
    ],
)
def test_a_failure_names_both_codes(
    desk: "Desk", fields: dict[str, object], refusal: type[EntryRefused], text: str
) -> None:
    """What Pleo has, what it was mapped to, and that the mapping may be what is to be mended."""
    asked = {"vendor": desk.vendor(code="P-1"), "bookkeeping": {"method": "accounts_payable"}}
    extra = asked if fields.pop("vendor", None) else {}
    if fields.pop("tax", None):
        fields["tax"] = desk.tax(0, code="DK25")
    item = desk.item("invoice", desk.line(**fields), **extra)  # type: ignore[arg-type]
    with pytest.raises(refusal, match=text):
        desk.plan(item, vendor_based=True, mapping=WRONG)


def test_targets_the_books_do_not_have_are_said_with_the_nearest(desk: "Desk") -> None:
    """One sentence each, also where no item asks for them; what the books have is not mentioned."""
    told = unknown_targets(WRONG, desk.known)
    assert len(told) == 4
    assert (
        told[1]
        == 'mapping.tax_codes maps "DK25" to "VAT99", which is no tax code of the books. Nearest in the books: "VAT25".'
    )
    assert 'Nearest in the books: "Sales".' in told[2]
    assert unknown_targets(CodeMapping(accounts={"1": "6110"}, vendors={"1": "V1"}), desk.known) == []


def test_everything_an_item_lacks_is_found_where_its_plan_stops_at_the_first(desk: "Desk") -> None:
    """Account, tax code, two tags and a closed day of one item: each told once, though two lines name the account."""
    tags = [tag("nowhere", "CostCentre"), tag("neither", "Project")]
    lines = [desk.line(account="9999", tags=tags, tax=desk.tax(0, code="VAT26")), desk.line(account="9999")]
    item = desk.item("card_purchase", *lines, date="2026-01-10T09:30:00Z")
    lacking = Lacking(BOOKS, today=TODAY)
    lacking.add(item, desk.rules)
    lacking.add(item, desk.rules)
    told = lacking.sentences()
    assert all(text.startswith("2 entries: ") for text in told)
    for part in ('"9999"', '"nowhere"', '"neither"', "closed period 2026-01-01 to 2026-02-28", '"VAT26"'):
        assert [part in text for text in told].count(True) == 1
    assert len(told) == 5


def test_an_item_the_books_can_take_lacks_nothing(desk: "Desk") -> None:
    """Also with tax, and where amounts contradict each other, which is no lack of the books."""
    lacking = Lacking(BOOKS, today=TODAY)
    lacking.add(desk.item("card_purchase", desk.line(12500, 10000, tax=desk.tax(2500))), desk.rules)
    lacking.add(desk.item("card_purchase", desk.line(12500, 1, tax=desk.tax(2500))), desk.rules)
    assert lacking.sentences() == []


def test_what_is_held_is_bounded(desk: "Desk") -> None:
    """However many codes hostile items name."""
    lacking = Lacking(BOOKS, today=TODAY)
    for number in range(FINDINGS_MAX + 5):
        lacking.add(desk.item("card_purchase", desk.line(account=f"no-{number}")), desk.rules)
    told = lacking.sentences()
    assert len(told) == FINDINGS_MAX + 1
    assert told[-1].startswith(f"and more than {FINDINGS_MAX} things")
