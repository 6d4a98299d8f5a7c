"""Mail for the address that takes requests about feeds of news: it is done here, and goes no further.

Contract: only mail that a neighbour's packet brought counts, and it counts as that neighbour's, whoever its
sender is. Mail that a program wrote is taken and does nothing, so that programs never write to each other.
"""

from collections.abc import Callable

from gateway.deliver.target import Body
from gateway.errors import BadIdentifier
from gateway.ids import NodeId
from gateway.message.mail_text import TEXT_LIMIT_BYTES, read_mail_text
from gateway.msgqueue.entry import Outcome, QueuedMessage, Success, Verdict
from gateway.newsdesk.remote import RemoteDesk

NOT_ALLOWED_STATUS = "5.7.1"


class NewsfixMail:
    """Does what mails ask for.

    Args:
        desk: does it.
        origin_of: text of the id of the node that brought a message, by its place in the queue.
    """

    def __init__(self, desk: RemoteDesk, origin_of: Callable[[int], str]) -> None:
        self._desk = desk
        self._origin_of = origin_of

    def deliver(self, message: QueuedMessage, body: Body) -> Outcome:
        """Do what one mail asks for; when this returns, it is on disk.

        Raises:
            GatewayError: the disk refused, or the mail could not be read.
        """
        node = _node_of(self._origin_of(message.seq))
        if node is None or self._desk.feed_of(node) is None:
            text = "only a neighbour that may decide about its feed of news can ask here"
            return Outcome(Verdict.REFUSED, NOT_ALLOWED_STATUS, text)
        mail = read_mail_text(_beginning(body))
        if mail.is_automatic or not message.envelope.sender:
            return Outcome(Verdict.DELIVERED, "2.0.0", "written by a program: nothing is done")
        is_new = self._desk.take(f"mail:{message.id}", node, mail.text, message.envelope.sender)
        text = "done" if is_new else "was done before"
        return Outcome(Verdict.DELIVERED, "2.0.0", text, Success.DELIVERED)


def _beginning(body: Body) -> bytes:
    data = bytearray()
    for chunk in body():
        data += chunk[: TEXT_LIMIT_BYTES - len(data)]
        if len(data) >= TEXT_LIMIT_BYTES:
            break
    return bytes(data)


def _node_of(text: str) -> NodeId | None:
    try:
        return NodeId.parse(text)
    except BadIdentifier:
        return None
