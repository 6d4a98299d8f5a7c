"""Links that make this program a command of another name, such as ``nncp-stat``.

Contract: what stands under a name and does not start this program is never touched: then nothing
at all is changed. A link to another installation of this program is replaced.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from gateway.config.own_program import PROGRAM_NAME, own_command
from gateway.durable import Disk, store_errors
from gateway.errors import ConfigError


def link_target() -> Path:
    """The program that links must lead to.

    Raises:
        ConfigError: it was started as a module, and there is no program file.
    """
    words = own_command()
    if len(words) != 1:
        raise ConfigError(
            f"there is no program {PROGRAM_NAME} beside {words[0]} that a link could lead to; install it"
        )
    return Path(words[0])


def make_links(directory: Path, names: Iterable[str], target: Path, disk: Disk) -> list[Path]:
    """Make a link for each name.

    Args:
        directory: where; made if it is missing.
        names: of the commands.
        target: the program, an absolute path.
        disk: how links are made.

    Returns:
        Those that were made or replaced; the others were there already.

    Raises:
        ConfigError: something else has one of the names; says all of them.
        StoreError: the directory can't be used.
    """
    links = [directory / name for name in names]
    strangers = [link for link in links if not _may_be_ours(link)]
    if strangers:
        raise ConfigError(
            "\n".join(
                f"{link}: is there and is not ours, allowed: no file, or a link of ours" for link in strangers
            )
        )
    disk.make_directories(directory)
    missing = [link for link in links if not (link.is_symlink() and link.readlink() == target)]
    for link in missing:
        _put(link, target, disk)
    return missing


def _may_be_ours(link: Path) -> bool:
    if not link.is_symlink():
        return not link.exists()
    return link.readlink().name == PROGRAM_NAME


def _put(link: Path, target: Path, disk: Disk) -> None:
    temporary = link.with_name(f".{link.name}.{os.getpid()}.new")
    with store_errors(temporary, "remove"):
        temporary.unlink(missing_ok=True)
    disk.symlink(target, temporary)
    disk.rename(temporary, link)
