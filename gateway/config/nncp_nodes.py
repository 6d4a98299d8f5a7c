"""Reads ``self``, ``neigh`` and ``areas``: who we are and whom we know.

Contract: what an NNCP tool would refuse is an error here; what it would pass over is a warning.

Spec: NNCP manual, Configuration file (self, neigh, call, areas).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.config.nncp_fields import Findings, Section
from gateway.config.nncp_online import read_online
from gateway.errors import BadIdentifier
from gateway.ids import ID_BYTES, NICE_MAX, NodeId
from gateway.nodes import Ack, Area, Freq, Node
from gateway.packet.keys import KEY_BYTES, SIGNING_KEY_BYTES, PrivateKeys, PublicKeys, node_id_of
from gateway.packet.padding import UNLIMITED_BYTES
from gateway.schedule.call import DEADLINE_SECONDS


@dataclass(frozen=True, slots=True)
class _Draft:
    """A neighbour whose ``via`` is not looked up yet."""

    node: Node
    via: tuple[str, ...]


def read_self(section: Section) -> PrivateKeys | None:
    """Read our own keys; None when one is missing or malformed, which is noted."""
    node_id = section.key_bytes("id", ID_BYTES)
    exchpub = section.key_bytes("exchpub", KEY_BYTES)
    exchprv = section.key_bytes("exchprv", KEY_BYTES)
    signpub = section.key_bytes("signpub", KEY_BYTES)
    signprv = section.key_bytes("signprv", SIGNING_KEY_BYTES)
    noisepub = section.key_bytes("noisepub", KEY_BYTES)
    noiseprv = section.key_bytes("noiseprv", KEY_BYTES)
    section.finish()
    if (
        node_id is None
        or exchpub is None
        or exchprv is None
        or signpub is None
        or signprv is None
        or noisepub is None
        or noiseprv is None
    ):
        return None
    return PrivateKeys(NodeId(node_id), exchpub, exchprv, signpub, signprv, noisepub, noiseprv)


def read_neighbours(root: Section, deadline_seconds: int = DEADLINE_SECONDS) -> dict[str, Node]:
    """Read ``neigh``.

    Args:
        root: the configuration.
        deadline_seconds: of online sessions, where nothing else is said.

    Returns:
        The neighbours that are whole; the others are noted as errors.
    """
    neigh = root.names("neigh")
    if neigh is None:
        return {}
    drafts: dict[str, _Draft] = {}
    names = neigh.unread()
    for name in names:
        section = neigh.required_section(name)
        draft = None if section is None else _read_neighbour(name, section, deadline_seconds)
        if draft is not None:
            drafts[name] = draft
    ids = {name: draft.node.id for name, draft in drafts.items()}
    _warn_of_shared_ids(neigh, ids)
    # Those with a fault of their own have a name all the same.
    known = {name: ids.get(name) for name in names}
    return {name: _with_via(draft, known, neigh.findings) for name, draft in drafts.items()}


def read_areas(root: Section, nodes: Mapping[str, Node]) -> dict[str, Area]:
    """Read ``areas``.

    Returns:
        The areas that have an id; faults are noted.
    """
    known: dict[str, NodeId | None] = {name: node.id for name, node in nodes.items()}
    areas: dict[str, Area] = {}
    for name, section in root.named_sections("areas"):
        area = _read_area(name, section, known)
        if area is not None:
            areas[name] = area
    return areas


def resolve_names(
    findings: Findings, path: str, names: tuple[str, ...], known: Mapping[str, NodeId | None]
) -> tuple[NodeId, ...]:
    """Look up nodes by name, else by id.

    Args:
        findings: where unknown ones are noted.
        path: the key that lists them.
        names: names or ids.
        known: all names; the id is None where the node itself is faulty.
    """
    ids = {node_id for node_id in known.values() if node_id is not None}
    found: list[NodeId] = []
    for number, name in enumerate(names):
        node_id = known.get(name)
        if name not in known:
            try:
                node_id = NodeId.parse(name)
            except BadIdentifier:
                node_id = None
            if node_id not in ids:
                findings.refuse(f"{path}.{number}", f"unknown node {name!r}, allowed: names and ids of neigh")
                continue
        if node_id is not None:
            found.append(node_id)
    return tuple(found)


def _read_area(name: str, section: Section, known: Mapping[str, NodeId | None]) -> Area | None:
    area_id = section.key_bytes("id", ID_BYTES)
    public = section.key_bytes("pub", KEY_BYTES, is_required=False)
    private = section.key_bytes("prv", KEY_BYTES, is_required=False)
    if private is not None and public is None:
        section.refuse("prv", "a private key without pub, allowed: both, pub alone, or none")
    subs = resolve_names(section.findings, f"{section.path}.subs", section.texts("subs") or (), known)
    # Unlike a neighbour's, it may be relative, in Go too.
    incoming = section.text("incoming")
    handles = _read_exec(section)
    is_unknown_allowed = section.flag("allow-unknown")
    section.finish()
    if area_id is None:
        return None
    return Area(
        name, NodeId(area_id), public, private, subs, incoming or None, handles, bool(is_unknown_allowed)
    )


def _read_neighbour(name: str, section: Section, deadline_seconds: int) -> _Draft | None:
    node_id = section.key_bytes("id", ID_BYTES)
    exchpub = section.key_bytes("exchpub", KEY_BYTES)
    signpub = section.key_bytes("signpub", KEY_BYTES)
    noisepub = section.key_bytes("noisepub", KEY_BYTES, is_required=False)
    incoming = section.absolute_path("incoming")
    handles = _read_exec(section)
    freq = _read_freq(section)
    via = section.texts("via") or ()
    ack = _read_ack(section)
    online = read_online(section, deadline_seconds)
    section.finish()
    if node_id is None or exchpub is None or signpub is None:
        return None
    keys = PublicKeys(NodeId(node_id), exchpub, signpub, noisepub)
    if node_id_of(signpub) != keys.id:
        section.warn("id", "does not belong to signpub, of which it should be the hash")
    return _Draft(Node(name, keys, incoming, handles, freq, ack=ack, online=online), via)


def _with_via(draft: _Draft, known: Mapping[str, NodeId | None], findings: Findings) -> Node:
    node = draft.node
    via = resolve_names(findings, f"neigh.{node.name}.via", draft.via, known)
    return dataclasses.replace(node, via=via)


def _warn_of_shared_ids(neigh: Section, ids: Mapping[str, NodeId]) -> None:
    first: dict[NodeId, str] = {}
    for name, node_id in ids.items():
        if node_id in first:
            neigh.warn(name, f"has the same id as {first[node_id]}")
        first.setdefault(node_id, name)


def _read_exec(section: Section) -> dict[str, tuple[str, ...]]:
    handles = section.names("exec")
    if handles is None:
        return {}
    commands: dict[str, tuple[str, ...]] = {}
    for handle in handles.unread():
        command = handles.texts(handle)
        if command:
            commands[handle] = command
        elif command is not None:
            handles.warn(handle, "an empty command, taken as if the handle were absent")
    return commands


def _read_freq(section: Section) -> Freq:
    freq = section.section("freq")
    if freq is None:
        return Freq()
    maxsize_bytes = freq.kib("maxsize")
    found = Freq(
        path=freq.absolute_path("path"),
        chunked_bytes=freq.kib("chunked", minimum=1) or 0,
        minsize_bytes=freq.kib("minsize") or 0,
        maxsize_bytes=UNLIMITED_BYTES if maxsize_bytes is None else min(maxsize_bytes, UNLIMITED_BYTES),
    )
    freq.finish()
    return found


def _read_ack(section: Section) -> Ack:
    ack = section.section("ack")
    if ack is None:
        return Ack()
    minsize_bytes, nice = ack.kib("minsize"), ack.nice("nice")
    ack.finish()
    return Ack(NICE_MAX if nice is None else nice, minsize_bytes or 0)
