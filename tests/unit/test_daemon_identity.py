import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.daemon.identity import become_owner
from gateway.errors import ConfigError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

_CODE = """
import os, pathlib, sys
from gateway.daemon.identity import become_owner
become_owner(pathlib.Path(sys.argv[1]))
print(os.getuid(), os.geteuid(), os.getgid(), sorted(os.getgroups()))
"""


def become(directory: Path) -> str:
    argv = [sys.executable, "-c", _CODE, str(directory)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@needs_root
def test_root_becomes_the_owner_with_all_groups(place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(place, nobody.pw_uid, nobody.pw_gid)
    groups = sorted(os.getgrouplist("nobody", nobody.pw_gid))
    assert become(place) == f"{nobody.pw_uid} {nobody.pw_uid} {nobody.pw_gid} {groups}"


def test_our_own_directory_and_a_missing_one_change_nothing(tmp_path: Path) -> None:
    before = os.getuid(), os.getgid()
    become_owner(tmp_path)
    become_owner(tmp_path / "missing")
    assert (os.getuid(), os.getgid()) == before


@needs_root
def test_an_owner_that_is_unknown_is_refused(place: Path) -> None:
    os.chown(place, 54_321, 54_321)
    with pytest.raises(ConfigError, match="belongs to user 54321, whom this machine does not know"):
        become_owner(place)
