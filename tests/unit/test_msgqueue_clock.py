"""Nothing expires because the wall clock moved."""

import pytest

from gateway.msgqueue.clock import CREDIT_LIMIT_SECONDS, Mark, QueueClock

YEAR_SECONDS = 365 * 86_400.0


class Machine:
    """A machine with a clock that can be set and a power switch."""

    def __init__(self) -> None:
        self.boot = 1
        self.up = 100.0
        self.wall = 1_800_000_000.0

    def clock(self, last: Mark | None) -> QueueClock:
        return QueueClock(last, boot_id=f"boot-{self.boot}", uptime=lambda: self.up, wall=lambda: self.wall)

    def run(self, seconds: float) -> None:
        self.up += seconds
        self.wall += seconds

    def restart(self, off_seconds: float, wall: float | None = None) -> None:
        self.boot += 1
        self.up = 5.0
        self.wall = self.wall + off_seconds if wall is None else wall


def test_it_counts_seconds_of_uptime() -> None:
    machine = Machine()
    clock = machine.clock(None)
    assert clock.now() == 0.0
    machine.run(42.5)
    assert clock.now() == 42.5


def test_a_second_process_of_the_same_boot_agrees() -> None:
    machine = Machine()
    clock = machine.clock(None)
    machine.run(10)
    other = machine.clock(clock.mark())
    machine.run(10)
    assert other.now() == pytest.approx(clock.now())


@pytest.mark.parametrize("jump_seconds", [-56 * YEAR_SECONDS, -1.0, 1.0, 40 * YEAR_SECONDS])
def test_a_jump_of_the_wall_clock_changes_nothing(jump_seconds: float) -> None:
    machine = Machine()
    clock = machine.clock(None)
    machine.wall += jump_seconds
    machine.run(10)
    assert clock.now() == 10.0
    assert machine.clock(clock.mark()).now() == 10.0


def test_a_restart_credits_the_time_off_up_to_a_day() -> None:
    machine = Machine()
    clock = machine.clock(None)
    machine.run(50)
    mark = clock.mark()
    machine.restart(off_seconds=600)
    assert machine.clock(mark).now() == pytest.approx(650.0)
    machine.restart(off_seconds=40 * YEAR_SECONDS)
    assert machine.clock(mark).now() == 50.0 + CREDIT_LIMIT_SECONDS


def test_a_machine_that_wakes_in_1970_goes_on_where_it_was() -> None:
    machine = Machine()
    clock = machine.clock(None)
    machine.run(50)
    mark = clock.mark()
    machine.restart(off_seconds=0, wall=10.0)
    assert machine.clock(mark).now() == 50.0
