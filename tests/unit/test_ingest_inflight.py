"""Room for content in memory."""

from gateway.ingest.inflight import InFlight


def test_shares_never_pass_the_limit() -> None:
    inflight = InFlight(100)
    one, two = inflight.reservation(), inflight.reservation()
    assert one.hold(60)
    assert not two.hold(41)
    assert (two.held_bytes, inflight.used_bytes) == (0, 60)
    assert two.hold(40)
    assert not two.hold(41)
    assert (two.held_bytes, inflight.used_bytes) == (40, 100)


def test_share_grows_and_never_shrinks_before_release() -> None:
    inflight = InFlight(100)
    share = inflight.reservation()
    assert share.hold(50)
    assert share.hold(20)
    assert inflight.used_bytes == 50
    assert share.hold(100)
    share.release()
    share.release()
    assert (share.held_bytes, inflight.used_bytes) == (0, 0)
    assert share.hold(100)
