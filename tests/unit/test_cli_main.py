import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway import __version__
from gateway.cli import commands
from tests.support.gateways import GatewayNode, clean_environ, run_child, run_here


def test_version_and_help() -> None:
    assert run_here(["--version"]).out == f"nncp-gateway {__version__}\n"
    out = run_here(["--help"]).out
    for name in ("init", "accept", "serve", "queue", "nncp"):
        assert f"  {name} " in out


@pytest.mark.parametrize("name", [*commands._MODULES, "nncp"])
def test_every_command_has_help(name: str) -> None:
    if name == "nncp":
        return
    done = run_here([name, "--help"])
    if name == "receive":
        assert done.status == 75
    else:
        assert done.status == 0
        assert done.out.startswith(f"Usage: nncp-gateway {name}")


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["bogus"], 64, "No such command 'bogus'"),
        (["--bogus"], 64, "No such option"),
        (["deliver", "a"], 64, "(see nncp-gateway deliver --help)"),
        (["send", "x@a.test"], 75, "4.5.4 Missing option"),
        (["-c", "x", "send", "--bogus"], 75, "4.5.4 No such option"),
        (["receive"], 75, "Missing argument"),
        (["receive", "bogus"], 75, "'bogus' is not one of"),
    ],
)
def test_a_command_line_that_makes_no_sense(words: list[str], status: int, text: str) -> None:
    done = run_here(words)
    assert done.status == status
    assert text in done.out + done.err


def test_nncp_goes_past_everything_else() -> None:
    done = run_here(["nncp", "bogus"])
    assert done.status == 1
    assert "unknown verb 'bogus'" in done.err


def test_nncp_imports_neither_click_nor_the_schema() -> None:
    code = (
        "import sys; from gateway.cli.main import run; run(['nncp', 'cfgnew', '-nocomments'], {});"
        "print([name for name in ('click', 'pydantic', 'aiosmtpd', 'sqlite3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_imports_no_schema() -> None:
    code = (
        "import sys; from gateway.cli.main import run; run(['--help'], {});"
        "print([name for name in ('pydantic', 'aiosmtpd', 'sqlite3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(("name", "status"), [("send", 75), ("receive", 75), ("check", 70)])
def test_a_bug_says_so_and_never_bounces_mail(
    monkeypatch: pytest.MonkeyPatch, name: str, status: int
) -> None:
    def broken(_self: object, _context: object, _name: str) -> None:
        raise ZeroDivisionError("not on purpose")

    monkeypatch.setattr(commands._Commands, "get_command", broken)
    done = run_here([name])
    assert done.status == status
    assert "a fault of this program" in done.err
    assert "ZeroDivisionError: not on purpose" in done.err
    if name == "send":
        assert done.out == "4.3.0 internal error: ZeroDivisionError\n"


def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    node = GatewayNode(tmp_path / "a", "a.test")
    words = [sys.executable, "-m", "gateway.cli.main", "-c", str(node.config_path), "queue", "list"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == ""
        assert child.wait(60) == 74


def test_the_environment_names_the_configuration(tmp_path: Path) -> None:
    node = GatewayNode(tmp_path / "a", "a.test")
    environ: Mapping[str, str] = {"NNCP_GATEWAY_CONFIG": str(node.config_path)}
    assert run_here(["check"], environ=environ).out.startswith(f"{node.config_path}: in order")


def test_the_whole_program_runs_as_a_child(tmp_path: Path) -> None:
    done = run_child(["-c", str(tmp_path / "none.toml"), "queue", "list"])
    assert done.status == 78
    assert done.err.startswith(f"nncp-gateway: {tmp_path}/none.toml: cannot be read")


def test_our_configuration_before_nncp_stands_for_the_one_it_names(place: Path) -> None:
    node = GatewayNode(place / "a", "a.test")
    assert f"id: {node.id}" in node.run("nncp", "cfgmin").out
    other = GatewayNode(place / "b", "b.test")
    assert f"id: {other.id}" in node.run("nncp", "cfgmin", "-cfg", str(other.nncp_path)).out
    through_environment = clean_environ(NNCPCFG=str(other.nncp_path))
    done = run_here(["-c", str(node.config_path), "nncp", "cfgmin"], environ=through_environment)
    assert f"id: {other.id}" in done.out


def test_a_missing_configuration_before_nncp_is_said(place: Path) -> None:
    done = run_here(["-c", str(place / "none.toml"), "nncp", "cfgmin"])
    assert done.status == 78
    assert "none.toml" in done.err
