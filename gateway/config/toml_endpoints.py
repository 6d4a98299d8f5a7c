"""What may stand in the tables of ``gateway.toml`` that say where mail is taken in."""

from pydantic import Field, model_validator

from gateway.config.toml_values import (
    DAY_SECONDS,
    KIB,
    MIB,
    Endpoint,
    Network,
    Pattern,
    Section,
    bytes_field,
    count_field,
    seconds_field,
)


class SmtpSection(Section):
    """``[smtp]``: the endpoint that takes mail in."""

    listen: list[Endpoint] = Field(
        default_factory=list,
        description='a list of ADDRESS:PORT, such as ["127.0.0.1:2525", "[::1]:2525"]; empty: no endpoint',
    )
    relay_from: list[Network] = Field(
        default_factory=lambda: ["127.0.0.0/8", "::1/128"],
        description='a list of addresses and networks, such as ["127.0.0.0/8", "192.0.2.0/24"]',
    )
    max_message_bytes: int = bytes_field(50 * MIB, KIB)
    max_recipients: int = count_field(1000, 1, 100_000)
    max_inflight_bytes: int = bytes_field(256 * MIB, KIB)
    max_connections: int = count_field(500, 1, 100_000)
    idle_seconds: float = seconds_field(300.0, 1, DAY_SECONDS)
    data_seconds: float = seconds_field(7200.0, 1, 30 * DAY_SECONDS)
    stop_seconds: float = seconds_field(30.0, 0, DAY_SECONDS)
    max_hops: int = count_field(50, 1, 1000)
    max_errors: int = count_field(20, 1, 10_000)

    @model_validator(mode="after")
    def _one_message_fits(self) -> "SmtpSection":
        if self.max_inflight_bytes < self.max_message_bytes:
            raise ValueError("has max_inflight_bytes below max_message_bytes; allowed: at least as much")
        return self


class LmtpSection(Section):
    """``[lmtp]``: the endpoint for the mail server of this machine; its limits are those of ``[smtp]``."""

    listen: list[Endpoint] = Field(
        default_factory=list,
        description='a list of ADDRESS:PORT, such as ["127.0.0.1:2424"]; empty: not over TCP',
    )
    relay_from: list[Network] = Field(
        default_factory=lambda: ["127.0.0.0/8", "::1/128"],
        description='a list of addresses and networks, such as ["127.0.0.0/8", "192.0.2.0/24"]',
    )
    socket: str | None = Field(
        default=None,
        min_length=1,
        description="path of a unix socket in a directory that exists, beside this file if relative",
    )
    socket_mode: str = Field(
        default="0660",
        pattern=r"^0?[0-7]{3}$",
        description='permissions of the socket in octal, such as "0660"; whoever may write may hand mail in',
    )
    socket_group: str = Field(
        default="", description='the group that owns the socket, such as "postfix"; "": our own'
    )


class SubmissionSection(Section):
    """``[submission]``: the endpoint for users with a password; its limits are those of ``[smtp]``."""

    listen: list[Endpoint] = Field(
        default_factory=list,
        description='a list of ADDRESS:PORT, such as ["[::]:587"]; empty: nowhere',
    )
    listen_tls: list[Endpoint] = Field(
        default_factory=list,
        description='a list of ADDRESS:PORT, such as ["[::]:465"], where connections begin with TLS',
    )
    certificate: str | None = Field(
        default=None, min_length=1, description="path of a PEM file, beside this file if relative"
    )
    key: str | None = Field(
        default=None,
        min_length=1,
        description="path of a PEM file, beside this file if relative; left out: in that of the certificate",
    )
    passwords: str | None = Field(
        default=None,
        min_length=1,
        description="path of a file, beside this one if relative; left out: passwords in the state directory",
    )
    cleartext_on_loopback: bool = Field(
        default=False, description="true or false: whether programs of this machine may log in without TLS"
    )
    max_failures: int = count_field(3, 1, 100)
    failure_delay_seconds: float = seconds_field(2.0, 0, 60)
    bar_after_failures: int = count_field(20, 1, 10_000)
    bar_seconds: float = seconds_field(900.0, 1, 30 * DAY_SECONDS)
    senders: dict[str, list[Pattern]] = Field(
        default_factory=dict,
        description='a table such as alice = ["alice@example.org", ".example.org"]: whom a user may send as',
    )
