"""The proof of an adapter, passed by the three that hand entries over: what they hold is in the book."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallybook import import_files
from tallybook.accounting.errors import AccountingSettingInvalid, AccountingSettingMissing
from tallybook.accounting.system import Adapter
from tallybook.adapters import book
from tallybook.adapters.csv import ADAPTER as CSV
from tallybook.adapters.datev import ADAPTER as DATEV
from tallybook.adapters.sie import ADAPTER as SIE
from tallybook.testkit.bench import Unready
from tallybook.testkit.proof import AdapterProof
from tests.adapters.kit.book_bench import BookBench, book_bench


def bench_for(adapter: Adapter, folder: Path, section: dict[str, Any], spoilt: dict[str, Any]) -> BookBench:
    """The book's own bench, opened through another adapter; `spoilt` settings are those that cannot hold the book."""
    bench = book_bench(folder)
    (folder / "file").write_text("no folder")
    section = {**bench.settings, "import_dir": str(folder / "import"), **section}
    bench.adapter, bench.settings = adapter, section
    bench.own_code = [str(Path(module.__file__ or "").parent) for module in (import_files, book)]
    # Import files are in one currency.
    bench.company = replace(bench.company, other_currency=None)
    bench.unready = [
        *(Unready(each.what, {**section, **each.settings}, each.error) for each in bench.unready),
        Unready("no folder", {**section, "import_dir": str(folder / "file")}, AccountingSettingInvalid),
        Unready("settings that leave out a tag group", {**section, **spoilt}, _missing(adapter)),
    ]
    return bench


def _missing(adapter: Adapter) -> type[AccountingSettingInvalid | AccountingSettingMissing]:
    return AccountingSettingInvalid if adapter is DATEV else AccountingSettingMissing


class TestDatev(AdapterProof):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> BookBench:
        section = {
            "consultant_number": 1001,
            "client_number": 1,
            "cost_1": "Cost Centre",
            "cost_2": "project",
            "tax_keys": {"25": {"own_rows": True}},
        }
        return bench_for(DATEV, tmp_path, section, {"cost_1": "nowhere"})


class TestSie(AdapterProof):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> BookBench:
        section = {"currency": "EUR", "dimensions": {"Cost Centre": 1, "project": 6}}
        return bench_for(SIE, tmp_path, section, {"dimensions": {"project": 6}})


class TestCsv(AdapterProof):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> BookBench:
        section = {
            "templates": ["xero_bills", "xero_manual_journals"],
            "tag_groups": ["Cost Centre", "project"],
            "tax_names": {"25": {"name": "25% (VAT on Expenses)"}},
        }
        return bench_for(CSV, tmp_path, section, {"tag_groups": ["project"]})
