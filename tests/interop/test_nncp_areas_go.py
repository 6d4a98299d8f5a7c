"""Areas, acknowledgements and relayed packets, between Go's nodes and ours."""

import itertools
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hjson
import pytest

from tests.support.both_nncp import GO, OURS, carry, records_of, run_nncp, without_times
from tests.support.gonncp import GoMesh, GoNode
from tests.support.nncp_verbs import verb_argv, verb_environ
from tests.support.peers import require

BOTH = (GO, OURS)


@pytest.fixture
def mesh(place: Path) -> GoMesh:
    require("nncp-toss", "nncp-exec", "nncp-xfer", "nncp-ack", "nncp-trns", "nncp-rm")
    return GoMesh(place / "mesh", ["a", "b", "c", "d"])


def share_area(mesh: GoMesh, subs: Mapping[str, Sequence[str]]) -> str:
    """Give all nodes the area ``news``; its handle x appends what it gets to HOME/got. Returns its id."""
    text = subprocess.run(
        [require("nncp-cfgnew"), "-area", "news", "-nocomments"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    keys: dict[str, Any] = dict(hjson.loads("{" + text + "}")["areas"]["news"])
    for name, node in mesh.nodes.items():
        script = f'/bin/cat >> {node.home}/got; echo "$NNCP_SENDER $*" >> {node.home}/by'
        config = node.config()
        config["areas"] = {
            "news": {**keys, "subs": list(subs.get(name, ())), "exec": {"x": ["/bin/sh", "-c", script, "sh"]}}
        }
        node.save(config)
    return str(keys["id"])


def got(node: GoNode) -> list[str]:
    path = node.home / "got"
    return sorted(path.read_text().split()) if path.exists() else []


def settle(mesh: GoMesh, who: dict[str, str]) -> None:
    """Toss and carry until nothing waits any more."""
    for _ in range(6):
        for name, node in mesh.nodes.items():
            # Go's toss ends with 1, without a word, for a message over 4 KiB that it drops half read.
            run_nncp(who[name], node, "toss", "-quiet", is_checked=who[name] == OURS)
        waiting = [
            (source, target)
            for source, target in itertools.permutations(mesh.nodes, 2)
            if mesh[source].packets("tx", mesh[target].id)
        ]
        if not waiting:
            return
        for source, target in waiting:
            carry(mesh, source, target, sender=who[source], receiver=who[target])
    raise AssertionError("messages go round for ever")


SUBS = {"a": ("b", "c", "d"), "b": ("a", "c"), "c": ("d",), "d": ("a", "b")}


@pytest.mark.parametrize("author", BOTH)
@pytest.mark.parametrize("mixed", [(GO, OURS, GO), (OURS, GO, OURS), (OURS, OURS, OURS)])
def test_every_member_gets_every_message_once(mesh: GoMesh, author: str, mixed: tuple[str, str, str]) -> None:
    """Three subscribers of mixed kind, with loops among them: each message once, under the area's name."""
    area_id = share_area(mesh, SUBS)
    who = {"a": author, "b": mixed[0], "c": mixed[1], "d": mixed[2]}
    for number, flags in enumerate([[], ["-nocompress"], ["-minsize", "9"]]):
        body = f"message{number}\n".encode()
        run_nncp(author, mesh["a"], "exec", "-quiet", *flags, "area:news", "x", "arg", stdin=body)
    settle(mesh, who)
    assert got(mesh["a"]) == []
    for name in "bcd":
        assert got(mesh[name]) == ["message0", "message1", "message2"]
        assert (mesh[name].home / "by").read_text() == f"{area_id} arg\n" * 3
    for name, node in mesh.nodes.items():
        markers = list((node.spool / node.id / "area" / area_id).iterdir())
        assert (name, len(markers)) == (name, 3)


def test_our_toss_of_an_area_leaves_what_gos_leaves(mesh: GoMesh) -> None:
    """The same messages, tossed by Go and by us: same markers, same number of packets, same records."""
    share_area(mesh, {"a": ("b", "c"), "b": ("a", "c", "d")})
    run_nncp(GO, mesh["a"], "exec", "-quiet", "area:news", "x", "arg", stdin=b"body")
    run_nncp(GO, mesh["a"], "exec", "-quiet", "area:news", "nosuch", stdin=b"body")
    run_nncp(GO, mesh["a"], "toss", "-quiet")
    carry(mesh, "a", "b")
    node = mesh["b"]
    before = mesh.directory / "before"
    shutil.copytree(node.home, before, symlinks=True)
    outcomes = []
    for who in BOTH:
        shutil.rmtree(node.home)
        shutil.copytree(before, node.home, symlinks=True)
        done = run_nncp(who, node, "toss", is_checked=False)
        again = run_nncp(who, node, "toss", is_checked=False)
        counts = {
            path.parent.relative_to(node.spool).as_posix(): len(list(path.parent.iterdir()))
            for path in node.spool.rglob("*")
            if len(path.name) == 52 and path.is_file()
        }
        markers = sorted(path.relative_to(node.spool) for path in (node.spool).glob("*/area/*/*"))
        log = node.log_text()[len((before / "log").read_text()) :]
        # Go tells of the handle that is missing a second time, as a closed pipe.
        unlike = {"Who: rx-no-handle", "Who: rx-area-pkt-enc-read2"}
        records = [record for record in records_of(log) if unlike.isdisjoint(record)]
        outcomes.append((done.returncode, again.returncode, counts, markers, records, got(node)))
        told = without_times(done.stderr)
        assert any("echo to: c" in line for line in told)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][:2] == (1, 1)


def test_gos_area_message_is_named_alike(mesh: GoMesh) -> None:
    """Sending to an area leaves the same names and records, but for the size."""
    share_area(mesh, {"a": ("b",)})
    found = []
    for who in BOTH:
        shutil.rmtree(mesh["a"].spool)
        mesh["a"].spool.mkdir()
        done = run_nncp(who, mesh["a"], "exec", "area:news", "x", "arg", stdin=b"body")
        node_id = mesh["a"].id
        assert len(list((mesh["a"].spool / node_id / "area").glob("*/*"))) == 1
        assert len(mesh["a"].packets("tx", node_id)) == 1
        # Go does not know the size of what it reads from stdin.
        records = records_of(mesh["a"].log_text(), ("When", "Size", "AreaMsg", "Pkt", "Msg"))
        mesh["a"].log_path.unlink()
        assert b"Exec is sent to self@x arg" in done.stderr
        found.append(records)
    assert found[0] == found[1]


@pytest.mark.parametrize("who", BOTH)
def test_packets_of_areas_are_shown(mesh: GoMesh, who: str) -> None:
    """nncp-pkt names the area, and opens its messages."""
    share_area(mesh, {})
    run_nncp(who, mesh["a"], "exec", "-quiet", "-nocompress", "area:news", "x", stdin=b"body")
    [packet] = mesh["a"].packets("tx", mesh["a"].id)
    told = []
    for reader in BOTH:
        layer, shown = packet.read_bytes(), []
        for _ in range(3):
            shown.append(run_nncp(reader, mesh["a"], "pkt", stdin=layer).stdout)
            layer = run_nncp(reader, mesh["a"], "pkt", "-dump", stdin=layer).stdout
        shown.append(run_nncp(reader, mesh["a"], "pkt", stdin=layer).stdout)
        told.append((shown, run_nncp(reader, mesh["a"], "pkt", "-dump", stdin=layer).stdout))
    assert told[0] == told[1]
    assert told[0][1] == b"body"


@pytest.mark.parametrize(("acker", "sender"), list(itertools.product(BOTH, BOTH)))
def test_acknowledged_packets_leave_the_senders_tx(mesh: GoMesh, acker: str, sender: str) -> None:
    """What nncp-ack of one side acknowledges, nncp-toss of the other removes."""
    for _ in range(2):
        run_nncp(GO, mesh["a"], "exec", "-quiet", "b", "x")
    stick = mesh.directory / "stick"
    stick.mkdir()
    run_nncp(sender, mesh["a"], "xfer", "-quiet", "-mkdir", "-keep", "-tx", stick)
    run_nncp(acker, mesh["b"], "xfer", "-quiet", "-rx", stick)
    run_nncp(acker, mesh["b"], "ack", "-quiet", "-node", "a", "-minsize", "2")
    carry(mesh, "b", "a")
    assert len(mesh["a"].packets("tx", mesh["b"].id)) == 2
    assert {path.stat().st_size for path in mesh["a"].packets("rx", mesh["b"].id)} == {2048}
    run_nncp(sender, mesh["a"], "toss", "-quiet")
    assert mesh["a"].packets("tx", mesh["b"].id) == []
    assert mesh["a"].packets("rx", mesh["b"].id) == []


def run_with_report(who: str, node: GoNode, *arguments: str) -> tuple[int, list[str], list[str]]:
    """Run nncp-ack; its status, what it wrote to descriptor 4, what it told."""
    if who == GO:
        argv = [require("nncp-ack"), "-cfg", str(node.config_path), *arguments]
    else:
        argv = verb_argv("ack", "-cfg", node.config_path, *arguments)
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" 4>&1', "sh", *argv],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=verb_environ(),
    )
    return done.returncode, sorted(done.stdout.splitlines()), without_times(done.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-all"],
        ["-node", "a"],
        ["-node", "a,c"],
        ["-node", "a", "-pkt", "Q" * 51 + "A"],
        ["-nice", "7", "-minsize", "3", "-all"],
        ["-node", "a", "ignored"],
        [],
        ["-all", "-node", "a"],
        ["-all", "-pkt", "Q" * 51 + "A"],
        ["-node", "a,c", "-pkt", "Q" * 51 + "A"],
        ["-pkt", "Q" * 51 + "A"],
        ["-node", "a", "-pkt", "short"],
        ["-node", "nobody"],
        ["-node", "a", "-nice", "foo"],
    ],
)
def test_ack_does_what_gos_does(mesh: GoMesh, arguments: list[str]) -> None:
    """Same status, same report on descriptor 4, same packets in tx, same records."""
    for name in ("a", "c"):
        run_nncp(GO, mesh[name], "exec", "-quiet", "b", "x")
        run_nncp(GO, mesh[name], "ack", "-quiet", "-node", "b", "-pkt", "P" * 51 + "A")
        carry(mesh, name, "b")
    node = mesh["b"]
    log_before = node.log_text()
    outcomes = []
    for who in BOTH:
        for neighbour in ("a", "c", "d"):
            shutil.rmtree(node.spool / mesh[neighbour].id / "tx", ignore_errors=True)
        node.log_path.write_text(log_before)
        status, report, told = run_with_report(who, node, *arguments)
        queued = {name: node.packets("tx", mesh[name].id) for name in ("a", "c", "d")}
        for line in report:
            owner, packet = line.split("/")
            hop = next(name for name in "ac" if mesh[name].id == owner)
            assert packet in [path.name for path in queued[hop]]
        shapes = {
            name: sorted((path.stat().st_size, path.read_bytes()[8:12]) for path in paths)
            for name, paths in queued.items()
        }
        records = records_of(node.log_text()[len(log_before) :], ("When", "NewPkt"))
        told = told if status == 0 else []
        outcomes.append((status, sorted(line.split("/")[0] for line in report), shapes, records, told))
    assert outcomes[0] == outcomes[1]


def test_ack_goes_the_way_that_via_says(mesh: GoMesh) -> None:
    """-via counts with -node, and not with -all."""
    run_nncp(GO, mesh["a"], "exec", "-quiet", "b", "x")
    carry(mesh, "a", "b")
    for target, hop in (("-node=a", "d"), ("-all", "a")):
        assert run_with_report(OURS, mesh["b"], target, "-via", "d")[0] == 0
        assert len(mesh["b"].packets("tx", mesh[hop].id)) == 1


def test_ack_does_not_hang_on_what_it_cannot_read(mesh: GoMesh) -> None:
    """A damaged packet is told with status 1, and the others are acknowledged."""
    for _ in range(2):
        run_nncp(GO, mesh["a"], "exec", "-quiet", "-nocompress", "b", "x", stdin=b"body" * 100)
    carry(mesh, "a", "b")
    damaged, whole = mesh["b"].packets("rx", mesh["a"].id)
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    status, report, told = run_with_report(OURS, mesh["b"], "-all")
    assert (status, len(report)) == (1, 1)
    assert any(damaged.name in line and "can not read packet" in line for line in told)
    assert any(f"ACK to a of {whole.name} is sent" in line for line in told)


def test_ack_says_when_its_report_is_lost(mesh: GoMesh) -> None:
    """A full disk behind descriptor 4 is no success."""
    argv = verb_argv("ack", "-quiet", "-cfg", mesh["b"].config_path, "-node", "a", "-pkt", "Q" * 51 + "A")
    command = ["/bin/sh", "-c", 'exec "$@" 4>/dev/full', "sh", *argv]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, env=verb_environ())
    assert done.returncode == 1
    assert b"cannot write descriptor 4" in done.stderr


@pytest.mark.parametrize("who", BOTH)
@pytest.mark.parametrize("via", ["c", "c,d"])
@pytest.mark.parametrize("is_path", [False, True])
def test_a_sealed_packet_is_sent_through_others(mesh: GoMesh, who: str, via: str, *, is_path: bool) -> None:
    """What nncp-trns wraps arrives byte for byte, whoever relays."""
    got_it = mesh.directory / "got"
    mesh.set_exec("b", "a", "x", ["/bin/sh", "-c", f"/bin/cat > {got_it}"])
    run_nncp(GO, mesh["a"], "exec", "-quiet", "b", "x", stdin=b"through others")
    [packet] = mesh["a"].packets("tx", mesh["b"].id)
    target = str(packet) if is_path else f"b:{packet.name}"
    run_nncp(who, mesh["a"], "trns", "-nice", "P", "-via", via, target)
    assert packet.exists()
    [wrapped] = mesh["a"].packets("tx", mesh["c"].id)
    assert wrapped.stat().st_size == packet.stat().st_size + 480 * (1 + via.count(","))
    assert wrapped.read_bytes()[8:12] == bytes([0, 0, 0, 96])
    hops = ["a", *via.split(","), "b"]
    for source, target_node in itertools.pairwise(hops):
        carry(mesh, source, target_node)
        if target_node == "b":
            assert packet.name in [path.name for path in mesh["b"].packets("rx", mesh[source].id)]
        run_nncp(GO if who == OURS else OURS, mesh[target_node], "toss", "-quiet")
    assert got_it.read_bytes() == b"through others"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-via", "c", "b:XX"],
        ["-via", "c", "nobody:" + "Q" * 51 + "A"],
        ["-via", "c", "b:" + "Q" * 51 + "A"],
        ["-via", "c", "/nonexistent"],
        ["-via", "nobody", "b:PACKET"],
        ["-via", "c", "b:PACKET", "more"],
        ["-via", "c", "CONFIG"],
        ["-nice", "foo", "-via", "c", "b:PACKET"],
    ],
)
def test_trns_refuses_what_gos_refuses(mesh: GoMesh, arguments: list[str]) -> None:
    """Same status, and nothing is queued."""
    run_nncp(GO, mesh["a"], "exec", "-quiet", "b", "x")
    [packet] = mesh["a"].packets("tx", mesh["b"].id)
    places = {"b:PACKET": f"b:{packet.name}", "CONFIG": str(mesh["a"].config_path)}
    texts = [places.get(argument, argument) for argument in arguments]
    for who in BOTH:
        done = run_nncp(who, mesh["a"], "trns", *texts, is_checked=False)
        assert done.returncode == 1
        assert done.stdout == b""
        assert mesh["a"].packets("tx", mesh["c"].id) == []


@pytest.mark.parametrize("flags", [[], ["-via", "-"]])
def test_trns_without_a_way_is_refused(mesh: GoMesh, flags: list[str]) -> None:
    """Go crashes here; we say what is missing."""
    run_nncp(GO, mesh["a"], "exec", "-quiet", "b", "x")
    [packet] = mesh["a"].packets("tx", mesh["b"].id)
    done = run_nncp(OURS, mesh["a"], "trns", *flags, f"b:{packet.name}", is_checked=False)
    assert done.returncode == 1
    assert b"-via is missing" in done.stderr
