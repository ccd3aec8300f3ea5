"""Which way up a photo is."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallybook.documents.orientation import orientation
from tests.unit.documents.conftest import picture


@pytest.mark.parametrize("wanted", range(1, 9))
def test_the_orientation_is_the_one_the_camera_wrote(tmp_path: Path, wanted: int) -> None:
    """All eight are read as Pillow writes them."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(picture("JPEG", orientation=wanted))
    assert orientation(path) == wanted


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\x01\x00Exif\0\0MM\0*\0\0\0\x08"]))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_have_an_orientation(tmp_path: Path, content: bytes, head: bytes) -> None:
    """What cannot be read is upright, and nothing is raised."""
    path = tmp_path / "any"
    path.write_bytes(head + content)
    assert 1 <= orientation(path) <= 8
