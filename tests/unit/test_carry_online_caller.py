import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.carry.online.autotoss import AutoTosser
from gateway.carry.online.call import CallPlan, CallResult
from gateway.carry.online.caller import Caller, Surroundings, find_entries
from gateway.carry.online.discovery import Lookout
from gateway.carry.online.office import Office
from gateway.errors import ConfigError, StoreError
from gateway.link.announcement import encode_announcement
from gateway.nodes import Book, Node
from gateway.schedule.call import AutoToss, Call, Limits, Link, Online
from gateway.schedule.cron import parse_cron
from gateway.spool.layout import Box, LockKind
from gateway.spool.link_record import Role
from gateway.spool.link_state import LinkStates
from gateway.spool.log import Log
from tests.support.nodes import make_books
from tests.support.spools import make_packet, new_packet_id, open_spool

START = 1_780_056_000.0
DAY_SECONDS = 86_400.0
WAIT_SECONDS = 60
HOURLY, NEVER = parse_cron("@hourly"), parse_cron("0 0 30 2 *")
KEYS = make_books("a", "b", "c")["a"]


def make_book(**calls: list[Call]) -> Book:
    """Ourselves and neighbours with two addresses and these calls."""
    nodes = dict(KEYS.nodes)
    for name, found in calls.items():
        online = Online({"lan": f"{name}:1", "net": f"{name}:2"}, Limits(), tuple(found))
        nodes[name] = dataclasses.replace(nodes[name], online=online)
    return Book(KEYS.own, nodes)


def make_office(home: Path, book: Book) -> Office:
    return Office(book, open_spool(home), Log(home / "log", quiet=True))


def put_packet(office: Office, name: str, nice: int) -> None:
    directory = office.spool.layout.box(office.book.find(name).id, Box.TX)
    directory.mkdir(parents=True)
    (directory / new_packet_id().text).write_bytes(make_packet(nice))


class Wall:
    """A clock that leaps a day with the second look: then everything is due."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        now, self.now = self.now, START + DAY_SECONDS
        return now


class Calls:
    """Calls that are only noted; each is over when ``step`` is."""

    def __init__(
        self, step: Callable[[CallPlan], Awaitable[None]] | None = None, *, is_refused: bool = False
    ) -> None:
        self.plans: list[CallPlan] = []
        self._is_refused = is_refused
        self._step = step

    async def __call__(self, _office: Office, plan: CallPlan) -> CallResult:
        self.plans.append(plan)
        if self._step is not None:
            await self._step(plan)
        return CallResult(
            is_connected=not self._is_refused,
            is_complete=not self._is_refused,
            address="",
            sent_bytes=0,
            received_bytes=0,
            text="",
            is_refused=self._is_refused,
        )

    @property
    def names(self) -> list[str]:
        return [plan.node.name for plan in self.plans]


def run_caller(
    office: Office,
    calls: Calls,
    until: Callable[[], bool],
    around: Callable[[], Surroundings] = Surroundings,
) -> None:
    """Run a caller until something holds, and cancel it then."""

    async def run() -> None:
        surroundings = around()
        caller = Caller(office, find_entries(office.book), surroundings, Wall(), calls)
        task = asyncio.create_task(caller.run())
        async with asyncio.timeout(WAIT_SECONDS):
            while not until():  # noqa: ASYNC110 - any condition, as in wait_until
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(run())
    office.log.close()


def test_entry_is_called_as_it_says(tmp_path: Path) -> None:
    call = Call(
        HOURLY, 96, "rx", limits=Limits(3, 4, 5, 6), is_nock=True, autotoss=AutoToss(is_seen_marked=True)
    )
    calls = Calls()
    run_caller(make_office(tmp_path, make_book(b=[call])), calls, lambda: bool(calls.plans))
    [plan] = calls.plans
    assert (plan.node.name, plan.addresses, plan.is_nock) == ("b", ("b:1", "b:2"), True)
    settings = plan.settings
    assert (settings.nice, settings.is_receiving, settings.is_sending) == (96, True, False)
    assert (settings.rx_per_second_count, settings.tx_per_second_count) == (3, 4)
    assert (settings.idle_seconds, settings.longest_seconds) == (5, 6)


def test_address_of_an_entry_goes_before_those_of_its_neighbour(tmp_path: Path) -> None:
    calls = Calls()
    office = make_office(tmp_path, make_book(b=[Call(HOURLY, address="there:5400")]))
    run_caller(office, calls, lambda: bool(calls.plans))
    assert calls.plans[0].addresses == ("there:5400",)


@pytest.mark.parametrize("is_mcd_ignored", [False, True])
def test_where_a_neighbour_was_heard_is_tried_first(tmp_path: Path, is_mcd_ignored: bool) -> None:  # noqa: FBT001
    calls = Calls()
    office = make_office(tmp_path, make_book(b=[Call(HOURLY, is_mcd_ignored=is_mcd_ignored)]))

    def around() -> Surroundings:
        lookout = Lookout(office.book, office.log, ["x"])
        lookout.hear(encode_announcement(office.book.find("b").id), "[fe80::1%x]:7", "x")
        return Surroundings(lookout)

    run_caller(office, calls, lambda: bool(calls.plans), around)
    heard = () if is_mcd_ignored else ("[fe80::1%x]:7",)
    assert calls.plans[0].addresses == (*heard, "b:1", "b:2")


def test_neighbour_is_called_only_if_there_is_something_for_it(tmp_path: Path) -> None:
    needed = Call(HOURLY, nice=100, is_tx_needed=True)
    office = make_office(tmp_path, make_book(b=[needed, Call(HOURLY)], c=[needed]))
    put_packet(office, "b", nice=101)
    asked: list[str] = []

    def has_mail(node: Node, _nice: int) -> bool:
        asked.append(node.name)
        return False

    calls = Calls()
    run_caller(
        office, calls, lambda: len(calls.plans) + len(asked) == 3, lambda: Surroundings(has_mail=has_mail)
    )
    assert sorted(asked) == ["b", "c"]
    assert calls.names == ["b"]
    assert calls.plans[0].settings.nice == 255


def test_packet_or_mail_that_waits_makes_a_call_needed(tmp_path: Path) -> None:
    needed = Call(HOURLY, nice=100, is_tx_needed=True)
    office = make_office(tmp_path, make_book(b=[needed], c=[needed]))
    put_packet(office, "b", nice=100)
    asked: list[tuple[str, int]] = []

    def has_mail(node: Node, nice: int) -> bool:
        asked.append((node.name, nice))
        return True

    calls = Calls()
    run_caller(office, calls, lambda: len(calls.plans) == 2, lambda: Surroundings(has_mail=has_mail))
    assert sorted(calls.names) == ["b", "c"]
    assert asked == [("c", 100)]


def test_slow_call_holds_up_no_other_neighbour(tmp_path: Path) -> None:
    async def hang(plan: CallPlan) -> None:
        if plan.node.name == "b":
            await asyncio.Event().wait()

    calls = Calls(hang)
    office = make_office(tmp_path, make_book(b=[Call(HOURLY)], c=[Call(HOURLY)]))
    run_caller(office, calls, lambda: sorted(calls.names) == ["b", "c"])


def test_stop_ends_a_call_cleanly_before_it_returns(tmp_path: Path) -> None:
    ends: list[str] = []

    async def hang(_plan: CallPlan) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ends.append("clean")

    calls = Calls(hang)
    run_caller(make_office(tmp_path, make_book(b=[Call(HOURLY)])), calls, lambda: bool(calls.plans))
    assert ends == ["clean"]


@pytest.mark.parametrize("error", [StoreError("no disk"), ZeroDivisionError("a bug")])
def test_call_that_fails_ends_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    async def fail(plan: CallPlan) -> None:
        if len(calls.plans) == 1:
            raise error

    calls = Calls(fail)
    office = make_office(tmp_path, make_book(b=[Call(HOURLY), Call(HOURLY)]))
    with caplog.at_level(logging.ERROR):
        run_caller(office, calls, lambda: len(calls.plans) == 2)
    if isinstance(error, StoreError):
        assert "Err: no disk\nWho: caller\n" in (tmp_path / "log").read_text()
    else:
        assert "a fault of this program" in caplog.text


QUICK = Link(handshake_seconds=0)


@pytest.mark.parametrize("kind", [LockKind.RX, LockKind.TX])
def test_neighbour_that_somebody_is_at_work_with_is_called_after_that(tmp_path: Path, kind: LockKind) -> None:
    book = make_book(b=[Call(HOURLY, link=QUICK)], c=[Call(HOURLY)])
    office = make_office(tmp_path, book)
    with contextlib.ExitStack() as locked:
        locked.enter_context(office.spool.lock(book.find("b").id, kind))

        async def unlock(_plan: CallPlan) -> None:
            locked.close()

        calls = Calls(unlock)
        run_caller(office, calls, lambda: len(calls.plans) == 2)
    assert calls.names == ["c", "b"]


def test_call_that_was_refused_is_tried_again(tmp_path: Path) -> None:
    calls = Calls(is_refused=True)
    office = make_office(tmp_path, make_book(b=[Call(HOURLY, link=QUICK)]))
    run_caller(office, calls, lambda: len(calls.plans) == 2)


def test_neighbour_that_called_after_it_refused_is_not_called_again(tmp_path: Path) -> None:
    book = make_book(b=[Call(HOURLY, nice=10, link=QUICK), Call(HOURLY, nice=20, link=QUICK)])
    spool = open_spool(tmp_path)
    links = LinkStates(spool.layout, spool.disk)
    office = Office(book, spool, Log(tmp_path / "log", quiet=True), links=links)

    def be_called() -> None:
        links.began(book.find("b").id, Role.LISTENER, "b:1").end(1, 1)

    async def answer(_plan: CallPlan) -> None:
        asyncio.get_running_loop().call_later(0.05, be_called)

    calls = Calls(answer, is_refused=True)
    run_caller(office, calls, lambda: len(calls.plans) == 2)
    assert [plan.settings.nice for plan in calls.plans] == [10, 20]


def test_neighbour_without_an_address_is_not_called(tmp_path: Path) -> None:
    nodes = dict(KEYS.nodes)
    nodes["b"] = dataclasses.replace(nodes["b"], online=Online(calls=(Call(HOURLY),)))
    nodes["c"] = dataclasses.replace(nodes["c"], online=Online({"x": "c:1"}, calls=(Call(HOURLY),)))
    calls = Calls()
    run_caller(make_office(tmp_path, Book(KEYS.own, nodes)), calls, lambda: bool(calls.plans))
    assert calls.names == ["c"]


def test_what_arrives_is_tossed_as_the_call_says(tmp_path: Path) -> None:
    wanted = AutoToss(is_seen_marked=True, left_alone=frozenset({"exec"}))
    office = make_office(tmp_path, make_book(b=[Call(HOURLY, autotoss=wanted)], c=[Call(HOURLY)]))
    tossed: list[tuple[str, AutoToss]] = []

    def toss(node: Node, autotoss: AutoToss) -> bool:
        tossed.append((node.name, autotoss))
        return True

    tosser = AutoTosser(toss, office.log)
    calls = Calls()
    run_caller(office, calls, lambda: len(calls.plans) == 2, lambda: Surroundings(tosser=tosser))
    tosser.close()
    assert tossed == [("b", wanted)]


def test_caller_ends_when_no_time_ever_comes(tmp_path: Path) -> None:
    office = make_office(tmp_path, make_book(b=[Call(NEVER)]))
    asyncio.run(asyncio.wait_for(Caller(office, find_entries(office.book)).run(), WAIT_SECONDS))
    office.log.close()
    record = f"Err: got zero time\nWho: caller\nNode: {office.book.find('b').id}\nCallIndex: 0\n"
    assert f"{record}Msg: b node, call 0\n" in (tmp_path / "log").read_text()


def test_neighbour_without_a_key_for_it_cannot_be_called() -> None:
    book = make_book(b=[Call(HOURLY)])
    b = book.nodes["b"]
    keyless = dataclasses.replace(b, keys=dataclasses.replace(b.keys, noisepub=None))
    assert find_entries(Book(KEYS.own, {**book.nodes, "b": keyless})) == []
    with pytest.raises(ConfigError, match="Node b does not have online communication capability"):
        find_entries(book, [keyless])
