"""The endpoints run in uvloop's event loop where there is one, and in asyncio's as well."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.daemon.event_loop import run_in_loop
from tests.support.gateways import MODULE, START_SECONDS, GatewayNode, clean_environ, pair
from tests.support.processes import Running

WITHOUT_UVLOOP = (
    sys.executable,
    "-c",
    "import sys; sys.modules['uvloop'] = None; from gateway.cli.main import main; main()",
)
ALICE, BOB = "alice@a.test", "bob@b.test"


def test_a_coroutine_runs_to_its_end_and_its_error_comes_out() -> None:
    ended = []

    async def work() -> None:
        await asyncio.sleep(0)
        ended.append(asyncio.get_running_loop())
        raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"):
        run_in_loop(work())
    (loop,) = ended
    assert loop.is_closed()


@pytest.mark.parametrize(("program", "is_uvloop"), [(MODULE, True), (WITHOUT_UVLOOP, False)])
def test_the_daemon_takes_mail_and_ends_in_good_order_in_either_loop(
    tmp_path: Path, program: Sequence[str], *, is_uvloop: bool
) -> None:
    if is_uvloop:
        pytest.importorskip("uvloop")
    a = GatewayNode(tmp_path / "a", "a.test")
    pair(a, GatewayNode(tmp_path / "b", "b.test"))
    argv = [*program, "-c", str(a.config_path), "serve"]
    with Running(argv, a.log_path, env=clean_environ()) as daemon:
        daemon.wait_ready(lambda: "ready: " in a.log_text(), START_SECONDS, "ready")
        a.submit(ALICE, [BOB], b"Subject: hello\n\nhello\n")
        assert ("uvloop" in Path(f"/proc/{daemon.pid}/maps").read_text()) == is_uvloop
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 0
    assert [message["sender"] for message in a.queue()] == [ALICE]
