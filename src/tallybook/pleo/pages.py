"""Draining a list page by page, and refusing to go round in circles.

Source: contract/pleo-export-v3.openapi.yaml, `CursorPageInfo`: `endCursor` is sent as `after` for the next page.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from tallybook.pleo.errors import PleoAnswerUnreadable
from tallybook.pleo.models import Page

_Row = TypeVar("_Row")

PAGES_MAX = 100_000  # ours: a list that is still not at its end by then never ends


async def drain(fetch: Callable[[str | None], Awaitable[Page[_Row]]]) -> AsyncIterator[Page[_Row]]:
    """Yield all pages from the first to the last; `fetch` takes the cursor to go on `after`.

    Repeat: safe; starts again at the first page.
    Raises:
        PleoAnswerUnreadable: a cursor came back a second time, or the list has no end.
        PleoError: as `fetch`.
    """
    seen: set[str] = set()
    after: str | None = None
    for _ in range(PAGES_MAX):
        page = await fetch(after)
        yield page
        if not page.info.has_next_page:
            return
        after = page.info.end_cursor
        if after is None or after in seen:
            break
        seen.add(after)
    raise PleoAnswerUnreadable(
        f"Pleo's list goes round in circles after {len(seen) + 1} pages; try again, or ask Pleo's support"
    )
