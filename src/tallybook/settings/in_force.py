"""The settings as they are in force: each with its value, where it came from, and no secret."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, SecretStr

from tallybook.settings.reading import variable_name
from tallybook.settings.sections import SECTIONS, Settings

HIDDEN: Final = "set, not shown"
# Parts of names; an address may hold one, too.
_SECRETS_OF_ADAPTERS: Final = (
    "pass", "pwd", "token", "secret", "key", "auth", "credential", "cookie", "header", "url", "uri", "dsn"
)  # fmt: skip
_SECRET_WORDS: Final = {"pin", "pat"}
_PLACES: Final = ("_file", "_path", "_dir")  # where a secret stands is none


class Origin(StrEnum):
    """Where a value came from."""

    DEFAULT = "default"
    FILE = "settings file"
    VARIABLE = "variable"
    FILE_OR_DEFAULT = "settings file, or the default beside it"


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """One setting; `value` as people read it, `variable` names the one that sets it."""

    name: str
    value: str
    origin: Origin
    variable: str


def in_force(settings: Settings, environment: Mapping[str, str]) -> Iterator[SettingInForce]:
    """List every setting of one company, section by section, those of the adapter in use as well.

    With several companies a value that a company names stands over a variable; it is told apart by its value.
    """
    for section in SECTIONS:
        table: BaseModel = getattr(settings, section)
        for key in type(table).model_fields:
            value, variable = getattr(table, key), variable_name((section, key))
            if key in table.model_fields_set:
                said = environment.get(variable)
                is_variable = said is not None and (value is None or _is(value, said))
                origin = Origin.VARIABLE if is_variable else Origin.FILE
            else:
                origin = Origin.DEFAULT
            if (section, key) == ("database", "url") and origin is Origin.FILE:  # made absolute either way
                origin = Origin.FILE_OR_DEFAULT
            hidden = isinstance(value, SecretStr) or (section, key) in _MAY_HOLD_A_SECRET
            yield SettingInForce(f"{section}.{key}", _shown(value, hidden=hidden), origin, variable)
    adapter = settings.books.adapter
    for key, value in settings.books.section(adapter).items():
        variable = variable_name(("books", adapter, key))
        origin = Origin.VARIABLE if environment.get(variable) == str(value) else Origin.FILE
        yield SettingInForce(
            f"books.{adapter}.{key}", _shown(value, hidden=_may_hold_a_secret(key, value)), origin, variable
        )


def _may_hold_a_secret(key: str, value: Any) -> bool:
    """Whether an adapter's setting is better not shown: by its name, or because what is inside has names of its own."""
    key = key.lower()
    named = any(word in key for word in _SECRETS_OF_ADAPTERS) or not _SECRET_WORDS.isdisjoint(key.split("_"))
    nested = isinstance(value, list | tuple) and any(isinstance(each, Mapping | list) for each in value)
    return isinstance(value, Mapping | SecretStr) or nested or (named and not key.endswith(_PLACES))


_MAY_HOLD_A_SECRET: Final = {("database", "url"), ("console", "password_hash"), ("telemetry", "otlp_endpoint")}


def _is(value: Any, said: str) -> bool:
    """Whether a value is what a variable says."""
    if isinstance(value, SecretStr):
        return value.get_secret_value().strip() == said.strip()
    if isinstance(value, tuple):
        return [str(each) for each in value] == [part.strip() for part in said.split(",") if part.strip()]
    if isinstance(value, bool):
        return said.strip().lower() in ({"true", "1", "yes", "on", "y", "t"} if value else _FALSE)
    if isinstance(value, int | float):
        try:
            return float(said) == float(value)
        except ValueError:
            return False
    return str(value) == said.strip()


_FALSE: Final = {"false", "0", "no", "off", "n", "f"}


def _shown(value: Any, *, hidden: bool) -> str:
    if value is None or hidden:
        return "not set" if value is None else HIDDEN
    if isinstance(value, bool | float):
        return f"{value:g}" if isinstance(value, float) else "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{code} to {_shown(to, hidden=False)}" for code, to in value.items()) or "none"
    return str(value)
