"""What is wrong with a table someone wrote, one sentence each, with the nearest known name for an unknown one."""

from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError


def sentences(error: ValidationError, model: type[BaseModel], where: str = "") -> list[str]:
    """Put pydantic's findings into words: `books.book.pth is unknown; did you mean path?`."""
    found = []
    for fault in error.errors(include_url=False, include_context=False):
        place = _place([where, *fault["loc"]] if where else list(fault["loc"]))
        if fault["type"] == "extra_forbidden":
            near = get_close_matches(str(fault["loc"][-1]), _known(model, fault["loc"][:-1]), n=1, cutoff=0.5)
            found.append(f"{place} is unknown" + (f"; did you mean {near[0]}?" if near else ""))
        elif fault["type"] == "missing":
            found.append(f"{place} is missing")
        else:
            message = fault["msg"].removeprefix("Value error, ")
            found.append(f"{place}: {message[:1].lower()}{message[1:]} (it is {_short(fault['input'])})")
    return found


def _place(parts: list[Any]) -> str:
    """Name a place as people count: ('accounts', 0, 'code') -> 'accounts[1].code'."""
    text = ""
    for part in parts:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _known(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Names a table may have, by walking down the models."""
    for part in location:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        inner = [kind for kind in get_args(field.annotation) if _is_model(kind)] if field else []
        if field and _is_model(field.annotation):
            inner = [field.annotation]
        if inner:
            model = inner[0]
    return list(model.model_fields)


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - a sentence, not a listing
