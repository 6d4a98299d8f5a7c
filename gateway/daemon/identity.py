"""Root works as the owner of the state directory: what root would make there, its owner could not use."""

import os
import pwd
from pathlib import Path

from gateway.errors import ConfigError


def become_owner(state_directory: Path) -> None:
    """Give up root's rights for those of the directory's owner; for anybody else nothing happens.

    Args:
        state_directory: may be missing: then nothing happens.

    Raises:
        ConfigError: its owner is no user of this machine.
    """
    if os.geteuid() != 0 or not state_directory.exists():
        return
    uid = state_directory.stat().st_uid
    if uid == 0:
        return
    try:
        owner = pwd.getpwuid(uid)
    except KeyError:
        raise ConfigError(
            f"{state_directory} belongs to user {uid}, whom this machine does not know"
        ) from None
    os.initgroups(owner.pw_name, owner.pw_gid)
    os.setgid(owner.pw_gid)
    os.setuid(uid)
