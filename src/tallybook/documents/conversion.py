"""Conversions in a process of their own, which has no secrets, little memory and little time.

What receipts hold is hostile: an image of a few bytes may unpack to gigabytes, a PDF may lead a reader round in
circles. Whatever such a file does to the converter, here it is one sentence about one file.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tallybook.accounting.entry import Attachment

WAIT_S = 150.0  # longer than the converter gives itself
# What a file is to the converter: PDF, TEXT, or the one name under which Pillow may open it.
KINDS = {
    "application/pdf": "PDF",
    "text/plain": "TEXT",
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/tiff": "TIFF",
    "image/avif": "AVIF",
}
_STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
# Where Python and its packages are, and no variable that may hold a secret.
_VARIABLES = ("PATH", "PYTHONPATH", "TMPDIR", "LANG")


class Unconvertible(Exception):
    """A file cannot be converted; `sentence` says why, as the end of "Attachment 2 ...". Never leaves this room."""

    def __init__(self, position: int, sentence: str, *, too_large: bool = False) -> None:
        super().__init__(sentence)
        self.position = position
        self.sentence = sentence
        self.too_large = too_large


class Converter:
    """Runs conversions, `at_once` at most side by side."""

    def __init__(self, at_once: int = 2) -> None:
        self._turn = asyncio.Semaphore(at_once)

    async def convert(
        self, files: Sequence[Attachment], into: str, output: Path, *, size_bytes_max: int | None = None
    ) -> None:
        """Write files as one "PDF", or one image as "JPEG" or "PNG", to `output`.

        Repeat: safe; the same files give the same bytes, with the same versions of pillow, pypdf and reportlab.
        Raises:
            Unconvertible: one of them cannot be converted; nothing is left at `output`.
            OSError: no process can be started.
        """
        order = {
            "into": into,
            "parts": [{"position": f.position, "path": str(f.path), "kind": KINDS[f.media_type]} for f in files],
            "output": str(output),
            "size_bytes_max": size_bytes_max,
        }
        async with self._turn:
            told = await _ordered(order)
        if "done" in told:
            return
        output.unlink(missing_ok=True)  # noqa: ASYNC240 - one call, shorter than handing it to a thread
        position = told.get("reading", files[0].position)
        if "refused" in told:
            raise Unconvertible(position, told["refused"], too_large=told["too_large"])
        if "stopped" in told:
            raise Unconvertible(position, "was not converted, since the converter was stopped")
        if "reading" in told:
            raise Unconvertible(position, "is broken, or needs more memory or time to be read than a receipt should")
        raise Unconvertible(position, "was not converted, since the converter did not start; install Tallybook anew")


async def _ordered(order: object) -> dict[str, Any]:
    """Run the converter; gives everything it said, the last word on each thing."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # no module is taken from the folder we happen to be in
        "-m",
        "tallybook.documents.converter",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # it may quote the receipt
        start_new_session=True,  # Ctrl-C is for us: the page at hand is finished
        env={name: os.environ[name] for name in _VARIABLES if name in os.environ},
    )
    said = b""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                said, _ = await process.communicate(json.dumps(order).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told: dict[str, Any] = {"stopped": True} if -(process.returncode or 0) in _STOPS else {}
    for line in said.splitlines():
        with suppress(ValueError):
            told |= json.loads(line)
    return told
