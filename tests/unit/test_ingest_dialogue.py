"""The dialogue of a connection, run without a task."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.ingest.dialogue import Dialogue

Talk = Callable[[Dialogue, list[object]], Coroutine[Any, Any, None]]


async def _listen(dialogue: Dialogue, heard: list[object]) -> None:
    while data := await dialogue.input():
        heard.append(data)
    heard.append("over")


async def _begin(talk: Talk) -> tuple[Dialogue, list[object]]:
    dialogue, heard = Dialogue(asyncio.get_running_loop()), list[object]()
    dialogue.begin(talk(dialogue, heard))
    return dialogue, heard


def test_input_is_taken_in_the_call_that_brings_it() -> None:
    async def run() -> None:
        dialogue, heard = await _begin(_listen)
        dialogue.feed(b"one")
        dialogue.feed(b"two")
        assert heard == [b"one", b"two"]
        dialogue.end()
        assert heard == [b"one", b"two", "over"]
        assert dialogue.waiting_bytes == 0

    asyncio.run(run())


def test_input_that_comes_too_early_is_kept_and_its_end_comes_after_it() -> None:
    async def run() -> None:
        wanted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def talk(dialogue: Dialogue, heard: list[object]) -> None:
            await wanted
            await _listen(dialogue, heard)
            done.set()

        done = asyncio.Event()
        dialogue, heard = await _begin(talk)
        dialogue.feed(b"one")
        dialogue.feed(b"two")
        dialogue.end()
        assert (heard, dialogue.waiting_bytes) == ([], 6)
        wanted.set_result(None)
        await asyncio.wait_for(done.wait(), 20)
        assert heard == [b"onetwo", "over"]

    asyncio.run(run())


def test_results_and_errors_of_futures_come_to_whoever_waits() -> None:
    async def run() -> None:
        async def talk(_dialogue: Dialogue, heard: list[object]) -> None:
            loop = asyncio.get_running_loop()
            heard.append(await loop.run_in_executor(None, str, 1))
            await asyncio.sleep(0)
            heard.append("slept")
            try:
                await loop.run_in_executor(None, int, "x")
            except ValueError as error:
                heard.append(type(error))
            done.set()

        done = asyncio.Event()
        _, heard = await _begin(talk)
        await asyncio.wait_for(done.wait(), 20)
        assert heard == ["1", "slept", ValueError]

    asyncio.run(run())


async def _wait_for_input(dialogue: Dialogue, _wanted: "asyncio.Future[None]") -> None:
    await dialogue.input()


async def _wait_for_a_future(_dialogue: Dialogue, wanted: "asyncio.Future[None]") -> None:
    await wanted


async def _let_others_come_first(_dialogue: Dialogue, _wanted: "asyncio.Future[None]") -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("wait", [_wait_for_input, _wait_for_a_future, _let_others_come_first])
def test_what_it_waits_for_is_broken_off(
    wait: Callable[[Dialogue, "asyncio.Future[None]"], Coroutine[Any, Any, None]],
) -> None:
    ended: list[str] = []

    async def run() -> None:
        dialogue, loop = Dialogue(asyncio.get_running_loop()), asyncio.get_running_loop()
        wanted: asyncio.Future[None] = loop.create_future()
        done = asyncio.Event()

        async def talk() -> None:
            try:
                await wait(dialogue, wanted)
                ended.append("by itself")
            finally:
                ended.append("cleaned up")
                done.set()

        dialogue.begin(talk())
        dialogue.cancel()
        await asyncio.wait_for(done.wait(), 20)
        assert wanted.cancelled() == (wait is _wait_for_a_future)
        dialogue.cancel()

    asyncio.run(run())
    assert ended == ["cleaned up"]


def test_future_that_is_done_already_does_not_keep_it_from_being_broken_off() -> None:
    heard: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        dialogue, wanted = Dialogue(loop), loop.create_future()

        async def talk() -> None:
            try:
                await wanted
                heard.append("by itself")
            finally:
                heard.append("cleaned up")

        dialogue.begin(talk())
        wanted.set_result(None)
        dialogue.cancel()
        await asyncio.sleep(0)

    asyncio.run(run())
    assert heard == ["cleaned up"]


def test_bug_comes_out_where_it_was_woken() -> None:
    async def talk(dialogue: Dialogue, _heard: list[object]) -> None:
        await dialogue.input()
        raise ZeroDivisionError

    async def run() -> None:
        dialogue, _ = await _begin(talk)
        with pytest.raises(ZeroDivisionError):
            dialogue.feed(b"x")
        dialogue.cancel()

    asyncio.run(run())
