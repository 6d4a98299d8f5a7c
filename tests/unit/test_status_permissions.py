import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.status.check import check_node
from gateway.status.permissions import Finding, check_directory, check_secret, check_trusted, check_umask

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    return path


def test_a_finding_has_its_remedy() -> None:
    assert str(Finding("x is wrong", "do y", is_fatal=True)) == "x is wrong; remedy: do y"


@pytest.mark.parametrize(("mode", "is_found"), [(0o600, False), (0o640, False), (0o644, True), (0o602, True)])
def test_private_keys_are_not_for_everybody(file: Path, mode: int, is_found: bool) -> None:  # noqa: FBT001
    file.chmod(mode)
    findings = list(check_secret(file))
    assert bool(findings) == is_found
    assert all(finding.is_fatal and f"{mode:04o}" in finding.text for finding in findings)


@pytest.mark.parametrize(("mode", "fatal"), [(0o644, []), (0o664, [False]), (0o666, [True]), (0o602, [True])])
def test_what_says_which_commands_run_is_changed_by_its_owner_alone(
    file: Path, mode: int, fatal: list[bool]
) -> None:
    file.chmod(mode)
    assert [finding.is_fatal for finding in check_trusted(file)] == fatal


def test_a_directory_must_be_there_and_be_one(tmp_path: Path, file: Path) -> None:
    assert list(check_directory(tmp_path, "spool")) == []
    (missing,) = check_directory(tmp_path / "x", "spool")
    (no_directory,) = check_directory(file, "spool")
    assert "(spool) is missing" in missing.text
    assert "(spool) is no directory" in no_directory.text
    assert missing.is_fatal
    assert f"{tmp_path}/x" in missing.remedy


def test_a_shared_spool_wants_a_group_that_can_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    (finding,) = check_umask(tmp_path, 0o022)
    assert "umask 022" in finding.text
    assert finding.remedy == 'umask: "007" in the NNCP configuration'
    assert list(check_umask(tmp_path, 0o007)) == []
    tmp_path.chmod(0o770)
    (finding,) = check_umask(tmp_path, 0o007)
    assert finding.remedy == f"chmod g+s {tmp_path}"
    tmp_path.chmod(0o750)
    assert list(check_umask(tmp_path, 0o022)) == []


_CODE = """
import os, pathlib, sys
from gateway.status.check import check_node
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1]))
home = pathlib.Path(sys.argv[3])
for finding in check_node(
    gateway_file=home / "g", nncp_file=home / "n", state_directory=home / "state", spool=home / "spool"
):
    print(finding.is_fatal, finding)
"""


@pytest.fixture
def home(place: Path) -> Path:
    for name in ("g", "n"):
        (place / name).touch(0o600)
    for name in ("state", "spool"):
        (place / name).mkdir(0o755)
    return place


@needs_root
def test_directories_of_somebody_else_are_found(home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    for name in ("spool", "state"):
        os.chown(home / name, nobody.pw_uid, nobody.pw_gid)
    (home / "spool" / "NODE" / "tx").mkdir(parents=True)
    argv = [sys.executable, "-c", _CODE, str(nobody.pw_uid), str(nobody.pw_gid), str(home)]
    out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    (line,) = out.splitlines()
    assert line.startswith(f"True {home}/spool/NODE belongs to root and can't be written by nobody")
    assert f"chown -R nobody {home}/spool/NODE" in line


@needs_root
def test_a_state_directory_of_root_is_found(home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    argv = [sys.executable, "-c", _CODE, str(nobody.pw_uid), str(nobody.pw_gid), str(home)]
    out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert "(node.state_directory) can't be written by the user nobody who runs this" in out
    assert "run this as the owner, root, or chown -R nobody" in out


@needs_root
def test_root_on_the_spool_of_another_is_warned(home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(home / "spool", nobody.pw_uid, nobody.pw_gid)
    findings = check_node(
        gateway_file=home / "g", nncp_file=home / "n", state_directory=home / "state", spool=home / "spool"
    )
    assert [finding.is_fatal for finding in findings] == [False]
    assert "belongs to nobody, who can't change what root makes in it" in findings[0].text


def test_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot look at"):
        check_node(
            gateway_file=tmp_path / "g", nncp_file=tmp_path / "n", state_directory=tmp_path, spool=tmp_path
        )


def test_private_keys_in_a_directory_are_looked_at_one_by_one(home: Path) -> None:
    (home / "n").unlink()
    (home / "n" / "self").mkdir(0o755, parents=True)
    for name, mode in (("signprv", 0o600), ("exchprv", 0o644), ("signpub", 0o644), ("id", 0o666)):
        (home / "n" / "self" / name).touch()
        (home / "n" / "self" / name).chmod(mode)
    findings = check_node(
        gateway_file=home / "g", nncp_file=home / "n", state_directory=home / "state", spool=home / "spool"
    )
    assert [finding.remedy for finding in findings if finding.is_fatal] == [
        f"chmod o-rwx {home}/n/self/exchprv",
        f"chmod go-w {home}/n/self/id",
    ]
