"""Receipts over links that expire, also from the middle on. Source: definition ExportItemFile; RFC 9110 section 14."""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response

from tallybook.sandbox import expenses, world
from tallybook.sandbox.api.requests import SandboxHere
from tallybook.sandbox.api.schemas import UuidText
from tallybook.sandbox.api.wire import PleoResponse
from tallybook.sandbox.errors import Refusal

_MEDIA_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_REST: Final = re.compile(r"bytes=([0-9]{1,15})-", re.ASCII)

router = APIRouter(prefix="/files")


@router.get(
    "/{accountingEntryId}/{receipt}",
    operation_id="files",
    summary="Download a receipt",
    response_class=Response,
    responses={
        200: {"description": "The file.", "content": {"application/pdf": {}, "image/jpeg": {}}},
        206: {"description": "The rest of the file.", "content": {"application/pdf": {}, "image/jpeg": {}}},
        416: {"description": "The file ends before that."},
        **{
            code: {
                "description": said,
                "content": {PleoResponse.media_type: {"schema": {"$ref": "#/components/schemas/ExceptionInfo"}}},
            }
            for code, said in (
                (400, "The path is malformed."),
                (403, "The link was not made by Pleo."),
                (404, "There is no such file."),
                (410, "The link has expired."),
            )
        },
    },
)
async def download(
    request: Request,
    sandbox: SandboxHere,
    accountingEntryId: UuidText,  # noqa: N803 - Pleo's name
    receipt: Annotated[int, Path(ge=0)],
    expires: Annotated[str | None, Query()] = None,
    signature: Annotated[str | None, Query()] = None,
) -> Response:
    """The link itself is the permission: no credentials are asked for.

    `Range: bytes=N-` gives the rest from byte N on, with `If-Range` only while the file is the same. Other ranges are
    passed over, as a server may.
    """
    sandbox.world.links.check(request.url.path, expires, signature, sandbox.now_s())
    document, file = await sandbox.store.run(expenses.find_receipt, sandbox.world, accountingEntryId, receipt)
    try:
        content = await asyncio.to_thread(world.receipt, document, receipt)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # A document that a test made odd may not be drawable.
        message = f"The receipt cannot be drawn: {error}"
        raise Refusal(500, "RECEIPT_NOT_DRAWABLE", message) from error
    media_type = str(file.get("type"))
    if not _MEDIA_TYPE.fullmatch(media_type):
        media_type = "application/octet-stream"
    return _from(content, media_type, request.headers)


def _from(content: bytes, media_type: str, asked: Mapping[str, str]) -> Response:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"Accept-Ranges": "bytes", "ETag": etag}
    rest = _REST.fullmatch(asked.get("range", ""))
    if rest is None or asked.get("if-range", etag) != etag:
        return Response(content, media_type=media_type, headers=headers)
    start, size = int(rest[1]), len(content)
    if start >= size:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    return Response(content[start:], 206, headers, media_type)
