import json
from collections import Counter
from typing import Any

import pytest

from tallybook.sandbox.world import TROUBLES, Expense, expenses
from tallybook.sandbox.world.troubles import merge_patch

Json = dict[str, Any]


def _merged(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch as RFC 7396 section 2 writes it down."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def _faults(document: Json, held: Json) -> set[str]:
    """Say what keeps a document out of the books, found out from the books alone."""
    accounts = {(account["code"], account["identifier"]) for account in held["accounts"]}
    taxes = {tax["code"] for tax in held["taxCodes"]}
    tags = {(group["code"], tag["code"]) for group in held["tagGroups"] for tag in group["tags"]}
    faults = set()
    for line in document["accountingEntryLines"]:
        if line["account"] is None:
            faults.add("missing_category")
        elif (line["account"]["code"], line["account"]["identifier"]) not in accounts:
            faults.add("unknown_account")
        if line["tax"] and line["tax"]["code"] not in taxes:
            faults.add("unknown_tax_code")
        if any((tag["groupCode"], tag["code"]) not in tags for tag in line["tags"]):
            faults.add("unknown_tag")
    if any(period["from"] <= document["date"][:10] <= period["to"] for period in held["closedPeriods"]):
        faults.add("closed_period")
    if document["vendor"] and not _finds_one_vendor(document["vendor"], held):
        faults.add("unknown_vendor")
    contra = document["contraAccount"]
    if contra and (contra["code"], contra["identifier"]) not in accounts:
        faults.add("unknown_account")
    return faults


def _finds_one_vendor(vendor: Json, held: Json) -> bool:
    keys = ("externalId", "code", "taxRegistrationNumber", "registrationNumber")
    found = {
        one["code"]
        for one in held["vendors"]
        for key in keys
        if vendor.get(key) is not None and vendor[key] == one[key]
    }
    return len(found) == 1


def test_sound_entries_name_only_what_is_in_the_books(large_world: list[Expense], held: Json) -> None:
    """Entries without trouble name accounts, tax codes, tags and vendors of the books, and no closed day."""
    faulty = [e.entry_id for e in large_world if e.trouble is None and _faults(e.document, held)]

    assert faulty == []


def test_troubled_entries_have_exactly_the_trouble_they_name(large_world: list[Expense], held: Json) -> None:
    """An entry in trouble has the fault it is planned to have, and no other."""
    found = [(e.trouble, _faults(e.document, held)) for e in large_world if e.trouble]

    assert [(trouble, faults) for trouble, faults in found if faults != {trouble}] == []
    assert {trouble for trouble, _ in found} == set(TROUBLES)


def test_mends_mend(large_world: list[Expense], sound_world: list[Expense]) -> None:
    """The patch turns a troubled entry into the very entry of the world without troubles, and says what it does."""
    for expense, sound in zip(large_world, sound_world, strict=True):
        if expense.trouble:
            assert _merged(expense.document, expense.mend) == sound.document
            assert expense.mend_note


def test_without_troubles_there_are_none(sound_world: list[Expense], held: Json) -> None:
    """A world without troubles has no fault in any entry and nothing to mend."""
    assert [e.entry_id for e in sound_world if _faults(e.document, held)] == []
    assert {(e.trouble, e.mend, e.mend_note) for e in sound_world} == {(None, None, None)}


@pytest.mark.parametrize(("items", "count"), [(1, 0), (3, 1), (20, 6), (60, 6), (600, 6), (4000, 40)])
def test_about_one_in_a_hundred_is_in_trouble(items: int, count: int) -> None:
    """From 18 entries on there is one of each trouble, later one entry in a hundred; tiny worlds have what fits."""
    assert sum(expense.trouble is not None for expense in expenses(9, items)) == count


def test_troubles_come_in_equal_numbers(large_world: list[Expense]) -> None:
    """In a large world no trouble is much more frequent than another."""
    counts = Counter(expense.trouble for expense in large_world if expense.trouble)

    assert max(counts.values()) - min(counts.values()) <= 1


def test_the_vendor_trouble_is_on_an_accounts_payable_entry(large_world: list[Expense]) -> None:
    """A missing vendor troubles accounts payable, so that is where it is planned."""
    methods = {e.document["bookkeeping"]["method"] for e in large_world if e.trouble == "unknown_vendor"}

    assert methods == {"accounts_payable"}


def test_a_merge_patch_is_as_small_as_it_can_be() -> None:
    """Only what differs is in the patch, members that go are null, lists are whole."""
    patch = merge_patch({"a": 1, "b": {"c": 2, "d": 3}, "e": [1]}, {"b": {"c": 2, "d": 4}, "e": [1, None]})

    assert json.dumps(patch) == '{"a": null, "b": {"d": 4}, "e": [1, null]}'
