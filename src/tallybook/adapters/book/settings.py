"""The section `[books.book]` of the settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tallybook.accounting.problems import sentences
from tallybook.errors import SettingsError


class BookSettings(BaseModel):
    """`[books.book]`: where the book is.

    `path` is the book's file; its receipts are kept beside it in `<path>.files`. `company_id` binds the book to one
    company. `view_url` is where people look at it in Fava, up to and with the ledger's name, such as
    http://127.0.0.1:5000/acme; entries then carry a link. `lock_timeout_s` is how long to wait for another program's
    write.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    company_id: str | None = None
    view_url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")] | None = None
    lock_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0

    @field_validator("path")
    @classmethod
    def _path_set(cls, path: Path) -> Path:
        if path == Path() or "\0" in str(path):
            raise ValueError("must name the book's file")
        return path.expanduser()


def read_settings(section: Mapping[str, Any]) -> BookSettings:
    """Check the section.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong.
    """
    try:
        return BookSettings.model_validate(dict(section))
    except ValidationError as error:
        raise SettingsError(sentences(error, BookSettings, "books.book")) from None
