"""The store for newsreaders against a model: in any order of coming and going, no number is given twice."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.reader.store import ReaderStore
from gateway.reader.values import Filing
from tests.support.bookshelf import marks, message_ids, open_store, written
from tests.support.queue_clock import SetClock

GROUPS = ("a.x", "b.y", "c.z")
KEEP_SECONDS = 100.0
MAX_BYTES = 2000


@dataclass(frozen=True)
class Kept:
    """An article that the model has."""

    message_id: str
    size_bytes: int
    came_at: float
    places: dict[str, int]


class ReaderMachine(RuleBasedStateMachine):
    """Adds, lets time pass, sets the clock, expires and reopens at random."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="ngw-"))
        self.clock = SetClock()
        self.store = self.opened()
        self.kept: list[Kept] = []
        self.high: dict[str, int] = {}
        self.lows: dict[str, int] = {}

    def opened(self) -> ReaderStore:
        return open_store(
            self.directory, clock=self.clock.make, keep_seconds=KEEP_SECONDS, max_bytes=MAX_BYTES
        )

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.directory)

    @rule(
        articles=st.lists(
            st.tuples(st.integers(0, 30), st.sets(st.sampled_from(GROUPS), min_size=1), st.integers(0, 400)),
            max_size=4,
        )
    )
    def add(self, articles: list[tuple[int, set[str], int]]) -> None:
        contents = [
            written(number, groups=",".join(sorted(groups)), body="x" * size + "\n")
            for number, groups, size in articles
        ]
        filed = self.store.add(contents)
        for (number, groups, _), data, added in zip(articles, contents, filed, strict=True):
            message_id = f"<{number}@a.test>"
            is_known = any(kept.message_id == message_id for kept in self.kept)
            assert added.filing is (Filing.KNOWN if is_known else Filing.FILED)
            if not is_known:
                for group in groups:
                    self.high[group] = self.high.get(group, 0) + 1
                places = {group: self.high[group] for group in groups}
                assert added.text == " ".join(f"{group}:{places[group]}" for group in sorted(groups))
                self.kept.append(Kept(message_id, len(data), self.clock.seconds, places))
        self.forget()

    @rule(seconds=st.floats(0, 2 * KEEP_SECONDS))
    def let_time_pass(self, seconds: float) -> None:
        self.clock.go_on(seconds)

    @rule(seconds=st.floats(-2e9, 2e9))
    def set_the_wall_clock(self, seconds: float) -> None:
        self.clock.wall_ahead_seconds = seconds

    @rule()
    def expire(self) -> None:
        before = len(self.kept)
        self.forget()
        assert self.store.expire() == before - len(self.kept)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self.opened()

    @rule()
    def begin_anew(self) -> None:
        self.store.close()
        for path in self.directory.glob("reader.sqlite*"):
            path.unlink()
        self.store = self.opened()
        self.kept.clear()
        # All groups are there, and their numbers go on somewhere above.
        found = {name: high for name, (_, high, _) in marks(self.store).items()}
        assert found.keys() == self.high.keys()
        assert all(found[name] >= high for name, high in self.high.items())
        self.high = found

    def forget(self) -> None:
        """What the store has to do now, done in the model."""
        until = self.clock.seconds - KEEP_SECONDS
        while self.kept and (
            self.kept[0].came_at <= until or sum(kept.size_bytes for kept in self.kept) > MAX_BYTES
        ):
            del self.kept[0]

    @invariant()
    def every_group_is_as_in_the_model(self) -> None:
        found = marks(self.store)
        assert {name: high for name, (_, high, _) in found.items()} == self.high
        for name, (low, high, count) in found.items():
            expected = [(kept.places[name], kept.message_id) for kept in self.kept if name in kept.places]
            assert message_ids(self.store, name) == expected
            assert count == len(expected)
            assert low == (expected[0][0] if expected else high + 1)
            assert low >= self.lows.get(name, 1)
            self.lows[name] = low

    @invariant()
    def every_article_says_where_it_is(self) -> None:
        for kept in self.kept[:2]:
            xref = self.store.header_id("Xref", kept.message_id)
            assert xref is not None
            assert dict(place.rsplit(":", 1) for place in xref.decode().split()[1:]) == {
                group: str(number) for group, number in kept.places.items()
            }


ReaderMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestReaderMachine = ReaderMachine.TestCase
