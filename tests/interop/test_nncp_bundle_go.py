"""Bundles made by one and read by the other, and both commands on copies of the same spool."""

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.support.both_nncp import GO, OURS, records_of, run_nncp, without_times
from tests.support.gonncp import GoMesh, GoNode
from tests.support.peers import require


@pytest.fixture
def mesh(place: Path) -> GoMesh:
    require("nncp-bundle", "nncp-exec")
    made = GoMesh(place / "mesh", ["a", "b", "c"])
    for number, target in enumerate(["b", "b", "c"]):
        body = bytes(range(256)) * 1000 * number
        made["a"].run("nncp-exec", "-quiet", f"-nice={50 + number}", target, "x", stdin=body)
    return made


def in_spool(node: GoNode) -> dict[str, bytes]:
    """The packets of a spool; copies of headers, locks and temporaries are none."""
    return {
        str(path.relative_to(node.spool)): path.read_bytes()
        for path in node.spool.rglob("*")
        if path.is_file() and path.parent.name in {"rx", "tx"}
    }


def in_bundle(stream: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(stream + bytes(1024))) as archive:
        members = [(member, archive.extractfile(member)) for member in archive.getmembers()]
        return sorted((member.name, file.read() if file else b"") for member, file in members)


def as_both(node: GoNode, stream: bytes, *flags: str) -> list[tuple[object, ...]]:
    """What Go's command and ours leave behind on the same spool."""
    saved = node.home / "saved"
    shutil.copytree(node.spool, saved, symlinks=True)
    outcomes: list[tuple[object, ...]] = []
    for who in (GO, OURS):
        node.log_path.write_text("")
        done = run_nncp(who, node, "bundle", *flags, stdin=stream, is_checked=False)
        outcomes.append(
            (
                done.returncode,
                in_spool(node),
                sorted(in_bundle(done.stdout)) if done.stdout else [],
                len(done.stdout),
                without_times(done.stderr),
                records_of(node.log_text()),
            )
        )
        shutil.rmtree(node.spool)
        shutil.copytree(saved, node.spool, symlinks=True)
    shutil.rmtree(saved)
    return outcomes


@pytest.mark.parametrize("sender", [GO, OURS])
@pytest.mark.parametrize("receiver", [GO, OURS])
@pytest.mark.parametrize("flags", [[], ["-check"]])
def test_packets_arrive_whoever_does_each_half(
    mesh: GoMesh, sender: str, receiver: str, flags: list[str]
) -> None:
    """Every packet for b is in b's rx afterwards, unchanged, and confirmed at a."""
    before = {path.name: path.read_bytes() for path in mesh["a"].packets("tx", mesh["b"].id)}
    stream = run_nncp(sender, mesh["a"], "bundle", "-quiet", "-tx", "b", "c").stdout
    run_nncp(receiver, mesh["b"], "bundle", "-quiet", "-rx", *flags, stdin=stream)
    after = {path.name: path.read_bytes() for path in mesh["b"].packets("rx", mesh["a"].id)}
    assert after == before
    run_nncp(receiver, mesh["a"], "bundle", "-quiet", "-rx", "-delete", "b", stdin=stream)
    assert mesh["a"].packets("tx", mesh["b"].id) == []
    assert len(mesh["a"].packets("tx", mesh["c"].id)) == 1


@pytest.mark.parametrize(
    "flags",
    [
        ["-tx", "b"],
        ["-tx", "b", "c"],
        ["-tx", "b", "b"],
        ["-tx"],
        ["-tx", "-nice", "50", "b"],
        ["-tx", "-delete", "b"],
        ["-tx", "self"],
    ],
)
def test_sending_is_as_gos(mesh: GoMesh, flags: list[str]) -> None:
    """The same stream but for the order of packets, and the same spool, log and status."""
    gos, ours = as_both(mesh["a"], b"", *flags)
    assert ours == gos


@pytest.mark.parametrize(
    "flags",
    [
        ["-rx"],
        ["-rx", "-check"],
        ["-rx", "-dryrun"],
        ["-rx", "a"],
        ["-rx", "c"],
        ["-rx", "-nice", "50"],
        ["-rx", "-delete"],
    ],
)
def test_receiving_is_as_gos(mesh: GoMesh, flags: list[str]) -> None:
    """The same packets are stored and told, with the same status."""
    stream = run_nncp(GO, mesh["a"], "bundle", "-quiet", "-tx", "b", "c").stdout
    gos, ours = as_both(mesh["b"], b"junk NNCP junk" + stream + bytes(5000) + stream, *flags)
    if "-dryrun" in flags:
        # Go tells of a packet that comes twice once more, as nothing was stored.
        gos, ours = gos[:4], ours[:4]
    assert ours == gos


@pytest.mark.parametrize("flags", [[], ["-dryrun"], ["b"], ["c"], ["-nice", "50"]])
def test_confirming_is_as_gos(mesh: GoMesh, flags: list[str]) -> None:
    """The same packets are removed and told, with the same status."""
    stream = run_nncp(GO, mesh["a"], "bundle", "-quiet", "-tx", "b", "c").stdout
    gos, ours = as_both(mesh["a"], stream, "-rx", "-delete", *flags)
    assert ours == gos


def test_a_damaged_packet_is_refused_as_by_gos_check_and_told_by_the_status(mesh: GoMesh) -> None:
    """Without -check Go stores a damaged packet; ours never does."""
    stream = bytearray(run_nncp(OURS, mesh["a"], "bundle", "-quiet", "-tx", "b").stdout)
    stream[1024 + 200] ^= 1
    gos, ours = as_both(mesh["b"], bytes(stream), "-rx", "-check")
    assert ours[1] == gos[1]
    assert (gos[0], ours[0]) == (0, 1)
    _, unchecked = as_both(mesh["b"], bytes(stream), "-rx")
    assert unchecked == ours


@pytest.mark.parametrize(
    "flags", [[], ["-tx", "-rx"], ["-tx", "nobody"], ["-rx", "nobody"], ["-rx", "-nice", "zz"], ["-x"]]
)
def test_a_wrong_use_has_gos_status(mesh: GoMesh, flags: list[str]) -> None:
    """A wrong use ends with the same status."""
    statuses = [run_nncp(who, mesh["a"], "bundle", *flags, is_checked=False).returncode for who in (GO, OURS)]
    assert statuses[0] == statuses[1] != 0


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_any_tar_with_an_nncp_directory_before_each_file_is_read_by_both(mesh: GoMesh, form: int) -> None:
    """Three formats of tar, made by another program, give the same packets."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for path in mesh["a"].packets("tx", mesh["b"].id):
            directory = tarfile.TarInfo("NNCP")
            directory.type = tarfile.DIRTYPE
            archive.addfile(directory)
            archive.add(path, f"NNCP/{mesh['b'].id}/{mesh['a'].id}/{path.name}")
    gos, ours = as_both(mesh["b"], out.getvalue(), "-rx")
    assert ours == gos
    assert isinstance(ours[1], dict)
    assert len(ours[1]) == 2
