"""Lines of a channel feed are kept until the articles they name are taken in."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import ConfigError
from gateway.ingest.channel import LOCK_NAME, TOKENS_AT_ONCE, Channel, ChannelSettings
from gateway.msgqueue.lock import StageLock
from tests.support.processes import wait_until

TOKEN = "@0502000005A40000000{}00000000000000@"


def token(number: int) -> str:
    return TOKEN.format(f"{number:05d}")


class Site:
    """A channel, a store of articles, and an ``sm`` that reads it."""

    def __init__(self, place: Path) -> None:
        self.directory = place / "lines"
        self.store = place / "store"
        self.store.mkdir()
        self.got: list[bytes] = []
        self.status = 0
        self.sm = place / "sm"
        self.write_sm(
            'for token in "$@"; do if test -e STORE/$token; then cat STORE/$token;'
            ' else echo "sm: could not retrieve $token" >&2; status=1; fi; done; exit ${status:-0}'
        )

    def write_sm(self, line: str) -> None:
        text = line.replace("STORE", str(self.store))
        self.sm.write_text(f'#!/bin/sh\ntest "$1" = -S || exit 9\nshift\n{text}\n')
        self.sm.chmod(0o755)

    def keep(self, number: int) -> str:
        """An article in the store; returns its line."""
        (self.store / token(number)).write_bytes(b"#! rnews 2\n%d\n" % (number % 10))
        return f"{token(number)} <{number}@a.test>"

    def take(self, fd: int) -> int:
        data = b""
        while piece := os.read(fd, 1 << 16):
            data += piece
        if self.status == 0:
            self.got.append(data)
        return self.status

    def run(self, lines: Sequence[str] = ()) -> bool:
        source, target = os.pipe()
        os.write(target, "".join(f"{line}\n" for line in lines).encode())
        os.close(target)
        try:
            return self.run_on(source)
        finally:
            os.close(source)

    def run_on(self, fd: int) -> bool:
        settings = ChannelSettings(self.directory, (str(self.sm),))
        return Channel(settings, Disk(is_syncing=False), self.take).run(fd)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.directory.glob("*.lines"))

    def parts(self) -> list[bytes]:
        return [path.read_bytes() for path in self.directory.glob("*.part")]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_articles_go_in_as_batches_in_their_order(site: Site) -> None:
    count = 2 * TOKENS_AT_ONCE + 7
    assert site.run([site.keep(number) for number in range(count)])
    assert len(site.got) == 3
    assert b"".join(site.got) == b"".join(b"#! rnews 2\n%d\n" % (number % 10) for number in range(count))
    assert (site.left(), site.parts()) == ([], [])


def test_an_article_that_is_gone_from_the_store_holds_up_no_other(site: Site) -> None:
    assert site.run([site.keep(1), f"{token(2)} <2@a.test>", site.keep(3), "", "!flush x"])
    assert site.got == [b"#! rnews 2\n1\n#! rnews 2\n3\n"]
    assert site.left() == []


@pytest.mark.parametrize("line", ["echo 'sm: cannot initialize' >&2; exit 1", "kill -9 $$", "exit 1"])
def test_lines_stay_while_the_store_can_not_be_read(site: Site, line: str) -> None:
    good = site.sm.read_text()
    site.write_sm(line)
    assert not site.run([site.keep(1)])
    assert len(site.left()) == 1
    site.sm.write_text(good)
    assert site.run([site.keep(2)])
    assert site.got[-2:] == [b"#! rnews 2\n1\n", b"#! rnews 2\n2\n"]
    assert site.left() == []


def test_lines_stay_while_the_queue_takes_nothing(site: Site) -> None:
    site.status = 75
    assert not site.run([site.keep(1)])
    assert len(site.left()) == 1
    site.status = 0
    assert site.run()
    assert site.got == [b"#! rnews 2\n1\n"]


def test_lines_are_on_disk_before_their_articles_are_fetched(site: Site) -> None:
    site.write_sm(f"ls {site.directory}/*.lines >> {site.store}/seen; cat STORE/$1")
    source, target = os.pipe()
    thread = threading.Thread(target=site.run_on, args=(source,))
    thread.start()
    os.write(target, f"{site.keep(1)}\n".encode())
    wait_until(lambda: site.got == [b"#! rnews 2\n1\n"], 60, "the first article while the channel is open")
    os.write(target, f"{site.keep(2)}\n".encode())
    os.close(target)
    thread.join(60)
    os.close(source)
    assert site.got == [b"#! rnews 2\n1\n", b"#! rnews 2\n2\n"]
    seen = (site.store / "seen").read_text().split()
    assert len(seen) == len(set(seen)) == 2


def test_a_program_that_is_not_there_is_told(site: Site) -> None:
    site.sm.unlink()
    with pytest.raises(ConfigError, match="cannot start"):
        site.run([site.keep(1)])
    assert len(site.left()) == 1


def test_the_next_program_keeps_its_lines_while_the_one_before_is_at_its_last(site: Site) -> None:
    site.directory.mkdir()
    with StageLock(site.directory / LOCK_NAME):
        thread = threading.Thread(target=site.run, args=([site.keep(1)],))
        thread.start()
        wait_until(lambda: len(site.left()) == 1, 60, "the lines are kept")
        assert site.got == []
    thread.join(60)
    assert site.got == [b"#! rnews 2\n1\n"]
    assert site.left() == []
