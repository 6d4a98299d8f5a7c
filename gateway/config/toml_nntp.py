"""What may stand in the table of ``gateway.toml`` that says where news is taken in and read."""

from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.config.toml_news import WILDMAT_ALLOWED, Groups
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
from gateway.errors import GatewayError
from gateway.message.address import check_mailbox
from gateway.nntp.injection import MODERATORS, moderator_address
from gateway.nntp.wildmat import Wildmat

_NETWORKS_ALLOWED = 'a list of addresses and networks, such as ["127.0.0.0/8", "192.0.2.0/24"]'


def _check_moderator(text: str) -> str:
    groups, mark, address = text.partition(":")
    try:
        Wildmat.parse(groups)
        check_mailbox(moderator_address(address, "a.b"), is_utf8_allowed=False)
    except GatewayError as error:
        raise ValueError(str(error).partition("allowed:")[0].rstrip("; ")) from None
    if not mark:
        raise ValueError("is not PATTERN:ADDRESS")
    return text


Moderator = Annotated[str, AfterValidator(_check_moderator)]


class NntpSection(Section):
    """``[nntp]``: the endpoint for news servers and newsreaders; it needs ``[news]``."""

    listen: list[Endpoint] = Field(
        default_factory=list,
        description='a list of ADDRESS:PORT, such as ["[::]:119"]; empty: nowhere',
    )
    listen_tls: list[Endpoint] = Field(
        default_factory=list,
        description='a list of ADDRESS:PORT, such as ["[::]:563"], where connections begin with TLS',
    )
    socket: str | None = Field(
        default=None,
        min_length=1,
        description="path of a unix socket in a directory that exists, beside this file if relative",
    )
    socket_mode: str = Field(
        default="0660",
        pattern=r"^0?[0-7]{3}$",
        description='permissions of the socket in octal, such as "0660"; whoever may write may feed and post',
    )
    socket_group: str = Field(
        default="", description='the group that owns the socket, such as "news"; "": our own'
    )
    read_from: list[Network] = Field(
        default_factory=lambda: ["127.0.0.0/8", "::1/128"], description=_NETWORKS_ALLOWED
    )
    post_from: list[Network] = Field(
        default_factory=lambda: ["127.0.0.0/8", "::1/128"], description=_NETWORKS_ALLOWED
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
        description="path of a file, beside this one if relative; left out: that of [submission]",
    )
    cleartext_on_loopback: bool = Field(
        default=False, description="true or false: whether programs of this machine may log in without TLS"
    )
    newnews: bool = Field(default=False, description="true or false: whether NEWNEWS is served")
    moderated: Groups = Field(default="", description=f'{WILDMAT_ALLOWED}; "": none')
    moderators: list[Moderator] = Field(
        default_factory=lambda: [f"*:{MODERATORS}"],
        description='a list of PATTERN:ADDRESS, such as ["local.*:mod@example.org"]; %s: the group',
    )
    complaints_to: str = Field(
        default="",
        pattern=r"^$|^[!-~]+@[!-~]+$",
        max_length=254,
        description='an address for Injection-Info of what is posted here; "": none',
    )
    max_connections: int = count_field(100, 1, 100_000)
    max_inflight_bytes: int = bytes_field(64 * MIB, KIB)
    idle_seconds: float = seconds_field(600.0, 1, DAY_SECONDS)
    data_seconds: float = seconds_field(7200.0, 1, 30 * DAY_SECONDS)
    stop_seconds: float = seconds_field(30.0, 0, DAY_SECONDS)
    max_failures: int = count_field(3, 1, 100)
    failure_delay_seconds: float = seconds_field(2.0, 0, 60)
    bar_after_failures: int = count_field(20, 1, 10_000)
    bar_seconds: float = seconds_field(900.0, 1, 30 * DAY_SECONDS)
