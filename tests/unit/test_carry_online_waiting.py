import os
import time
from pathlib import Path

from gateway.carry.online.waiting import Waiting
from gateway.spool.layout import Box, header_path
from tests.support.spools import NODE, OTHER, commit, make_packet, open_spool


def test_packet_counts_up_to_its_niceness(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    waiting = Waiting(spool)
    assert not waiting.has_packet(NODE, 255)
    commit(spool, make_packet(nice=100))
    commit(spool, make_packet(nice=50), Box.RX)
    assert not waiting.has_packet(NODE, 99)
    assert waiting.has_packet(NODE, 100)
    assert not waiting.has_packet(OTHER, 255)


def test_packet_that_goes_and_one_that_comes_are_noticed(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    waiting = Waiting(spool)
    first = commit(spool, make_packet(nice=100))
    assert waiting.has_packet(NODE, 255)
    first.unlink()
    assert not waiting.has_packet(NODE, 255)
    commit(spool, make_packet(nice=100))
    assert waiting.has_packet(NODE, 255)


def test_directory_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    path = commit(spool, make_packet(nice=100))
    old = time.time() - 60
    os.utime(path.parent, (old, old))
    waiting = Waiting(spool)
    assert waiting.has_packet(NODE, 255)
    header_path(path).unlink()
    path.write_bytes(b"no packet")
    os.utime(path.parent, (old, old))
    assert waiting.has_packet(NODE, 255)
