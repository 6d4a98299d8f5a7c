"""What is made ready before a session: locks, packets of what waits, and their list."""

import asyncio
import gc
import threading
from pathlib import Path

import pytest

from gateway.carry.online.office import Hooks
from gateway.carry.online.preparation import find_offers, hold_locks
from gateway.errors import StoreBusy, StoreError
from gateway.link.settings import LinkSettings
from gateway.nodes import Node
from gateway.spool.layout import LockKind
from tests.support.online_sessions import WAIT_SECONDS, Site, until


def test_what_is_made_in_time_is_listed(tmp_path: Path) -> None:
    async def story() -> None:
        a = Site(tmp_path, "a")
        made = []
        async with a.office(hooks=Hooks(on_start=lambda _node: made.append(a.queue(b"made")))) as office:
            offers = await find_offers(office, a.peer, LinkSettings(), WAIT_SECONDS)
            assert [offer.packet for offer in offers] == made
            assert await find_offers(office, a.peer, LinkSettings(is_sending=False)) == ()

    asyncio.run(story())


def test_a_fault_in_time_is_the_sessions(tmp_path: Path) -> None:
    def fail(_node: Node) -> None:
        raise StoreError("the disk is gone")

    async def story() -> None:
        a = Site(tmp_path, "a")
        async with a.office(hooks=Hooks(on_start=fail)) as office:
            with pytest.raises(StoreError, match="the disk is gone"):
                await find_offers(office, a.peer, LinkSettings())

    asyncio.run(story())


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_fault_that_comes_when_nobody_waits_any_more_is_logged_without_a_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_cancelled: bool
) -> None:
    may_fail = threading.Event()

    def fail_late(_node: Node) -> None:
        may_fail.wait(WAIT_SECONDS)
        raise StoreError("the disk is gone")

    async def story() -> None:
        a = Site(tmp_path, "a")
        async with a.office(hooks=Hooks(on_start=fail_late)) as office:
            patience_seconds = None if is_cancelled else 0.01
            finding = asyncio.ensure_future(find_offers(office, a.peer, LinkSettings(), patience_seconds))
            if is_cancelled:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                finding.cancel()
            await asyncio.gather(finding, return_exceptions=True)
            may_fail.set()
            await until(lambda: "sp-infos-tx" in a.events())
            assert "Err: the disk is gone\n" in a.log_text()
            gc.collect()

    asyncio.run(story())
    assert "never retrieved" not in caplog.text


def test_a_lock_that_is_held_is_told_and_the_other_one_given_back(tmp_path: Path) -> None:
    async def story() -> None:
        a = Site(tmp_path, "a")
        async with a.office() as office:
            with a.spool.lock(a.peer.id, LockKind.TX), pytest.raises(StoreBusy):
                async with hold_locks(office, a.peer, is_receiving=True, is_sending=True):
                    raise AssertionError("the lock of another was taken")
            async with hold_locks(office, a.peer, is_receiving=True, is_sending=True):
                pass
        assert a.events() == ["lockdir-flock"]

    asyncio.run(story())
