"""One PDF from many files: PDFs page by page, JPEGs as they are, other images without loss, text in a plain font.

No clock, no random identifier and no order of a set goes into it: the same files give the same bytes.
Runs in the converter's process alone, since the files are hostile: see `conversion.py`.
"""

import io
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.errors import DependencyError
from pypdf.generic import DictionaryObject, NameObject, NumberObject, StreamObject
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from tallybook.documents.images import STEPS, Refusal, at_step, frames, opened, orientation_of

PAGES_MAX = 500  # ours: of all files together
_DOTS_PER_INCH = 150  # how large an image's page is; nothing is lost by it
_POINTS_MAX = 14_400  # an edge of a page. Source: ISO 32000-1 annex C
_TURNS = {1: 0, 3: 180, 6: 90, 8: 270}  # EXIF orientation -> degrees clockwise; the others are mirrored
_LINE_CHARACTERS, _LINES_A_PAGE = 100, 70
_TEXT_BYTES_MAX = 2_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """One of the files: its place in the source's list, and what it is (PDF, TEXT, or Pillow's name of an image)."""

    position: int
    path: Path
    kind: str


def merged(parts: Sequence[Part], size_bytes_max: int | None, reading: Callable[[int], None]) -> bytes:
    """Merge files into one PDF of at most so many bytes; its images are made smaller only if they must be.

    `reading` is told the position of each file before it is read.

    Repeat: the same bytes for the same files.
    Raises:
        Refusal: a file cannot be merged, or the whole is too large at the smallest legible size.
    """
    steps = STEPS if any(part.kind not in {"PDF", "TEXT"} for part in parts) else ()
    content = b""
    for step in (None, *steps):
        content = _written(parts, step, reading)
        if size_bytes_max is None or len(content) <= size_bytes_max:
            return content
    reading(parts[0].position)
    raise Refusal(f"and the files merged with it have {len(content)} bytes as one PDF", too_large=True)


def _written(parts: Iterable[Part], step: tuple[int, int] | None, reading: Callable[[int], None]) -> bytes:
    writer = PdfWriter()
    writer.metadata = None
    for part in parts:
        reading(part.position)
        if part.kind == "PDF":
            _append(writer, _unlocked(part.path))
        elif part.kind == "TEXT":
            _append(writer, PdfReader(io.BytesIO(_typeset(part.path))))
        elif step is None and part.kind == "JPEG" and _add_jpeg(writer, part.path):
            pass
        else:
            for image in frames(part.path, part.kind):
                _add_image(writer, image, step)
        if len(writer.pages) > PAGES_MAX:
            raise Refusal(f"makes more than {PAGES_MAX} pages, together with the files before it")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def _unlocked(path: Path) -> PdfReader:
    reader = PdfReader(path)
    try:
        if reader.is_encrypted and not reader.decrypt(""):
            raise Refusal("is a PDF under a password")
    except DependencyError:
        raise Refusal("is an encrypted PDF") from None
    return reader


def _append(writer: PdfWriter, reader: PdfReader) -> None:
    count = reader.get_num_pages()
    if not count:
        raise Refusal("is a PDF without pages")
    if count > PAGES_MAX:
        raise Refusal(f"has {count} pages, more than {PAGES_MAX}")
    writer.append(reader, import_outline=False)


def _add_jpeg(writer: PdfWriter, path: Path) -> bool:
    """Put a JPEG on a page of its own, byte for byte; False for the kinds that PDF readers show differently."""
    with opened(path, "JPEG") as image:
        turn = _TURNS.get(orientation_of(image))
        if image.mode not in {"L", "RGB"} or turn is None:
            return False
        image.load()  # one that is cut off is found here, and not by the reader of the PDF
        _add_page(writer, image, "/DCTDecode", path.read_bytes(), turn)
        return True


def _add_image(writer: PdfWriter, image: Image.Image, step: tuple[int, int] | None) -> None:
    if step is None:
        _add_page(writer, image, "/FlateDecode", zlib.compress(image.tobytes()))
        return
    content = at_step(image, step)
    with Image.open(io.BytesIO(content), formats=["JPEG"]) as smaller:
        _add_page(writer, smaller, "/DCTDecode", content)


def _add_page(writer: PdfWriter, image: Image.Image, encoding: str, content: bytes, turn: int = 0) -> None:
    points = [edge * 72 / _DOTS_PER_INCH for edge in image.size]
    shrink = min(1.0, _POINTS_MAX / max(points))
    width, height = (round(edge * shrink, 2) for edge in points)
    colours = "/DeviceGray" if image.mode == "L" else "/DeviceRGB"
    drawn = StreamObject.initialize_from_dictionary(
        {
            NameObject("/Type"): NameObject("/XObject"),
            NameObject("/Subtype"): NameObject("/Image"),
            NameObject("/Width"): NumberObject(image.width),
            NameObject("/Height"): NumberObject(image.height),
            NameObject("/ColorSpace"): NameObject(colours),
            NameObject("/BitsPerComponent"): NumberObject(8),
            NameObject("/Filter"): NameObject(encoding),
            "__streamdata__": content,
        }
    )
    shown = StreamObject.initialize_from_dictionary(
        {"__streamdata__": f"q {width} 0 0 {height} 0 0 cm /I Do Q".encode()}
    )
    add = writer._add_object  # noqa: SLF001 - pypdf's manual has no other way
    page = writer.add_blank_page(width, height)
    named = DictionaryObject({NameObject("/I"): add(drawn)})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): named})
    page[NameObject("/Contents")] = add(shown)
    if turn:
        page.rotate(turn)


def _typeset(path: Path) -> bytes:
    """Set a text in Courier on A4.

    Raises:
        Refusal: it has letters that the fonts every PDF reader has do not have, or is a book.
    """
    if path.stat().st_size > _TEXT_BYTES_MAX:
        raise Refusal(f"is a text of more than {_TEXT_BYTES_MAX} bytes")
    text = path.read_text(encoding="utf-8-sig").expandtabs(8)
    try:
        text.encode("cp1252")
    except UnicodeEncodeError as error:
        raise Refusal(f"is a text with letters that a plain PDF cannot show, such as {text[error.start]!r}") from None
    rows = [
        line[start : start + _LINE_CHARACTERS]
        for line in text.replace("\f", "\n").replace("\v", "\n").splitlines() or [""]
        for start in range(0, max(1, len(line)), _LINE_CHARACTERS)
    ]
    if len(rows) > PAGES_MAX * _LINES_A_PAGE:
        raise Refusal(f"is a text of more than {PAGES_MAX} pages")
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, pageCompression=1, invariant=1)  # invariant: no clock, no random id
    for first in range(0, len(rows), _LINES_A_PAGE):
        canvas.setFont("Courier", 8.5)
        for number, row in enumerate(rows[first : first + _LINES_A_PAGE]):
            canvas.drawString(36, A4[1] - 42 - 11 * number, row)
        canvas.showPage()
    canvas.save()
    return file.getvalue()
