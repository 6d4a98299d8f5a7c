"""``nncp caller``: whom it calls, and how it ends."""

import json
import signal
from pathlib import Path

import pytest

from tests.support.both_nncp import OURS
from tests.support.online import OnlinePair
from tests.support.processes import wait_until

WAIT_SECONDS = 60
NEVER, HOURLY, EVERY_SECOND = "0 0 30 2 *", "@hourly", "* * * * * * *"


@pytest.fixture
def pair(tmp_path: Path) -> OnlinePair:
    """Node a, which has calls of b at an address where nobody is."""
    pair = OnlinePair(tmp_path / "pair")
    pair.change("a", addrs={"x": "127.0.0.1:1"}, calls=[{"cron": EVERY_SECOND}])
    return pair


def test_without_calls_it_ends_at_once(pair: OnlinePair) -> None:
    pair.change("a", calls=[])
    assert pair.run(OURS, "a", "caller").returncode == 0
    assert pair.run(OURS, "a", "caller", "self").returncode == 0


def test_times_that_never_come_are_told(pair: OnlinePair) -> None:
    pair.change("a", calls=[{"cron": NEVER}])
    done = pair.run(OURS, "a", "caller")
    assert done.stderr.endswith(b"Z ERROR b node, call 0: got zero time\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_in_good_order(pair: OnlinePair, number: int) -> None:
    with pair.start(OURS, "a", "caller") as caller:
        wait_until(lambda: "Calling b" in pair.log_text("a"), WAIT_SECONDS, "a call", explain=pair.explain)
        caller.send_signal(number)
        assert caller.wait(WAIT_SECONDS) == 0
    assert "Traceback" not in caller.log.read_text()


def test_only_the_neighbours_that_are_named_are_called(pair: OnlinePair) -> None:
    with pair.start(OURS, "a", "caller", "-debug", "b") as caller:
        wait_until(lambda: "b node, call 0: " in caller.log.read_text(), WAIT_SECONDS, "a plan")
    done = pair.run(OURS, "a", "caller", "nobody", is_checked=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"nncp-caller: Invalid NODE specified: unknown node 'nobody'")


def test_neighbour_without_a_key_for_it_cannot_be_named(pair: OnlinePair) -> None:
    config = json.loads(pair.configs["a"].read_text())
    del config["neigh"]["b"]["noisepub"]
    pair.configs["a"].write_text(json.dumps(config))
    assert pair.run(OURS, "a", "caller").returncode == 0
    done = pair.run(OURS, "a", "caller", "b", is_checked=False)
    assert done.returncode == 1
    assert b"Node b does not have online communication capability" in done.stderr


def test_pattern_of_multicast_that_is_none_is_told(pair: OnlinePair) -> None:
    config = json.loads(pair.configs["a"].read_text())
    pair.configs["a"].write_text(json.dumps({**config, "mcd-listen": ["eth("]}))
    done = pair.run(OURS, "a", "caller", is_checked=False)
    assert done.returncode == 1
    assert b"nncp-caller: mcd-listen: pattern 'eth(': a ( without its )" in done.stderr


def test_configuration_without_private_keys_calls_nobody(pair: OnlinePair) -> None:
    config = json.loads(pair.configs["a"].read_text())
    pair.configs["a"].write_text(json.dumps({**config, "self": None}))
    done = pair.run(OURS, "a", "caller", is_checked=False)
    assert (done.returncode, done.stderr) == (1, b"nncp-caller: Config lacks private keys\n")
