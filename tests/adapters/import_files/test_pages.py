"""The pages of the three formats, held against the code."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from tallybook.adapters.csv import fields, open_csv
from tallybook.adapters.csv.settings import CsvSettings, ready_templates
from tallybook.adapters.datev import open_datev
from tallybook.adapters.datev.settings import DatevSettings
from tallybook.adapters.sie import open_sie
from tallybook.adapters.sie.settings import SieSettings

DOCS = Path(__file__).parents[3] / "docs"
MODELS: dict[str, type[BaseModel]] = {"datev": DatevSettings, "sie": SieSettings, "csv": CsvSettings}


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def default(model: type[BaseModel], key: str) -> str:
    """A setting's default as the page writes it."""
    known = model.model_fields[key]
    if known.is_required():
        return "required"
    if known.default is None:
        return "none"
    if isinstance(known.default, tuple | frozenset):
        return "`[]`"
    if isinstance(known.default, float):
        return f"`{known.default:g}`"
    return f"`{json.dumps(known.default)}`"


@pytest.mark.parametrize("name", MODELS)
def test_a_page_names_every_setting_with_its_default(name: str) -> None:
    """Nothing is missing, nothing is invented, and the defaults are true."""
    rows = re.findall(rf"^\| `books\.{name}\.([a-z_0-9]+)` \| (.+?) \| .+ \|$", page(name), re.MULTILINE)
    model = MODELS[name]
    assert dict(rows) == {key: default(model, key) for key in model.model_fields}


@pytest.mark.parametrize(("name", "opened"), [("datev", open_datev), ("sie", open_sie), ("csv", open_csv)])
def test_the_settings_on_a_page_are_valid(name: str, opened: type) -> None:
    """What the page shows can be copied."""
    shown = re.findall(r"```toml\n(.*?)```", page(name), re.DOTALL)
    first = tomllib.loads(shown[0])["books"]
    assert first["adapter"] == name
    opened(first[name])
    for more in shown[1:]:
        opened(first[name] | tomllib.loads(more)["books"][name])


def test_the_page_names_every_field_and_template() -> None:
    """Whoever writes a template finds all there is."""
    named = set(re.findall(r"`([a-z0-9_]+)`", page("csv")))
    assert named >= fields.NAMES
    assert named >= set(ready_templates())
