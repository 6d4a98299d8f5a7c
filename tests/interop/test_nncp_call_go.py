"""Our call and daemon against Go's on uneven ground: addresses of all kinds, half packets, stops."""

import signal
import socket
from pathlib import Path

import pytest

from gateway.spool.layout import PART_SUFFIX, Box
from tests.support.both_nncp import GO, OURS
from tests.support.online import OnlinePair
from tests.support.online_packets import MIB, TINY, Made, Mix
from tests.support.pairings import WITH_GO, at_once
from tests.support.ports import free_port
from tests.support.processes import wait_until

SECONDS = 60
LARGE = Mix((3 * MIB, 3 * MIB), large_share=0)


def is_ipv6_here() -> bool:
    """Whether the loopback has an IPv6 address."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not is_ipv6_here(), reason="no IPv6 on the loopback")
@at_once(*WITH_GO)
def test_ipv6_and_host_names_are_addresses_too(place: Path, caller: str, daemon: str) -> None:
    """A daemon that listens on all addresses is reached by [::1], by 127.0.0.1 and by a name."""
    pair = OnlinePair(place / "pair")
    port = free_port()
    with pair.start(daemon, "b", "daemon", "-quiet", "-bind", f"[::]:{port}") as program:
        for host in ("[::1]", "127.0.0.1", "localhost"):
            pair.fill("a", 1, seed=host, mix=TINY)

            def has_gone_through(host: str = host) -> bool:
                pair.call(caller, "a", "-quiet", "--", f"{host}:{port}", is_checked=False)
                return pair.has_all("b")

            program.wait_ready(has_gone_through, SECONDS, f"a session with {host}")


@pytest.mark.parametrize("kind", ["wrong", "longer", "half", "whole"])
@pytest.mark.parametrize("caller", [OURS, GO])
def test_what_an_earlier_session_left_is_used_or_replaced_in_one_session(
    tmp_path: Path, caller: str, kind: str
) -> None:
    """Half a packet of Go's that lies here, right or wrong, is a whole one after one session."""
    pair = OnlinePair(tmp_path / "pair", deadline_seconds=3)
    daemon = GO if caller == OURS else OURS
    receiver, sender = ("a", "b") if caller == OURS else ("b", "a")
    (made,) = pair.fill(sender, 1, mix=LARGE)
    _lay_part(pair, sender, receiver, made, kind)
    with pair.listening(daemon, "b", "-quiet") as (port, _):
        pair.call(caller, "a", "-quiet", "--", f"127.0.0.1:{port}")
    pair.check_all()


def _lay_part(pair: OnlinePair, sender: str, receiver: str, made: Made, kind: str) -> None:
    content = (pair.box(sender, Box.TX) / made.packet.text).read_bytes()
    parts = {
        "wrong": bytes(MIB),
        "longer": content + b"!",
        "half": content[: MIB + 1],
        "whole": content,
    }
    rx = pair.box(receiver, Box.RX)
    rx.mkdir(parents=True, exist_ok=True)
    (rx / f"{made.packet}{PART_SUFFIX}").write_bytes(parts[kind])


@pytest.mark.parametrize("stopped", ["caller", "daemon"])
def test_a_stop_in_the_middle_keeps_what_came_and_the_next_session_goes_on_there(
    tmp_path: Path, stopped: str
) -> None:
    """SIGTERM of ours in the middle of a packet of Go's: the half stays, and is not sent again."""
    pair = OnlinePair(tmp_path / "pair", deadline_seconds=3)
    ours_calls = stopped == "caller"
    caller, daemon = (OURS, GO) if ours_calls else (GO, OURS)
    receiver, sender = ("a", "b") if ours_calls else ("b", "a")
    # So slow that there is a middle: Go's rates are of pieces.
    pair.change(sender, txrate=10)
    rate = () if ours_calls else ("-txrate", "10")
    (made,) = pair.fill(sender, 1, mix=LARGE)
    part = pair.box(receiver, Box.RX) / f"{made.packet}{PART_SUFFIX}"
    with pair.listening(daemon, "b", "-quiet") as (port, program):
        with pair.start_call(caller, "a", "-quiet", *rate, "--", f"127.0.0.1:{port}") as call:
            victim = call if ours_calls else program
            wait_until(
                lambda: part.exists() and part.stat().st_size > 0, SECONDS, "a part", explain=pair.explain
            )
            victim.send_signal(signal.SIGTERM)
            assert victim.wait(SECONDS) == (1 if ours_calls else 0)
        size_bytes = part.stat().st_size
        assert 0 < size_bytes < made.size_bytes
    for name in ("a", "b"):
        pair.wait_unlocked(name)
    pair.change(sender, txrate=0)
    with pair.listening(daemon, "b", "-quiet") as (port, _):
        pair.call(caller, "a", "-quiet", "--", f"127.0.0.1:{port}")
    pair.check_all()
    assert f"Offset: {size_bytes}\n" in pair.log_text(receiver)
