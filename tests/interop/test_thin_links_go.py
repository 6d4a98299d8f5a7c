"""``link`` in the NNCP configuration is ours: the Go tools pass it over, and no form of ours loses it."""

import subprocess
from pathlib import Path
from typing import Any

import hjson
import pytest

from gateway.config.nncp import load_nncp_config
from gateway.schedule.call import Link
from tests.support.gonncp import GoMesh
from tests.support.nncp_configs import changed, config_tree, write_config
from tests.support.nncp_verbs import run_verb_process, verb_argv, verb_environ
from tests.support.peers import require
from tests.support.terminal import type_at

RUN_SECONDS = 60
LINK = {
    "thin": True,
    "padding": "full",
    "ping-interval": 0,
    "handshake-deadline": 400,
    "stall-deadline": 100,
    "silence-deadline": 0,
    "max-bytes": 20000,
    "chunk": 512,
}
SETTINGS = Link(True, "full", 0, 400, 100, 0, 20_000, 512)
CALL = {"cron": "*/10 * * * *", "nice": "P"}


def tree(home: Path, *, is_linked: bool) -> dict[str, Any]:
    """A configuration with or without ``link``, at a neighbour and at a call."""
    calls = [{**CALL, "link": {"padding": "go", "chunk": 256}}, CALL] if is_linked else [CALL, CALL]
    made = changed(config_tree(home), "neigh.bob.calls", calls)
    return changed(made, "neigh.bob.link", LINK) if is_linked else made


def go(*argv: str | Path) -> bytes:
    """What a Go tool prints, having ended with 0 and said nothing."""
    program, *rest = map(str, argv)
    done = subprocess.run(
        [require(program), *rest], capture_output=True, check=False, timeout=RUN_SECONDS, env=verb_environ()
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def links_of(path: Path) -> list[Link]:
    """The link of bob and those of its calls."""
    config = load_nncp_config(path, {})
    assert config.warnings == ()
    online = config.book.find("bob").online
    return [online.link, *(call.link for call in online.calls)]


EXPECTED = [SETTINGS, Link(True, "go", 0, 400, 100, 0, 20_000, 256), SETTINGS]


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, tree(tmp_path, is_linked=True))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    home = tmp_path / "plain"
    home.mkdir()
    path = home / "nncp.hjson"
    path.write_text(write_config(home, tree(tmp_path, is_linked=False)).read_text())
    return path


def test_go_reads_the_configuration_as_if_it_were_not_there(
    config: Path, plain: Path, tmp_path: Path
) -> None:
    """What nncp-cfgmin, nncp-stat and nncp-cfgdir make of both configurations is the same."""
    assert go("nncp-cfgmin", "-cfg", config) == go("nncp-cfgmin", "-cfg", plain)
    assert go("nncp-stat", "-cfg", config) == go("nncp-stat", "-cfg", plain)
    go("nncp-cfgdir", "-cfg", config, "-dump", tmp_path / "one")
    go("nncp-cfgdir", "-cfg", plain, "-dump", tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_nobody_else_sees_it(config: Path, plain: Path) -> None:
    """It is in no configuration for neighbours."""
    # As values: later versions lay out their Hjson differently.
    printed = run_verb_process("cfgmin", "-cfg", config).stdout, go("nncp-cfgmin", "-cfg", plain)
    ours, theirs = (hjson.loads(text.decode()) for text in printed)
    assert ours == theirs


def test_directory_form(config: Path, plain: Path, tmp_path: Path) -> None:
    """Our directory holds it and is read back; for the rest it is Go's, and Go reads it."""
    directory = tmp_path / "cfg"
    run_verb_process("cfgdir", "-cfg", config, "-dump", directory)
    ours = contents(directory)
    link_files = {name: data for name, data in ours.items() if "/link/" in name}
    assert len(link_files) == len(LINK) + 2
    assert link_files["neigh/bob/link/chunk"] == b"512\n"
    assert link_files["neigh/bob/link/thin"] == b""
    go("nncp-cfgdir", "-cfg", plain, "-dump", tmp_path / "theirs")
    assert {name: data for name, data in ours.items() if name not in link_files} == contents(
        tmp_path / "theirs"
    )
    assert go("nncp-cfgdir", "-load", directory) == go("nncp-cfgdir", "-load", tmp_path / "theirs")
    assert links_of(directory) == EXPECTED
    printed = tmp_path / "printed"
    printed.write_bytes(run_verb_process("cfgdir", "-load", directory).stdout)
    assert links_of(printed) == EXPECTED
    assert hjson.loads(printed.read_text())["neigh"]["bob"]["link"] == LINK
    assert go("nncp-cfgmin", "-cfg", printed) == go("nncp-cfgmin", "-cfg", config)


def test_encrypted_form(config: Path, tmp_path: Path) -> None:
    """Sealed by us and opened by Go the text is as it was."""
    argv = verb_argv("cfgenc", "-s", "16", "-t", "3", "-p", "2", config)
    made = type_at(argv, ["secret", "secret"], tmp_path, environ=verb_environ())
    sealed = tmp_path / "sealed"
    sealed.write_bytes(made.stdout)
    opened = type_at(
        [require("nncp-cfgenc"), "-d", str(sealed)], ["secret"], tmp_path, environ=verb_environ()
    )
    assert opened.stdout == config.read_bytes()


def test_go_call_and_daemon_work_with_it(tmp_path: Path) -> None:
    """Two Go nodes whose configurations have it exchange a packet online."""
    require("nncp-call", "nncp-daemon")
    mesh = GoMesh(tmp_path / "mesh", ["a", "b"])
    for name, other in (("a", "b"), ("b", "a")):
        config = mesh[name].config()
        config["neigh"][other] |= {"link": LINK, "calls": [{**CALL, "link": {"thin": True}}]}
        mesh[name].save(config)
    a, b = mesh["a"], mesh["b"]
    a.run("nncp-exec", "-quiet", "b", "x", stdin=b"hello")
    daemon = f"|exec {require('nncp-daemon')} -cfg {b.config_path} -quiet -ucspi"
    a.run("nncp-call", "-quiet", "-onlinedeadline", "2", "b", daemon)
    assert len(b.packets("rx", a.id)) == 1
