"""The section `[books.sie]` of the settings."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from tallybook.import_files.settings import FileSettings


class SieSettings(FileSettings):
    """`[books.sie]`: whose books they are, and how the book's codes are written in SIE.

    `dimensions` gives each tag group of the book its number in SIE: 1 cost centre, 2 cost bearer, 6 project, others
    from 20 on; 0 leaves the group out.
    """

    period: Literal["month", "year"] = "month"
    fiscal_year_begins: Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])$")] = "01"  # the month
    organisation_number: Annotated[str, Field(pattern=r"^(\d{6}-\d{4}|\d{10})$")] | None = None
    company_name: Annotated[str, Field(min_length=1, max_length=200)] | None = None  # else the book's
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "SEK"
    series: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,10}$")] = "P"  # of the vouchers
    dimensions: Mapping[str, Annotated[int, Field(ge=0, le=9999)]] = {}
