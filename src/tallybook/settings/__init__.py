"""Settings: one TOML file plus `TALLYBOOK_*` variables, checked as a whole, everything wrong said at once.

Secrets never stand in the TOML file: they come from a variable or from a file that the settings name.
"""

from tallybook.settings.reading import (
    CONFIG_VARIABLE,
    ENVIRONMENT_PREFIX,
    as_written,
    checked,
    known_paths,
    load,
    nearest,
    read,
    variable_name,
)
from tallybook.settings.sections import (
    SECTIONS,
    AccountsSettings,
    BooksSettings,
    ConsoleSettings,
    DatabaseSettings,
    OAuthSettings,
    OnChanged,
    PleoSettings,
    SecretsSettings,
    Section,
    ServeSettings,
    Settings,
    TelemetrySettings,
    WebhooksSettings,
)

__all__ = [
    "CONFIG_VARIABLE",
    "ENVIRONMENT_PREFIX",
    "SECTIONS",
    "AccountsSettings",
    "BooksSettings",
    "ConsoleSettings",
    "DatabaseSettings",
    "OAuthSettings",
    "OnChanged",
    "PleoSettings",
    "SecretsSettings",
    "Section",
    "ServeSettings",
    "Settings",
    "TelemetrySettings",
    "WebhooksSettings",
    "as_written",
    "checked",
    "known_paths",
    "load",
    "nearest",
    "read",
    "variable_name",
]
