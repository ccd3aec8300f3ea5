"""OAuth 2.0 as Pleo has it: who may ask for consent, codes that work once, tokens that rotate. No HTTP here.

Everything a consent led to, the code and all tokens since, is one grant; whoever uses a code or a refresh token a
second time ends the whole of it. That must stay although the request is refused, so refusals are returned, not raised.

Source: RFC 6749, RFC 7636 (S256 alone), RFC 7662; Pleo, pages on OAuth client configuration and the life of tokens.
"""

import hashlib
import hmac
import re
import secrets
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

from tallybook.sandbox.errors import OAuthRefusal, bad_request
from tallybook.sandbox.world import Company

SCOPES: Final = ("export-jobs:read", "export-jobs:write", "export-items:read")  # Pleo's scopes page
CODE_LIFETIME_S: Final = 300  # Pleo names none; RFC 6749 section 4.1.2 recommends ten minutes at most
ACCESS_TOKEN_LIFETIME_S: Final = 3600  # "short-lived", known from expires_in alone
REFRESH_TOKEN_LIFETIME_S: Final = 60 * 24 * 3600  # at least 60 days
LOOPBACK_REDIRECT: Final = "http://127.0.0.1/callback"  # on any port. Source: RFC 8252 section 7.3.
WEB_REDIRECT: Final = "https://tallybook.example/callback"
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 section 4.1
_STATE_LENGTH_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class Client:
    """An application registered at Pleo; one without a secret is public and has PKCE alone."""

    id: str
    secret: str | None = field(repr=False)
    redirect_uris: tuple[str, ...] = (LOOPBACK_REDIRECT, WEB_REDIRECT)

    def may_be_sent_to(self, redirect_uri: str) -> bool:
        """Whether this is a registered address: the very same, but for the port of one on this machine."""
        return redirect_uri in self.redirect_uris or _without_port(redirect_uri) in self.redirect_uris


@dataclass(frozen=True, slots=True)
class Consent:
    """What somebody is asked to agree to, and where the answer goes."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    code_challenge: str
    state: str | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A pair of tokens; lifetimes in seconds from now."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_s: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A token that works: whose, what it allows, and its life in seconds since 1970."""

    token: str = field(repr=False)
    client_id: str
    grant_id: str
    scopes: tuple[str, ...]
    issued_at: float
    expires_at: float


def clients(company: Company) -> dict[str, Client]:
    """Give the applications registered with the company's Pleo: one with a secret and a public one.

    Repeat: the same ones.
    """

    def drawn(what: str) -> str:
        return hashlib.sha256(f"{what}:{company.id}:{company.api_key}".encode()).hexdigest()[:32]

    known = (
        Client(f"sandbox-client-{drawn('client')[:12]}", f"sandbox-secret-{drawn('secret')}"),
        Client(f"sandbox-public-{drawn('public')[:12]}", None),
    )
    return {client.id: client for client in known}


def read_consent(known: Mapping[str, Client], asked: Sequence[tuple[str, str]]) -> Consent:
    """Read the parameters of an authorization request.

    Raises:
        Refusal: 400, no such client or address: nobody is sent anywhere.
        OAuthRefusal: the request is wrong otherwise; `redirect_uri` is where to say so.
    Source: RFC 6749 section 4.1.2.1; RFC 7636 section 4.4.1.
    """
    said = dict(asked)
    client = known.get(said.get("client_id", ""))
    if client is None:
        raise bad_request("There is no application with this client_id.")
    redirect_uri = said.get("redirect_uri", "")
    if not client.may_be_sent_to(redirect_uri):
        raise bad_request(f"The redirect_uri is none of the application's: {', '.join(client.redirect_uris)}.")
    state = said.get("state")
    scopes = tuple(said.get("scope", "").split())
    error: tuple[str, str] | None = None
    if len(said) != len(asked):
        error = "invalid_request", "A parameter is given twice."
    elif state is not None and len(state) > _STATE_LENGTH_MAX:
        error = "invalid_request", f"The state is longer than {_STATE_LENGTH_MAX} characters."
    elif said.get("response_type") != "code":
        error = "unsupported_response_type", "The response_type must be code."
    elif said.get("code_challenge_method") != "S256":
        error = "invalid_request", "The code_challenge_method must be S256."
    elif not _CHALLENGE.fullmatch(said.get("code_challenge", "")):
        error = "invalid_request", "The code_challenge must be a SHA-256 in base64url."
    elif not scopes or not set(scopes) <= set(SCOPES):
        error = "invalid_scope", f"The scope must be of {' '.join(SCOPES)}."
    if error is not None:
        raise OAuthRefusal(*error, redirect_uri=redirect_uri, state=state)
    return Consent(client.id, redirect_uri, scopes, said["code_challenge"], state)


def give_code(db: sqlite3.Connection, consent: Consent, now_s: float) -> str:
    """Write down that somebody agreed, and give the code for it.

    Repeat: another code, of another grant.
    """
    code = f"sandbox-code-{secrets.token_urlsafe(24)}"
    row = (code, secrets.token_hex(16), consent.client_id, consent.redirect_uri, consent.code_challenge)
    db.execute(
        "INSERT INTO oauth_codes (code, grant_id, client_id, redirect_uri, code_challenge, scopes, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*row, " ".join(consent.scopes), now_s + CODE_LIFETIME_S),
    )
    return code


def exchange_code(
    db: sqlite3.Connection, client: Client, said: Mapping[str, str], now_s: float, lifetime_s: int
) -> Issued | OAuthRefusal:
    """Take a code for tokens; whatever comes of it, the code is used up.

    Repeat: refused, and the grant ends.
    Source: RFC 6749 sections 4.1.3 and 4.1.2; RFC 7636 section 4.6.
    """
    row = db.execute(
        "SELECT grant_id, redirect_uri, code_challenge, scopes, expires_at, used FROM oauth_codes"
        " WHERE code = ? AND client_id = ?",
        (said["code"], client.id),
    ).fetchone()
    if row is None:
        return _invalid_grant("There is no such code for this client.")
    grant_id, redirect_uri, challenge, scopes, expires_at, used = row
    db.execute("UPDATE oauth_codes SET used = 1 WHERE code = ?", (said["code"],))
    if used:
        _end_grant(db, grant_id)
        return _invalid_grant("The code was used before; what it led to is withdrawn.")
    if now_s >= expires_at:
        return _invalid_grant("The code is expired.")
    if said.get("redirect_uri") != redirect_uri:
        return _invalid_grant("The redirect_uri is not the one of the authorization request.")
    verifier = said["code_verifier"]
    digest = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(digest, challenge):
        return _invalid_grant("The code_verifier does not fit the code_challenge.")
    return _issue(db, client.id, grant_id, tuple(scopes.split()), now_s, lifetime_s)


def refresh(
    db: sqlite3.Connection, client: Client, said: Mapping[str, str], now_s: float, lifetime_s: int
) -> Issued | OAuthRefusal:
    """Take a refresh token for a new pair; all earlier tokens of the grant end at once.

    Repeat: with the same token refused, and the grant ends, the newest tokens included.
    Source: RFC 6749 section 6; Pleo, token overview and centralised refresh.
    """
    row = db.execute(
        "SELECT grant_id, scopes, expires_at, ended FROM oauth_tokens"
        " WHERE token = ? AND client_id = ? AND kind = 'refresh'",
        (said["refresh_token"], client.id),
    ).fetchone()
    if row is None:
        return _invalid_grant("There is no such refresh token for this client.")
    grant_id, held, expires_at, ended = row
    if ended or now_s >= expires_at:
        _end_grant(db, grant_id)
        why = "was replaced or withdrawn" if ended else "is expired"
        return _invalid_grant(f"The refresh token {why}; every token of its grant has ended.")
    scopes = tuple(said.get("scope", held).split())
    if not scopes or not set(scopes) <= set(held.split()):
        return OAuthRefusal("invalid_scope", "More was asked for than was agreed to.")
    _end_grant(db, grant_id)
    return _issue(db, client.id, grant_id, scopes, now_s, lifetime_s)


def known_token(db: sqlite3.Connection, token: str, now_s: float) -> Known | None:
    """Find a token of either kind that works at this instant.

    Repeat: safe.
    """
    row = db.execute(
        "SELECT token, client_id, grant_id, scopes, issued_at, expires_at FROM oauth_tokens"
        " WHERE token = ? AND NOT ended AND expires_at > ?",
        (token, now_s),
    ).fetchone()
    if row is None:
        return None
    known = Known(*row)
    return replace(known, scopes=tuple(str(row[3]).split()))


def access_tokens(db: sqlite3.Connection) -> list[tuple[str, frozenset[str], float]]:
    """List the access tokens that were not withdrawn, expired ones included: their scopes, and until when.

    Repeat: safe.
    """
    rows = db.execute("SELECT token, scopes, expires_at FROM oauth_tokens WHERE kind = 'access' AND NOT ended")
    return [(token, frozenset(scopes.split()), expires_at) for token, scopes, expires_at in rows]


def end_grant_of(db: sqlite3.Connection, token: str) -> bool:
    """End the grant a token belongs to; False: it belongs to none.

    Repeat: safe.
    """
    row = db.execute("SELECT grant_id FROM oauth_tokens WHERE token = ?", (token,)).fetchone()
    if row is not None:
        _end_grant(db, row[0])
    return row is not None


def _issue(
    db: sqlite3.Connection, client_id: str, grant_id: str, scopes: tuple[str, ...], now_s: float, lifetime_s: int
) -> Issued:
    made = Issued(
        f"sandbox-access-{secrets.token_urlsafe(24)}",
        f"sandbox-refresh-{secrets.token_urlsafe(24)}",
        lifetime_s,
        scopes,
    )
    for kind, token, lasts_s in (
        ("access", made.access_token, lifetime_s),
        ("refresh", made.refresh_token, REFRESH_TOKEN_LIFETIME_S),
    ):
        db.execute(
            "INSERT INTO oauth_tokens (token, kind, grant_id, client_id, scopes, issued_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (token, kind, grant_id, client_id, " ".join(scopes), now_s, now_s + lasts_s),
        )
    return made


def _end_grant(db: sqlite3.Connection, grant_id: str) -> None:
    db.execute("UPDATE oauth_tokens SET ended = 1 WHERE grant_id = ?", (grant_id,))


def _invalid_grant(why: str) -> OAuthRefusal:
    return OAuthRefusal("invalid_grant", why)


def _without_port(address: str) -> str:
    try:
        parts = urlsplit(address)
        on_this_machine = parts.scheme == "http" and parts.hostname == "127.0.0.1" and parts.port is not None
    except ValueError:
        return ""
    return parts._replace(netloc="127.0.0.1").geturl() if on_this_machine and "@" not in parts.netloc else ""
