"""Receipts as real files: a one-page PDF or a photo, drawn when asked for, of exactly the size declared before.

The size is declared while a hundred thousand expenses stream by, long before anything is drawn: so a drawing is
filled up to it, a PDF with comment lines before its cross-reference table, a JPEG with comment segments.

Source: ISO 32000-1 7.2.3 (comments) and 7.5.4 (cross-reference table); ITU-T T.81 B.2.4.5 (comment segment).
"""

import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import reportlab
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A6
from reportlab.pdfgen.canvas import Canvas

from tallybook.money import MinorUnits, MoneyError, from_pleo

Json = Mapping[str, Any]

_LINES_MAX = 12  # lines of the receipt that are drawn; more end in "…"
_TEXT_MAX = 44  # characters of a line of text
_JPEG_SEGMENT_MAX = 65_533  # a segment's length field counts itself: two bytes
_PHOTO_SIZE = (360, 510)
_PAPER, _INK = 236, 40


class ReceiptTooSmall(ValueError):
    """The declared size leaves no room for the drawing."""


def receipt(document: Json, position: int) -> bytes:
    """Draw one file of an export item: supplier, date, lines and total, as PDF or JPEG by its declared type.

    `position` counts from 1, as in `files[].receipt`. The length is `files[].size` exactly. A type other than
    image/jpeg is drawn as PDF.

    Repeat: the same bytes for the same document.
    Raises:
        KeyError: the document declares no file at that position.
        ReceiptTooSmall: the declared size is too small for it.
    """
    declared = next((file for file in document.get("files") or () if file and file.get("receipt") == position), None)
    if declared is None:
        raise KeyError(position)
    texts = _texts(document, position)
    if declared["type"] == "image/jpeg":
        return _photo(texts, declared["size"])
    return _padded_pdf(_pdf(texts), declared["size"])


def preview(document: Json, position: int) -> bytes:
    """Draw the same file as a small JPEG, whatever its type and size, for a page to show.

    Repeat: the same bytes for the same document.
    """
    file = io.BytesIO()
    _drawn_photo(_texts(document, position)).save(file, "JPEG", quality=60)
    return file.getvalue()


def _texts(document: Json, position: int) -> list[tuple[str, str]]:
    """Give what the receipt shows, from top to bottom: pairs of left and right text, the supplier's name first."""
    supplier = _at(document, "supplier", "name") or _at(document, "vendor", "name")
    invoice = _at(document, "additionalInformation", "invoiceInformation")
    number = _at(invoice, "invoiceNumber") or str(_at(document, "accountingEntryId"))[:8].upper()
    rows = [
        (str(supplier or "Receipt"), ""),
        ("Invoice" if invoice else "Receipt", f"{number}/{position}"),
        ("Date", str(_at(invoice, "invoiceDate") or _at(document, "date"))[:10]),
        ("", ""),
    ]
    found = _at(document, "accountingEntryLines")
    lines = found if isinstance(found, list) else []
    for line in lines[:_LINES_MAX]:
        rows.append((str(_at(line, "account", "name") or "Sundry"), _money_text(_at(line, "lineAmount"))))
        if rate := _at(line, "tax", "rate"):
            percent = f"{rate:.0%}" if isinstance(rate, float) else str(rate)
            rows.append((f"VAT {percent}", _money_text(_at(line, "tax", "amount"))))
    if len(lines) > _LINES_MAX:
        rows.append(("…", ""))
    rows += [("", ""), ("Total", _money_text(_at(document, "amount")))]
    return [(_drawable(left), _drawable(right)) for left, right in rows]


def _at(document: Any, *path: str) -> Any:
    """Follow a path of member names; None where it ends early. Worlds may hold items of any shape, on purpose."""
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def _money_text(amount: Any) -> str:
    value, currency = _at(amount, "inSupplierCurrency", "value"), str(_at(amount, "inSupplierCurrency", "currency"))
    try:
        return str(from_pleo(value, currency, MinorUnits.HUNDREDTHS))
    except MoneyError:
        return f"{value} {currency}"


def _drawable(text: str) -> str:
    """Keep what the fonts can draw: Western European letters, one line, not too long."""
    western = text.encode("cp1252", "ignore").decode("cp1252")
    return " ".join(western.split())[:_TEXT_MAX] if western.strip() else ""


def _pdf(texts: list[tuple[str, str]]) -> bytes:
    width, height = A6
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A6, pageCompression=0, invariant=1)  # invariant: no clock, no random id
    canvas.setTitle("Receipt")
    canvas.setFont("Helvetica-Bold", 12)
    canvas.drawString(24, height - 36, texts[0][0])
    canvas.setFont("Helvetica", 9)
    row = height - 60
    for left, right in texts[1:]:
        canvas.drawString(24, row, left)
        canvas.drawRightString(width - 24, row, right)
        row -= 13
    canvas.line(24, row + 22, width - 24, row + 22)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def _padded_pdf(drawn: bytes, size: int) -> bytes:
    """Fill a PDF up with comments between its last object and its cross-reference table, and say where that now is."""
    head, _, offset_and_end = drawn.rpartition(b"startxref\n")
    table_at = int(offset_and_end.split()[0])
    gap = size - len(drawn)
    # The offset may grow by a digit, which the comments have to leave room for.
    gap -= len(str(table_at + gap)) - len(str(table_at))
    if gap < 0:
        raise ReceiptTooSmall(f"a receipt of {len(drawn)} bytes does not fit in {size}")
    padded = head[:table_at] + _comments(gap) + head[table_at:] + b"startxref\n%d\n%%%%EOF\n" % (table_at + gap)
    if len(padded) != size:
        raise ReceiptTooSmall(f"a receipt of {len(drawn)} bytes cannot be filled up to {size}")
    return padded


def _comments(size: int) -> bytes:
    """Give `size` bytes of PDF comment lines; a reader passes over them, and over a lone line end."""
    line = b"%" + b"." * 78 + b"\n"
    whole, rest = divmod(size, len(line))
    return line * whole + (b"%" + b"." * (rest - 2) + b"\n" if rest > 1 else b"\n" * rest)


def _drawn_photo(texts: list[tuple[str, str]]) -> Image.Image:
    image = Image.new("L", _PHOTO_SIZE, _PAPER)
    draw = ImageDraw.Draw(image)
    large, small = _font(17), _font(12)
    draw.text((22, 24), texts[0][0], font=large, fill=_INK)
    row = 64
    for left, right in texts[1:]:
        draw.text((22, row), left, font=small, fill=_INK)
        draw.text((_PHOTO_SIZE[0] - 22, row), right, font=small, fill=_INK, anchor="ra")
        row += 20
    return image


def _photo(texts: list[tuple[str, str]], size: int) -> bytes:
    image = _drawn_photo(texts)
    for quality in (60, 40, 20, 8):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        drawn = file.getvalue()
        gap = size - len(drawn)
        if gap == 0 or gap >= 4:  # noqa: PLR2004 - a comment segment takes at least four bytes
            return drawn[:2] + _comment_segments(gap) + drawn[2:]
    raise ReceiptTooSmall(f"a photo of a receipt does not fit in {size} bytes")


def _comment_segments(size: int) -> bytes:
    segments = b""
    while size:
        # Never leave a rest too small for a segment of its own.
        length = size if size <= _JPEG_SEGMENT_MAX else min(_JPEG_SEGMENT_MAX, size - 4)
        segments += b"\xff\xfe" + (length - 2).to_bytes(2, "big") + b" " * (length - 4)
        size -= length
    return segments


@lru_cache(maxsize=4)
def _font(height: int) -> ImageFont.FreeTypeFont:
    # Bitstream Vera, which reportlab brings along; Pillow's own font lacks æ, ø and å.
    return ImageFont.truetype(Path(reportlab.__file__).with_name("fonts") / "Vera.ttf", height)
