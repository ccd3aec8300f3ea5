"""What all our web pages share: how a template becomes text, the files they load, the headers that keep them safe."""

import importlib.resources
from collections.abc import Awaitable, Callable
from typing import Any, Final

import jinja2
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

STATIC_PATH: Final = "/static"

# Nothing is loaded from, sent to or shown inside another site, and no text of a page can become a script.
SAFETY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "object-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def templates(package: str) -> jinja2.Environment:
    """Templates of a package's folder `templates`, then ours: `frame.html` is what a page extends.

    Every value is escaped for HTML, and a name that is not given is an error.
    """
    loader = jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("tallybook.pages")])
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def static_files() -> Mount:
    """Give the route of the style sheet and scripts that `frame.html` names."""
    folder = importlib.resources.files("tallybook.pages") / "static"
    return Mount(STATIC_PATH, StaticFiles(directory=str(folder)), name="static")


async def with_safety_headers(request: Request, call_next: Callable[[Request], Awaitable[Any]]) -> Response:
    """Add the headers to every answer; for `starlette.middleware.base.BaseHTTPMiddleware`."""
    answer: Response = await call_next(request)
    for name, value in SAFETY_HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer
