r"""Line ends and dots: what stands between a message as it is kept and as it travels.

Contract: a message is kept with CRLF line ends. ``find_stray`` says whether it is: no CR without
LF, no LF without CR, no NUL. Nothing here repairs such bytes; they are refused at the door, since
two mail systems that read them differently are how one message is smuggled in another.

The end of content is CRLF.CRLF and nothing else. ``DotReader`` reads it out of a buffer of its
caller's, ``Unstuffer`` keeps the buffer itself; ``DotStuffer`` writes it.

Everything works on whole chunks by find, replace and translate: no loop over lines.

Spec: RFC 5321 sections 2.3.8 and 4.5.2.
"""

import re
from collections.abc import Iterable, Iterator

from gateway.errors import LocalProtocolError, MessageError

CR = b"\r"
LF = b"\n"
CRLF = b"\r\n"

_ALL_BUT_STRAYS = bytes(byte for byte in range(256) if byte not in b"\r\n\0")
_BARE_CR = re.compile(rb"\r(?!\n)")
_CLEAN = re.compile(rb"[^\r\n\0]*+(?:\r\n[^\r\n\0]*+)*+")
_STRAY_NAMES = {0x00: "NUL", 0x0A: "bare LF", 0x0D: "bare CR"}


def find_stray(data: bytes) -> tuple[str, int] | None:
    """Find the first byte that may not stand in a message with CRLF line ends.

    Args:
        data: a message, or a piece of one that was not cut between CR and LF.

    Returns:
        ``"bare CR"``, ``"bare LF"`` or ``"NUL"`` with its offset, or None.
    """
    # All CR, LF and NUL bytes are in pairs if they are twice as many as the pairs.
    if len(data.translate(None, _ALL_BUT_STRAYS)) == 2 * data.count(CRLF):
        return None
    match = _CLEAN.match(data)
    offset = match.end() if match else 0
    return _STRAY_NAMES[data[offset]], offset


def lf_to_crlf(data: bytes) -> bytes:
    """Give a whole message from a pipe the line ends it is kept with.

    Lines may end in LF or CRLF, also mixed: programs that write to a pipe do that.

    Raises:
        MessageError: a NUL, or a CR that is not part of a line end.
    """
    if not data.endswith(CR):
        return _to_crlf(data, 0)
    _to_crlf(data[:-1], 0)
    raise MessageError(_bare_cr_text(len(data) - 1))


def crlf_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Do what ``lf_to_crlf`` does for a message that comes in chunks of any size.

    Raises:
        MessageError: a NUL, or a CR that is not part of a line end; the text has its offset.
    """
    lines = LocalLines()
    for chunk in chunks:
        yield lines.feed(chunk)
    lines.finish()


class LocalLines:
    """Do what ``lf_to_crlf`` does for a message that is handed in piece by piece.

    Contract: ``feed`` everything, then ``finish`` once; after an error no more.
    """

    __slots__ = ("_held", "_offset")

    def __init__(self) -> None:
        self._held = b""
        self._offset = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes.

        Raises:
            MessageError: a NUL, or a CR that is not part of a line end; the text has its offset.
        """
        data = self._held + chunk if self._held else chunk
        self._held = CR if data.endswith(CR) else b""
        piece = _to_crlf(data[:-1] if self._held else data, self._offset)
        self._offset += len(data) - len(self._held)
        return piece

    def finish(self) -> None:
        """Say that no more bytes come.

        Raises:
            MessageError: the last one is a CR.
        """
        if self._held:
            raise MessageError(_bare_cr_text(self._offset))


def _bare_cr_text(offset: int) -> str:
    return f"bare CR at offset {offset} of the message: lines must end in LF or CRLF"


def _to_crlf(data: bytes, offset: int) -> bytes:
    # Programs on pipes write none; one look costs far less than to replace nothing.
    lines = data.replace(CRLF, LF) if CR in data else data
    if CR in lines or b"\0" in lines:
        places = {"bare CR": _bare_cr(data), "NUL": data.find(b"\0")}
        name, place = min(((n, p) for n, p in places.items() if p >= 0), key=lambda pair: pair[1])
        raise MessageError(f"{name} at offset {offset + place} of the message: it can not be mailed")
    return lines.replace(LF, CRLF)


def _bare_cr(data: bytes) -> int:
    match = _BARE_CR.search(data)
    return match.start() if match else -1


def lf_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give a message, in chunks of any size, the line ends of a pipe.

    Raises:
        MessageError: a bare CR, a bare LF or a NUL, which would not survive the way back; the text has its
            offset.
    """
    for piece in uncut(chunks):
        yield piece.replace(CRLF, LF)


def crlf_to_lf(data: bytes) -> bytes:
    """Do what ``lf_chunks`` does for a whole message; that it holds no bare LF is known.

    Raises:
        MessageError: a bare CR or a NUL; the text has its offset.
    """
    # To drop single bytes and count the pairs takes two thirds of the time to replace the pairs.
    lines = data.replace(CR, b"")
    if len(data) - len(lines) != data.count(CRLF) or b"\0" in lines:
        b"".join(uncut([data]))
    return lines


def uncut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Check the chunks of a message with CRLF line ends, and pass them on cut elsewhere than inside a CRLF.

    Raises:
        MessageError: a bare CR, a bare LF or a NUL; the text has its offset.
    """
    offset = 0
    held = b""
    for chunk in chunks:
        data = held + chunk if held else chunk
        held = CR if data.endswith(CR) else b""
        piece = data[:-1] if held else data
        if (stray := find_stray(piece)) is not None:
            raise MessageError(stray_text(stray[0], offset + stray[1]))
        offset += len(piece)
        if piece:
            yield piece
    if held:
        raise MessageError(stray_text("bare CR", offset))


def stray_text(name: str, offset: int) -> str:
    """Say where a stray byte is; lines of a message end in CRLF."""
    return f"{name} at offset {offset} of the message: its lines must end in CRLF, and it may hold no NUL"


def dot_stuff(data: bytes) -> bytes:
    """Double the dot at the start of each line of a whole message; the end of content is not added.

    Spec: RFC 5321 section 4.5.2.
    """
    stuffed = data.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if data.startswith(b".") else stuffed


class DotStuffer:
    """Double the dots at the start of lines, for a message in chunks.

    Contract: ``feed`` everything, then ``finish`` once; their results in a row are what follows
    ``DATA`` in SMTP. Chunks may be cut anywhere.

    Spec: RFC 5321 section 4.5.2.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = CRLF

    def feed(self, chunk: bytes) -> bytes:
        """Take the next piece of the message."""
        if not chunk:
            return b""
        stuffed = chunk.replace(b"\r\n.", b"\r\n..")
        if self._tail == CRLF and chunk.startswith(b"."):
            stuffed = b"." + stuffed
        elif self._tail.endswith(CR) and chunk.startswith(b"\n."):
            stuffed = b"\n." + stuffed[1:]
        self._tail = (self._tail + chunk[-2:])[-2:]
        return stuffed

    def finish(self) -> bytes:
        """Write the end of content; a message that does not end in CRLF gets one, as SMTP asks."""
        return b".\r\n" if self._tail == CRLF else b"\r\n.\r\n"


class DotReader:
    r"""Read stuffed content out of a buffer that the caller keeps.

    Contract: ``data[start:]`` begins with the end of the line before (at first: of the ``DATA``
    command), so that content that begins with a dot needs no special case. What a call leaves
    unread is at most ``len(eol) * 2`` bytes; the caller puts the next bytes behind it.

    Invariant: a piece never ends inside a CRLF, nor between a line end and a dot.

    Args:
        eol: the line end of this content, CRLF or LF; the pieces have CRLF.
    """

    __slots__ = ("_end", "_eol", "_prefixes", "_skip_bytes", "_stuffed", "is_done")

    def __init__(self, eol: bytes = CRLF) -> None:
        self.is_done = False
        self._eol = eol
        self._end, self._stuffed, self._prefixes = _PATTERNS[eol]
        self._skip_bytes = len(eol)

    def read(self, data: bytes, start: int) -> tuple[bytes, int]:
        """Take content from ``data[start:]``.

        Returns:
            The next piece without the extra dots (it may be empty), and the offset in ``data``
            of what was not read; once ``is_done``, of what follows the final dot.
        """
        end = data.find(self._end, start)
        if end >= 0:
            self.is_done = True
            stop, following = end + len(self._eol), end + len(self._end)
        else:
            held = next((len(prefix) for prefix in self._prefixes if data.endswith(prefix, start)), 0)
            stop = following = len(data) - held
        if stop == start:
            return b"", following
        piece = data[start:stop].replace(self._stuffed, self._eol)
        if self._skip_bytes:
            piece = piece[self._skip_bytes :]
            self._skip_bytes = 0
        return (piece if self._eol == CRLF else piece.replace(LF, CRLF)), following


class Unstuffer:
    """Read stuffed content that comes in chunks of any size, and say where it ends.

    Contract: ``feed`` returns content with CRLF line ends and without the extra dots; once
    ``is_done``, ``rest`` is what came behind the final dot and further calls are errors.
    """

    __slots__ = ("_held", "_reader", "is_done", "rest")

    def __init__(self) -> None:
        self.is_done = False
        self._reader = DotReader()
        self._held = CRLF
        self.rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes.

        Raises:
            LocalProtocolError: the content has ended already.
        """
        if self.is_done:
            raise LocalProtocolError("the content has ended: these bytes are not part of it")
        data = self._held + chunk
        piece, following = self._reader.read(data, 0)
        self.is_done = self._reader.is_done
        if self.is_done:
            self._held, self.rest = b"", data[following:]
        else:
            self._held = data[following:]
        return piece


def _patterns(eol: bytes) -> tuple[bytes, bytes, tuple[bytes, ...]]:
    end = eol + b"." + eol
    return end, eol + b".", tuple(end[:size] for size in range(len(end) - 1, 0, -1))


_PATTERNS = {eol: _patterns(eol) for eol in (CRLF, LF)}
