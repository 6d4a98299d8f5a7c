"""Links that make this program a command of another name, such as ``nncp-stat`` or ``sendmail``.

Those that mail servers call lead to a *client*: a small script that starts in a tenth of the time, hands
its input to the daemon, and starts the whole program only where no daemon runs.

Contract: what stands under a name and does not start this program is never touched: then nothing
at all is changed. A link to another installation of this program is replaced.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import gateway
from gateway.config.own_program import CONFIG_FLAGS, PIPE_WORD, PROGRAM_NAME, own_command
from gateway.durable import Disk, store_errors
from gateway.errors import ConfigError

CLIENT_MODE = 0o755
SYSTEM_PYTHON = "/usr/bin/python3"
INTERPRETER_LIMIT_CHARS = 110
"""Linux reads 127 characters of the first line, older ones."""
_MARK = "# Made by nncp-gateway"


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


def write_client(path: Path, config_path: Path, state_directory: Path, disk: Disk) -> None:
    """Write the script that hands mail to the daemon.

    Args:
        path: where; its directory is made if it is missing.
        config_path: of the ``gateway.toml`` that counts where no daemon runs.
        state_directory: where the daemon's socket is.
        disk: how it is written.

    Raises:
        ConfigError: something else has its name, or there is no way to start Python from a script.
        StoreError: the directory can't be used.
    """
    if _is_there(path) and not (path.is_file() and _MARK in path.read_text(errors="replace")):
        raise ConfigError(f"{path}: is there and is not ours, allowed: no file, or one that links has made")
    direct = [*own_command(), CONFIG_FLAGS[0], str(config_path), PIPE_WORD]
    text = _CLIENT.format(
        python=_interpreter(),
        mark=_MARK,
        program=PROGRAM_NAME,
        name=path.name,
        packages=str(Path(gateway.__file__).resolve().parent.parent),
        state=str(state_directory),
        direct=direct,
    )
    disk.make_directories(path.parent)
    with disk.create(_temporary_for(path)) as new:
        # Mail servers start it as users of theirs, whatever the umask of whoever made it.
        with store_errors(path, "set the mode of"):
            os.fchmod(new.fileno(), CLIENT_MODE)
        new.write(text.encode())
        new.commit(path)


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
    refuse_strangers(links, target)
    disk.make_directories(directory)
    missing = [link for link in links if not (link.is_symlink() and link.readlink() == target)]
    for link in missing:
        _put(link, target, disk)
    return missing


def refuse_strangers(links: Iterable[Path], target: Path) -> None:
    """Make sure that what stands under the names may be replaced.

    Raises:
        ConfigError: something else has one of the names; says all of them.
    """
    strangers = [link for link in links if not _may_be_ours(link, target)]
    if strangers:
        raise ConfigError(
            "\n".join(
                f"{link}: is there and is not ours, allowed: no file, or a link of ours" for link in strangers
            )
        )


def _may_be_ours(link: Path, target: Path) -> bool:
    if not link.is_symlink():
        return not link.exists()
    return link.readlink().name == target.name


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _put(link: Path, target: Path, disk: Disk) -> None:
    temporary = _temporary_for(link)
    disk.symlink(target, temporary)
    disk.rename(temporary, link)


def _temporary_for(path: Path) -> Path:
    """A free name beside a path."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with store_errors(temporary, "remove"):
        temporary.unlink(missing_ok=True)
    return temporary


def _interpreter() -> str:
    """Python without an environment of its own: it starts faster, and the script needs no package."""
    python = os.path.realpath(sys.executable)
    if os.path.realpath(SYSTEM_PYTHON) == python:
        # This name stays when the system gets a newer one.
        python = SYSTEM_PYTHON
    if len(python) > INTERPRETER_LIMIT_CHARS or any(char.isspace() for char in python):
        raise ConfigError(f"{python}: its path can't stand in the first line of a script; use another Python")
    return python


_CLIENT = """\
#!{python} -IS
{mark}: {program} -c FILE links --mail DIRECTORY
# Make it again after an upgrade, or when the state directory or {program} has moved.
import posix
import sys

try:
    # Python need not look for the packages on its way to two modules.
    for package in ("gateway", "gateway.cli", "gateway.handover"):
        sys.modules[package] = module = type(sys)(package)
        module.__path__ = [{packages!r} + "/" + package.replace(".", "/")]
    from gateway.cli.pipe_client import run

    name, *words = sys.argv
    name = name.rpartition("/")[2]
    if name == {name!r}:
        name, *words = words
    status = run(name, words, posix.environ, {state!r}, {direct!r})
except BaseException as error:
    posix.write(2, b"4.3.0 {name}: %a\\n" % error)
    status = 75
posix._exit(status)
"""
