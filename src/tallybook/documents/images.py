"""Images, read by Pillow: turned upright, and re-encoded step by step until they are small enough.

Runs in the converter's process alone, since the files are hostile: see `conversion.py`.
"""

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

PIXELS_MAX = 50_000_000  # ours: 200 MB in memory
FRAMES_MAX = 100  # ours
# Below this a receipt cannot be read any more: an A4 page has 120 dots per inch then, a till receipt 300.
SHORT_EDGE_PIXELS_MIN = 1000
# Each step: eighths of the image's edges, and the JPEG quality. The last one is the floor.
STEPS = ((8, 90), (8, 75), (6, 75), (4, 75), (3, 70), (2, 65), (1, 50))
_ORIENTATION = 0x0112
_SAMPLING_KEPT = (0, 2)  # 4:4:4 and 4:2:0 look the same in both directions


class Refusal(Exception):
    """A file cannot be converted; `sentence` says why, as the end of "Attachment 2 ..."."""

    def __init__(self, sentence: str, *, too_large: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.too_large = too_large


def opened(path: Path, kind: str) -> Image.Image:
    """Open an image as the kind it is, and as no other, whatever else the file may be.

    Raises:
        Refusal: it has more than `PIXELS_MAX` pixels.
        OSError: it cannot be read.
    """
    image = Image.open(path, formats=[kind])
    _check_pixels(image)
    return image


def _check_pixels(image: Image.Image) -> None:
    width, height = image.size
    if width * height > PIXELS_MAX:
        raise Refusal(f"has {width} x {height} pixels, more than {PIXELS_MAX // 1_000_000} million")


def frames(path: Path, kind: str) -> Iterator[Image.Image]:
    """Give the pages of an image file, upright, grey or in RGB: of a TIFF all, of a photo the one.

    Raises:
        Refusal: too many pages, or too large a one.
    """
    with opened(path, kind) as image:
        # What a JPEG holds beside its image is a preview, or the same scene for another screen.
        count = 1 if kind == "JPEG" else getattr(image, "n_frames", 1)
        if count > FRAMES_MAX:
            raise Refusal(f"has {count} pages, more than {FRAMES_MAX}")
        for number in range(count):
            image.seek(number)
            _check_pixels(image)
            yield flat(ImageOps.exif_transpose(image))


def orientation_of(image: Image.Image) -> int:
    """Read the EXIF orientation, 1 to 8; 1 is upright."""
    found = image.getexif().get(_ORIENTATION, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1  # noqa: PLR2004 - EXIF 4.6.5


def flat(image: Image.Image) -> Image.Image:
    """Bring an image to 8 bits of grey or RGB; what is transparent becomes white paper."""
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(layered, mask=layered.getchannel("A"))
        return paper
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in {"L", "RGB"}:
        return image
    return image.convert("L" if image.mode in {"1", "F"} else "RGB")


def at_step(image: Image.Image, step: tuple[int, int], kind: str = "JPEG") -> bytes:
    """Encode a flat image at one of the `STEPS`, never below the floor."""
    eighths, quality = step
    short = min(image.size)
    short_wanted = max(short * eighths // 8, min(short, SHORT_EDGE_PIXELS_MIN))
    if short_wanted < short:
        width, height = (max(1, edge * short_wanted // short) for edge in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    if kind == "JPEG":
        image.save(file, "JPEG", quality=quality, optimize=True)
    else:
        image.save(file, "PNG", optimize=True)
    return file.getvalue()


def converted(path: Path, kind: str, into: str, size_bytes_max: int | None) -> bytes:
    """Make an upright JPEG or PNG of an image, of at most so many bytes.

    A JPEG that only lies on its side is turned with its own quantisation tables, which costs the least.

    Repeat: the same bytes for the same image.
    Raises:
        Refusal: it has several pages, or would not be legible any more.
        OSError: it cannot be read.
    """
    with opened(path, kind) as image:
        if kind == into == "JPEG" and isinstance(image, JpegImageFile) and orientation_of(image) != 1:
            content = _turned(image)
            if size_bytes_max is None or len(content) <= size_bytes_max:
                return content
    pages = frames(path, kind)
    page = next(pages)
    content = b""
    for step in STEPS:
        content = at_step(page, step, into)
        if size_bytes_max is None or len(content) <= size_bytes_max:
            break
    else:
        raise Refusal(f"has {len(content)} bytes at the smallest size at which it can still be read", too_large=True)
    if next(pages, None) is not None:
        raise Refusal("has several pages, and is no PDF")
    return content


def _turned(image: JpegImageFile) -> bytes:
    tables, sampling = image.quantization, get_sampling(image)
    file = io.BytesIO()
    upright = ImageOps.exif_transpose(image)
    upright.save(file, "JPEG", qtables=tables, subsampling=sampling if sampling in _SAMPLING_KEPT else 0)
    return file.getvalue()
