"""What tables of ``gateway.toml`` about ways in have in common: places, sockets, who may come, logins."""

from typing import Any

from pydantic import Field

from gateway.config.toml_values import DAY_SECONDS, Section, count_field, seconds_field

LOOPBACK = ("127.0.0.0/8", "::1/128")


def places_field(examples: str, otherwise: str) -> Any:
    """A key whose value says at which addresses something listens.

    Args:
        examples: one or more, in quotes.
        otherwise: what follows them, such as what an empty list means.
    """
    return Field(default_factory=list, description=f"a list of ADDRESS:PORT, such as [{examples}]{otherwise}")


def networks_field() -> Any:
    """A key whose value says which hosts may do something: those of this machine, if it is left out."""
    return Field(
        default_factory=lambda: list(LOOPBACK),
        description='a list of addresses and networks, such as ["127.0.0.0/8", "192.0.2.0/24"]',
    )


def socket_mode_field(rights: str) -> Any:
    """The key ``socket_mode``.

    Args:
        rights: what whoever may write may do.
    """
    return Field(
        default="0660",
        pattern=r"^0?[0-7]{3}$",
        description=f'permissions of the socket in octal, such as "0660"; whoever may write may {rights}',
    )


def socket_group_field(example: str) -> Any:
    """The key ``socket_group``."""
    return Field(default="", description=f'the group that owns the socket, such as "{example}"; "": our own')


class SocketSection(Section):
    """What a unix socket is made with."""

    socket: str | None = Field(
        default=None,
        min_length=1,
        description="path of a unix socket in a directory that exists, beside this file if relative",
    )
    socket_mode: str
    socket_group: str


class LoginSection(Section):
    """How an endpoint proves who it is, how users log in, and what becomes of those who can't."""

    certificate: str | None = Field(
        default=None, min_length=1, description="path of a PEM file, beside this file if relative"
    )
    key: str | None = Field(
        default=None,
        min_length=1,
        description="path of a PEM file, beside this file if relative; left out: in that of the certificate",
    )
    cleartext_on_loopback: bool = Field(
        default=False, description="true or false: whether programs of this machine may log in without TLS"
    )
    max_failures: int = count_field(3, 1, 100)
    failure_delay_seconds: float = seconds_field(2.0, 0, 60)
    bar_after_failures: int = count_field(20, 1, 10_000)
    bar_seconds: float = seconds_field(900.0, 1, 30 * DAY_SECONDS)
