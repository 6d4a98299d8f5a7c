"""From ``[batch]``, ``[neighbour.NAME]`` and ``[[route]]`` to how mail is routed and travels."""

from collections.abc import Mapping
from typing import Any

from gateway.batch.policy import BatchSettings, LanePolicy, Niceness
from gateway.config.toml_schema import BatchKeys, GatewayFile, RouteSection
from gateway.ids import NodeId
from gateway.msgqueue.entry import Form
from gateway.nodes import Node
from gateway.routing.table import Local, Refuse, ToNode
from gateway.schedule.window import parse_window

REFUSED_STATUS = "5.7.1"

_BATCH_KEYS = {
    "max_messages": "max_count",
    "max_bytes": "max_bytes",
    "max_age_seconds": "max_age_seconds",
    "level": "level",
    "window_log": "window_log",
    "packet_min_bytes": "minsize_bytes",
}
"""Keys of the file and the fields of ``LanePolicy`` they set."""
_NICE_KEYS = {
    "urgent_nice": "urgent",
    "bulk_nice": "bulk",
    "large_nice": "large",
    "large_bytes": "large_bytes",
}
"""Keys of the file and the fields of ``Niceness`` they set."""


def batch_settings(file: GatewayFile, neighbours: Mapping[str, Node]) -> BatchSettings:
    """How mail travels.

    Args:
        file: ``gateway.toml``.
        neighbours: those that have a table in it, by their names.
    """
    default, niceness = _values(file.batch, _BATCH_KEYS), _values(file.batch, _NICE_KEYS)
    by_node: dict[NodeId, LanePolicy] = {}
    for name, node in neighbours.items():
        section = file.neighbour[name]
        by_node[node.id] = LanePolicy(
            form=Form(section.understands),
            niceness=Niceness(section.nice, **{**niceness, **_values(section, _NICE_KEYS)}),
            is_in_service=section.in_service,
            **{**default, **_windows(file.batch), **_values(section, _BATCH_KEYS), **_windows(section)},
        )
    return BatchSettings(
        default=LanePolicy(niceness=Niceness(**niceness), **default, **_windows(file.batch)),
        by_node=by_node,
        flush_interval_seconds=file.batch.flush_interval_seconds,
    )


def action_of(route: RouteSection) -> ToNode | Local | Refuse:
    """What is done with mail for a pattern."""
    if route.nodes:
        first, *others = route.nodes
        return ToNode(first, tuple(others), route.nice)
    if route.node is not None:
        return ToNode(route.node, (), route.nice)
    if route.refuse is not None:
        return Refuse(route.status or REFUSED_STATUS, route.refuse)
    return Local()


def _values(section: BatchKeys, keys: Mapping[str, str]) -> dict[str, Any]:
    values = {field: getattr(section, key) for key, field in keys.items()}
    return {field: value for field, value in values.items() if value is not None}


def _windows(section: BatchKeys) -> dict[str, Any]:
    if section.windows is None:
        return {}
    return {"windows": tuple(parse_window(text) for text in section.windows)}
