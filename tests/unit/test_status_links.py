"""What is told of the link with a neighbour."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.durable import Disk
from gateway.ids import NodeId
from gateway.moment import Moment
from gateway.msgqueue.entry import Lane, LaneFigures
from gateway.msgqueue.held import HeldFigures
from gateway.nodes import Node
from gateway.packet.keys import generate_keys
from gateway.schedule.call import Call, Online
from gateway.schedule.cron import parse_cron
from gateway.spool.layout import Box
from gateway.spool.link_record import Role
from gateway.spool.link_state import LinkStates
from gateway.spool.store import Spool
from gateway.status.links import LinkStatus, NextCall, Pile, link_status
from gateway.status.links_text import status_json, status_lines
from tests.support.spools import NODE, OTHER, commit, make_packet, new_packet_id, open_spool

KEYS = dataclasses.replace(generate_keys(os.urandom).public, id=NODE)
ADDRESS = "192.0.2.1:5400"
START_WALL = 1_700_000_000.0


class Site:
    """A neighbour, a spool, and clocks that a test sets."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.seconds = 0.0
        self.spool = open_spool(home, Disk(is_syncing=False))
        self.node = Node("bob", KEYS)
        self.lanes: dict[NodeId, list[LaneFigures]] | None = {}
        self.held: dict[NodeId, HeldFigures] | None = None

    @property
    def rx(self) -> Path:
        return self.spool.layout.box(NODE, Box.RX)

    def moment(self) -> Moment:
        return Moment(START_WALL + self.seconds, "boot", 1000 + self.seconds)

    def states(self) -> LinkStates:
        return LinkStates(
            self.spool.layout, self.spool.disk, read_now=self.moment, monotonic=lambda: self.seconds
        )

    def look(self) -> LinkStatus:
        spool = Spool(self.spool.root, self.spool.disk, nohdr=True)
        return link_status(self.node, spool, self.states(), self.lanes, self.moment(), self.held)

    def lines(self) -> list[str]:
        name, *lines = status_lines([self.look()], lambda node: "eve" if node == OTHER else node.text)
        assert name == "bob"
        return [" ".join(line.split()) for line in lines]

    def json(self, stale_seconds: float | None = None) -> dict[str, Any]:
        [found] = json.loads(status_json([self.look()], lambda node: node.text[:3], stale_seconds))
        assert isinstance(found, dict)
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_link_of_which_nothing_is_known(site: Site) -> None:
    assert site.lines() == [
        "last contact: never",
        "to be sent: nothing",
        "next call: none is configured",
    ]
    nothing = {"packet_count": 0, "size_bytes": 0}
    assert site.json() == {
        "node": "bob",
        "id": NODE.text,
        "is_stale": None,
        "last_contact": None,
        "last_attempt": None,
        "last_error": None,
        "last_session": None,
        "total": None,
        "sessions": [],
        "tx": [],
        "rx": [],
        "unchecked": nothing,
        "partial": nothing,
        "bad_count": 0,
        "outbox": [],
        "held": None,
        "next_call": None,
        "damaged": [],
    }


def test_packets_of_every_kind_are_counted_and_nothing_is_changed(site: Site) -> None:
    for nice in (96, 224, 96):
        commit(site.spool, make_packet(nice, b"x" * 1828))
    path = commit(site.spool, make_packet(96, b"x" * 828), Box.RX)
    path.with_name(new_packet_id().text + ".nock").write_bytes(make_packet(160, b"x" * 28))
    path.with_name(new_packet_id().text + ".part").write_bytes(b"x" * 50)
    path.with_name(new_packet_id().text).write_bytes(b"no packet")
    headers = [path.parent / "hdr" / path.name, *(site.spool.layout.box(NODE, Box.TX) / "hdr").iterdir()]
    for header in headers:
        header.unlink()
    piles = site.look().piles
    assert piles.tx == {96: Pile(2, 4000), 224: Pile(1, 2000)}
    assert piles.rx == {96: Pile(1, 1000)}
    assert (piles.unchecked, piles.partial, piles.bad_count) == (Pile(1, 200), Pile(1, 50), 1)
    assert not any(header.exists() for header in headers)
    assert site.lines()[1:-1] == [
        "to be sent: niceness P: 2 packets, 3.9 KiB; niceness B: 1 packet, 2.0 KiB",
        "to be tossed: niceness P: 1 packet, 1000 B",
        "to be checked: 1 packet, 200 B",
        "received partly: 1 packet, 50 B",
        "no packets: 1 file",
    ]
    found = site.json()
    assert found["tx"] == [
        {"nice": 96, "packet_count": 2, "size_bytes": 4000},
        {"nice": 224, "packet_count": 1, "size_bytes": 2000},
    ]
    assert found["rx"] == [{"nice": 96, "packet_count": 1, "size_bytes": 1000}]
    assert (found["unchecked"], found["partial"]["size_bytes"]) == (
        {"packet_count": 1, "size_bytes": 200},
        50,
    )
    assert found["bad_count"] == 1


def test_sessions_and_failures(site: Site) -> None:
    states = site.states()
    with states.began(NODE, Role.CALLER, ADDRESS) as session:
        site.seconds += 10
        session.end(40_960, 5120)
    site.seconds += 50
    states.failed(NODE, Role.CALLER, ADDRESS, "no route to host")
    site.seconds += 60
    together = (
        "all together: 1 session, 10s long together, 1 failed attempt, received 40 KiB, sent 5.0 KiB,"
        " since 2023-11-14 22:13:30 UTC"
    )
    assert site.lines() == [
        f"last contact: 2m ago, called at {ADDRESS}",
        f"last attempt: 1m ago, called at {ADDRESS}: no route to host",
        "last error: 1m ago, 1 in a row: no route to host",
        "last session: 10s long, received 40 KiB (4.0 KiB/s), sent 5.0 KiB (512 B/s)",
        together,
        "to be sent: nothing",
        "next call: none is configured",
    ]
    found = site.json()
    where = {"role": "caller", "address": ADDRESS}
    assert found["last_contact"] == {"at": START_WALL + 10, "age_seconds": 110, **where}
    at = {"at": START_WALL + 60, "age_seconds": 60}
    assert found["last_attempt"] == {**at, **where, "error": "no route to host"}
    assert found["last_error"] == {**at, "text": "no route to host", "row_count": 1}
    figures = {"seconds": 10, "received_bytes": 40_960, "sent_bytes": 5120}
    speeds = {"received_bytes_per_second": 4096, "sent_bytes_per_second": 512}
    assert found["last_session"] == {
        "at": START_WALL,
        "age_seconds": 120,
        **where,
        **figures,
        "idle_seconds": 0,
        **speeds,
        "error": "",
    }
    counts = {"session_count": 1, "failed_count": 1}
    assert found["total"] == {"since": START_WALL + 10, **counts, **figures}


def test_a_session_that_was_over_at_once_has_no_speed(site: Site) -> None:
    with site.states().began(NODE, Role.CALLER, ADDRESS) as session:
        session.end(40_960, 0)
    assert "last session: 0s long, received 40 KiB, sent 0 B (0 B/s)" in site.lines()


def test_who_was_met_without_a_session_has_no_sums_of_sessions(site: Site) -> None:
    site.states().met(NODE, Role.XFER, "/media/stick")
    assert site.lines()[0] == "last contact: 0s ago, packets came through /media/stick"
    assert not [line for line in site.lines() if line.startswith("all together")]


def test_a_session_that_runs_and_one_that_died(site: Site) -> None:
    states = site.states()
    with states.began(NODE, Role.LISTENER, ADDRESS) as session:
        link = site.spool.layout.node(NODE) / "link"
        [path] = link.iterdir()
        (link / "0.session").write_bytes(path.read_bytes())
        site.seconds += 20
        session.progress(2048, 1024)
        site.seconds += 4
        lines = site.lines()
        head = f"process {os.getpid()}, told"
        assert lines[1] == (
            f"broken off: {head} 24s ago, it called from {ADDRESS}, 0s long, received 0 B (0 B/s),"
            " sent 0 B (0 B/s)"
        )
        assert lines[2] == (
            f"running: {head} 4s ago, it called from {ADDRESS}, 20s long, received 2.0 KiB (102 B/s),"
            " sent 1.0 KiB (51 B/s)"
        )
        dead, alive = site.json()["sessions"]
        session.end(0, 0)
    assert (dead["is_alive"], alive["is_alive"]) == (False, True)
    assert {key: alive[key] for key in ("pid", "told_at", "told_age_seconds", "at", "age_seconds")} == {
        "pid": os.getpid(),
        "told_at": START_WALL + 20,
        "told_age_seconds": 4,
        "at": START_WALL,
        "age_seconds": 24,
    }
    assert (alive["received_bytes"], alive["received_bytes_per_second"]) == (2048, 102.4)


def test_packets_that_came_another_way(site: Site) -> None:
    site.states().met(NODE, Role.XFER, "/media/stick")
    assert site.lines()[0] == "last contact: 0s ago, packets came through /media/stick"
    site.states().met(NODE, Role.BUNDLE)
    assert site.lines()[0] == "last contact: 0s ago, packets came in a bundle"


def test_what_waits_in_the_outbox(site: Site) -> None:
    own = LaneFigures(Lane(NODE, 96), 1, 2048, 90)
    through = LaneFigures(Lane(OTHER, 255), 12, 300, 5, 4.0)
    site.lanes = {NODE: [own, through]}
    assert site.lines()[2:-1] == [
        "in the outbox: niceness P: 1 message, 2.0 KiB, the oldest 2m old",
        "in the outbox: niceness MAX: 12 messages for eve, 300 B, the oldest 5s old",
    ]
    assert site.json()["outbox"] == [
        {
            "destination": NODE.text[:3],
            "nice": 96,
            "message_count": 1,
            "size_bytes": 2048,
            "oldest_age_seconds": 90,
        },
        {
            "destination": OTHER.text[:3],
            "nice": 255,
            "message_count": 12,
            "size_bytes": 300,
            "oldest_age_seconds": 5,
        },
    ]
    site.lanes = None
    assert site.json()["outbox"] is None


def test_what_waits_for_a_person(site: Site) -> None:
    site.held = {NODE: HeldFigures(to_count=2, to_bytes=3 << 20), OTHER: HeldFigures(from_count=9)}
    assert site.lines()[2:-1] == ["held, to it: 2 messages, 3.0 MiB, until somebody decides"]
    assert site.json()["held"] == {"to_count": 2, "to_bytes": 3 << 20, "from_count": 0, "from_bytes": 0}
    site.held = {NODE: HeldFigures(from_count=1, from_bytes=1024)}
    assert site.lines()[2:-1] == ["held, from it: 1 message, 1.0 KiB, until somebody decides"]
    site.held = {}
    assert not any(line.startswith("held") for line in site.lines())


def calls(*texts: str, is_tx_needed: bool = False) -> Online:
    return Online(calls=tuple(Call(parse_cron(text), is_tx_needed=is_tx_needed) for text in texts))


def test_the_next_of_all_calls(site: Site) -> None:
    site.node = dataclasses.replace(site.node, online=calls("0 0 1 1 *", "*/30 * * * * * *", "@hourly"))
    next_call = NextCall(START_WALL + 10, is_tx_needed=False)
    assert site.look().next_call == next_call
    assert site.lines()[-1] == "next call: in 10s, 2023-11-14 22:13:30 UTC"
    assert site.json()["next_call"] == {"at": START_WALL + 10, "in_seconds": 10, "is_tx_needed": False}
    site.node = dataclasses.replace(site.node, online=calls("*/30 * * * * * *", is_tx_needed=True))
    assert site.lines()[-1] == "next call: in 10s, 2023-11-14 22:13:30 UTC, if something is to be sent"


def test_a_call_that_never_comes_again(site: Site) -> None:
    site.node = dataclasses.replace(site.node, online=calls("0 0 0 1 1 * 1999"))
    assert site.look().next_call is None


def test_silence(site: Site) -> None:
    assert site.look().is_silent_for(1e9)
    assert site.json(1e9)["is_stale"] is True
    site.states().met(NODE, Role.BUNDLE)
    site.seconds += 3600
    assert site.look().silent_seconds == 3600
    assert not site.look().is_silent_for(3600)
    assert site.look().is_silent_for(3599)
    assert [site.json(seconds)["is_stale"] for seconds in (3600, 3599)] == [False, True]


def test_texts_of_strangers_do_nothing_to_a_terminal(site: Site) -> None:
    site.states().failed(NODE, Role.LISTENER, "\x1b]0;x\x07", "line\nline \udcff \x9b2J")
    for line in site.lines():
        assert line.isprintable()
        line.encode()
    assert site.json()["last_error"]["text"] == "line\nline \udcff \x9b2J"


def test_a_damaged_file_is_told(site: Site) -> None:
    site.states().met(NODE, Role.BUNDLE)
    path = site.spool.layout.node(NODE) / "link" / "history.json"
    path.write_bytes(b"{")
    assert site.lines()[-1] == f"damaged file: {path}: it is no JSON"
    assert site.json()["damaged"] == [f"{path}: it is no JSON"]
