"""The small parts that sessions share: threads, the watch, space, the log of strangers, how ends are told."""

import asyncio
import os
import threading
from functools import partial
from pathlib import Path

import pytest

from gateway.carry.online.display import Display
from gateway.carry.online.ending import Ending, record_end
from gateway.carry.online.records import Records
from gateway.carry.online.room import Room
from gateway.carry.online.strangers import TOLD_COUNT, StrangerLog, choose_victim
from gateway.carry.online.watch import Watch
from gateway.carry.online.wire import Wire
from gateway.carry.online.worker import Worker
from gateway.errors import StoreError
from gateway.ids import PacketId
from gateway.link.events import Ended, EndReason
from gateway.spool.layout import Box
from gateway.spool.link_record import Role
from gateway.spool.log import Log
from gateway.spool.progress import Progress
from tests.support.online_sessions import WAIT_SECONDS, Site, until, wire_pair


def ending(reason: EndReason = EndReason.IDLE, received_bytes: int = 1) -> Ending:
    return Ending(
        Ended(reason, "why"),
        is_established=True,
        is_complete=True,
        seconds=3723.9,
        received_bytes=received_bytes,
        sent_bytes=4_000_000,
    )


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


def test_new_files_are_told_by_name_until_nobody_wants_to_know(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        told: list[str] = []
        others: list[str] = []
        unwatch = watch.add(tmp_path, lambda names: told.extend(names or ["all"]))
        unwatch_other = watch.add(tmp_path, lambda names: others.extend(names or ["all"]))
        (tmp_path / "written").write_bytes(b"x")
        (tmp_path / "written").rename(tmp_path / "renamed")
        await until(lambda: "renamed" in told and "renamed" in others)
        unwatch()
        unwatch()
        (tmp_path / "later").write_bytes(b"x")
        await until(lambda: "later" in others)
        assert told == ["written", "renamed"]
        unwatch_other()
        watch.close()
        watch.close()

    asyncio.run(story())


def test_a_directory_that_can_not_be_watched_is_no_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        watch = Watch()
        watch.add(tmp_path / "missing", lambda _names: None)()
        watch.close()

    asyncio.run(story())
    assert "new packets are found later" in caplog.text


def test_space_is_not_promised_twice(tmp_path: Path) -> None:
    spool = Site(tmp_path, "a").spool
    free_bytes = spool.free_bytes()
    room = Room(spool, reserve_bytes=free_bytes // 10)
    assert not room.take(free_bytes)
    assert room.take(free_bytes // 2)
    assert not room.take(free_bytes // 2)
    room.give_back(free_bytes // 2)
    assert room.take(free_bytes // 2)


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
        for _ in range(TOLD_COUNT + 30):
            strangers.tell("peer", ending(EndReason.BAD_HANDSHAKE), None)
            strangers.tell("silent", ending(EndReason.BAD_HANDSHAKE, received_bytes=0), None)

    asyncio.run(story())
    text = (tmp_path / "log").read_text()
    assert text.count("Addr: peer\n") == TOLD_COUNT
    assert "silent" not in text


@pytest.mark.parametrize(
    ("role", "fields"),
    [
        (Role.CALLER, ["Node", "Addr", "Duration", "RxBytes", "RxSpeed", "TxBytes", "TxSpeed", "Msg"]),
        (Role.LISTENER, ["Node", "Duration", "RxBytes", "TxBytes", "RxSpeed", "TxSpeed", "Msg"]),
    ],
)
def test_the_end_of_a_session_is_told_as_the_go_tools_tell_it(
    tmp_path: Path, role: Role, fields: list[str]
) -> None:
    site = Site(tmp_path, "a")
    record_end(Log(site.log_path, quiet=True), site.peer, role, "addr", ending())
    lines = site.log_text().splitlines()
    assert [line.partition(":")[0] for line in lines if line][2:] == fields
    assert lines[-1] == (
        "Msg: Finished call with b (1:2:3): 1 B received (0 B/sec), 3.8 MiB transferred (1.0 KiB/sec)"
    )


@pytest.mark.parametrize("reason", [reason for reason in EndReason if not reason.is_clean])
def test_an_end_that_is_not_clean_is_told_with_its_reason_first(tmp_path: Path, reason: EndReason) -> None:
    site = Site(tmp_path, "a")
    record_end(Log(site.log_path, quiet=True), site.peer, Role.CALLER, "addr", ending(reason))
    assert len(site.events()) == 2
    assert site.events()[0].startswith("sp-")
    assert "Err: why\n" in site.log_text()


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


def test_verifying_goes_on_when_one_file_can_not_be_read(tmp_path: Path) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        b.box(Box.RX).mkdir(parents=True)
        directory = PacketId(b"d" * 32)
        (b.box(Box.RX) / f"{directory}.nock").mkdir()
        bad = PacketId(b"b" * 32)
        (b.box(Box.RX) / f"{bad}.nock").write_bytes(os.urandom(10))
        (b.box(Box.RX) / "nonsense.nock").write_bytes(b"")
        told: list[tuple[PacketId, bool]] = []
        async with b.office() as office:
            records = Records(office.log, b.peer, 255)
            office.verifier.put_all(b.peer, records, lambda packet, is_good: told.append((packet, is_good)))
        assert told == [(bad, False)]
        assert (b.box(Box.RX) / f"{directory}.nock").exists()
        assert not (b.box(Box.RX) / f"{bad}.nock").exists()
        assert b.events() == ["sp-checker", "sp-checker"]

    asyncio.run(story())


def test_a_hurried_end_leaves_what_is_not_verified(tmp_path: Path) -> None:
    b = Site(tmp_path, "b")
    b.box(Box.RX).mkdir(parents=True)
    names = {f"{PacketId(bytes([number]) * 32)}.nock" for number in range(50)}
    for name in names:
        (b.box(Box.RX) / name).write_bytes(bytes(2_000_000))

    async def story() -> None:
        async with b.office() as office:
            records = Records(office.log, b.peer, 255)
            office.verifier.put_all(b.peer, records, lambda _packet, _is_good: None)
            raise StoreError("the session broke off")

    with pytest.raises(StoreError, match="broke off"):
        asyncio.run(story())
    assert b.names(Box.RX) & names
