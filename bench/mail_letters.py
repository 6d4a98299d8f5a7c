"""Mails for the benchmarks, and a client that hands them in."""

import random
import socket
import threading
from collections.abc import Callable, Sequence
from pydoc_data.topics import topics  # English prose that every Python has

from bench.figures import BenchError

WAIT_SECONDS = 120.0
SENDER, RECIPIENT = "alice@a.test", "bob@b.test"
MEAN_BYTES = 4400


def letters(count: int, seed: int = 1) -> list[bytes]:
    """Mails as lists send them, with CRLF line ends, each different, of about 4.4 KB."""
    chance = random.Random(seed)
    lines = [line for text in sorted(topics.values()) for line in text.split("\n") if line.strip()]
    return [_letter(number, chance, lines) for number in range(count)]


def _letter(number: int, chance: random.Random, lines: Sequence[str]) -> bytes:
    head = (
        f"Received: from host{chance.randrange(99)}.a.test (host.a.test [10.1.2.{chance.randrange(255)}])",
        f"\tby lists.a.test (ESMTPS) with id {chance.getrandbits(40):X}",
        "\tfor <dev@lists.a.test>; Fri, 20 Nov 2026 10:00:00 +0000",
        f"DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s1; b={chance.getrandbits(1024):x}",
        f"From: Alice <{SENDER}>",
        f"To: dev@lists.a.test, {RECIPIENT}",
        f"Subject: {lines[chance.randrange(len(lines))].strip()[:60]}",
        "Date: Fri, 20 Nov 2026 10:00:00 +0000",
        f"Message-ID: <{number}.{chance.getrandbits(48):x}@a.test>",
        f"References: <{chance.getrandbits(48):x}@b.test>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "List-Id: <dev.lists.a.test>",
        "",
    )
    wanted_bytes = min(60_000.0, MEAN_BYTES * 0.7 * chance.lognormvariate(0, 0.5))
    body: list[str] = []
    size_bytes = 0
    while size_bytes < wanted_bytes:
        start = chance.randrange(len(lines) - 12)
        body += [*lines[start : start + chance.randint(3, 12)], ""]
        size_bytes = sum(map(len, body))
    return "\r\n".join((*head, *body, "-- ", "Alice", "")).encode("utf-8").replace(b"\r\n.", b"\r\n..")


def hand_in(
    port: int,
    mails: Sequence[bytes],
    *,
    recipient: str = RECIPIENT,
    connections: int = 4,
    senders: Sequence[str] | None = None,
) -> None:
    """Hand mails in by SMTP over kept, pipelined connections, and wait for the last answer.

    Args:
        port: of the server on this machine.
        mails: with CRLF line ends and doubled dots.
        recipient: of all of them.
        connections: at a time; with one the mails arrive in their order.
        senders: of each mail; None: one for all.

    Raises:
        BenchError: the server refused something.
    """
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            names = senders or [SENDER] * len(mails)
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as client:
                _talk(client, list(zip(names, mails, strict=True))[number::connections], recipient)
        except (OSError, BenchError) as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise BenchError(f"handing in failed: {faults[0]}")


def _talk(client: socket.socket, mails: Sequence[tuple[str, bytes]], recipient: str) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client.makefile("rb") as answers:
        _expect(answers.readline, b"220")
        client.sendall(b"EHLO bench.a.test\r\n")
        _expect(answers.readline, b"250")
        for sender, mail in mails:
            parameters = "" if mail.isascii() else " BODY=8BITMIME"
            client.sendall(f"MAIL FROM:<{sender}>{parameters}\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode())
            for code in (b"250", b"250", b"354"):
                _expect(answers.readline, code)
            client.sendall(mail + b".\r\n")
            _expect(answers.readline, b"250")
        client.sendall(b"QUIT\r\n")


def _expect(read_line: Callable[[], bytes], code: bytes) -> None:
    line = read_line()
    while line[3:4] == b"-":
        line = read_line()
    if not line.startswith(code):
        raise BenchError(f"the server said {line!r} in place of {code.decode()}")
