"""Tells the operator of this node, by one mail for many messages, what a limit of size holds.

Where the operator's mailbox has no route, the mail log is all there is.
"""

from collections.abc import Callable, Sequence
from itertools import groupby

from gateway.maillog import log_mail
from gateway.message.envelope import Envelope
from gateway.message.operator_mail import HeldItem, write_operator_mail
from gateway.msgqueue.entry import NewMessage, Role, Target
from gateway.msgqueue.held import HeldDelivery, HeldMail, OperatorTold
from gateway.msgqueue.store import Queue

MAIL_LIMIT_COUNT = 200
"""Recipients that one mail tells of."""


class OperatorTeller:
    """Tells the operator.

    Args:
        queue: the open queue.
        hostname: our host name.
        operator: the mailbox; "": the mail log is enough.
        find_way: where mail for an address goes, or None: nowhere.
        name_of: the name of a node by the text of its id.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        hostname: str,
        operator: str,
        find_way: Callable[[str], Target | None],
        name_of: Callable[[str], str],
    ) -> None:
        self._queue = queue
        self._held = HeldMail(queue)
        self._hostname = hostname
        self._operator = operator
        self._find_way = find_way
        self._name_of = name_of

    def run_once(self) -> int:
        """Tell of everything that is held and was not told of.

        Returns:
            How many recipients that is.

        Raises:
            StoreError: the queue refused; what was told stays told.
        """
        told_count = 0
        while held := self._held.untold(MAIL_LIMIT_COUNT):
            told_count += len(held)
            way = self._find_way(self._operator) if self._operator else None
            if way is None:
                told = OperatorTold.NO_ROUTE if self._operator else OperatorTold.NOBODY
                self._held.mark(held, told)
                self._log(held, None)
                continue
            mail = self._write(held, way)
            if self._held.tell(held, mail, Role.INBOX if way.node is None else Role.OUTBOX):
                self._log(held, mail.id)
        return told_count

    def _write(self, held: Sequence[HeldDelivery], way: Target) -> NewMessage:
        mail_id = self._queue.new_id()
        message_id = f"{mail_id}.held@{self._hostname}"
        content = write_operator_mail(
            hostname=self._hostname,
            operator=way.recipient,
            message_id=message_id,
            date_seconds=self._queue.clock.wall(),
            items=[self._item(list(group)) for _, group in groupby(held, key=_message_and_link)],
        )
        envelope = Envelope(
            "", (way.recipient,), is_8bit=not content.isascii(), is_smtputf8=not way.recipient.isascii()
        )
        return NewMessage(mail_id, envelope, (way,), content, f"<{message_id}>", self._hostname)

    def _item(self, group: Sequence[HeldDelivery]) -> HeldItem:
        first = group[0]
        direction = "to" if first.role is Role.OUTBOX else "from"
        return HeldItem(
            queue_id=first.message_id,
            sender=first.sender,
            recipients=tuple(each.recipient for each in group),
            link=f"{direction} node {self._name_of(first.node)}",
            text=first.text,
        )

    def _log(self, held: Sequence[HeldDelivery], mail_id: str | None) -> None:
        for each in held:
            log_mail(
                "held",
                id=each.message_id,
                from_=each.sender,
                to=each.recipient,
                node=self._name_of(each.node),
                size=each.size_bytes,
                text=each.text,
                report=mail_id,
            )


def _message_and_link(held: HeldDelivery) -> tuple[str, str]:
    return held.message_id, held.node
