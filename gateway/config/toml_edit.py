"""Add a neighbour to the text of ``gateway.toml``: tables at its end, nothing else changed."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from gateway.config.toml_schema import GatewayFile
from gateway.errors import ConfigError

DEFAULT_UNDERSTANDS = "sendmail"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Terms:
    """How mail for a neighbour travels.

    Args:
        name: what we call it.
        domains: patterns whose mail goes to it.
        understands: what was asked for, or None.
        offered: what the neighbour says of itself, or None; counts when nothing was asked for.
    """

    name: str
    domains: tuple[str, ...]
    understands: str | None = None
    offered: str | None = None


def append_neighbour(path: Path, text: str, file: GatewayFile, terms: Terms) -> tuple[str, list[str]]:
    """Add the tables of a neighbour that are missing.

    Args:
        path: of the file, for errors.
        text: the file as it is.
        file: the same, read.
        terms: what the tables say.

    Returns:
        The new text and what was added, in words.

    Raises:
        ConfigError: what is there says otherwise.
    """
    blocks: list[str] = []
    changes: list[str] = []
    section = file.neighbour.get(terms.name)
    if section is None:
        understands = terms.understands or terms.offered or DEFAULT_UNDERSTANDS
        blocks.append(f"[neighbour.{_key(terms.name)}]\nunderstands = {_text(understands)}\n")
        changes.append(f"{path}: neighbour.{terms.name} added, understands {understands!r}")
    elif terms.understands not in {None, section.understands}:
        raise ConfigError(
            f"{path}: neighbour.{terms.name}.understands: is {section.understands!r} already,"
            f" not {terms.understands!r}; change it by hand"
        )
    there = {route.pattern.lower(): route for route in file.route}
    for domain in dict.fromkeys(terms.domains):
        route = there.get(domain.lower())
        if route is None:
            blocks.append(f"[[route]]\npattern = {_text(domain)}\nnode = {_text(terms.name)}\n")
            changes.append(f"{path}: mail for {domain} goes to {terms.name}")
        elif route.node != terms.name:
            there_now = route.node or "another place"
            raise ConfigError(f"{path}: route: {domain!r} goes to {there_now} already; change it by hand")
    if not blocks:
        return text, []
    gap = "" if not text or text.endswith("\n") else "\n"
    return text + gap + "".join(f"\n{block}" for block in blocks), changes


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    """A TOML basic string; for what may stand in names and addresses JSON writes the same."""
    return json.dumps(value, ensure_ascii=False)
