"""Examples at the end of each --help; a test parses every one of them, and asks for those that are missing.

Commands that an adapter brings have theirs where they are made. A group shows the first example of each command in it.
"""

from collections.abc import Mapping, Sequence

import typer
from typer.main import get_command_name

_JOB = "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e"
_FIRST_STEPS = ("tallybook demo", "tallybook check", f"tallybook plan {_JOB}", "tallybook run", "tallybook serve")
_EXAMPLES: Mapping[str, Sequence[str]] = {
    "run": (
        "tallybook run",
        "tallybook run --config company.toml --json",
        f"tallybook run --job {_JOB} --plan HASH",
        "tallybook run --now",
    ),
    "serve": ("tallybook serve", "tallybook serve --once", "tallybook serve --log json"),
    "jobs": ("tallybook jobs", "tallybook jobs --status pending --json"),
    "items": (f"tallybook items {_JOB}", f"tallybook items {_JOB} --status failed"),
    "plan": (f"tallybook plan {_JOB}", f"tallybook plan {_JOB} --json"),
    "tie-out": (f"tallybook tie-out {_JOB}", f"tallybook tie-out {_JOB} --csv tie-out.csv"),
    "undo": (f"tallybook undo {_JOB}", f"tallybook undo {_JOB} --on 2026-10-01 --yes"),
    "check": ("tallybook check", "tallybook check --company acme-denmark"),
    "pause": ("tallybook pause", "tallybook pause --company acme-denmark"),
    "resume": ("tallybook resume", "tallybook resume --company acme-denmark"),
    "upgrade": ("tallybook upgrade --check", "tallybook upgrade"),
    "login": ("tallybook login", "tallybook login --paste"),
    "logout": ("tallybook logout",),
    "demo": ("tallybook demo", "tallybook demo --items 500 --dir try --keep", "tallybook demo --books tryton"),
    "uncertain": ("tallybook uncertain", "tallybook uncertain --search", "tallybook uncertain --json"),
    "uncertain settle": (
        f"tallybook uncertain settle {_JOB} --booked 2026-0042",
        f"tallybook uncertain settle {_JOB} --not-booked",
    ),
    "console password": ("tallybook console password --to console-password", "tallybook console password --make"),
    "sandbox serve": (
        "tallybook sandbox serve",
        "tallybook sandbox serve --port 0 --data pleo.sqlite --world empty --json",
    ),
    "webhooks subscribe": ("tallybook webhooks subscribe https://tallybook.example.com/webhooks/pleo",),
    "webhooks list": ("tallybook webhooks list",),
    "webhooks remove": (f"tallybook webhooks remove {_JOB}",),
    "webhooks secret": (f"tallybook webhooks secret {_JOB} --to webhook-secret",),
    "adapter new": ("tallybook adapter new my_ledger --to projects",),
}


def add_to(app: typer.Typer, above: str = "") -> None:
    """Give every command and group its examples; called again once adapters have brought theirs.

    Repeat: safe.
    """
    for command in app.registered_commands:
        name = command.name or (get_command_name(command.callback.__name__) if command.callback else "")
        if lines := _EXAMPLES.get(f"{above}{name}"):
            command.epilog = _shown(lines)
    for group in app.registered_groups:
        below = group.typer_instance
        if below is not None:
            add_to(below, f"{above}{group.name} ")
            group.epilog = _shown(_EXAMPLES.get(f"{above}{group.name}", ()) or _firsts(below)) or group.epilog
    if not above:
        app.info.epilog = _shown(_FIRST_STEPS)


def _firsts(group: typer.Typer) -> list[str]:
    shown = [(command.epilog or "").split("\n  ") for command in group.registered_commands]
    return [lines[1] for lines in shown if lines[1:]]


def _shown(lines: Sequence[str]) -> str:
    # \b: lines are kept as they are.
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)]) if lines else ""
