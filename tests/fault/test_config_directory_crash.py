"""What is left of a configuration directory when its writing stops."""

import errno
from pathlib import Path

import pytest

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
