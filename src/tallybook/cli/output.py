"""What several commands print: reports of jobs as text and as JSON, and text from outside made harmless."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from tallybook.outcome import JobReport
from tallybook.postings.posting import JournalState, Posting

PIPED_WIDTH = 120  # columns; a pipe has none of its own


def console(*, stderr: bool = False) -> Console:
    """Make a console that neither colours nor asks for a terminal's width when its output is piped."""
    stream = sys.stderr if stderr else sys.stdout
    piped = not stream.isatty()
    # Said outright, or FORCE_COLOR would put bars and colours into a pipe; NO_COLOR is heeded by rich itself.
    return Console(
        file=stream, highlight=False, markup=False, width=PIPED_WIDTH if piped else None, force_terminal=not piped
    )


def harmless(text: str | None) -> Text:
    """Give text from Pleo or the books without control characters and without markup."""
    return Text("".join(sign if sign.isprintable() else " " for sign in text or ""))


def ids(title: str) -> Column:
    """Make a column of ids, which are copied into the next command and so never cut short."""
    return Column(title, no_wrap=True, min_width=len("00000000-0000-0000-0000-000000000000"))


def reasons() -> Column:
    """Make a column of reasons; on a narrow terminal their long names are broken, not cut."""
    return Column("Reason", overflow="fold")


def reason(reason_type: str | None, text: str | None) -> Text:
    """Give Pleo's reason and the sentence that came with it, empty where there is none."""
    return harmless(": ".join(part for part in (reason_type, text) if part))


def report_table(reports: Sequence[JobReport]) -> Table:
    """Table of what a run did, a row per job."""
    table = Table(ids("Job"), "Ended", "Items", "Successful", "Failed", "Seconds")
    for report in reports:
        table.add_row(
            report.job_id,
            report.event.event.value if report.event else "not by this run",
            str(report.items),
            str(report.successful),
            str(report.failed),
            f"{report.seconds:.1f}",
        )
    return table


def report_json(report: JobReport) -> dict[str, Any]:
    """Give a report as JSON: event is None while the job has not ended by us."""
    return {
        "id": report.job_id,
        "event": report.event.event.value if report.event else None,
        "items": report.items,
        "successful": report.successful,
        "failed": report.failed,
        "seconds": round(report.seconds, 3),
        **({"note": report.note} if report.note else {}),
    }


def posting_json(posting: Posting) -> dict[str, Any]:
    """Give what the posting journal knows of an entry as JSON, without its ids."""
    return {
        "state": posting.state.value,
        "externalId": posting.external_id,
        "replaces": posting.replaces,
        "settled": posting.settled,
        "error": posting.error,
    }


def posting_text(posting: Posting | None) -> Text:
    """Give what the posting journal knows of an entry in a few words, empty where it knows nothing."""
    if posting is None:
        return Text()
    if posting.state is JournalState.UNDONE:
        return harmless(f"undone: {posting.external_id} takes back {posting.replaces}")
    words = [
        posting.state.value,
        posting.external_id or "",
        f"in place of {posting.replaces}" if posting.replaces else "",
    ]
    return harmless(" ".join(filter(None, words)) + (" (settled)" if posting.settled else ""))
