"""Both ways to show Pleo who we are. The secret never shows in `repr`, `str` or an error.

Source: contract/pleo-export-v3.openapi.yaml, `securitySchemes`.
"""

import base64
from collections.abc import Generator
from typing import Protocol

import httpx

from tallybook.errors import SettingsError

# Set on a 401 by a credential that renews itself: the same call, sent again, would carry another token.
WORTH_ANOTHER_TRY = "tallybook.worth_another_try"


class Secret(Protocol):
    """A credential that shows itself only when asked, such as pydantic's SecretStr."""

    def get_secret_value(self) -> str:
        """Return the credential in clear."""


class HeaderAuth(httpx.Auth):
    """Puts one ready-made Authorization header on each request, and keeps it to itself."""

    __slots__ = ("__header", "__scheme")

    def __init__(self, scheme: str, header: str) -> None:
        self.__scheme = scheme
        self.__header = header

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["Authorization"] = self.__header
        yield request

    def __repr__(self) -> str:
        return f"<{self.__scheme} authentication>"

    def __reduce__(self) -> str:
        raise TypeError(f"{self!r} is not to be stored")


def bearer(token: Secret | str) -> httpx.Auth:
    """Authenticate with an OAuth access token.

    Raises:
        SettingsError: the token is empty or holds characters no header can carry.
    """
    return HeaderAuth("Bearer", f"Bearer {_clear(token, 'the access token')}")


def api_key(key: Secret | str) -> httpx.Auth:
    """Authenticate with an API key: Basic, the key as user name, an empty password.

    Raises:
        SettingsError: the key is empty or holds characters no header can carry.
    """
    clear = _clear(key, "the API key")
    if ":" in clear:  # Basic would end the user name there, and Pleo would see another key. Source: RFC 7617 section 2.
        raise SettingsError(["pleo: the API key contains a colon; copy it anew from Pleo"])
    return HeaderAuth("Basic", "Basic " + base64.b64encode(f"{clear}:".encode()).decode("ascii"))


def _clear(secret: Secret | str, name: str) -> str:
    clear = (secret if isinstance(secret, str) else secret.get_secret_value()).strip()
    # Checked here because the HTTP library would quote the whole header in its complaint.
    if not clear or not clear.isascii() or not clear.isprintable() or " " in clear:
        raise SettingsError([f"pleo: {name} is empty or not one printable ASCII word; copy it anew from Pleo"])
    return clear
