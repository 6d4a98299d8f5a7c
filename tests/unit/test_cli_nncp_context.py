import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.cli.nncp.context import Context, run_verb
from gateway.cli.nncp.verbs import TOSS
from gateway.errors import StoreError
from tests.support.nncp_configs import changed, config_tree, write_config
from tests.support.terminal import open_pty


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Context]:
    """Runs a verb on a configuration, and gives the context that its body got."""

    def run(
        *arguments: str, environ: Mapping[str, str] | None = None, tree: dict[str, object] | None = None
    ) -> Context:
        path = write_config(tmp_path, tree or config_tree(tmp_path))
        contexts: list[Context] = []

        def body(context: Context) -> int:
            contexts.append(context)
            return 7

        assert run_verb(TOSS, ["-cfg", str(path), *arguments], environ or {}, body) == 7
        return contexts[0]

    return run


def test_places_come_from_flag_then_environment_then_file(
    opened: Callable[..., Context], tmp_path: Path
) -> None:
    environ = {"NNCPSPOOL": "/env/spool", "NNCPLOG": str(tmp_path / "env-log")}
    assert opened().spool.root == tmp_path / "spool"
    assert opened(environ=environ).spool.root == Path("/env/spool")
    assert opened("-spool", "/flag", environ=environ).spool.root == Path("/flag")
    opened("-quiet", environ=environ).log.info("x", [], "m")
    opened("-quiet", "-log", str(tmp_path / "flag-log"), environ=environ).log.info("x", [], "m")
    opened("-quiet").log.info("x", [], "m")
    assert all((tmp_path / name).read_text().endswith("Msg: m\n") for name in ("env-log", "flag-log", "log"))


def test_nncpcfg_goes_before_the_flag(opened: Callable[..., Context], tmp_path: Path) -> None:
    home = tmp_path / "other"
    home.mkdir()
    path = write_config(home, config_tree(home))
    assert opened(environ={"NNCPCFG": str(path)}).config.path == path


def test_relative_spool_is_made_absolute(
    opened: Callable[..., Context], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert opened("-spool", "s").spool.root == tmp_path / "s"


def test_syncing_can_be_switched_off(opened: Callable[..., Context]) -> None:
    assert opened().disk.is_syncing
    assert not opened(environ={"NNCPNOSYNC": "1"}).disk.is_syncing


def test_header_copies_follow_the_configuration(opened: Callable[..., Context], tmp_path: Path) -> None:
    assert not opened().spool.nohdr
    assert opened(tree=changed(config_tree(tmp_path), "nohdr", True)).spool.nohdr


@pytest.mark.parametrize(
    ("flags", "noprogress", "is_shown"),
    [
        ([], ..., True),
        ([], True, False),
        (["-progress"], True, True),
        (["-noprogress"], ..., False),
        (["-quiet"], ..., False),
    ],
)
def test_on_a_terminal_progress_is_shown_unless_told_otherwise(
    opened: Callable[..., Context],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    noprogress: object,
    *,
    is_shown: bool,
) -> None:
    tree = changed(config_tree(tmp_path) | {"noprogress": False}, "noprogress", noprogress)
    near, far = open_pty()
    try:
        with os.fdopen(far, "w") as terminal:
            monkeypatch.setattr(sys, "stderr", terminal)
            assert opened(*flags, tree=tree).progress.is_shown is is_shown
    finally:
        os.close(near)


@pytest.mark.parametrize(("flags", "is_shown"), [([], False), (["-progress"], True)])
def test_without_a_terminal_progress_is_shown_if_forced(
    opened: Callable[..., Context], flags: list[str], *, is_shown: bool
) -> None:
    assert opened(*flags).progress.is_shown is is_shown


def test_umask_of_the_configuration_is_applied(opened: Callable[..., Context], tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        opened(tree=changed(config_tree(tmp_path), "umask", "077"))
        assert os.umask(0o022) == 0o077
    finally:
        os.umask(before)


def test_fault_of_the_body_is_one_line_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, config_tree(tmp_path))

    def body(_context: Context) -> int:
        raise StoreError("the disk is gone")

    assert run_verb(TOSS, ["-quiet", "-cfg", str(path)], {}, body) == 1
    assert capsys.readouterr().err == "nncp-toss: the disk is gone\n"


def test_each_fault_of_the_configuration_is_a_line_even_with_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = changed(changed(config_tree(tmp_path), "spool", 1), "umask", 2)
    path = write_config(tmp_path, tree)
    assert run_verb(TOSS, ["-quiet", "-cfg", str(path)], {}, lambda _context: 0) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:3] for line in said] == [
        ["nncp-toss", str(path), "spool"],
        ["nncp-toss", str(path), "umask"],
    ]


def test_contradicting_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_config(tmp_path, config_tree(tmp_path))
    flags = ["-cfg", str(path), "-progress", "-noprogress"]
    assert run_verb(TOSS, flags, {}, lambda _context: 0) == 1
    assert capsys.readouterr().err == "nncp-toss: simultaneous -progress and -noprogress\n"


def test_warnings_are_told_unless_quiet(
    opened: Callable[..., Context], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = changed(config_tree(tmp_path), "spol", "x")
    opened(tree=tree)
    assert capsys.readouterr().err == f"nncp-toss: warning: {tmp_path}/nncp.hjson: spol: unknown key\n"
    opened("-quiet", tree=tree)
    assert capsys.readouterr().err == ""
