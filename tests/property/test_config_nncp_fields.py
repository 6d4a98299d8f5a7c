import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.hjson_text import quote_key, quote_text
from gateway.config.nncp import load_nncp_config
from gateway.config.nncp_document import parse_document
from gateway.errors import ConfigError, GatewayError
from tests.support.nncp_configs import config_tree, secrets_of

TREE = config_tree(Path("/home/node"))
SECRETS = secrets_of(TREE)
TEXT = json.dumps(TREE, indent=1)

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [*TREE, *TREE["self"], "umask", "nohdr", "notify", "areas", "file", "bob", "via", "freq", "calls"]
)
# Where a slip of the pen can bring key material.
ODD_VALUES = st.sampled_from([SECRETS[0], {SECRETS[1]: SECRETS[2]}, [SECRETS[0]], [{SECRETS[1]: 1}]])


def paths_of(tree: dict[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in tree.items():
        found.append((*prefix, key))
        if isinstance(value, dict):
            found += paths_of(value, (*prefix, key))
    return found


def check(path: Path, text: str) -> None:
    """Loads, or raises ConfigError without key material."""
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        config = load_nncp_config(path, {})
    except ConfigError as error:
        said = str(error)
    else:
        said = "\n".join(config.warnings)
        assert not any(secret in repr(config.book.own) for secret in SECRETS)
    # Not even a part of a key, which a shifted error position could show.
    assert not any(secret[at : at + 16] in said for secret in SECRETS for at in range(len(secret) - 15))


@given(where=st.sampled_from(paths_of(TREE)), value=VALUES | ODD_VALUES)
def test_any_value_anywhere_is_read_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, where: tuple[str, ...], value: object
) -> None:
    tree = copy.deepcopy(TREE)
    at = tree
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    check(tmp_path_factory.getbasetemp() / "value", json.dumps(tree))


@given(
    tree=st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4)
    )
)
def test_any_tree_of_known_keys_is_read_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, tree: object
) -> None:
    check(tmp_path_factory.getbasetemp() / "tree", json.dumps(tree))


@given(at=st.integers(0, len(TEXT)), cut=st.integers(0, 40), put=st.text(max_size=6))
def test_damaged_text_shows_no_key_material(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, put: str
) -> None:
    check(tmp_path_factory.getbasetemp() / "damaged", TEXT[:at] + put + TEXT[at + cut :])


@given(text=st.text(max_size=60))
def test_any_text_is_read_or_a_gateway_error(text: str) -> None:
    with contextlib.suppress(GatewayError):
        parse_document(text, Path("x"))


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(key=WORDS, value=WORDS)
def test_any_word_comes_back_from_hjson(key: str, value: str) -> None:
    assert parse_document(f"{{\n  {quote_key(key)}: {quote_text(value)}\n}}", Path("x")) == {key: value}
