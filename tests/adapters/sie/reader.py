"""A reader of SIE files, written from the format's description and not from the writer: vouchers with their lines."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Voucher:
    series: str
    number: str
    on: str
    text: str
    registered_on: str
    lines: list[list[str]] = field(default_factory=list)  # account, objects, amount, date, text


@dataclass
class Sie:
    labels: dict[str, list[list[str]]]
    vouchers: list[Voucher]


def fields_of(line: str) -> list[str]:
    """Split a line at blanks: a quoted field keeps them, a backslash escapes a quote, braces hold a list."""
    found: list[str] = []
    at = 0
    while at < len(line):
        if line[at] == " ":
            at += 1
        elif line[at] == '"':
            text, at = "", at + 1
            while line[at] != '"':
                at += line[at : at + 2] == '\\"'
                text += line[at]
                at += 1
            found.append(text)
            at += 1
            assert at == len(line) or line[at] in " }"
        elif line[at] == "{" and line != "{":
            end = at + 1
            quoted = False
            while quoted or line[end] != "}":
                quoted ^= line[end] == '"' and line[end - 1] != "\\"
                end += 1
            found.append("\x00".join(fields_of(line[at + 1 : end])))
            at = end + 1
        else:
            end = line.find(" ", at)
            end = len(line) if end < 0 else end
            found.append(line[at:end])
            at = end
    return found


def read(content: bytes) -> Sie:
    text = content.decode("cp437")
    assert text.endswith("\r\n")
    labels: dict[str, list[list[str]]] = {}
    vouchers: list[Voucher] = []
    inside = False
    for line in text[:-2].split("\r\n"):
        assert all(character >= " " for character in line)
        if line in {"{", "}"}:
            assert inside is (line == "}")
            inside = line == "{"
            continue
        label, *values = fields_of(line)
        assert inside is (label == "#TRANS")
        if label == "#VER":
            series, number, on, written, registered_on = values
            vouchers.append(Voucher(series, number, on, written, registered_on))
        elif label == "#TRANS":
            vouchers[-1].lines.append(values)
        else:
            labels.setdefault(label, []).append(values)
    assert not inside
    return Sie(labels, vouchers)


def objects(line: list[str]) -> dict[str, str]:
    """The objects of a line: dimension number to object."""
    parts = line[1].split("\x00") if line[1] else []
    return dict(zip(parts[::2], parts[1::2], strict=True))


def booked(sie: Sie) -> dict[str, Counter[str]]:
    """What the vouchers move on every account, in cents, by the entry id that their lines name; each sums to zero."""
    sums: dict[str, Counter[str]] = {}
    for voucher in sie.vouchers:
        total = 0
        for account, _, amount, _, text in voucher.lines:
            whole, decimals = amount.removeprefix("-").split(".")
            assert len(decimals) == 2
            cents = int(whole + decimals) * (-1 if amount.startswith("-") else 1)
            total += cents
            sums.setdefault(text.split(" ")[0], Counter())[account] += cents
        assert total == 0
    every = {
        entry: Counter({account: cents for account, cents in moved.items() if cents}) for entry, moved in sums.items()
    }
    return {entry: moved for entry, moved in every.items() if moved}
