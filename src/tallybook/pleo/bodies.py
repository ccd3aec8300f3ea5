"""Reading a body by stream, never more of it than allowed, packed or not.

The HTTP library would unpack a whole chunk at once, so a few kilobytes sent could become gigabytes here.

Source: RFC 9110 section 8.4 (Content-Encoding).
"""

import zlib
from collections.abc import AsyncGenerator, AsyncIterator

ACCEPT_ENCODING = "gzip"
_STEP_BYTES = 64 * 1024


class BodyTooLarge(Exception):
    """More bytes than allowed. Never leaves this room."""


class BodyUndecodable(Exception):
    """Packed in a way nobody asked for, or not in the way it says. Never leaves this room."""


async def unpacked(chunks: AsyncIterator[bytes], encoding: str, size_bytes_max: int) -> AsyncGenerator[bytes, None]:
    """Yield the body's bytes, unpacked, in steps of at most 64 KiB or one chunk.

    Raises:
        BodyTooLarge: more than `size_bytes_max` bytes after unpacking.
        BodyUndecodable: unknown encoding, not of that encoding, or cut off within it.
    """
    unpack = _unpacker(encoding)
    size_bytes = 0
    async for chunk in chunks:
        packed = chunk
        while packed:
            if unpack is None:
                piece, packed = packed, b""
            elif unpack.eof:
                raise BodyUndecodable("bytes after the end of the packed body")
            else:
                try:
                    piece = unpack.decompress(packed, _STEP_BYTES)
                except zlib.error as error:
                    raise BodyUndecodable(str(error)) from error
                packed = unpack.unconsumed_tail or unpack.unused_data
            size_bytes += len(piece)
            if size_bytes > size_bytes_max:
                raise BodyTooLarge
            if piece:
                yield piece
    if unpack is not None and not unpack.eof and size_bytes:
        raise BodyUndecodable("the packed body is cut off")


def _unpacker(encoding: str) -> "zlib._Decompress | None":
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        case other:
            raise BodyUndecodable(f"content encoding {other[:20]!r}")


async def read_body(chunks: AsyncIterator[bytes], encoding: str, size_bytes_max: int) -> bytes:
    """Read a whole body into memory.

    Raises:
        BodyTooLarge: more than `size_bytes_max` bytes after unpacking.
        BodyUndecodable: unknown encoding, not of that encoding, or cut off within it.
    """
    pieces = [piece async for piece in unpacked(chunks, encoding, size_bytes_max)]
    return b"".join(pieces)
