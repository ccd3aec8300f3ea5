"""What a bookkeeper chooses from in Pleo, as an export item carries it: account, tag, tax code, vendor.

Ids are the same for a seed, so that what is chosen by hand equals what the world's own entries carry.

Source: definition AccountV3, TagV3, TaxV3, VendorV3.
"""

from typing import Any, Final

from tallybook.sandbox.world import chart
from tallybook.sandbox.world.amounts import net_and_tax
from tallybook.sandbox.world.draws import named_uuid

Json = dict[str, Any]

_SIDES: Final = ("inSupplierCurrency", "inWalletCurrency")


def account(seed: int, code: str) -> Json:
    """Give an account of the books; a line's is its category.

    Raises:
        KeyError: the books do not have it.
    """
    return {
        "code": code,
        "id": named_uuid(seed, f"account {code}"),
        "identifier": chart.account_identifier(code),
        "name": chart.ACCOUNTS[code],
    }


def tag(seed: int, group: str, code: str) -> Json:
    """Give a tag of a group.

    Raises:
        KeyError: the books do not have it.
    """
    _, tags = chart.TAG_GROUPS[group]
    if code not in tags:
        raise KeyError(code)
    return {"code": code, "groupCode": group, "id": named_uuid(seed, f"tag {group} {code}")}


def tax(seed: int, code: str) -> Json:
    """Give a tax code, without the amount of a line.

    Raises:
        KeyError: the books do not have it.
    """
    found = chart.TAX_CODES[code]
    written: Json = {
        "code": code,
        "id": named_uuid(seed, f"tax {code}"),
        "rate": found.percent / 100,
        "type": found.kind,
    }
    if found.ingoing_account:
        written["ingoingTaxAccount"] = found.ingoing_account
    if found.outgoing_account:
        written["outgoingTaxAccount"] = found.outgoing_account
    return written


def taxed(seed: int, code: str | None, line_amount: Json) -> tuple[Json, Json | None]:
    """Share a line's amount out under a tax code: its `netAmount` and `tax`; None takes the tax away.

    `line_amount` is the line's in both currencies, whole hundredths.

    Raises:
        KeyError: the books do not have the code, or a currency is missing.
        TypeError: an amount is no whole number.
        MoneyError: a currency is none.
    """
    if code is None:
        return line_amount, None
    found = chart.TAX_CODES[code]
    net: Json = {}
    amount: Json = {}
    for side in _SIDES:
        value, currency = line_amount[side]["value"], line_amount[side]["currency"]
        if not isinstance(value, int):
            raise TypeError(f"{value!r} is no whole number")
        net_value, tax_value = net_and_tax(value, currency, found.percent, found.kind)
        net[side] = {"currency": currency, "value": net_value}
        amount[side] = {"currency": currency, "value": tax_value}
    return net, {"amount": amount, **tax(seed, code)}


def vendor(seed: int, code: str) -> Json:
    """Give a vendor, with the keys Pleo's export items carry to find it by.

    Raises:
        KeyError: the books do not have it.
    """
    found = chart.VENDORS[code]
    keys = {
        "code": found.code,
        "externalId": chart.vendor_external_id(seed, found.code),
        "taxRegistrationNumber": found.tax_registration_number,
        "registrationNumber": found.registration_number,
    }
    return {
        "country": found.country,
        "defaultCurrency": found.currency,
        "id": named_uuid(seed, f"vendor {found.code}"),
        "name": found.name,
        **{key: keys[key] for key in found.shows if keys[key]},
    }
