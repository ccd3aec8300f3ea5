"""What goes into the paths and queries of calls, checked before anything is sent.

Source: contract/pleo-export-v3.openapi.yaml, `components.parameters`.
"""

from collections.abc import Sequence

from tallybook.pleo.errors import PleoCallInvalid
from tallybook.pleo.models import SortOrder, is_uuid

Query = list[tuple[str, str]]
Sorting = Sequence[tuple[str, SortOrder]]


def id_of(value: str, what: str) -> str:
    """Check an id before it becomes part of a path, and write it as Pleo does, in lower case.

    Raises:
        PleoCallInvalid: it is no UUID.
    """
    if not is_uuid(value):
        raise PleoCallInvalid(f"the {what} id is no UUID; copy it from Pleo")
    return value.lower()


def paging(after: str | None, before: str | None, offset: int | None, limit: int | None, sorting: Sorting) -> Query:
    """Compose the paging parameters that all lists share.

    Raises:
        PleoCallInvalid: more than one starting point, or a negative number.
    """
    if sum(start is not None for start in (after, before, offset)) > 1:
        raise PleoCallInvalid("a page begins after a cursor, before one, or at an offset: only one of them")
    if min(offset or 0, limit or 0) < 0:
        raise PleoCallInvalid("offset and limit are not negative")
    given = (("after", after), ("before", before), ("offset", offset), ("limit", limit))
    query = [(name, str(value)) for name, value in given if value is not None]
    query += [("sorting_keys", key) for key, _ in sorting]
    return query + [("sorting_order", order) for _, order in sorting]
