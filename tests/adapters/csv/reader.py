"""Readers of CSV files for Xero, QuickBooks and e-conomic: what each system books of them, in minor units."""

import csv
import io
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal

# What the importing system books for its name of a tax: percent, account of input tax, account of tax owed.
TAXES = {"19% (VAT on Expenses)": (19, "1576", None), "19% Reverse Charge": (19, "1577", "1787")}
Rows = list[dict[str, str]]
Sums = dict[str, Counter[str]]  # by document number


def read(content: bytes, encoding: str = "utf-8", delimiter: str = ",") -> Rows:
    text = content.decode(encoding)
    assert text.endswith("\r\n")
    assert text.count("\n") == text.count("\r\n")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    assert all(None not in row and None not in row.values() for row in rows)
    return rows


def minor(text: str) -> int:
    return int((Decimal(text.replace(",", ".") or "0") * 100).to_integral_exact())


def taxed(sums: Counter[str], account: str, gross: int, tax_name: str) -> None:
    """Book a gross amount as a system does that takes the tax out of it."""
    sums[account] += gross
    if tax_name in TAXES:
        percent, tax_in, tax_out = TAXES[tax_name]
        base = 100 if tax_out else 100 + percent
        tax = int((Decimal(gross) * percent / base).quantize(Decimal(1), ROUND_HALF_UP))
        sums[tax_in] += tax
        sums[tax_out or account] -= tax


def xero_journals(rows: Rows) -> Sums:
    sums: Sums = {}
    for row in rows:
        number = row["*Narration"].split(" ")[0]
        taxed(sums.setdefault(number, Counter()), row["*AccountCode"], minor(row["*Amount"]), row["*TaxRate"])
    return sums


def xero_bills(rows: Rows, payable: str) -> Sums:
    sums: Sums = {}
    for row in rows:
        moved = sums.setdefault(row["Description"].split(" ")[0], Counter())
        gross = minor(row["*UnitAmount"]) * int(row["*Quantity"])
        taxed(moved, row["*AccountCode"], gross, row["*TaxType"])
        moved[payable] -= gross
    return sums


def quickbooks(rows: Rows, numbers: dict[str, str]) -> Sums:
    """QuickBooks knows accounts by name; `numbers` gives their numbers back."""
    sums: Sums = {}
    for row in rows:
        assert (row["Debits"] == "") or (row["Credits"] == "")
        moved = sums.setdefault(row["Journal No"], Counter())
        moved[numbers[row["Account"]]] += minor(row["Debits"]) - minor(row["Credits"])
    return sums


def economic(rows: Rows) -> Sums:
    sums: Sums = {}
    for row in rows:
        moved = sums.setdefault(row["Bilagsnr."], Counter())
        gross = minor(row["Beløb"])
        taxed(moved, row["Kontonr."], gross, row["Momskode"])
        moved[row["Modkonto"]] -= gross
    return sums


def by_entry(*read_sums: Sums) -> Sums:
    """Put the documents of each entry together: 000005 and 000005-2."""
    entries: Sums = {}
    for sums in read_sums:
        for number, moved in sums.items():
            whole = entries.setdefault(number.split("-")[0], Counter())
            for account, amount in moved.items():
                whole[account] += amount
    kept = {number: Counter({key: value for key, value in moved.items() if value}) for number, moved in entries.items()}
    return {number: moved for number, moved in kept.items() if moved}
