"""What a request says, read strictly: who asks, which page, which body."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from tallybook.sandbox.errors import Refusal, bad_request
from tallybook.sandbox.paging import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, PageOrder, PageRequest
from tallybook.sandbox.sandbox import Sandbox

T = TypeVar("T")

BODY_BYTES_MAX: Final = 16 * 1024 * 1024  # open in the definition, chosen here
_PAGING: Final = frozenset({"after", "before", "offset", "limit", "sorting_keys", "sorting_order"})
_JSON_TYPE: Final = re.compile(r"application/(json|[\w.+-]+\+json)\s*(;.*)?", re.IGNORECASE)


def sandbox_of(request: Request) -> Sandbox:
    """Find the sandbox this request came to."""
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox


SandboxHere = Annotated[Sandbox, Depends(sandbox_of)]


def allowed(scope: str) -> Callable[[Request], Awaitable[None]]:
    """Make the check an operation stands behind: credentials that are good, and have its scope."""

    async def check(request: Request) -> None:
        _authenticate(sandbox_of(request), request.headers.get("authorization"), scope)

    return check


def _authenticate(sandbox: Sandbox, header: str | None, scope: str) -> None:
    """Let the bearer of a good credential pass.

    Raises:
        Refusal: 401, no or wrong credentials; 403, the token lacks the scope.
    """
    scheme, _, credential = (header or "").strip().partition(" ")
    if scheme.lower() == "basic" and _is_key(sandbox, credential.strip()):
        return  # an API key reaches all of the company's data
    token = sandbox.token(credential.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise Refusal(401, "UNAUTHORIZED", "Neither a valid access token nor a valid API key was sent.")
    if token.expires_at is not None and sandbox.now_s() >= token.expires_at:
        raise Refusal(401, "UNAUTHORIZED", "JWT is expired")
    if scope not in token.scopes:
        raise Refusal(403, "ACCESS_DENIED", f"The access token lacks the scope {scope}.")


def _is_key(sandbox: Sandbox, credential: str) -> bool:
    try:
        name, colon, password = base64.b64decode(credential, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return False
    return colon == ":" and not password and sandbox.is_api_key(name)


def refuse_other_company(sandbox: Sandbox, company_id: str | None) -> None:
    """Keep the credentials to their own company.

    Raises:
        Refusal: 403, another company was named.
    """
    if company_id is not None and company_id != sandbox.world.company.id:
        raise Refusal(403, "ACCESS_DENIED", f"These credentials do not reach the company {company_id}.")


def _plain_digits(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,19}", value):
        raise ValueError("must be a whole number of digits")
    return int(value) if isinstance(value, str) else value


Cursor = Annotated[str | None, Query(pattern=r"^[A-Z2-7=~]+$")]


def page_request(
    before: Cursor = None,
    after: Cursor = None,
    offset: Annotated[Annotated[int, BeforeValidator(_plain_digits), Field(ge=0, le=2**63 - 1)] | None, Query()] = None,
    limit: Annotated[Annotated[int, BeforeValidator(_plain_digits), Field(ge=0, le=2**31 - 1)] | None, Query()] = None,
    sorting_keys: Annotated[list[str] | None, Query()] = None,
    sorting_order: Annotated[list[PageOrder] | None, Query()] = None,
) -> PageRequest:
    """Read the paging parameters.

    Raises:
        Refusal: 400, two of `after`, `before`, `offset` together; keys and orders of different count.
    """
    if sum(value is not None for value in (before, after, offset)) > 1:
        raise bad_request("Only one of after, before and offset can be given.")
    keys, orders = sorting_keys or [], sorting_order or []
    if len(keys) != len(orders):
        raise bad_request(f"There are {len(keys)} sorting_keys and {len(orders)} sorting_order; they go in pairs.")
    if len(set(keys)) != len(keys):
        raise bad_request("A sorting key can be given once.")
    size = PAGE_SIZE_DEFAULT if limit is None else min(limit, PAGE_SIZE_MAX)
    return PageRequest(size, after, before, offset, tuple(zip(keys, orders, strict=True)))


PageAsked = Annotated[PageRequest, Depends(page_request)]


def other_parameters(request: Request) -> dict[str, list[str]]:
    """Give the query parameters that are not about paging, for the page's echo."""
    query = request.query_params
    return {name: query.getlist(name) for name in query if name not in _PAGING}


async def body_text(request: Request, size_max_bytes: int = BODY_BYTES_MAX) -> bytes:
    """Read a JSON body.

    Raises:
        Refusal: 413, larger than `size_max_bytes`; 415, another media type is named.
    """
    media_type = request.headers.get("content-type")
    if media_type is not None and not _JSON_TYPE.fullmatch(media_type.strip()):
        raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", f"The body must be application/json, not {media_type}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > size_max_bytes:
            raise Refusal(413, "CONTENT_TOO_LARGE", f"The body is larger than {size_max_bytes} bytes.")
    return bytes(body)


async def read_body(request: Request, shape: TypeAdapter[T], size_max_bytes: int = BODY_BYTES_MAX) -> T:
    """Read a JSON body of a known shape.

    Raises:
        Refusal: 400, not JSON or not of that shape; 413 and 415 as `body_text`.
    """
    body = await body_text(request, size_max_bytes)
    try:
        return shape.validate_json(body)
    except ValidationError as error:
        raise bad_request(validation_message(error.errors(include_url=False, include_context=False))) from error


def validation_message(problems: Any) -> str:
    """Say in one line what is wrong with a request: the first three problems and where they are."""
    said = [f"{'.'.join(str(step) for step in problem['loc']) or 'body'}: {problem['msg']}" for problem in problems[:3]]
    if len(problems) > len(said):
        said.append(f"and {len(problems) - len(said)} more")
    return "; ".join(said)
