"""Controls of logins, for whoever tests with it: the applications, how long tokens last, and a person's consent."""

from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter
from pydantic import Field

from tallybook.sandbox import oauth
from tallybook.sandbox.api.controls import Control
from tallybook.sandbox.api.oauth import answered
from tallybook.sandbox.api.requests import SandboxHere
from tallybook.sandbox.api.wire import Json
from tallybook.sandbox.sandbox import Sandbox

router = APIRouter(prefix="/_sandbox")


class Lifetimes(Control):
    """How long the next access tokens last."""

    access_token_seconds: int = Field(ge=1, le=10**9)


class Answer(Control):
    """A person's answer to the page at an address that an application made."""

    authorization_url: str = Field(max_length=8192)
    allow: bool = True


@router.get("/oauth")
async def read_applications(sandbox: SandboxHere) -> Json:
    """Read the registered applications with their secrets, and how long access tokens last."""
    return _oauth_json(sandbox)


@router.patch("/oauth")
async def change_lifetimes(sandbox: SandboxHere, lifetimes: Lifetimes) -> Json:
    """Let access tokens issued from now on last so long."""
    sandbox.access_token_lifetime_s = lifetimes.access_token_seconds
    return _oauth_json(sandbox)


@router.post("/consents", status_code=201)
async def give_consent(sandbox: SandboxHere, answer: Answer) -> Json:
    """Answer as a person would on the page, without a browser; `redirectTo` is where it would be sent."""
    asked = parse_qsl(urlsplit(answer.authorization_url).query, keep_blank_values=True)
    consent = oauth.read_consent(oauth.clients(sandbox.world.company), asked)
    return {"redirectTo": await answered(sandbox, consent, allow=answer.allow)}


def _oauth_json(sandbox: Sandbox) -> Json:
    known = oauth.clients(sandbox.world.company).values()
    return {
        "applications": [
            {"clientId": client.id, "clientSecret": client.secret, "redirectUris": client.redirect_uris}
            for client in known
        ],
        "accessTokenSeconds": sandbox.access_token_lifetime_s,
    }
