"""Areas and acknowledgements: a stop, or a disk that refuses, at any step."""

from pathlib import Path

from gateway.durable import Disk
from gateway.packet.mth import mth
from gateway.spool.store import Spool
from gateway.tx.exec_packet import ExecRequest, send_exec
from tests.support.areas import AreaNodes
from tests.support.crash import run_until_step
from tests.support.tossing import Pair, failing_disk, packets_below

STEP_LIMIT = 200
NAMES = ("a", "b", "c", "d")
SUBS = {"a": ("b",), "b": ("a", "c", "d")}


def arrived(directory: Path) -> AreaNodes:
    """A message of a's in b's rx, which b passes on to c and d, and processes."""
    nodes = AreaNodes(directory, SUBS, NAMES)
    nodes.post(b"body ")
    nodes.toss("a")
    assert nodes.deliver("a", "b") == 1
    return nodes


def finish(nodes: AreaNodes) -> None:
    """What comes after the fault: everything is tossed and carried until nothing moves."""
    nodes.settle()
    assert nodes.received("b") == []
    for name in ("c", "d"):
        assert nodes.got(name) == "body "
    assert nodes.got("a") == ""
    for name in NAMES:
        packets_below(nodes.spools[name].root)


def test_after_a_stop_at_any_step_every_subscriber_gets_the_message_once(tmp_path: Path) -> None:
    """A stop while a message is passed on loses it for nobody, and no subscriber processes it twice."""
    stopped_count = 0
    for step in range(STEP_LIMIT):
        nodes = arrived(tmp_path / str(step))

        def work(disk: Disk, nodes: AreaNodes = nodes) -> None:
            nodes.toss("b", disk=disk)

        was_stopped, _ = run_until_step(step, work)
        finish(nodes)
        # What a handler did before the stop can't be undone.
        assert nodes.got("b") in {"body ", "body body "}
        if not was_stopped:
            assert nodes.got("b") == "body "
            break
        stopped_count += 1
    else:
        raise AssertionError("toss never came to its end")
    assert stopped_count > 20


def test_a_disk_that_refuses_any_step_loses_no_message(tmp_path: Path) -> None:
    """A full or failing disk keeps the message, is told, and nobody gets it twice."""
    for step in range(STEP_LIMIT):
        nodes = arrived(tmp_path / str(step))
        disk, steps = failing_disk(step)
        result = nodes.toss("b", disk=disk)
        if result.bad_count:
            assert "made to fail" in nodes.log_text("b")
        finish(nodes)
        assert "body " in nodes.got("b")
        if len(steps) <= step:
            assert result.bad_count == 0
            break
    else:
        raise AssertionError("toss never came to its end")


def test_a_stop_while_sending_to_an_area_queues_all_or_nothing(tmp_path: Path) -> None:
    """The author never processes a message of its own, wherever sending stopped."""
    for step in range(STEP_LIMIT):
        nodes = AreaNodes(tmp_path / str(step), {"a": ("b",)})
        book = nodes.books["a"]
        request = ExecRequest(book.self_node, (), b"x", area=nodes.area("a"))

        def work(disk: Disk, nodes: AreaNodes = nodes, request: ExecRequest = request) -> None:
            own = nodes.books["a"].private_keys()
            send_exec(Spool(nodes.spools["a"].root, disk), own, request, [b"body "])

        was_stopped, _ = run_until_step(step, work)
        packets_below(nodes.spools["a"].root)
        queued = nodes.own_waiting()
        nodes.settle()
        assert (nodes.got("a"), nodes.got("b")) == ("", "body " * queued)
        if not was_stopped:
            assert queued == 1
            break
    else:
        raise AssertionError("sending never came to its end")


def test_a_stop_at_any_step_acknowledges_only_what_was_done(tmp_path: Path) -> None:
    """With -gen-ack no packet goes unacknowledged, and none is acknowledged before it was done."""
    for step in range(STEP_LIMIT):
        pair = Pair(tmp_path / str(step))
        out = pair.record("x")
        pair.send("x", b"run ")

        def work(disk: Disk, pair: Pair = pair) -> None:
            pair.toss(disk=disk, is_ack_made=True)

        was_stopped, _ = run_until_step(step, work)
        if pair.waiting("a", at="b"):
            assert out.read_text() == "run "
        pair.toss(is_ack_made=True)
        assert pair.received() == []
        assert out.read_text() in {"run ", "run run "}
        acks = pair.waiting("a", at="b")
        assert 1 <= len(acks) <= 2
        for job in acks:
            assert mth(job.path.read_bytes()) == job.packet.raw
        if not was_stopped:
            assert len(acks) == 1
            break
    else:
        raise AssertionError("toss never came to its end")
