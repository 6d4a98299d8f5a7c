"""What is left of a configuration directory when its writing stops."""

import errno
from pathlib import Path

import pytest

from gateway.config.edit_directory import add_to_directory, object_of
from gateway.config.nncp import check_document, load_nncp_config
from gateway.config.nncp_directory import read_directory, write_directory
from gateway.config.nncp_document import Object, parse_document
from gateway.durable import Disk
from gateway.errors import ConfigError, StoreFull
from tests.support.nncp_configs import changed, config_tree, write_config


class PowerCut(BaseException):
    """The machine stops."""


def document_of(home: Path, umask: str) -> Object:
    tree = changed(config_tree(home), "neigh.bob.exec", {"sendmail": ["/usr/sbin/sendmail"]})
    return parse_document(write_config(home, tree | {"umask": umask}).read_text(), home)


def write_until(path: Path, document: Object, stop_at: int, fault: BaseException) -> bool:
    """Write, and fail at the k-th step of the disk; whether it got through."""
    steps = iter(range(stop_at))

    def hook(_step: str, _path: Path) -> None:
        if next(steps, None) is None:
            raise fault

    try:
        write_directory(path, document, Disk(is_syncing=False, hook=hook))
    except (PowerCut, StoreFull):
        return False
    return True


@pytest.mark.parametrize("fault", [PowerCut(), OSError(errno.ENOSPC, "No space left on device")])
def test_new_directory_is_whole_or_not_read(tmp_path: Path, fault: BaseException) -> None:
    """A directory whose writing stopped at any step is refused, never read as a smaller configuration."""
    document = document_of(tmp_path, "022")
    stop_at, is_done = 0, False
    while not is_done:
        path = tmp_path / f"cfg{stop_at}"
        is_done = write_until(path, document, stop_at, fault)
        if is_done or (path / "spool").exists():
            assert read_directory(path) == document
            check_document(path, document, {})
        else:
            with pytest.raises(ConfigError):
                load_nncp_config(path, {})
        stop_at += 1
    assert stop_at > 40


def test_directory_that_is_written_again_can_be_read_at_every_step(tmp_path: Path) -> None:
    """Each value is the old or the new one, whole, wherever the writing stopped."""
    old, new = document_of(tmp_path, "022"), document_of(tmp_path, "077")
    stop_at, is_done = 0, False
    while not is_done:
        path = tmp_path / f"cfg{stop_at}"
        write_directory(path, old, Disk(is_syncing=False))
        is_done = write_until(path, new, stop_at, PowerCut())
        assert load_nncp_config(path, {}).umask in {0o022, 0o077}
        assert read_directory(path) in (old, new)
        stop_at += 1
    assert load_nncp_config(path, {}).umask == 0o077


def add_until(path: Path, addition: Object, stop_at: int, fault: BaseException) -> bool:
    """Add, and fail at the k-th step of the disk; whether it got through."""
    steps = iter(range(stop_at))

    def hook(step: str, _path: Path) -> None:
        # What is cleaned up afterwards works, unless the machine stops.
        if next(steps, None) is None and (isinstance(fault, PowerCut) or step != "remove-tree"):
            raise fault

    try:
        add_to_directory(path, addition, Disk(is_syncing=False, hook=hook))
    except (PowerCut, StoreFull):
        return False
    return True


@pytest.mark.parametrize("fault", [PowerCut(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_neighbour_is_added_whole_or_not_at_all(tmp_path: Path, fault: BaseException) -> None:
    """Wherever adding stops, the configuration can be read, and adding again finishes it."""
    wanted = document_of(tmp_path, "022")
    neighbours = wanted["neigh"]
    assert isinstance(neighbours, Object)
    addition = object_of(("neigh",), {"carol": neighbours["carol"]})
    without = Object({**wanted, "neigh": Object({key: neighbours[key] for key in ("self", "bob")})})
    stop_at, is_done = 0, False
    while not is_done:
        path = tmp_path / f"cfg{stop_at}"
        write_directory(path, without, Disk(is_syncing=False))
        is_done = add_until(path, addition, stop_at, fault)
        found = read_directory(path)
        assert found in (without, wanted)
        assert found == wanted or not is_done
        if isinstance(fault, OSError):
            assert list(path.rglob(".*")) == []
        if found != wanted:
            add_to_directory(path, addition, Disk(is_syncing=False))
            assert read_directory(path) == wanted
        stop_at += 1
    assert stop_at > 10


def test_what_is_there_already_is_not_replaced(tmp_path: Path) -> None:
    """A value that somebody wrote meanwhile stays, and adding is refused."""
    path = tmp_path / "cfg"
    write_directory(path, document_of(tmp_path, "022"), Disk(is_syncing=False))
    before = read_directory(path)
    with pytest.raises(ConfigError, match="sendmail: is there already"):
        add_to_directory(
            path, object_of(("neigh", "bob", "exec"), {"sendmail": ["x"]}), Disk(is_syncing=False)
        )
    assert read_directory(path) == before
