"""What may stand in ``gateway.toml`` about what neighbours, and those who write to areas, may send."""

from pydantic import Field

from gateway.config.toml_values import KIB, Pattern, Section

PER_HOUR_LIMIT = 1_000_000_000
_PATTERNS = 'a list of addresses, domains, .domain for sub-domains, or "*"'


class SenderKeys(Section):
    """As whom, to whom here, how large and how much."""

    senders: list[Pattern] | None = Field(
        default=None, description=f'{_PATTERNS}, such as ["example.org", ".example.org"]; left out: anybody'
    )
    recipients: list[Pattern] | None = Field(
        default=None, description=f"{_PATTERNS}; left out: everybody who is delivered here"
    )
    max_receive_bytes: int | None = Field(
        default=None,
        ge=KIB,
        le=1 << 50,
        description=f"a number of bytes from {KIB} to {1 << 50}; left out: as max_message_bytes of [receive]",
    )
    receive_messages_per_hour: int | None = Field(
        default=None,
        ge=1,
        le=PER_HOUR_LIMIT,
        description=f"a whole number from 1 to {PER_HOUR_LIMIT}; left out: any number",
    )
    receive_bytes_per_hour: int | None = Field(
        default=None,
        ge=KIB,
        le=1 << 50,
        description=f"a number of bytes from {KIB} to {1 << 50}; left out: any number",
    )


class RightsKeys(SenderKeys):
    """What a neighbour may send."""

    relay_to: list[Pattern] = Field(
        default_factory=list,
        description=f'{_PATTERNS}, such as ["c.example.org"]; empty: it reaches nobody through us',
    )
    relay_back: bool = Field(
        default=False,
        description="true or false: whether mail that the routes lead back to it is sent there",
    )


class AreaSection(SenderKeys):
    """``[area.NAME]``: what may be sent to an area by whom no neighbour answers for."""
