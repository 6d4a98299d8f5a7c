"""What the functions that toss one kind of packet work with."""

from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.nodes import Book
from gateway.spool.log import Log
from gateway.spool.store import Spool
from gateway.toss.exec_handler import HandlerLimits, Meanwhile
from gateway.toss.notice import Notice, send_notice
from gateway.toss.packet import ReceivedPacket
from gateway.toss.settings import FindInProcess, TossSettings

SENDMAIL_HANDLE = "sendmail"


@dataclass(frozen=True, slots=True)
class Work:
    """Who we are, where things lie, and how to toss.

    Args:
        book: who we are and whom we know.
        spool: where the packets lie.
        records: the log.
        settings: how to toss.
        find_in_process: gives the handler within this process for a configured command, or None.
        meanwhile: what may be done while a handler works on its input.
    """

    book: Book
    spool: Spool
    records: Log
    settings: TossSettings
    find_in_process: FindInProcess
    meanwhile: Meanwhile

    @property
    def limits(self) -> HandlerLimits:
        """What a process of ours may take."""
        settings = self.settings
        return HandlerLimits(settings.handler_timeout_seconds, settings.handler_output_limit_bytes)

    def notify(
        self, packet: ReceivedPacket, notice: Notice | None, subject: str, target: str, output: bytes = b""
    ) -> None:
        """Mail what a packet did; that it can't be mailed does not undo it.

        Args:
            packet: what did it.
            notice: whom to tell; None: nobody.
            subject: of the mail.
            target: what the log calls the packet's target.
            output: what a handler wrote.
        """
        sendmail = self.book.self_node.exec.get(SENDMAIL_HANDLE)
        if notice is None or not sendmail:
            return
        try:
            send_notice(sendmail, notice, subject, output, self.limits)
        except GatewayError as error:
            failed = packet.failed("rx-notify", error, target, "notifying")
            self.records.error(failed.who, failed.fields, failed.error, failed.message)
