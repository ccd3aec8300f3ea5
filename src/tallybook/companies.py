"""Several companies in one settings file: `[[companies]]`, each a small settings file inherited from the top level.

```toml
[pleo]
api_key_file = "pleo-key"              # one credential of the organisation, for all that name none of their own

[[companies]]
pleo = { company_id = "...", company_name = "acme-denmark" }
accounts = { wallet = "5820" }         # key by key over the top level
books = { adapter = "book", book = { path = "denmark.sqlite" } }  # in place of the whole section
```
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tallybook import settings
from tallybook.errors import SettingsError
from tallybook.settings import Settings

OWN_SECTIONS = ("pleo", "books", "accounts", "mapping", "webhooks")
_CREDENTIALS = {
    "pleo": ("api_key", "api_key_file", "access_token", "access_token_file", "login"),
    "webhooks": ("secret", "secret_file"),
}
# A company's own secrets, each as its variable ends: TALLYBOOK_COMPANY_ACME_DENMARK_PLEO_API_KEY.
_SECRETS = (("pleo", "api_key"), ("pleo", "access_token"), ("webhooks", "secret"))
_VARIABLE_PREFIX = f"{settings.ENVIRONMENT_PREFIX}COMPANY_"


def load_all(path: Path | None, environment: Mapping[str, str]) -> list[Settings]:
    """Read the settings of every company of a file; without `[[companies]]` of the one it is about.

    What a company names stands over the file's top level and over the variables that are for all; what it does not
    name is inherited. A company that names a credential inherits none.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong, by company.
    """
    own = {name: value for name, value in environment.items() if name.startswith(_VARIABLE_PREFIX)}
    table, problems = settings.read(path, {name: environment[name] for name in environment if name not in own})
    entries = table.pop("companies", None)
    if entries is None:
        return [settings.checked(table, [*problems, *_unused(own)])]
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        problems.append(f"companies in {path} must be tables: [[companies]] above each company's settings")
        entries = []
    found: list[Settings] = []
    for number, entry in enumerate(entries, start=1):
        called = _called(entry, number)
        wrong = settings.as_written(entry, path)
        wrong += [
            f"unknown setting {key}{settings.nearest(key, OWN_SECTIONS)}; a company has {', '.join(OWN_SECTIONS)}"
            for key in entry
            if key not in OWN_SECTIONS
        ]
        try:
            found.append(settings.checked(_laid_over(table, entry, own), wrong))
        except SettingsError as error:
            problems += [f"company {called}: {problem}" for problem in error.problems]
    problems += [*_unused(own), *_doubles(found)]
    if problems:
        raise SettingsError(problems)
    return found


def chosen(every: Sequence[Settings], named: str | None) -> Settings:
    """Choose the company that is called so, by name or by id; without a name, the only one there is.

    Raises:
        SettingsError: none is called so, or there are several and none was named.
    """
    names = [name(each) for each in every]
    if named is None:
        if len(every) == 1:
            return every[0]
        raise SettingsError([f"the settings have {len(every)} companies; name one with --company: {', '.join(names)}"])
    for each in every:
        if named.lower() in {each.pleo.company_id.lower(), each.pleo.company_name}:
            return each
    near = settings.nearest(named, names)
    raise SettingsError([f"the settings have no company {named}{near or '; they have ' + ', '.join(names)}"])


def name(company: Settings) -> str:
    """What people call a company: its name in the settings, else its id."""
    return company.pleo.company_name or company.pleo.company_id.lower()


def unique(every: Sequence[Settings]) -> list[Settings]:
    """Give the companies of several files as one list.

    Raises:
        SettingsError: a company is there twice, or two have one name.
    """
    if problems := _doubles(every):
        raise SettingsError(problems)
    return list(every)


def _called(entry: Mapping[str, Any], number: int) -> str:
    pleo = entry.get("pleo")
    called = (pleo.get("company_name") or pleo.get("company_id")) if isinstance(pleo, dict) else None
    return called if isinstance(called, str) else f"number {number}"


def _laid_over(table: Mapping[str, Any], entry: Mapping[str, Any], own: dict[str, str]) -> dict[str, Any]:
    """Lay a company's own sections over the file's; takes the variables that are for it out of `own`."""
    laid = {key: dict(value) if isinstance(value, dict) else value for key, value in table.items()}
    sections = {key: dict(value) if isinstance(value, dict) else value for key, value in entry.items()}
    pleo = sections.get("pleo")
    called = str(pleo.get("company_name") or "") if isinstance(pleo, dict) else ""
    for section, key in _SECRETS if called else ():
        variable = f"{_VARIABLE_PREFIX}{called.replace('-', '_')}_{section}_{key}".upper()
        if variable in own:
            sections.setdefault(section, {})[key] = own.pop(variable)
    for key, value in sections.items():
        inherited = laid.get(key)
        if key == "books" or not isinstance(value, dict) or not isinstance(inherited, dict):
            laid[key] = value
            continue
        if any(credential in value for credential in _CREDENTIALS.get(key, ())):
            inherited = {name: kept for name, kept in inherited.items() if name not in _CREDENTIALS[key]}
        laid[key] = {**inherited, **value}
    return laid


def _unused(own: Mapping[str, str]) -> list[str]:
    return [
        f"unknown variable {variable}; {_VARIABLE_PREFIX}NAME_PLEO_API_KEY, and the like with _PLEO_ACCESS_TOKEN and "
        "_WEBHOOKS_SECRET, are for a company whose pleo.company_name is NAME, with hyphens as underscores"
        for variable in sorted(own)
    ]


def _doubles(every: Sequence[Settings]) -> list[str]:
    ids = Counter(each.pleo.company_id.lower() for each in every)
    names = Counter(each.pleo.company_name for each in every if each.pleo.company_name)
    twice = [f"company {each} is in the settings more than once" for each, count in ids.items() if count > 1]
    alike = [
        f"two companies are called {each}; give each a pleo.company_name of its own"
        for each, count in names.items()
        if count > 1
    ]
    return twice + alike
