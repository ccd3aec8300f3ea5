import io
import re
from typing import Any

import pytest
from PIL import Image

from tallybook.sandbox.world import Expense, expenses, receipt
from tallybook.sandbox.world.receipts import ReceiptTooSmall

Json = dict[str, Any]


def _first(world: list[Expense], media_type: str) -> Json:
    return next(e.document for e in world if e.document["files"] and e.document["files"][0]["type"] == media_type)


def test_receipts_have_the_declared_size_and_form(small_world: list[Expense]) -> None:
    """Every file of a world is a PDF or a JPEG of exactly the size the document declares."""
    drawn = 0
    for document in (expense.document for expense in small_world):
        for file in document["files"] or []:
            content = receipt(document, file["receipt"])
            drawn += 1
            assert len(content) == file["size"]
            assert content.startswith({"application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff"}[file["type"]])

    assert drawn > 30


def test_the_cross_reference_table_of_a_pdf_leads_to_its_objects(small_world: list[Expense]) -> None:
    """A filled-up PDF is sound: the table stands where the end says, and each entry leads to its object."""
    content = receipt(_first(small_world, "application/pdf"), 1)
    found = re.search(rb"startxref\n(\d+)\n%%EOF\n\Z", content)
    assert found is not None
    rows = content[int(found[1]) :].split(b"\n")
    count = int(rows[1].split()[1])

    assert rows[0] == b"xref"
    for number, row in enumerate(rows[3 : 2 + count], start=1):
        offset = int(row.split()[0])
        assert content[offset:].startswith(b"%d 0 obj" % number)


def test_a_pdf_shows_supplier_date_lines_and_total(small_world: list[Expense]) -> None:
    """The page has the supplier's name, the day, the account of each line and the total in the supplier's currency."""
    document = _first(small_world, "application/pdf")
    content = receipt(document, 1).decode("latin-1")
    money = document["amount"]["inSupplierCurrency"]

    assert document["date"][:10] in content
    assert document["accountingEntryLines"][0]["account"]["name"] in content
    assert f"{money['value'] // 100}.{money['value'] % 100:02d} {money['currency']}" in content
    assert document["supplier"]["name"].split()[0].encode("ascii", "ignore").decode()[:3] in content


def test_a_photo_opens(small_world: list[Expense]) -> None:
    """A JPEG opens with an image library to the last row, and is not blank."""
    world = [*small_world, *expenses(8, 60)]
    with Image.open(io.BytesIO(receipt(_first(world, "image/jpeg"), 1))) as image:
        image.load()
        darkest, lightest = image.convert("L").getextrema()

    assert image.format == "JPEG"
    assert isinstance(darkest, int)
    assert isinstance(lightest, int)
    assert lightest - darkest > 100


@pytest.mark.parametrize("size", [3_000, 9_999, 10_000, 10_001, 10_002, 70_000, 200_003])
@pytest.mark.parametrize("media_type", ["application/pdf", "image/jpeg"])
def test_any_reasonable_size_can_be_filled(small_world: list[Expense], media_type: str, size: int) -> None:
    """Sizes around a turn of digits and beyond one comment segment come out exactly."""
    document = _first([*small_world, *expenses(8, 60)], media_type)
    size = max(size, 6_000) if media_type == "image/jpeg" else size

    assert len(receipt(document | {"files": [{"receipt": 1, "type": media_type, "size": size}]}, 1)) == size


@pytest.mark.parametrize("media_type", ["application/pdf", "image/jpeg"])
def test_the_same_receipt_has_the_same_bytes(small_world: list[Expense], media_type: str) -> None:
    """Drawing twice gives the same file."""
    document = _first([*small_world, *expenses(8, 60)], media_type)

    assert receipt(document, 1) == receipt(document, 1)


def test_two_files_of_one_entry_differ(large_world: list[Expense]) -> None:
    """The second file of an entry is another one than the first."""
    document = next(e.document for e in large_world if len(e.document["files"] or []) > 1)

    assert receipt(document, 1) != receipt(document, 2)


@pytest.mark.parametrize("media_type", ["application/pdf", "image/jpeg"])
def test_an_item_of_an_odd_shape_still_has_a_receipt(media_type: str) -> None:
    """An item somebody queued with nothing in it, or with the wrong things, can be drawn."""
    files = [{"receipt": 1, "type": media_type, "size": 20_000}]
    odd: Json = {
        "files": files,
        "supplier": {"name": "神田 (\\) % " + "long " * 99},
        "accountingEntryLines": [{"lineAmount": "much", "tax": {"rate": "high"}}] * 40,
        "amount": {"inSupplierCurrency": {"value": 10**400, "currency": "XXX"}},
    }

    assert len(receipt({"files": files}, 1)) == len(receipt(odd, 1)) == 20_000


def test_a_file_that_is_not_declared_is_refused(small_world: list[Expense]) -> None:
    """Asking for a file the document does not have is an error, not an empty file."""
    with pytest.raises(KeyError):
        receipt(small_world[0].document, 9)


@pytest.mark.parametrize("media_type", ["application/pdf", "image/jpeg"])
def test_a_size_without_room_is_refused(media_type: str) -> None:
    """A declared size smaller than any drawing is an error, not a broken file."""
    with pytest.raises(ReceiptTooSmall):
        receipt({"files": [{"receipt": 1, "type": media_type, "size": 300}]}, 1)
