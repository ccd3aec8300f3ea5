"""Write the generated part of docs/architecture.md: every module of the package by room, in its own words."""

import ast
import sys
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- modules: written by `make docs` -->", "<!-- end of modules -->"


def modules() -> str:
    """A heading per room and a line per module: its name and the first sentence of its docstring."""
    package = ROOT / "src" / "tallybook"
    files = sorted(
        (path for path in package.rglob("*.py")), key=lambda path: (room(path), path.name != "__init__.py", path)
    )
    lines: list[str] = []
    for name, members in groupby(files, key=room):
        lines += ["", f"### {name or 'the ground floor'}", ""]
        lines += [
            f"- [`{path.relative_to(package)}`](../{path.relative_to(ROOT)}) — {summary(path)}" for path in members
        ]
    return "\n".join(lines).strip()


def room(path: Path) -> str:
    """The folder below the package a module stands in; empty for the package's own files."""
    return str(path.relative_to(ROOT / "src" / "tallybook").parent).strip(".")


def summary(path: Path) -> str:
    """First paragraph of a module's docstring, on one line."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not docstring:
        sys.exit(f"{path.relative_to(ROOT)} has no docstring: say in one sentence what it is")
    return " ".join(docstring.split("\n\n")[0].split())


def page() -> str:
    """The whole page with its generated part made anew."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{modules()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
