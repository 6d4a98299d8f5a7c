"""Where the state directory is, found without reading the whole configuration.

Programs that start for each message or packet ask, and a parser takes longer to import than they
take to work. Only the plain form that ``init`` writes is understood; for anything else they do without.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than all else here
    from collections.abc import Mapping

DEFAULT_PATH_TEXT = "/etc/nncp-gateway/gateway.toml"
PATH_VARIABLE = "NNCP_GATEWAY_CONFIG"
NODE_TABLE = "[node]"
KEY = "state_directory"
DEFAULT = "state"
_QUOTE = '"'
_LONG_QUOTES = (_QUOTE * 3, "'''")


def find_state_directory(given: str | None, environ: "Mapping[str, str]") -> str | None:
    """The state directory that ``gateway.toml`` names, or None: it can't be told in a glance.

    Args:
        given: the path of that file; None: the environment says, else it is the default.
        environ: the environment.
    """
    path = given or environ.get(PATH_VARIABLE) or DEFAULT_PATH_TEXT
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes long to import
            text = file.read()
    except (OSError, ValueError):
        return None
    named = _find(text)
    if named is None:
        return None
    return os.path.join(os.path.dirname(os.path.abspath(path)), named)  # noqa: PTH100, PTH118, PTH120 - as above


def _find(text: str) -> str | None:
    if any(quotes in text for quotes in _LONG_QUOTES):
        return None
    named, table = DEFAULT, ""
    for raw in text.split("\n"):
        line = raw.strip()
        if line.startswith("["):
            table = line.partition("#")[0].strip()
        elif KEY in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            inner, quote, rest = value.strip().removeprefix(_QUOTE).partition(_QUOTE)
            is_plain = value.strip().startswith(_QUOTE) and quote and "\\" not in inner
            if table != NODE_TABLE or key.strip() != KEY or not is_plain or rest.strip()[:1] not in {"", "#"}:
                return None
            named = inner
    return named
