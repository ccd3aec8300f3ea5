"""What mkdocs does beyond its own: links that leave docs/, and pictures that the browser tests took.

The pages are read in two places, in the repository and as a site. In the repository a link to a source file leads
there; the site holds no sources, so there the same link is the file's path, as text.
"""

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
# Where tests/browser keeps what it photographs.
PICTURES = Path(os.environ.get("TALLYBOOK_SCREENSHOTS", ROOT / ".cache" / "tallybook" / "screenshots"))
_CODE = re.compile(r"^([ \t]*)(```+|~~~+).*?^\1\2[ \t]*$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<to>[^)#\s]+)(?:#[^)\s]*)?\)")
_ELSEWHERE = re.compile(r"^[a-z]+:|^/")
_PICTURE = re.compile(r"^<!-- picture ([a-z0-9-]+): (.+?) -->$", re.MULTILINE)
_ALL_PICTURES = "<!-- all pictures -->"
_NO_PICTURES = "*This copy was built without pictures: run the browser tests, then `make docs`.*"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pictures that are there, under pictures/.

    Repeat: the same files again.
    """
    for picture in _pictures():
        files.append(File.generated(config, f"pictures/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put pictures where a page asks for them, and paths where its links leave the site; code stays as it is."""
    if page.file.src_uri == "pictures.md":
        markdown = markdown.replace(_ALL_PICTURES, _gallery() or _NO_PICTURES)
    here = Path(config.docs_dir, page.file.src_uri).parent
    there = {Path(config.docs_dir, file.src_uri) for file in files}
    pieces, end = [], 0
    for code in _CODE.finditer(markdown):
        pieces += [_prose(markdown[end : code.start()], here, there), code[0]]
        end = code.end()
    return "".join([*pieces, _prose(markdown[end:], here, there)])


def _prose(text: str, here: Path, there: set[Path]) -> str:
    def link(found: re.Match[str]) -> str:
        to = Path(os.path.normpath(here / found["to"]))
        if _ELSEWHERE.match(found["to"]) or to in there or not to.is_relative_to(ROOT) or not to.exists():
            return found[0]  # mkdocs itself complains of those that lead nowhere
        path = f"`{to.relative_to(ROOT)}`"
        text = found["text"]
        return path if text.startswith("`") else f"{text} ({path})"

    def picture(found: re.Match[str]) -> str:
        name, caption = found.groups()
        return f"![{caption}]({_up(here)}pictures/{name}.png)" if (PICTURES / f"{name}.png").is_file() else ""

    return _PICTURE.sub(picture, _LINK.sub(link, text))


def _up(here: Path) -> str:
    """Lead from a page's folder to docs/."""
    return "../" * len(here.relative_to(ROOT / "docs").parts)


def _gallery() -> str:
    named = [(picture.stem.replace("-", " "), picture.name) for picture in _pictures()]
    return "\n\n".join(f"## {name.capitalize()}\n\n![{name}](pictures/{file})" for name, file in named)


def _pictures() -> list[Path]:
    return sorted(PICTURES.glob("*.png"))
