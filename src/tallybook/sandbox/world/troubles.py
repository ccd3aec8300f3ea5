"""Planned troubles: an entry that cannot be booked as it stands, and the patch a bookkeeper would mend it with.

The mended entry is the one that would have been there without the trouble, so a world without troubles and a world
with all of them mended are the same.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from tallybook.sandbox.world.frame import Json

UNKNOWN_ACCOUNT = "unknown_account"
MISSING_CATEGORY = "missing_category"
UNKNOWN_TAX_CODE = "unknown_tax_code"
CLOSED_PERIOD = "closed_period"
UNKNOWN_TAG = "unknown_tag"
UNKNOWN_VENDOR = "unknown_vendor"

# In the order in which they come up; only the last needs an accounts payable entry.
TROUBLES = (UNKNOWN_ACCOUNT, MISSING_CATEGORY, UNKNOWN_TAX_CODE, CLOSED_PERIOD, UNKNOWN_TAG, UNKNOWN_VENDOR)


def _unknown_account(document: Json) -> str:
    account = document["accountingEntryLines"][0]["account"]
    mended = f"{account['code']} {account['name']}"
    account |= {"code": "4999", "identifier": "acc_4999"}
    return f"The category pointed to account 4999, which the books do not have; it now points to {mended}."


def _missing_category(document: Json) -> str:
    account = document["accountingEntryLines"][0]["account"]
    document["accountingEntryLines"][0]["account"] = None
    return f"The expense had no category; the bookkeeper chose {account['name']} ({account['code']})."


def _unknown_tax_code(document: Json) -> str:
    tax = document["accountingEntryLines"][0]["tax"]
    mended = tax["code"]
    tax["code"] = "I24"
    return f"The tax code I24 is not in the books; the bookkeeper chose {mended}."


def _closed_period(document: Json) -> str:
    mended = document["date"][:10]
    document["date"] = "2026-08-17" + document["date"][10:]
    return f"The expense was dated 2026-08-17, in a month already closed; the bookkeeper dated it {mended}."


def _unknown_tag(document: Json) -> str:
    tag = document["accountingEntryLines"][0]["tags"][0]
    mended = tag["code"]
    tag["code"] = "175"
    return f"The cost centre 175 is not in the books; the bookkeeper chose {mended}."


def _unknown_vendor(document: Json) -> str:
    # A vendor made in Pleo by a user starts as a draft without any key of the books. Source: Vendors API.
    vendor = document["vendor"]
    for key in ("code", "externalId", "taxRegistrationNumber", "registrationNumber"):
        vendor.pop(key, None)
    name, vendor["name"] = vendor["name"], f"{vendor['name']} (new)"
    return f"The vendor was a draft without a number in the books; the bookkeeper linked it to {name}."


_TROUBLING: dict[str, Callable[[Json], str]] = {
    UNKNOWN_ACCOUNT: _unknown_account,
    MISSING_CATEGORY: _missing_category,
    UNKNOWN_TAX_CODE: _unknown_tax_code,
    CLOSED_PERIOD: _closed_period,
    UNKNOWN_TAG: _unknown_tag,
    UNKNOWN_VENDOR: _unknown_vendor,
}


def troubled(document: Json, trouble: str) -> tuple[Json, Json, str]:
    """Bring a trouble into a copy of a good entry: the copy, the merge patch that mends it, and what it does in words.

    Repeat: safe; `document` stays as it is.
    """
    broken = deepcopy(document)
    note = _TROUBLING[trouble](broken)
    return broken, merge_patch(broken, document), note


def merge_patch(source: Json, wanted: Json) -> Json:
    """Write the JSON merge patch that turns `source` into `wanted`.

    `wanted` must not have a null where `source` has something else: a merge patch cannot say so.

    Source: RFC 7396.
    """
    patch: dict[str, Any] = {key: None for key in source if key not in wanted}
    for key, value in wanted.items():
        before = source.get(key)
        if key in source and before == value:
            continue
        patch[key] = merge_patch(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return patch
