"""Which way up a JPEG is, read from its first segments alone, so that an upright photo costs no converter."""

from pathlib import Path

UPRIGHT = 1
_SEGMENTS_MAX = 64  # ours; cameras write the EXIF segment first or second
_EXIF, _SCAN = 0xE1, 0xDA
_TAG = 0x0112


def orientation(path: Path) -> int:
    """Read the EXIF orientation of a JPEG, 1 to 8; what cannot be read is taken to be upright.

    Repeat: safe.
    Raises:
        OSError: the file cannot be read.
    Source: ITU-T T.81 B.1.1.4 (segments); EXIF 2.32, 4.6.4 (tag 0x0112) and 4.7.2 (segment).
    """
    with path.open("rb") as file:
        at = 2
        for _ in range(_SEGMENTS_MAX):
            file.seek(at)
            head = file.read(10)
            if len(head) < 10 or head[0] != 0xFF or head[1] == _SCAN:  # noqa: PLR2004 - marker, length, name
                break
            length = int.from_bytes(head[2:4], "big")
            if head[1] == _EXIF and head[4:] == b"Exif\0\0":
                return _in_first_directory(file.read(max(0, length - 8)))
            at += 2 + length
    return UPRIGHT


def _in_first_directory(tiff: bytes) -> int:
    little = tiff.startswith(b"II")

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], "little" if little else "big")

    start = number(4, 4)
    for entry in range(start + 2, start + 2 + 12 * number(start, 2), 12):
        if number(entry, 2) == _TAG:
            found = number(entry + 8, 2)
            return found if 1 <= found <= 8 else UPRIGHT  # noqa: PLR2004 - the values there are
    return UPRIGHT
