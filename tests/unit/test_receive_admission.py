"""Mail is taken for our own domains alone."""

import pytest

from gateway.msgqueue.entry import Verdict
from gateway.receive.admission import Admission, is_postmaster

RULES = Admission(("b.test", ".c.test", "[192.0.2.1]"), max_hops=3)


@pytest.mark.parametrize(
    "recipient", ["bob@b.test", "BOB@B.TEST", "x@deep.c.test", "x@a.b.c.test", "x@[192.0.2.1]"]
)
def test_our_own_domains_are_delivered_here(recipient: str) -> None:
    target = RULES.target(recipient)
    assert (target.recipient, target.node, target.refusal) == (recipient, None, None)


@pytest.mark.parametrize(
    "recipient",
    [
        "bob@a.test",
        "bob@c.test",
        "bob@xc.test",
        "bob@b.test.evil",
        "bob@sub.b.test",
        "bob%a.test@d.test",
        "bob",
    ],
)
def test_everything_else_is_refused(recipient: str) -> None:
    refusal = RULES.target(recipient).refusal
    assert refusal is not None
    assert (refusal.verdict, refusal.status) == (Verdict.REFUSED, "5.7.1")


def test_the_bare_postmaster_is_ours() -> None:
    assert RULES.target("Postmaster").recipient == "postmaster@b.test"
    assert is_postmaster("POSTMASTER")
    assert Admission(()).target("postmaster").refusal is not None


@pytest.mark.parametrize(("hop_count", "is_loop"), [(0, False), (3, False), (4, True)])
def test_a_message_may_not_go_in_circles(hop_count: int, is_loop: bool) -> None:  # noqa: FBT001 - a parameter
    refusal = RULES.loop(hop_count)
    assert (refusal is not None) == is_loop
    if refusal is not None:
        assert refusal.status == "5.4.6"
