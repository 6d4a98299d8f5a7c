"""Two nodes with daemons under a feed of news, of which one or both are killed, again and again.

    feeder ─TAKETHIS─→ daemon a ─→ calls ─→ daemon b ─TAKETHIS─→ innd
                         ✗ kill -9, restart    ✗ kill -9, restart

The feeder does as innfeed: what got no answer is sent again. Everything random comes from the seed; where
exactly a daemon is at that moment does not.
"""

import contextlib
import json
import random
import re
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import Self

from tests.support.gateways import GatewayNode, pair
from tests.support.inn import InnInstance
from tests.support.killed_mail import Victim
from tests.support.news import GROUP, article, feed_inn, give_news, news_queue_counts
from tests.support.ports import free_port
from tests.support.processes import tail, wait_until

AT_A_TIME = 8
LONGEST_BLOW_SECONDS = 0.7
END_SECONDS = 120
ANSWER_SECONDS = 60
VICTIMS = (("a",), ("b",), ("a", "b"))
BOTH = 'feed = "*"\naccept = "*"\nmax_age_seconds = 0.1\nlevel = 1\n'
TAKEN, KNOWN = b"239", b"439"
_MESSAGE_ID = re.compile(rb"(?m)^Message-ID: (\S+)")
_LARGE = "large\n" * 30_000
"""Has a file of its own."""
_MIDDLE = "middle\n" * 6000
"""Some of them together make a segment."""


class Feeder(threading.Thread):
    """Brings articles, until it is told to stop.

    Args:
        port: of the daemon.
        mark: in all Message-IDs.

    Attributes:
        kept: Message-IDs that were taken.
    """

    def __init__(self, port: int, mark: str) -> None:
        super().__init__(name="feeder")
        self.kept: set[str] = set()
        self.fault: BaseException | None = None
        self._port = port
        self._mark = mark
        self._number = 0
        self._is_ending = threading.Event()

    def run(self) -> None:
        """Bring some articles after the other; those without an answer again."""
        waiting: list[bytes] = []
        try:
            while waiting or not self._is_ending.is_set():
                while len(waiting) < AT_A_TIME and not self._is_ending.is_set():
                    waiting.append(self._next())
                with contextlib.suppress(OSError):
                    waiting = self._bring(waiting)
                self._is_ending.wait(0.02)
        except BaseException as error:  # noqa: BLE001 - raised by whoever waits for this thread
            self.fault = error

    def stop(self) -> None:
        """Let it bring what it has begun, and end."""
        self._is_ending.set()
        self.join(END_SECONDS)
        assert not self.is_alive()
        assert self.fault is None, self.fault

    def _next(self) -> bytes:
        self._number += 1
        body = _LARGE if self._number % 20 == 0 else _MIDDLE if self._number % 2 else "small\n"
        return article(f"{self._mark}.{self._number}", body)

    def _bring(self, waiting: list[bytes]) -> list[bytes]:
        """Bring articles over a connection of their own; those that are left."""
        with socket.create_connection(("127.0.0.1", self._port), ANSWER_SECONDS) as link:
            answers = link.makefile("rb")
            answers.readline()
            names = [_name(each) for each in waiting]
            wire = [
                b"TAKETHIS %b\r\n%b.\r\n" % (name, each.replace(b"\n", b"\r\n"))
                for name, each in zip(names, waiting, strict=True)
            ]
            link.sendall(b"MODE STREAM\r\n" + b"".join(wire))
            answers.readline()
            for at, name in enumerate(names):
                answer = answers.readline()
                if not answer.endswith(b"\n") or answer.startswith(b"400"):
                    return waiting[at:]
                assert answer[:3] in {TAKEN, KNOWN}, answer
                assert name in answer
                self.kept.add(name.decode())
        return []


class KilledNews:
    """Two nodes and an INN; a context manager.

    Args:
        place: a directory of its own.
        seed: of all chance.
    """

    def __init__(self, place: Path, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self._place = place
        self._seed = seed
        self._chance = random.Random(seed)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._inn = self._stack.enter_context(InnInstance(self._place / "n", "b.inn.test", [GROUP]))
        a, b = GatewayNode(self._place / "a", "a.test"), GatewayNode(self._place / "b", "b.test")
        pair(a, b)
        give_news(a, b=BOTH)
        give_news(b, a=BOTH)
        ports = {"a": free_port(), "b": free_port()}
        a.set_toml("nntp", f'listen = ["127.0.0.1:{ports["a"]}"]\n')
        a.config_path.write_text(
            a.config_path.read_text() + '\n[[news.peer]]\nname = "feeder"\nhosts = ["127.0.0.1"]\n'
        )
        feed_inn(b, self._inn)
        b.set_toml("news.deliver", "first_wait_seconds = 0.2\nlongest_wait_seconds = 0.5\n")
        b.set_toml("toss", "interval_seconds = 0.2\nretry_seconds = 0.2\n")
        b.set_toml("online", f'listen = ["127.0.0.1:{ports["b"]}"]\n')
        a.set_toml("online", "calls = true\n")
        config = a.nncp()
        call = {"cron": "* * * * * * *", "onlinedeadline": 30}
        config["neigh"]["b"] |= {"addrs": {"main": f"127.0.0.1:{ports['b']}"}, "calls": [call]}
        a.nncp_path.write_text(json.dumps(config))
        self._victims = {"a": Victim(a, ports["a"]), "b": Victim(b, ports["b"])}
        for victim in self._victims.values():
            self._stack.callback(victim.close)
            victim.start()
        for victim in self._victims.values():
            victim.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def run(self, rounds: int) -> int:
        """Kill and restart so often under the feed, and look at what arrived.

        Returns:
            How many articles were taken.
        """
        feeder = Feeder(self._victims["a"].port, str(self._seed))
        feeder.start()
        try:
            for _ in range(rounds):
                self._strike()
        finally:
            feeder.stop()
        try:
            self._check(feeder.kept)
        except BaseException as error:
            logs = "\n".join(tail(victim.node.log_path) for victim in self._victims.values())
            error.add_note(f"seed {self._seed}, in {self._place}\n{logs}")
            raise
        return len(feeder.kept)

    def _strike(self) -> None:
        threading.Event().wait(self._chance.uniform(0, LONGEST_BLOW_SECONDS))
        victims = [self._victims[name] for name in self._chance.choice(VICTIMS)]
        for victim in victims:
            victim.kill()
            self.kills[victim.node.name] += 1
        for victim in victims:
            victim.start()
        for victim in victims:
            victim.wait()

    def _check(self, kept: set[str]) -> None:
        wait_until(
            lambda: kept <= set(self._arrived()),
            END_SECONDS,
            "all articles that were taken",
            explain=lambda: f"missing: {sorted(kept - set(self._arrived()))[:20]}",
        )
        wait_until(
            lambda: all(news_queue_counts(victim.node)[1] == 0 for victim in self._victims.values()),
            END_SECONDS,
            "the end of all work",
        )
        for victim in self._victims.values():
            victim.end()
        assert sorted(self._arrived()) == sorted(kept)
        for victim in self._victims.values():
            queue = victim.node.home / "state/news/queue"
            left = [
                path for name in ("bodies", "incoming", "quarantine") for path in (queue / name).glob("*")
            ]
            assert left == []
            assert "Traceback" not in victim.node.log_text(), tail(victim.node.log_path)

    def _arrived(self) -> list[str]:
        names = []
        for path in self._inn.articles(GROUP):
            names += [found.decode() for found in _MESSAGE_ID.findall(path.read_bytes()[:4096])]
        return names


def _name(content: bytes) -> bytes:
    found = _MESSAGE_ID.search(content)
    assert found is not None
    return found[1]
