"""What fills the two messages of the handshake, so that they do not tell how much is waiting.

HALT frames, since the send queue that they clear is empty still. Go NNCP stops half-way: the bound
of its loop shrinks while it appends. Who wants to look like Go must do the same.

Spec: NNCP 8 manual, Sync protocol.
"""

from collections.abc import Callable, Mapping

from gateway.link.envelope import MESSAGE_LIMIT_BYTES
from gateway.link.frames import HALT
from gateway.link.settings import Padding


def handshake_filler(padding: Padding, used_bytes: int) -> bytes:
    """What follows the INFO frames of a handshake's message.

    Args:
        padding: how much.
        used_bytes: the INFO frames, MESSAGE_LIMIT_BYTES at most.

    Spec: NNCP 8 manual, Sync protocol.
    """
    return HALT * _HALT_COUNT[padding]((MESSAGE_LIMIT_BYTES - used_bytes) // len(HALT))


_HALT_COUNT: Mapping[Padding, Callable[[int], int]] = {
    Padding.NONE: lambda _room_count: 0,
    Padding.GO: lambda room_count: (room_count + 1) // 2,
    Padding.FULL: lambda room_count: room_count,
}
