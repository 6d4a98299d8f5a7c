import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.carry.online.autotoss import AutoTosser
from gateway.errors import StoreError
from gateway.nodes import Node
from gateway.schedule.call import AutoToss
from gateway.spool.log import Log
from tests.support.nodes import make_books
from tests.support.processes import wait_until

BOOK = make_books("a", "b", "c")["a"]
B, C = BOOK.find("b"), BOOK.find("c")
PLAIN, SEEN = AutoToss(), AutoToss(is_seen_marked=True)
WAIT_SECONDS = 60


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log", quiet=True)


class Toss:
    """Tosses that a test lets go on one by one."""

    def __init__(self, answer: Callable[[], bool] = lambda: True) -> None:
        self.began: list[tuple[str, AutoToss]] = []
        self.gate = threading.Semaphore(0)
        self.running_count = 0
        self._answer = answer

    def __call__(self, node: Node, settings: AutoToss) -> bool:
        self.running_count += 1
        self.began.append((node.name, settings))
        assert self.gate.acquire(timeout=WAIT_SECONDS)
        self.running_count -= 1
        return self._answer()

    def wait_begun(self, count: int) -> None:
        wait_until(lambda: len(self.began) == count, WAIT_SECONDS, f"{count} tosses")


def test_wakes_during_a_toss_are_one_more_toss(log: Log) -> None:
    toss = Toss()
    tosser = AutoTosser(toss, log, PLAIN)
    tosser.wake(B)
    toss.wait_begun(1)
    tosser.choose(B, SEEN)
    for _ in range(100):
        tosser.wake(B)
    toss.gate.release()
    toss.wait_begun(2)
    assert toss.running_count == 1
    toss.gate.release()
    tosser.close()
    assert toss.began == [("b", PLAIN), ("b", SEEN)]
    assert not tosser.is_failed


def test_slow_handler_of_one_neighbour_holds_up_no_other(log: Log) -> None:
    toss = Toss()
    tosser = AutoTosser(toss, log, PLAIN)
    tosser.wake(B)
    toss.wait_begun(1)
    tosser.wake(C)
    toss.wait_begun(2)
    assert toss.running_count == 2
    toss.gate.release(2)
    tosser.close()


def test_neighbour_for_whom_nothing_is_wanted_is_left_alone(log: Log) -> None:
    toss = Toss()
    toss.gate.release(2)
    tosser = AutoTosser(toss, log)
    tosser.wake(B)
    tosser.choose(C, SEEN)
    tosser.wake(C)
    tosser.choose(C, None)
    tosser.wake(C)
    tosser.close()
    assert toss.began == [("c", SEEN)]


def test_last_wake_is_done_when_close_returns(log: Log) -> None:
    toss = Toss()
    tosser = AutoTosser(toss, log, PLAIN)
    tosser.wake(B)
    toss.wait_begun(1)
    tosser.wake(B)
    toss.gate.release(2)
    tosser.close()
    assert len(toss.began) == 2


def test_bad_packet_is_remembered(log: Log) -> None:
    answers = iter([True, False, True])
    toss = Toss(lambda: next(answers))
    tosser = AutoTosser(toss, log, PLAIN)
    toss.gate.release(3)
    for node in (B, C, BOOK.self_node):
        tosser.wake(node)
    tosser.close()
    assert tosser.is_failed


@pytest.mark.parametrize("error", [StoreError("no disk"), ZeroDivisionError("a bug")])
def test_toss_that_fails_does_not_end_tossing(tmp_path: Path, log: Log, error: Exception) -> None:
    steps = iter([error, None])

    def answer() -> bool:
        step = next(steps)
        if step is not None:
            raise step
        return True

    toss = Toss(answer)
    tosser = AutoTosser(toss, log, PLAIN)
    tosser.wake(B)
    toss.wait_begun(1)
    tosser.wake(B)
    toss.gate.release(2)
    tosser.close()
    assert len(toss.began) == 2
    assert tosser.is_failed
    if isinstance(error, StoreError):
        assert f"Err: no disk\nWho: autotoss\nNode: {B.id}\n" in (tmp_path / "log").read_text()
