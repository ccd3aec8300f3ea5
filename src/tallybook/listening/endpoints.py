"""The routes beside the webhooks: POST /run, /healthz, /readyz and /metrics. They ask and show; they decide nothing."""

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallybook.errors import TallybookError
from tallybook.telemetry import metrics

RUN_PATH: Final = "/run"
_BODY_BYTES_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the routes need.

    `look_now` asks Pleo at once, for the company named or for all, and returns the ids of those. `problems` says what
    keeps this worker from exporting, by part, nothing when it is ready. `measure` brings those metrics up to date that
    are read and not counted. `token` None means that POST /run is off.
    """

    look_now: Callable[[str | None], Sequence[str]]
    problems: Callable[[], Awaitable[Mapping[str, str]]]
    measure: Callable[[], Awaitable[None]]
    token: SecretStr | None
    metrics_open: bool

    def routes(self) -> list[Route]:
        """Give the routes, to be mounted in an app that serves more than these."""
        return [
            Route(RUN_PATH, self.run, methods=["POST"]),
            Route("/healthz", self.health),
            Route("/readyz", self.ready),
            Route("/metrics", self.metrics),
        ]

    async def run(self, request: Request) -> Response:
        """Look for jobs now: 202 with the companies asked about; 401 without the token, 403 where none is set.

        The body may be empty or `{"company": ID}`.

        Repeat: looks again, which changes nothing.
        """
        if self.token is None:
            return _said(403, "This server has no token; set serve.token_file to allow POST /run.")
        if not self._has_token(request):
            return _unauthorized()
        try:
            named = await _company(request)
            return JSONResponse({"looking": list(self.look_now(named))}, 202)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except ValueError as error:
            return _said(400, str(error))
        except TallybookError as error:
            return _said(404, str(error))

    async def health(self, _: Request) -> Response:
        """Answer 200: the process lives and its event loop turns."""
        return _said(200, "alive")

    async def ready(self, _: Request) -> Response:
        """Answer 200 when nothing keeps this worker from exporting, else 503 with what does."""
        problems = await self.problems()
        return JSONResponse({"ready": not problems, "problems": dict(problems)}, 503 if problems else 200)

    async def metrics(self, request: Request) -> Response:
        """Show the metrics to whoever may see them."""
        if not self.metrics_open and not self._has_token(request):
            return _unauthorized()
        await self.measure()
        return Response(metrics.text(), media_type=metrics.CONTENT_TYPE)

    def _has_token(self, request: Request) -> bool:
        scheme, _, offered = request.headers.get("authorization", "").partition(" ")
        if self.token is None or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(offered.strip().encode(), self.token.get_secret_value().encode())


async def _company(request: Request) -> str | None:
    """Read the company from the body; None where none is named.

    Raises:
        ValueError: it is no such body.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES_MAX:
            raise ValueError(f"The body is larger than {_BODY_BYTES_MAX} bytes.")
    if not body.strip():
        return None
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or set(said) - {"company"} or not isinstance(said.get("company", ""), str):
        raise ValueError('The body must be empty or {"company": "ID or name"}.') from None
    return said.get("company") or None


def _unauthorized() -> Response:
    return JSONResponse(
        {"message": "Send the server's token: Authorization: Bearer TOKEN."}, 401, {"www-authenticate": "Bearer"}
    )


def _said(status: int, sentence: str) -> Response:
    return JSONResponse({"message": sentence}, status)
