"""Finds adapters by name through entry points: ours like a stranger's."""

from difflib import get_close_matches
from importlib.metadata import entry_points

from tallybook.accounting.system import Adapter
from tallybook.errors import SettingsError

GROUP = "tallybook.adapters"


def names() -> list[str]:
    """Names of the installed adapters, sorted."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def adapter(name: str) -> Adapter:
    """Load one adapter by the name the settings give it.

    Repeat: safe.
    Raises:
        SettingsError: no installed package offers it.
    """
    for point in entry_points(group=GROUP, name=name):
        loaded = point.load()
        if not isinstance(loaded, Adapter):
            raise SettingsError([f"books.adapter = {name!r}: {point.value} is no Tallybook adapter"])
        return loaded
    near = get_close_matches(name, names(), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; installed are {', '.join(names())}"
    raise SettingsError([f"books.adapter = {name!r} is not installed{hint}"])
