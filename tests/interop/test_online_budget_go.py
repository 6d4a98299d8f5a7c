"""A session that may cost only so many bytes ends cleanly there, and the next one goes on."""

from pathlib import Path

from tests.support.both_nncp import GO, OURS
from tests.support.online import OnlinePair
from tests.support.online_packets import KIB, MIB, Mix
from tests.support.pairings import ALL, at_once
from tests.support.tcp_proxy import Proxy

LARGE = Mix((8 * MIB, 8 * MIB), large_share=0)
BUDGET_BYTES = 6 * MIB
OVERRUN_BYTES = {OURS: MIB, GO: 5 * MIB}
"""What the other side has given to its kernel comes even after we told it to stop: with Go that is much."""
RATE = 8 * MIB
WINDOW_BYTES = 16 * KIB
SESSION_LIMIT = 8


@at_once(*ALL)
def test_budget_is_kept_and_everything_arrives_in_some_sessions(
    place: Path, caller: str, daemon: str
) -> None:
    """No session passes its budget by much, nothing is sent twice, and a few sessions bring everything."""
    pair = OnlinePair(place / "pair")
    for name, who in (("a", caller), ("b", daemon)):
        pair.fill(name, 1, mix=LARGE)
        if who == OURS:
            pair.change(name, link={"max-bytes": BUDGET_BYTES})
    passed: list[int] = []
    with (
        pair.listening(daemon, "b", "-quiet") as (port, _),
        Proxy(port, bytes_per_second=RATE, window_bytes=WINDOW_BYTES) as proxy,
    ):
        while not pair.has_all():
            assert len(passed) < SESSION_LIMIT, pair.explain()
            proxy.cut_next(None)
            pair.call(caller, "a", "-quiet", "--", proxy.address, is_checked=False)
            passed.append(proxy.passed_bytes)
            for name in ("a", "b"):
                pair.wait_unlocked(name)
    pair.check_all()
    assert len(passed) > 1
    assert max(passed) < BUDGET_BYTES + OVERRUN_BYTES[GO if GO in {caller, daemon} else OURS]
    assert sum(passed) < 2 * 8 * MIB + len(passed) * MIB
