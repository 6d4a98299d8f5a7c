"""A client that hands mail in without pause, to a daemon that may die at any moment.

Each try of a message is a copy with a name of its own, so that what arrives tells which try it was:

    answered 250        promised: it must arrive
    no answer           it may arrive: the client could not know, and tried again (RFC 1047)
    refused, or no DATA it must not arrive
"""

import hashlib
import random
import re
import smtplib
import threading
from dataclasses import dataclass, field

WAIT_SECONDS = 60
RETRY_SECONDS = 0.02
KIB = 1024

_COPY = re.compile(rb"^X-Copy: (\S+) (\S+)\r?\n", re.MULTILINE)


def letter(copy: str, size_bytes: int) -> bytes:
    """A message with CRLF line ends that names its copy and proves its body."""
    line = hashlib.shake_256(copy.encode()).hexdigest(36).encode()
    body = (line + b"\r\n.\r\n..dot\r\n") * max(1, size_bytes // len(line))
    digest = hashlib.sha256(body).hexdigest()
    head = f"From: a@a.test\r\nTo: b@b.test\r\nX-Copy: {copy} {digest}\r\n\r\n"
    return head.encode() + body


def copy_of(mail: bytes) -> str:
    """Which copy has arrived, whole and unchanged.

    Args:
        mail: any line ends.
    """
    found = _COPY.search(mail)
    assert found is not None, mail[:500]
    body = re.sub(rb"\r?\n", b"\r\n", mail.replace(b"\r\n", b"\n").partition(b"\n\n")[2])
    assert hashlib.sha256(body).hexdigest() == found[2].decode(), f"{found[1]!r} has changed on its way"
    return found[1].decode()


@dataclass(slots=True)
class Promises:
    """What clients were told.

    Attributes:
        kept: copies that were answered with 250.
        open: copies whose answer never came.
        refused: copies that were answered with anything else.
    """

    kept: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)


class Client(threading.Thread):
    """One client; it sends until it is told to stop, and until then a lost message again.

    Args:
        name: of the client; begins the names of its copies.
        port: of the daemon, also after a restart.
        seed: of the sizes.
        at_most: messages.
    """

    def __init__(self, name: str, port: int, seed: str, at_most: int) -> None:
        super().__init__(name=name)
        self.promises = Promises()
        self.fault: BaseException | None = None
        self._port = port
        self._chance = random.Random(seed)
        self._at_most = at_most
        self._over = threading.Event()
        self._link: smtplib.SMTP | None = None

    def run(self) -> None:
        """Send."""
        try:
            for number in range(self._at_most):
                size_bytes = self._chance.choice((200, 2 * KIB, 2 * KIB, 8 * KIB, 150 * KIB))
                if self._over.is_set() or not self._hand_in(f"{self.name}.{number}", size_bytes):
                    return
        except BaseException as error:
            self.fault = error
            raise
        finally:
            self._close()

    def stop(self) -> Promises:
        """Let it finish the message that it is at; what it was told."""
        self._over.set()
        self.join(WAIT_SECONDS)
        assert not self.is_alive(), "the client does not end"
        assert self.fault is None, self.fault
        return self.promises

    def _hand_in(self, name: str, size_bytes: int) -> bool:
        for attempt in range(10_000):
            copy = f"{name}.{attempt}"
            if self._attempt(copy, letter(copy, size_bytes)):
                return True
            if self._over.wait(RETRY_SECONDS):
                return False
        raise AssertionError(f"{name} was never taken")

    def _attempt(self, copy: str, message: bytes) -> bool:
        """Whether the message was taken; a connection is kept for the next."""
        try:
            link = self._connected()
            link.mail("a@a.test")
            link.rcpt("b@b.test")
        except (OSError, smtplib.SMTPException):
            self._close()
            return False
        try:
            code, _ = link.data(message)
        except smtplib.SMTPDataError:
            code = 0
            self._close()
        except (OSError, smtplib.SMTPException):
            self._close()
            self.promises.open.add(copy)
            return False
        (self.promises.kept if code == 250 else self.promises.refused).add(copy)
        return code == 250

    def _connected(self) -> smtplib.SMTP:
        if self._link is None:
            self._link = smtplib.SMTP(timeout=WAIT_SECONDS)
            self._link.connect("127.0.0.1", self._port)
            self._link.ehlo("client.test")
        return self._link

    def _close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
