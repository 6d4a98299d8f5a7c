import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.main import PIPE_NAMES, words_of
from gateway.cli.nncp.main import MODULES
from tests.support.gateways import GatewayNode, clean_environ, run_here
from tests.support.nncp_verbs import PROJECT


def linked(place: Path, *others: Path) -> dict[str, str]:
    return {path.name: str(path.readlink()) for path in place.iterdir() if path not in others}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program file as an installer makes it."""
    path = tmp_path / "bin" / "nncp-gateway"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nfrom gateway.cli.main import main\nmain()\n")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(path)])
    return path


def test_every_verb_has_a_link(program: Path, tmp_path: Path) -> None:
    place = tmp_path / "new" / "links"
    done = run_here(["links", str(place)])
    assert done.status == 0
    assert linked(place) == {f"nncp-{verb}": str(program) for verb in MODULES}
    assert f"{place}/nncp-stat -> {program}\n" in done.out
    again = run_here(["links", str(place)])
    assert (again.status, again.out) == (0, f"{place}: all {len(MODULES)} links are there already\n")


def test_what_is_not_ours_is_never_touched(program: Path, tmp_path: Path) -> None:
    place = tmp_path / "links"
    place.mkdir()
    (place / "nncp-stat").write_text("theirs")
    (place / "nncp-toss").symlink_to("/usr/bin/true")
    (place / "nncp-xfer").mkdir()
    done = run_here(["links", str(place)])
    assert done.status == 78
    for name in ("nncp-stat", "nncp-toss", "nncp-xfer"):
        assert f"{place}/{name}: is there and is not ours" in done.err
    assert sorted(path.name for path in place.iterdir()) == ["nncp-stat", "nncp-toss", "nncp-xfer"]
    assert (place / "nncp-stat").read_text() == "theirs"


def test_links_to_another_installation_are_replaced(program: Path, tmp_path: Path) -> None:
    place = tmp_path / "links"
    place.mkdir()
    (place / "nncp-stat").symlink_to("/opt/old/bin/nncp-gateway")
    (place / "nncp-other").write_text("stays")
    assert run_here(["links", str(place)]).status == 0
    assert (place / "nncp-stat").readlink() == program
    assert (place / "nncp-other").read_text() == "stays"


def test_program_that_is_a_module_can_have_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/main.py"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    done = run_here(["links", str(tmp_path / "links")])
    assert done.status == 78
    assert "no program nncp-gateway beside" in done.err
    assert not (tmp_path / "links").exists()


def test_link_runs_the_command_of_its_name(program: Path, tmp_path: Path) -> None:
    assert run_here(["links", str(tmp_path / "links")]).status == 0
    environ = clean_environ(PYTHONPATH=str(PROJECT), PATH=f"{tmp_path}/links:{os.environ['PATH']}")

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env=environ)

    assert run("nncp-cronexpr", "-num", "0", "@daily").stdout.startswith("Now:\t")
    wrong = run(f"{tmp_path}/links/nncp-stat", "-nope")
    assert (wrong.returncode, wrong.stderr.splitlines()[0]) == (2, "flag provided but not defined: -nope")
    (tmp_path / "links/nncp-nope").symlink_to(program)
    unknown = run("nncp-nope")
    assert (unknown.returncode, unknown.stderr[:27]) == (1, "nncp: unknown verb 'nope', ")
    assert run(str(program), "--version").stdout.startswith("nncp-gateway ")


@pytest.fixture
def node(place: Path) -> GatewayNode:
    return GatewayNode(place / "a", "a.test")


def test_names_for_mail_lead_to_a_script_of_ours(node: GatewayNode, program: Path) -> None:
    place = node.home / "bin"
    done = node.run("links", "--mail", str(place))
    client = place / "nncp-gateway-pipe"
    assert linked(place, client) == {name: str(client) for name in PIPE_NAMES}
    assert f"{place}/sendmail -> {client}\n" in done.out
    assert stat.S_IMODE(client.stat().st_mode) == 0o755
    text = client.read_text()
    assert text.startswith("#!/")
    assert text.splitlines()[0].endswith(" -IS")
    assert repr(str(node.home / "state")) in text
    assert repr([str(program), "-c", str(node.config_path), "pipe"]) in text
    assert node.run("links", "--mail", str(place)).out == f"{place}: all 5 links are there already\n"


def test_the_script_is_made_anew_and_others_are_not_touched(node: GatewayNode, program: Path) -> None:
    place = node.home / "bin"
    node.run("links", "--mail", str(place))
    client = place / "nncp-gateway-pipe"
    client.write_text("#!/old -IS\n# Made by nncp-gateway\n")
    node.run("links", "--mail", str(place))
    assert "pipe_client" in client.read_text()
    client.write_text("theirs")
    done = node.run("links", "--mail", str(place), is_checked=False)
    assert (done.status, client.read_text()) == (78, "theirs")
    assert f"{client}: is there and is not ours" in done.err


def test_a_sendmail_that_is_there_keeps_its_name(node: GatewayNode, program: Path) -> None:
    place = node.home / "bin"
    place.mkdir()
    (place / "sendmail").symlink_to("/usr/sbin/sendmail")
    (place / "uux").write_text("theirs")
    done = node.run("links", "--mail", str(place), is_checked=False)
    assert done.status == 78
    assert f"{place}/sendmail: is there and is not ours" in done.err
    assert sorted(path.name for path in place.iterdir()) == ["sendmail", "uux"]


def test_a_python_that_no_script_can_name_is_told(
    node: GatewayNode, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/a b/python3")
    done = node.run("links", "--mail", str(node.home / "bin"), is_checked=False)
    assert done.status == 78
    assert "/opt/a b/python3" in done.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["nncp-stat", "-pkt"], ["nncp", "nncp-stat", "-pkt"]),
        (["/usr/bin/nncp-toss"], ["nncp", "nncp-toss"]),
        (["/x/nncp-gateway", "serve"], ["serve"]),
        (["/x/main.py", "nncp", "stat"], ["nncp", "stat"]),
        (["/usr/bin/sendmail", "-t"], ["pipe", "sendmail", "-t"]),
        (["rmail", "x"], ["pipe", "rmail", "x"]),
    ],
)
def test_name_decides_what_is_run(argv: list[str], words: list[str]) -> None:
    assert words_of(argv) == words
