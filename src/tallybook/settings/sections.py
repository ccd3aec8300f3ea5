"""The settings: a section each, with their defaults and what may stand in them."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from tallybook.errors import SettingsError
from tallybook.settings import code_tables

# Credentials travel over https; plain http is for a sandbox on this machine.
_ADDRESS = r"^(https://[^\s/]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?)(/\S*)?$"
_LISTEN = r"^([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]):(6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]?\d{1,4})$"
_LOGIN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
PASSWORD_HASH_FORM = "a hash that `tallybook console password` made"  # noqa: S105 - words about one
_TOKEN_LENGTH_MIN = 16  # ours: what is shorter can be guessed
_PASSWORD_HASH = r"^\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$"  # noqa: S105 - what one looks like
_DATABASE_URL = r"^(sqlite:///[^?#]+|postgresql://[^\s]+)$"


class Section(BaseModel):
    """A table of the settings file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class OnChanged(StrEnum):
    """What happens to an entry that is in the books already, with other content."""

    FAIL = "fail"
    LINK = "link"
    CORRECT = "correct"


_Code = Annotated[str, Field(min_length=1, max_length=200)]
CodeTable = Mapping[_Code, _Code]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PleoSettings(Section):
    """`[pleo]`: where Pleo is, who we are there, and how patient we are."""

    base_url: Annotated[str, Field(pattern=_ADDRESS)] = "https://external.pleo.io"
    company_id: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
    company_name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")] | None = None
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    access_token: SecretStr | None = None
    access_token_file: Path | None = None
    login: Annotated[str, Field(pattern=_LOGIN_NAME)] | None = None  # companies that name the same one share it
    event_id_fields: Annotated[tuple[Literal["jobId", "exportJobId"], ...], Field(min_length=1)] = (
        "jobId",
        "exportJobId",
    )
    items_per_update: Annotated[int, Field(ge=1, le=100)] = 100
    update_within_s: Annotated[float, Field(ge=1, le=300)] = 240.0  # a job Pleo hears nothing of expires
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

    def secret(self) -> tuple[Literal["api_key", "access_token", "login"], SecretStr]:
        """Return the one credential, read from its file if a file was named; of a login, its name.

        Raises:
            SettingsError: none or several are set, or the file cannot be read or is empty.
        """
        names = ("api_key", "api_key_file", "access_token", "access_token_file", "login")
        given = [name for name in names if getattr(self, name)]
        if len(given) != 1:
            raise SettingsError(
                [
                    "pleo: "
                    + ("no credential is set" if not given else "more than one credential is set: " + ", ".join(given))
                    + "; set one of TALLYBOOK_PLEO_API_KEY, TALLYBOOK_PLEO_ACCESS_TOKEN,"
                    " pleo.api_key_file, pleo.access_token_file, pleo.login"
                ]
            )
        if self.login is not None:
            return "login", SecretStr(self.login)
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


class MappingSettings(Section):
    """`[mapping]`: Pleo's codes to those of the books, by table or by file, or both."""

    accounts: CodeTable = {}
    accounts_file: Path | None = None
    tax_codes: CodeTable = {}
    tax_codes_file: Path | None = None
    tag_groups: CodeTable = {}
    tags: Mapping[str, CodeTable] = {}
    tags_file: Path | None = None
    vendors: CodeTable = {}
    vendors_file: Path | None = None
    teams: CodeTable = {}
    teams_file: Path | None = None
    employees: CodeTable = {}
    employees_file: Path | None = None

    def table(self, name: str) -> Mapping[str, str]:
        """Return the table of this name as a whole, as it stands here and in its file.

        Raises:
            SettingsError: the file cannot be read, or a code is mapped twice.
        """
        path: Path | None = getattr(self, f"{name}_file", None)
        of_file = code_tables.read(f"mapping.{name}_file", path) if path is not None else {}
        return code_tables.joined(f"mapping.{name}", getattr(self, name), {code: to for (code,), to in of_file.items()})

    def tag_tables(self) -> Mapping[str, Mapping[str, str]]:
        """Return the tables of tags by tag group, as they stand here and in the file.

        Raises:
            SettingsError: as `table`.
        """
        path = self.tags_file
        of_file: dict[str, dict[str, str]] = {}
        for (group, code), to in (code_tables.read("mapping.tags_file", path, by="group") if path else {}).items():
            of_file.setdefault(group, {})[code] = to
        return {
            group: code_tables.joined(f"mapping.tags.{group}", self.tags.get(group, {}), of_file.get(group, {}))
            for group in dict.fromkeys([*self.tags, *of_file])
        }


class BooksSettings(BaseModel):
    """`[books]`: which accounting system, and the rules for recording in it; `[books.NAME]` is the adapter's own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    adapter: str = "book"
    posting: Literal["draft", "posted"] = "draft"
    closed_period: Literal["fail", "next_open", "today"] = "fail"
    attachments: Literal["required", "best_effort", "none"] = "required"
    attachments_office: Literal["pass", "refuse"] = "pass"
    on_changed: OnChanged = OnChanged.FAIL

    def section(self, name: str) -> Mapping[str, Any]:
        """Return the adapter's own table `[books.NAME]`, empty if there is none."""
        found = (self.model_extra or {}).get(name, {})
        return found if isinstance(found, dict) else {}


class WebhooksSettings(Section):
    """`[webhooks]`: what Pleo signs its notifications with."""

    secret: SecretStr | None = None
    secret_file: Path | None = None

    @property
    def given(self) -> bool:
        """Whether there are any, so that notifications can be believed."""
        return self.secret is not None or self.secret_file is not None

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


class OAuthSettings(Section):
    """`[oauth]`: Tallybook as it is registered at Pleo, for `pleo.login`; without a secret, a public client."""

    server_url: Annotated[str, Field(pattern=_ADDRESS)] = "https://auth.pleo.io"
    client_id: Annotated[str, Field(min_length=1)] | None = None
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    client_authentication: Literal["body", "header"] = "body"  # Pleo's pages have both
    redirect_uri: Annotated[str, Field(pattern=_ADDRESS)] = "http://127.0.0.1/callback"  # without a port: any free one
    scopes: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "export-jobs:read",
        "export-jobs:write",
        "export-items:read",
    )

    def secret(self) -> SecretStr | None:
        """Return the client's secret, read from its file if one was named; None for a public client.

        Raises:
            SettingsError: both are set, or the file cannot be read.
        """
        if self.client_secret is not None and self.client_secret_file is not None:
            raise SettingsError(["oauth: both a client_secret and a client_secret_file are set; keep one"])
        if self.client_secret_file is not None:
            return _secret_file("oauth.client_secret_file", self.client_secret_file)
        return self.client_secret


class SecretsSettings(Section):
    """`[secrets]`: the key under which logins are kept in the database."""

    key: SecretStr | None = None
    key_file: Path | None = None

    def sealing_keys(self) -> tuple[SecretStr, ...]:
        """Return the keys: the first one encrypts, all of them decrypt, so that one can be replaced.

        Raises:
            SettingsError: neither or both are set, or the file cannot be read or is empty.
        """
        if (self.key is None) == (self.key_file is None):
            said = "no key is set" if self.key is None else "both a key and a key_file are set"
            raise SettingsError(
                [f"secrets: {said}; set TALLYBOOK_SECRETS_KEY, or secrets.key_file: `tallybook login` makes the file"]
            )
        clear = self.key.get_secret_value() if self.key else _read_secret("secrets.key_file", self.key_file or Path())
        if not clear.split():
            raise SettingsError(["secrets: the key is empty; name a file that is not there yet in secrets.key_file"])
        return tuple(SecretStr(word) for word in clear.split())


class DatabaseSettings(Section):
    """`[database]`: where runs are kept, so that a killed one goes on; SQLite for one process, PostgreSQL for many."""

    # Relative SQLite paths count from the settings file's folder. May hold a password, so it is never shown.
    url: Annotated[str, Field(pattern=_DATABASE_URL, repr=False)] = "sqlite:///tallybook.sqlite"
    keep_days: Annotated[int, Field(ge=2, le=3650)] = 90  # runs that ended; a job lives an hour, its webhooks days
    lease_s: Annotated[float, Field(ge=2, le=15)] = 10.0  # PostgreSQL: how long a silent worker counts as alive


class ServeSettings(Section):
    """`[serve]`: how `tallybook serve` finds jobs, and where it listens."""

    poll_every_s: Annotated[float, Field(ge=1, le=3600)] = 120.0  # more or less, so that workers do not ask in step
    listen: Annotated[str, Field(pattern=_LISTEN)] = "127.0.0.1:8484"  # port 0: any that is free
    token: SecretStr | None = None
    token_file: Path | None = None
    metrics_open: bool = False  # show /metrics without the token also beyond this machine

    @property
    def host(self) -> str:
        """The address to listen on, an IPv6 one without its brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen on; 0 for any that is free."""
        return int(self.listen.rpartition(":")[2])

    def bearer(self) -> SecretStr | None:
        """Return the token that POST /run asks for, read from its file if one was named; None where none is set.

        Raises:
            SettingsError: both are set, it is too short to be a secret, or the file cannot be read.
        """
        if self.token is not None and self.token_file is not None:
            raise SettingsError(["serve: both a token and a token_file are set; keep one"])
        found = self.token if self.token_file is None else _secret_file("serve.token_file", self.token_file)
        if found is not None and len(found.get_secret_value()) < _TOKEN_LENGTH_MIN:
            raise SettingsError(
                [f"serve: the token has fewer than {_TOKEN_LENGTH_MIN} letters; make one: openssl rand -hex 32"]
            )
        return found


class ConsoleSettings(Section):
    """`[console]`: the web pages that `tallybook serve` shows, and the password they ask for."""

    show: bool = True
    password_hash: Annotated[Annotated[str, Field(pattern=_PASSWORD_HASH)] | None, Field(repr=False)] = None
    password_hash_file: Path | None = None
    session_hours: Annotated[int, Field(ge=1, le=168)] = 12

    def hash(self) -> str | None:
        """Return the hash of the password, read from its file if one was named; None where none is set.

        Raises:
            SettingsError: both are set, or the file cannot be read or holds no hash.
        """
        if self.password_hash is not None and self.password_hash_file is not None:
            raise SettingsError(["console: both a password_hash and a password_hash_file are set; keep one"])
        if self.password_hash_file is None:
            return self.password_hash
        text = _read_secret("console.password_hash_file", self.password_hash_file)
        if not re.match(_PASSWORD_HASH, text):
            raise SettingsError(
                [f"console.password_hash_file: {self.password_hash_file} must hold {PASSWORD_HASH_FORM} alone"]
            )
        return text


class TelemetrySettings(Section):
    """`[telemetry]`: where traces go; nowhere by default."""

    otlp_endpoint: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = None


class Settings(Section):
    """Everything Tallybook can be told."""

    pleo: PleoSettings
    books: BooksSettings = BooksSettings()
    accounts: AccountsSettings = AccountsSettings()
    mapping: MappingSettings = MappingSettings()
    webhooks: WebhooksSettings = WebhooksSettings()
    database: DatabaseSettings = DatabaseSettings()
    serve: ServeSettings = ServeSettings()
    console: ConsoleSettings = ConsoleSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    oauth: OAuthSettings = OAuthSettings()
    secrets: SecretsSettings = SecretsSettings()


SECTIONS: dict[str, type[BaseModel]] = {
    "pleo": PleoSettings,
    "books": BooksSettings,
    "accounts": AccountsSettings,
    "mapping": MappingSettings,
    "webhooks": WebhooksSettings,
    "database": DatabaseSettings,
    "serve": ServeSettings,
    "console": ConsoleSettings,
    "telemetry": TelemetrySettings,
    "oauth": OAuthSettings,
    "secrets": SecretsSettings,
}
