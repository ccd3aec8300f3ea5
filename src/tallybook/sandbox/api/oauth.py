"""Pleo's authorization server: the page that asks for consent, tokens for a code or a refresh token, introspection.

Errors have the names of RFC 6749. Source: Pleo, pages on OAuth and introspection; RFC 6749, RFC 7636, RFC 7662.
"""

import base64
import binascii
import hmac
from functools import partial
from html import escape
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, unquote_plus, urlencode

from fastapi import APIRouter, Header, Request, Response

from tallybook.sandbox import oauth
from tallybook.sandbox.api.requests import SandboxHere
from tallybook.sandbox.api.wire import PleoResponse, json_text
from tallybook.sandbox.errors import OAuthRefusal, Refusal, bad_request
from tallybook.sandbox.oauth import Client, Consent, Issued
from tallybook.sandbox.sandbox import Sandbox

_FORM: Final = "application/x-www-form-urlencoded"
_FORM_BYTES_MAX: Final = 64 * 1024
_UNSTORED: Final = {"cache-control": "no-store", "pragma": "no-cache"}  # RFC 6749 section 5.1
_PAGE_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}
_STYLE: Final = "body{font:16px/1.5 sans-serif;max-width:32em;margin:4em auto;padding:0 1em}button{font:inherit}"
_REFUSED: Final[dict[int | str, dict[str, Any]]] = {400: {"description": "Refused, with an error of RFC 6749."}}

router = APIRouter(prefix="/oauth")
installations = APIRouter(prefix="/v1/installations")


@router.get("/authorize", operation_id="authorize", summary="Ask a person for consent", response_class=Response)
async def ask_consent(request: Request, sandbox: SandboxHere) -> Response:
    """Show the page; its form names what was asked by an id, so that nothing can be changed or sent unasked."""
    try:
        consent = oauth.read_consent(_clients(sandbox), request.query_params.multi_items())
    except Refusal as refusal:
        return _page("This link cannot be followed", f"<p>{escape(refusal.message)}</p>", 400)
    asked = sandbox.keep_consent(consent)
    wanted = "".join(f"<li>{escape(scope)}</li>" for scope in consent.scopes)
    company = escape(sandbox.world.company.name)
    form = (
        f"<p>The application <b>{escape(consent.client_id)}</b> asks to reach <b>{company}</b>"
        f" in this sandbox:</p><ul>{wanted}</ul><p>You are sent on to {escape(consent.redirect_uri)}.</p>"
        f'<form method="post"><input type="hidden" name="consent" value="{escape(asked)}">'
        '<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></form>'
    )
    return _page("Connect to Pleo", form)


@router.post("/authorize", operation_id="decide", summary="Agree, or not", response_class=Response)
async def decide(request: Request, sandbox: SandboxHere) -> Response:
    """Take the person's answer and send the browser on with it."""
    said = await _form(request)
    consent = sandbox.take_consent(said.get("consent", ""))
    if consent is None:
        said_why = "<p>The question was answered already, or is too old. Start again from the application.</p>"
        return _page("There is nothing to answer", said_why, 400)
    where = await answered(sandbox, consent, allow=said.get("decision") == "allow")
    return Response(status_code=303, headers={"location": where} | _UNSTORED)


async def answered(sandbox: Sandbox, consent: Consent, *, allow: bool) -> str:
    """Write an answer down, and give the address that the browser is sent to.

    Repeat: another code.
    """
    if not allow:
        return back(consent.redirect_uri, consent.state, error="access_denied", error_description="The person said no.")
    code = await sandbox.store.run(oauth.give_code, consent, sandbox.now_s())
    return back(consent.redirect_uri, consent.state, code=code)


def back(redirect_uri: str, state: str | None, **said: str) -> str:
    """Add what is said to an address of an application. Source: RFC 6749 section 4.1.2."""
    parameters = said | ({} if state is None else {"state": state})
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(parameters)}"


@router.post("/token", operation_id="token", summary="Give tokens", response_class=PleoResponse, responses=_REFUSED)
async def give_tokens(
    request: Request, sandbox: SandboxHere, authorization: Annotated[str | None, Header()] = None
) -> Response:
    """Take a code, or a refresh token, for a pair of tokens."""
    said = await _form(request)
    client = _authenticated(_clients(sandbox), said, authorization)
    kind = said.get("grant_type")
    if kind is None:
        raise OAuthRefusal("invalid_request", "The grant_type is missing.")
    if kind not in {"authorization_code", "refresh_token"}:
        raise OAuthRefusal("unsupported_grant_type", "The grant_type must be authorization_code or refresh_token.")
    needed = ("code", "code_verifier") if kind == "authorization_code" else ("refresh_token",)
    if missing := [name for name in needed if name not in said]:
        raise OAuthRefusal("invalid_request", f"The {missing[0]} is missing.")
    take = oauth.exchange_code if kind == "authorization_code" else oauth.refresh
    given = await sandbox.grant(
        partial(take, client=client, said=said, now_s=sandbox.now_s(), lifetime_s=sandbox.access_token_lifetime_s)
    )
    if isinstance(given, OAuthRefusal):
        raise given
    return _tokens(given)


@router.post("/token/introspect", operation_id="introspect", summary="Describe a token", response_class=PleoResponse)
async def introspect(
    request: Request, sandbox: SandboxHere, authorization: Annotated[str | None, Header()] = None
) -> Response:
    """Say whether a token of this client's works, and what it allows; of any other only that it does not."""
    said = await _form(request)
    client = _authenticated(_clients(sandbox), said, authorization)
    if "token" not in said:
        raise OAuthRefusal("invalid_request", "The token is missing.")
    found = await sandbox.store.run(oauth.known_token, said["token"], sandbox.now_s())
    if found is None or found.client_id != client.id:
        return PleoResponse(json_text({"active": False}), headers=_UNSTORED)
    claims = {
        "active": True,
        "client_id": found.client_id,
        "sub": sandbox.world.company.id,
        "scope": " ".join(found.scopes),
        "iat": int(found.issued_at),
        "exp": int(found.expires_at),
        "aud": "https://external.pleo.io",
        "iss": "pleo.production",
    }
    return PleoResponse(json_text(claims), headers=_UNSTORED)


@installations.delete(
    "/me", operation_id="deleteClientInstallation", status_code=204, summary="End the installation and all its tokens"
)
async def end_installation(sandbox: SandboxHere, authorization: Annotated[str | None, Header()] = None) -> Response:
    """Withdraw the grant of the access token this is called with."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or sandbox.token(token) is None:
        raise Refusal(401, "UNAUTHORIZED", "No valid access token was sent.")
    if not await sandbox.grant(partial(oauth.end_grant_of, token=token)):
        raise bad_request("This access token belongs to no installation.")
    return Response(status_code=204)


def answer_oauth_refusal(refusal: OAuthRefusal) -> Response:
    """Give a refusal as RFC 6749 has it: in the browser's next address, or as JSON."""
    if refusal.redirect_uri is not None:
        said = {"error": refusal.error, "error_description": refusal.description}
        return Response(
            status_code=303, headers={"location": back(refusal.redirect_uri, refusal.state, **said)} | _UNSTORED
        )
    headers = _UNSTORED | ({"www-authenticate": 'Basic realm="Pleo"'} if refusal.client_unknown else {})
    body = {"error": refusal.error, "error_description": refusal.description}
    return PleoResponse(json_text(body), 401 if refusal.client_unknown else 400, headers=headers)


def _tokens(given: Issued) -> Response:
    body = {
        "access_token": given.access_token,
        "token_type": "Bearer",
        "expires_in": given.expires_in_s,
        "refresh_token": given.refresh_token,
        "scope": " ".join(given.scopes),
    }
    return PleoResponse(json_text(body), headers=_UNSTORED)


def _clients(sandbox: Sandbox) -> dict[str, Client]:
    return oauth.clients(sandbox.world.company)


async def _form(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise OAuthRefusal("invalid_request", f"The body must be {_FORM}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES_MAX:
            raise OAuthRefusal("invalid_request", f"The body is larger than {_FORM_BYTES_MAX} bytes.")
    try:
        pairs = parse_qsl(body.decode(), max_num_fields=50)
    except ValueError as error:
        raise OAuthRefusal("invalid_request", "The body cannot be read.") from error
    said = dict(pairs)
    if len(said) != len(pairs):
        raise OAuthRefusal("invalid_request", "A parameter is given twice.")
    return said


def _authenticated(known: dict[str, Client], said: dict[str, str], authorization: str | None) -> Client:
    """Find out which client asks: by Basic, or by members of the body. Pleo's pages have both.

    Raises:
        OAuthRefusal: no such client, a wrong secret, or both ways at once.
    """
    client_id, secret = said.get("client_id", ""), said.get("client_secret")
    if authorization is not None:
        if secret is not None:
            raise OAuthRefusal("invalid_request", "The client is named in the header and in the body.")
        client_id, secret = _basic(authorization)
    client = known.get(client_id)
    if client is None or not hmac.compare_digest((client.secret or "").encode(), (secret or "").encode()):
        raise OAuthRefusal("invalid_client", "No such client, or the wrong client_secret.", client_unknown=True)
    return client


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, credential = authorization.partition(" ")
    try:
        name, _, secret = base64.b64decode(credential, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        name, secret = "", ""
    return (unquote_plus(name), unquote_plus(secret)) if scheme.lower() == "basic" else ("", "")


def _page(title: str, content: str, status: int = 200) -> Response:
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1>{content}</html>"
    )
    return Response(text, status, headers=_PAGE_HEADERS, media_type="text/html")
