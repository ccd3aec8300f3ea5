"""`tallybook tryton ...` as people run it, at a real Tryton."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import tomli_w

from tallybook.adapters.tryton.local import Server
from tests.adapters.tryton import trial
from tests.adapters.tryton.making import MAKE, all_recorded, opened


def _run(folder: Path, *command: str, **section: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command with a settings file whose section `[books.tryton]` is given."""
    config = folder / "tallybook.toml"
    config.write_text(tomli_w.dumps({"books": {"adapter": "tryton", "tryton": section}}), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-c", "from tallybook.adapters.tryton.commands import app; app()", *command],
        check=False, capture_output=True, text=True, cwd=folder, timeout=120,
        env={name: value for name, value in os.environ.items() if not name.startswith("TALLYBOOK_")},
    )  # fmt: skip


def _section(server: Server, folder: Path, **changes: Any) -> dict[str, Any]:
    (folder / "password").write_text(trial.PASSWORD + "\n", encoding="utf-8")
    section = trial.settings(server.url) | changes
    del section["password"]
    return section | {"password_file": "password"}


def test_init_prepares_once(tryton: Server, rows: trial.Rows, tmp_path: Path) -> None:
    """`init` makes the journal and its entry of nothing, says so, and does nothing the second time."""
    code = f"J{uuid.uuid4().hex[:8]}"
    section = _section(tryton, tmp_path, journal=code)
    first, second = (_run(tmp_path, "init", **section) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert f"journal {code}" in first.stdout
    assert "prepared already" in second.stdout
    moves = rows(
        "SELECT m.state, l.debit, l.credit FROM account_move m JOIN account_journal j ON j.id = m.journal"
        f" JOIN account_move_line l ON l.move = m.id WHERE j.code = '{code}'"
    )
    assert [(state, trial._minor(debit, 2), trial._minor(credit, 2)) for state, debit, credit in moves] == [
        ("posted", 0, 0)
    ]


def test_init_with_a_chart_leaves_a_company_alone(tryton: Server, rows: trial.Rows, tmp_path: Path) -> None:
    """`init --chart` founds no second company where there is one."""
    (tmp_path / "chart.toml").write_text('[company]\nname = "Another"\n', encoding="utf-8")
    done = _run(tmp_path, "init", "--chart", "chart.toml", **_section(tryton, tmp_path))
    assert done.returncode == 0, done.stderr
    assert rows("SELECT COUNT(*) FROM company_company") == [(1,)]


def test_a_password_in_the_file_is_refused(tryton: Server, tmp_path: Path) -> None:
    """A password in the settings file is refused without being shown, and the variable for it is named."""
    done = _run(tmp_path, "init", **trial.settings(tryton.url))
    assert done.returncode == 2
    assert "TALLYBOOK_BOOKS_TRYTON_PASSWORD" in done.stderr
    assert trial.PASSWORD not in done.stderr


def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    """A Tryton that is not there is one sentence and exit code 1."""
    (tmp_path / "password").write_text("secret\n", encoding="utf-8")
    section = {"url": "http://127.0.0.1:9", "database": "tryton", "user": "admin", "password_file": "password"}
    done = _run(tmp_path, "init", **section)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Tryton at http://127.0.0.1:9 cannot be reached, or broke off (ConnectError)",
    ]


async def test_entries_lists_what_was_recorded(tryton: Server, tmp_path: Path) -> None:
    """`entries --json` lists an entry with its id at the source and in Tryton, and how many documents it has."""
    bill = MAKE.bill(10_00)
    entry = MAKE.entry(bill, MAKE.payment(10_00, *bill.open_item_refs))
    async with opened(tryton) as books:
        (recorded,) = all_recorded(await books.record([entry]))
    done = _run(tmp_path, "entries", "--json", **_section(tryton, tmp_path))
    found = [row for row in json.loads(done.stdout) if row["entry_id"] == entry.key.entry_id]
    assert found == [
        {"entry_id": entry.key.entry_id, "documents": 2, "external_id": recorded.external_id, "state": "draft"}
    ]
