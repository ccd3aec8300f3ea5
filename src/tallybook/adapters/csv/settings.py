"""The section `[books.csv]` of the settings, and templates: how a CSV file for one importing system looks."""

import codecs
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tallybook.accounting.entry import DocumentKind
from tallybook.accounting.problems import sentences
from tallybook.adapters.csv import fields
from tallybook.errors import SettingsError
from tallybook.import_files.settings import FileSettings

_TEMPLATES = resources.files("tallybook.adapters.csv") / "templates"


class Column(BaseModel):
    """A column: its name in the header, and what stands in it, such as "{number} {description}"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(max_length=200)]
    value: Annotated[str, Field(max_length=500)] = ""
    length_max: Annotated[int, Field(ge=1, le=5000)] = 250

    @field_validator("name")
    @classmethod
    def _one_line(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("must be one line of printable text")
        return name

    @field_validator("value")
    @classmethod
    def _known_fields(cls, value: str) -> str:
        for name in fields.names_in(value):
            if name not in fields.NAMES:
                near = get_close_matches(name, sorted(fields.NAMES), n=1)
                raise ValueError(f"{{{name}}} is no field" + (f"; did you mean {{{near[0]}}}?" if near else ""))
        if fields.unread(value):
            raise ValueError("a brace stands for a field, such as {supplier} or {vendor_name|supplier}")
        return value


class Template(BaseModel):
    """How a file looks, and which documents go into it.

    `rows` says what a row is: `lines` every line of a document, tax lines too; `gross` every line with its tax in it;
    `pairs` an amount with the account and the one against it; `costs` what was bought, without the other side.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: Literal["lines", "gross", "pairs", "costs"] = "lines"
    kinds: Annotated[tuple[DocumentKind, ...], Field(min_length=1)] = tuple(DocumentKind)
    delimiter: Literal[",", ";", "\t", "|"] = ","
    encoding: str = "utf-8"
    decimal_sign: Literal[".", ","] = "."
    date_format: Annotated[str, Field(pattern=r"^(%[dmYy]|[-./ ])+$")] = "%Y-%m-%d"
    header: bool = True
    rows_max: Annotated[int, Field(ge=1)] = 1_000_000
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]

    @field_validator("encoding")
    @classmethod
    def _plain_encoding(cls, encoding: str) -> str:
        """Take encodings in which ASCII is ASCII; the others could hide a delimiter."""
        try:
            same = ",;\t|\r\n\"'=+-@".encode(encoding).removeprefix(codecs.BOM_UTF8) == b",;\t|\r\n\"'=+-@"
        except (LookupError, UnicodeError):
            same = False
        if not same or encoding.lower().startswith("utf-7"):
            raise ValueError('is no encoding for CSV; use "utf-8", "utf-8-sig", "cp1252" or the like')
        return encoding


class TaxName(BaseModel):
    """What the importing system calls a tax code, and how it computes it; as in `[books.datev.tax_keys]`.

    Without `percent` the tax is not compared with what the importing system will make of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    percent: Annotated[Decimal, Field(ge=0, lt=100, max_digits=6, decimal_places=4)] | None = None
    reverse: bool = False
    own_rows: bool = False


class CsvSettings(FileSettings):
    """`[books.csv]`: which templates, and how the book's codes are written in them.

    A document goes into the file of the first of `templates` that takes its kind. A template is a ready one, or a
    table `[books.csv.template.NAME]`. `tag_groups` are the groups that `{tag1}` and `{tag2}` stand for.
    """

    period: Literal["month", "year"] = "month"
    templates: Annotated[tuple[str, ...], Field(min_length=1)]
    template: Mapping[str, Template] = {}
    tag_groups: Annotated[tuple[str, ...], Field(max_length=2)] = ()
    tag_groups_left_out: tuple[str, ...] = ()
    tax_names: Mapping[str, TaxName] = {}
    no_tax: str = ""  # what the importing system calls a line without tax

    @field_validator("template")
    @classmethod
    def _fit_for_file_names(cls, template: Mapping[str, Template]) -> Mapping[str, Template]:
        for name in template:
            if not (name.replace("_", "").isascii() and name.replace("_", "").isalnum()):
                raise ValueError(f"{name!r} must be letters, digits and underscores: files are named after it")
        return template

    @model_validator(mode="after")
    def _known_templates(self) -> "CsvSettings":
        known = [*self.template, *ready_templates()]
        for name in self.templates:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
                raise ValueError(f"templates: there is no template {name!r}{hint}")
        return self

    def chosen(self) -> list[tuple[str, Template]]:
        """The templates in use, by name, one's own before a ready one.

        Raises:
            SettingsError: a ready template is damaged.
        """
        return [(name, self.template.get(name) or read_template(name)) for name in self.templates]


def ready_templates() -> list[str]:
    """Names of the templates that come with Tallybook."""
    return sorted(place.name.removesuffix(".toml") for place in _TEMPLATES.iterdir() if place.name.endswith(".toml"))


def read_template(name: str) -> Template:
    """Read a ready template.

    Raises:
        SettingsError: it is damaged.
    """
    place = _TEMPLATES / f"{name}.toml"
    try:
        return Template.model_validate(tomllib.loads(place.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise SettingsError(sentences(error, Template, str(place))) from None
