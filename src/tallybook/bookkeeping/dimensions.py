"""Dimensions: the tags of a line as cost centres, projects and the like, in the books' own spelling."""

from tallybook.accounting.entry import Dimension
from tallybook.accounting.errors import DimensionUnknown
from tallybook.bookkeeping.books import Books
from tallybook.bookkeeping.mapping import CodeMapping, both, mapped, mend
from tallybook.pleo.models import ItemLine, Tag


def dimensions_of(line: ItemLine, books: Books, mapping: CodeMapping) -> tuple[Dimension, ...]:
    """Find the dimensions of a line, in Pleo's order, each once.

    Raises:
        DimensionUnknown: the books lack the tag or its group.
    Source: Pleo guide "Data mapping": dimensions are the tags' code and groupCode.
    """
    return tuple(dict.fromkeys(dimension_of(tag, books, mapping) for tag in line.tags or () if tag is not None))


def dimension_of(tag: Tag, books: Books, mapping: CodeMapping) -> Dimension:
    """Find the dimension that a tag is.

    Raises:
        DimensionUnknown: the books lack the tag or its group.
    """
    group, code = mapped(mapping.tag_groups, tag.group_code), mapping.tag(tag.group_code, tag.code)
    dimension = books.dimension(group or tag.group_code, code or tag.code)
    if dimension is None:
        how = mend(
            "tags" if code else "tag_groups",
            code or group,
            "choose another Tag in Pleo, or add this one to the accounting system",
        )
        raise DimensionUnknown(
            f"The Tag with code {both(tag.code, code)} of the tag group {both(tag.group_code, group)} is not in the "
            f"accounting system; {how}.",
            sought=code or tag.code,
            group=group or tag.group_code,
        )
    return dimension
