import logging
import threading
import time
from collections.abc import Callable, Generator

import pytest

from gateway.daemon.supervisor import EAGER_PAUSE_SECONDS, Backoff, Run, Stage, Supervisor
from gateway.errors import StoreBusy, StoreError
from tests.support.processes import wait_until

QUICK = Backoff(first_seconds=0.01, longest_seconds=0.05)
LONG_SECONDS = 3600.0
WAIT_SECONDS = 60


class Counted:
    """A stage that counts its builds and runs, and does what it is told."""

    def __init__(self, action: Callable[[int], float | None] = lambda _: None) -> None:
        self.builds = 0
        self.runs = 0
        self._action = action

    def build(self) -> Run:
        self.builds += 1
        return self.run

    def run(self) -> float | None:
        self.runs += 1
        return self._action(self.runs)

    def stage(self, name: str, rescan_seconds: float = LONG_SECONDS) -> Stage:
        return Stage(name, self.build, rescan_seconds)

    def wait_runs(self, count: int) -> None:
        wait_until(lambda: self.runs >= count, WAIT_SECONDS, f"{count} runs")


Start = Callable[..., Supervisor]


@pytest.fixture
def start() -> Generator[Start]:
    made: list[Supervisor] = []

    def start_stages(*stages: Stage, backoff: Backoff = QUICK) -> Supervisor:
        supervisor = Supervisor(stages, backoff)
        made.append(supervisor)
        supervisor.start()
        return supervisor

    yield start_stages
    for supervisor in made:
        supervisor.stop()


def raising(*errors: Exception) -> Callable[[int], float | None]:
    def action(number: int) -> float | None:
        if number <= len(errors):
            raise errors[number - 1]
        return None

    return action


def test_a_stage_runs_at_the_start_and_when_it_is_woken(start: Start) -> None:
    stage = Counted()
    supervisor = start(stage.stage("a"))
    stage.wait_runs(1)
    supervisor.wake("a")
    stage.wait_runs(2)
    supervisor.wake()
    stage.wait_runs(3)
    supervisor.wake("unknown")


def test_a_stage_that_rested_runs_at_once_and_then_not_before_its_pause_is_over(start: Start) -> None:
    begun_at: list[float] = []
    stage = Counted(lambda _: begun_at.append(time.monotonic()))
    pause_seconds = 1.0
    supervisor = start(Stage("a", stage.build, LONG_SECONDS, pause_seconds=pause_seconds))
    stage.wait_runs(1)
    wait_until(lambda: time.monotonic() > begun_at[0] + pause_seconds, WAIT_SECONDS, "a rest")
    woken_at = time.monotonic()
    supervisor.wake("a")
    stage.wait_runs(2)
    supervisor.wake("a")
    stage.wait_runs(3)
    assert begun_at[1] - woken_at < pause_seconds
    assert begun_at[2] - begun_at[1] >= pause_seconds


def test_a_stage_runs_again_when_it_wants_to(start: Start) -> None:
    stage = Counted(lambda _: 0.01)
    start(stage.stage("a"))
    stage.wait_runs(3)


def test_a_stage_runs_again_at_the_rescan_whatever_it_wants(start: Start) -> None:
    stage = Counted(lambda _: LONG_SECONDS)
    start(stage.stage("a", rescan_seconds=0.01))
    stage.wait_runs(3)


def test_a_stage_that_dies_by_a_bug_is_built_anew_and_the_others_go_on(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Counted(raising(ZeroDivisionError("oops"), KeyError("again"))), Counted(lambda _: 0.01)
    with caplog.at_level(logging.INFO, "gateway.daemon.supervisor"):
        start(bad.stage("bad", rescan_seconds=0.01), good.stage("good"))
        bad.wait_runs(5)
        good.wait_runs(5)
    assert bad.builds == 3
    assert good.builds == 1
    faults = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in faults] == [
        "bad: a fault of this program; started again in 0.01 s",
        "bad: a fault of this program; started again in 0.02 s",
    ]
    assert all(record.exc_info is not None for record in faults)
    assert "ZeroDivisionError: oops" in caplog.text


def test_a_stage_that_cannot_be_built_is_tried_again(start: Start) -> None:
    stage = Counted()
    built: list[int] = []

    def build() -> Run:
        built.append(1)
        if len(built) < 3:
            raise StoreError("not yet")
        return stage.run

    start(Stage("a", build, LONG_SECONDS))
    stage.wait_runs(1)
    assert len(built) == 3


def test_an_expected_error_is_one_line_and_the_stage_is_kept(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Counted(raising(StoreError("the disk refused")))
    start(stage.stage("a", rescan_seconds=0.01))
    stage.wait_runs(3)
    assert stage.builds == 1
    (fault,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert fault.getMessage() == "a: the disk refused; next try in 0.01 s"
    assert fault.exc_info is None


def test_somebody_else_at_work_is_no_fault(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    stage = Counted(raising(StoreBusy("held")))
    start(stage.stage("a"))
    wait_until(lambda: stage.runs >= 2, WAIT_SECONDS, "the second look")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_wakes_do_not_shorten_a_back_off(start: Start) -> None:
    stage = Counted(raising(*(ValueError("x") for _ in range(1000))))
    supervisor = start(stage.stage("a"), backoff=Backoff(0.2, 0.2))
    stage.wait_runs(1)
    began = time.monotonic()
    while stage.runs < 3:
        supervisor.wake("a")
        time.sleep(0.001)
        assert time.monotonic() - began < WAIT_SECONDS
    assert time.monotonic() - began >= 0.35


def test_waits_double_up_to_the_longest_and_start_anew_after_a_success() -> None:
    backoff = Backoff(1.0, 300.0)
    assert [backoff.wait_seconds(count) for count in (1, 2, 3, 9, 10, 1000)] == [1, 2, 4, 256, 300, 300]


def test_a_stop_waits_for_the_run_that_is_under_way(start: Start) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(_number: int) -> float | None:
        entered.set()
        assert leave.wait(WAIT_SECONDS)
        return None

    stage = Counted(slow)
    supervisor = start(stage.stage("slow"))
    assert entered.wait(WAIT_SECONDS)
    stopper = threading.Thread(target=supervisor.stop)
    stopper.start()
    assert stopper.is_alive()
    leave.set()
    stopper.join(WAIT_SECONDS)
    assert not stopper.is_alive()
    assert stage.runs == 1


def test_a_stop_ends_a_back_off_at_once(start: Start) -> None:
    stage = Counted(raising(ValueError("x")))
    supervisor = start(stage.stage("a"), backoff=Backoff(LONG_SECONDS, LONG_SECONDS))
    stage.wait_runs(1)
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < WAIT_SECONDS


def test_a_run_that_lasts_is_told_to_end(start: Start) -> None:
    entered, ending = threading.Event(), threading.Event()

    def last(_number: int) -> float | None:
        entered.set()
        assert ending.wait(WAIT_SECONDS)
        return None

    stage = Counted(last)
    supervisor = start(Stage("lasting", stage.build, LONG_SECONDS, ending.set))
    assert entered.wait(WAIT_SECONDS)
    supervisor.stop()
    assert stage.runs == 1


def test_an_eager_stage_rests_as_long_as_it_ran_and_others_as_long_as_they_say() -> None:
    steady, eager = (
        Stage("a", lambda: lambda: None, 1.0, pause_seconds=0.2, is_eager=eager) for eager in (False, True)
    )
    runs = (0.0, 0.1, 5.0)
    assert [steady.rest_seconds(run) for run in runs] == [0.2, 0.2, 0.2]
    assert [eager.rest_seconds(run) for run in runs] == [EAGER_PAUSE_SECONDS, 0.1, 0.2]
