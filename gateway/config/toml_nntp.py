"""What may stand in the table of ``gateway.toml`` that says where news is taken in and read."""

from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.config.toml_listening import (
    LoginSection,
    SocketSection,
    networks_field,
    places_field,
    socket_group_field,
    socket_mode_field,
)
from gateway.config.toml_news import WILDMAT_ALLOWED, Groups
from gateway.config.toml_values import (
    DAY_SECONDS,
    KIB,
    MIB,
    Endpoint,
    Network,
    bytes_field,
    count_field,
    seconds_field,
)
from gateway.errors import GatewayError
from gateway.message.address import check_mailbox
from gateway.nntp.injection import MODERATORS, moderator_address
from gateway.nntp.wildmat import Wildmat


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


class NntpSection(SocketSection, LoginSection):
    """``[nntp]``: the endpoint for news servers and newsreaders; it needs ``[news]``."""

    listen: list[Endpoint] = places_field('"[::]:119"', "; empty: nowhere")
    listen_tls: list[Endpoint] = places_field('"[::]:563"', ", where connections begin with TLS")
    socket_mode: str = socket_mode_field("feed and post")
    socket_group: str = socket_group_field("news")
    read_from: list[Network] = networks_field()
    post_from: list[Network] = networks_field()
    passwords: str | None = Field(
        default=None,
        min_length=1,
        description="path of a file, beside this one if relative;"
        " left out: news-passwords in the state directory",
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
