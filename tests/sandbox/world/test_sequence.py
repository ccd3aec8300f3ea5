import json
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from tallybook.sandbox.world import Expense, company, expenses

CONTRACT = yaml.safe_load((Path(__file__).parents[3] / "contract/pleo-export-v3.openapi.yaml").read_text("utf-8"))
SCHEMAS = CONTRACT["components"]["schemas"]


def _known(schema: str, member: str) -> set[str]:
    return set(SCHEMAS[schema]["properties"][member]["x-known-values"])


def _with_links(document: dict[str, Any]) -> dict[str, Any]:
    files = [
        {"url": "http://127.0.0.1/receipt", "type": file["type"], "size": file["size"]}
        for file in document["files"] or []
    ]
    return document | {"files": files, "_links": {"web": {"exportItem": "http://127.0.0.1/expense"}}}


def test_every_document_is_an_export_item_of_the_definition(large_world: list[Expense]) -> None:
    """Every document is valid against the definition's ExportItemV3, formats included, once it has its links."""
    schema = {"$ref": "#/components/schemas/ExportItemV3", "components": CONTRACT["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)

    problems = [
        f"{expense.entry_id}: {problem.message}"
        for expense in large_world
        for problem in validator.iter_errors(_with_links(expense.document))
    ]

    assert problems == []


def test_no_member_is_outside_the_definition(large_world: list[Expense]) -> None:
    """A document has no member the definition does not name, so that a spelling mistake cannot pass as valid."""
    named = set(SCHEMAS["ExportItemV3"]["properties"])

    assert {member for expense in large_world for member in _with_links(expense.document)} == named


def test_forty_expenses_show_every_type_and_subtype() -> None:
    """All 17 types and 6 subtypes are in a world of forty."""
    documents = [expense.document for expense in expenses(3, 40)]

    assert {document["type"] for document in documents} == _known("ExportItemV3", "type")
    assert {document.get("subType") for document in documents} == _known("ExportItemV3", "subType") | {None}


def test_forty_expenses_show_every_bookkeeping_method_and_none() -> None:
    """Each bookkeeping method is in a world of forty, and an entry for which Pleo names none."""
    methods = {(expense.document["bookkeeping"] or {}).get("method") for expense in expenses(3, 40)}

    assert methods == _known("BookkeepingV3", "method") | {None}


def test_forty_expenses_show_every_kind_of_tax() -> None:
    """Inclusive, exclusive, reverse and a rate of zero are in a world of forty, and lines without any tax."""
    taxes = [line["tax"] for expense in expenses(3, 40) for line in expense.document["accountingEntryLines"]]

    assert {tax["type"] for tax in taxes if tax} == _known("TaxV3", "type")
    assert {0, 0.25} <= {tax["rate"] for tax in taxes if tax}
    assert None in taxes


def test_forty_expenses_show_what_is_rare() -> None:
    """Splits, negative values and lines, yen, both wallets, attendees and service periods are in a world of forty."""
    documents = [expense.document for expense in expenses(3, 40)]
    values = [
        line["lineAmount"]["inWalletCurrency"]["value"]
        for document in documents
        for line in document["accountingEntryLines"]
    ]

    assert {1, 2} <= {len(document["accountingEntryLines"]) for document in documents}
    assert min(document["amount"]["inWalletCurrency"]["value"] for document in documents) < 0 > min(values)
    assert "JPY" in {document["amount"]["inSupplierCurrency"]["currency"] for document in documents}
    assert {"DKK", "EUR"} == {document["amount"]["inWalletCurrency"]["currency"] for document in documents}
    assert any(document["additionalInformation"]["attendees"] for document in documents)
    assert any(document["servicePeriod"] for document in documents)


def test_a_large_world_is_mostly_card_purchases(large_world: list[Expense]) -> None:
    """In a large world card purchases are the rule and cash is rare, and still every type comes up."""
    counts = Counter(expense.document["type"] for expense in large_world)

    assert counts["card_purchase"] > len(large_world) * 0.6
    assert counts["atm_withdrawal"] < len(large_world) * 0.01
    assert set(counts) == _known("ExportItemV3", "type")


def test_one_expense_is_the_most_ordinary() -> None:
    """A world of one expense is a card purchase without trouble."""
    (only,) = expenses(3, 1)

    assert only.document["type"] == "card_purchase"
    assert only.trouble is None


def test_same_seed_same_bytes() -> None:
    """The same seed gives the same expenses, byte for byte."""
    first, second = (
        json.dumps([(e.entry_id, e.document, e.trouble, e.mend) for e in expenses(11, 300)]) for _ in range(2)
    )

    assert first == second


def test_another_seed_is_another_company() -> None:
    """Another seed shares no entry id, no company id and no key with this one."""
    mine, other = company(1), company(2)
    shared = {e.entry_id for e in expenses(1, 200)} & {e.entry_id for e in expenses(2, 200)}

    assert shared == set()
    assert {mine.id, mine.api_key, mine.access_token} & {other.id, other.api_key, other.access_token} == set()


def test_a_longer_world_begins_with_the_same_entries() -> None:
    """Entry ids depend on the seed and the place only, not on how many follow."""
    short = [expense.entry_id for expense in expenses(5, 70)]

    assert [expense.entry_id for expense in expenses(5, 700)][:70] == short


def test_ids_are_unique_and_lower_case(large_world: list[Expense]) -> None:
    """No two entries or lines share an id, and ids are lower case as in Pleo's answers."""
    ids = [expense.entry_id for expense in large_world]
    ids += [line["accountingEntryLineId"] for e in large_world for line in e.document["accountingEntryLines"]]

    assert len(ids) == len(set(ids))
    assert all(one == one.lower() for one in ids)


def test_keys_stay_out_of_the_company_repr() -> None:
    """The company's representation shows neither key nor token."""
    shown = repr(company(1))

    assert company(1).api_key not in shown
    assert company(1).access_token not in shown


def test_expenses_share_nothing(small_world: list[Expense]) -> None:
    """Whoever changes one document changes no other: no two share a mutable part."""

    def parts(value: Any) -> list[int]:
        if isinstance(value, dict):
            return [id(value), *(part for inner in value.values() for part in parts(inner))]
        return [id(value), *(part for inner in value for part in parts(inner))] if isinstance(value, list) else []

    seen = [part for expense in small_world for part in parts(expense.document)]

    assert len(seen) == len(set(seen))


def test_a_large_world_streams() -> None:
    """Memory does not grow with the size of the world."""
    list(expenses(1, 10))  # what is kept for ever is there now
    peaks = []
    for items in (1000, 4000):
        tracemalloc.start()
        for _ in expenses(1, items):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] + 200_000
