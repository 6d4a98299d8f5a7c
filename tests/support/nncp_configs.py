"""NNCP configurations for tests, as trees that a test can change before they are written."""

import copy
import json
import os
from pathlib import Path
from typing import Any

from gateway.ids import encode_base32
from gateway.packet.keys import PrivateKeys, generate_keys

Tree = dict[str, Any]

KEYS = {name: generate_keys(os.urandom) for name in ("self", "bob", "carol")}
"""One node and two neighbours."""


def public_tree(keys: PrivateKeys) -> Tree:
    """What a neighbour's entry says of these keys."""
    return {
        "id": keys.id.text,
        "exchpub": encode_base32(keys.exchpub),
        "signpub": encode_base32(keys.signpub),
        "noisepub": encode_base32(keys.noisepub),
    }


def private_tree(keys: PrivateKeys) -> Tree:
    """What ``self`` says of these keys."""
    return public_tree(keys) | {
        "exchprv": encode_base32(keys.exchprv),
        "signprv": encode_base32(keys.signprv),
        "noiseprv": encode_base32(keys.noiseprv),
    }


def config_tree(home: Path) -> Tree:
    """A configuration of ``self``, ``bob`` and ``carol``, its files below ``home``."""
    return {
        "spool": str(home / "spool"),
        "log": str(home / "log"),
        "self": private_tree(KEYS["self"]),
        "neigh": {name: public_tree(keys) for name, keys in KEYS.items()},
    }


def changed(tree: Tree, path: str, value: object) -> Tree:
    """A copy of a tree with one key set; the objects on the way are made.

    Args:
        tree: left as it is.
        path: keys with dots between them.
        value: what to put there; ``...`` removes the key.
    """
    result = copy.deepcopy(tree)
    *way, last = path.split(".")
    at = result
    for key in way:
        at = at.setdefault(key, {})
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return result


def write_config(home: Path, tree: Tree) -> Path:
    """Write a tree as JSON, which is valid Hjson; returns the file's path."""
    path = home / "nncp.hjson"
    path.write_text(json.dumps(tree, ensure_ascii=False))
    return path


def secrets_of(tree: Tree) -> list[str]:
    """The private keys in a tree, as text."""
    return [value for key, value in (tree["self"] or {}).items() if key.endswith("prv")]
