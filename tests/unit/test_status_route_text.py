"""What people are told about the way of mail."""

from datetime import datetime

import pytest

from gateway.batch.choices import make_find_choices
from gateway.batch.policy import BatchSettings, LanePolicy
from gateway.ids import NodeId
from gateway.msgqueue.entry import Form
from gateway.msgqueue.insertion import SizeLimits
from gateway.routing.table import Local, Rule, Table, ToNode
from gateway.routing.urgency import Urgency
from gateway.schedule.window import parse_window
from gateway.status.route_text import Ways, route_lines
from tests.support.messages import NODE_A, NODE_B

NODES = {"sat": NODE_A, "stick": NODE_B}
NOON = datetime(2026, 11, 16, 12)  # noqa: DTZ001 - a Monday, on the wall
SETTINGS = BatchSettings(
    by_node={
        NODE_A: LanePolicy(form=Form.GATEWAY, windows=(parse_window("22:00-06:00"),), max_age_seconds=3600),
        NODE_B: LanePolicy(is_in_service=False),
    }
)
TABLE = Table.from_rules([Rule("*", ToNode("sat", ("stick",))), Rule("a.test", Local())])


def via_of(node: NodeId) -> tuple[str, ...]:
    """Packets for one of them travel through another."""
    return ("relay",) if node == NODE_B else ()


def told(address: str, size_bytes: int | None = None, moment: datetime = NOON) -> list[str]:
    """All lines."""
    limits = SizeLimits(outgoing={NODE_A.text: 1000})
    ways = Ways(
        TABLE, make_find_choices(NODES.__getitem__, SETTINGS, limits), SETTINGS, via_of, moment, str.upper
    )
    return list(route_lines(ways, address, size_bytes, Urgency.URGENT))


def test_all_that_decides_is_told_for_each_node() -> None:
    nice = "urgent mail 64, from 262144 bytes on 96, normal mail 96, from 262144 bytes on 192, bulk mail 160"
    closing = "a batch is closed at 1000 messages, 1048576 bytes or 3600 seconds"
    assert told("x@far.test") == [
        "x@far.test: to node sat, else stick (rule *)",
        f"node sat: niceness of {nice}, from 262144 bytes on 192",
        "node sat: messages above 1000 bytes wait for a person",
        f"node sat: form gateway, {closing}, or when a carrier leaves",
        "node sat: windows 22:00-06:00: closed now but for carriers, open in 10h",
        "node stick: out of service: what waits for it makes no packets",
        "node stick: packets travel through relay",
        f"node stick: niceness of {nice}, from 262144 bytes on 192",
        "node stick: form sendmail, each message in a packet of its own, at once",
    ]


@pytest.mark.parametrize("size_bytes", [1000, 1001])
def test_a_message_of_a_size_has_one_way(size_bytes: int) -> None:
    # The second node is out of service: what is too large for the first waits for it all the same.
    assert (
        told("x@far.test", size_bytes)[1] == f"urgent message of {size_bytes} bytes: to node sat, niceness 64"
    )


def test_an_open_window_and_local_delivery() -> None:
    assert "node sat: windows 22:00-06:00: open now" in told("x@far.test", moment=NOON.replace(hour=23))
    assert told("bob@a.test", 10) == [
        "bob@a.test: delivered here (rule a.test)",
        "goes to BOB@A.TEST",
    ]
