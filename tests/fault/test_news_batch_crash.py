"""A batch of news is in exactly one packet, wherever the batcher stopped."""

from pathlib import Path

import pytest

from gateway.batch.batcher import Batcher
from gateway.batch.policy import BatchSettings, LanePolicy
from gateway.durable import Disk
from gateway.msgqueue.entry import Form
from gateway.msgqueue.store import Queue
from gateway.spool.layout import Box
from gateway.spool.store import Spool
from tests.support.areas import AreaNodes
from tests.support.crash import run_until_step
from tests.support.news import article
from tests.support.newsroom import FROM_A, crlf, desk, feed

NEWS = BatchSettings(default=LanePolicy(form=Form.RNEWS, level=1))
STEP_LIMIT = 300


@pytest.mark.parametrize("is_area", [False, True])
def test_a_stop_at_every_step_leaves_each_article_in_one_packet(tmp_path: Path, *, is_area: bool) -> None:
    """Whoever is fed, neighbour or area, gets each article once, wherever the batcher died."""
    for step in range(STEP_LIMIT):
        nodes = AreaNodes(tmp_path / str(step), {"a": ("b",)})
        directory = tmp_path / f"{step}.news"
        place = nodes.area("a").id if is_area else nodes.id("b")
        with Queue(directory, Disk(is_syncing=False)) as queue:
            newsdesk = desk(queue, [feed(name="b", node=place, nice=224)])
            for number in (1, 2):
                newsdesk.take(newsdesk.judge(crlf(article(number)), FROM_A), FROM_A).result()

        def work(disk: Disk, nodes: AreaNodes = nodes, directory: Path = directory) -> None:
            spool = Spool(nodes.spools["a"].root, disk)
            with Queue(directory, disk) as queue:
                Batcher(queue, nodes.books["a"], spool, NEWS).run_once(is_flush=True)

        was_stopped, _ = run_until_step(step, work)
        work(Disk(is_syncing=False))
        hop = nodes.id("a") if is_area else place
        assert len(list(nodes.spools["a"].jobs(hop, Box.TX))) == 1
        if not was_stopped:
            assert step > 5
            return
    raise AssertionError("the batcher never came to its end")
