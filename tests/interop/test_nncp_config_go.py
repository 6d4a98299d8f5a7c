import os
import re
import subprocess
from pathlib import Path

import pytest

from gateway.cli.nncp.main import main
from gateway.config.nncp import load_nncp_config
from gateway.errors import ConfigError
from gateway.spool.layout import Box, LockKind
from gateway.spool.log import Log
from gateway.spool.store import Spool
from tests.support.gonncp import GoMesh
from tests.support.nncp_configs import ACCEPTED, REFUSED, changed, config_tree, write_config
from tests.support.peers import require
from tests.support.spools import make_packet, new_packet_id, open_spool

RUN_SECONDS = 60

STRICTER = {
    "self.id": "a self that is not neigh.self could open nothing that is sent to it",
    "neigh.bob.incoming": "no path has a NUL byte",
    "neigh.bob.ack.nice": "older Go tools do not know ack",
}
"""Refused by us alone, and why; other values of the same keys are refused by all."""

SYNTAX = [
    "umask: 022",
    "umask: 22",
    'umask: "022" # c',
    "umask: 022 # c",
    "umask: '022'",
    "umask: '''022'''",
    "noprogress: true # c",
    "noprogress: true, # c",
    "noprogress: yes",
    "noprogress: True",
    "noprogress: true x",
    "noprogress:true",
    "noprogress: /* c */ true",
    "noprogress: // c\n true",
    "NoProgress: true\nnoprogress: 1",
    "nohdr: 1\nnohdr: true",
    "notify: {file: {from: a, to: b}}",
    "notify: {file: {from: a\nto: b\n}}",
    "mcd-send: {.*: 10}",
    "mcd-send: {.*: 10,}",
    "mcd-send: {.*: 1e1}",
    "mcd-send: {.*: 1.5}",
    "mcd-send: {.*: 010}",
    "mcd-listen: [a\nb\n]",
    "mcd-listen: [a, b]",
    "mcd-listen: [a, 1\n]",
    "unknown key: 1",
    "unknown: ",
    "unknown",
    "unknown: }",
    '"un known": [}',
    '"unknown": "a\\qb"',
    '"unknown": "a\nb"',
    "unknown: {a: 1",
    "}",
]


def cfgmin(path: Path) -> subprocess.CompletedProcess[str]:
    argv = [require("nncp-cfgmin"), "-cfg", str(path)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=RUN_SECONDS)


def is_read_by_us(path: Path) -> bool:
    try:
        load_nncp_config(path, {})
    except ConfigError:
        return False
    return True


def output_of(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(list(arguments), {}) == 0
    return capsys.readouterr().out


def masked(text: str) -> list[str]:
    lines = (re.sub(r"\b[A-Z2-7]{52,103}\b", "KEY", line) for line in text.splitlines())
    return [line for line in lines if not line.lstrip().startswith("#")]


@pytest.mark.parametrize(("key", "value"), ACCEPTED)
def test_allowed_setting_is_allowed_by_go(tmp_path: Path, key: str, value: object) -> None:
    """What our configuration tests call allowed, the Go tools read."""
    done = cfgmin(write_config(tmp_path, changed(config_tree(tmp_path), key, value)))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("key", "value", "error"), REFUSED)
def test_refused_setting_is_refused_by_go(tmp_path: Path, key: str, value: object, error: str) -> None:
    """What we refuse, the Go tools refuse too, but for a few faults that they do not notice."""
    done = cfgmin(write_config(tmp_path, changed(config_tree(tmp_path), key, value)))
    assert done.returncode == 1 or key in STRICTER, error


@pytest.mark.parametrize("line", SYNTAX)
def test_syntax_is_read_or_refused_as_by_go(tmp_path: Path, line: str) -> None:
    """Odd Hjson means the same to both: it is read by both or by neither."""
    path = write_config(tmp_path, config_tree(tmp_path))
    path.write_text(path.read_text().replace("{", "{\n" + line + "\n", 1))
    assert is_read_by_us(path) == (cfgmin(path).returncode == 0)


def one_style(text: str) -> str:
    """Go 8.11 has the brace behind the key where 8.8 has it on a line of its own, as we do."""
    return re.sub(r":\n *\{", ": {", text)


def test_cfgmin_prints_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The public part of a configuration is the same text from both, odd names included."""
    tree = config_tree(tmp_path) | {"spool": "/srv/a # b", "log": "/srv//x/../y "}
    tree = changed(tree, "neigh.carol.noisepub", ...)
    tree["neigh"] |= {"b b": tree["neigh"].pop("bob"), 'q"{#': tree["neigh"].pop("carol")}
    path = write_config(tmp_path, tree)
    assert one_style(output_of("cfgmin", "-cfg", str(path), capsys=capsys)) == one_style(cfgmin(path).stdout)


@pytest.mark.parametrize("flags", [[], ["-nocomments"]])
def test_new_configuration_has_the_shape_of_gos_and_is_read_by_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    """A configuration made by us is, keys and comments aside, the one that Go makes, and works."""
    argv = [require("nncp-cfgnew"), *flags]
    theirs = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=RUN_SECONDS).stdout
    ours = output_of("cfgnew", *flags, capsys=capsys)
    assert masked(ours) == masked(theirs)
    path = tmp_path / "cfg"
    path.write_text(ours)
    assert cfgmin(path).returncode == 0
    argv = [
        require("nncp-exec"),
        "-cfg",
        str(path),
        "-spool",
        str(tmp_path / "s"),
        "-log",
        str(tmp_path / "l"),
    ]
    argv += ["-quiet", "-noprogress", "self", "handle"]
    subprocess.run(argv, input=b"x", check=True, timeout=RUN_SECONDS)
    spool = Spool(tmp_path / "s", open_spool(tmp_path).disk)
    own = load_nncp_config(path, {}).book.self_node
    assert [job.header.sender for job in spool.jobs(own.id, Box.TX)] == [own.id]


@pytest.mark.parametrize("flags", [[], ["-nocomments"]])
def test_new_area_has_the_shape_of_gos(capsys: pytest.CaptureFixture[str], flags: list[str]) -> None:
    """The section of a new area is, keys and comments aside, the one that Go makes."""
    argv = [require("nncp-cfgnew"), "-area", "news", *flags]
    theirs = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=RUN_SECONDS).stdout
    assert masked(output_of("cfgnew", "-area", "news", *flags, capsys=capsys)) == masked(theirs)


def test_stat_prints_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both count and list a spool alike: nicenesses, unchecked and partial packets, garbage."""
    node = GoMesh(tmp_path / "mesh", ["a", "b", "c"])["a"]
    for nice, size in (("P", 0), ("5", 10), ("MAX", 300_000), ("N+3", 1)):
        node.run("nncp-exec", "-quiet", "-nice", nice, "b", "handle", stdin=os.urandom(size))
    node.run("nncp-exec", "-quiet", "c", "handle")
    packets = node.packets("tx", node.config()["neigh"]["b"]["id"])
    box = packets[0].parents[1] / "rx"
    box.mkdir()
    for path, name in zip(packets, ("{}", "{}.nock", "{}.part", "{}.nock"), strict=True):
        (box / name.format(path.name)).write_bytes(path.read_bytes())
    (box / ("A" * 52)).write_bytes(b"garbage")
    for flags in ([], ["-pkt"], ["-node", "b"], ["-node", "c", "-pkt"], ["-pkt", "x"]):
        theirs = node.run("nncp-stat", *flags).stdout.decode()
        assert output_of("stat", "-cfg", str(node.config_path), *flags, capsys=capsys) == theirs
    assert main(["stat", "-cfg", str(node.config_path), "-node", "nobody"], {}) == 1
    assert node.run("nncp-stat", "-node", "nobody", check=False).returncode == 1


def test_log_of_ours_is_read_by_nncp_log(tmp_path: Path) -> None:
    """nncp-log reads our records, even with names in them that were made to break them."""
    path = write_config(tmp_path, config_tree(tmp_path))
    log = Log(tmp_path / "log", quiet=True, now_ns=lambda: 1_763_640_000_123_000_000)
    record, failure = log.info, log.error
    record("rx", [("Node", "N"), ("Dst", "a\nMsg: forged\n\nb"), ("Size", 5), ("Dst", "")], "Got it")
    failure("rx-open", [("Pkt", "P")], "bad\nWho: x", "Tossing")
    record("tx", [("Dst", os.fsdecode(b"\xff\r"))], "Sent\nin two lines")
    argv = [require("nncp-log"), "-cfg", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=RUN_SECONDS)
    assert done.stderr == ""
    assert [line for line in done.stdout.splitlines() if line.startswith("20")] == [
        "2025-11-20T12:00:00Z Got it",
        "2025-11-20T12:00:00Z ERROR Tossing: bad",
        "2025-11-20T12:00:00Z Sent",
    ]


def test_lock_of_ours_keeps_go_out(tmp_path: Path) -> None:
    """While we hold the toss lock of a neighbour, nncp-toss leaves its packets; then it takes them."""
    mesh = GoMesh(tmp_path / "mesh", ["a", "b"])
    sender, node = mesh["a"], mesh["b"]
    mesh.set_exec("b", "a", "handle", ["/bin/sh", "-c", f"cat > {tmp_path}/out"])
    sender.run("nncp-exec", "-quiet", "b", "handle", stdin=b"hello")
    mesh.carry("a", "b")
    book = load_nncp_config(node.config_path, {}).book
    spool = Spool(node.spool, open_spool(tmp_path).disk)
    with spool.lock(book.find("a").id, LockKind.TOSS):
        node.toss(check=False)
        assert len(node.packets("rx", sender.id)) == 1
        assert not (tmp_path / "out").exists()
    node.toss()
    assert node.packets("rx", sender.id) == []
    assert (tmp_path / "out").read_bytes() == b"hello"


def test_temporary_of_ours_in_tx_is_left_alone_by_go(tmp_path: Path) -> None:
    """A packet that is being sealed survives all of nncp-rm but -tx, and is neither counted nor carried."""
    mesh = GoMesh(tmp_path / "mesh", ["a", "b"])
    node = mesh["a"]
    book = load_nncp_config(node.config_path, {}).book
    spool = Spool(node.spool, open_spool(tmp_path).disk)
    with spool.new_tx_temporary(book.find("b").id, "0123456789abcdef.sealing") as temporary:
        temporary.write(make_packet())
        temporary.keep()
    with spool.new_temporary() as swept:
        swept.write(b"x")
        swept.keep()
    node.run("nncp-rm", "-quiet", "-tmp")
    assert not swept.path.exists()
    for kind in ("-rx", "-part", "-nock", "-seen", "-hdr"):
        node.run("nncp-rm", "-quiet", "-all", kind)
    assert mesh.carry("a", "b") == 0
    assert b"pkts" not in node.run("nncp-stat").stdout
    assert temporary.path.read_bytes()[:5] == b"NNCPE"


def test_packet_that_we_commit_is_counted_by_go(tmp_path: Path) -> None:
    """What is committed by us is at once a packet of the spool for the Go tools."""
    node = GoMesh(tmp_path / "mesh", ["a", "b"])["a"]
    spool = Spool(node.spool, open_spool(tmp_path).disk)
    data = make_packet(nice=97)
    neighbour = load_nncp_config(node.config_path, {}).book.find("b").id
    with spool.new_temporary() as temporary:
        temporary.write(data)
        spool.commit(temporary, neighbour, Box.TX, new_packet_id(), data[:172], "b")
    assert b"nice: P+1 |" in node.run("nncp-stat", "-node", "b").stdout
