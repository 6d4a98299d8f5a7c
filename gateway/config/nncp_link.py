"""Reads ``link`` of a neighbour or of one of its calls: how the link with it behaves.

Contract: the key is ours; the Go tools pass it over, so that one file serves both. A call has what its
neighbour says, but for the keys it names itself. ``thin`` changes what counts where nothing is said.

Spec: docs/howto/thin-links.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from gateway.config.nncp_fields import Section
from gateway.schedule.call import CHUNK_LIMIT_BYTES, PADDINGS, THIN, Link

KEY = "link"

_SECONDS = " of seconds"
_BYTES = " of bytes"

LinkValues = Mapping[str, str | int | bool]
"""What was said, by the fields of ``Link``."""


def read_link(section: Section, inherited: LinkValues) -> LinkValues:
    """Read ``link``.

    Args:
        section: the neighbour, or the call.
        inherited: what the neighbour of a call says; empty for the neighbour itself.
    """
    link = section.section(KEY)
    if link is None:
        return inherited
    found = {field: read(link) for field, read in _READERS.items()}
    link.finish()
    return {**inherited, **{field: value for field, value in found.items() if value is not None}}


def link_of(values: LinkValues, deadline_seconds: int) -> Link:
    """The settings that follow from what was said.

    Args:
        values: what was said.
        deadline_seconds: of the environment: steps of a session may take so long.
    """
    start = THIN if values.get("is_thin") else Link()
    start = replace(
        start,
        handshake_seconds=max(start.handshake_seconds, deadline_seconds)
        if start.is_thin
        else deadline_seconds,
        stall_seconds=max(start.stall_seconds, deadline_seconds) if start.is_thin else deadline_seconds,
    )
    return replace(start, **values)  # type: ignore[arg-type] # each reader gives its field's type


def _flag(key: str, link: Section) -> bool | None:
    # False is as absent, like all flags of NNCP: the directory form has no other word for it.
    return link.flag(key) or None


def _padding(key: str, link: Section) -> str | None:
    text = link.text(key)
    if text is not None and text not in PADDINGS:
        link.refuse(key, f"allowed: {', '.join(PADDINGS)}")
        return None
    return text


def _integer(key: str, minimum: int, unit: str, link: Section) -> int | None:
    return link.integer(key, minimum, _LIMIT, unit)


def _chunk(key: str, link: Section) -> int | None:
    size_bytes = link.integer(key, 1, unit=_BYTES)
    if size_bytes is not None and size_bytes > CHUNK_LIMIT_BYTES:
        link.refuse(key, f"allowed: a whole number of bytes from 1 to {CHUNK_LIMIT_BYTES}")
        return None
    return size_bytes


_LIMIT = 1 << 53
_READERS: Mapping[str, Callable[[Section], str | int | bool | None]] = {
    "is_thin": partial(_flag, "thin"),
    "padding": partial(_padding, "padding"),
    "ping_seconds": partial(_integer, "ping-interval", 0, _SECONDS),
    "handshake_seconds": partial(_integer, "handshake-deadline", 1, _SECONDS),
    "stall_seconds": partial(_integer, "stall-deadline", 1, _SECONDS),
    "silence_seconds": partial(_integer, "silence-deadline", 0, _SECONDS),
    "budget_bytes": partial(_integer, "max-bytes", 0, _BYTES),
    "chunk_bytes": partial(_chunk, "chunk"),
}
