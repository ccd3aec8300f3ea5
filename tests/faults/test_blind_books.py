"""Books that cannot be searched: what may be in them is never written again, until a person has looked."""

import json
import signal
from collections.abc import Callable

from tests.faults import lanes, matrix, sweep, witness
from tests.faults.conftest import LANES
from tests.faults.databases import SqliteFiles
from tests.faults.scene import Scene
from tests.faults.sweep import Point


def command(company: Scene, *arguments: str) -> str:
    """Run one command to its end; what it said."""
    said = company.folder / "command.log"
    said.unlink(missing_ok=True)
    child = company.house.launcher.start(company.order(*arguments, name="command"))
    text = "" if child.wait() else said.read_text(encoding="utf-8")
    assert child.code == 0, said.read_text(encoding="utf-8")
    return text


def settle(company: Scene) -> set[str]:
    """Do what a bookkeeper does: look each uncertain entry up in the books, and say what is there; those settled."""
    numbers = {
        effect["reference"][1]: effect["id"]
        for effect in witness.read_log(company.house.books.log(company.name))
        if effect["effect"] == "recorded"
    }
    listed = [json.loads(line) for line in command(company, "uncertain", "--json").splitlines()]
    for row in listed:
        found = numbers.get(row["accountingEntryId"])
        answer = ("--booked", found) if found else ("--not-booked",)
        command(company, "uncertain", "settle", row["accountingEntryId"], *answer, "--yes")
    return {row["accountingEntryId"] for row in listed}


def test_a_worker_killed_around_any_write_to_books_without_search_books_nothing_twice(
    scenes: Callable[[int], list[Scene]], sqlite_files: SqliteFiles
) -> None:
    """The entries in doubt fail and are listed; once a person settled them, an export ends all, each booked once."""
    companies = scenes(LANES)
    points = [
        point
        for point in sweep.all_points(companies[0], sqlite_files, safety="none")
        if point.name.startswith(("books POST /entries #", "between 3-6 page")) or "postings" in point.name
    ]

    def one(company: Scene, point: Point) -> tuple[int | None, set[str], witness.Counts]:
        killed = sweep.kill(company, point, databases=sqlite_files, safety="none")
        matrix.until_final(company)
        settled = settle(company)
        if again := matrix.to_export_again(company):
            company.press_export(again)
            matrix.until_final(company)
        return killed, settled, witness.count(company.evidence())

    in_doubt = 0
    for point, (killed, settled, counts) in zip(points, lanes.each(companies, points, one), strict=True):
        assert killed == -signal.SIGKILL, point
        assert counts.doubled + counts.altered + counts.unexpected == [], point
        # Who settles an entry as booked sees to its files and its posting as well.
        assert all(any(entry_id in lost for entry_id in settled) for lost in counts.lost), (point, counts.lost)
        in_doubt += len(settled)
    assert in_doubt > 0
