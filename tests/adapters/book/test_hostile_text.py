"""Text from outside can never become a directive, in Beancount nor in hledger: the programs themselves are asked."""

import csv
import io
import shutil
import sqlite3
import unicodedata
import uuid
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tallybook.accounting.entry import Dimension, Document, Entry, EntryKey, Recorded
from tallybook.adapters.book.database import opened
from tallybook.adapters.book.export import export
from tallybook.adapters.book.recording import record
from tallybook.adapters.book.texts import beancount_string, journal_text, name_part, terminal_text

NOW = datetime(2026, 3, 1, tzinfo=UTC)

ATTACKS = [
    '"\n2026-01-01 open Assets:Stolen\n"',
    "\n2026-01-01 open Assets:Stolen",
    "\r2026-01-01 * (x) y\r  Assets:Stolen  1 EUR\r  Assets:Account-1920  -1 EUR\r",
    '\n2026-02-02 * "theft"\n  Assets:Account-1920  -1.00 EUR\n  Expenses:Account-6071  1.00 EUR\n',
    "\u20282026-01-01 close Assets:Account-1920\u2029\x85\x0b\x0c",
    "\\",
    '\\"',
    '"',
    "\\n\\",
    "text \\",
    "; date:2020-01-01, entry-id: forged",
    "[2020-01-01]",
    "[2020-99-99=1]",
    "date:1999-01-01",
    "| payee",
    "= 2020-01-01",
    "2026-01-01",
    "(code) text",
    "* ! text",
    "~ monthly",
    "include /etc/passwd",
    'include "/etc/passwd"',
    "end comment\ncomment\n",
    'plugin "os"',
    "a\0b",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnirts\u202c",
    "\ufeffbom",
    "\ud83d half",
    "  Assets:Account-1920  1 EUR",
    "#tag ^link",
    "{1 EUR} @ 2 USD",
    "x" * 10_000,
    "line\n" * 1_000,
    '"\\\n' * 200,
    "ÅÄÖ 漢字 😀 é",
    "",
    " ",
]  # fmt: skip
MARKS = st.sampled_from(
    [*'"\\;#^*!|=:,.[](){}@~%&$<>-_ ', "\n", "\r", "\t", "\0", "\x1b", "\u2028", "\x85", "a", "2026-01-01 "]
)
TEXTS = st.one_of(st.sampled_from(ATTACKS), st.text(max_size=60), st.lists(MARKS, max_size=30).map("".join))


def _hostile(make: Any, text: str, other: str, code: str) -> Entry:
    """Put the texts in every place of an entry that takes text."""
    purchase: Document = make.purchase(1000, account=code)
    first = replace(purchase.lines[0], text=text, dimensions=(Dimension(code, code),), tax_code=code)
    document = replace(purchase, lines=(first, *purchase.lines[1:]), invoice_number=text)
    entry: Entry = make.entry(document)
    details = replace(
        entry.details, description=text, reference=other, sort=text, sub_sort=other, note=text, supplier=other,
        person=text, person_code=other, team=text, team_code=other, attendees=(text, other),
        reconciled_references=(other, text), source_url=text,
    )  # fmt: skip
    odd_key = EntryKey(make.company_id, f"{uuid.uuid4()} {other}".encode(errors="replace").decode().replace("\0", ""))
    return replace(entry, key=odd_key, details=details, content_hash=text)


def _book_with_codes(path: Path, codes: dict[str, str]) -> None:
    """Bring codes into the book past the checks of `init`, as another program could."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for code in codes.values():
            connection.execute("INSERT OR IGNORE INTO accounts VALUES (?, ?, 'expense', ?, NULL, 1)", (code,) * 3)
            connection.execute("INSERT OR IGNORE INTO tax_codes VALUES (?, ?, NULL, NULL)", (code, code))
            connection.execute("INSERT OR IGNORE INTO dimensions VALUES (?, ?, ?)", (code.casefold(), code, code))
            connection.execute(
                "INSERT OR IGNORE INTO dimension_values VALUES (?, ?, ?, ?)",
                (code.casefold(), code.casefold(), code, code),
            )
        connection.execute("UPDATE company SET name = ?", ("".join(codes.values()),))


def _shown(text: str) -> str:
    """What Beancount should read back: the text, with control characters made visible."""
    return "".join(
        c if c in "\n\r\t" else beancount_string(c)[1:-1].replace("\\\\", "\\").replace('\\"', '"') for c in text
    )


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example],
    phases=[Phase.explicit, Phase.generate],
)
@given(texts=st.lists(st.tuples(TEXTS, TEXTS), min_size=40, max_size=80))
def test_text_stays_text(
    book_path: Path, tmp_path: Path, make: Any, program: Any, texts: list[tuple[str, str]]
) -> None:
    """Both programs read back exactly our transactions, accounts and texts, whatever the texts are."""
    folder = tmp_path / "ledger"
    fresh = tmp_path / "fresh.tallybook"
    for path in (folder, *tmp_path.glob("fresh.tallybook*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    shutil.copyfile(book_path, fresh)
    pairs = [*zip(ATTACKS, reversed(ATTACKS), strict=True), *texts]
    codes = {text: text.encode(errors="replace").decode().replace("\0", "")[:150] or "none" for text, _ in pairs}
    _book_with_codes(fresh, codes)
    entries = [_hostile(make, text, other, codes[text]) for text, other in pairs]
    with opened(fresh) as file:
        answers = record(file, entries, NOW)
        assert all(isinstance(answer, Recorded) for answer in answers), answers
        export(file, folder)
        accounts = file.value("SELECT COUNT(*) FROM accounts")
    checked = program("bean-check", "--no-cache", folder / "main.beancount")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert program("hledger", "-f", folder / "main.journal", "check", "--strict").stderr == ""

    def query(sql: str) -> list[list[str]]:
        done = program("bean-query", "-f", "csv", folder / "main.beancount", sql)
        return list(csv.reader(io.StringIO(done.stdout, newline="")))[1:]

    kinds = dict(query("SELECT type, count(*) AS n FROM #entries GROUP BY type"))
    assert kinds == {"open": str(accounts), "transaction": str(len(entries)), "commodity": "1"}
    read_back = query("SELECT DISTINCT any_meta('number') AS number, count(*) AS lines GROUP BY number")
    assert [lines for _, lines in read_back] == ["3"] * len(entries)
    journal = program("hledger", "-f", folder / "main.journal", "print", "-O", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(journal)))
    assert len(rows) == 3 * len(entries)
    assert {(row["date"], row["status"], row["date2"]) for row in rows} == {("2026-02-03", "!", "")}
    assert len({row["account"] for row in rows}) <= accounts
    forged = program("hledger", "-f", folder / "main.journal", "tags").stdout.split()
    assert {tag for tag in forged if not tag.startswith("dim-")} <= {
        "code", "name", "entry-id", "company-id", "kind", "tax-code",
    }  # fmt: skip


def test_texts_come_back(book_path: Path, tmp_path: Path, make: Any, program: Any) -> None:
    """Beancount reads back every text as it was, but for control characters, which show as marks."""
    clean = [text.encode(errors="replace").decode() for text in ATTACKS]
    entries = []
    for text in clean:
        entry = make.entry()
        entries.append(replace(entry, details=replace(entry.details, description="d", note=f"<{text}>")))
    with opened(book_path) as file:
        record(file, entries, NOW)
        export(file, tmp_path / "ledger")
    done = program(
        "bean-query", "-f", "csv", tmp_path / "ledger" / "main.beancount",
        "SELECT any_meta('number') AS number, any_meta('note') AS note"
        " WHERE account = 'Assets:Account-1920' ORDER BY number",
    )  # fmt: skip
    notes = [row[1] for row in csv.reader(io.StringIO(done.stdout.replace("\r\n", "\n"), newline=""))][1:]
    expected = [f"<{_shown(text)}>".replace("\r\n", "\n") for text in clean]
    # subprocess text mode reads a lone carriage return as a line break
    assert notes == [text.replace("\r", "\n") for text in expected]


@given(st.text(max_size=20), st.text(max_size=20))
def test_names_never_collide(one: str, other: str) -> None:
    """Two different codes never become the same name, and a name has letters, digits and dashes alone."""
    names = name_part(one), name_part(other)
    assert (names[0] == names[1]) is (one == other)
    assert all(c.isascii() and (c.isalnum() or c == "-") for c in names[0])


@given(st.text())
def test_terminal_text_is_one_harmless_line(text: str) -> None:
    """Nothing that moves a cursor, breaks a line or turns the direction of writing reaches a terminal."""
    assert terminal_text(text).isprintable()
    assert len(terminal_text(text)) == len(text)


@given(st.text())
def test_strings_stay_on_one_line(text: str) -> None:
    """A Beancount string is one line that ends where it should."""
    inner = beancount_string(text)[1:-1]
    assert inner.isprintable()
    assert '"' not in inner.replace("\\\\", "").replace('\\"', "")
    assert not inner.replace("\\\\", "").endswith("\\")


@given(st.text())
def test_journal_text_has_no_marks(text: str) -> None:
    """Text for hledger has nothing left that hledger reads."""
    shown = journal_text(text)
    assert not set(shown) & set(";,:[]|=(){}@~*\"'\\\n\r\t") - {"'"}
    assert not any(unicodedata.category(c)[0] in "CZ" and c != " " for c in shown)
