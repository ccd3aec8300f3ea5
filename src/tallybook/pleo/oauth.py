"""Logging in at Pleo with OAuth 2.0: the question a person answers in the browser, and tokens that rotate.

Blocking on purpose: a refresh runs in a thread from its first byte to the stored answer, where nobody cancels it.

Source: Pleo, pages on OAuth client configuration, authorization code and life of tokens; RFC 6749, RFC 7636.
"""

import contextlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from authlib.common.security import generate_token  # type: ignore[import-untyped]
from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from tallybook import __version__
from tallybook.clock import Clock
from tallybook.pleo.errors import (
    PleoAnswerUnreadable,
    PleoError,
    PleoLoginNeeded,
    PleoLoginRefused,
    PleoRateLimited,
    PleoServerFault,
    PleoTimeout,
    PleoUnreachable,
    printable,
)
from tallybook.pleo.retry import Timeouts, retry_after_s
from tallybook.pleo.transport import is_loopback

ANSWER_SIZE_BYTES_MAX = 64 * 1024
RENEW_BEFORE_S_MAX = 120.0  # a call under way must not outlive its token
_VERIFIER_LENGTH = 64  # RFC 7636 section 4.1: 43 to 128
_OK, _RATE_LIMITED, _SERVER_FAULT = 200, 429, 500
_DEAD = "invalid_grant"
_MEND = {
    "invalid_client": "check oauth.client_id, the client secret and oauth.client_authentication",
    "invalid_scope": "check oauth.scopes against what the application may ask for at Pleo",
    "access_denied": "somebody who may allow it has to press Allow",
    _DEAD: "run `tallybook login` again",
}


@dataclass(frozen=True, slots=True)
class Application:
    """Tallybook as it is registered at Pleo; without a secret it is a public client.

    `secret_in_header`: the token endpoint is told who we are by Basic instead of in the body; Pleo's pages have both.
    """

    client_id: str
    client_secret: str | None = field(repr=False)
    authorize_url: str
    token_url: str
    scopes: tuple[str, ...]
    secret_in_header: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked, by opening `url`; the rest is needed to make use of the answer."""

    url: str = field(repr=False)
    redirect_uri: str
    state: str = field(repr=False)
    code_verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    """One login: both tokens, when the access token ends, and from when on it should be renewed."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime
    renew_at: datetime


_Token = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,8192}$")]


class _Answer(BaseModel):
    access_token: _Token
    token_type: Annotated[str, Field(pattern=r"^[Bb][Ee][Aa][Rr][Ee][Rr]$")]
    expires_in: Annotated[int, Field(ge=1, le=10 * 365 * 24 * 3600)]
    refresh_token: _Token | None = None


_ANY: TypeAdapter[Any] = TypeAdapter(Any)


class AuthorizationServer:
    """Pleo's authorization server, for one application. Every method but `question` blocks."""

    def __init__(self, application: Application, *, clock: Clock, timeouts: Timeouts) -> None:
        self._application, self._clock, self._timeouts = application, clock, timeouts
        self._where = urlsplit(application.token_url).hostname or ""
        method = "client_secret_basic" if application.secret_in_header else "client_secret_post"
        self._client = ClientAuth(
            application.client_id, application.client_secret, method if application.client_secret else "none"
        )

    def question(self, redirect_uri: str) -> Question:
        """Make the question for a person; the answer comes to `redirect_uri`.

        Repeat: another question; the answer to one is of no use with the other.
        Source: RFC 7636 section 4.3, S256.
        """
        verifier, state = generate_token(_VERIFIER_LENGTH), generate_token(_VERIFIER_LENGTH)
        url = prepare_grant_uri(
            self._application.authorize_url,
            self._application.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=" ".join(self._application.scopes),
            state=state,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Question(url, redirect_uri, state, verifier)

    def exchange(self, question: Question, answered: str) -> Tokens:
        """Take the address that the browser was sent to for tokens.

        Repeat: refused, a code works once; Pleo then ends the tokens it led to.
        Raises:
            PleoLoginRefused: the person said no, the address answers another question, or Pleo refused.
            PleoError: no readable answer; ask the person again.
        """
        said = _query(answered)
        if not hmac.compare_digest(said.get("state", "").encode(), question.state.encode()):
            raise PleoLoginRefused(
                "this address does not answer the question that was asked; run `tallybook login` again",
                status=_OK,
                type="state",
            )
        if "error" in said:
            raise self._refused("allow the login", _OK, said, (question.code_verifier,))
        if "code" not in said:
            raise PleoLoginRefused("this address carries no code; run `tallybook login` again", status=_OK)
        parameters = {
            "code": said["code"],
            "redirect_uri": question.redirect_uri,
            "code_verifier": question.code_verifier,
        }
        asked_at = self._clock.now()
        answer = self._ask("give tokens for the login", "authorization_code", parameters)
        if answer.refresh_token is None:
            raise PleoAnswerUnreadable(
                f"{self._where} gave no refresh token, so the login would end within the hour; check how the"
                " application is registered at Pleo"
            )
        return _tokens(answer, answer.refresh_token, asked_at)

    def refresh(self, refresh_token: str) -> Tokens:
        """Take a refresh token for a new pair. At that moment Pleo ends every earlier token of the login.

        Repeat: fatal where the first call was done: Pleo ends the whole login. So one caller at a time, and whoever did
        not get a clear answer may try once more, since a login whose new tokens are lost is lost either way.
        Raises:
            PleoLoginNeeded: Pleo has ended the login.
            PleoLoginRefused: Pleo refused for another reason, such as a wrong client secret.
            PleoError: no readable answer; try again.
        """
        asked_at = self._clock.now()
        answer = self._ask("renew the login", "refresh_token", {"refresh_token": refresh_token})
        return _tokens(answer, answer.refresh_token or refresh_token, asked_at)

    def _ask(self, what: str, grant_type: str, parameters: Mapping[str, str]) -> _Answer:
        uri, headers, body = self._client.prepare(
            "POST",
            self._application.token_url,
            {
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Content-Type": "application/x-www-form-urlencoded",
                "User-Agent": f"tallybook/{__version__}",
            },
            prepare_token_request(grant_type, "", **parameters),
        )
        status, after_s, text = self._exchange(what, uri, headers, body)
        try:
            said = _ANY.validate_json(text)
        except ValidationError:
            said = None
        if status != _OK:
            secrets = (*parameters.values(), self._application.client_secret or "")
            raise self._refused(what, status, said if isinstance(said, dict) else {}, secrets, after_s)
        try:
            return _Answer.model_validate(said)
        except ValidationError as error:
            wrong = ", ".join(sorted({str(fault["loc"][0]) if fault["loc"] else "it" for fault in error.errors()}))
            raise PleoAnswerUnreadable(
                f"the answer of {self._where}, asked to {what}, cannot be read: {wrong} is missing or of the wrong form"
            ) from None  # the cause would show the tokens

    def _exchange(self, what: str, uri: str, headers: Mapping[str, str], body: str) -> tuple[int, float | None, bytes]:
        deadline_s = self._clock.monotonic_s() + self._timeouts.whole_call_s
        patience = httpx.Timeout(
            min(self._timeouts.read_s, self._timeouts.whole_call_s),
            connect=min(self._timeouts.connect_s, self._timeouts.whole_call_s),
        )
        try:
            with (
                httpx.Client(timeout=patience, trust_env=not is_loopback(self._where), follow_redirects=False) as http,
                http.stream("POST", uri, content=body, headers=dict(headers)) as response,
            ):
                text = bytearray()
                for chunk in response.iter_raw():
                    text += chunk
                    if len(text) > ANSWER_SIZE_BYTES_MAX:
                        raise PleoAnswerUnreadable(
                            f"the answer of {self._where}, asked to {what}, is over {ANSWER_SIZE_BYTES_MAX} bytes"
                        )
                    if self._clock.monotonic_s() > deadline_s:
                        raise PleoTimeout(f"{self._where} took too long to {what}; try again later")
                return response.status_code, retry_after_s(response.headers, self._clock.now()), bytes(text)
        except httpx.TimeoutException as error:
            raise PleoTimeout(
                f"{self._where} did not answer in time when asked to {what} ({type(error).__name__}); try again later"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            raise PleoUnreachable(
                f"{self._where} could not be reached to {what} ({type(error).__name__}); check the network and the"
                " addresses in [oauth]"
            ) from error

    def _refused(
        self, what: str, status: int, said: Mapping[str, Any], secrets: Sequence[str], after_s: float | None = None
    ) -> PleoError:
        name, why = (_told(said.get(key), secrets) for key in ("error", "error_description"))
        reason = name + (f": {why}" if why else "") or f"status {status}"
        sentence = f"{self._where} refused to {what} ({reason})"
        if status == _RATE_LIMITED:
            return PleoRateLimited(f"{sentence}; try again later", retry_after_s=after_s)
        if status >= _SERVER_FAULT:
            return PleoServerFault(f"{sentence}; try again later", status=status, type=name)
        if what == "renew the login" and name == _DEAD:
            return PleoLoginNeeded(f"Pleo has ended the login ({reason}); run `tallybook login`")
        return PleoLoginRefused(
            f"{sentence}; {_MEND.get(name, 'check the [oauth] settings')}", status=status, type=name, message=why
        )


def _query(address: str) -> dict[str, str]:
    with contextlib.suppress(ValueError):
        return dict(parse_qsl(urlsplit(address.strip()).query, max_num_fields=50))
    return {}


def _told(text: object, secrets: Sequence[str]) -> str:
    if not isinstance(text, str):
        return ""
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    return printable(text)


def _tokens(answer: _Answer, refresh_token: str, asked_at: datetime) -> Tokens:
    lasts = timedelta(seconds=answer.expires_in)  # counted from before we asked: Pleo's clock began later
    early = min(timedelta(seconds=RENEW_BEFORE_S_MAX), lasts / 5)
    return Tokens(answer.access_token, refresh_token, asked_at + lasts, asked_at + lasts - early)
