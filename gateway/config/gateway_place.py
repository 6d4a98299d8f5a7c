"""Which ``gateway.toml`` counts, and whether it goes with a given NNCP configuration.

Apart from the rest, since the NNCP verbs ask for it at every start: the schema takes longer to import
than they take to work.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from gateway.config.state_place import DEFAULT_PATH_TEXT, PATH_VARIABLE

DEFAULT_PATH = Path(DEFAULT_PATH_TEXT)
NNCP_NAME = "nncp.hjson"
"""The NNCP configuration beside ``gateway.toml``, where that names no other."""


def chosen_path(given: str | None, environ: Mapping[str, str]) -> Path:
    """The path of ``gateway.toml``: as given, else from the environment, else the default."""
    return Path(given or environ.get(PATH_VARIABLE) or DEFAULT_PATH).absolute()


def resolve_beside(file: Path, text: str) -> Path:
    """A path that a file names: beside the file, if it is relative."""
    return Path(os.path.normpath(file.parent / text))


def find_gateway(nncp_path: Path, environ: Mapping[str, str]) -> Path | None:
    """The ``gateway.toml`` that counts, if it is for a node with this NNCP configuration.

    Nothing in it is checked but the name of that configuration.

    Args:
        nncp_path: of the NNCP configuration.
        environ: the environment.

    Returns:
        Its path, or None: there is none, it can't be read, or it is for another node.
    """
    path = chosen_path(None, environ)
    try:
        node = tomllib.loads(path.read_text(encoding="utf-8")).get("node", {})
        named = node.get("nncp_config", NNCP_NAME) if isinstance(node, dict) else None
        is_same = isinstance(named, str) and resolve_beside(path, named).samefile(nncp_path)
    except (OSError, ValueError, RecursionError):
        return None
    return path if is_same else None
