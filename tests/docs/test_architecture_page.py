import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_architecture_page_says_what_the_modules_say() -> None:
    """The generated part of docs/architecture.md is what `make docs` would write now."""
    script = runpy.run_path(str(ROOT / "scripts" / "architecture_page.py"))
    assert script["page"]() == (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), "run `make docs`"
