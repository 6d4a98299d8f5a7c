"""From ``[report]``, the operator and the sizes of links to settings of the queue and of the reporter."""

from collections.abc import Mapping

from gateway.config.toml_schema import GatewayFile, NeighbourSection
from gateway.config.toml_values import DAY_SECONDS
from gateway.ids import NodeId
from gateway.message.address import POSTMASTER
from gateway.msgqueue.insertion import SizeLimits
from gateway.report.reporter import ReportSettings


def report_settings(
    file: GatewayFile, hostname: str, local_domains: tuple[str, ...], inbox_expire_seconds: float
) -> ReportSettings:
    """When senders and the operator are told, and how.

    Args:
        file: ``gateway.toml``.
        hostname: our name in mail.
        local_domains: what is delivered here; ``.domain`` for those below one.
        inbox_expire_seconds: age at which what can't be delivered here is given up.
    """
    section = file.report
    domain = next((domain for domain in local_domains if domain[:1] != "."), hostname)
    operator = f"{POSTMASTER}@{domain}" if file.node.operator is None else file.node.operator
    return ReportSettings(
        hostname=hostname,
        delay_notice_seconds=section.delay_notice_seconds,
        expire_seconds=section.expire_days * DAY_SECONDS,
        inbox_expire_seconds=inbox_expire_seconds,
        nice=section.nice,
        return_bytes=section.return_max_bytes,
        operator=operator,
    )


def size_limits(sections: Mapping[NodeId, NeighbourSection]) -> SizeLimits:
    """Sizes above which messages are held.

    Args:
        sections: of the neighbours that have one.
    """
    return SizeLimits(
        outgoing={
            node.text: section.max_message_bytes
            for node, section in sections.items()
            if section.max_message_bytes is not None
        },
        incoming={
            node.text: section.hold_receive_bytes
            for node, section in sections.items()
            if section.hold_receive_bytes is not None
        },
    )
