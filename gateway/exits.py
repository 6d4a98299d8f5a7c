"""From what happened to an exit status: the one table.

Who reads the status decides what it may be:

``PIPE``
    A mail server that hands a message to us (``send``, ``sendmail``, ``rmail``, ``rsmtp``, ``uux``).
    Postfix and Exim bounce the mail on
    nearly every status they do not know, so only a real fault of the data is permanent (65, 67,
    77); all else, a broken configuration and a bug of ours included, is 75: try again later.
``HANDLER``
    An NNCP tosser that runs ``receive``. It knows two answers: 0, the packet can go, and
    anything else, it stays. We say 75 for the latter.
``OWN``
    People and scripts: the codes of sysexits.h.

The ``nncp`` verbs are not in here: they end as the Go commands do.
"""

from enum import Enum, auto

from gateway.errors import (
    BadAddress,
    BadIdentifier,
    ConfigError,
    GatewayError,
    MessageError,
    PacketError,
    ProtocolError,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    UnknownNode,
    UsageFault,
)

OK = 0
USAGE = 64
DATA = 65
NO_USER = 67
NO_HOST = 68
UNAVAILABLE = 69
SOFTWARE = 70
IO = 74
TRY_LATER = 75
PROTOCOL = 76
NO_PERMISSION = 77
CONFIG = 78


class Caller(Enum):
    """Who reads the exit status."""

    PIPE = auto()
    HANDLER = auto()
    OWN = auto()


_OWN: tuple[tuple[type[BaseException], int], ...] = (
    (UsageFault, USAGE),
    (ConfigError, CONFIG),
    (UnknownNode, NO_HOST),
    (BadAddress, DATA),
    (BadIdentifier, DATA),
    (StoreBusy, TRY_LATER),
    (StoreFull, TRY_LATER),
    (StoreCorrupt, IO),
    (StoreError, IO),
    (PacketError, DATA),
    (MessageError, DATA),
    (ProtocolError, PROTOCOL),
    (GatewayError, UNAVAILABLE),
)
"""The first class that fits counts, so the narrow ones stand before the wide ones."""

_PIPE_BY_STATUS = {"5.1": NO_USER, "5.7": NO_PERMISSION}
"""For a message that is refused: what its RFC 3463 status says, by class and subject."""


def exit_status(error: BaseException | None, caller: Caller) -> int:
    """The status a command ends with.

    Args:
        error: what ended it, or None: it did its work. Anything that is not a ``GatewayError``
            is a bug of ours.
        caller: who reads the status.
    """
    if error is None:
        return OK
    if caller is Caller.HANDLER:
        return TRY_LATER
    if caller is Caller.PIPE:
        return _pipe_status(error)
    return next((status for kind, status in _OWN if isinstance(error, kind)), SOFTWARE)


def pipe_line(error: BaseException) -> str:
    """What a mail server is told beside ``exit_status``: ``D.S.N text``, without a line end.

    Postfix and Exim put it into the bounce or the log. The status is made temporary where the exit
    status says so.
    """
    if not isinstance(error, GatewayError):
        return f"4.3.0 internal error: {type(error).__name__}"
    is_permanent = _pipe_status(error) != TRY_LATER
    status = error.status if is_permanent or error.is_temporary else f"4{error.status[1:]}"
    return f"{status} {' '.join(str(error).split())}"


def _pipe_status(error: BaseException) -> int:
    if not isinstance(error, MessageError) or error.is_temporary:
        return TRY_LATER
    if isinstance(error, BadAddress):
        return DATA
    return _PIPE_BY_STATUS.get(error.status.rpartition(".")[0], DATA)
