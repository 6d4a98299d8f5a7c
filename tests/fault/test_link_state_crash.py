"""A program that tells the state of a link is stopped before every single step on disk."""

from pathlib import Path

from gateway.durable import Disk
from gateway.spool.layout import Layout
from gateway.spool.link_record import Role
from gateway.spool.link_state import PROGRESS_SECONDS, LinkStates
from tests.support.crash import run_until_step
from tests.support.spools import NODE

STEP_LIMIT = 100
ADDRESS = "192.0.2.1:5400"


def test_a_stop_at_any_step_leaves_what_can_be_read_and_counts_a_session_once_at_most(tmp_path: Path) -> None:
    """Whenever the program ends, readers see whole files, and the next one to write tidies up."""
    counts: list[int] = []
    for step in range(STEP_LIMIT):
        layout = Layout(tmp_path / str(step))
        now = [0.0]

        def work(disk: Disk, layout: Layout = layout, now: list[float] = now) -> None:
            states = LinkStates(layout, disk, monotonic=lambda: now[0])
            states.failed(NODE, Role.CALLER, ADDRESS, "no answer")
            with states.began(NODE, Role.CALLER, ADDRESS) as session:
                now[0] += PROGRESS_SECONDS
                session.progress(10, 20)
                session.end(11, 21)

        was_stopped, steps = run_until_step(step, work)
        states = LinkStates(layout, Disk(is_syncing=False))
        state = states.read(NODE)
        assert state.damaged == (), f"stopped before step {step}, after {steps[-1:]}"
        assert not any(running.is_alive for running in state.sessions)
        states.failed(NODE, Role.CALLER, ADDRESS, "no answer")
        after = states.read(NODE)
        assert (after.sessions, after.damaged) == ((), ())
        assert after.history is not None
        counts.append(after.history.totals.session_count)
        if not was_stopped:
            break
    else:
        raise AssertionError("the program never came to its end")
    assert counts == sorted(counts)
    assert set(counts) == {0, 1}
