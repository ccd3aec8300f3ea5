"""Tables of codes in files: CSV with a heading, `from,to` or `group,from,to`, in UTF-8."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tallybook.errors import SettingsError

SIZE_BYTES_MAX = 10 * 1024 * 1024  # ours: a hundred thousand codes and more
CODE_LENGTH_MAX = 200


def read(name: str, path: Path, *, by: Literal["group"] | None = None) -> dict[tuple[str, ...], str]:
    """Read a file of codes; the keys are (from,), or (group, from) where tables are `by` group.

    Columns are parted by commas or semicolons, as the heading has them.

    Raises:
        SettingsError: one sentence for each row that is wrong, or for the file; `name` is the setting that names it.
    """
    heading = ["from", "to"] if by is None else [by, "from", "to"]
    text = _text(name, path)
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: dict[tuple[str, ...], str] = {}
    lines: dict[tuple[str, ...], int] = {}
    problems: list[str] = []
    try:
        if [cell.strip() for cell in next(rows, [])] != heading:
            raise SettingsError([f"{name}: the first line of {path} must be {','.join(heading)}"])
        for row in rows:
            cells = [cell.strip() for cell in row]
            wrong = _wrong(cells, heading)
            key = tuple(cells[:-1])
            if not wrong and key in lines:
                wrong = f"maps {' '.join(key)} again, as line {lines[key]} does; keep one"
            if wrong:
                problems.append(f"{name}: line {rows.line_num} of {path} {wrong}")
                continue
            found[key], lines[key] = cells[-1], rows.line_num
    except csv.Error as error:
        problems.append(f"{name}: line {rows.line_num} of {path} is no CSV: {error}")
    if problems:
        raise SettingsError(problems)
    return found


def joined(name: str, table: Mapping[str, str], of_file: Mapping[str, str]) -> dict[str, str]:
    """Join a table of the settings with one of a file.

    Raises:
        SettingsError: both map a code.
    """
    if twice := sorted(set(table) & set(of_file)):
        raise SettingsError([f"{name} maps {code} both in the settings and in its file; keep one" for code in twice])
    return {**table, **of_file}


def _text(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_BYTES_MAX + 1)
        if len(content) > SIZE_BYTES_MAX:
            raise SettingsError([f"{name}: {path} has more than {SIZE_BYTES_MAX} bytes; is it the right file?"])
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError([f"{name}: there is no file {path}"]) from None
    except UnicodeDecodeError as error:
        raise SettingsError([f"{name}: byte {error.start + 1} of {path} is no UTF-8; save it as CSV UTF-8"]) from None
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        raise SettingsError([f"{name}: the file {str(path)!r} cannot be read ({type(error).__name__})"]) from None


def _wrong(cells: list[str], heading: list[str]) -> str:
    if not any(cells):
        return "is empty; remove it"
    if len(cells) != len(heading):
        return f"has {len(cells)} columns instead of {len(heading)}"
    if not all(cells):
        return f"has nothing under {heading[cells.index('')]}"
    if not all(cell.isprintable() and len(cell) <= CODE_LENGTH_MAX for cell in cells):
        return f"has a code that is not printable or longer than {CODE_LENGTH_MAX} characters"
    return ""
