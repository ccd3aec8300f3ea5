"""Real files of every kind, and what an accounting system would be sent of them."""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image, ImageDraw
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from tallybook.accounting.entry import Attachment
from tallybook.documents.conversion import Converter
from tallybook.documents.fitting import Accepted, Fitted, Fitting

PDF, JPEG, PNG, TEXT = "application/pdf", "image/jpeg", "image/png", "text/plain"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ORIENTATION = 0x0112


def picture(kind: str, size: tuple[int, int] = (300, 200), orientation: int = 1, **options: Any) -> bytes:
    """An image with a black corner at its upper left."""
    drawn = Image.new("RGB", size, "white")
    ImageDraw.Draw(drawn).rectangle((0, 0, size[0] // 3, size[1] // 3), fill="black")
    if orientation != 1:
        options["exif"] = Image.Exif()
        options["exif"][ORIENTATION] = orientation
    file = io.BytesIO()
    drawn.save(file, kind, **options)
    return file.getvalue()


def noise(kind: str, size: tuple[int, int]) -> bytes:
    """An image that cannot be packed well."""
    drawn = Image.frombytes("RGB", size, Random(1).randbytes(size[0] * size[1] * 3))  # noqa: S311 - any noise does
    file = io.BytesIO()
    drawn.save(file, kind)
    return file.getvalue()


def pdf(*pages: str, user: str | None = None) -> bytes:
    """A PDF with a text on each page; under a password if `user` is one, locked for its owner if it is empty."""
    file = io.BytesIO()
    lock = None if user is None else StandardEncryption(user, "the owner's", strength=128)
    canvas = Canvas(file, encrypt=lock, invariant=1)
    for text in pages:
        canvas.drawString(50, 700, text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def docx() -> bytes:
    """Something like a Word file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("word/document.xml", "<x/>")
    return file.getvalue()


@dataclass
class Desk:
    """A folder with files, and a real converter."""

    folder: Path

    def file(self, content: bytes, media_type: str, position: int = 1) -> Attachment:
        """Write a file as the download leaves it."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.folder / sha256
        path.write_bytes(content)
        return Attachment(position, path, media_type, sha256, len(content))

    async def fit(self, files: Sequence[Attachment], **accepted: Any) -> Fitted:
        """Make files fit a system that takes these."""
        return await Fitting(Accepted(**accepted), Converter()).fit(files, self.folder)

    async def one(self, file: Attachment, **accepted: Any) -> Attachment:
        """Make a file fit that can be made to."""
        fitted = await self.fit([file], **accepted)
        assert fitted.problems == []
        (made,) = fitted.attachments
        assert hashlib.sha256(made.path.read_bytes()).hexdigest() == made.sha256
        assert (made.path.stat().st_size, made.position) == (made.size_bytes, file.position)
        return made

    async def problem(self, files: Sequence[Attachment], **accepted: Any) -> Exception:
        """Give the one problem of files that cannot be made to fit."""
        (problem,) = (await self.fit(files, **accepted)).problems
        return problem


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an empty folder."""
    return Desk(tmp_path)
