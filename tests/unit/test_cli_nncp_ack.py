"""``nncp ack``, ``nncp trns`` and ``nncp rm`` without any other program."""

import os
import subprocess
from pathlib import Path

import pytest

from gateway.packet.plain import PacketType
from gateway.spool.layout import Box, LockKind
from tests.support.nncp_verbs import Verbs, verb_argv, verb_environ
from tests.support.packets import open_layers
from tests.support.tossing import Pair

Capture = pytest.CaptureFixture[bytes]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path, "c")


def acknowledged(pair: Pair, to: str = "a") -> set[bytes]:
    """The packets that b has acknowledged."""
    relays = [] if to == "a" else [pair.books[to].private_keys()]
    readers = [*relays, pair.books["a"].private_keys()]
    author = pair.books["b"].private_keys()
    return {
        open_layers(job.path.read_bytes(), author, *readers).plain.path for job in pair.waiting(to, at="b")
    }


def run_ack(pair: Pair, *arguments: str, report: Path) -> "subprocess.CompletedProcess[bytes]":
    argv = verb_argv("ack", f"-cfg={pair.write_config('b')}", *arguments)
    command = ["/bin/sh", "-c", f'exec "$@" 4>{report}', "sh", *argv]
    return subprocess.run(command, check=False, capture_output=True, timeout=60, env=verb_environ())


def test_what_arrived_is_acknowledged_and_reported(pair: Pair, tmp_path: Path) -> None:
    paths = [pair.send("x", os.urandom(10)), pair.send("x", os.urandom(200_000))]
    pair.put_typed(PacketType.ACK, b"p" * 32)
    done = run_ack(pair, "-all", report=tmp_path / "report")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"it is ACK, skipping" in done.stderr
    names = {job.packet.text for job in pair.waiting("a", at="b")}
    assert set((tmp_path / "report").read_text().split()) == {f"{pair.id('a')}/{name}" for name in names}
    wanted = {job.packet.raw for job in pair.received() if job.path in paths}
    assert acknowledged(pair) == wanted


def test_a_cut_packet_is_not_acknowledged(pair: Pair, tmp_path: Path) -> None:
    path = pair.send("x", os.urandom(400_000))
    path.write_bytes(path.read_bytes()[: 172 + 2 * (131_072 + 16)])
    pair.put(b"garbage" * 100)
    done = run_ack(pair, "-node", "a", report=tmp_path / "report")
    assert done.returncode == 1
    assert b"can not read packet" in done.stderr
    assert acknowledged(pair) == set()


def test_via_decides_the_way(pair: Pair, tmp_path: Path) -> None:
    path = pair.send("x", b"")
    assert run_ack(pair, "-node", "a", "-via", "c", report=tmp_path / "report").returncode == 0
    assert len(acknowledged(pair, "c")) == 1
    assert path.exists()


def test_without_descriptor_4_nothing_is_reported(pair: Pair) -> None:
    pair.send("x", b"")
    argv = verb_argv("ack", "-quiet", f"-cfg={pair.write_config('b')}", "-all")
    done = subprocess.run(argv, check=False, capture_output=True, timeout=60, env=verb_environ())
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert len(acknowledged(pair)) == 1


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    return Verbs(tmp_path, monkeypatch)


@pytest.mark.parametrize("is_path", [False, True])
def test_trns_wraps_a_packet_verbatim(pair: Pair, verbs: Verbs, *, is_path: bool) -> None:
    path = pair.send("x", b"body")
    tx = pair.spools["a"].layout.box(pair.id("b"), Box.TX) / path.name
    config = f"-cfg={pair.write_config('a')}"
    assert verbs.run("trns", config, "-via", "c", tx if is_path else f"b:{path.name}") == 0
    [job] = pair.waiting("c")
    author, relay = pair.books["a"].private_keys(), pair.books["c"].private_keys()
    opened = open_layers(job.path.read_bytes(), author, relay)
    assert (opened.plain.type, opened.plain.path) == (PacketType.TRNS, pair.id("b").raw)
    assert (opened.payload, opened.nice) == (tx.read_bytes(), 224)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["b:PACKET"], b"-via is missing"),
        (["-via", "-", "b:PACKET"], b"-via is missing"),
        (["-via", "c", "b:../rx/x"], b"is not the name of a packet"),
        (["-via", "c", "nothing"], b"Invalid NODE:PKT"),
        (["-via", "c", "nobody:PACKET"], b"Invalid NODE specified"),
        (["-via", "c", "GARBAGE"], b"not an encrypted packet"),
        (["-via", "c", "EMPTY"], b"0 bytes"),
    ],
)
def test_trns_says_what_it_refuses(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, tmp_path: Path, arguments: list[str], text: bytes
) -> None:
    path = pair.send("x", b"body")
    (tmp_path / "garbage").write_bytes(b"garbage" * 100)
    (tmp_path / "empty").write_bytes(b"")
    places = {"GARBAGE": str(tmp_path / "garbage"), "EMPTY": str(tmp_path / "empty")}
    texts = [places.get(one, one.replace("PACKET", path.name)) for one in arguments]
    assert verbs.run("trns", f"-cfg={pair.write_config('a')}", *texts) == 1
    assert text in capfdbinary.readouterr().err
    assert pair.waiting("c") == []


def test_rm_takes_back_what_gen_ack_made(pair: Pair, verbs: Verbs) -> None:
    pair.record("x")
    pair.send("x", b"")
    config = f"-cfg={pair.write_config('b')}"
    assert verbs.run("toss", config, "-gen-ack") == 0
    assert len(pair.waiting("a", at="b")) == 1
    assert verbs.run("rm", config, "-all", "-ack", "-older", "1h") == 0
    assert len(pair.waiting("a", at="b")) == 1
    assert verbs.run("rm", config, "-all", "-ack") == 0
    assert pair.waiting("a", at="b") == []
    assert list(pair.spools["b"].layout.box(pair.id("a"), Box.TX).glob("ack/*")) == []


def test_rm_tells_of_a_lock_that_is_held(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    with pair.spools["b"].lock(pair.id("a"), LockKind.TOSS):
        assert verbs.run("rm", f"-cfg={pair.write_config('b')}", "-lock") == 0
    assert b"held by another process" in capfdbinary.readouterr().err
    assert pair.spools["b"].layout.lock(pair.id("a"), LockKind.TOSS).exists()
