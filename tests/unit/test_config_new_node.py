import os
import stat
import subprocess
from pathlib import Path

import pytest

from gateway.config.node_name import check_node_name
from gateway.errors import ConfigError
from tests.support.gateways import GatewayNode, run_here
from tests.support.peers import require


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_node_has_safe_permissions_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        node = GatewayNode(tmp_path / "deep" / "a", "a.test")
    finally:
        os.umask(before)
    assert mode(node.nncp_path) == 0o600
    assert mode(node.config_path) == 0o640
    for name in (".", "state", "spool", "incoming"):
        assert mode(node.home / name) == 0o750


def test_nothing_that_exists_is_overwritten(tmp_path: Path) -> None:
    node = GatewayNode(tmp_path / "a", "a.test")
    before = node.nncp_path.read_text(), node.config_path.read_text()
    done = run_here(["init", "--directory", str(node.home)])
    assert done.status == 78
    assert "is there already and is not overwritten" in done.err
    assert (node.nncp_path.read_text(), node.config_path.read_text()) == before


@pytest.mark.parametrize("name", ["nncp.hjson", "gateway.toml"])
def test_if_one_file_is_in_the_way_nothing_is_made(tmp_path: Path, name: str) -> None:
    home = tmp_path / "a"
    home.mkdir()
    (home / name).symlink_to("/nonexistent")
    assert run_here(["init", "--directory", str(home)]).status == 78
    assert [path.name for path in home.iterdir()] == [name]


def test_what_is_printed_shows_the_next_steps_and_no_secret(tmp_path: Path) -> None:
    home = tmp_path / "a"
    done = run_here(["init", "--directory", str(home), "--hostname", "gw.a.test", "--domain", "a.test"])
    assert "What to do next:" in done.out
    assert f"nncp-gateway -c {home}/gateway.toml accept NAME" in done.out
    assert done.out.endswith(run_here(["-c", f"{home}/gateway.toml", "invite"]).out)
    for line in (home / "nncp.hjson").read_text().splitlines():
        if "prv:" in line:
            assert line.split('"')[1] not in done.out


@pytest.mark.parametrize(
    ("option", "lines"),
    [
        ("smtp:127.0.0.1:26", ['to = "smtp"', 'address = "127.0.0.1:26"']),
        ("lmtp:unix:/run/lmtp", ['to = "lmtp"', 'address = "unix:/run/lmtp"']),
        ("batch:/usr/sbin/exim4", ['to = "batch"', 'command = ["/usr/sbin/exim4", "-bS"]']),
        ("sendmail", ['to = "sendmail"', 'command = ["/usr/sbin/sendmail", "-i"]']),
        ("sendmail:/usr/lib/sendmail", ['to = "sendmail"', 'command = ["/usr/lib/sendmail", "-i"]']),
        ("maildir:/var/mail/{local}", ['to = "maildir"', 'path = "/var/mail/{local}"']),
    ],
)
def test_each_way_to_deliver_is_written(tmp_path: Path, option: str, lines: list[str]) -> None:
    assert run_here(["init", "--directory", str(tmp_path / "a"), "--deliver", option]).status == 0
    toml = (tmp_path / "a" / "gateway.toml").read_text().splitlines()
    assert [line for line in lines if line not in toml] == []
    assert run_here(["-c", str(tmp_path / "a" / "gateway.toml"), "check"]).status == 0


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        (("--deliver", "pigeon"), 64, "--deliver 'pigeon' is not known; allowed: smtp:HOST:PORT"),
        (("--deliver", "smtp:nowhere"), 78, "deliver.address: is not ADDRESS:PORT"),
        (("--smtp-listen", "25"), 78, "smtp.listen[1]: is not ADDRESS:PORT"),
        (("--hostname", "a b"), 78, "node.hostname: "),
        (("--domain", "a b"), 78, "deliver.domains[1]: "),
        (("--owner", "no-such-user-here"), 64, "--owner 'no-such-user-here' is not known here"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_made(
    tmp_path: Path, words: tuple[str, ...], status: int, error: str
) -> None:
    done = run_here(["init", "--directory", str(tmp_path / "a"), *words])
    assert done.status == status
    assert error in done.err
    assert not (tmp_path / "a").exists()


def test_no_endpoint_can_be_wanted(tmp_path: Path) -> None:
    run_here(["init", "--directory", str(tmp_path / "a"), "--smtp-listen", "none"])
    assert "listen = []" in (tmp_path / "a" / "gateway.toml").read_text()


def test_spool_and_state_can_be_elsewhere(tmp_path: Path) -> None:
    words = ["--state-directory", str(tmp_path / "var" / "state"), "--spool", str(tmp_path / "spool")]
    run_here(["init", "--directory", str(tmp_path / "etc"), *words])
    assert (tmp_path / "var" / "state").is_dir()
    assert run_here(["-c", str(tmp_path / "etc" / "gateway.toml"), "check"]).status == 0


def test_the_go_tools_read_the_new_configuration(tmp_path: Path) -> None:
    node = GatewayNode(tmp_path / "a", "a.test")
    argv = [require("nncp-cfgmin"), "-cfg", str(node.nncp_path)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert node.id in done.stdout


@pytest.mark.parametrize("name", ["bob", "b", "0", "a.b-c_d", "x" * 51])
def test_names_that_can_be(name: str) -> None:
    assert check_node_name(name) == name


@pytest.mark.parametrize("name", ["", "self", "SELF", "tmp", "-x", ".x", "a/b", "a b", "ä", "x" * 52, "a\n"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ConfigError, match="allowed: 1 to 51"):
        check_node_name(name)
