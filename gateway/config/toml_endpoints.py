"""What may stand in the tables of ``gateway.toml`` that say where mail is taken in."""

from pydantic import Field, model_validator

from gateway.config.toml_listening import (
    LoginSection,
    SocketSection,
    networks_field,
    places_field,
    socket_group_field,
    socket_mode_field,
)
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

    listen: list[Endpoint] = places_field('"127.0.0.1:2525", "[::1]:2525"', "; empty: no endpoint")
    relay_from: list[Network] = networks_field()
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


class LmtpSection(SocketSection):
    """``[lmtp]``: the endpoint for the mail server of this machine; its limits are those of ``[smtp]``."""

    listen: list[Endpoint] = places_field('"127.0.0.1:2424"', "; empty: not over TCP")
    relay_from: list[Network] = networks_field()
    socket_mode: str = socket_mode_field("hand mail in")
    socket_group: str = socket_group_field("postfix")


class SubmissionSection(LoginSection):
    """``[submission]``: the endpoint for users with a password; its limits are those of ``[smtp]``."""

    listen: list[Endpoint] = places_field('"[::]:587"', "; empty: nowhere")
    listen_tls: list[Endpoint] = places_field('"[::]:465"', ", where connections begin with TLS")
    passwords: str | None = Field(
        default=None,
        min_length=1,
        description="path of a file, beside this one if relative; left out: passwords in the state directory",
    )
    senders: dict[str, list[Pattern]] = Field(
        default_factory=dict,
        description='a table such as alice = ["alice@example.org", ".example.org"]: whom a user may send as',
    )
