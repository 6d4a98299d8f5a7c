"""New files in a directory are noticed at once, or somebody is told that they were not."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.carry.online.watch import Watch
from tests.support.online_sessions import until

QUEUE_COUNT_PATH = Path("/proc/sys/fs/inotify/max_queued_events")


def test_new_files_are_told_by_name_until_nobody_wants_to_know(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        told: list[str] = []
        others: list[str] = []
        unwatch = watch.add(tmp_path, lambda names: told.extend(names or ["all"]))
        unwatch_other = watch.add(tmp_path, lambda names: others.extend(names or ["all"]))
        (tmp_path / "written").write_bytes(b"x")
        (tmp_path / "written").rename(tmp_path / "renamed")
        await until(lambda: "renamed" in told and "renamed" in others)
        unwatch()
        unwatch()
        (tmp_path / "later").write_bytes(b"x")
        await until(lambda: "later" in others)
        assert told == ["written", "renamed"]
        unwatch_other()
        watch.close()
        watch.close()

    asyncio.run(story())


def test_a_directory_that_can_not_be_watched_is_no_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        watch = Watch()
        watch.add(tmp_path / "missing", lambda _names: None)()
        watch.close()

    asyncio.run(story())
    assert "new packets are found later" in caplog.text


def test_each_directory_has_its_own_news(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        told: dict[str, list[str]] = {"one": [], "two": []}
        for name, names in told.items():
            (tmp_path / name).mkdir()
            watch.add(tmp_path / name, lambda new, names=names: names.extend(new or []))  # type: ignore[misc]
        (tmp_path / "one" / "in one").touch()
        (tmp_path / "two" / "in two").touch()
        await until(lambda: all(told.values()))
        assert told == {"one": ["in one"], "two": ["in two"]}
        watch.close()

    asyncio.run(story())


def test_news_that_were_too_many_are_told_as_lost_to_everybody(tmp_path: Path) -> None:
    queue_count = int(QUEUE_COUNT_PATH.read_text())

    async def story() -> None:
        watch = Watch()
        told: list[Sequence[str] | None] = []
        others: list[Sequence[str] | None] = []
        for name, news in (("busy", told), ("quiet", others)):
            (tmp_path / name).mkdir()
            watch.add(tmp_path / name, news.append)
        first, second = tmp_path / "busy" / "first", tmp_path / "busy" / "second"
        first.touch()
        # Nobody reads meanwhile.
        for _ in range(queue_count // 2 + 1):
            first.rename(second)
            second.rename(first)
        await until(lambda: None in told and None in others)
        (tmp_path / "busy" / "later").touch()
        await until(lambda: any(names and "later" in names for names in told))
        watch.close()

    asyncio.run(story())


def test_one_listener_that_leaves_takes_nobody_with_it(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        others: list[str] = []
        unwatch = watch.add(tmp_path, lambda _names: unwatch())
        watch.add(tmp_path, lambda names: others.extend(names or []))
        (tmp_path / "new").touch()
        await until(lambda: others == ["new"])
        watch.close()

    asyncio.run(story())
