"""What ``nncp pkt`` prints, beside Go's."""

import os
from pathlib import Path

import pytest

from tests.support.both_nncp import GO, OURS, run_nncp
from tests.support.gonncp import GoMesh
from tests.support.peers import require


@pytest.fixture
def mesh(place: Path) -> GoMesh:
    require("nncp-pkt", "nncp-exec")
    return GoMesh(place / "mesh", ["a", "b", "c"])


def same(mesh: GoMesh, packet: bytes, *flags: str, at: str = "b") -> bytes:
    """What both print, which must be the same, with the same status."""
    done = [run_nncp(who, mesh[at], "pkt", *flags, stdin=packet, is_checked=False) for who in (GO, OURS)]
    assert done[0].stdout == done[1].stdout
    assert done[0].returncode == done[1].returncode
    return done[1].stdout


def made_by(who: str, mesh: GoMesh, *flags: str, body: bytes = b"body", to: str = "b") -> bytes:
    before = set(mesh["a"].spool.rglob("*"))
    run_nncp(who, mesh["a"], "exec", "-quiet", *flags, to, "handle", "one", "", "two", stdin=body)
    [packet] = [
        path
        for path in set(mesh["a"].spool.rglob("*")) - before
        if len(path.name) == 52 and path.parent.name == "tx"
    ]
    return packet.read_bytes()


@pytest.mark.parametrize("who", [GO, OURS])
@pytest.mark.parametrize("flags", [[], ["-nocompress"], ["-minsize", "200"], ["-nice", "77"]])
def test_both_show_and_dump_a_packet_alike(mesh: GoMesh, who: str, flags: list[str]) -> None:
    """An encrypted packet is described and dumped to the same bytes, and so is the plain one inside."""
    packet = made_by(who, mesh, *flags, body=os.urandom(150_000))
    assert b"Packet type: encrypted" in same(mesh, packet)
    plain = same(mesh, packet, "-dump")
    assert b"Path: handle one  two\n" in same(mesh, plain)
    payload = same(mesh, plain, "-dump")
    assert len(payload) >= 150_000
    if "-nocompress" not in flags:
        assert len(same(mesh, plain, "-dump", "-decompress")) == 150_000


@pytest.mark.parametrize("who", [GO, OURS])
def test_both_show_a_relayed_packet_alike(mesh: GoMesh, who: str) -> None:
    """A packet that goes via b to c names c, and what is inside is for c."""
    packet = made_by(who, mesh, "-via", "b", to="c")
    plain = same(mesh, packet, "-dump")
    assert b"Payload type: transitional\n" in same(mesh, plain)
    inner = same(mesh, plain, "-dump")
    assert b"(c)\n" in same(mesh, inner)
    assert b"Payload type: exec compressed" in same(mesh, same(mesh, inner, "-dump", at="c"), at="c")


@pytest.mark.parametrize("tool", ["file", "freq"])
def test_both_show_the_other_types_alike(mesh: GoMesh, place: Path, tool: str) -> None:
    """Types that we do not toss are described all the same."""
    source = place / "source"
    source.write_bytes(b"content")
    arguments = [str(source), "b:dir/näme"] if tool == "file" else ["b:pub/file", "local"]
    mesh["a"].run(f"nncp-{tool}", "-quiet", *arguments)
    [packet] = mesh["a"].packets("tx", mesh["b"].id)
    plain = same(mesh, packet.read_bytes(), "-dump")
    same(mesh, plain)
    same(mesh, plain, "-dump")


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"x" * 500])
def test_what_is_no_packet_ends_alike(mesh: GoMesh, content: bytes) -> None:
    """Garbage is refused with the same status."""
    assert same(mesh, content) == b""
    assert same(mesh, content, "-dump") == b""


@pytest.mark.parametrize("offset", [20, 50, 80, 120, 300, -1])
def test_a_damaged_packet_ends_alike(mesh: GoMesh, offset: int) -> None:
    """A changed bit is refused with the same status."""
    packet = bytearray(made_by(GO, mesh))
    packet[offset] ^= 1
    done = [
        run_nncp(who, mesh["b"], "pkt", "-dump", stdin=bytes(packet), is_checked=False) for who in (GO, OURS)
    ]
    assert [one.returncode for one in done] == [1, 1]


def test_overheads_are_gos(mesh: GoMesh) -> None:
    """The sizes of the layers are printed alike."""
    assert same(mesh, b"", "-overheads") == b"Plain: 276\nEncrypted: 172\nSize: 16\n"
