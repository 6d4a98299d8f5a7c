"""What may stand in ``gateway.toml``: every key with its default and, in words, what is allowed.

Contract: a key that is not here is an error. Each key's ``description`` is what an error message
and ``docs/reference/config.md`` say is allowed. Units stand in the names of the keys.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.batch.policy import FLUSH_INTERVAL_SECONDS
from gateway.config.gateway_place import NNCP_NAME
from gateway.config.toml_endpoints import LmtpSection, SmtpSection, SubmissionSection
from gateway.config.toml_news import NeighbourNewsSection, NewsSection
from gateway.config.toml_nntp import NntpSection
from gateway.config.toml_rights import AreaSection, RightsKeys
from gateway.config.toml_values import (
    DAY_SECONDS,
    HOST_NAME,
    KIB,
    MIB,
    CommandWords,
    Endpoint,
    LocalDomain,
    Mailbox,
    MaildirPath,
    Nice,
    Pattern,
    RefusalText,
    Section,
    Server,
    WindowText,
    bytes_field,
    count_field,
    days_field,
    level_field,
    link_bytes_field,
    seconds_field,
)
from gateway.ids import NICE_ALLOWED, NICE_MAX, NICE_PRIORITY
from gateway.message.bsmtp_dialogue import MESSAGE_LIMIT_BYTES, MESSAGE_LIMIT_COUNT, RECIPIENT_LIMIT_COUNT
from gateway.report.reporter import NICE_CONTROL
from gateway.schedule import window

Understands = Literal["sendmail", "bsmtp", "gateway"]
Destination = Literal["smtp", "lmtp", "sendmail", "batch", "maildir"]
NeighbourName = Annotated[str, Field(min_length=1)]

_ACTIONS = ("node", "nodes", "local", "refuse")


class NodeSection(Section):
    """``[node]``: who we are and where our files are."""

    hostname: str | None = Field(
        default=None,
        pattern=rf"^{HOST_NAME}$",
        max_length=253,
        description="a host name such as mail.example.org; this machine's own name if left out",
    )
    nncp_config: str = Field(
        default=NNCP_NAME,
        min_length=1,
        description="path of the NNCP configuration, beside this file if relative",
    )
    state_directory: str = Field(
        default="state", min_length=1, description="path of a directory, beside this file if relative"
    )
    operator: Mailbox | None = Field(
        default=None,
        description='a mailbox such as admin@example.org, "": none; left out: postmaster of the first domain',
    )


class QueueSection(Section):
    """``[queue]``: how long things are kept, and what must stay free."""

    reserve_bytes: int = bytes_field(64 * MIB, 0)
    keep_finished_days: float = days_field(30)
    keep_batch_ids_days: float = days_field(400, 1)


class RouteSection(Section):
    """``[[route]]``: where mail for a pattern goes; the most exact pattern wins."""

    pattern: Pattern = Field(
        description="an address, a domain, .domain for its sub-domains, or * for everything else"
    )
    node: str | None = Field(
        default=None, min_length=1, description="the name of a neighbour in the NNCP configuration"
    )
    nodes: list[NeighbourName] | None = Field(
        default=None, min_length=1, description="a list of names of neighbours, the first choice first"
    )
    nice: Nice | None = Field(
        default=None, description=f"with node or nodes: a niceness: {NICE_ALLOWED}; left out: the neighbour's"
    )
    local: Literal[True] | None = Field(default=None, description="true: delivered here")
    refuse: RefusalText | None = Field(
        default=None, description="a text for the sender: 1 to 200 printable ASCII characters"
    )
    status: str | None = Field(
        default=None,
        pattern=r"^[45]\.\d{1,3}\.\d{1,3}$",
        description="with refuse: an RFC 3463 status such as 5.7.1, or 4.x.y to ask for another try",
    )

    @model_validator(mode="after")
    def _one_action(self) -> "RouteSection":
        chosen = [name for name in _ACTIONS if getattr(self, name) is not None]
        if len(chosen) != 1:
            raise ValueError(
                f"has {' and '.join(chosen) or 'no action'}; allowed: exactly one of {', '.join(_ACTIONS)}"
            )
        if self.nice is not None and self.node is None and self.nodes is None:
            raise ValueError("has nice without a node; allowed: nice only beside node or nodes")
        if self.status is not None and self.refuse is None:
            raise ValueError("has a status without refuse; allowed: status only beside refuse")
        return self


class BatchKeys(Section):
    """What decides when a batch is closed; ``[batch]``, and a neighbour's own values."""

    max_messages: int | None = Field(
        default=None, ge=1, le=100_000, description="a whole number from 1 to 100000"
    )
    max_bytes: int | None = Field(
        default=None,
        ge=KIB,
        le=1 << 40,
        description=f"a number of bytes from {KIB} to {1 << 40}, before compression",
    )
    max_age_seconds: float | None = Field(
        default=None, ge=0, le=365 * DAY_SECONDS, description="seconds, from 0 to 31536000"
    )
    level: int | None = level_field(None)
    window_log: int | None = Field(
        default=None, ge=10, le=29, description="a power of two from 10 to 29; the zstd window is that large"
    )
    packet_min_bytes: int | None = Field(
        default=None,
        ge=0,
        le=1 << 40,
        description="a number of bytes from 0; smaller packets are padded to it",
    )
    windows: list[WindowText] | None = Field(
        default=None, description=f"a list of {window.ALLOWED}; empty: at any time"
    )
    urgent_nice: Nice | None = Field(default=None, description=f"a niceness: {NICE_ALLOWED}")
    bulk_nice: Nice | None = Field(default=None, description=f"a niceness: {NICE_ALLOWED}")
    large_nice: Nice | None = Field(default=None, description=f"a niceness: {NICE_ALLOWED}")
    large_bytes: int | None = Field(
        default=None, ge=1, le=1 << 50, description=f"a number of bytes from 1 to {1 << 50}"
    )


class BatchSection(BatchKeys):
    """``[batch]``: when batches are closed."""

    flush_interval_seconds: float = seconds_field(FLUSH_INTERVAL_SECONDS, 0, DAY_SECONDS)


class NeighbourSection(BatchKeys, RightsKeys):
    """``[neighbour.NAME]``: what a neighbour understands, and its own batch limits."""

    understands: Understands = Field(
        default="sendmail",
        description='"sendmail" (stock: one message a packet), "bsmtp" (as exim -bS) or "gateway" (as we)',
    )
    nice: Nice = Field(default=NICE_PRIORITY, description=f"a niceness: {NICE_ALLOWED}")
    max_message_bytes: int | None = link_bytes_field()
    hold_receive_bytes: int | None = link_bytes_field()
    news: NeighbourNewsSection | None = Field(default=None, description="a table")
    in_service: bool = Field(
        default=True, description="true, or false: new mail goes to the next node of its route, or waits"
    )


class ReceiveSection(Section):
    """``[receive]``: what is taken from neighbours."""

    max_batch_bytes: int = bytes_field(1 << 30, KIB)
    max_message_bytes: int = bytes_field(MESSAGE_LIMIT_BYTES, KIB)
    max_messages: int = count_field(MESSAGE_LIMIT_COUNT, 1, 10_000_000)
    max_recipients: int = count_field(RECIPIENT_LIMIT_COUNT, 1, 10_000_000)
    max_hops: int = count_field(50, 1, 1000)
    max_own_hops: int = count_field(3, 0, 1000)
    max_quarantine_bytes: int = bytes_field(1 << 30, 0)


class PlaceKeys(Section):
    """Where mail for here goes, and how."""

    to: Destination = Field(
        default="smtp", description='"smtp", "lmtp", "sendmail", "batch" (as exim -bS) or "maildir"'
    )
    address: Server = Field(
        default="127.0.0.1:25",
        description='with to = "smtp" or "lmtp": HOST:PORT of the mail server, or unix:/PATH of its socket',
    )
    command: CommandWords | None = Field(
        default=None,
        description='with to = "sendmail" or "batch": a list, the absolute path of a command first',
    )
    connections: int = count_field(4, 1, 100)
    path: MaildirPath | None = Field(
        default=None,
        description='with to = "maildir": path of a Maildir in which {local} and {domain} may stand',
    )
    recipient_delimiter: str = Field(
        default="",
        max_length=1,
        description='with to = "maildir": one character such as "+": bob+lists goes to bob; "": none',
    )
    make_mailboxes: bool = Field(
        default=True,
        description='with to = "maildir": true, or false: mail for a Maildir that does not exist is refused',
    )
    timeout_seconds: float = seconds_field(300.0, 1, DAY_SECONDS)

    @model_validator(mode="after")
    def _is_complete(self) -> "PlaceKeys":
        if self.to == "maildir" and self.path is None:
            raise ValueError('has to = "maildir" but no path; allowed: path = "the Maildir"')
        return self


class OtherPlaceSection(PlaceKeys):
    """``[[deliver.other]]``: some domains that are delivered to another place."""

    domains: list[LocalDomain] = Field(
        min_length=1, description='a list of domains, such as ["example.org"]; .domain for sub-domains'
    )


class DeliverSection(PlaceKeys):
    """``[deliver]``: what happens to mail that arrives for here."""

    domains: list[LocalDomain] = Field(
        default_factory=list,
        description='a list of domains, such as ["example.org"]; .domain for sub-domains',
    )
    other: list[OtherPlaceSection] = Field(
        default_factory=list, description="tables [[deliver.other]], each with domains and where to"
    )
    first_wait_seconds: float = seconds_field(60.0)
    longest_wait_seconds: float = seconds_field(4 * 3600.0)
    max_age_seconds: float | None = Field(
        default=None,
        ge=0,
        le=400 * DAY_SECONDS,
        description="seconds, from 0 to 3.456e+07; left out: as expire_days of [report]",
    )
    max_attempts: int | None = Field(
        default=None, ge=1, le=1_000_000, description="a whole number from 1 to 1000000; left out: no limit"
    )

    @property
    def all_domains(self) -> list[str]:
        """What is delivered here, whatever place it goes to."""
        return [*self.domains, *(domain for other in self.other for domain in other.domains)]


class ReportSection(Section):
    """``[report]``: when senders are told, and how."""

    delay_notice_seconds: float = seconds_field(2.0 * DAY_SECONDS, 0)
    expire_days: float = days_field(28, 0.01)
    nice: Nice = Field(default=NICE_CONTROL, description=f"a niceness: {NICE_ALLOWED}")
    return_max_bytes: int = bytes_field(64 * KIB, 0, 16 * MIB)


class TossSection(Section):
    """``[toss]``: what is done with packets that arrive."""

    interval_seconds: float = seconds_field(5.0)
    retry_seconds: float = seconds_field(300.0)
    max_nice: Nice = Field(
        default=NICE_MAX, description=f"a niceness: {NICE_ALLOWED}; packets above it are left alone"
    )
    handler_timeout_seconds: float = seconds_field(3600.0, 1)
    max_payload_bytes: int = bytes_field(256 << 30, MIB)
    is_seen_marked: bool = Field(
        default=False,
        description="true or false: remember tossed packets, so that no carrier brings them again",
    )
    is_ack_made: bool = Field(
        default=False,
        description="true or false: acknowledge each packet that is done, so that its sender drops its copy",
    )


class OnlineSection(Section):
    """``[online]``: sessions with neighbours over connections."""

    listen: list[Endpoint] = Field(
        default_factory=list,
        description='a list of ADDRESS:PORT, such as ["[::]:5400"]; empty: nobody can call',
    )
    calls: bool = Field(
        default=False,
        description="true or false: call neighbours as their calls in the NNCP configuration say",
    )
    max_connections: int = count_field(128, 1, 100_000)


class LogSection(Section):
    """``[log]``: where lines go."""

    mail: str = Field(
        default="stderr",
        min_length=1,
        description='"stderr", or the path of a file, beside this one if relative',
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description='"debug", "info", "warning" or "error"'
    )


class GatewayFile(Section):
    """The whole file."""

    node: NodeSection = Field(default_factory=NodeSection, description="a table")
    queue: QueueSection = Field(default_factory=QueueSection, description="a table")
    smtp: SmtpSection = Field(default_factory=SmtpSection, description="a table")
    lmtp: LmtpSection = Field(default_factory=LmtpSection, description="a table")
    submission: SubmissionSection = Field(default_factory=SubmissionSection, description="a table")
    route: list[RouteSection] = Field(default_factory=list, description="tables headed [[route]]")
    neighbour: dict[NeighbourName, NeighbourSection] = Field(
        default_factory=dict, description="tables headed [neighbour.NAME]"
    )
    area: dict[NeighbourName, AreaSection] = Field(
        default_factory=dict, description="tables headed [area.NAME]"
    )
    batch: BatchSection = Field(default_factory=BatchSection, description="a table")
    receive: ReceiveSection = Field(default_factory=ReceiveSection, description="a table")
    deliver: DeliverSection = Field(default_factory=DeliverSection, description="a table")
    report: ReportSection = Field(default_factory=ReportSection, description="a table")
    toss: TossSection = Field(default_factory=TossSection, description="a table")
    online: OnlineSection = Field(default_factory=OnlineSection, description="a table")
    log: LogSection = Field(default_factory=LogSection, description="a table")
    news: NewsSection = Field(default_factory=NewsSection, description="a table")
    nntp: NntpSection = Field(default_factory=NntpSection, description="a table")
