"""Who is looking at a page, and the token that shows that a form came from a page of ours."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request

COOKIE: Final = "tallybook_console"
FORM_FIELD: Final = "form_token"
AT_THIS_MACHINE: Final = "operator at this machine"
_TOKEN_LENGTH: Final = 43  # what `token_urlsafe` writes for 32 bytes


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody at a browser: the cookie's token, and the name given at login; None before it.

    The form token follows from the cookie's by a hash, so every worker knows it, also after a restart, and a page of
    another site, which can read neither, cannot make a form that is believed.
    """

    token: str = field(repr=False)
    name: str | None

    @property
    def form_token(self) -> str:
        """What every form of this visitor carries."""
        return hashlib.sha256(f"form {self.token}".encode()).hexdigest()

    @property
    def kept_as(self) -> str:
        """The token as the database keeps it: whoever reads the table can log in nowhere."""
        return hashlib.sha256(f"session {self.token}".encode()).hexdigest()

    def believes(self, offered: str | None) -> bool:
        """Whether a form's token is this visitor's."""
        return offered is not None and hmac.compare_digest(self.form_token.encode(), offered.encode())


def fresh_token() -> str:
    """Make a token nobody can guess."""
    return secrets.token_urlsafe(32)


def token_of(request: Request) -> str | None:
    """Read the token from the visitor's cookie; None where there is none of the right form."""
    token = request.cookies.get(COOKIE, "")
    return token if len(token) == _TOKEN_LENGTH and token.isascii() else None


def visitor_of(request: Request) -> Visitor:
    """Give the visitor that the gate let in."""
    found: Visitor = request.state.visitor
    return found


def form_of(request: Request) -> dict[str, str]:
    """Give the fields of a posted form, which the gate has read and believed; the last of each name counts."""
    found: dict[str, str] = request.state.form
    return found
