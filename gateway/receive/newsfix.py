"""The handle ``newsfix``: takes a neighbour's request about its feed of news.

As for mail, a call that returns means that the packet can go; see ``gateway.receive.receiver``. The arguments
may name a mailbox for the answer.
"""

from gateway.durable import Disk
from gateway.errors import GatewayError, MessageError
from gateway.maillog import log_mail
from gateway.message.address import check_mailbox
from gateway.message.mail_text import TEXT_LIMIT_BYTES
from gateway.msgqueue.payload import DIRECTORY_NAME as STAGING_NAME
from gateway.msgqueue.payload import Payload, stage_payload
from gateway.newsdesk.remote import RemoteDesk
from gateway.receive import quarantine
from gateway.receive.quarantine import Quarantine, Source
from gateway.receive.receiver import Receipt, Reception

NEWSFIX = "newsfix"
NOT_ACCEPTED_STATUS = "5.7.1"
TOO_LARGE_STATUS = "5.3.4"
STAGED_LIMIT_BYTES = 1 << 20


class NewsfixReceiver:
    """Takes requests in.

    Args:
        desk: does what they ask for.
        disk: how files are changed.
        max_quarantine_bytes: of all payloads set aside.
    """

    def __init__(self, desk: RemoteDesk, disk: Disk, max_quarantine_bytes: int) -> None:
        self._desk = desk
        self._disk = disk
        directory = desk.queue.directory
        self._quarantine = Quarantine(
            directory / quarantine.DIRECTORY_NAME, directory / STAGING_NAME, disk, max_quarantine_bytes
        )

    def begin(self, source: Source) -> Reception:
        """Begin to take a request in that comes piece by piece.

        Raises:
            StoreError: the disk refused.
        """
        queue = self._desk.queue
        payload = stage_payload(queue.directory, self._disk)
        return Reception(payload, STAGED_LIMIT_BYTES, queue.check_room, source, self.finish)

    def finish(self, payload: Payload, source: Source) -> Receipt:
        """Take in a request that is staged whole.

        Raises:
            GatewayError: the packet must stay.
        """
        if self._desk.feed_of(source.sender) is None:
            text = f"{source.sender_name} decides nothing about its feed: remote_control is not set"
            return self._set_aside(payload, source, MessageError(text, status=NOT_ACCEPTED_STATUS))
        if payload.size_bytes > TEXT_LIMIT_BYTES:
            text = f"the request has {payload.size_bytes} bytes, {TEXT_LIMIT_BYTES} are read"
            return self._set_aside(payload, source, MessageError(text, status=TOO_LARGE_STATUS))
        packet = self._desk.queue.new_id() if source.packet is None else f"packet:{source.packet.text}"
        text = b"".join(payload.chunks()).decode("utf-8", "replace")
        is_new = self._desk.take(packet, source.sender, text, _mailbox(source.args))
        return Receipt(is_duplicate=not is_new)

    def _set_aside(self, payload: Payload, source: Source, why: GatewayError) -> Receipt:
        kept_as = self._quarantine.keep(payload, source, why, self._desk.queue.clock.wall())
        log_mail(
            "quarantined",
            node=source.sender_name,
            handle=source.handle,
            quarantine=kept_as,
            status=why.status,
            text=str(why),
        )
        return Receipt(quarantine_id=kept_as)


def _mailbox(args: tuple[bytes, ...]) -> str:
    """The mailbox that the arguments name; "": none that can be one."""
    try:
        text = args[0].decode("ascii")
        check_mailbox(text, is_utf8_allowed=False)
    except (IndexError, UnicodeDecodeError, MessageError):
        return ""
    return text
