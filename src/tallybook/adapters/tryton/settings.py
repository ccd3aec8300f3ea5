"""The section `[books.tryton]` of the settings."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from tallybook.errors import SettingsError

# The password travels over https; plain http is for a Tryton on this machine.
_ADDRESS = r"^(https://[^\s/@]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?)(/[^\s?#]*)?$"
# A database's name becomes part of an address.
_DATABASE = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
PASSWORD_VARIABLE = "TALLYBOOK_BOOKS_TRYTON_PASSWORD"  # noqa: S105 - a name
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class TrytonSettings(BaseModel):
    """`[books.tryton]`: where Tryton is, who we are there, and what we write to.

    `company` is the company's name in Tryton, needed where the user has several; `company_id` binds it to one company
    of the source. `journal` is the code of the journal of entries and payments, `bill_journal` that of bills and
    credit notes. `view_url` is where people use Tryton in a browser; entries then carry a link.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, hide_input_in_errors=True)

    url: Annotated[str, Field(pattern=_ADDRESS)]
    database: Annotated[str, Field(pattern=_DATABASE)]
    user: Annotated[str, Field(min_length=1)]
    password: SecretStr | None = None
    password_file: Path | None = None
    company: str | None = None
    company_id: str | None = None
    journal: Annotated[str, Field(min_length=1)] = "TALLYBOOK"
    bill_journal: Annotated[str, Field(min_length=1)] = "EXP"
    view_url: Annotated[str, Field(pattern=r"^https?://[^\s?#@]+$")] | None = None
    connect_timeout_s: Seconds = 10.0
    # A batch of a hundred bills takes Tryton half a minute; giving up early only makes doubt.
    read_timeout_s: Seconds = 300.0

    def secret(self) -> SecretStr:
        """Return the user's password, read from its file if a file was named.

        Raises:
            SettingsError: none or both are set, or the file cannot be read or is empty.
        """
        if (self.password is None) == (self.password_file is None):
            said = "no password is set" if self.password is None else "both password and password_file are set"
            raise SettingsError([f"books.tryton: {said}; set {PASSWORD_VARIABLE} or books.tryton.password_file"])
        if self.password is not None:
            return self.password
        assert self.password_file is not None  # noqa: S101 - one of the two is set
        try:
            text = self.password_file.expanduser().read_text(encoding="utf-8").strip("\r\n")
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: ~somebody who is not known here
            where = str(self.password_file)
            raise SettingsError(
                [f"books.tryton.password_file: the file {where!r} cannot be read ({type(error).__name__})"]
            ) from None
        if not text or "\n" in text:
            raise SettingsError(
                [f"books.tryton.password_file: the file {self.password_file} must hold the password alone, on one line"]
            )
        return SecretStr(text)


_FORMS = {
    "url": "an https address such as https://tryton.example.com, or http on this machine alone",
    "database": "the name of a Tryton database: letters, digits, and . _ - after the first",
    "view_url": "the address of Tryton's web client, such as https://tryton.example.com",
}


def read_settings(section: Mapping[str, Any]) -> TrytonSettings:
    """Check the section.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong; never the value of a secret.
    """
    try:
        return TrytonSettings.model_validate(dict(section))
    except ValidationError as error:
        raise SettingsError([_sentence(dict(fault)) for fault in error.errors(include_url=False)]) from None


def _sentence(fault: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        near = get_close_matches(name, TrytonSettings.model_fields, n=1, cutoff=0.5)
        return f"unknown setting books.tryton.{name}" + (f"; did you mean {near[0]}?" if near else "")
    if fault["type"] == "missing":
        return (
            f"books.tryton.{name} is missing; set it in the settings file or in TALLYBOOK_BOOKS_TRYTON_{name.upper()}"
        )
    if fault["type"] == "string_pattern_mismatch":
        return f"books.tryton.{name} must be {_FORMS[name]}"
    message = str(fault["msg"])
    return f"books.tryton.{name}: {message[:1].lower()}{message[1:]}"
