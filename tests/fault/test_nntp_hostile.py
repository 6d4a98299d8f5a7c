"""What strangers and broken programs do to the endpoint for news does not reach others, nor its memory."""

import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.news import article
from tests.support.newsroom import crlf
from tests.support.nntp_endpoint import NntpClient, NntpEndpoint, takethis
from tests.support.processes import wait_until

CONNECTIONS_COUNT = 1000
LIMIT_BYTES = 64 << 20


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _is_well(endpoint: NntpEndpoint, name: str) -> None:
    with endpoint.client() as client:
        assert client.take_this(name)[0] == 239


def _flood(client: NntpClient, piece: bytes, total_bytes: int) -> int:
    """Send without reading, until the server takes no more or closes; returns how much it took."""
    client.socket.settimeout(2)
    sent_bytes = 0
    try:
        while sent_bytes < total_bytes:
            sent_bytes += client.socket.send(piece)
    except OSError:
        pass
    return sent_bytes


@pytest.mark.parametrize(
    "piece",
    [
        b"x" * 65536,
        b"HELP\r\n" * 10_000,
        b"CHECK <1@a.test>\r\n" * 4000,
        b"TAKETHIS <1@a.test>\r\n" + b"y" * 65536,
        b"TAKETHIS <1@a.test>\r\n" + b"X: y\r\n" * 10_000,
        b"TAKETHIS\r\n.\r\n" * 4000,
        b"\0\r\n" * 20_000,
        b"AUTHINFO SASL PLAIN " + b"A" * 65536,
    ],
    ids=["line", "help", "check", "long-line", "header", "syntax", "nul", "sasl"],
)
def test_floods_of_one_client(tmp_path: Path, piece: bytes) -> None:
    """Whoever sends without end, and never reads, costs a bounded piece of memory."""
    with NntpEndpoint(tmp_path, idle_seconds=20) as endpoint:
        before_bytes = _resident_bytes()
        with endpoint.client() as client:
            _flood(client, piece, 50 << 20 if piece.startswith(b"x") else 2 << 20)
            _is_well(endpoint, "during")
        assert _resident_bytes() - before_bytes < LIMIT_BYTES
        _is_well(endpoint, "after")


def test_halves_of_articles_do_not_fill_the_memory(tmp_path: Path) -> None:
    """When halves of articles hold all the room, clients are sent away until there is some."""
    with NntpEndpoint(tmp_path, max_article_bytes=1 << 20, max_inflight_bytes=4 << 20) as endpoint:
        clients = [endpoint.client() for _ in range(12)]
        for number, client in enumerate(clients):
            client.send(f"TAKETHIS <{number}@a.test>\r\n".encode())
            _flood(client, b"X: y\r\n" * 10_000, 900_000)
        wait_until(lambda: endpoint.ask(lambda: endpoint.server.connections_count) < 12, 60, "a way out")
        assert endpoint.ask(lambda: endpoint.server.inflight_bytes) <= 4 << 20
        for client in clients:
            client.close()
        wait_until(lambda: endpoint.ask(lambda: endpoint.server.inflight_bytes) == 0, 60, "room")
        _is_well(endpoint, "after")


def test_a_thousand_connections(tmp_path: Path) -> None:
    """Beyond the limit clients are told to come back, and all is as before once they are gone."""
    with NntpEndpoint(tmp_path, max_connections=50) as endpoint:
        links = []
        for _ in range(CONNECTIONS_COUNT):
            link = socket.create_connection(("127.0.0.1", endpoint.port), timeout=60)
            links.append(link)
        greetings = [link.recv(3) for link in links]
        assert greetings.count(b"400") >= CONNECTIONS_COUNT - 50
        assert set(greetings) <= {b"200", b"400"}
        for link in links:
            link.close()
        wait_until(lambda: not endpoint.ask(lambda: endpoint.server.connections_count), 60, "an empty house")
        _is_well(endpoint, "after")


@pytest.mark.parametrize("seed", range(5))
def test_noise(tmp_path: Path, seed: int) -> None:
    """Any bytes, in pieces of any size, cut anywhere, leave the others alone and no fault in the log."""
    rng = random.Random(seed)
    words: list[Callable[[], bytes]] = [
        lambda: rng.randbytes(rng.randrange(2000)),
        lambda: takethis(rng.randrange(20)),
        lambda: b"IHAVE <%d@a.test>\r\n" % rng.randrange(20),
        lambda: b"POST\r\n",
        lambda: b"CHECK <%d@a.test>\r\n" % rng.randrange(20),
        lambda: crlf(article(rng.randrange(20))) + b".\r\n",
        lambda: b"MODE STREAM\r\nGROUP misc.test\r\nLIST\r\nXOVER 1-\r\n",
    ]
    with NntpEndpoint(tmp_path, is_reader_on=True) as endpoint:
        for _ in range(20):
            with endpoint.client() as client:
                try:
                    for _ in range(rng.randrange(30)):
                        client.send(rng.choice(words)())
                    if rng.random() < 0.5:
                        client.reset()
                except OSError:
                    continue
        _is_well(endpoint, "after")
