"""What is known of the link with a neighbour, as values, and as the JSON that is kept of it.

Contract: decoding takes nothing on trust: whatever is not exactly such a record is ``StoreCorrupt``.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from gateway.errors import StoreCorrupt
from gateway.moment import Moment

RECORD_LIMIT_BYTES = 16 << 10
TEXT_LIMIT_CHARS = 500
"""Of an address or an error; what is longer is cut."""

SHORTEST_SECONDS = 0.01
"""What took less tells nothing of a speed."""

_VERSION = 1
_COUNT_LIMIT = 1 << 63

Value = TypeVar("Value")


class Role(StrEnum):
    """How a neighbour was met."""

    CALLER = "caller"
    """We called it."""
    LISTENER = "listener"
    """It called us."""
    XFER = "xfer"
    """Packets of it came through a directory."""
    BUNDLE = "bundle"
    """Packets of it came in a bundle."""


@dataclass(frozen=True, slots=True)
class Contact:
    """The neighbour proved to be there.

    Args:
        at: when, or when last.
        role: how it was met.
        address: where it was, or what it called from; the directory; of a bundle nothing.
    """

    at: Moment
    role: Role
    address: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody tried to meet the neighbour.

    Args:
        at: when.
        role: how.
        address: where.
        error: why that failed; "": it did not.
    """

    at: Moment
    role: Role
    address: str
    error: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong last.

    Args:
        at: when.
        text: what.
        row_count: how many attempts and sessions in a row failed until now; 0: one was good since.
    """

    at: Moment
    text: str
    row_count: int


@dataclass(frozen=True, slots=True)
class Session:
    """One session, over or not.

    Args:
        token: tells it from all others.
        role: who called.
        address: of the neighbour.
        began: when the neighbour had proved who it is.
        seconds: how long it lasts or lasted.
        received_bytes: on the wire.
        sent_bytes: on the wire.
        error: what ended it before its time; "": nothing, so far.
        idle_seconds: of it, at its end, nothing more was to be done; they do not count for the speed.
    """

    token: str
    role: Role
    address: str
    began: Moment
    seconds: float = 0.0
    received_bytes: int = 0
    sent_bytes: int = 0
    error: str = ""
    idle_seconds: float = 0.0

    @property
    def received_per_second(self) -> float:
        """Bytes a second from the neighbour."""
        return self._per_second(self.received_bytes)

    @property
    def sent_per_second(self) -> float:
        """Bytes a second to the neighbour."""
        return self._per_second(self.sent_bytes)

    def _per_second(self, size_bytes: int) -> float:
        busy_seconds = self.seconds - self.idle_seconds
        return size_bytes / busy_seconds if busy_seconds >= SHORTEST_SECONDS else 0.0


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over everything since the record was begun.

    Args:
        since: when that was.
        session_count: sessions in which the neighbour was met.
        failed_count: attempts that met nobody.
        seconds: of all sessions.
        received_bytes: on the wire.
        sent_bytes: on the wire.
    """

    since: Moment
    session_count: int = 0
    failed_count: int = 0
    seconds: float = 0.0
    received_bytes: int = 0
    sent_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Running:
    """A session as its process told it last.

    Args:
        pid: of that process.
        session: so far.
        told: when it was told.
        is_alive: False: the process is gone, and left the session unfinished.
    """

    pid: int
    session: Session
    told: Moment
    is_alive: bool = True


@dataclass(frozen=True, slots=True)
class History:
    """What came of the sessions and attempts that are over.

    Args:
        totals: the sums.
        contact: the last one, if there was any.
        attempt: the last one.
        fault: the last one.
        session: the last one.
    """

    totals: Totals
    contact: Contact | None = None
    attempt: Attempt | None = None
    fault: Fault | None = None
    session: Session | None = None

    def after_session(self, session: Session, ended: Moment) -> "History":
        """What is known when one more session is over."""
        totals = dataclasses.replace(
            self.totals,
            session_count=self.totals.session_count + 1,
            seconds=self.totals.seconds + session.seconds,
            received_bytes=self.totals.received_bytes + session.received_bytes,
            sent_bytes=self.totals.sent_bytes + session.sent_bytes,
        )
        return History(
            totals=totals,
            contact=Contact(ended, session.role, session.address),
            attempt=Attempt(session.began, session.role, session.address, ""),
            fault=self._fault_after(session.error, ended),
            session=session,
        )

    def after_failure(self, attempt: Attempt) -> "History":
        """What is known when one more attempt met nobody."""
        return dataclasses.replace(
            self,
            totals=dataclasses.replace(self.totals, failed_count=self.totals.failed_count + 1),
            attempt=attempt,
            fault=self._fault_after(attempt.error, attempt.at),
        )

    def after_contact(self, contact: Contact) -> "History":
        """What is known when packets came another way than by a session."""
        return dataclasses.replace(self, contact=contact)

    def _fault_after(self, error: str, at: Moment) -> Fault | None:
        if error:
            return Fault(at, error, 1 if self.fault is None else self.fault.row_count + 1)
        return None if self.fault is None else dataclasses.replace(self.fault, row_count=0)


def encode_history(history: History) -> bytes:
    """Write a history down."""
    return _encode(dataclasses.asdict(history))


def encode_running(running: Running) -> bytes:
    """Write a session down; whether its process lives is not written."""
    fields = dataclasses.asdict(running)
    del fields["is_alive"]
    return _encode(fields)


def decode_history(raw: bytes) -> History:
    """Read a history.

    Raises:
        StoreCorrupt: it is none.
    """
    fields = _decode(raw)
    return History(
        totals=_totals(fields.part("totals")),
        contact=fields.optional("contact", _contact),
        attempt=fields.optional("attempt", _attempt),
        fault=fields.optional("fault", _fault),
        session=fields.optional("session", _session),
    )


def decode_running(raw: bytes, *, is_alive: bool) -> Running:
    """Read a session.

    Args:
        raw: as it was written down.
        is_alive: whether its process lives.

    Raises:
        StoreCorrupt: it is none.
    """
    fields = _decode(raw)
    return Running(fields.count("pid"), _session(fields.part("session")), fields.moment("told"), is_alive)


class _Fields:
    """An object whose values are asked for one by one."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def text(self, key: str) -> str:
        value = self._values.get(key)
        if not isinstance(value, str):
            raise StoreCorrupt(f"{key} is no text")
        return value[:TEXT_LIMIT_CHARS]

    def count(self, key: str) -> int:
        value = self._values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _COUNT_LIMIT:
            raise StoreCorrupt(f"{key} is no count")
        return value

    def seconds(self, key: str) -> float:
        value = self._values.get(key)
        # Not a number fails the comparison too.
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < _COUNT_LIMIT:
            raise StoreCorrupt(f"{key} is no time")
        return float(value)

    def role(self) -> Role:
        try:
            return Role(self.text("role"))
        except ValueError:
            raise StoreCorrupt("role is none") from None

    def part(self, key: str) -> "_Fields":
        value = self._values.get(key)
        if not isinstance(value, dict):
            raise StoreCorrupt(f"{key} is no object")
        return _Fields(value)

    def optional(self, key: str, read: "Callable[[_Fields], Value]") -> Value | None:
        return None if self._values.get(key) is None else read(self.part(key))

    def moment(self, key: str) -> Moment:
        fields = self.part(key)
        return Moment(
            fields.seconds("wall_seconds"), fields.text("boot_id"), fields.seconds("uptime_seconds")
        )


def _contact(fields: _Fields) -> Contact:
    return Contact(fields.moment("at"), fields.role(), fields.text("address"))


def _attempt(fields: _Fields) -> Attempt:
    return Attempt(fields.moment("at"), fields.role(), fields.text("address"), fields.text("error"))


def _fault(fields: _Fields) -> Fault:
    return Fault(fields.moment("at"), fields.text("text"), fields.count("row_count"))


def _session(fields: _Fields) -> Session:
    return Session(
        token=fields.text("token"),
        role=fields.role(),
        address=fields.text("address"),
        began=fields.moment("began"),
        seconds=fields.seconds("seconds"),
        received_bytes=fields.count("received_bytes"),
        sent_bytes=fields.count("sent_bytes"),
        error=fields.text("error"),
        idle_seconds=fields.seconds("idle_seconds"),
    )


def _totals(fields: _Fields) -> Totals:
    return Totals(
        since=fields.moment("since"),
        session_count=fields.count("session_count"),
        failed_count=fields.count("failed_count"),
        seconds=fields.seconds("seconds"),
        received_bytes=fields.count("received_bytes"),
        sent_bytes=fields.count("sent_bytes"),
    )


def _encode(fields: dict[str, object]) -> bytes:
    return json.dumps({"version": _VERSION, **fields}).encode("ascii")


def _decode(raw: bytes) -> _Fields:
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError):
        raise StoreCorrupt("it is no JSON") from None
    if not isinstance(values, dict) or values.get("version") != _VERSION:
        raise StoreCorrupt(f"it is no record of version {_VERSION}")
    return _Fields(values)
