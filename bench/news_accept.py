"""Taking articles in: TAKETHIS a second over one connection, beside innd, in alternating runs.

The feeder writes without waiting for answers, as innfeed does; the clock stops at the last 239. We
answer when an article is synced; innd when it has written it.
"""

import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from bench.figures import BenchError, Figure, side_by_side
from bench.mail_site import Nodes, need, open_place, scaled, wait_idle, wait_packed
from bench.news_articles import articles, streamed
from tests.support.inn import InnInstance
from tests.support.news import GROUP, give_news
from tests.support.ports import free_port

COUNT = scaled(2000)
ROUNDS = 9
SESSION_SECONDS = 120.0
TARGET = 1.2
WINDOW_BYTES = 256 << 10
"""Written ahead of the answers."""
TAKEN = b"239 "
ENDPOINT = 'listen = ["127.0.0.1:{port}"]\n'
PEER = '\n[[news.peer]]\nname = "feeder"\nhosts = ["127.0.0.1"]\n'


def run() -> Iterator[Figure]:
    """Take all figures of this part."""
    need("innd", "ctlinnd")
    with open_place() as place:
        nodes, port = Nodes(place), free_port()
        give_news(nodes.a, b='feed = "*"\n')
        nodes.a.set_toml("nntp", ENDPOINT.format(port=port))
        nodes.a.config_path.write_text(nodes.a.config_path.read_text() + PEER)
        with InnInstance(place / "n", "inn.a.test", [GROUP]) as inn, nodes.a.serving() as daemon:

            def rest() -> None:
                wait_packed(nodes.a.home / "state/news/queue")
                wait_idle(daemon.pid)

            ours, its = side_by_side(
                _side(port, "ours", rest),
                _side(inn.port, "inn", rest),
                best=statistics.median,
                repeats=ROUNDS,
            )
            yield Figure("news.takethis_per_second", ours, its, TARGET)


def _side(port: int, mark: str, rest: Callable[[], None]) -> Callable[[int], float]:
    def one_round(number: int) -> float:
        wire = streamed(articles(COUNT, f"{mark}{number}"))
        rest()
        return _rate(port, wire)

    return one_round


def _rate(port: int, wire: Sequence[bytes]) -> float:
    """Feed articles; returns how many a second were taken."""
    with socket.create_connection(("127.0.0.1", port), timeout=SESSION_SECONDS) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = link.makefile("rb")
        answers.readline()
        link.sendall(b"MODE STREAM\r\n")
        answers.readline()
        writer = threading.Thread(target=_write, args=(link, wire), name="feeder")
        start = time.perf_counter()
        writer.start()
        for _ in wire:
            answer = answers.readline()
            if not answer.startswith(TAKEN):
                raise BenchError(f"an article was not taken: {answer!r}")
        seconds = time.perf_counter() - start
        writer.join(SESSION_SECONDS)
        link.sendall(b"QUIT\r\n")
        answers.readline()
        answers.close()
    return len(wire) / seconds


def _write(link: socket.socket, wire: Sequence[bytes]) -> None:
    piece: list[bytes] = []
    size_bytes = 0
    for each in wire:
        piece.append(each)
        size_bytes += len(each)
        if size_bytes >= WINDOW_BYTES:
            link.sendall(b"".join(piece))
            piece, size_bytes = [], 0
    link.sendall(b"".join(piece))
