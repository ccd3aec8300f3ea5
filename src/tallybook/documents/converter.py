"""The converter: a program that reads hostile files for us, with limits on memory and time, and ends.

One order as JSON on stdin: {"into": "PDF" | "JPEG" | "PNG", "parts": [{"position", "path", "kind"}], "output": path,
"size_bytes_max": n | null}. On stdout a line {"reading": position} for each file about to be read, and one at the end:
{"done": true} or {"refused": sentence, "too_large": bool}. Any other end (an exception, a signal) speaks for itself:
the file read last is broken, or worse.
"""

import json
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

from tallybook.documents.images import Refusal, converted
from tallybook.documents.pdfs import Part, merged

MEMORY_BYTES_MAX = 1024 * 1024 * 1024
CPU_SECONDS_MAX = 60
SECONDS_MAX = 120  # on a busy machine
OUTPUT_BYTES_MAX = 256 * 1024 * 1024


def main() -> None:
    """Carry out the one order."""
    for stop in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)  # a run that is asked to stop finishes its page, and this with it
    order = json.load(sys.stdin)
    _limit()
    parts = [Part(part["position"], Path(part["path"]), part["kind"]) for part in order["parts"]]
    try:
        if order["into"] == "PDF":
            content = merged(parts, order["size_bytes_max"], _reading)
        else:
            (part,) = parts
            _reading(part.position)
            content = converted(part.path, part.kind, order["into"], order["size_bytes_max"])
    except Refusal as refusal:
        _say({"refused": refusal.sentence, "too_large": refusal.too_large})
        return
    Path(order["output"]).write_bytes(content)
    _say({"done": True})


def _limit() -> None:
    Image.MAX_IMAGE_PIXELS = None  # ours is checked before anything is decoded, and is no warning
    signal.alarm(SECONDS_MAX)  # ends this program also if the one that started it is gone
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES_MAX),
        (resource.RLIMIT_CPU, CPU_SECONDS_MAX),
        (resource.RLIMIT_FSIZE, OUTPUT_BYTES_MAX),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # macOS knows no limit on memory
            resource.setrlimit(kind, (most, most))


def _reading(position: int) -> None:
    _say({"reading": position})


def _say(told: dict[str, Any]) -> None:
    print(json.dumps(told), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
