"""Our daemon, as tests of bad peers see it: what it says, and whether honest ones get through."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.both_nncp import OURS
from tests.support.online import OnlinePair
from tests.support.online_packets import KIB, Made, Mix
from tests.support.processes import Running, wait_until

DEADLINE_SECONDS = 2
"""Of the handshake, of stalls and of idle sessions, in place of ten."""
SLACK_SECONDS = 6
"""A busy machine may be late."""
SECONDS = 60
MIX = Mix((2 * KIB, 40 * KIB), large_share=0)
HONEST_SESSIONS = 3
"""A damaged part of a packet may cost one that finds it out."""


@dataclass(slots=True)
class Victim:
    """Our daemon at node b."""

    pair: OnlinePair
    port: int
    program: Running

    def queue_one_each(self) -> tuple[Made, Made]:
        """A packet of a for b, and one of b for a."""
        return self.pair.fill("a", 1, mix=MIX)[0], self.pair.fill("b", 1, mix=MIX)[0]

    def exchange_honestly(self) -> None:
        """Let the true neighbour call until all is exchanged."""
        pair = self.pair
        for number in range(HONEST_SESSIONS):
            for name in ("a", "b"):
                pair.wait_unlocked(name)
            with pair.start_call(OURS, "a", "-quiet", "--", pair.address("b", self.port)) as call:
                wait_until(
                    lambda call=call: call.returncode is not None or pair.has_all(),  # type: ignore[misc]
                    SECONDS,
                    "a session",
                    explain=pair.explain,
                )
            if pair.has_all():
                break
            assert number < HONEST_SESSIONS - 1, pair.explain()
        pair.check_all()
        assert self.program.returncode is None, "the daemon ended"


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Victim]:
    """Run the daemon in a directory that is made."""
    environ = {"NNCPDEADLINE": str(DEADLINE_SECONDS)}
    pair = OnlinePair(directory, deadline_seconds=DEADLINE_SECONDS, environ=environ)
    with pair.listening(OURS, "b") as (port, program):
        yield Victim(pair, port, program)


@contextlib.contextmanager
def said_by(pair: OnlinePair, name: str) -> Iterator[Callable[[], str]]:
    """Yields what tells all that a node's log and programs say from now on."""
    sources = [pair.logs[name], *(pair.directory / f"{name}-{verb}.out" for verb in ("daemon", "call"))]

    def read() -> list[str]:
        return [path.read_text("utf-8", "replace") if path.exists() else "" for path in sources]

    before = [len(text) for text in read()]
    yield lambda: "".join(text[start:] for text, start in zip(read(), before, strict=True))
