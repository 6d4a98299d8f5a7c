"""What an endpoint for mail is told: where it listens, whom it serves, and its limits."""

from dataclasses import dataclass, field

from gateway.errors import ConfigError
from gateway.ingest.unix_socket import UnixSocket
from gateway.message.address import is_domain, shown
from gateway.routing.access import AccessList

DEFAULT_PORT = 2525
Address = tuple[str, int]

_POSITIVE = (
    "max_message_bytes",
    "max_recipients",
    "max_connections",
    "idle_seconds",
    "data_seconds",
    "max_hops",
    "max_errors",
    "max_idle_commands",
)


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Settings of one endpoint that speaks SMTP or LMTP.

    Args:
        hostname: our name in the greeting and in Received fields.
        section: the table of the configuration it is set by, for errors.
        listen: addresses and ports; port 0 takes any free one.
        listen_tls: the same, where a connection begins with TLS.
        unix: a unix socket, or None.
        relay_from: clients that may hand mail in; every other recipient is refused.
        max_message_bytes: largest content of a message, without the Received field we add.
        max_recipients: most recipients of one message.
        max_inflight_bytes: content held in memory for all connections together.
        max_connections: connections served at a time; one more is told to come back.
        idle_seconds: how long a client may take for a command, or for the next bytes of a message.
        data_seconds: how long a client may take for a whole message.
        stop_seconds: how long a stop waits for messages that are being taken in.
        max_hops: Received fields a message may come with.
        max_errors: protocol errors until a client is sent away, counted from its last message.
        max_idle_commands: commands such as NOOP and RSET, counted alike, until each is an error.

    Raises:
        ConfigError: a value that can not work.
    """

    hostname: str
    section: str = "smtp"
    listen: tuple[Address, ...] = (("127.0.0.1", DEFAULT_PORT),)
    listen_tls: tuple[Address, ...] = ()
    unix: UnixSocket | None = None
    relay_from: AccessList = field(default_factory=AccessList)
    max_message_bytes: int = 50 << 20
    max_recipients: int = 1000
    max_inflight_bytes: int = 256 << 20
    max_connections: int = 500
    idle_seconds: float = 300.0
    data_seconds: float = 7200.0
    stop_seconds: float = 30.0
    max_hops: int = 50
    max_errors: int = 20
    max_idle_commands: int = 100

    def __post_init__(self) -> None:
        section = self.section
        if not is_domain(self.hostname):
            text = f"{section}.hostname {shown(self.hostname)}"
            raise ConfigError(f"{text}: allowed: a host name such as gw.example.org")
        if not self.listen and not self.listen_tls and self.unix is None:
            raise ConfigError(f"{section}.listen is empty: allowed: one address with a port, or more")
        for host, port in (*self.listen, *self.listen_tls):
            if not 0 <= port <= 65535:  # noqa: PLR2004 - the range of a port
                raise ConfigError(f"{section}.listen {host}:{port}: allowed: a port from 0 to 65535")
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ConfigError(f"{section}.{name} is {getattr(self, name)}: allowed: more than 0")
        if self.stop_seconds < 0:
            raise ConfigError(f"{section}.stop_seconds is {self.stop_seconds}: allowed: 0 or more")
        if self.max_inflight_bytes < self.max_message_bytes:
            raise ConfigError(
                f"{section}.max_inflight_bytes is {self.max_inflight_bytes}: allowed: at least"
                f" {section}.max_message_bytes, which is {self.max_message_bytes}"
            )
