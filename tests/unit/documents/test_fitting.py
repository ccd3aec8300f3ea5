"""One file: kept as it is where possible, converted where not, refused in a sentence where that cannot be done."""

import io
import zlib
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader

from tallybook.accounting.errors import AttachmentTooLarge, AttachmentUnsupported
from tallybook.accounting.system import Capabilities
from tallybook.documents import conversion
from tallybook.documents.fitting import OFFICE, USUAL, accepted_by
from tests.unit.documents.conftest import DOCX, JPEG, PDF, PNG, TEXT, Desk, docx, noise, pdf, picture


def _seen(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (pdf("a"), PDF),
        (pdf("a", user="secret"), PDF),
        (b"%PDF-1.4 and nothing more", PDF),
        (picture("JPEG"), JPEG),
        (picture("JPEG")[:700], JPEG),
        (picture("PNG"), PNG),
        (b"Taxi 12.00", TEXT),
        (docx(), DOCX),
    ],
)
async def test_what_fits_is_kept_as_it_is(desk: Desk, content: bytes, media_type: str) -> None:
    """Also a PDF that is broken or under a password: nobody has to open it."""
    file = desk.file(content, media_type)
    assert await desk.one(file, files_max=1, size_bytes_max=len(content)) is file
    assert file.path.read_bytes() == content


@pytest.mark.parametrize("orientation", range(2, 9))
async def test_a_photo_is_turned_upright(desk: Desk, orientation: int) -> None:
    """Its pixels stand as its EXIF says, no EXIF is left that would turn it again, and the original's hash is kept."""
    file = desk.file(picture("JPEG", (304, 208), orientation), JPEG)
    made = await desk.one(file)
    assert (made.media_type, made.original_sha256, made.path.suffix) == (JPEG, file.sha256, ".jpg")
    seen = _seen(made.path)
    assert seen.getexif().get(0x0112) is None
    wanted = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}[orientation]
    corners = {
        (x, y): seen.convert("L").getpixel((x * (seen.width - 1), y * (seen.height - 1)))
        for x in (0, 1)
        for y in (0, 1)
    }
    assert [corner for corner, grey in corners.items() if isinstance(grey, int) and grey < 50] == [wanted]
    assert seen.size == ((208, 304) if orientation > 4 else (304, 208))


async def test_a_photo_that_cannot_be_turned_is_kept_as_it_lies(desk: Desk) -> None:
    """It is cut off, and as good as it was."""
    file = desk.file(picture("JPEG", orientation=6)[:1200], JPEG)
    assert await desk.one(file) is file


async def test_a_photo_is_made_smaller_step_by_step(desk: Desk) -> None:
    """No smaller than it must be, and never below what can be read."""
    file = desk.file(noise("JPEG", (1500, 2000)), JPEG)
    large, small = [await desk.one(file, size_bytes_max=most) for most in (1_000_000, 500_000)]
    assert 500_000 < large.size_bytes <= 1_000_000
    assert small.size_bytes <= 500_000
    assert min(_seen(large.path).size) > min(_seen(small.path).size) >= 1000


async def test_a_photo_that_would_not_be_legible_is_refused(desk: Desk) -> None:
    """With both figures and what to do."""
    problem = await desk.problem([desk.file(noise("JPEG", (1500, 2000)), JPEG, 3)], size_bytes_max=50_000)
    assert isinstance(problem, AttachmentTooLarge)
    assert str(problem).startswith("Attachment 3 has ")
    assert "at most 50000; add another file in Pleo" in str(problem)


async def test_a_png_too_large_becomes_a_jpeg(desk: Desk) -> None:
    """Where the system takes those; else it stays a PNG of fewer pixels."""
    file = desk.file(noise("PNG", (1050, 1100)), PNG)
    assert (await desk.one(file, size_bytes_max=2_000_000)).media_type == JPEG
    only = await desk.one(file, size_bytes_max=3_300_000, media_types=frozenset({PNG}))
    assert (only.media_type, min(_seen(only.path).size)) == (PNG, 1000)


@pytest.mark.parametrize("media_type", [PDF, TEXT, DOCX])
async def test_what_is_no_image_and_too_large_is_refused(desk: Desk, media_type: str) -> None:
    """Nothing is left out of a document to make it smaller."""
    problem = await desk.problem([desk.file(b"x" * 1001, media_type)], size_bytes_max=1000)
    assert isinstance(problem, AttachmentTooLarge)
    assert "has 1001 bytes" in str(problem)
    assert "at most 1000" in str(problem)


@pytest.mark.parametrize(
    ("kind", "media_type", "form"),
    [
        ("WEBP", "image/webp", JPEG),
        ("GIF", "image/gif", JPEG),
        ("AVIF", "image/avif", JPEG),
        ("TIFF", "image/tiff", PDF),
    ],
)
async def test_an_image_of_another_type_is_converted(desk: Desk, kind: str, media_type: str, form: str) -> None:
    """Into the nearest type that is taken; where it is taken itself, it is kept."""
    file = desk.file(picture(kind), media_type)
    assert (await desk.one(file)).media_type == form
    assert await desk.one(file, media_types=frozenset({media_type})) is file
    assert (await desk.one(file, media_types=frozenset({PDF}))).media_type == PDF


async def test_no_page_of_a_fax_is_lost(desk: Desk) -> None:
    """All pages are in the PDF; where only photos are taken the file is refused."""
    further = [Image.new("L", (200, 300)), Image.new("1", (100, 100))]
    file = desk.file(picture("TIFF", save_all=True, append_images=further), "image/tiff")
    made = await desk.one(file)
    assert PdfReader(made.path).get_num_pages() == 3
    problem = await desk.problem([file], media_types=frozenset({JPEG}))
    assert "has several pages" in str(problem)


async def test_a_text_becomes_a_pdf_where_texts_are_not_taken(desk: Desk) -> None:
    """Line by line, with the letters of Western Europe; a text with others is refused, not mutilated."""
    made = await desk.one(desk.file("Kvittering\nfår 12,00 €".encode(), TEXT), media_types=frozenset({PDF}))
    assert PdfReader(made.path).pages[0].extract_text().split() == ["Kvittering", "får", "12,00", "€"]
    problem = await desk.problem([desk.file("Łódź".encode(), TEXT)], media_types=frozenset({PDF}))
    assert "letters that a plain PDF cannot show, such as 'Ł'" in str(problem)


@pytest.mark.parametrize(("content", "media_type"), [(pdf("a"), PDF), (docx(), DOCX), (b"a", TEXT)])
async def test_a_type_that_is_not_taken_is_refused(desk: Desk, content: bytes, media_type: str) -> None:
    """What cannot become a photo is said so."""
    problem = await desk.problem([desk.file(content, media_type, 2)], media_types=frozenset({JPEG}))
    assert isinstance(problem, AttachmentUnsupported)
    assert str(problem).startswith(f"Attachment 2 is of the type {media_type}, which is not let through ")


def test_office_files_are_a_matter_of_the_settings() -> None:
    """Under `refuse` none is taken, whatever the system says."""
    assert accepted_by(Capabilities(), office=True).media_types == USUAL
    assert accepted_by(Capabilities(), office=False).media_types == USUAL - OFFICE
    only = Capabilities(attachment_types=OFFICE | {PDF}, attachments_per_entry_max=1, attachment_size_bytes_max=9)
    accepted = accepted_by(only, office=False)
    assert (accepted.media_types, accepted.files_max, accepted.size_bytes_max) == (frozenset({PDF}), 1, 9)


async def test_a_picture_that_unpacks_to_gigabytes_is_refused(desk: Desk) -> None:
    """By its size in pixels, before one of them is decoded."""
    small = picture("PNG")
    header = b"IHDR" + (30_000).to_bytes(4, "big") * 2 + small[24:29]
    bomb = small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]
    problem = await desk.problem([desk.file(bomb, PNG)], media_types=frozenset({JPEG}))
    assert "has 30000 x 30000 pixels, more than 50 million" in str(problem)


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
        picture("BMP"),
        b"\x89PNG\r\n\x1a\n",
        b"",
    ],
)
async def test_what_only_says_that_it_is_an_image_is_refused(desk: Desk, content: bytes) -> None:
    """A file is opened as the one kind it was found to be, and by no other reader."""
    problem = await desk.problem([desk.file(content, PNG)], media_types=frozenset({JPEG}))
    assert "Attachment 1 is broken" in str(problem)


async def test_a_file_that_takes_too_long_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The converter is ended, and no half of a file is left."""
    monkeypatch.setattr(conversion, "WAIT_S", 0.01)
    file = desk.file(picture("PNG"), PNG)
    problem = await desk.problem([file], media_types=frozenset({JPEG}))
    assert isinstance(problem, AttachmentUnsupported)
    assert [path.name for path in desk.folder.iterdir()] == [file.sha256]


async def test_the_largest_image_allowed_needs_no_more_memory_than_there_is(desk: Desk) -> None:
    """50 million pixels with transparency pass the converter's limit."""
    file = io.BytesIO()
    Image.new("RGBA", (10_000, 5_000), (200, 0, 0, 128)).save(file, "PNG", compress_level=1)
    made = await desk.one(desk.file(file.getvalue(), PNG), media_types=frozenset({JPEG}))
    assert _seen(made.path).size == (10_000, 5_000)
