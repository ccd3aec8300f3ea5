"""A reader of Buchungsstapel, written from DATEV's description and not from the writer: what each row books."""

from collections import Counter
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

# What DATEV books for a BU-Schlüssel: percent, account of input tax, account of tax owed.
KEYS = {"9": (19, "1576", None), "94": (19, "1577", "1787")}
AUTOMATIC = {"3400": "9"}


Sums = dict[str, Counter[str]]


@dataclass(frozen=True)
class Stapel:
    header: list[str]
    columns: list[str]
    rows: list[dict[str, str]]


def cells_of(line: str) -> list[str]:
    """Split a line at its semicolons; a quoted cell keeps them, and `""` within it is a quote."""
    cells, at = [], 0
    while True:
        if line[at : at + 1] == '"':
            end = at + 1
            while line[end] != '"' or line[end : end + 2] == '""':
                end += 2 if line[end] == '"' else 1
            cells.append(line[at + 1 : end].replace('""', '"'))
            at = end + 1
        else:
            end = line.find(";", at)
            end = len(line) if end < 0 else end
            cells.append(line[at:end])
            assert '"' not in cells[-1]
            at = end
        if at == len(line):
            return cells
        assert line[at] == ";"
        at += 1


def read(content: bytes) -> Stapel:
    text = content.decode("cp1252")
    assert text.endswith("\r\n")
    lines = text[:-2].split("\r\n")
    assert not any("\n" in line or "\r" in line for line in lines)
    header, columns, *rows = map(cells_of, lines)
    assert len(header) == 31
    assert len(columns) == 125
    assert all(len(row) == 125 for row in rows)
    return Stapel(header, columns, [dict(zip(columns, row, strict=True)) for row in rows])


def booked(stapel: Stapel) -> Sums:
    """What DATEV moves on every account, in cents, by Belegfeld 1: the tax is taken out of the gross amount."""
    sums: Sums = {}
    for row in stapel.rows:
        moved = sums.setdefault(row["Belegfeld 1"], Counter())
        konto, against, key = row["Konto"], row["Gegenkonto (ohne BU-Schlüssel)"], row["BU-Schlüssel"]
        cents = int(row["Umsatz (ohne Soll/Haben-Kz)"].replace(",", ""))
        assert cents > 0
        debit = cents if row["Soll/Haben-Kennzeichen"] == "S" else -cents  # of the Konto
        moved[konto] += debit
        key = key or AUTOMATIC.get(against, "")
        if key in KEYS:
            percent, tax_in, tax_out = KEYS[key]
            base = 100 if tax_out else 100 + percent
            tax = int((Decimal(-debit) * percent / base).quantize(Decimal(1), ROUND_HALF_UP))
            moved[tax_in] += tax
            moved[tax_out or against] -= tax
        moved[against] -= debit
    return {
        entry: Counter({account: cents for account, cents in moved.items() if cents}) for entry, moved in sums.items()
    }
