"""Two sticks used in turn with -keep; one of them is lost for a while."""

from pathlib import Path

import pytest

from tests.support.both_nncp import GO, OURS, Recorder, run_nncp
from tests.support.gonncp import GoMesh
from tests.support.peers import require
from tests.support.tossing import files_below


@pytest.mark.parametrize("sender", [OURS, GO])
@pytest.mark.parametrize("receiver", [OURS, GO])
def test_packets_stay_with_the_sender_until_they_are_acknowledged(
    place: Path, sender: str, receiver: str
) -> None:
    """What a lost stick carried arrives by the other one, once, and leaves the sender after its ACK."""
    require("nncp-xfer", "nncp-ack")
    mesh = GoMesh(place / "mesh", ["a", "b"])
    a, b = mesh["a"], mesh["b"]
    recorder = Recorder(place / "handler")
    mesh.set_exec("b", "a", "h", recorder.argv)
    lost, other = place / "stick-1", place / "stick-2"
    for stick in (lost, other):
        stick.mkdir()
    run_nncp(sender, a, "exec", "-quiet", "b", "h", stdin=b"first")
    run_nncp(sender, a, "xfer", "-quiet", "-mkdir", "-keep", "-tx", "-node", "b", lost)
    run_nncp(sender, a, "exec", "-quiet", "b", "h", stdin=b"second")
    run_nncp(sender, a, "xfer", "-quiet", "-mkdir", "-keep", "-tx", "-node", "b", other)
    assert len(a.packets("tx", b.id)) == 2

    # The first stick is lost; the second arrives, and goes back with what acknowledges it.
    run_nncp(receiver, b, "xfer", "-quiet", "-rx", other)
    run_nncp(receiver, b, "ack", "-quiet", "-node", "a")
    run_nncp(receiver, b, "toss", "-quiet", "-seen", "-node", "a")
    assert [ran.body for ran in recorder.runs()] == [b"first", b"second"]
    run_nncp(receiver, b, "xfer", "-quiet", "-mkdir", "-keep", "-tx", "-node", "a", other)
    run_nncp(sender, a, "xfer", "-quiet", "-rx", other)
    run_nncp(sender, a, "toss", "-quiet", "-node", "b")
    assert a.packets("tx", b.id) == []

    # The lost one turns up: nothing runs twice, and it is empty afterwards.
    run_nncp(receiver, b, "xfer", "-quiet", "-rx", lost)
    run_nncp(receiver, b, "toss", "-quiet", "-seen", "-node", "a")
    assert len(recorder.runs()) == 2
    assert files_below(lost) == []
