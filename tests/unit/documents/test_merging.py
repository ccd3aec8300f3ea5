"""Several files where the system takes fewer: one PDF, and nothing lost in silence."""

import io

import pytest
from PIL import Image
from pypdf import PdfReader

from tallybook.accounting.errors import AttachmentTooLarge, AttachmentUnsupported
from tests.unit.documents.conftest import DOCX, JPEG, PDF, PNG, TEXT, Desk, docx, noise, pdf, picture


async def test_several_files_become_one_pdf_in_their_order(desk: Desk) -> None:
    """PDFs page by page, photos byte for byte and upright, other images without loss, text as text."""
    photo = picture("JPEG", (300, 200), 6)
    files = [
        desk.file(pdf("first", "second"), PDF, 1),
        desk.file(photo, JPEG, 2),
        desk.file(picture("PNG", (90, 60)), PNG, 4),
        desk.file(b"Taxi 12.00", TEXT, 5),
    ]
    fitted = await desk.fit(files, files_max=1)
    (made,) = fitted.attachments
    assert (fitted.problems, made.position, made.media_type) == ([], 1, PDF)
    pages = PdfReader(made.path).pages
    assert [page.extract_text().strip() for page in pages] == ["first", "second", "", "", "Taxi 12.00"]
    drawn = pages[2]["/Resources"]["/XObject"]["/I"]  # type: ignore[index]
    assert (drawn._data, pages[2].rotation) == (photo, 90)
    with Image.open(io.BytesIO(picture("PNG", (90, 60)))) as image:
        assert pages[3]["/Resources"]["/XObject"]["/I"].get_data() == image.tobytes()  # type: ignore[index]


async def test_the_same_files_become_the_same_bytes(desk: Desk) -> None:
    """In another process, at another time: so a repeat is recognised; another file makes another identity."""
    files = [
        desk.file(pdf("a"), PDF, 1),
        desk.file(b"Taxi", TEXT, 2),
        desk.file(picture("JPEG"), JPEG, 3),
        desk.file(picture("TIFF"), "image/tiff", 4),
    ]
    one, two = [(await desk.fit(files, files_max=1)).attachments for _ in range(2)]
    assert one == two
    (other,) = (await desk.fit(files[:3], files_max=1)).attachments
    assert len({other.original_sha256, one[0].original_sha256, *(file.sha256 for file in files)}) == 6


async def test_books_are_asked_for_a_file_as_it_was_and_as_it_is(desk: Desk) -> None:
    """Whichever of the two hashes they keep, and never that of another place."""
    (made,) = (await desk.fit([desk.file(pdf("a"), PDF, 2), desk.file(pdf("b"), PDF, 3)], files_max=1)).attachments
    assert made.original_sha256 is not None
    assert made.is_among({(2, made.sha256)})
    assert made.is_among({(2, made.original_sha256)})
    assert not made.is_among({(1, made.sha256), (2, "other")})


async def test_as_many_files_as_are_taken_stay_apart(desk: Desk) -> None:
    """One more is merged with all the others."""
    files = [desk.file(pdf(f"{n}"), PDF, n) for n in (1, 2, 3)]
    assert (await desk.fit(files, files_max=3)).attachments == files
    assert len((await desk.fit(files, files_max=2)).attachments) == 1


async def test_a_pdf_locked_for_its_owner_alone_is_merged(desk: Desk) -> None:
    """Everybody may read it."""
    files = [desk.file(pdf("locked", user=""), PDF, 1), desk.file(pdf("open"), PDF, 2)]
    (made,) = (await desk.fit(files, files_max=1)).attachments
    assert [page.extract_text().strip() for page in PdfReader(made.path).pages] == ["locked", "open"]


@pytest.mark.parametrize(
    ("content", "media_type", "words"),
    [
        (pdf("a", user="secret"), PDF, "is a PDF under a password, and the accounting system takes only 1 of the 3"),
        (b"%PDF-1.4 and nothing more", PDF, "is broken"),
        (pdf("a", "b")[:600], PDF, "is broken"),
        (picture("JPEG")[:900], JPEG, "is broken"),
        (docx(), DOCX, "cannot be part of a PDF"),
    ],
)
async def test_a_file_that_cannot_be_merged_is_said_so(desk: Desk, content: bytes, media_type: str, words: str) -> None:
    """It spoils no other: the rest is merged, and it stays beside that if there is room."""
    files = [desk.file(pdf("a"), PDF, 1), desk.file(content, media_type, 2), desk.file(pdf("b"), PDF, 3)]
    fitted = await desk.fit(files, files_max=1)
    (problem,) = fitted.problems
    assert isinstance(problem, AttachmentUnsupported)
    assert str(problem).startswith(f"Attachment 2 {words}")
    assert [made.position for made in fitted.attachments] == [1]
    with_room = await desk.fit(files, files_max=2)
    assert with_room.problems == []
    assert with_room.attachments == [*fitted.attachments, files[1]]


async def test_photos_are_made_smaller_when_the_whole_is_too_large(desk: Desk) -> None:
    """A whole that is too large with nothing to make smaller is refused."""
    photos = [desk.file(noise("JPEG", (1200, 1300 + n)), JPEG, n) for n in (1, 2)]
    (made,) = (await desk.fit(photos, files_max=1, size_bytes_max=1_000_000)).attachments
    assert made.size_bytes <= 1_000_000 < sum(photo.size_bytes for photo in photos)
    problem = await desk.problem(
        [desk.file(pdf("a"), PDF, 1), desk.file(pdf("b"), PDF, 2)], files_max=1, size_bytes_max=1000
    )
    assert isinstance(problem, AttachmentTooLarge)
    assert "the files merged with it have" in str(problem)


async def test_a_pdf_of_too_many_pages_is_not_merged(desk: Desk) -> None:
    """501 of them are more than a receipt has."""
    files = [desk.file(pdf("a"), PDF, 1), desk.file(pdf(*["x"] * 501), PDF, 2)]
    assert "has 501 pages, more than 500" in str(await desk.problem(files, files_max=1))


async def test_without_pdfs_nothing_is_merged(desk: Desk) -> None:
    """The files that are too many are refused one by one."""
    files = [desk.file(picture("PNG", (n, n)), PNG, n) for n in (1, 2, 3)]
    fitted = await desk.fit(files, files_max=1, media_types=frozenset({PNG}))
    assert fitted.attachments == files[:1]
    assert [str(problem)[:12] for problem in fitted.problems] == ["Attachment 2", "Attachment 3"]
