"""What a file is, by what is in it."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from tallybook.pleo.errors import ReceiptUnsupported
from tallybook.pleo.receipt_types import (
    AVIF,
    DOC,
    DOCX,
    GIF,
    JPEG,
    PDF,
    PNG,
    TIFF,
    TXT,
    WEBP,
    XLS,
    XLSX,
    ReceiptType,
    receipt_type,
)

NO_SECTOR = b"\xff\xff\xff\xff"


def _pdf() -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file)
    canvas.drawString(50, 800, "Receipt 12.00 EUR")
    canvas.save()
    return file.getvalue()


def _picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(file, kind)
    return file.getvalue()


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return file.getvalue()


def _entry(name: str, kind: int, left: bytes = NO_SECTOR, right: bytes = NO_SECTOR, child: bytes = NO_SECTOR) -> bytes:
    text = (name + "\0").encode("utf-16-le")
    entry = text.ljust(64, b"\0") + len(text).to_bytes(2, "little") + bytes([kind, 1]) + left + right + child
    return entry.ljust(128, b"\0")


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _compound(*entries: bytes, following: int = 0xFFFFFFFE) -> bytes:
    """Write an OLE compound file: header, one allocation table (sector 0), the directory from sector 1 on."""
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + b"\x3e\0\x03\0\xfe\xff\x09\0\x06\0"
    head = head.ljust(44, b"\0") + _number(1) + _number(1)
    head = head.ljust(76, b"\0") + _number(0) + NO_SECTOR * 108
    directory = b"".join(entries)
    directory += b"\0" * (-len(directory) % 512)
    sectors = len(directory) // 512
    chain = [_number(number + 2) for number in range(sectors - 1)] + [_number(following)]
    table = (_number(0xFFFFFFFD) + b"".join(chain)).ljust(512, b"\xff")
    return head + table + directory


ROOT = _entry("Root Entry", 5, child=_number(1))
WORD = _compound(ROOT, _entry("1Table", 2, right=_number(2)), _entry("WordDocument", 2))
EXCEL = _compound(ROOT, _entry("Workbook", 2))
WORD_WITH_EXCEL_INSIDE = _compound(
    ROOT,
    _entry("ObjectPool", 1, right=_number(4), child=_number(2)),
    _entry("Workbook", 2),
    _entry("", 0),
    _entry("WordDocument", 2),
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (_pdf(), PDF),
        (b"\xef\xbb\xbf\r\n%PDF-1.7\n", PDF),
        (_picture("JPEG"), JPEG),
        (_picture("PNG"), PNG),
        (_picture("GIF"), GIF),
        (_picture("TIFF"), TIFF),
        (_picture("WEBP"), WEBP),
        (_picture("AVIF"), AVIF),
        (b"Taxi 12.00 EUR\r\n", TXT),
        (b"BM is how this text begins", TXT),
        (b"MZ and so does this one", TXT),
        (b"a", TXT),
        ("\ufeffKvittering på 12,00 €\n".encode(), TXT),
        (b"x" * (256 * 1024 - 1) + "€".encode() * 9, TXT),
        (b"{not json at all", TXT),
        (b"[1] see the terms below", TXT),
        (_zip("[Content_Types].xml", "_rels/.rels", "word/document.xml"), DOCX),
        (_zip("[Content_Types].xml", "_rels/.rels", "word/document2.xml"), DOCX),
        (_zip("[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"), XLSX),
        (WORD, DOC),
        (EXCEL, XLS),
        (_compound(ROOT, _entry("Book", 2)), XLS),
        (WORD_WITH_EXCEL_INSIDE, DOC),
    ],
)
def test_each_type_is_known(tmp_path: Path, content: bytes, expected: ReceiptType) -> None:
    """Each type is known by its own structure, whatever its first letters look like."""
    path = tmp_path / "file"
    path.write_bytes(content)
    assert receipt_type(path) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \r\n\t",
        b"<!DOCTYPE html><html><body>Sign in</body></html>",
        b"\xef\xbb\xbf\n <HTML>",
        b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code></Error>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        json.dumps({"message": "link expired"}).encode(),
        b"{\\rtf1 hello}",
        b"GIF89a" + b"\0" * 99,
        b"II*\0" + b"\0" * 99,
        b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 99,
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        _picture("BMP"),
        b"\x89PNG\r\n\x1a\n",
        b"MZ\x90\x00\x03\x00\x00\x00",
        b"\x7fELF\x02\x01\x01" + b"\0" * 60,
        b"text with a \x00 in it",
        b"text with a \x1b[31m in it",
        b"\xe5\xe4\xf6 in another encoding",
        b"cut in the middle of a sign \xe2\x82",
        _zip("evil.exe"),
        _zip("word/document.xml"),
        _zip("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"),
        _zip("[Content_Types].xml", "ppt/presentation.xml"),
        b"PK\x03\x04 and nothing more",
        b"PK\x03\x04" + b"PK\x05\x06" + b"\xff" * 18,
        _compound(ROOT, _entry("VisioDocument", 2)),
        _compound(ROOT, _entry("Workbook", 2, left=_number(1), right=_number(1)))[:1024],
        _compound(_entry("Root Entry", 5, child=_number(900))),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 600,
    ],
)
def test_anything_else_is_unsupported(tmp_path: Path, content: bytes) -> None:
    """Web pages, errors in XML or JSON, other pictures, programs, macros and broken files are refused."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ReceiptUnsupported) as caught:
        receipt_type(path)
    assert str(caught.value).isprintable()


def test_a_directory_that_goes_in_circles_ends(tmp_path: Path) -> None:
    """A compound file whose directory follows itself, or whose tree does, is read once."""
    path = tmp_path / "file"
    path.write_bytes(_compound(ROOT, _entry("Loop", 2, left=_number(1), right=_number(1)), following=1))
    with pytest.raises(ReceiptUnsupported):
        receipt_type(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([b"", b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", WORD, EXCEL, _zip("a", "b")]),
    st.binary(max_size=700),
    st.integers(0, 1600),
)
def test_no_content_breaks_anything(tmp_path: Path, start: bytes, noise: bytes, at: int) -> None:
    """Whatever is in a file, it has a type or is unsupported."""
    path = tmp_path / "file"
    path.write_bytes(start[:at] + noise + start[at:])
    try:
        found = receipt_type(path)
    except ReceiptUnsupported:
        return
    assert found.suffix.startswith(".")
