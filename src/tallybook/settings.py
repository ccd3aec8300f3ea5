"""Settings: one TOML file plus `TALLYBOOK_*` variables, checked as a whole, everything wrong said at once.

Secrets never stand in the TOML file: they come from a variable or from a file that the settings name.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from tallybook.errors import SettingsError

ENVIRONMENT_PREFIX = "TALLYBOOK_"
CONFIG_VARIABLE = "TALLYBOOK_CONFIG"  # names the settings file; itself no setting
# Credentials travel over https; plain http is for a sandbox on this machine.
_ADDRESS = r"^(https://[^\s/]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?)(/\S*)?$"
_DATABASE_URL = r"^(sqlite:///[^?#]+|postgresql://[^\s]+)$"
_URL_WITH_PASSWORD = re.compile(r"^\w+://[^/@]*:[^/@]+@")
_PATH_SUFFIXES = ("path", "_file", "_dir")


class Section(BaseModel):
    """A table of the settings file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class OnChanged(StrEnum):
    """What happens to an entry that is in the books already, with other content."""

    FAIL = "fail"
    LINK = "link"


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PleoSettings(Section):
    """`[pleo]`: where Pleo is, who we are there, and how patient we are."""

    base_url: Annotated[str, Field(pattern=_ADDRESS)] = "https://external.pleo.io"
    company_id: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    access_token: SecretStr | None = None
    access_token_file: Path | None = None
    event_id_fields: Annotated[tuple[Literal["jobId", "exportJobId"], ...], Field(min_length=1)] = (
        "jobId",
        "exportJobId",
    )
    items_per_update: Annotated[int, Field(ge=1, le=100)] = 100
    page_size: Annotated[int, Field(ge=1, le=1000)] = 100
    minor_units: Literal["hundredths", "iso"] = "hundredths"
    connect_timeout_s: Seconds = 10.0
    read_timeout_s: Seconds = 30.0
    call_timeout_s: Seconds = 120.0
    receipt_hosts: tuple[str, ...] = ("*.pleo.io",)
    receipt_hosts_insecure: tuple[str, ...] = ()  # http and private addresses, for the sandbox only
    receipt_size_bytes_max: Annotated[int, Field(ge=1)] = 30 * 1024 * 1024  # Pleo hands over at most 30 MB a file
    receipt_timeout_s: Seconds = 120.0
    receipts_at_once: Annotated[int, Field(ge=1, le=64)] = 8

    def secret(self) -> tuple[Literal["api_key", "access_token"], SecretStr]:
        """Return the one credential, read from its file if a file was named.

        Raises:
            SettingsError: none or several are set, or the file cannot be read or is empty.
        """
        given = [
            name for name in ("api_key", "api_key_file", "access_token", "access_token_file") if getattr(self, name)
        ]
        if len(given) != 1:
            raise SettingsError(
                [
                    "pleo: "
                    + ("no credential is set" if not given else "more than one credential is set: " + ", ".join(given))
                    + "; set one of TALLYBOOK_PLEO_API_KEY, TALLYBOOK_PLEO_ACCESS_TOKEN,"
                    " pleo.api_key_file, pleo.access_token_file"
                ]
            )
        kind: Literal["api_key", "access_token"] = "api_key" if given[0].startswith("api_key") else "access_token"
        value = getattr(self, given[0])
        return kind, value if isinstance(value, SecretStr) else _secret_file(f"pleo.{given[0]}", value)


def _read_secret(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a path that no file can have
        raise SettingsError([f"{name}: the file {str(path)!r} cannot be read ({type(error).__name__})"]) from None


def _secret_file(name: str, path: Path) -> SecretStr:
    text = _read_secret(name, path)
    if not text or not text.isprintable() or " " in text:
        raise SettingsError([f"{name}: the file {path} must hold the credential alone, on one line"])
    return SecretStr(text)


class AccountsSettings(Section):
    """`[accounts]`: account codes for the sides of an entry that its item does not name."""

    wallet: str | None = None
    out_of_pocket: str | None = None
    contra: str | None = None
    accounts_payable: str | None = None
    reimbursement_contra: str | None = None
    employee_receivable: str | None = None
    tax_in: str | None = None
    tax_out: str | None = None


class BooksSettings(BaseModel):
    """`[books]`: which accounting system, and the rules for recording in it; `[books.NAME]` is the adapter's own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    adapter: str = "book"
    posting: Literal["draft", "posted"] = "draft"
    closed_period: Literal["fail", "next_open", "today"] = "fail"
    attachments: Literal["required", "best_effort", "none"] = "required"
    on_changed: OnChanged = OnChanged.FAIL

    def section(self, name: str) -> Mapping[str, Any]:
        """Return the adapter's own table `[books.NAME]`, empty if there is none."""
        found = (self.model_extra or {}).get(name, {})
        return found if isinstance(found, dict) else {}


class WebhooksSettings(Section):
    """`[webhooks]`: what Pleo signs its notifications with."""

    secret: SecretStr | None = None
    secret_file: Path | None = None

    def secrets(self) -> tuple[SecretStr, ...]:
        """Return the signing secrets, read from their file if one was named; while one is replaced there are several.

        Several stand on a line each, or in the variable with spaces between them.

        Raises:
            SettingsError: neither or both are set, or the file cannot be read or is empty.
        """
        if self.secret is not None and self.secret_file is None:
            words = self.secret.get_secret_value().split()
        elif self.secret_file is not None and self.secret is None:
            words = _read_secret("webhooks.secret_file", self.secret_file).split()
        else:
            said = "no secret is set" if self.secret is None else "both a secret and a secret_file are set"
            raise SettingsError([f"webhooks: {said}; set TALLYBOOK_WEBHOOKS_SECRET or webhooks.secret_file"])
        if not words:
            raise SettingsError(["webhooks: the secret is empty; `tallybook webhooks secret ID` shows Pleo's"])
        return tuple(SecretStr(word) for word in words)


class DatabaseSettings(Section):
    """`[database]`: where runs are kept, so that a killed one goes on; SQLite for one process, PostgreSQL for many."""

    # Relative SQLite paths count from the settings file's folder. May hold a password, so it is never shown.
    url: Annotated[str, Field(pattern=_DATABASE_URL, repr=False)] = "sqlite:///tallybook.sqlite"
    keep_days: Annotated[int, Field(ge=2, le=3650)] = 90  # runs that ended; a job lives an hour, its webhooks days
    lease_s: Annotated[float, Field(ge=2, le=15)] = 10.0  # PostgreSQL: how long a silent worker counts as alive


class ServeSettings(Section):
    """`[serve]`: how `tallybook serve` finds jobs."""

    poll_every_s: Annotated[float, Field(ge=1, le=3600)] = 120.0  # more or less, so that workers do not ask in step


class Settings(Section):
    """Everything Tallybook can be told."""

    pleo: PleoSettings
    books: BooksSettings = BooksSettings()
    accounts: AccountsSettings = AccountsSettings()
    webhooks: WebhooksSettings = WebhooksSettings()
    database: DatabaseSettings = DatabaseSettings()
    serve: ServeSettings = ServeSettings()


def load(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the settings file, lay the variables over it and check everything.

    `path` None means variables alone. Relative paths in the file count from the file's own folder.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong.
    """
    problems: list[str] = []
    table = {"pleo": {}} | (_read_toml(path) if path is not None else {})  # so that what is missing in [pleo] is named
    problems += [
        f"{name} stands in {path}; secrets belong in the variable {variable} or in a file named by {name}_file"
        for name, variable in (
            ("pleo.api_key", "TALLYBOOK_PLEO_API_KEY"),
            ("pleo.access_token", "TALLYBOOK_PLEO_ACCESS_TOKEN"),
            ("webhooks.secret", "TALLYBOOK_WEBHOOKS_SECRET"),
        )
        if isinstance(section := table.get(name.split(".")[0]), dict) and name.split(".")[1] in section
    ]
    books = table.get("books")
    problems += [
        f"unknown setting books.{key}{nearest(key, list(BooksSettings.model_fields))}"
        for key, value in (books.items() if isinstance(books, dict) else ())
        if key not in BooksSettings.model_fields and not isinstance(value, dict)  # tables belong to adapters
    ]
    base = path.parent if path is not None else Path()
    _resolve_paths(table, base)
    if _URL_WITH_PASSWORD.match(_database_url(table)):
        problems.append(
            f"database.url in {path} holds a password; secrets belong in the variable TALLYBOOK_DATABASE_URL "
            "or in a PostgreSQL password file"
        )
    problems += _overlay(table, environment)
    _place_database(table, base)
    try:
        settings = Settings.model_validate(table)
    except ValidationError as error:
        raise SettingsError(problems + list(_sentences(error))) from None
    if problems:
        raise SettingsError(problems)
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise SettingsError(
            [f"there is no settings file {path}; name one with --config or {CONFIG_VARIABLE}"]
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path} is not valid TOML: {error}"]) from None
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path} is not valid TOML: byte {error.start + 1} is no UTF-8 text"]) from None
    except (RecursionError, ValueError):  # ValueError: Python refuses to read more than 4300 digits
        raise SettingsError([f"{path} is not valid TOML: nested too deep, or a number is too long"]) from None
    except OSError as error:
        raise SettingsError([f"{path} cannot be read: {error.strerror}"]) from None


def _resolve_paths(table: dict[str, Any], base: Path) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            _resolve_paths(value, base)
        elif isinstance(value, str) and value and key.endswith(_PATH_SUFFIXES):
            named = Path(value)
            with suppress(RuntimeError):  # ~somebody who is not known here: the path stays as it stands
                named = named.expanduser()
            table[key] = str(base / named)


def _database_url(table: Mapping[str, Any]) -> str:
    section = table.get("database", {})
    return str(section.get("url", "")) if isinstance(section, dict) else ""


def _place_database(table: dict[str, Any], base: Path) -> None:
    """Make the path of an SQLite database absolute; without a URL it stands beside the settings file."""
    section = table.setdefault("database", {})
    url = _database_url(table) or DatabaseSettings.model_fields["url"].default
    if isinstance(section, dict) and url.startswith("sqlite:///"):
        section["url"] = f"sqlite:///{(base / Path(url.removeprefix('sqlite:///')).expanduser()).absolute()}"


def _overlay(table: dict[str, Any], environment: Mapping[str, str]) -> list[str]:
    known = {variable_name(path): path for path in known_paths()}
    problems = []
    for variable in sorted(environment):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == CONFIG_VARIABLE:
            continue
        path = known.get(variable) or _adapter_path(variable)
        if path is None:
            problems.append(f"unknown variable {variable}{nearest(variable, list(known))}")
            continue
        section = table
        for name in path[:-1]:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                break
        else:
            section[path[-1]] = _variable_value(path, environment[variable])
    return problems


def _variable_value(path: Sequence[str], text: str) -> object:
    model = SECTIONS.get(path[0])
    field = model.model_fields.get(path[1]) if model is not None and len(path) == 2 else None  # noqa: PLR2004 - section and key
    if field is not None and "tuple" in str(field.annotation):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _adapter_path(variable: str) -> tuple[str, ...] | None:
    parts = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("_", 2)
    return ("books", parts[1], parts[2]) if len(parts) == 3 and parts[0] == "books" and all(parts) else None  # noqa: PLR2004 - books, adapter, key


SECTIONS: dict[str, type[BaseModel]] = {
    "pleo": PleoSettings,
    "books": BooksSettings,
    "accounts": AccountsSettings,
    "webhooks": WebhooksSettings,
    "database": DatabaseSettings,
    "serve": ServeSettings,
}


_FORMS = {
    "pleo.base_url": "an https address such as https://external.pleo.io",
    "pleo.company_id": "the company's UUID in Pleo",
    "database.url": "sqlite:///FILE or postgresql://USER@HOST/DATABASE",
}


# pydantic's words for a value of the wrong kind, where ours say how it is written in TOML.
_KINDS = {
    "string_type": 'text in quotes, such as "1910"',
    "model_type": "a table: its name in [brackets], its settings on the lines below",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "tuple_type": 'a list such as ["a", "b"]',
    "path_type": "the path of a file in quotes",
}


def known_paths() -> list[tuple[str, str]]:
    """Every setting as (section, key), in the order of the classes above."""
    return [(section, key) for section, model in SECTIONS.items() for key in model.model_fields]


def variable_name(path: Sequence[str]) -> str:
    """Name of the variable that sets a setting: (pleo, base_url) -> TALLYBOOK_PLEO_BASE_URL."""
    return ENVIRONMENT_PREFIX + "_".join(path).upper()


def nearest(name: str, known: Sequence[str]) -> str:
    """Give the end of a sentence about an unknown name: the known one that was probably meant, if any is near."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def _sentences(error: ValidationError) -> Iterator[str]:
    """One sentence per problem; never the value of a secret."""
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            section = SECTIONS.get(str(fault["loc"][0])) if len(fault["loc"]) > 1 else None
            known = list(section.model_fields) if section else [*SECTIONS, *map(".".join, known_paths())]
            yield f"unknown setting {where}{nearest(str(fault['loc'][-1]), known)}"
        elif fault["type"] == "missing":
            path = tuple(str(part) for part in fault["loc"])
            yield f"{where} is missing; set it in the settings file" + (
                f" or in {variable_name(path)}" if path in known_paths() else ""
            )
        elif fault["type"] == "string_pattern_mismatch":
            yield f"{where} must be {_FORMS[where]}"
        elif fault["type"] in _KINDS:
            yield f"{where} must be {_KINDS[fault['type']]}"
        elif fault["msg"].startswith("Input should be "):
            yield f"{where} must be {fault['msg'].removeprefix('Input should be ')}"
        else:
            yield f"{where}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"
