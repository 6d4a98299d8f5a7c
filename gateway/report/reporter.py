"""The doer of this stage: tells senders of dead letters and of mail that waits for long.

Contract: a report is in the queue if and only if its deliveries are marked as told, since both are one
transaction. Failed recipients of one message are told together. Reports have the null sender and go where
the table of routes says for the sender's domain; where it says nothing, the reason is kept beside the
dead letter.

One process at a time reports. A fault of ours in one message is logged with its traceback and kept beside it.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from gateway.errors import StoreCorrupt, StoreError, UnknownNode
from gateway.ids import NICE_FLASH, NodeId
from gateway.maillog import log_mail
from gateway.message.dsn import (
    Action,
    Letterhead,
    Original,
    RecipientReport,
    choose_returned,
    header_of,
    write_report,
)
from gateway.message.envelope import Envelope
from gateway.msgqueue.entry import Lane, NewMessage, Role, Success, Target
from gateway.msgqueue.reports import Event, Reports, Told, Trouble, Troubled
from gateway.msgqueue.store import Queue
from gateway.report.held_notice import OperatorTeller
from gateway.report.rules import Case, content_type_of, why_untold
from gateway.routing.table import LocalRoute, Route, Table

LOCK = "report"
BOUNDARY_BYTES = 12
PAGE_COUNT = 100
HEADER_LIMIT_BYTES = 64 << 10
"""Of a message that does not come back whole."""
LATE_STATUS = "4.4.7"
"""RFC 3463: delivery time expired; of what waits without having been tried."""
LATE_TEXT = "it still waits for a carrier"
NICE_CONTROL = NICE_FLASH + 32
"""Reports leave before mail, and after what a person called urgent."""

_LOG = logging.getLogger(__name__)

FindLane = Callable[[Route], Lane]
NameOf = Callable[[NodeId], str]
WhyForeign = Callable[[str, str], Told | None]
"""Why a sender is not told of what a node or area (the text of its id) brought, or None: it is."""


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """When senders are told, and how.

    Args:
        hostname: our host name.
        delay_notice_seconds: age at which a sender is told that mail still waits; 0: never.
        expire_seconds: age at which what waits in the outbox is given up.
        inbox_expire_seconds: the same for mail that is delivered here, as the deliverer has it.
        nice: niceness of reports, unless mail for that node has a lower one.
        return_bytes: largest message that comes back whole.
        operator: mailbox of who is told of mail that is too large for its link; "": nobody by mail.
    """

    hostname: str
    delay_notice_seconds: float = 2 * 86_400.0
    expire_seconds: float = 28 * 86_400.0
    inbox_expire_seconds: float = 28 * 86_400.0
    nice: int = NICE_CONTROL
    return_bytes: int = 64 << 10
    operator: str = ""


@dataclass(slots=True)
class ReportResult:
    """What one run did.

    Args:
        expired_count: recipients given up because they waited for too long.
        bounce_count: reports of failures.
        delay_count: reports of delays.
        success_count: reports of what was delivered or passed on, where the sender asked for them.
        untold_count: recipients of which nobody is told.
        operator_count: held recipients of which the operator was told.
    """

    expired_count: int = 0
    bounce_count: int = 0
    delay_count: int = 0
    success_count: int = 0
    untold_count: int = 0
    operator_count: int = 0

    def count(self, event: Event) -> None:
        """Count a report."""
        self.bounce_count += event is Event.FAILED
        self.delay_count += event is Event.DELAYED
        self.success_count += event is Event.SUCCEEDED


class Reporter:
    """Tells senders.

    Args:
        queue: the open queue.
        settings: how.
        table: routes, for the way back.
        find_lane: destination and niceness of mail on a route.
        name_of: the name of a node.
        rng: cryptographic randomness.
        why_foreign: whose senders are not told, of the nodes that brought mail.
    """

    def __init__(
        self,
        queue: Queue,
        settings: ReportSettings,
        *,
        table: Table,
        find_lane: FindLane,
        name_of: NameOf,
        rng: Callable[[int], bytes],
        why_foreign: WhyForeign = lambda _origin, _sender: None,
    ) -> None:
        self._queue = queue
        self._why_foreign = why_foreign
        self._reports = Reports(queue)
        self._settings = settings
        self._table = table
        self._find_lane = find_lane
        self._name_of = name_of
        self._rng = rng
        self._operator = OperatorTeller(
            queue,
            hostname=settings.hostname,
            operator=settings.operator,
            find_way=self._way_back,
            name_of=lambda text: name_of(NodeId.parse(text)) if text else settings.hostname,
        )

    def run_once(self, *, is_late_looked_for: bool = True) -> ReportResult:
        """Give up what waited for too long, and tell everybody who has to be told.

        Args:
            is_late_looked_for: else senders are told of dead letters and held mail only, which costs next to
                nothing.

        Raises:
            StoreBusy: another process reports.
            StoreError: the queue refused; what was told stays told.
        """
        result = ReportResult()
        with self._queue.lock(LOCK):
            if is_late_looked_for:
                result.expired_count = self._reports.expire(
                    self._settings.expire_seconds, self._settings.inbox_expire_seconds
                )
            for troubled in _pages(lambda seq: self._reports.failed(PAGE_COUNT, after_seq=seq)):
                self._handle(Event.FAILED, troubled, result)
            for troubled in _pages(lambda seq: self._reports.succeeded(PAGE_COUNT, after_seq=seq)):
                for each in _by_success(troubled):
                    self._handle(Event.SUCCEEDED, each, result)
            for troubled in _pages(lambda seq: self._reports.held(PAGE_COUNT, after_seq=seq)):
                self._handle(Event.DELAYED, troubled, result)
            if is_late_looked_for:
                result.operator_count = self._operator.run_once()
                age_seconds = self._settings.delay_notice_seconds or None
                for troubled in _pages(
                    lambda seq: self._reports.late(age_seconds, PAGE_COUNT, after_seq=seq)
                ):
                    for each in _by_held(troubled):
                        self._handle(Event.DELAYED, each, result)
        return result

    def _handle(self, event: Event, troubled: Troubled, result: ReportResult) -> None:
        try:
            self._tell(event, troubled, result)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001
            # A bug of ours stays with its message, and the others are told of.
            _LOG.exception("message %s: a fault in the report about it", troubled.message.id)
            self._leave_untold(event, troubled, troubled.troubles, Told.FAULT, result)

    def _tell(self, event: Event, troubled: Troubled, result: ReportResult) -> None:
        body = b"" if event is Event.SUCCEEDED else self._read(troubled)
        wanted = []
        for told, troubles in self._sorted(event, troubled, body):
            if told is None:
                wanted += troubles
            else:
                self._leave_untold(event, troubled, troubles, told, result)
        if not wanted:
            return
        sender, origin = troubled.message.envelope.sender, self._reports.origin_of(troubled.message.seq)
        untold = self._why_foreign(origin, sender) if origin else None
        way = self._way_back(sender)
        if untold is not None or way is None:
            self._leave_untold(event, troubled, wanted, untold or Told.NO_ROUTE, result)
            return
        report = self._write(event, troubled, wanted, body, way)
        role = Role.INBOX if way.node is None else Role.OUTBOX
        if self._reports.report(event, wanted, report, role):
            result.count(event)
            self._log(troubled, wanted, report=report, node=way.node)

    def _sorted(
        self, event: Event, troubled: Troubled, body: bytes
    ) -> Iterator[tuple[Told | None, list[Trouble]]]:
        envelope, content_type = troubled.message.envelope, content_type_of(body)

        def why(trouble: Trouble) -> Told | None:
            options = envelope.options_of(trouble.recipient)
            return why_untold(Case(event, envelope.sender, content_type, trouble.status, options))

        judged = sorted((why(trouble) or "", trouble.seq, trouble) for trouble in troubled.troubles)
        for told, group in groupby(judged, key=lambda item: item[0]):
            yield Told(told) if told else None, [trouble for _, _, trouble in group]

    def _read(self, troubled: Troubled) -> bytes:
        """The message, or as much of its beginning as a report may need; empty: it is not here."""
        limit_bytes = max(self._settings.return_bytes, HEADER_LIMIT_BYTES)
        data = bytearray()
        if troubled.message.size_bytes:
            try:
                for chunk in self._queue.read_body(troubled.message.seq):
                    data += chunk[: limit_bytes - len(data)]
                    if len(data) >= limit_bytes:
                        break
            except StoreCorrupt as error:
                _LOG.warning("message %s: reported without its content: %s", troubled.message.id, error)
                return b""
        return bytes(data)

    def _way_back(self, sender: str) -> Target | None:
        """Where a report for a sender goes, or None: nowhere."""
        match self._table.route(sender):
            case LocalRoute():
                return Target(sender)
            case Route() as route:
                try:
                    lane = self._find_lane(route)
                except UnknownNode:
                    return None
                return Target(sender, lane.node, min(lane.nice, self._settings.nice))
            case _:
                return None

    def _write(
        self, event: Event, troubled: Troubled, troubles: Sequence[Trouble], body: bytes, way: Target
    ) -> NewMessage:
        report_id, settings, message = self._queue.new_id(), self._settings, troubled.message
        is_failure = event is Event.FAILED
        link_bytes = settings.return_bytes
        if way.node is not None:
            link_bytes = self._queue.limits.outgoing.get(way.node.text, link_bytes)
        if message.size_bytes <= min(settings.return_bytes, link_bytes, len(body)):
            returned, is_whole = choose_returned(body, message.envelope.options.ret, is_failure=is_failure)
        else:
            returned, is_whole = header_of(body), False
        head = Letterhead(
            settings.hostname,
            f"{report_id}.report@{settings.hostname}",
            f"report-{self._rng(BOUNDARY_BYTES).hex()}",
            self._queue.clock.wall(),
        )
        original = Original(
            sender=message.envelope.sender,
            message_id=message.message_id,
            envid=message.envelope.options.envid,
            queue_id=message.id,
            arrival_seconds=troubled.arrived_wall,
            origin=message.origin,
            returned=returned,
            is_whole=is_whole,
            is_smtputf8=message.envelope.is_smtputf8,
        )
        content = write_report(
            head, original, tuple(self._recipient(event, troubled, trouble) for trouble in troubles)
        )
        envelope = Envelope(
            "",
            (way.recipient,),
            is_8bit=not content.isascii(),
            is_smtputf8=not way.recipient.isascii(),
        )
        return NewMessage(report_id, envelope, (way,), content, f"<{head.message_id}>", settings.hostname)

    def _recipient(self, event: Event, troubled: Troubled, trouble: Trouble) -> RecipientReport:
        is_late = event is Event.DELAYED
        options = troubled.message.envelope.options_of(trouble.recipient)
        is_untried = is_late and not trouble.status.startswith("4")
        return RecipientReport(
            trouble.recipient,
            _action(event, trouble),
            LATE_STATUS if is_untried else trouble.status,
            LATE_TEXT if is_untried else trouble.text,
            orcpt=options.orcpt,
            where=self._where(trouble),
            last_attempt_seconds=None if is_untried or trouble.is_held else trouble.changed_wall,
            retry_until_seconds=self._give_up_wall(troubled) if is_late else None,
            is_held=trouble.is_held,
        )

    def _where(self, trouble: Trouble) -> str:
        hostname = self._settings.hostname
        if not trouble.node:
            return f"at {hostname}"
        return f"at {hostname}, on the way to node {self._name_of(NodeId.parse(trouble.node))}"

    def _give_up_wall(self, troubled: Troubled) -> float:
        is_out = troubled.role is Role.OUTBOX
        limit = self._settings.expire_seconds if is_out else self._settings.inbox_expire_seconds
        return self._queue.clock.wall() + max(0.0, limit - troubled.message.age_seconds)

    def _leave_untold(
        self,
        event: Event,
        troubled: Troubled,
        troubles: Sequence[Trouble],
        told: Told,
        result: ReportResult,
    ) -> None:
        self._reports.mark(event, troubles, told)
        result.untold_count += len(troubles)
        self._log(troubled, troubles, text=told)

    def _log(
        self,
        troubled: Troubled,
        troubles: Sequence[Trouble],
        *,
        report: NewMessage | None = None,
        node: NodeId | None = None,
        text: str | None = None,
    ) -> None:
        for trouble in troubles:
            log_mail(
                "unreported" if report is None else "reported",
                id=troubled.message.id,
                message_id=troubled.message.message_id,
                from_=troubled.message.envelope.sender,
                to=trouble.recipient,
                node=None if node is None else self._name_of(node),
                status=trouble.status or None,
                text=text,
                report=None if report is None else report.id,
            )


def _action(event: Event, trouble: Trouble) -> Action:
    if event is Event.SUCCEEDED:
        return Action.DELIVERED if trouble.success is Success.DELIVERED else Action.RELAYED
    return Action.FAILED if event is Event.FAILED else Action.DELAYED


def _by_success(troubled: Troubled) -> Iterator[Troubled]:
    """The message once for each kind of success, since a report tells of one."""
    for success in Success:
        troubles = tuple(trouble for trouble in troubled.troubles if trouble.success is success)
        if troubles:
            yield replace(troubled, troubles=troubles)


def _by_held(troubled: Troubled) -> Iterator[Troubled]:
    """The message once for what is held and once for what is not: a report tells of one."""
    for is_held in (False, True):
        troubles = tuple(trouble for trouble in troubled.troubles if trouble.is_held is is_held)
        if troubles:
            yield replace(troubled, troubles=troubles)


def _pages(read: Callable[[int], list[Troubled]]) -> Iterator[Troubled]:
    """Every message that a query finds, page by page, each once."""
    last_seq = 0
    while page := read(last_seq):
        yield from page
        last_seq = page[-1].message.seq
