"""What the sections `[books.datev]`, `[books.sie]` and `[books.csv]` have in common."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tallybook.accounting.problems import sentences
from tallybook.errors import SettingsError


class FileSettings(BaseModel):
    """The book that entries are recorded in, and the folder that import files are put into.

    `path`, `company_id`, `view_url` and `lock_timeout_s` are those of the embedded book. Every set of import files
    becomes a folder of its own in `import_dir`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    import_dir: Path
    company_id: str | None = None
    view_url: str | None = None
    lock_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    receipts_size_bytes_max: Annotated[int, Field(ge=1_000_000)] = 400_000_000  # of one zip, before the next is begun

    @field_validator("path", "import_dir")
    @classmethod
    def _path_set(cls, path: Path) -> Path:
        if path == Path() or "\0" in str(path):
            raise ValueError("must name a file or folder")
        return path.expanduser()

    def book_section(self) -> dict[str, Any]:
        """Return the section that opens the book."""
        chosen = self.model_dump(include={"path", "company_id", "view_url", "lock_timeout_s"}, exclude_none=True)
        return chosen | {"path": str(self.path)}


Section = TypeVar("Section", bound=BaseModel)


def read_settings(model: type[Section], section: Mapping[str, Any], name: str) -> Section:
    """Check a section of the settings.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong.
    """
    try:
        return model.model_validate(dict(section))
    except ValidationError as error:
        raise SettingsError(sentences(error, model, f"books.{name}")) from None
