"""What a receipt is, by its content: the eight types Pleo hands over, four more of images, and no other.

A web page with the status 200 is not a receipt, whatever its link promised. Each type is checked by its own structure;
puremagic only names what else a file may be, because its signatures of two bytes take text for pictures.

Source: Pleo guide "Transfer attachments" (doc, docx, pdf, txt, jpg, png, xls, xlsx).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import puremagic

from tallybook.pleo.errors import ReceiptUnsupported, printable

_HEAD_BYTES = 4096
_STEP_BYTES = 256 * 1024
_ZIP_TAIL_BYTES = 22 + 65535  # the end record and the longest comment. Source: APPNOTE 4.3.16.
_ZIP_DIRECTORY_BYTES_MAX = 1024 * 1024  # ours: an office document lists a few hundred parts
_OLE_ENTRIES_MAX = 4096  # ours, as above
_OLE_ENTRY_BYTES = 128
_OLE_SECTOR_ID_MAX = 0xFFFFFFFA
_OLE_STREAM = 2
# Line ends, tabs, form feeds; any other control character means it is no text to read.
_TEXT_CONTROLS = frozenset("\t\n\r\f\v")


@dataclass(frozen=True, slots=True)
class ReceiptType:
    """A media type and the suffix its files have."""

    media_type: str
    suffix: str


PDF = ReceiptType("application/pdf", ".pdf")
JPEG = ReceiptType("image/jpeg", ".jpg")
PNG = ReceiptType("image/png", ".png")
TXT = ReceiptType("text/plain", ".txt")
DOC = ReceiptType("application/msword", ".doc")
XLS = ReceiptType("application/vnd.ms-excel", ".xls")
WEBP = ReceiptType("image/webp", ".webp")
GIF = ReceiptType("image/gif", ".gif")
TIFF = ReceiptType("image/tiff", ".tif")
AVIF = ReceiptType("image/avif", ".avif")
DOCX = ReceiptType("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx")
XLSX = ReceiptType("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx")


def receipt_type(path: Path) -> ReceiptType:
    """Tell what a file is. Reads the file, so call it in a thread.

    Repeat: safe.
    Raises:
        ReceiptUnsupported: it is none of these types.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        found = _by_structure(file, head)
        if found is None:
            raise ReceiptUnsupported(
                f"the receipt is {_other(file, head)} and none of pdf, jpg, png, txt, doc, docx, xls, xlsx;"
                " replace the file in Pleo and export the entry again"
            )
        return found


def _by_structure(file: BinaryIO, head: bytes) -> ReceiptType | None:
    if head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n\t \x00").startswith(b"%PDF-"):
        return PDF
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        return PNG
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _ole(file, head)
    if head.startswith(b"PK\x03\x04"):
        return _office_zip(file)
    return _image(head) or _text(file, head)


def _text(file: BinaryIO, head: bytes) -> ReceiptType | None:
    return TXT if head.strip() and not _is_markup(file, head) and _is_text(file) else None


def _image(head: bytes) -> ReceiptType | None:
    """Tell images that phones and scanners make and Pleo does not name; HEIC, which nothing here can read, is none."""
    if head.startswith((b"GIF87a", b"GIF89a")) and any(head[6:10]):  # a width or a height
        return GIF
    if head.startswith(b"RIFF") and head[8:16] in {b"WEBPVP8 ", b"WEBPVP8L", b"WEBPVP8X"}:
        return WEBP
    if head.startswith((b"II*\0", b"MM\0*")) and any(head[4:8]):  # where its first directory is
        return TIFF
    if head[4:8] == b"ftyp" and head[8:12] in {b"avif", b"avis"}:
        return AVIF
    return None


def _other(file: BinaryIO, head: bytes) -> str:
    if not head.strip():
        return "empty"
    if head.lstrip()[:1] == b"<":
        return "a web page or another markup file"
    file.seek(0)
    try:
        best = puremagic.magic_stream(file)
    except (LookupError, ValueError):
        return "of an unknown type"
    return f"probably {printable(best[0].mime_type or best[0].extension, 60)}" if best else "of an unknown type"


def _is_markup(file: BinaryIO, head: bytes) -> bool:
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"<" or head.startswith(b"{\\rtf"):
        return True
    if first not in {b"{", b"["}:
        return False
    file.seek(0)
    whole = file.read(_STEP_BYTES)
    try:
        json.loads(whole)
    except (ValueError, RecursionError):
        return False
    return True  # an error in JSON, sent with the status 200


def _is_text(file: BinaryIO) -> bool:
    file.seek(0)
    rest = b""
    while chunk := file.read(_STEP_BYTES):
        block = rest + chunk
        try:
            text, rest = block.decode("utf-8"), b""
        except UnicodeDecodeError as error:
            if error.end < len(block) or error.reason != "unexpected end of data":
                return False
            text, rest = block[: error.start].decode("utf-8"), block[error.start :]
        if any(sign < " " and sign not in _TEXT_CONTROLS for sign in text):
            return False
    return not rest


def _office_zip(file: BinaryIO) -> ReceiptType | None:
    names = set(_zip_names(file))
    if "[Content_Types].xml" not in names or any(name.endswith("vbaProject.bin") for name in names):
        return None  # no office document, or one with macros, which Pleo does not hand over
    if any(name.startswith("word/document") and name.endswith(".xml") for name in names):
        return DOCX
    if any(name.startswith("xl/workbook") and name.endswith(".xml") for name in names):
        return XLSX
    return None


def _zip_names(file: BinaryIO) -> Iterator[str]:
    """List a ZIP file's parts from its directory, without trusting its figures. Source: APPNOTE 4.3.12, 4.3.16."""
    end = file.seek(0, 2)
    tail_start = file.seek(max(0, end - _ZIP_TAIL_BYTES))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:  # noqa: PLR2004 - the end record's length
        return
    size_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
    start = tail_start + at - size_bytes
    if size_bytes > _ZIP_DIRECTORY_BYTES_MAX or start < 0:
        return
    file.seek(start)
    directory = file.read(size_bytes)
    at = 0
    while directory[at : at + 4] == b"PK\x01\x02" and len(directory) - at >= 46:  # noqa: PLR2004 - an entry's fixed part
        name, extra, comment = (int.from_bytes(directory[at + k : at + k + 2], "little") for k in (28, 30, 32))
        yield directory[at + 46 : at + 46 + name].decode("utf-8", "replace")
        at += 46 + name + extra + comment


def _ole(file: BinaryIO, head: bytes) -> ReceiptType | None:
    """Tell Word from Excel by the streams at the root of a compound file. Source: MS-CFB 2.2, 2.3, 2.6."""
    shift = int.from_bytes(head[30:32], "little")
    if shift not in {9, 12}:
        return None
    sector_bytes = 1 << shift

    def sector(number: int) -> bytes:
        file.seek((number + 1) * sector_bytes)
        return file.read(sector_bytes)

    def following(number: int) -> int:
        table, place = divmod(number, sector_bytes // 4)
        # Only the 109 tables the header itself names: they reach 7 MB, and directories stand near the front.
        if table >= 109:  # noqa: PLR2004 - see above
            return _OLE_SECTOR_ID_MAX
        found = sector(int.from_bytes(head[76 + 4 * table : 80 + 4 * table], "little"))
        return int.from_bytes(found[4 * place : 4 * place + 4], "little") if found else _OLE_SECTOR_ID_MAX

    number = int.from_bytes(head[48:52], "little")
    entries: list[bytes] = []
    while number < _OLE_SECTOR_ID_MAX and len(entries) < _OLE_ENTRIES_MAX:
        block = sector(number)
        if len(block) < sector_bytes:
            break
        entries += [block[at : at + _OLE_ENTRY_BYTES] for at in range(0, sector_bytes, _OLE_ENTRY_BYTES)]
        number = following(number)
    names = set(_ole_root_streams(entries))
    if "WordDocument" in names:
        return DOC
    return XLS if names & {"Workbook", "Book"} else None


def _ole_root_streams(entries: list[bytes]) -> Iterator[str]:
    """Walk the tree below the root entry: a file embedded in the document has its streams elsewhere."""
    pending = [int.from_bytes(entries[0][76:80], "little")] if entries else []
    seen: set[int] = set()
    while pending:
        number = pending.pop()
        if number >= len(entries) or number in seen:
            continue
        seen.add(number)
        entry = entries[number]
        pending += [int.from_bytes(entry[68:72], "little"), int.from_bytes(entry[72:76], "little")]
        if entry[66] == _OLE_STREAM:
            length = min(64, int.from_bytes(entry[64:66], "little"))
            yield entry[: max(0, length - 2)].decode("utf-16-le", "replace")
