"""The program behind ``sendmail``, ``rmail``, ``rsmtp`` and ``uux``: hands its input to the daemon and ends.

A mail server starts it for each message, so it imports nothing but what is built in (not even ``os``) and
the frames. What the words mean is the daemon's business. Without a daemon the whole program is started,
which does the same by itself.

Contract: the exit status 0 comes from the daemon alone. The whole program is started only as long as
the daemon has not said GO; from there on everything but an answer is 75: try again later. A message
whose answer was lost may so be handed in twice; it is never lost.

Spec: docs/reference/pipe.md.
"""

import posix
import sys
from _socket import AF_UNIX, SHUT_WR, SOCK_STREAM, socket
from fcntl import fcntl
from select import POLLIN, POLLOUT, poll, select
from time import sleep

from gateway.handover import frames

TRY_LATER = 75
STATUSES = (0, 65, 67, TRY_LATER, 77)
"""All that a mail server may see; gateway.exits says when."""
READ_BYTES = 256 << 10
SHORT_BYTES = 48 << 10
"""A pipe that is full gives more than this."""
GATHER_SECONDS = 0.001
ANSWER_BYTES = 4 << 10
"""Asked for at a time; most answers are a few bytes."""
AHEAD_BYTES = 60 << 10
"""As much as a pipe takes at once, should it have to be put back."""
SAID_BYTES = 4096
"""Of an SMTP session, to know how it ended."""
CONNECT_SECONDS = 10.0
"""To be let in and told to go on; a daemon that takes longer is passed by."""
ANSWER_SECONDS = 900.0
"""For the answer once all is handed over; Postfix waits for 1000 seconds, Exim for an hour."""
_SET_PIPE_SIZE = 1031
"""F_SETPIPE_SZ of fcntl(2)."""
PATH_LIMIT_BYTES = 100
"""The kernel takes 107."""
_LOOP_TEXT = (
    b"4.3.5 this sendmail hands mail to nncp-gateway, which has just called it to deliver:"
    b" [deliver] command must name the mail server's own\n"
)
_BROKEN_TEXT = b"4.3.0 the daemon ended before it answered\n"


TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than all else here
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    Write = Callable[[int, bytes], None]


def run(
    name: str, arguments: list[str], environ: "Mapping[bytes, bytes]", state_directory: str, direct: list[str]
) -> int:
    """Do what a command is asked to do.

    Args:
        name: of the command.
        arguments: behind it.
        environ: the environment.
        state_directory: where the daemon's socket is.
        direct: the words that start the whole program for a command, but for name and arguments.

    Returns:
        The exit status.
    """
    try:
        if frames.LOOP_VARIABLE.encode() in environ:
            _write(2, _LOOP_TEXT)
            return TRY_LATER
        node = environ.get(frames.NODE_VARIABLE.encode(), b"")
        author = environ.get(frames.AUTHOR_VARIABLE.encode(), b"")
        status = hand_over(name, arguments, frames.join_origin(node, author), state_directory)
        if status is None:
            status = _run_direct([*direct, name, *arguments])
    except BaseException as error:  # noqa: BLE001 - every fault of ours must end with 75
        said = f"4.3.0 {name}: {type(error).__name__}: {error}\n"
        _write(2, said.encode("utf-8", "replace"))
        return TRY_LATER
    return status


def hand_over(
    name: str,
    arguments: list[str],
    node: bytes,
    state_directory: str,
    stdin: int = 0,
    write: "Write | None" = None,
) -> int | None:
    """Hand standard input to the daemon.

    Args:
        name: see ``run``.
        arguments: see ``run``.
        node: who sent the packet that started us, as the tosser says; empty: no tosser did.
        state_directory: see ``run``.
        stdin: the descriptor that is read.
        write: writes to standard output (1) and standard error (2).

    Returns:
        The exit status, or None: there is no daemon that takes it, and all of the input can still be read.
    """
    words = [_raw(word) for word in arguments]
    is_terminal = posix.isatty(stdin)
    request = frames.encode_request(_raw(name), node, words, is_terminal=is_terminal)
    if len(request) > frames.REQUEST_LIMIT_BYTES:
        return None
    link = socket(AF_UNIX, SOCK_STREAM)
    try:
        link.settimeout(CONNECT_SECONDS)
        _connect(link, state_directory)
        # SMTP begins with what the other side says.
        is_dialogue = any(word.startswith("-") and "bs" in word for word in arguments)
        ahead, is_whole = (b"", False) if is_terminal or is_dialogue else _read_ahead(stdin)
        answers = _Answers(link, _ask(link, request, ahead, is_whole=is_whole), write or _write)
        return _converse(link, answers, stdin, ahead, is_whole=is_whole)
    except _NotTaken:
        return None
    finally:
        link.close()


def _run_direct(argv: list[str]) -> int:
    """Start the whole program; what it ends with is a status that a mail server may see, or 75.

    A Python that can't even begin ends with 1, on which mail servers bounce: so this process stays.
    """
    child = posix.fork()
    if child == 0:
        try:
            posix.execv(argv[0], argv)
        except BaseException as error:  # noqa: BLE001 - a child must never come back
            _write(2, f"4.3.0 {argv[0]}: {error}\n".encode("utf-8", "replace"))
            posix._exit(TRY_LATER)  # noqa: SLF001 - its name
    _, ended = posix.waitpid(child, 0)
    status = posix.waitstatus_to_exitcode(ended)
    return status if status in STATUSES else TRY_LATER


class _NotTaken(Exception):
    """The daemon is not there, or does not want what we have."""


def _converse(link: socket, answers: "_Answers", stdin: int, ahead: bytes, *, is_whole: bool) -> int:
    kind = answers.next_kind()
    if kind == frames.SMTP:
        return relay(link, answers.rest, stdin)
    if kind == frames.GO:
        link.settimeout(ANSWER_SECONDS)
        if not is_whole:
            _send_body(link, stdin)
        kind = answers.next_kind()
    elif kind != frames.EXIT:
        _put_back(ahead, stdin, is_whole=is_whole)
    return answers.finish(kind)


def _connect(link: socket, directory: str) -> None:
    path = f"{directory}/{frames.SOCKET_NAME}"
    try:
        if len(_raw(path)) <= PATH_LIMIT_BYTES:
            link.connect(path)
            return
        fd = posix.open(directory, posix.O_RDONLY | posix.O_DIRECTORY)
        try:
            link.connect(f"/proc/self/fd/{fd}/{frames.SOCKET_NAME}")
        finally:
            posix.close(fd)
    except OSError:
        raise _NotTaken from None


def _read_ahead(stdin: int) -> tuple[bytes, bool]:
    """What of the input is there already, and whether that is all: it can go with the request."""
    data = b""
    while len(data) < AHEAD_BYTES and select([stdin], [], [], 0)[0]:
        more = posix.read(stdin, AHEAD_BYTES - len(data))
        if not more:
            return data, True
        data += more
    return data, False


def _put_back(data: bytes, stdin: int, *, is_whole: bool) -> "NoReturn":
    """Let the input be read again by whoever does without the daemon."""
    if data:
        if not is_whole:
            raise OSError("the daemon let us in and went away")
        read_end, write_end = posix.pipe()
        posix.set_blocking(write_end, False)
        written_bytes = posix.write(write_end, data)
        posix.close(write_end)
        if written_bytes < len(data):
            raise OSError("the daemon let us in and went away, and a pipe takes too little")
        posix.dup2(read_end, stdin)
        posix.close(read_end)
    raise _NotTaken


def _ask(link: socket, request: bytes, ahead: bytes, *, is_whole: bool) -> bytes:
    """Send the request and what was read ahead; returns the beginning of the answer."""
    piece = frames.encode_piece(ahead) if ahead else b""
    try:
        link.sendall(request + piece + (frames.END if is_whole else b""))
    except OSError:
        """It may have answered without reading."""
    try:
        return link.recv(ANSWER_BYTES)
    except OSError:
        return b""


def _send_body(link: socket, stdin: int) -> None:
    """Hand the rest of standard input over; stops when the daemon has heard enough."""
    # A piece is read behind its length, into memory that is used again: new memory costs as much as the way.
    piece = memoryview(bytearray(frames.LENGTH_BYTES + READ_BYTES))
    try:
        # Who writes can go on meanwhile, and fewer and larger pieces are handed over.
        fcntl(stdin, _SET_PIPE_SIZE, READ_BYTES)
    except OSError:
        """It is no pipe, or this user's pipes are large enough already."""
    try:
        while True:
            size_bytes = posix.readv(stdin, [piece[frames.LENGTH_BYTES :]])
            piece[: frames.LENGTH_BYTES] = frames.encode_length(size_bytes)
            link.sendall(piece[: frames.LENGTH_BYTES + size_bytes])
            if not size_bytes:
                return
            if size_bytes < SHORT_BYTES and not select([stdin], [], [], 0)[0]:
                # Who makes it is slower than we are: many small pieces would wake the daemon for each.
                sleep(GATHER_SECONDS)
    except (BrokenPipeError, ConnectionResetError):
        """The answer says why."""


def _raw(text: str) -> bytes:
    """A word or a path as the kernel gave it to us."""
    return text.encode(sys.getfilesystemencoding(), "surrogateescape")


class _Answers:
    """What the daemon says."""

    def __init__(self, link: socket, received: bytes, write: "Write") -> None:
        self.rest = received
        self._link = link
        self._write = write
        self._data = b""

    def next_kind(self) -> bytes | None:
        """The kind of the next answer, what is to be printed done; None: there is none."""
        while True:
            answer = frames.take_answer(self.rest)
            if answer is None:
                received = self._receive()
                if not received:
                    return None
                self.rest += received
                continue
            kind, self._data, self.rest = answer
            if kind == frames.OUT:
                self._write(1, self._data)
            elif kind == frames.ERR:
                self._write(2, self._data)
            else:
                return kind

    def finish(self, kind: bytes | None) -> int:
        """The exit status that the last answer names."""
        if kind == frames.EXIT and len(self._data) == 1:
            return self._data[0]
        self._write(2, _BROKEN_TEXT)
        return TRY_LATER

    def _receive(self) -> bytes:
        try:
            return self._link.recv(ANSWER_BYTES)
        except (ConnectionResetError, TimeoutError):
            return b""


def relay(link: socket, first: bytes = b"", stdin: int = 0) -> int:
    """Carry an SMTP session between standard input and output and the daemon.

    Args:
        link: to the daemon.
        first: what it has said already.
        stdin: the descriptor that is read.

    Returns:
        The exit status.
    """
    link.setblocking(False)
    watch = poll()
    watch.register(link.fileno(), POLLIN)
    watch.register(stdin, POLLIN)
    said, waiting, is_ended = first, b"", False
    _write(1, first)
    while True:
        for fd, ready in watch.poll():
            if fd == stdin:
                waiting = posix.read(stdin, READ_BYTES)
                watch.unregister(stdin)
                if waiting:
                    watch.modify(link.fileno(), POLLIN | POLLOUT)
                else:
                    link.shutdown(SHUT_WR)
                    is_ended = True
            elif ready & ~POLLOUT:
                data = link.recv(READ_BYTES)
                if not data:
                    return _status_of_session(said, is_ended=is_ended)
                _write(1, data)
                said = (said + data)[-SAID_BYTES:]
            else:
                waiting = waiting[link.send(waiting) :]
                if not waiting:
                    watch.modify(link.fileno(), POLLIN)
                    watch.register(stdin, POLLIN)


def _status_of_session(said: bytes, *, is_ended: bool) -> int:
    """0 if either side has ended the session in good order."""
    last = said[:-2].rpartition(b"\n")[2]
    if is_ended or last.startswith(b"221"):
        return 0
    _write(2, _BROKEN_TEXT)
    return TRY_LATER


def _write(fd: int, data: bytes) -> None:
    """Write all of it; that nobody reads it changes nothing."""
    try:
        while data:
            data = data[posix.write(fd, data) :]
    except OSError:
        """Nobody reads it."""
