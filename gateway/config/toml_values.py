"""The kinds of values that may stand in ``gateway.toml``, and what an error says is allowed.

Contract: whatever a reader of ours refuses is told in its own words; no value is ever printed.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gateway.errors import GatewayError
from gateway.ids import parse_nice
from gateway.message.address import check_mailbox
from gateway.routing.access import AccessList
from gateway.routing.table import Local, Refuse, Rule, Table
from gateway.schedule.window import parse_window

KIB = 1 << 10
MIB = 1 << 20
DAY_SECONDS = 86_400

HOST_NAME = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
_ENDPOINT = re.compile(r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s:\[\]/]+):(\d{1,5})", re.ASCII)
_TEMPLATE_FIELD = re.compile(r"\{(?:local|domain)\}")
PORT_LIMIT = 65_535
UNIX_PREFIX = "unix:"

Result = TypeVar("Result")


def count_field(default: int, low: int, high: int) -> Any:
    """A key whose value is a whole number."""
    return Field(default=default, ge=low, le=high, description=f"a whole number from {low} to {high}")


def bytes_field(default: int, low: int, high: int = 1 << 50) -> Any:
    """A key whose value is a number of bytes."""
    return Field(default=default, ge=low, le=high, description=f"a number of bytes from {low} to {high}")


def seconds_field(default: float, low: float = 0.1, high: float = 400 * DAY_SECONDS) -> Any:
    """A key whose value is a time in seconds."""
    return Field(default=default, ge=low, le=high, description=f"seconds, from {low:g} to {high:g}")


def days_field(default: float, low: float = 0) -> Any:
    """A key whose value is a time in days."""
    return Field(default=default, ge=low, le=100_000, description=f"days, from {low:g} to 100000")


def link_bytes_field() -> Any:
    """A key whose value is the size above which a message is held."""
    return Field(
        default=None,
        ge=KIB,
        le=1 << 50,
        description=f"a number of bytes from {KIB} to {1 << 50}; left out: nothing is held",
    )


def level_field(default: Any) -> Any:
    """A key whose value is a level of compression."""
    return Field(default=default, ge=1, le=22, description="a zstd level, a whole number from 1 to 22")


def _read_nice(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a number or a text")  # noqa: TRY004 - pydantic takes ValueError
    return _told(parse_nice, str(value))


def _check_endpoint(text: str) -> str:
    found = _ENDPOINT.fullmatch(text)
    if found is None or int(found[2]) > PORT_LIMIT:
        raise ValueError("is not ADDRESS:PORT")
    return text


def _check_server(text: str) -> str:
    is_socket = text.startswith(UNIX_PREFIX) and len(text) > len(UNIX_PREFIX)
    return text if is_socket else _check_endpoint(text)


def _check_network(text: str) -> str:
    _told(AccessList.parse, [text])
    return text


def _check_pattern(text: str) -> str:
    _told(Table.from_rules, [Rule(text, Local())])
    return text


def _check_local_domain(text: str) -> str:
    if "@" in text or text == "*":
        raise ValueError("is not a domain")
    return _check_pattern(text)


def _check_maildir_path(text: str) -> str:
    fixed = _TEMPLATE_FIELD.sub("", text)
    if not text or "{" in fixed or "}" in fixed or ".." in text.split("/"):
        raise ValueError("is not usable as a path")
    return text


def _check_command(words: list[str]) -> list[str]:
    if not words[0].startswith("/"):
        raise ValueError("does not begin with an absolute path")
    return words


def _check_refusal(text: str) -> str:
    _told(Table.from_rules, [Rule("x.invalid", Refuse("5.7.1", text))])
    return text


def _check_operator(text: str) -> str:
    if text:
        _told(partial(check_mailbox, is_utf8_allowed=True), text)
    return text


def _check_window(text: str) -> str:
    _told(parse_window, text)
    return text


def _told(read: Callable[[Any], Result], value: object) -> Result:
    """Let a reader of ours speak through pydantic, which takes ValueErrors only."""
    try:
        return read(value)
    except GatewayError as error:
        raise ValueError(str(error).partition("allowed:")[0].rstrip("; ")) from None


Nice = Annotated[int, BeforeValidator(_read_nice)]
Endpoint = Annotated[str, AfterValidator(_check_endpoint)]
Server = Annotated[str, AfterValidator(_check_server)]
Network = Annotated[str, AfterValidator(_check_network)]
Pattern = Annotated[str, AfterValidator(_check_pattern)]
Mailbox = Annotated[str, AfterValidator(_check_operator)]
LocalDomain = Annotated[str, AfterValidator(_check_local_domain)]
MaildirPath = Annotated[str, AfterValidator(_check_maildir_path)]
CommandWords = Annotated[list[str], Field(min_length=1), AfterValidator(_check_command)]
RefusalText = Annotated[str, AfterValidator(_check_refusal)]
WindowText = Annotated[str, AfterValidator(_check_window)]


class Section(BaseModel):
    """A table of the file; unknown keys are errors, and no value is ever printed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)
