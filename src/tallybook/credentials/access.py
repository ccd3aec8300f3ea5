"""Access to Pleo by a login, put together from settings: logging in, logging out, and credentials for the client."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import httpx

from tallybook.clock import Clock
from tallybook.credentials.login import Login, LoginAuth
from tallybook.credentials.vault import Vault, make_key_file
from tallybook.errors import SettingsError
from tallybook.pleo.client import Timeouts
from tallybook.pleo.oauth import Application, AuthorizationServer, Question, Tokens
from tallybook.settings import Settings
from tallybook.store.database import Database
from tallybook.store.logins import LoginStore

TOKEN_CALL_TIMEOUT_S_MAX = 30.0  # others wait for their turn meanwhile

# Shows a person the question that is made for an address, and returns it with the address the browser was sent to.
Asker = Callable[[Callable[[str], Question]], Awaitable[tuple[Question, str]]]


def authentication(settings: Settings, clock: Clock) -> httpx.Auth:
    """Make the credential of `pleo.login`.

    Raises:
        SettingsError: [oauth] or [secrets] is not complete.
    """
    return LoginAuth(login_of(settings, clock))


def login_of(settings: Settings, clock: Clock) -> Login:
    """Put the login together that `pleo.login` names.

    Raises:
        SettingsError: there is no name, or [oauth] or [secrets] is not complete.
    """
    if settings.pleo.login is None:
        raise SettingsError(["pleo.login is not set; give the login a name there, and take out any other credential"])
    settings.pleo.secret()  # nothing beside it
    return Login(
        settings.pleo.login,
        store=LoginStore(Database(settings.database.url)),
        vault=Vault([key.get_secret_value() for key in settings.secrets.sealing_keys()]),
        server=_server(settings, clock),
        clock=clock,
        random=random.SystemRandom(),
    )


async def log_in(
    settings: Settings,
    clock: Clock,
    *,
    ask: Asker,
    reaches: Callable[[str], Awaitable[None]],
    key_made: Callable[[], None],
) -> str:
    """Log in: ask a person, take the answer for tokens, see whom they reach, keep them; the login's name comes back.

    `reaches` tries an access token, before anything is kept. A key file that settings name and nobody has made is made,
    which `key_made` is told, whatever comes after.

    Repeat: a new login takes the place of the old one.
    Raises:
        SettingsError: a setting is wrong.
        PleoError: the person said no, Pleo refused, or could not be reached; what was kept before stays.
        StoreError: the database cannot be used.
    """
    key_file = settings.secrets.key_file
    if key_file is not None and settings.secrets.key is None and not key_file.exists():
        make_key_file(key_file)
        key_made()
    login = login_of(settings, clock)
    await asyncio.to_thread(login.prepare)
    server = _server(settings, clock)
    question, answered = await ask(server.question)
    tokens: Tokens = await asyncio.to_thread(server.exchange, question, answered)
    await reaches(tokens.access_token)
    await asyncio.to_thread(login.keep, tokens)
    return login.name


def _server(settings: Settings, clock: Clock) -> AuthorizationServer:
    oauth, pleo = settings.oauth, settings.pleo
    if oauth.client_id is None:
        raise SettingsError(["oauth.client_id is missing; set it to the client id Pleo gave the application"])
    secret = oauth.secret()
    address = oauth.server_url.rstrip("/")
    application = Application(
        client_id=oauth.client_id,
        client_secret=None if secret is None else secret.get_secret_value(),
        authorize_url=f"{address}/oauth/authorize",
        token_url=f"{address}/oauth/token",
        scopes=oauth.scopes,
        secret_in_header=oauth.client_authentication == "header",
    )
    patience = Timeouts(
        connect_s=pleo.connect_timeout_s,
        read_s=pleo.read_timeout_s,
        whole_call_s=min(pleo.call_timeout_s, TOKEN_CALL_TIMEOUT_S_MAX),
    )
    return AuthorizationServer(application, clock=clock, timeouts=patience)
