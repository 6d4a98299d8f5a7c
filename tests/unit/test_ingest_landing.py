"""Results of the writer thread reach the event loop, many with one wake-up."""

import asyncio
from concurrent.futures import Future

import pytest

from gateway.errors import StoreFull
from gateway.ingest.landing import Landing

WAIT_SECONDS = 60


def test_what_is_committed_in_another_thread_is_told_to_everybody_who_waits() -> None:
    async def run() -> None:
        landing = Landing()
        futures: list[Future[None]] = [Future() for _ in range(500)]
        waits = [asyncio.ensure_future(landing.wait(future)) for future in futures]

        def commit() -> None:
            for future in futures:
                future.set_result(None)

        await asyncio.to_thread(commit)
        await asyncio.wait_for(asyncio.gather(*waits), WAIT_SECONDS)

    asyncio.run(run())


def test_a_result_that_is_there_already_needs_no_other_thread() -> None:
    async def run() -> None:
        future: Future[None] = Future()
        future.set_result(None)
        await asyncio.wait_for(Landing().wait(future), WAIT_SECONDS)

    asyncio.run(run())


def test_an_error_comes_through_and_the_others_are_told() -> None:
    async def run() -> None:
        landing = Landing()
        bad: Future[None] = Future()
        good: Future[None] = Future()
        waits = [asyncio.ensure_future(landing.wait(future)) for future in (bad, good)]
        await asyncio.to_thread(bad.set_exception, StoreFull("no room"))
        await asyncio.to_thread(good.set_result, None)
        with pytest.raises(StoreFull, match="no room"):
            await waits[0]
        await asyncio.wait_for(waits[1], WAIT_SECONDS)

    asyncio.run(run())


def test_who_gives_up_before_the_commit_is_not_committed() -> None:
    async def run() -> None:
        landing = Landing()
        future: Future[None] = Future()
        other: Future[None] = Future()
        waits = [asyncio.ensure_future(landing.wait(one)) for one in (future, other)]
        await asyncio.sleep(0)
        waits[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits[0]
        assert future.cancelled()
        await asyncio.to_thread(other.set_result, None)
        await asyncio.wait_for(waits[1], WAIT_SECONDS)

    asyncio.run(run())


def test_a_result_after_the_end_of_the_loop_hurts_nobody() -> None:
    landing, future = Landing(), Future[None]()

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(landing.wait(future)), 0.01)

    asyncio.run(run())
    assert future.cancelled() or future.set_running_or_notify_cancel()
