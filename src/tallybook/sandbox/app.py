"""The sandbox as an ASGI app: Pleo's API, the files, the controls, each error in Pleo's own shape; and the pages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import Response

from tallybook.clock import Clock
from tallybook.pages import static_files
from tallybook.sandbox.api import (
    controls,
    controls_mending,
    controls_oauth,
    controls_traffic,
    controls_webhooks,
    files,
    oauth,
    subscriptions,
    v3,
)
from tallybook.sandbox.api.openapi import describe
from tallybook.sandbox.api.operations import methods_of
from tallybook.sandbox.api.requests import validation_message
from tallybook.sandbox.api.traffic import Traffic
from tallybook.sandbox.api.wire import PleoResponse, json_text
from tallybook.sandbox.errors import OAuthRefusal, Refusal
from tallybook.sandbox.rules import Profile
from tallybook.sandbox.sandbox import Sandbox
from tallybook.sandbox.store import Store
from tallybook.sandbox.webapp import expense_pages, job_pages, lane_pages
from tallybook.sandbox.webapp.answers import OwnPagesOnly, is_for_a_page, refused
from tallybook.sandbox.worlds import Founding

_DESCRIPTION: Final = """A local Pleo for tests and demonstrations: the export API (v3) and webhook subscriptions (v1)
over a company that never was. What the published definitions leave open was chosen once; docs/sandbox.md of Tallybook
lists every choice."""


class SandboxApp(FastAPI):
    """The app, and the sandbox it speaks for."""

    sandbox: Sandbox


def create_app(
    store: Store, *, clock: Clock, profile: Profile = Profile.GUIDE, founding: Founding | None = None
) -> SandboxApp:
    """Make a sandbox over a store, which stays the caller's to close.

    The world is opened, or founded as `founding` says when the store is empty, as the app's server starts.
    """
    sandbox = Sandbox(store, clock, profile, founding or Founding())
    app = SandboxApp(
        title="Tallybook sandbox of the Pleo export API",
        version="32.1.0",  # of the published definition it follows
        description=_DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,  # the pages load scripts from the internet
        redoc_url=None,
        exception_handlers={
            Refusal: _answer_refusal,
            OAuthRefusal: _answer_oauth_refusal,
            RequestValidationError: _answer_invalid,
            HTTPException: _answer_http,
            Exception: _answer_own_fault,
        },
    )
    app.sandbox = app.state.sandbox = sandbox
    app.include_router(v3.router, tags=["Pleo export API (v3)"])
    app.include_router(subscriptions.router, tags=["Webhook subscriptions (v1)"])
    app.include_router(oauth.router, tags=["OAuth 2.0"])
    app.include_router(oauth.installations, tags=["OAuth 2.0"])
    app.include_router(files.router, tags=["Files"])
    app.include_router(controls.router, tags=["Sandbox"])
    app.include_router(controls_mending.router, tags=["Sandbox"])
    app.include_router(controls_traffic.router, tags=["Sandbox"])
    app.include_router(controls_webhooks.router, tags=["Sandbox"])
    app.include_router(controls_oauth.router, tags=["Sandbox"])
    app.include_router(lane_pages.router)
    app.include_router(job_pages.router)
    app.include_router(expense_pages.router)
    app.router.routes.append(static_files())
    app.add_middleware(Traffic, sandbox=sandbox)
    app.add_middleware(OwnPagesOnly)
    # A page in this machine's browser may not reach the controls under a name of its own (DNS rebinding).
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    app.openapi = lambda: describe(app, profile)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    sandbox: Sandbox = app.state.sandbox
    await sandbox.open()
    yield
    await sandbox.close()


def _exception_info(status: int, error_type: str, message: str, headers: Any = None) -> Response:
    return PleoResponse(json_text({"type": error_type, "message": message}), status, headers=headers)


async def _answer_refusal(request: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, Refusal):
        raise refusal
    if is_for_a_page(request):
        return refused(request, refusal)
    headers = {"www-authenticate": 'Bearer, Basic realm="Pleo"'} if refusal.status == 401 else None  # noqa: PLR2004
    return _exception_info(refusal.status, refusal.type, refusal.message, headers)


async def _answer_oauth_refusal(_: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, OAuthRefusal):
        raise refusal
    return oauth.answer_oauth_refusal(refusal)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    if is_for_a_page(request):
        return refused(request, Refusal(404, "NOT_FOUND", f"The address {request.url.path} leads nowhere."))
    # The definition knows no 422 for malformed requests: there it means a job's state.
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    return _exception_info(400, "BAD_REQUEST", validation_message(problems))


async def _answer_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    names = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
    message = f"{error.detail}: {request.method} {request.url.path}"
    if is_for_a_page(request):
        return refused(request, Refusal(error.status_code, "NOT_FOUND", message))
    headers = dict(error.headers or {})
    if "Allow" in headers and (methods := methods_of(request.url.path)):
        headers["Allow"] = ", ".join(methods)  # the framework names those of one route only
    return _exception_info(error.status_code, names.get(error.status_code, "BAD_REQUEST"), message, headers)


async def _answer_own_fault(_: Request, error: Exception) -> Response:
    # The server writes the traceback; the caller learns that it was not their doing.
    return _exception_info(500, "INTERNAL_ERROR", f"The sandbox itself failed: {type(error).__name__}.")
