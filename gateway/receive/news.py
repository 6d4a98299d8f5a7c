"""The handle ``rnews``: takes in the batches of news that neighbours send.

As for mail, a call that returns means that the packet can go, and one that raises that it must
stay; see ``gateway.receive.receiver``. A batch that is cut short or whose counts are wrong is kept in
the quarantine whole, and nothing of it is taken: INN's own rnews reports success and loses the rest.
"""

from collections.abc import Mapping

from gateway.durable import Disk
from gateway.errors import BadBatch, CutShortBatch, GatewayError, MessageError
from gateway.ids import NodeId
from gateway.maillog import log_mail
from gateway.msgqueue.payload import DIRECTORY_NAME as STAGING_NAME
from gateway.msgqueue.payload import Payload, stage_payload
from gateway.newsdesk.batches import BatchDesk
from gateway.newsdesk.desk import Origin
from gateway.receive import quarantine
from gateway.receive.quarantine import Quarantine, Source
from gateway.receive.receiver import CUT_SHORT_STATUS, Receipt, Reception
from gateway.receive.unpack import CutShort

RNEWS = "rnews"
BATCH_MARK = b"#!"
NOT_ACCEPTED_STATUS = "5.7.1"


class NewsReceiver:
    """Takes payloads of news in.

    Args:
        batches: decides about them.
        disk: how files are changed.
        origins: the neighbours and areas that may send news.
        max_batch_bytes: of a payload, decompressed.
        max_quarantine_bytes: of all payloads set aside.
    """

    def __init__(
        self,
        batches: BatchDesk,
        disk: Disk,
        origins: Mapping[NodeId, Origin],
        *,
        max_batch_bytes: int,
        max_quarantine_bytes: int,
    ) -> None:
        self._batches = batches
        self._disk = disk
        self._origins = origins
        self._max_batch_bytes = max_batch_bytes
        directory = batches.queue.directory
        self._quarantine = Quarantine(
            directory / quarantine.DIRECTORY_NAME, directory / STAGING_NAME, disk, max_quarantine_bytes
        )

    def begin(self, source: Source) -> Reception:
        """Begin to take in a payload that comes piece by piece.

        Raises:
            StoreError: the disk refused.
        """
        queue = self._batches.queue
        payload = stage_payload(queue.directory, self._disk)
        return Reception(payload, self._max_batch_bytes, queue.check_room, source, self.finish)

    def finish(self, payload: Payload, source: Source) -> Receipt:
        """Take in a payload that is staged whole.

        Raises:
            GatewayError: the packet must stay.
        """
        origin = self._origins.get(source.sender)
        if origin is None:
            text = f"{source.sender_name} is no neighbour that news is taken from"
            return self._set_aside(payload, source, MessageError(text, status=NOT_ACCEPTED_STATUS))
        try:
            batch = self._batches.examine(payload)
            if source.packet is None and not _has_own_end(payload):
                raise CutShortBatch("the article does not end in a line end")
        except CutShortBatch as error:
            if source.packet is None:
                raise CutShort(f"{error}; the packet is kept", status=CUT_SHORT_STATUS) from None
            return self._set_aside(payload, source, error)
        except BadBatch as error:
            return self._set_aside(payload, source, error)
        taken = self._batches.take(batch, origin, node=source.sender, packet=source.packet)
        if taken.is_duplicate:
            log_mail("duplicate", node=source.sender_name, packet=_packet_text(source))
        return Receipt(taken.is_duplicate, taken.new_count, taken.refused_count)

    def _set_aside(self, payload: Payload, source: Source, why: GatewayError) -> Receipt:
        kept_as = self._quarantine.keep(payload, source, why, self._batches.queue.clock.wall())
        log_mail(
            "quarantined",
            node=source.sender_name,
            packet=_packet_text(source),
            handle=source.handle,
            quarantine=kept_as,
            status=why.status,
            text=str(why),
        )
        return Receipt(quarantine_id=kept_as)


def _has_own_end(payload: Payload) -> bool:
    """Whether a payload shows that it is whole: a batch does by its counts, an article by its last line."""
    return payload.last_byte == b"\n" or next(payload.chunks(), b"").startswith(BATCH_MARK)


def _packet_text(source: Source) -> str | None:
    return None if source.packet is None else source.packet.text
