"""The small parts that sessions share: the log of strangers, what is shown."""

import asyncio
from pathlib import Path

from gateway.carry.online.display import Display
from gateway.carry.online.ending import Ending
from gateway.carry.online.strangers import TOLD_COUNT, StrangerLog, choose_victim
from gateway.carry.online.wire import Wire
from gateway.ids import PacketId
from gateway.link.events import Ended, EndReason
from gateway.spool.log import Log
from gateway.spool.progress import Progress
from tests.support.online_sessions import wire_pair


def ending(reason: EndReason = EndReason.IDLE, received_bytes: int = 1) -> Ending:
    return Ending(
        Ended(reason, "why"),
        is_established=True,
        is_complete=True,
        seconds=3723.9,
        received_bytes=received_bytes,
        sent_bytes=4_000_000,
    )


class Stranger:
    """A connection of nobody."""

    def __init__(self, wire: Wire, received_bytes: int = 0) -> None:
        self.wire = wire
        self.received_bytes = received_bytes


def test_the_oldest_silent_stranger_goes_first_then_the_oldest() -> None:
    async def story() -> None:
        wires = [wire_pair() for _ in range(3)]
        talker, about_to_talk, silent = (
            Stranger(wires[0][0], 5), Stranger(wires[1][0]), Stranger(wires[2][0]),
        )  # fmt: skip
        wires[1][1].write([b"x"])
        strangers = dict.fromkeys((talker, about_to_talk, silent))
        assert choose_victim(strangers) is silent
        del strangers[silent]
        assert choose_victim(strangers) is talker
        for pair in wires:
            for wire in pair:
                wire.abort()

    asyncio.run(story())


def test_strangers_are_logged_as_far_as_anybody_reads_it(tmp_path: Path) -> None:
    async def story() -> None:
        strangers = StrangerLog(Log(tmp_path / "log", quiet=True))
        silent = ending(EndReason.BAD_HANDSHAKE, received_bytes=0)
        for _ in range(TOLD_COUNT + 30):
            strangers.tell("silent", silent, None, has_left=False)
        for _ in range(TOLD_COUNT + 3):
            strangers.tell("talker", ending(EndReason.BAD_HANDSHAKE), None, has_left=True)
            strangers.tell("prober", silent, None, has_left=True)
        strangers.close()

    asyncio.run(story())
    text = (tmp_path / "log").read_text()
    assert text.count("Addr: talker\n") == text.count("Addr: silent\n") == TOLD_COUNT
    assert text.count("Err: it said nothing: why\n") == TOLD_COUNT
    assert "Err: 30 more said nothing\n" in text
    assert "Err: 3 more were sent away\n" in text
    # Who only looks whether we listen is no fault.
    assert "prober" not in text


def test_the_packet_that_moves_is_shown() -> None:
    shown: list[str] = []
    clock = iter(range(1000))
    display = Display(Progress(shown.append, is_terminal=False, now=lambda: float(next(clock))))
    one, two = PacketId(b"1" * 32), PacketId(b"2" * 32)
    for _ in range(10):
        display.moved("rx", one, 10, 100)
    display.moved("tx", two, 10, 100)
    for _ in range(10):
        display.moved("tx", two, 10, 100)
    display.end()
    assert any(f"rx {one}" in text for text in shown)
    assert any(f"tx {two}" in text for text in shown)
