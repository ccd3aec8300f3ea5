"""Dimensions: the tags of a line as cost centres, projects and the like, in the books' own spelling."""

from tallybook.accounting.entry import Dimension
from tallybook.accounting.errors import DimensionUnknown
from tallybook.bookkeeping.books import Books
from tallybook.bookkeeping.wording import shown
from tallybook.pleo.models import ItemLine


def dimensions_of(line: ItemLine, books: Books) -> tuple[Dimension, ...]:
    """Find the dimensions of a line, in Pleo's order, each once.

    Raises:
        DimensionUnknown: the books lack the tag or its group.
    Source: Pleo guide "Data mapping": dimensions are the tags' code and groupCode.
    """
    found: dict[Dimension, None] = {}
    for tag in line.tags or ():
        if tag is None:
            continue
        dimension = books.dimension(tag.group_code, tag.code)
        if dimension is None:
            raise DimensionUnknown(
                f"The Tag with code {shown(tag.code)} of the tag group {shown(tag.group_code)} is not in the "
                "accounting system; choose another Tag in Pleo, or add this one to the accounting system."
            )
        found[dimension] = None
    return tuple(found)
