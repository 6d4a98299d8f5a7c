"""What may stand in the tables of ``gateway.toml`` that say where mail is taken in."""

from pydantic import Field, model_validator

from gateway.config.toml_values import (
    DAY_SECONDS,
    KIB,
    MIB,
    Endpoint,
    Network,
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
