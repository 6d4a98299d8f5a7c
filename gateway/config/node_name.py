"""Names we give to neighbours: they become keys of two files, a link in the spool, words in logs."""

import re

from gateway.errors import ConfigError
from gateway.ids import ID_CHARS
from gateway.nodes import SELF_NAME

NAME_ALLOWED = (
    "1 to 51 letters, digits, dots, dashes and underscores, a letter or digit first; not self or tmp"
)
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{ID_CHARS - 2}}}", re.ASCII)
_TAKEN = frozenset({SELF_NAME, "tmp", "log"})
"""``self`` is ourselves; the others are files of the spool, where the name becomes a link."""


def check_node_name(name: str) -> str:
    """The name itself, if it can be one.

    Raises:
        ConfigError: it can't.
    """
    if not _NAME.fullmatch(name) or name.lower() in _TAKEN:
        raise ConfigError(f"{name!r} can't be the name of a neighbour; allowed: {NAME_ALLOWED}")
    return name
