"""Write docs/reference/: settings, commands, errors, reasons and metrics, each from the code that they describe."""

import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import typer
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from tallybook import cli, failure_reasons, settings
from tallybook.accounting import registry
from tallybook.errors import TallybookError
from tallybook.pleo.vocabulary import ItemFailureReason, JobFailureReason
from tallybook.telemetry import metrics

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = ROOT / "src"
FOLDER: Final = ROOT / "docs" / "reference"
WIDTH: Final = 100  # columns of the commands' help
_NOTE: Final = "<!-- Written from the code by `make docs`; a change here is lost. -->"
_KINDS: Final = {
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "number": "number",
    "object": "table",
    "password": "secret",
    "path": "path",
    "string": "text",
}


def pages() -> dict[str, str]:
    """Every page of the folder: its name and its text.

    Repeat: the same pages, as long as the code is the same.
    """
    written: dict[str, Callable[[], Iterable[str]]] = {
        "settings.md": settings_page,
        "commands.md": commands_page,
        "errors.md": errors_page,
        "reasons.md": reasons_page,
        "metrics.md": metrics_page,
    }
    return {name: "\n".join([_NOTE, "", *write()]).rstrip() + "\n" for name, write in written.items()}


def settings_page() -> Iterator[str]:
    """Write every setting's form, default and variable, a table for each section."""
    yield from _lines("""
        # Every setting in one table

        What may stand in each setting, what it is without you, and the variable that sets it. What a setting is for,
        and how the file is written, stands in [Settings](../settings.md); for an adapter's own settings, on its page. A
        secret is set by its variable, or by the file that its `_file` names, never in the settings file itself.
    """)
    for name, model in settings.SECTIONS.items():
        yield from _section((name,), model)
    for name in registry.names():
        module = registry.adapter(name).open.__module__.split(".")
        if module[0] == "tallybook":  # a stranger's adapter is its own package's to describe
            yield from _section(("books", name), _adapter_settings(name))


def _adapter_settings(name: str) -> type[BaseModel]:
    module = importlib.import_module(f"tallybook.adapters.{name}.settings")
    found: type[BaseModel] = getattr(module, f"{name.capitalize()}Settings")
    return found


def _section(path: tuple[str, ...], model: type[BaseModel]) -> Iterator[str]:
    yield from [
        "",
        f"## [{'.'.join(path)}]",
        "",
        "| setting | form | default | variable |",
        "| --- | --- | --- | --- |",
    ]
    schema = model.model_json_schema()
    for key, field in model.model_fields.items():
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        form = _form(schema["properties"][key], schema.get("$defs", {}))
        # Tables have no variable, nor do the lists of an adapter, which is given the text as it stands.
        has_none = form.startswith("table") or (len(path) > 1 and form.startswith("list"))
        variable = "none" if has_none else f"`{settings.variable_name((*path, key))}`"
        yield f"| `{key}` | {form} | {default} | {variable} |"


def _default(value: Any) -> str:
    if value is None or value is PydanticUndefined:
        return "none"
    if isinstance(value, float):
        return f"`{value:g}`"
    if isinstance(value, frozenset | tuple | Mapping):
        return f"`{json.dumps(sorted(value) if isinstance(value, frozenset) else value)}`"
    return f"`{json.dumps(value, default=str, ensure_ascii=False)}`"


def _form(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Say a JSON schema in a few words."""
    if "$ref" in schema:
        return _form(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_form(part, defs) for part in schema["anyOf"] if part.get("type") != "null"))
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_form(schema['items'], defs)}"
    if isinstance(values := schema.get("additionalProperties"), Mapping):
        each = _form(values, defs)
        return f"table of {f'tables{each[5:]}' if each.startswith('table') else each}"
    return _KINDS[schema.get("format", schema.get("type", "string"))] + _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {_figure(low)} to {_figure(high)}"
    if low is not None:
        return f", at least {_figure(low)}"
    return " above 0" if schema.get("exclusiveMinimum") == 0 else ""


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) else f"{number:g}"


def commands_page() -> Iterator[str]:
    """Write what `--help` says, command by command."""
    yield from _lines("""
        # Commands

        What `tallybook COMMAND --help` says, for every command.
    """)
    cli._mount_adapter_commands()  # noqa: SLF001 - the command line mounts them when it starts, and only then
    root = typer.main.get_command(cli.app)
    yield from _command(root, "tallybook", None, 2)


def _command(command: Any, name: str, parent: Any, level: int) -> Iterator[str]:
    context = command.make_context(
        name.rpartition(" ")[2], [], parent=parent, resilient_parsing=True, terminal_width=WIDTH
    )
    yield from ["", f"{'#' * min(level, 3)} {name}", "", "```text", context.get_help().rstrip(), "```"]
    for called, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from _command(below, f"{name} {called}", context, level + 1)


def errors_page() -> Iterator[str]:
    """Write every error of ours, what it means, and what Pleo is told of it."""
    yield from _lines("""
        # Errors

        Every error that Tallybook raises on purpose: a class, and one sentence that says what is wrong, where, and how
        to mend it. The classes are what metrics count and what programs that use Tallybook catch. *Pleo is told* names
        the reason that an item gets for it, and a job that ends with it; [Reasons](reasons.md) has the other direction.
    """)
    kinds = sorted(_errors(), key=lambda kind: (kind.__module__, inspect.getsourcelines(kind)[1]))
    for module, members in groupby(kinds, key=lambda kind: kind.__module__):
        yield from ["", f"## {module.removeprefix('tallybook.')}", "", _said(importlib.import_module(module)), ""]
        yield from ["| error | kind of | means | Pleo is told |", "| --- | --- | --- | --- |"]
        for kind in members:
            base = kind.__mro__[1].__name__
            yield f"| `{kind.__name__}` | `{base}` | {_said(kind)} | {_told(kind)} |"


def _told(kind: type[TallybookError]) -> str:
    row = next(failure_reasons.TABLE[kin] for kin in kind.__mro__ if kin in failure_reasons.TABLE)
    if row is failure_reasons.TABLE[TallybookError]:
        return ""  # of no kin in the table: it is never an item's, or it is a fault of ours
    of = [f"{what} `{reason}`" for what, reason in (("item", row.item), ("job", row.job)) if reason]
    return ", ".join(of)


def _errors() -> list[type[TallybookError]]:
    """Every public class below TallybookError outside the sandbox, which is Pleo's side."""
    found: dict[str, Path] = {"TallybookError": SOURCES / "tallybook" / "errors.py"}
    declared = [
        (name, base, path)
        for path in sorted(SOURCES.rglob("*.py"))
        if not path.is_relative_to(SOURCES / "tallybook" / "sandbox")
        for name, base in re.findall(r"^class ([A-Z]\w+)\(([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    while more := {n: p for n, base, p in declared if base.rpartition(".")[2] in found and n not in found}:
        found |= more
    # Imported only now, and only these: some modules do something when they are imported, such as migrations.
    modules = {path: ".".join(path.relative_to(SOURCES).with_suffix("").parts) for path in found.values()}
    kinds = (getattr(importlib.import_module(modules[path]), name) for name, path in found.items())
    return [kind for kind in kinds if issubclass(kind, TallybookError)]


def reasons_page() -> Iterator[str]:
    """Write Pleo's reasons for items and jobs, and from which errors of ours each follows."""
    items, jobs = failure_reasons.SHARED_CAUSES, failure_reasons.TABLE
    yield from _lines("""
        # Reasons

        Pleo has its own list of reasons for an item and for a job that failed. This is every one of them, and the
        [errors](errors.md) that Tallybook sends it for. What a bookkeeper does about each stands in [Read a failed
        job](../failed-job.md).

        ## Of an item

        | reason | sent for | a job of which every item failed for it ends with |
        | --- | --- | --- |
    """)
    for item in ItemFailureReason:
        shared = items.get(item, JobFailureReason.VALIDATION_FAILURE)
        yield f"| `{item}` | {_sent_for(jobs, 'item', item)} | `{shared}` |"
    yield from _lines("""

        ## Of a job

        Sent with the event `failed` and no other. A job of which every item failed has the reason that they share, as
        above.

        | reason | sent for |
        | --- | --- |
    """)
    for job in JobFailureReason:
        never = failure_reasons.JOB_REASONS_NEVER_SENT.get(job)
        shared_cause = "every item failed, for different causes or one that no job can have"
        otherwise = shared_cause if job is JobFailureReason.VALIDATION_FAILURE else _sent_for(jobs, "job", job)
        yield f"| `{job}` | {f'never by Tallybook: {never}' if never else otherwise} |"


def _sent_for(table: Mapping[type[TallybookError], failure_reasons.Reasons], what: str, reason: str) -> str:
    kinds = [kind for kind, row in table.items() if getattr(row, what) == reason]
    names = [f"`{kind.__name__}`" for kind in kinds if kind is not TallybookError]
    return ", ".join(names) if names else "a fault of Tallybook's own"


def metrics_page() -> Iterator[str]:
    """Write every metric with its kind and labels, in the words that Prometheus shows."""
    yield from _lines("""
        # Every metric in one table

        What `GET /metrics` of `tallybook serve` gives, in the words that Prometheus shows. What the labels' values
        mean, and what is worth an alarm, stands in [Metrics, health and traces](../metrics.md).

        | metric | kind | labels | says |
        | --- | --- | --- | --- |
    """)
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            (family,) = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in metric._labelnames) or "none"  # noqa: SLF001 - has no other name
            yield f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


def _lines(text: str) -> list[str]:
    return dedent(text.removeprefix("\n")).rstrip().splitlines()


def _said(documented: Any) -> str:
    """First paragraph of a docstring, on one line, as a cell of a table."""
    return " ".join((documented.__doc__ or "").strip().split("\n\n")[0].split()).replace("|", "\\|")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    for old in FOLDER.glob("*.md"):
        if old.name not in pages():
            old.unlink()
