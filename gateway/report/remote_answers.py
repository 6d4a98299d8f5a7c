"""Answers what neighbours asked of their feeds of news: from the database of news to the queue of mail.

An answer goes to a mailbox only if the routes lead there by way of the neighbour who asked: nobody is made to
get mail by somebody else's request. Otherwise the mail log is all there is.
"""

from collections.abc import Callable, Mapping

from gateway.errors import BadAddress
from gateway.ids import NodeId
from gateway.maillog import log_mail
from gateway.message.address import check_mailbox
from gateway.message.envelope import Envelope
from gateway.message.remote_mail import write_remote_mail
from gateway.msgqueue.entry import NewMessage, Role, Target
from gateway.msgqueue.remote import RemoteControl, Unanswered
from gateway.msgqueue.store import Queue

LOCK = "remote-answers"
PAGE_COUNT = 20

FindWayTo = Callable[[str, NodeId], Target | None]
"""Where mail for a mailbox goes if it goes to this neighbour; None: it does not."""


class RemoteAnswers:
    """Sends the answers.

    Args:
        news: the open queue of news.
        mail: the open queue of mail.
        hostname: our host name.
        sender: mailbox that requests go to; "": there is none.
        nodes: of the feeds, by name.
        find_way: where an answer goes.
    """

    def __init__(
        self,
        news: Queue,
        mail: Queue,
        *,
        hostname: str,
        sender: str,
        nodes: Mapping[str, NodeId],
        find_way: FindWayTo,
    ) -> None:
        self._control = RemoteControl(news)
        self._mail = mail
        self._hostname = hostname
        self._sender = sender or f"MAILER-DAEMON@{hostname}"
        self._nodes = nodes
        self._find_way = find_way

    def run_once(self) -> int:
        """Send what waits; returns how many answers went.

        Raises:
            StoreBusy: another process does.
            StoreError: a queue refused; what is not sent stays.
        """
        sent_count = 0
        with self._control.queue.lock(LOCK):
            while page := self._control.unanswered(PAGE_COUNT):
                for waiting in page:
                    sent_count += self._send(waiting)
                    self._control.mark_answered(waiting.id)
        return sent_count

    def _send(self, waiting: Unanswered) -> bool:
        way = self._way(waiting)
        if way is None:
            log_mail("unanswered", node=waiting.feed, to=waiting.answer_to or None, id=waiting.id)
            return False
        mail_id = self._mail.new_id()
        message_id = f"{mail_id}.news@{self._hostname}"
        content = write_remote_mail(
            hostname=self._hostname,
            sender=self._sender,
            recipient=way.recipient,
            message_id=message_id,
            date_seconds=self._mail.clock.wall(),
            answer=waiting.answer,
        )
        envelope = Envelope("", (way.recipient,), is_8bit=not content.isascii())
        message = NewMessage(mail_id, envelope, (way,), content, f"<{message_id}>", self._hostname)
        self._mail.put(message, Role.OUTBOX).result()
        log_mail("answered", node=waiting.feed, to=way.recipient, id=mail_id, message_id=message_id)
        return True

    def _way(self, waiting: Unanswered) -> Target | None:
        node = self._nodes.get(waiting.feed)
        try:
            check_mailbox(waiting.answer_to, is_utf8_allowed=False)
        except BadAddress:
            return None
        return None if node is None else self._find_way(waiting.answer_to, node)
