"""Errors of ``gateway.toml`` in words: file, key, what is wrong, what is allowed; all of them at once.

Contract: of what stands in the file only numbers, truth values and wrong choices are repeated,
never another text, since it may be a secret.
"""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.errors import ConfigError

ALLOWED = "; allowed: "
CHOICE_SHOWN_CHARS = 40

_TYPES = {
    str: "a text",
    bool: "a truth value",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}
_MISSING = frozenset({"missing"})
_TOO_SMALL = frozenset({"greater_than_equal", "greater_than", "too_short", "string_too_short"})
_TOO_LARGE = frozenset({"less_than_equal", "less_than", "too_long", "string_too_long"})
_NO_CHOICE = frozenset({"literal_error", "enum"})

_TWICE = re.compile(r"Cannot declare \((.*?)\) twice")
_TOML_HINTS = (
    ("Cannot overwrite a value", "a key stands in its table twice"),
    ("Invalid value", "texts stand in straight quotes, numbers, true and false in none"),
    (
        "Expected newline",
        "something stands behind a value; numbers have no unit, texts have quotes",
    ),
)
"""What Python's parser says, and what people did."""

Location = tuple[int | str, ...]


def join_problems(path: Path, problems: Iterable[str]) -> ConfigError:
    """One error that holds them all, a line each, every line with the file in front."""
    return ConfigError("\n".join(f"{path}: {problem}" for problem in problems))


def describe_all(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """What is wrong, a line for each key.

    Args:
        error: what pydantic found.
        model: the model of the whole file.
    """
    lines = [_describe(details, model) for details in error.errors(include_url=False)]
    return list(dict.fromkeys(lines))


def describe_toml(text: str) -> str:
    """What is wrong with a text that is not TOML, with what to do about the commonest faults.

    Args:
        text: what Python's parser says, with the line.
    """
    twice = _TWICE.match(text)
    if twice is not None:
        table = twice[1].replace("'", "").rstrip(",").replace(", ", ".")
        return f"{text}: the table {table} is there already; write the keys into that one"
    return text + next((f": {hint}" for begin, hint in _TOML_HINTS if text.startswith(begin)), "")


def dotted(location: Location) -> str:
    """A place of the file in words, such as ``smtp.listen`` or ``route[2].node``, counted from one."""
    text = ""
    for step in location:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _describe(details: ErrorDetails, model: type[BaseModel]) -> str:
    location = details["loc"]
    if details["type"] == "extra_forbidden":
        return f"{dotted(location)}: is not a key of this file{ALLOWED}{_siblings(location, model)}"
    field = _find_field(location, model)
    allowed = "" if field is None or field.description is None else ALLOWED + field.description
    what = _what(details)
    where = f"{dotted(location)}: " if location else ""
    return f"{where}{what}{'' if 'allowed:' in what else allowed}"


def _what(details: ErrorDetails) -> str:
    kind, value = details["type"], details["input"]
    if kind == "value_error":
        return str(details["ctx"]["error"])
    if kind in _MISSING:
        return "is missing"
    if kind in _TOO_SMALL | _TOO_LARGE:
        size = "too small" if kind in _TOO_SMALL else "too large"
        return f"{value} is {size}" if isinstance(value, int | float) else f"is {size}"
    if kind in _NO_CHOICE and isinstance(value, str | int | float):
        shown = repr(value[:CHOICE_SHOWN_CHARS]) if isinstance(value, str) else str(value).lower()
        return f"{shown} is not one of the choices"
    if kind.endswith(("_type", "_parsing")) or kind == "int_from_float":
        return f"must not be {_TYPES.get(type(value), 'of this type')}"
    return "is not in the form it must have"


def _siblings(location: Location, model: type[BaseModel]) -> str:
    parent = _find_model(location[:-1], model)
    names = sorted(parent.model_fields) if parent is not None else []
    close = difflib.get_close_matches(str(location[-1]), names, 1)
    return ", ".join(names) + (f" (did you mean {close[0]}?)" if close else "")


def _find_field(location: Location, model: type[BaseModel]) -> FieldInfo | None:
    """The innermost field on the way to a location."""
    found: FieldInfo | None = None
    for depth, step in enumerate(location):
        parent = _find_model(location[:depth], model)
        if parent is not None and isinstance(step, str):
            found = parent.model_fields.get(step)
            if found is None:
                return None
    return found


def _find_model(location: Location, model: type[BaseModel]) -> type[BaseModel] | None:
    """The model of the table at a location, or None: no table of the file."""
    annotation: object = model
    for step in location:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(step))
            annotation = None if field is None else field.annotation
        elif get_origin(annotation) in {list, dict}:
            annotation = get_args(annotation)[-1]
        else:
            return None
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
