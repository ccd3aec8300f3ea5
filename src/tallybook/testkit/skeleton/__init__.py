"""A new adapter's project: a small ledger that works, its adapter, and tests that inherit the kit and pass."""

import keyword
import re
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from tallybook.errors import SettingsError, TallybookError

_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
_ENDING = ".in"  # so that no tool takes a template for a program


def write(name: str, folder: Path, taken: Sequence[str]) -> Path:
    """Write the project `tallybook-NAME` into a folder; it is complete or not there.

    `name` is what the settings will call the adapter, `taken` are the names already installed.

    Repeat: refused; a project that is there is never written over.
    Raises:
        SettingsError: the name cannot be an adapter's, or is taken.
        TallybookError: something is there already, or the folder cannot be written.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or name.endswith("_") or "__" in name:
        raise SettingsError(
            [f"{name!r} cannot be an adapter's name; use 2 to 40 small letters, digits and single _, such as my_ledger"]
        )
    if name in taken:
        raise SettingsError([f"an adapter {name!r} is installed already; choose another name"])
    project = folder / f"tallybook-{name.replace('_', '-')}"
    if project.exists() or project.is_symlink():
        raise TallybookError(f"{project} is there already; name another folder with --to, or remove it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-adapter-") as unnamed:
            made = Path(unnamed) / "project"
            _fill(files(__package__) / "template", made, name)
            made.rename(project)
    except OSError as error:
        raise TallybookError(
            f"{project} cannot be written ({error.strerror}); name another folder with --to"
        ) from error
    return project


def _fill(template: Traversable, to: Path, name: str) -> None:
    to.mkdir()
    for source in template.iterdir():
        target = to / source.name.removesuffix(_ENDING).replace("NAME", name)
        if source.is_dir():
            _fill(source, target, name)
        elif source.name.endswith(_ENDING):
            text = source.read_text(encoding="utf-8")
            project = f"tallybook-{name.replace('_', '-')}"
            class_name = "".join(part.capitalize() for part in name.split("_"))
            text = text.replace("@NAME@", name).replace("@PROJECT@", project).replace("@CLASS@", class_name)
            target.write_text(text, encoding="utf-8")
