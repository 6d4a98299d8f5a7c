"""From ``[receive]``, and what neighbours and areas may send, to settings of the receiver."""

from collections.abc import Mapping, Sequence

from gateway.config.toml_rights import RightsKeys, SenderKeys
from gateway.config.toml_schema import GatewayFile, RouteSection
from gateway.ids import NodeId
from gateway.message.bsmtp_dialogue import BatchLimits
from gateway.nodes import Area, Node
from gateway.receive.receiver import ReceiveSettings
from gateway.routing.rights import Addresses, Rate, Rights, sample_of
from gateway.routing.table import ANY


def receive_settings(
    file: GatewayFile,
    hostname: str,
    own_id: NodeId,
    *,
    neighbours: Mapping[str, Node],
    areas: Mapping[str, Area],
) -> ReceiveSettings:
    """How the receiver works.

    Args:
        file: ``gateway.toml``.
        hostname: our name in mail.
        own_id: our node.
        neighbours: those that have a table of their own, by name.
        areas: all that we know, by name.

    Raises:
        ConfigError: a value that can not work.
    """
    section = file.receive
    rights = {node.id: _rights(file, name, neighbours) for name, node in neighbours.items()}
    rights |= {area.id: _own_rights(file.area[name]) for name, area in areas.items() if name in file.area}
    return ReceiveSettings(
        own_name=hostname,
        local_domains=local_patterns(file),
        own_id=own_id,
        max_hops=section.max_hops,
        max_own_hops=section.max_own_hops,
        rights=rights,
        areas=frozenset(area.id for area in areas.values()),
        limits=BatchLimits(
            recipient_count=section.max_recipients,
            message_bytes=section.max_message_bytes,
            message_count=section.max_messages,
        ),
        max_batch_bytes=section.max_batch_bytes,
        max_quarantine_bytes=section.max_quarantine_bytes,
    )


def local_patterns(file: GatewayFile) -> tuple[str, ...]:
    """What is delivered here, by either way to say so; domains stand in front of addresses."""
    by_route = [
        route.pattern for route in file.route if route.local and route.pattern.rpartition("@")[2] != ANY
    ]
    domains = [pattern.lower() for pattern in (*file.deliver.all_domains, *by_route) if "@" not in pattern]
    addresses = [pattern for pattern in by_route if "@" in pattern]
    return tuple(dict.fromkeys((*domains, *addresses)))


def _rights(file: GatewayFile, name: str, neighbours: Mapping[str, Node]) -> Rights:
    section = file.neighbour[name]
    return _own_rights(
        section,
        relay_to=Addresses(tuple(section.relay_to)),
        is_sent_back=section.relay_back,
        reports_to=frozenset(
            node.id for other, node in neighbours.items() if _may_write_to(file, other, name)
        ),
    )


def _own_rights(
    section: SenderKeys,
    *,
    relay_to: Addresses | None = None,
    is_sent_back: bool = False,
    reports_to: frozenset[NodeId] = frozenset(),
) -> Rights:
    return Rights(
        senders=_addresses(section.senders),
        recipients=_addresses(section.recipients),
        relay_to=relay_to or Addresses(),
        reports_to=reports_to,
        is_sent_back=is_sent_back,
        max_message_bytes=section.max_receive_bytes,
        rate=Rate(section.receive_messages_per_hour, section.receive_bytes_per_hour),
    )


def _addresses(patterns: list[str] | None) -> Addresses | None:
    return None if patterns is None else Addresses(tuple(patterns))


def _nodes_of(route: RouteSection) -> Sequence[str]:
    return (route.nodes or ()) if route.node is None else (route.node,)


def _may_write_to(file: GatewayFile, name: str, other: str) -> bool:
    """Whether a neighbour may reach another through us."""
    section: RightsKeys = file.neighbour[name]
    open_to = Addresses(tuple(section.relay_to))
    to_other = (route.pattern for route in file.route if other in _nodes_of(route))
    return any(sample_of(pattern) in open_to for pattern in to_other)
