"""News with the daemons running, and with one that is killed again and again."""

import os
import random
import re
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support.gateways import CHILD_SECONDS, GatewayNode, mail, pair
from tests.support.news import article, batch, give_news, news_queue_counts, script
from tests.support.processes import wait_until

BOTH = 'feed = "*"\naccept = "*"\nmax_age_seconds = 0\nlevel = 1\n'


class Site:
    """Two nodes; what reaches the second is appended to a file."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.a, self.b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
        pair(self.a, self.b)
        give_news(self.a, b=BOTH)
        give_news(self.b, a=BOTH)
        self.got = place / "got"
        self.got.touch()
        self.b.set_toml(
            "news.rnews", f'command = ["{script(place / "rnews", f"exec /bin/cat >> {self.got}")}"]\n'
        )
        self.bin = place / "bin"
        self.a.run("links", "--mail", str(self.bin))

    def rnews(self, payload: bytes) -> int:
        """Hand a batch in as a batcher does; the exit status."""
        done = subprocess.run(
            [self.bin / "rnews"], input=payload, capture_output=True, check=False, timeout=CHILD_SECONDS,
            env={"PATH": os.defpath}, cwd="/",
        )  # fmt: skip
        return done.returncode

    def arrived(self) -> list[str]:
        """The Message-IDs of what reached the far program, in order."""
        return re.findall(r"(?m)^Message-ID: (\S+)", self.got.read_text())


@pytest.fixture
def site(place: Path) -> Site:
    return Site(place)


def test_articles_go_on_by_themselves(site: Site) -> None:
    """What is handed to one daemon is a packet at once, and what the other tosses is delivered at once."""
    ids = [f"<{number}@a.test>" for number in range(20)]
    with site.a.serving(), site.b.serving():
        assert site.rnews(batch([article(number) for number in range(20)])) == 0
        wait_until(lambda: site.a.packets(site.b.id), 60, "a packet", explain=site.a.log_text)
        site.a.carry_to(site.b, site.place / "stick")
        wait_until(lambda: len(site.arrived()) == 20, 60, "articles at b", explain=site.b.log_text)
    assert sorted(site.arrived()) == sorted(ids)
    assert news_queue_counts(site.b) == (20, 0)


def feed_all(site: Site, rounds: int, per_batch: int) -> None:
    """Hand batches in, each until it is taken."""
    for number in range(rounds):
        payload = batch([article(f"{number}-{index}") for index in range(per_batch)])
        wait_until(lambda payload=payload: site.rnews(payload) == 0, 60, "a batch is taken")  # type: ignore[misc]


def test_news_that_is_stuck_delays_no_mail(site: Site) -> None:
    """Mail is taken, packed and delivered while a flood of news waits for a program that does not end."""
    go_on = site.place / "go-on"
    script(
        site.place / "rnews", f"while ! test -e {go_on}; do sleep 0.1; done", f"exec /bin/cat >> {site.got}"
    )
    assert site.rnews(batch([article(number) for number in range(300)])) == 0
    with site.a.serving(), site.b.serving():
        wait_until(lambda: site.a.packets(site.b.id), 60, "a packet of news", explain=site.a.log_text)
        site.a.carry_to(site.b, site.place / "stick")
        wait_until(lambda: news_queue_counts(site.b)[1] == 300, 60, "the news at b", explain=site.b.log_text)
        site.a.send("alice@a.test", ["bob@b.test"], mail(1, "alice@a.test", "bob@b.test"))
        site.a.carry_to(site.b, site.place / "stick")
        site.b.wait_for_mails(1)
        assert site.arrived() == []
        go_on.touch()
        wait_until(lambda: len(site.arrived()) == 300, 60, "all the news", explain=site.b.log_text)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 20))])
def test_a_daemon_that_is_killed_under_a_feed_loses_nothing_and_sends_nothing_twice(
    site: Site, seed: int
) -> None:
    """Each batch that was taken arrives, each article once, however often the daemon was killed."""
    rounds, per_batch = 12, 4
    feeder = threading.Thread(target=feed_all, args=(site, rounds, per_batch))
    feeder.start()
    chance = random.Random(seed)
    while feeder.is_alive():
        with site.a.serving() as daemon:
            feeder.join(chance.uniform(0.05, 1.5))
            if feeder.is_alive():
                daemon.kill_group()
    feeder.join()
    site.a.run("flush")
    site.a.carry_to(site.b, site.place / "stick")
    site.b.run("toss")
    site.b.run("deliver")
    expected = sorted(f"<{number}-{index}@a.test>" for number in range(rounds) for index in range(per_batch))
    assert sorted(site.arrived()) == expected
