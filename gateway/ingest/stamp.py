"""The trace field that a message from a local program gets, and what its header is checked for."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.errors import MailLoop
from gateway.message.header import header_section_end, header_value, hop_count, received_line, rfc5322_date

HEADER_LOOK_BYTES = 256 << 10
"""How much of a message is searched for header fields; Received fields stand in front."""
PROTOCOL = "local"
UTF8_PROTOCOL = "UTF8SMTP"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the trace field says of us, and what is allowed.

    Args:
        hostname: our name.
        max_hops: Received fields a message may come with.
        wall: the time, seconds since 1970.
    """

    hostname: str
    max_hops: int
    wall: Callable[[], float] = time.time

    def received(self, queue_id: str, sender: str, recipients: Sequence[str]) -> bytes:
        """The trace field of a message.

        Args:
            queue_id: its name in the queue.
            sender: of the envelope.
            recipients: all of them; an only one is named.
        """
        now = self.wall()
        is_ascii = sender.isascii() and all(map(str.isascii, recipients))
        return received_line(
            from_helo="",
            from_ip="",
            by=self.hostname,
            protocol=PROTOCOL if is_ascii else UTF8_PROTOCOL,
            queue_id=queue_id,
            for_recipient=recipients[0] if len(recipients) == 1 else None,
            unix_seconds=now,
            utc_offset_seconds=time.localtime(now).tm_gmtoff,
        )

    def date(self) -> str:
        """This moment, for a Date field."""
        now = self.wall()
        return rfc5322_date(now, time.localtime(now).tm_gmtoff)

    def check(self, head: bytes) -> str:
        """Look at the beginning of a message, without our field; returns its Message-ID, or "".

        Raises:
            MailLoop: it came through too many hops.
        """
        header = head[: header_section_end(head)]
        hops = hop_count(header)
        if hops > self.max_hops:
            raise MailLoop(f"too many hops: {hops} Received fields, {self.max_hops} are allowed")
        return header_value(header, "Message-ID") or ""
