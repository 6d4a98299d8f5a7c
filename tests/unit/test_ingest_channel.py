"""Lines of a channel feed are kept until the articles they name are taken in."""

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import ConfigError
from gateway.ingest.channel import LINES_PER_FILE, LOCK_NAME, Channel, ChannelSettings, read_lines
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

    def run(self, *groups: Sequence[str]) -> bool:
        settings = ChannelSettings(self.directory, (str(self.sm),))
        return Channel(settings, Disk(is_syncing=False), self.take).run(iter(groups))

    def left(self) -> list[str]:
        return sorted(path.name for path in self.directory.glob("*.lines"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_articles_go_in_as_batches_in_their_order(site: Site) -> None:
    lines = [site.keep(number) for number in range(5)]
    assert site.run(lines[:3], lines[3:])
    assert site.got == [b"".join(b"#! rnews 2\n%d\n" % n for n in group) for group in (range(3), range(3, 5))]
    assert site.left() == []


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
    ready, go_on = threading.Event(), threading.Event()

    def groups() -> Iterator[list[str]]:
        yield [site.keep(1)]
        ready.set()
        assert go_on.wait(30)
        yield [site.keep(2)]

    settings = ChannelSettings(site.directory, (str(site.sm),))
    channel = Channel(settings, Disk(is_syncing=False), site.take)
    thread = threading.Thread(target=channel.run, args=(groups(),))
    thread.start()
    assert ready.wait(30)
    wait_until(lambda: site.got == [b"#! rnews 2\n1\n"], 30, "the first article while the channel is open")
    go_on.set()
    thread.join(30)
    assert site.got == [b"#! rnews 2\n1\n", b"#! rnews 2\n2\n"]
    seen = (site.store / "seen").read_text().split()
    assert len(seen) == len(set(seen)) == 2


def test_a_program_that_is_not_there_is_told(site: Site) -> None:
    site.sm.unlink()
    with pytest.raises(ConfigError, match="cannot start"):
        site.run([site.keep(1)])
    assert len(site.left()) == 1


def test_lines_are_read_in_groups_however_they_are_cut(tmp_path: Path) -> None:
    lines = [f"{token(number)} <{number}@a.test>" for number in range(2 * LINES_PER_FILE + 7)]
    path = tmp_path / "input"
    path.write_text("\n".join(lines))
    with path.open("rb") as file:
        groups = list(read_lines(file.fileno()))
    assert max(map(len, groups)) == LINES_PER_FILE
    assert [line for group in groups for line in group] == lines


def test_the_next_program_keeps_its_lines_while_the_one_before_is_at_its_last(site: Site) -> None:
    site.directory.mkdir()
    with StageLock(site.directory / LOCK_NAME):
        thread = threading.Thread(target=site.run, args=([site.keep(1)],))
        thread.start()
        wait_until(lambda: len(site.left()) == 1, 30, "the lines are kept")
        assert site.got == []
    thread.join(30)
    assert site.got == [b"#! rnews 2\n1\n"]
    assert site.left() == []
