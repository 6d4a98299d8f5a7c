import asyncio
from pathlib import Path

import pytest

from gateway.carry.online.discovery import TOLD_LIMIT_COUNT, Announcer, Lookout
from gateway.carry.online.multicast_socket import find_interfaces
from gateway.errors import ConfigError
from gateway.link.announcement import encode_announcement
from gateway.link.sightings import ADDRESS_LIMIT_COUNT
from gateway.spool.log import Log
from tests.support.nodes import make_books

BOOKS = make_books("a", "b")
B = BOOKS["a"].find("b")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log", quiet=True)


def test_neighbour_that_is_heard_can_be_called_where_it_was_heard(tmp_path: Path, log: Log) -> None:
    async def listen() -> tuple[tuple[str, ...], tuple[str, ...]]:
        lookout = Lookout(BOOKS["a"], log, ["eth0"])
        before = await lookout.wait_for(B.id, 0)
        waiting = asyncio.create_task(lookout.wait_for(B.id, 60))
        await asyncio.sleep(0)
        for address in ("[fe80::1%eth0]:1", "[fe80::2%eth0]:2", "[fe80::1%eth0]:1"):
            lookout.hear(encode_announcement(B.id), address, "eth0")
        return before, await waiting

    assert asyncio.run(listen()) == ((), ("[fe80::1%eth0]:1", "[fe80::2%eth0]:2"))
    text = (tmp_path / "log").read_text()
    assert text.count("Who: mcd-add\n") == 2
    message = "MCD discovered b's address: [fe80::1%eth0]:1"
    assert f"Who: mcd-add\nIf: eth0\nNode: {B.id}\nMsg: {message}\n" in text


def test_what_is_no_announcement_of_a_neighbour_is_passed_over(tmp_path: Path, log: Log) -> None:
    good = encode_announcement(B.id)
    stranger = encode_announcement(make_books("c")["c"].self_node.id)
    ourselves = encode_announcement(BOOKS["a"].self_node.id)

    async def listen() -> tuple[str, ...]:
        lookout = Lookout(BOOKS["a"], log, ["eth0"])
        for payload in (b"", good[:-1], good + b"\0", b"NNCPD\0\0\x02" + good[8:], stranger, ourselves):
            lookout.hear(payload, "[fe80::1%eth0]:1", "eth0")
        return lookout.addresses(B.id) + lookout.addresses(BOOKS["a"].self_node.id)

    assert asyncio.run(listen()) == ()
    assert not (tmp_path / "log").exists()


def test_flood_of_forged_addresses_fills_neither_memory_nor_log(tmp_path: Path, log: Log) -> None:
    async def listen() -> tuple[str, ...]:
        lookout = Lookout(BOOKS["a"], log, ["eth0"])
        for number in range(1, 5000):
            lookout.hear(encode_announcement(B.id), f"[fe80::1%eth0]:{number}", "eth0")
        return lookout.addresses(B.id)

    assert len(asyncio.run(listen())) == ADDRESS_LIMIT_COUNT
    assert (tmp_path / "log").read_text().count("Who: mcd-add\n") == TOLD_LIMIT_COUNT


def test_nothing_to_listen_on_and_nothing_to_tell_ends_at_once(log: Log) -> None:
    async def run() -> None:
        await Lookout(BOOKS["a"], log, []).run()
        await Announcer(BOOKS["a"], log, {}, [5400]).run()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_pattern_that_is_none_is_told_with_its_key(log: Log) -> None:
    with pytest.raises(ConfigError, match=r"mcd-listen: pattern 'eth\(0': a \( without its \)"):
        Lookout(BOOKS["a"], log, ["eth(0"])
    with pytest.raises(ConfigError, match="mcd-send: pattern "):
        Announcer(BOOKS["a"], log, {"*": 5}, [5400])


def test_loopback_is_no_interface_to_announce_on() -> None:
    assert "lo" not in [interface.name for interface in find_interfaces()]


def test_pattern_that_names_no_interface_waits_for_one(tmp_path: Path, log: Log) -> None:
    announcer = Announcer(BOOKS["a"], log, {"^no-such-interface$": 3600}, [5400])
    assert 0 < announcer.announce_due(0.0) < 60
    assert not (tmp_path / "log").exists()
