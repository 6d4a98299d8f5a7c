"""The NNCP verbs take along what waits in the outbox, if they run for the same node."""

from pathlib import Path

import pytest

from gateway.cli.nncp.context import open_context
from gateway.cli.nncp.flags import Parsed, parse
from gateway.cli.nncp.outbox import PAUSE_SECONDS, OutboxFlush
from gateway.cli.nncp.verbs import XFER
from tests.support.gateways import Done, GatewayNode, clean_environ, mail, pair, run_child

ALICE, BOB = "alice@a.test", "bob@b.test"
VARIABLE = "NNCP_GATEWAY_CONFIG"


@pytest.fixture
def nodes(tmp_path: Path) -> tuple[GatewayNode, GatewayNode]:
    a, b = GatewayNode(tmp_path / "a", "a.test"), GatewayNode(tmp_path / "b", "b.test")
    pair(a, b)
    (tmp_path / "stick").mkdir()
    return a, b


def nncp(node: GatewayNode, *words: str, **environ: str) -> Done:
    """Run an NNCP verb as a process, with the NNCP configuration alone."""
    verb, *rest = words
    return run_child(["nncp", verb, "-cfg", str(node.nncp_path), *rest], environ=clean_environ(**environ))


def on_stick(place: Path) -> list[Path]:
    return [path for path in (place / "stick").rglob("*") if path.is_file()]


def test_xfer_takes_along_what_waits(nodes: tuple[GatewayNode, GatewayNode], tmp_path: Path) -> None:
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    done = nncp(a, "xfer", "-mkdir", "-node", "b", str(tmp_path / "stick"), **{VARIABLE: str(a.config_path)})
    assert done.status == 0
    assert len(on_stick(tmp_path)) == 1
    b.run("nncp", "xfer", str(tmp_path / "stick"))
    b.run("toss")
    b.run("deliver")
    assert len(b.mails()) == 1


def test_our_configuration_in_front_of_the_verb_counts(
    nodes: tuple[GatewayNode, GatewayNode], tmp_path: Path
) -> None:
    a, _ = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    assert a.run("nncp", "xfer", "-quiet", "-mkdir", str(tmp_path / "stick"), is_child=True).err == ""
    assert len(on_stick(tmp_path)) == 1


@pytest.mark.parametrize("flag", ["-rx", "-spool"])
def test_what_can_not_travel_along_stays(
    nodes: tuple[GatewayNode, GatewayNode], tmp_path: Path, flag: str
) -> None:
    a, _ = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    flags = [flag] if flag == "-rx" else [flag, str(a.spool)]
    nncp(a, "xfer", "-mkdir", *flags, str(tmp_path / "stick"), **{VARIABLE: str(a.config_path)})
    assert (on_stick(tmp_path), a.states()) == ([], ["queued"])


def test_the_outbox_of_another_node_stays_as_it_is(
    nodes: tuple[GatewayNode, GatewayNode], tmp_path: Path
) -> None:
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    nncp(b, "xfer", "-mkdir", str(tmp_path / "stick"), **{VARIABLE: str(a.config_path)})
    assert a.states() == ["queued"]


def test_a_bundle_holds_what_waited_and_nothing_else(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    argv = ["nncp", "bundle", "-quiet", "-cfg", str(a.nncp_path), "-tx", "b"]
    made = run_child(argv, environ=clean_environ(**{VARIABLE: str(a.config_path)}))
    assert made.out.startswith("NNCP\0")
    assert a.states() == ["sent"]
    [packet] = a.packets(b.id)
    assert packet.name in made.out


def test_a_flush_that_fails_is_told_and_the_carrier_leaves(
    nodes: tuple[GatewayNode, GatewayNode], tmp_path: Path
) -> None:
    a, _ = nodes
    a.set_toml("smtp", "no_such_key = 1\n")
    words = ["xfer", "-mkdir", str(tmp_path / "stick")]
    done = nncp(a, *words, **{VARIABLE: str(a.config_path)})
    assert done.status == 0
    assert "no_such_key" in done.err
    assert "nncp-xfer: warning: the outbox is not flushed, or not all of it: status 78\n" in done.err
    assert nncp(a, words[0], "-quiet", *words[1:], **{VARIABLE: str(a.config_path)}).err == ""


def test_a_verb_that_lives_long_starts_no_process_for_each_session(
    nodes: tuple[GatewayNode, GatewayNode],
) -> None:
    a, _ = nodes
    parsed = parse(XFER, ["-quiet", "-cfg", str(a.nncp_path)])
    assert isinstance(parsed, Parsed)
    context = open_context(XFER, parsed, clean_environ(**{VARIABLE: str(a.config_path)}))
    clock = [1000.0]
    flush = OutboxFlush(context, lambda: clock[0])
    counts = []
    for seconds in (0, PAUSE_SECONDS - 1, 1):
        a.send(ALICE, [BOB], mail(1, ALICE, BOB))
        clock[0] += seconds
        flush.flush_node(context.book.find("b"))
        counts.append(a.states().count("queued"))
    assert counts == [0, 1, 0]
