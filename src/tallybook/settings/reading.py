"""Reading the settings file and the variables, and saying everything that is wrong, a sentence each."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tallybook.errors import SettingsError
from tallybook.settings.sections import PASSWORD_HASH_FORM, SECTIONS, BooksSettings, DatabaseSettings, Settings

ENVIRONMENT_PREFIX = "TALLYBOOK_"
CONFIG_VARIABLE = "TALLYBOOK_CONFIG"  # names the settings file; itself no setting
_URL_WITH_PASSWORD = re.compile(r"^\w+://[^/@:?]*:.+@|[?&]password=")
_PATH_SUFFIXES = ("path", "_file", "_dir")


def load(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the settings of one company: the file, the variables laid over it, everything checked.

    `path` None means variables alone. Relative paths in the file count from the file's own folder. A file with
    `[[companies]]` is read by `companies.load_all`.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong.
    """
    table, problems = read(path, environment)
    return checked(table, problems)


def read(path: Path | None, environment: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Read the file and lay the variables over it; returns the table, not yet checked, and what is wrong so far.

    Repeat: safe.
    Raises:
        SettingsError: the file cannot be read, or is no TOML.
    """
    table = {"pleo": {}} | (_read_toml(path) if path is not None else {})  # so that what is missing in [pleo] is named
    base = path.parent if path is not None else Path()
    problems = as_written(table, path)
    if _URL_WITH_PASSWORD.search(_database_url(table)):
        problems.append(
            f"database.url in {path} holds a password; secrets belong in the variable TALLYBOOK_DATABASE_URL "
            "or in a PostgreSQL password file"
        )
    problems += _overlay(table, environment)
    _place_database(table, base)
    return table, problems


def as_written(table: dict[str, Any], path: Path | None) -> list[str]:
    """Say what is wrong with sections as they stand in a file, and let relative paths count from the file's folder."""
    problems = [
        f"{name} stands in {path}; secrets belong in the variable {variable} or in a file named by {name}_file"
        for name, variable in (
            ("pleo.api_key", "TALLYBOOK_PLEO_API_KEY"),
            ("pleo.access_token", "TALLYBOOK_PLEO_ACCESS_TOKEN"),
            ("webhooks.secret", "TALLYBOOK_WEBHOOKS_SECRET"),
            ("serve.token", "TALLYBOOK_SERVE_TOKEN"),
            ("oauth.client_secret", "TALLYBOOK_OAUTH_CLIENT_SECRET"),
            ("secrets.key", "TALLYBOOK_SECRETS_KEY"),
        )
        if isinstance(section := table.get(name.split(".")[0]), dict) and name.split(".")[1] in section
    ]
    books = table.get("books")
    problems += [
        f"unknown setting books.{key}{nearest(key, list(BooksSettings.model_fields))}"
        for key, value in (books.items() if isinstance(books, dict) else ())
        if key not in BooksSettings.model_fields and not isinstance(value, dict)  # tables belong to adapters
    ]
    problems += [
        f"books.{name}.password stands in {path}; secrets belong in the variable "
        f"TALLYBOOK_BOOKS_{name.upper()}_PASSWORD or in a file named by books.{name}.password_file"
        for name, section in (books.items() if isinstance(books, dict) else ())
        if isinstance(section, dict) and "password" in section
    ]
    _resolve_paths(table, path.parent if path is not None else Path())
    return problems


def checked(table: Mapping[str, Any], problems: Sequence[str] = ()) -> Settings:
    """Check a table as a whole.

    Raises:
        SettingsError: `problems`, and whatever else is wrong.
    """
    try:
        settings = Settings.model_validate(table)
    except ValidationError as error:
        raise SettingsError([*problems, *_sentences(error)]) from None
    if problems:
        raise SettingsError([*problems])
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


def _resolve_paths(table: dict[str, Any], base: Path, *, of_codes: bool = False) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            if not of_codes:
                _resolve_paths(value, base, of_codes=key == "mapping")  # a code that ends in path is still no path
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
        named = Path(url.removeprefix("sqlite:///"))
        with suppress(RuntimeError):  # as in _resolve_paths
            named = named.expanduser()
        section["url"] = f"sqlite:///{(base / named).absolute()}"


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


_FORMS = {
    "pleo.base_url": "an https address such as https://external.pleo.io",
    "pleo.company_id": "the company's UUID in Pleo",
    "pleo.company_name": "a short name of small letters, digits and hyphens, such as acme-denmark",
    "pleo.login": "a short name of letters, digits, dots and hyphens, such as acme",
    "oauth.server_url": "an https address such as https://auth.pleo.io",
    "oauth.redirect_uri": "an https address, or one on this machine such as http://127.0.0.1/callback",
    "serve.listen": "HOST:PORT, such as 127.0.0.1:8484",
    "console.password_hash": PASSWORD_HASH_FORM,
    "telemetry.otlp_endpoint": "an address such as http://127.0.0.1:4318/v1/traces",
    "database.url": "sqlite:///FILE or postgresql://USER@HOST/DATABASE",
}


# pydantic's words for a value of the wrong kind, where ours say how it is written in TOML.
_KINDS = {
    "string_type": 'text in quotes, such as "1910"',
    "dict_type": 'a table of codes in quotes, such as 4999 = "3999"',
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
