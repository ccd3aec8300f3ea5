"""The section `[books.datev]` of the settings."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tallybook.import_files.settings import FileSettings


class TaxKey(BaseModel):
    """How DATEV is told of a tax code: gross with a BU-Schluessel, gross on an automatic account, or in own rows.

    `key` is the BU-Schluessel; without it the account itself knows its tax. `percent` is the rate DATEV computes with
    for the key; `reverse` says that the tax is owed and reclaimed at once (section 13b UStG). With `own_rows` the tax
    is booked on the account that the book has it on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[str, Field(pattern=r"^[0-9]{1,4}$")] | None = None
    percent: Annotated[Decimal, Field(ge=0, lt=100, max_digits=6, decimal_places=4)] = Decimal(0)
    reverse: bool = False
    own_rows: bool = False


class DatevSettings(FileSettings):
    """`[books.datev]`: who the client is, and how the book's codes are written in DATEV."""

    consultant_number: Annotated[int, Field(ge=1001, le=9_999_999)]  # Beraternummer
    client_number: Annotated[int, Field(ge=1, le=99_999)]  # Mandantennummer
    fiscal_year_begins: Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])$")] = "01"  # the month
    account_length: Annotated[int, Field(ge=4, le=8)] = 4  # Sachkontenlaenge; accounts of persons have one digit more
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    chart: Annotated[str, Field(pattern=r"^([0-9]{2})?$")] = ""  # Sachkontenrahmen, "03" or "04"
    initials: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""  # Diktatkuerzel
    locked: bool = False  # Festschreibung: what is imported cannot be changed in DATEV
    cost_1: str | None = None  # the tag group that becomes KOST1
    cost_2: str | None = None
    document_number: Annotated[str, Field(pattern=r"^(entry_id|invoice_number)$")] = "entry_id"  # Belegfeld 1
    automatic_accounts: frozenset[str] = frozenset()  # accounts whose tax DATEV computes by itself
    tax_keys: Mapping[str, TaxKey] = {}
