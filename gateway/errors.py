"""Every error this program raises on purpose.

A ``GatewayError`` carries an RFC 3463 status; a status that starts with ``4`` means "try again
later". Anything that is not a ``GatewayError`` is a bug and is treated as one: logged with its
traceback while the message stays where it is.
"""


class GatewayError(Exception):
    """Base of every error raised on purpose.

    Args:
        text: what went wrong, for a person: names the file, the key or the message concerned.
        status: RFC 3463 status, if it differs from the class's own.
    """

    status = "5.0.0"

    def __init__(self, text: str, *, status: str | None = None) -> None:
        super().__init__(text)
        if status is not None:
            self.status = status

    @property
    def is_temporary(self) -> bool:
        """Whether trying again later can help."""
        return self.status.startswith("4")


class ConfigError(GatewayError):
    """The operator must act; the text names file, key and what is allowed."""

    status = "5.3.5"


class UsageFault(GatewayError):
    """A command line that makes no sense; the text says which word and what is allowed."""

    status = "5.5.4"


class BadIdentifier(GatewayError):
    """A text is not a node id, packet id or niceness."""

    status = "5.1.3"


class PacketError(GatewayError):
    """The bytes are not a packet we can accept."""

    status = "5.6.0"


class BadMagic(PacketError):
    """Not an NNCP packet, or a version that is not read."""


class UnknownNode(PacketError):
    """The sender is not a neighbour, or the recipient is not us."""

    status = "5.7.1"


class BadSignature(PacketError):
    """The header was not signed by the sender it names."""

    status = "5.7.5"


class BadBlock(PacketError):
    """A block does not authenticate, or padding is not what it must be."""

    status = "5.7.7"


class Truncated(PacketError):
    """The packet ends before its size block proves that it is whole."""

    status = "5.7.7"


class TooLarge(PacketError):
    """A size limit was passed."""

    status = "5.3.4"


class MessageError(GatewayError):
    """A message or a batch of messages is not acceptable."""

    status = "5.6.0"


class BadBatch(MessageError):
    """A batch does not parse, or its end or count is missing."""


class CutShortBatch(BadBatch):
    """A batch ends before its last article does, without any other fault."""


class BadAddress(MessageError):
    """An address does not follow RFC 5321 section 4.1.2."""

    status = "5.1.3"


class MailLoop(MessageError):
    """A message went round too often."""

    status = "5.4.6"


class ProtocolError(GatewayError):
    """A dialogue went wrong."""

    status = "4.5.0"


class LocalProtocolError(ProtocolError):
    """We broke a rule of the protocol: a bug on our side."""

    status = "5.5.0"


class RemoteProtocolError(ProtocolError):
    """The other side broke a rule: drop the link, keep the messages."""


class StoreError(GatewayError):
    """The disk or the database refused."""

    status = "4.3.0"


class StoreBusy(StoreError):
    """Somebody else holds the lock."""


class StoreFull(StoreError):
    """No space, or the free-space reserve is touched."""

    status = "4.3.1"


class StoreCorrupt(StoreError):
    """What is on disk is not what was written: quarantine it."""

    status = "5.3.0"
