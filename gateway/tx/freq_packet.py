"""Make file requests: packets that ask another node for one of its files.

Contract: the packet is in the spool only when ``send_freq`` returned.
"""

from dataclasses import dataclass

from gateway.ids import NICE_BULK, NICE_NORMAL
from gateway.packet.plain import PacketType, PlainHeader
from gateway.tx.posting import Post
from gateway.tx.sealing import Outside, SealedPacket


@dataclass(frozen=True, slots=True)
class FreqRequest:
    """What is asked for.

    Args:
        source: path below the ``freq.path`` that the other node has for us; up to 255 bytes.
        destination: path below our incoming.
        nice: niceness of the request.
        reply_nice: niceness that the file is asked to be sent with.
        minsize_bytes: pad the request up to this size.
    """

    source: bytes
    destination: bytes
    nice: int = NICE_NORMAL
    reply_nice: int = NICE_BULK
    minsize_bytes: int = 0


def send_freq(post: Post, request: FreqRequest) -> SealedPacket:
    """Queue a file request.

    Args:
        post: sends one packet.
        request: what is asked for.

    Raises:
        TooLarge: the source's path passes 255 bytes.
        StoreError: the disk refused; no packet was made.
    """
    plain = PlainHeader(PacketType.FREQ, request.reply_nice, request.source)
    return post(Outside(request.nice, request.minsize_bytes), plain, [request.destination])
