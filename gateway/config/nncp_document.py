"""An NNCP configuration file as a tree of plain values: Hjson, of which JSON is a part.

Contract: what comes out is an object (a dictionary) of text, numbers, true, false, null, lists
and objects. Every fault is a ``ConfigError`` that names the file and the line and quotes nothing
of the text, since the text holds private keys.

Spec: NNCP manual, Configuration file; Hjson syntax.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn, cast

from gateway.errors import ConfigError


class Object(dict[str, object]):
    """An object of the file; remembers which of its keys came more than once."""

    repeated: tuple[str, ...] = ()


def parse_document(text: str, path: Path) -> Object:
    """Read the text of a configuration file.

    Args:
        text: Hjson or JSON.
        path: named in errors.

    Raises:
        ConfigError: neither Hjson nor JSON, or no object.
    """
    try:
        tree = _parse(text, path)
    except RecursionError:
        raise ConfigError(f"{path}: too deeply nested") from None
    if tree == {}:
        raise ConfigError(f"{path}: no settings in it")
    if not isinstance(tree, Object):
        raise ConfigError(f"{path}: not an object of keys and values")
    return tree


_BEHIND_THE_END = "something stands behind the end; a brace closes too early, or one is too many"


def _parse(text: str, path: Path) -> object:
    # The C parser of JSON is fifty times faster, and gives up on Hjson in its first line.
    try:
        return cast("object", json.loads(text, object_pairs_hook=_object, parse_constant=_refuse))
    except ValueError:
        pass
    # Imported late: a JSON configuration need not pay for it.
    import hjson  # noqa: PLC0415

    try:
        tree = cast("object", hjson.loads(text, object_pairs_hook=_object))
        if not isinstance(tree, Object):
            # Without braces around it, a faulty document is taken for one long text; with them the
            # parser says what is wrong. A newline would spoil the line numbers.
            hjson.loads("{" + text + "\n}", object_pairs_hook=_object)
    except hjson.HjsonDecodeError as error:
        what = _BEHIND_THE_END if error.msg == "Extra data" else error.msg
        raise ConfigError(f"{path}: line {error.lineno}, column {error.colno}: {what}") from None
    except (IndexError, ValueError, OverflowError):
        # The parser runs over the end of a text of several lines or of a comment, and over numbers.
        raise ConfigError(f"{path}: a text or a comment has no end, or a number is too large") from None
    return tree


def _object(pairs: Iterable[tuple[str, object]]) -> Object:
    found = Object()
    repeated: list[str] = []
    for key, value in pairs:
        if key in found:
            repeated.append(key)
        found[key] = value
    found.repeated = tuple(repeated)
    return found


def _refuse(_constant: str) -> NoReturn:
    raise ValueError
