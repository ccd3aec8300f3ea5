"""The table of adapters in docs/adapters.md: what each was measured to do."""

import os
import sys
from dataclasses import dataclass

from tallybook.accounting.system import Capabilities
from tallybook.testkit.bench import Bench
from tallybook.testkit.verdict import require

WRITE_VARIABLE = "TALLYBOOK_WRITE_ADAPTER_TABLE"
BEGIN, END = "<!-- adapters: measured by the kit -->", "<!-- end of adapters -->"
_HEAD = (
    "| adapter | idempotency | drafts | attachments | bills | closed periods | at once | does not keep |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one run of the kit found out about an adapter."""

    bench: Bench
    cells: tuple[str, ...]

    @classmethod
    def of(cls, bench: Bench, can: Capabilities, idempotency: str) -> "Row":
        """The row of an adapter whose class of idempotency was measured."""
        return cls(
            bench,
            (
                bench.adapter.name,
                idempotency,
                _yes(can.drafts),
                _yes(can.attachments),
                _yes(can.accounts_payable),
                _yes(bench.company.closed_on is not None),
                f"{can.batch_size} entries",
                ", ".join(sorted(bench.not_kept)) or "-",
            ),
        )

    def text(self) -> str:
        """The row as Markdown."""
        return f"| {' | '.join(self.cells)} |"


def _yes(can: bool) -> str:
    return "yes" if can else "no"


def show(row: Row) -> None:
    """Print the row, and compare it with the page the bench names, or write it there if told to.

    Repeat: safe; an adapter has one row.
    Raises:
        Unproven: the page says something else.
    """
    sys.stdout.write(f"\n{row.cells[0]}: idempotency: {row.cells[1]}\n")
    page = row.bench.page
    if page is None:
        return
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    table, _, after = rest.partition(END)
    rows = {line.split("|")[1].strip(): line for line in table.strip().splitlines()[len(_HEAD) :]}
    if os.environ.get(WRITE_VARIABLE):
        rows[row.cells[0]] = row.text()
        table = "\n".join([*_HEAD, *(rows[name] for name in sorted(rows))])
        page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")
        return
    require(
        rows.get(row.cells[0]) == row.text(),
        f"{page.name} says of {row.cells[0]}: {rows.get(row.cells[0])}; measured is {row.text()};"
        f" run this test with {WRITE_VARIABLE}=1",
    )
