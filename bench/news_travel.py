"""From one news server to another: INN's file feed, ours in between, and batcher with nncp-exec.

The clock runs from INN's full file feed to the last article in the far INN's spool. Ours: send-nncp hands the
articles to the daemon, batches travel through an open session over TCP, the far daemon streams into
innd; all of it at the same time, at a fast link's settings. The recipe: batcher with one nncp-exec a batch,
one bundle, then nncp-toss, which starts INN's rnews. The far side is an INN each; the sides take turns.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.figures import BenchError, Figure, side_by_side
from bench.mail_site import Nodes, file_count, need, open_place, scaled, wait_for
from bench.news_articles import articles
from tests.support.gateways import GatewayNode
from tests.support.gonncp import GoMesh
from tests.support.inn import USER, InnInstance
from tests.support.inn_kit import run_kit
from tests.support.news import GROUP, batch, feed_inn, give_news, open_for_all
from tests.support.peers import require
from tests.support.ports import free_port
from tests.support.processes import as_user

COUNT = scaled(1000)
ROUNDS = scaled(7)
TARGET = 1.2
TRAVEL_SECONDS = 120.0
LOOK_SECONDS = 0.002
BATCH_BYTES = 1_000_000
FAST_LINK = 'feed = "*"\nmax_age_seconds = 0.2\nmax_messages = 200\nlevel = 1\n'
"""As docs/howto/fast-and-costly-links.md has it for mail."""
OUTSIDE = "*,!junk,!control,!control.*"
FIRST = 3
"""Articles before the first round: everything has been started once."""


def run() -> Iterator[Figure]:
    """Take all figures of this part."""
    need("innd", "batcher", "nncp-exec", "nncp-bundle", "nncp-toss")
    with open_place() as place, ExitStack() as stack:
        near, far, its = (
            stack.enter_context(InnInstance(place / name, f"{name}.inn.test", [GROUP])) for name in "nft"
        )
        near.add_feed(f"gw/gw.a.test:{OUTSIDE}:Tf,Wnb:", f"c/t.inn.test:{OUTSIDE}:Tf,Wnb:")
        site = _Site(place, near, stack)
        ours, recipe = site.ours(far), site.recipe(its)
        ours(f"0.{FIRST}")
        recipe(f"0.{FIRST}")
        figures = side_by_side(
            lambda number: ours(f"{number + 1}.{COUNT}"),
            lambda number: recipe(f"{number + 1}.{COUNT}"),
            repeats=ROUNDS,
        )
        yield Figure("news.travel_per_second", *figures, TARGET)


class _Site:
    """The near INN, and two ways from it."""

    def __init__(self, place: Path, near: InnInstance, stack: ExitStack) -> None:
        self._place, self._near, self._stack = place, near, stack

    def ours(self, far: InnInstance) -> Callable[[str], float]:
        """Through two nodes of ours."""
        nodes = Nodes(self._place)
        _connect(nodes.a, nodes.b)
        give_news(nodes.a, b=FAST_LINK)
        give_news(nodes.b, a='accept = "*"\n')
        feed_inn(nodes.b, far)
        bin_ = self._place / "bin"
        nodes.a.run("links", "--mail", str(bin_))
        for node in (nodes.b, nodes.a):
            self._stack.enter_context(node.serving())
        open_for_all(nodes.a)

        def hand_over() -> None:
            done = run_kit(self._near, "send-nncp", "gw", NNCP_GATEWAY_BIN=str(bin_))
            if done.returncode:
                raise BenchError(f"send-nncp ended with {done.returncode}: {done.stderr!r}")

        return lambda words: self._rate(words, "ours", "gw", far, hand_over)

    def recipe(self, far: InnInstance) -> Callable[[str], float]:
        """Through two Go nodes."""
        mesh = GoMesh(self._place / "go", ["a", "c"])
        mesh.set_exec("c", "a", "rnews", [far.rnews])
        for path in (self._place / "go", *(self._place / "go").rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)

        def argv(node: str, tool: str, *words: str) -> list[Any]:
            config = str(mesh[node].config_path)
            return as_user(USER, [require(tool), "-quiet", "-noprogress", "-cfg", config, *words])

        def hand_over() -> None:
            work = self._near.home / "outgoing/c.work"
            work.with_name("c").rename(work)
            self._near.ctlinnd("flush", "c")
            command = f"{require('nncp-exec')} -quiet -noprogress -cfg {mesh['a'].config_path} c rnews"
            self._near.run("batcher", "-b", str(BATCH_BYTES), "-p", command, "c", str(work))
            with subprocess.Popen(
                argv("a", "nncp-bundle", "-tx", "-delete", "c"), stdout=subprocess.PIPE
            ) as out:
                subprocess.run(argv("c", "nncp-bundle", "-rx"), stdin=out.stdout, check=True)
            subprocess.run(argv("c", "nncp-toss"), check=True, timeout=TRAVEL_SECONDS)

        return lambda words: self._rate(words, "recipe", "c", far, hand_over)

    def _rate(
        self, words: str, mark: str, feed: str, far: InnInstance, hand_over: Callable[[], None]
    ) -> float:
        """Let articles come to the near INN, and hand them over; returns how many a second arrived."""
        count = int(words.partition(".")[2])
        spool = far.home / "articles" / GROUP.replace(".", "/")
        near_spool = self._near.home / "articles" / GROUP.replace(".", "/")
        wanted_near, wanted = file_count(near_spool) + count, file_count(spool) + count
        outgoing = self._near.home / "outgoing"
        for name in ("gw", "c"):
            (outgoing / name).write_bytes(b"")
        self._near.run("rnews", stdin=batch(articles(count, f"{mark}{words}")))
        wait_for(lambda: file_count(near_spool) >= wanted_near, "articles in the near INN")
        self._near.ctlinnd("flush", feed)
        lines = outgoing / feed
        wait_for(lambda: lines.read_bytes().count(b"\n") >= count, "a full file feed")
        os.sync()
        start = time.perf_counter()
        hand_over()
        # innd numbers its articles as they come. To list them all again and again would take time from both.
        last = spool / str(wanted)
        wait_for(last.exists, f"{last.name} articles in the far INN", TRAVEL_SECONDS, LOOK_SECONDS)
        seconds = time.perf_counter() - start
        if file_count(spool) < wanted:
            raise BenchError(f"the far INN has number {wanted}, and {file_count(spool)} articles")
        return count / seconds


def _connect(a: GatewayNode, b: GatewayNode) -> None:
    """Let b listen, and a hold a session open."""
    port = free_port()
    b.set_toml("online", f'listen = ["127.0.0.1:{port}"]\n')
    a.set_toml("online", "calls = true\n")
    config = a.nncp()
    config["neigh"]["b"] |= {
        "addrs": {"main": f"127.0.0.1:{port}"},
        "calls": [{"cron": "* * * * * * *", "onlinedeadline": 3600}],
    }
    a.nncp_path.write_text(json.dumps(config))
