"""A plain batch that is taken while it comes: what is taken depends on its bytes, not on how they come."""

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.durable import Disk
from gateway.errors import BadBatch
from gateway.msgqueue.store import Queue
from gateway.newsdesk import stream
from gateway.nntp.rnews_batch import RnewsLimits
from tests.support.news import article, batch
from tests.support.newsroom import B_FEED, LOCAL, desk, waiting

COUNT = 5
ARTICLES = [article(number, f"{'x' * number}\n") for number in range(COUNT)]
WHOLE = batch(ARTICLES)
ENDS = list(itertools.accumulate(len(batch([one])) for one in ARTICLES))


def taken(pieces: Sequence[bytes], group_count: int) -> tuple[list[str], str]:
    """The Message-IDs that are in the queue afterwards, and the fault."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Queue(Path(directory), Disk(is_syncing=False)) as queue,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(stream, "GROUP_COUNT", group_count)
        coming = stream.ArticleStream(desk(queue, (B_FEED,)), RnewsLimits(), LOCAL)
        try:
            for piece in pieces:
                coming.feed(piece)
            coming.finish()
        except BadBatch as error:
            fault = str(error)
        else:
            fault = ""
        # Wait for what was on its way.
        queue.write(lambda _: None)
        return [message_id for message_id, _ in waiting(queue)], fault


@settings(max_examples=60)
@given(
    at=st.integers(0, len(WHOLE)),
    damage=st.binary(max_size=20),
    cuts=st.lists(st.integers(0, len(WHOLE)), max_size=6),
    group_count=st.integers(1, COUNT),
)
def test_of_a_damaged_batch_whole_groups_in_front_of_the_damage_are_taken(
    at: int, damage: bytes, cuts: list[int], group_count: int
) -> None:
    data = WHOLE[:at] + damage
    places = [0, *sorted(cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    found, fault = taken(pieces, group_count)
    assert (found, fault) == taken([data], group_count)
    sound = [f"<{number}@a.test>" for number, end in enumerate(ENDS) if end <= at]
    if not fault:
        assert found[: len(sound)] == sound
    else:
        # The count of the last one may be proved by a header that follows in the damage, or not.
        assert set(found) <= set(sound)
        assert len(found) >= (len(sound) - 1) // group_count * group_count
