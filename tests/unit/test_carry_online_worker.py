"""One thread of a session: jobs in their order, and what is told in the loop."""

import asyncio
import threading
from functools import partial

import pytest

from gateway.carry.online.worker import Worker
from tests.support.online_sessions import WAIT_SECONDS


def test_jobs_are_done_in_order_by_one_thread_and_told_in_the_loop() -> None:
    async def story() -> None:
        worker = Worker("test", lambda _error: None)
        await worker.flush()
        done: list[tuple[int, str]] = []
        told: list[int] = []

        def note(number: int) -> None:
            done.append((number, threading.current_thread().name))

        for number in range(100):
            worker.put(partial(note, number))
        worker.put(lambda: worker.tell(lambda: told.append(threading.get_ident())))
        await worker.flush()
        await worker.close()
        await worker.close()
        assert done == [(number, "test") for number in range(100)]
        assert told == [threading.get_ident()]

    asyncio.run(story())


def fail() -> None:
    raise KeyError("a bug")


def test_a_job_that_fails_ends_the_thread_and_nobody_waits_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        bugs: list[BaseException] = []
        worker = Worker("test", bugs.append)
        worker.put(fail)
        worker.put(lambda: bugs.append(AssertionError("it went on")))
        async with asyncio.timeout(WAIT_SECONDS):
            await worker.flush()
            await worker.close()
        assert [type(bug) for bug in bugs] == [KeyError]

    asyncio.run(story())
    assert "test failed" in caplog.text


def test_a_thread_that_has_nothing_to_do_was_never_started_and_has_ended() -> None:
    async def story() -> None:
        worker = Worker("idle", lambda _error: None)
        await worker.flush()
        await worker.close()
        assert "idle" not in {thread.name for thread in threading.enumerate()}

    asyncio.run(story())


def test_a_job_can_see_whether_others_wait() -> None:
    async def story() -> None:
        worker = Worker("test", lambda _error: None)
        seen: list[bool] = []
        may_begin = threading.Event()
        worker.put(lambda: seen.append(may_begin.wait(WAIT_SECONDS)))
        for _ in range(2):
            worker.put(lambda: seen.append(worker.has_more))
        may_begin.set()
        await worker.close()
        # Behind the last job stands the word to end.
        assert seen == [True, True, True]
        worker.put(lambda: seen.append(worker.has_more))
        await worker.flush()
        await worker.close()
        assert len(seen) == 4

    asyncio.run(story())


def test_a_job_that_outlives_the_loop_tells_nobody() -> None:
    may_tell, has_told = threading.Event(), threading.Event()

    def tell_late(worker: Worker) -> None:
        may_tell.wait(WAIT_SECONDS)
        worker.tell(lambda: None)
        has_told.set()

    async def story() -> None:
        worker = Worker("test", lambda _error: None)
        worker.put(partial(tell_late, worker))

    asyncio.run(story())
    may_tell.set()
    assert has_told.wait(WAIT_SECONDS)
