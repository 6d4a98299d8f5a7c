r"""The bytes on the daemon's pipe socket.

A dialogue::

    program                              daemon
    MAGIC, request          ─────────▶
                            ◀─────────   GO: send the body
    pieces, an empty one    ─────────▶
                            ◀─────────   OUT and ERR, as often as there is something to print
                            ◀─────────   EXIT with the status to end with

Instead of GO there may be EXIT at once, or SMTP: from there on the connection is an SMTP session.

Contract: a body without its empty last piece has no meaning. A program may do by itself what it wants
done as long as it was not told GO; from there on only EXIT says what became of the message.

This module is imported by programs that start for each message: it imports nothing.

Spec: docs/reference/pipe.md.
"""

MAGIC = b"nncp-gateway pipe 1\n"
SOCKET_NAME = "pipe.sock"
"""In the state directory."""
LENGTH_BYTES = 4
REQUEST_LIMIT_BYTES = 512 << 10
"""Name and arguments of the program together; the kernel's own limit is four times that."""
PIECE_LIMIT_BYTES = 1 << 20
ANSWER_LIMIT_BYTES = 64 << 10

GO = b"G"
SMTP = b"S"
OUT = b"O"
ERR = b"E"
EXIT = b"X"

LOOP_VARIABLE = "NNCP_GATEWAY_DELIVERING"
"""Set in the environment of a command that delivers: our own sendmail must not be that command."""
NODE_VARIABLE = "NNCP_SENDER"
"""Set by a tosser in the environment of a handler: who sent the packet, or the area it came by."""
AUTHOR_VARIABLE = "NNCP_AUTHOR"
"""Set by our own tosser beside it, if it came by an area: who signed the message."""
AUTHOR_MARK = b"/"
"""Between the two in a request."""
END = b"\0\0\0\0"
"""The empty piece."""
_FIXED_COUNT = 3


def join_origin(node: bytes, author: bytes) -> bytes:
    """Who sent a packet, in one word: the node or the area, and the author if one is named."""
    return node + AUTHOR_MARK + author if author else node


def encode_request(name: bytes, node: bytes, arguments: list[bytes], *, is_terminal: bool) -> bytes:
    """Say which command is wanted.

    Args:
        name: of the command, such as ``sendmail``.
        node: who sent the packet that started it, as the tosser said (``join_origin``); empty: nobody did.
        arguments: of the command; none holds a NUL.
        is_terminal: a person types the message.
    """
    payload = b"\0".join((name, node, b"t" if is_terminal else b"", *arguments))
    return MAGIC + encode_piece(payload)


def decode_request(payload: bytes) -> tuple[bytes, bytes, list[bytes], bool]:
    """Read what ``encode_request`` wrote, behind MAGIC and the length.

    Returns:
        Name, node, arguments and whether a person types.

    Raises:
        ValueError: it is no request.
    """
    fields = payload.split(b"\0")
    if len(fields) < _FIXED_COUNT or not fields[0]:
        raise ValueError("the request has too few fields")
    name, node, terminal = fields[:_FIXED_COUNT]
    return name, node, fields[_FIXED_COUNT:], terminal == b"t"


def encode_piece(data: bytes) -> bytes:
    """A piece of the body, with its length; an empty one is the end."""
    return encode_length(len(data)) + data


def encode_length(size_bytes: int) -> bytes:
    """What stands in front of a piece."""
    return size_bytes.to_bytes(LENGTH_BYTES, "big")


def encode_answer(kind: bytes, data: bytes = b"") -> bytes:
    """One answer of the daemon."""
    return kind + encode_piece(data)


def take_answer(buffer: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Take the first answer from what was received.

    Returns:
        Its kind, its data, and what follows it; None: it is not whole yet.

    Raises:
        ValueError: it is larger than any answer.
    """
    head_bytes = 1 + LENGTH_BYTES
    if len(buffer) < head_bytes:
        return None
    size_bytes = int.from_bytes(buffer[1:head_bytes], "big")
    if size_bytes > ANSWER_LIMIT_BYTES:
        raise ValueError("an answer is too large")
    end = head_bytes + size_bytes
    if len(buffer) < end:
        return None
    return buffer[:1], buffer[head_bytes:end], buffer[end:]
