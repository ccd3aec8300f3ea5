"""What a fresh company in Tryton is to hold: read from a TOML file of the same form as that of the embedded book."""

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tallybook.errors import SettingsError

Code = Annotated[str, Field(min_length=1, max_length=200)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class CompanyRow(_Table):
    """`[company]`: its name, and the currency its books are kept in."""

    name: Code
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    exchange_account: Code | None = None  # of the cents that converting leaves


class CurrencyRow(_Table):
    """`[[currencies]]`: another currency, and how much of it one unit of the company's own is worth."""

    code: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    rate: Annotated[Decimal, Field(gt=0)]


class AccountRow(_Table):
    """`[[accounts]]`."""

    code: Code
    name: str = ""
    kind: Literal["asset", "liability", "equity", "income", "expense"] = "expense"
    identifier: str | None = None  # Tryton gives accounts ids of its own
    currency: str | None = None
    open: bool = True


class TaxCodeRow(_Table):
    """`[[tax_codes]]`: a tax code becomes a tax whose name is the code; `rate` is a fraction, 0.25 for 25 %."""

    code: Code
    name: str = ""
    rate: Decimal = Decimal(0)
    ingoing_account: Code | None = None
    outgoing_account: Code | None = None


class TagRow(_Table):
    """A value of a dimension."""

    code: Code
    name: str = ""


class TagGroupRow(_Table):
    """`[[tag_groups]]`: a dimension becomes a root of analytic accounts."""

    code: Code
    name: str = ""
    tags: tuple[TagRow, ...] = ()

    @field_validator("tags", mode="before")
    @classmethod
    def _bare_codes(cls, tags: object) -> object:
        return (
            [{"code": tag} if isinstance(tag, (str, int)) else tag for tag in tags] if isinstance(tags, list) else tags
        )


class VendorRow(_Table):
    """`[[vendors]]`: a vendor becomes a party."""

    code: Code
    name: str = ""
    external_id: Code | None = None
    tax_registration_number: Code | None = None
    registration_number: Code | None = None
    account: Code | None = None
    blocked: bool = False


class ClosedPeriodRow(_Table):
    """`[[closed_periods]]`: the months these days lie in."""

    from_on: date
    to_on: date


class Chart(_Table):
    """A whole company."""

    company: CompanyRow
    currencies: tuple[CurrencyRow, ...] = ()
    accounts: tuple[AccountRow, ...] = ()
    tax_codes: tuple[TaxCodeRow, ...] = ()
    tag_groups: tuple[TagGroupRow, ...] = ()
    vendors: tuple[VendorRow, ...] = ()
    closed_periods: tuple[ClosedPeriodRow, ...] = ()


def read(path: Path) -> Chart:
    """Read a chart.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong with it.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return Chart.model_validate(table)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path} is not valid TOML: {error}"]) from None
    except OSError as error:
        raise SettingsError([f"{path} cannot be read: {error.strerror}"]) from None
    except ValidationError as error:
        raise SettingsError(
            [
                f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False)
            ]
        ) from None
