"""The program at the end of a channel feed is killed under a real innd, again and again."""

import os
import signal
from pathlib import Path

from tests.support.gateways import GatewayNode, pair
from tests.support.inn import USER, InnInstance
from tests.support.inn_kit import add_feed, channel_program
from tests.support.news import (
    GROUP,
    MODULE,
    article,
    batch,
    give_news,
    news_queue_counts,
    open_for_all,
    script,
)
from tests.support.peers import PROJECT, require_readable_by
from tests.support.processes import wait_until

ROUNDS = 5
COUNT = 20
NAMED = '\n[[news.peer]]\nname = "inn"\nhosts = ["127.0.0.1"]\n'


def channels(place: Path) -> list[int]:
    """The processes that read the channel of this test, without the shells that hold it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if b"news-channel" in words and any(os.fsencode(place) in word for word in words):
            found += [] if words[0] in {b"sh", b"/bin/sh"} else [int(entry.name)]
    return found


def test_innd_writes_each_line_once_and_none_is_lost(place: Path) -> None:
    """All articles are in the queue of news, once, wherever the program that reads the channel was killed."""
    require_readable_by(USER)
    node, other = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(node, other)
    give_news(node, b='feed = "*"\n')
    node.config_path.write_text(node.config_path.read_text() + NAMED)
    program = script(place / "gateway", f"export PYTHONPATH={PROJECT}", f'exec {" ".join(MODULE)} "$@"')
    with InnInstance(place / "n", "news.example.org", [GROUP]) as inn, node.serving("--only", "pipe"):
        open_for_all(node)
        channel = channel_program(inn, node, program)
        add_feed(inn, "newsfeeds_channel.sample", **{"/etc/news/nncp-gateway-channel": str(channel)})
        for number in range(ROUNDS):
            wait_until(lambda: channels(place), 60, "a program at the channel", explain=inn.log_text)
            articles = [article(f"{number}.{each}") for each in range(COUNT)]
            inn.run("rnews", stdin=batch(articles[: COUNT // 2]))
            for pid in channels(place):
                os.kill(pid, signal.SIGKILL)
            # Nobody but the shell is there.
            inn.run("rnews", stdin=batch(articles[COUNT // 2 :]))
        inn.wait_for_articles(GROUP, ROUNDS * COUNT)
        inn.ctlinnd("flush", "gw")
        everything = (ROUNDS * COUNT, ROUNDS * COUNT)
        wait_until(lambda: news_queue_counts(node) == everything, 60, "all articles", explain=inn.log_text)
        inn.ctlinnd("drop", "gw")
        wait_until(lambda: not channels(place), 60, "the end of the channel")
