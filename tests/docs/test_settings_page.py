"""The pages on settings and on the book, held against the code."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tallybook import settings
from tallybook.adapters.book import reference
from tallybook.adapters.book.settings import BookSettings

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `([a-z]+\.[a-z_.]+)` \| (.+?) \| .+ \|$", re.MULTILINE)
CHART_ROW = re.compile(r"^\| (?:`\[+([a-z_]+)\]+` )?\| `([a-z_]+)` \| .+ \|$", re.MULTILINE)
TOML = re.compile(r"```toml\n(.*?)```", re.DOTALL)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def block(name: str) -> str:
    found = TOML.search(page(name))
    assert found is not None
    return found[1]


def default(model: type[BaseModel], key: str) -> str:
    """A setting's default as the page writes it."""
    field = model.model_fields[key]
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, str):
        return f"`{field.default}`" if "://" in field.default else f'`"{field.default}"`'
    if isinstance(field.default, tuple):
        return f"`{json.dumps(field.default)}`"
    return f"`{field.default:g}`" if isinstance(field.default, float) else f"`{field.default}`"


def test_the_page_names_every_setting_with_its_default() -> None:
    """A setting that is added, renamed or given another default is not forgotten on the page."""
    known = {f"{section}.{key}": default(settings.SECTIONS[section], key) for section, key in settings.known_paths()}
    known |= {f"books.book.{key}": default(BookSettings, key) for key in BookSettings.model_fields}
    assert dict(ROW.findall(page("docs/settings.md"))) == known


def test_the_page_on_the_book_names_every_key_of_a_chart() -> None:
    """What `book init` reads and what the page says it reads are the same."""
    told: dict[str, set[str]] = {}
    table = ""
    for name, key in CHART_ROW.findall(page("docs/book.md")):
        table = name or table
        told.setdefault(table, set()).add(key)
    rows: dict[str, Any] = {
        "company": reference.CompanyRow,
        "accounts": reference.AccountRow,
        "tax_codes": reference.TaxCodeRow,
        "tag_groups": reference.TagGroupRow,
        "vendors": reference.VendorRow,
        "closed_periods": reference.ClosedPeriodRow,
    }
    assert set(reference.Reference.model_fields) == set(rows)
    assert told == {name: set(row.model_fields) for name, row in rows.items()}


def test_the_chart_on_the_page_makes_the_book_it_says(tmp_path: Path) -> None:
    """`tallybook book init` takes the example as it stands and counts what the page shows."""
    (tmp_path / "chart.toml").write_text(block("docs/book.md"), encoding="utf-8")
    made = subprocess.run(
        [sys.executable, "-m", "tallybook", "book", "init", "chart.toml", "--book", "book.sqlite"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout.strip() in page("docs/book.md").splitlines()


def test_the_settings_in_the_readme_fit_the_chart_on_the_page(tmp_path: Path) -> None:
    """They are read without a complaint, and every account they name is in the example chart."""
    (tmp_path / "tallybook.toml").write_text(block("README.md"), encoding="utf-8")
    read = settings.load(tmp_path / "tallybook.toml", {})
    codes = {account["code"] for account in tomllib.loads(block("docs/book.md"))["accounts"]}
    assert {code for _, code in read.accounts if code is not None} <= codes
    assert read.books.section("book") == {"path": str(tmp_path / "book.sqlite")}
