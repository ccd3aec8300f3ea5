"""The table in docs/adapters.md; that a row is what was measured, each adapter's own proof checks."""

from dataclasses import replace
from pathlib import Path

import pytest

from tallybook import adapters
from tallybook.accounting.system import Capabilities
from tallybook.testkit.table import BEGIN, END, WRITE_VARIABLE, Row, show
from tallybook.testkit.verdict import Unproven
from tests.adapters.kit.book_bench import PAGE, BookBench, book_bench


@pytest.fixture
def bench(tmp_path: Path) -> BookBench:
    page = tmp_path / "adapters.md"
    page.write_text(f"before\n{BEGIN}\n\n{END}\nafter\n", encoding="utf-8")
    return replace(book_bench(tmp_path), page=page)


def test_every_adapter_has_a_row() -> None:
    """The table has one row for each adapter of ours, and none for any other."""
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = [line.split("|")[1].strip() for line in table.strip().splitlines()[2:]]
    folders = [path.parent.name for path in Path(str(adapters.__file__)).parent.glob("*/__init__.py")]
    assert rows == sorted(folders)


def test_a_row_is_written_when_told(bench: BookBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to, a proof writes its row, once however often, and leaves the rest of the page as it is."""
    row = Row.of(bench, Capabilities(), "native key")
    with pytest.raises(Unproven, match="measured is"):
        show(row)
    monkeypatch.setenv(WRITE_VARIABLE, "1")
    show(row)
    show(row)
    monkeypatch.delenv(WRITE_VARIABLE)
    show(row)
    assert bench.page is not None
    text = bench.page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert text.count("| book | native key |") == 1


def test_a_row_that_is_no_longer_true(bench: BookBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that says something else than was measured fails the proof, and both are named."""
    monkeypatch.setenv(WRITE_VARIABLE, "1")
    show(Row.of(bench, Capabilities(), "native key"))
    monkeypatch.delenv(WRITE_VARIABLE)
    with pytest.raises(Unproven, match=r"says of book: .* native key .*; measured is .* search by reference"):
        show(Row.of(bench, Capabilities(), "search by reference"))
